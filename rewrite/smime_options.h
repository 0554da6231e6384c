/*
 * smime_options.h - the keys of "rewrite" for S/MIME: who signs, who is encrypted to.
 *
 * Draft 8.5, 8.6. What patterns and certificates mean is read by smime_set.h.
 */
#ifndef REWRITE_SMIME_OPTIONS_H
#define REWRITE_SMIME_OPTIONS_H

#include "msa/base/conf.h"

enum rewrite_smime_policy {
    REWRITE_SMIME_NEVER,
    REWRITE_SMIME_IF_POSSIBLE,
    REWRITE_SMIME_REQUIRE,
};

struct rewrite_smime_options {
    const char *from;        /* pattern of the author's address */
    const char *login;       /* empty: any */
    const char *certificate; /* path, PEM, chain behind it */
    const char *key;         /* path, PEM; the keeper's */
    bool require;
};

struct rewrite_encrypt_options {
    const char *to; /* pattern of the recipient's address */
    int policy;     /* enum rewrite_smime_policy */
};

/* How the directories of rewrite.certificates are asked. */
struct rewrite_directory_options {
    const char *user, *password_file; /* the latter a path; the keeper's */
    const char *ca;                   /* path, PEM */
};

extern const struct conf_option rewrite_smime_rows[];
extern const struct conf_option rewrite_encrypt_rows[];
extern const struct conf_option rewrite_directory_rows[];
/* Of rewrite.certificates: an absolute path, or the URL of a directory. */
void rewrite_smime_check_path(const char *value, struct conf_faults *faults);

#endif
