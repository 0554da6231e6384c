/*
 * generation.h - what the keeper holds of one generation: options, keys, what logs in at
 * smarthosts.
 *
 * Immutable after it is made; counted, by the loop's thread only. Pool threads read it while a job
 * holds a reference.
 */
#ifndef AUTH_GENERATION_H
#define AUTH_GENERATION_H

#include "auth/directory.h"
#include "auth/grant.h"
#include "auth/guard.h"
#include "auth/keys.h"
#include "auth/sasl.h"

/* What logs in at a smarthost: a password, or a token of this grant. */
struct auth_route_secret {
    struct sv name, user, password; /* in one wiped block each */
    struct auth_grant *grant;       /* a reference; NULL: the password counts */
};

struct auth_generation {
    uint64_t number;
    unsigned refs;
    struct auth_sasl *sasl;
    struct auth_keys *keys;
    struct sv keytab;                 /* wiped with it; empty: none */
    struct sv database_ca;            /* likewise */
    struct guard_rules guard_rules;   /* its networks are this generation's */
    struct sv directory_ca;           /* likewise */
    struct auth_directory *directory; /* NULL: none */
    struct auth_route_secret *secrets;
    size_t nsecrets;
};

/* ERR_SYNTAX with one line for each fault appended to why. */
int auth_generation_new(const struct keeper_material *m, struct auth_check *check,
                        struct auth_grants *grants, struct buf *why,
                        struct auth_generation **out) MUST_CHECK;
/* It is the one from now on: writes the files that libraries of databases read (faults are logged);
 * not before, since a generation that is refused changes nothing. */
void auth_generation_commit(const struct auth_generation *g);
struct auth_generation *auth_generation_ref(struct auth_generation *g);
void auth_generation_unref(struct auth_generation *g); /* NULL is allowed */
/* NULL if there is none of that name. */
const struct auth_route_secret *auth_generation_secret(const struct auth_generation *g,
                                                       struct sv name);

#endif
