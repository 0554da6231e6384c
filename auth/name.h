/*
 * name.h - names and passwords of users: their form, and which realms are ours.
 *
 * A login is "user@realm". Without '@' the first realm is added, so that "bench" and
 * "bench@example.net" are one user everywhere. Plain values, any thread.
 */
#ifndef AUTH_NAME_H
#define AUTH_NAME_H

#include "msa/base/conf.h"

#define AUTH_NAME_MAX     255  /* bytes of "user@realm" */
#define AUTH_PASSWORD_MAX 1024 /* bytes */

struct auth_name {
    char text[AUTH_NAME_MAX + 1]; /* "user@realm", realm as configured */
    size_t user_len;              /* text[user_len] is '@' */
};

enum auth_name_fault {
    AUTH_NAME_OK,
    AUTH_NAME_EMPTY,
    AUTH_NAME_LONG,
    AUTH_NAME_CHARACTER, /* control character, space, NUL, invalid UTF-8, a second '@' */
    AUTH_NAME_REALM,     /* not one of ours */
    AUTH_NAME_FOREIGN,   /* a character that a foreign database might read otherwise (database.h) */
};

/* NAME or NAME@realm; a realm is compared without ASCII case and must be one of realms. *out is
 * filled only if AUTH_NAME_OK. */
enum auth_name_fault auth_name_parse(const struct conf_strings *realms, struct sv text,
                                     struct auth_name *out);
const char *auth_name_fault_text(enum auth_name_fault fault);
struct sv auth_name_view(const struct auth_name *name); /* "user@realm" */
struct sv auth_name_user(const struct auth_name *name);
struct sv auth_name_realm(const struct auth_name *name);

/* NULL if a password can be stored, else what is wrong with it: empty, too long, a control
 * character, invalid UTF-8. */
const char *auth_password_fault(struct sv password);

#endif
