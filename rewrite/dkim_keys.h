/*
 * dkim_keys.h - which keys sign a message: by the author's domain, and by the time.
 *
 * RFC 6376 3.6.1 (selectors), 6.3 and RFC 7489 3.1.1 (d= and the domain of From). A domain is
 * signed for by its own rows, else by those of the closest domain above it that has a row which is
 * active: d= then is a parent of From's domain. Of the rows of one domain and one algorithm those
 * with the latest "from" that has come sign, several if they are equal; so a new selector takes
 * over from an old one by the clock alone.
 * Private keys are elsewhere: a row knows the keeper's name for one.
 *
 * Ownership: what rewrite_dkim_keys_new() is given is copied; a set is immutable, counted, any
 * thread.
 */
#ifndef REWRITE_DKIM_KEYS_H
#define REWRITE_DKIM_KEYS_H

#include "rewrite/dkim_canon.h"

/* name, tag a= of RFC 6376 3.5 and RFC 8463, tag k= of 3.6.1 */
#define REWRITE_DKIM_ALGORITHMS(XX) \
    XX(RSA, "rsa-sha256", "rsa")    \
    XX(ED25519, "ed25519-sha256", "ed25519")

enum rewrite_dkim_algorithm {
#define REWRITE_DKIM_ENUM(name, tag, kind) REWRITE_DKIM_##name,
    REWRITE_DKIM_ALGORITHMS(REWRITE_DKIM_ENUM)
#undef REWRITE_DKIM_ENUM
        REWRITE_DKIM_ALGORITHM_COUNT
};

struct rewrite_dkim_key {
    struct sv domain;   /* A-labels, lower case: d= */
    struct sv selector; /* s= */
    struct sv id;       /* the keeper's name for the key */
    enum rewrite_dkim_algorithm algorithm;
    enum rewrite_dkim_canon header, body; /* c= */
    int64_t from_s;                       /* wall time; INT64_MIN: always */
    bool require;                         /* better no message than one without this signature */
};

#define REWRITE_DKIM_SIGNERS_MAX 8 /* signatures of one message */

/* Who signs a message. */
struct rewrite_dkim_signers {
    const struct rewrite_dkim_key *keys[REWRITE_DKIM_SIGNERS_MAX]; /* of the set */
    size_t count;
    bool require; /* count is 0, and yet a row of the domain says require */
};

struct rewrite_dkim_keys;

struct rewrite_dkim_keys *rewrite_dkim_keys_new(const struct rewrite_dkim_key *keys, size_t count);
struct rewrite_dkim_keys *rewrite_dkim_keys_keep(struct rewrite_dkim_keys *set);
void rewrite_dkim_keys_drop(struct rewrite_dkim_keys *set);          /* NULL is allowed */
size_t rewrite_dkim_keys_count(const struct rewrite_dkim_keys *set); /* of NULL: 0 */
/* In the order they were given. */
const struct rewrite_dkim_key *rewrite_dkim_keys_at(const struct rewrite_dkim_keys *set, size_t i);
/* domain: lower case. Beyond REWRITE_DKIM_SIGNERS_MAX the rest does not sign. */
struct rewrite_dkim_signers rewrite_dkim_keys_find(const struct rewrite_dkim_keys *set,
                                                   struct sv domain, int64_t now_s);
/* Whether this key of the set signs for its domain at that time. */
bool rewrite_dkim_keys_is_active(const struct rewrite_dkim_keys *set,
                                 const struct rewrite_dkim_key *key, int64_t now_s);

const char *rewrite_dkim_algorithm_tag(enum rewrite_dkim_algorithm a);  /* a= */
const char *rewrite_dkim_algorithm_kind(enum rewrite_dkim_algorithm a); /* k= */
/* By k=; false: it is none of ours. */
bool rewrite_dkim_algorithm_of(struct sv kind, enum rewrite_dkim_algorithm *out);

#endif
