/*
 * users.h - users in the SASL database: a Berkeley DB hash file as Cyrus' sasldb plugin keeps it.
 *
 * Key "user \0 realm \0 property", value the property. We write authPassword, a SCRAM-SHA-256
 * verifier (RFC 5803 form as Cyrus writes it), and userPassword, clear text, only where the caller
 * gives one. Databases made by saslpasswd2 (userPassword, clear text) are read as they are; where
 * both properties are there userPassword counts, since saslpasswd2 changes only that one. Safe at
 * the same time: every write takes an exclusive flock on "<path>.lock", changes a copy, syncs it
 * and renames it over the old file; readers need no lock and see the old or the new file, whole.
 * saslpasswd2 itself knows no lock: it must not run beside another writer. Threads: any, blocking
 * (disk and locks): not on a loop's thread. Errors: negative, err.h; ERR_CORRUPT where the file is
 * no Berkeley DB.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "auth/name.h"
#include "auth/scram.h"

/* ERR_EXISTS. Creates file and lock if absent (0600, owned by the folder's owner). verifier is of
 * SCRAM-SHA-256; cleartext empty: none is stored. */
int auth_users_add(const char *path, const struct auth_name *name,
                   const struct auth_scram *verifier, struct sv cleartext) MUST_CHECK;
/* ERR_NOT_FOUND. Takes the place of all that was stored. */
int auth_users_passwd(const char *path, const struct auth_name *name,
                      const struct auth_scram *verifier, struct sv cleartext) MUST_CHECK;
/* ERR_NOT_FOUND. Removes every property of the user and looks that none is left. */
int auth_users_delete(const char *path, const struct auth_name *name) MUST_CHECK;
/* One user with what is stored for him. */
struct auth_users_entry {
    struct sv login; /* "user@realm" */
    bool cleartext;  /* userPassword is there */
    bool verifier;   /* a SCRAM-SHA-256 verifier is there */
};
/* Calls each() for every user, sorted by login; also of realms that are not ours. A file that does
 * not exist has no users. */
int auth_users_list(const char *path, void (*each)(void *arg, const struct auth_users_entry *entry),
                    void *arg) MUST_CHECK;

/* What a login is checked against. */
enum auth_secret_kind {
    AUTH_SECRET_NONE, /* no such user */
    AUTH_SECRET_VERIFIER,
    AUTH_SECRET_CLEARTEXT,
    /* of databases that msad does not write (auth/database.h): */
    AUTH_SECRET_HASHED,    /* password holds a hash (auth/stored.h) */
    AUTH_SECRET_UNUSABLE,  /* a user with a password of a kind that cannot be checked */
    AUTH_SECRET_LOCKED,    /* a user without a password: he is let in by nothing */
    AUTH_SECRET_ELSEWHERE, /* somebody else judges the password, and whether there is such a user */
};
struct auth_secret {
    enum auth_secret_kind kind;
    struct auth_scram verifier;       /* AUTH_SECRET_VERIFIER */
    char password[AUTH_PASSWORD_MAX]; /* AUTH_SECRET_CLEARTEXT, _HASHED */
    size_t password_len;
};
/* 0 with kind NONE for an unknown user; also where there is no file. An error is a temporary
 * failure. The caller wipes *out. */
int auth_users_secret(const char *path, const struct auth_name *name,
                      struct auth_secret *out) MUST_CHECK;

/* Whether anything is stored of this user. */
int auth_users_exists(const char *path, const struct auth_name *name, bool *out) MUST_CHECK;
/* What is to be known of all users at once: whether any has a clear-text entry, and how many
 * verifiers have which iteration count, by ascending count; those of a ninth count are left out. */
#define AUTH_USERS_COUNTS_MAX 8
struct auth_users_survey {
    bool any_cleartext;
    struct {
        uint32_t iterations;
        size_t users;
    } at[AUTH_USERS_COUNTS_MAX];
    size_t count;
};
/* Reads the whole database. */
int auth_users_survey(const char *path, struct auth_users_survey *out) MUST_CHECK;

/* Which file a path names at this moment; equal identities mean unchanged content. */
struct auth_users_identity {
    uint64_t dev, ino, size;
    int64_t mtime_ns, ctime_ns; /* all 0: no file */
};
int auth_users_identity(const char *path, struct auth_users_identity *out) MUST_CHECK;
bool auth_users_identity_eq(const struct auth_users_identity *a,
                            const struct auth_users_identity *b);

#endif
