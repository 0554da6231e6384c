/*
 * tokens.h - how the logins by token at smarthosts stand, told at the keeper's socket for
 * "msactl status": never a token, only whose it is and when it ends.
 *
 * Ownership: strings of a list are in its arena. Any thread; auth_tokens_ask() blocks.
 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

#include "msa/base/arena.h"
#include "msa/base/buf.h"

#define AUTH_TOKENS_MAX 1000 /* entries of one list */

struct auth_tokens_entry {
    const char *user, *url; /* of the route */
    uint32_t left_s;        /* 0: there is no token */
    const char *fault;      /* of the last request to the issuer; "": it was good, or not made */
};

struct auth_tokens {
    struct arena mem;
    struct auth_tokens_entry *entries;
    size_t count;
};

void auth_tokens_init(struct auth_tokens *t);
void auth_tokens_deinit(struct auth_tokens *t);
/* Copied; one that is too many is left out. */
void auth_tokens_add(struct auth_tokens *t, const struct auth_tokens_entry *e);

void auth_tokens_write(struct buf *out, const struct auth_tokens *t);
int auth_tokens_read(struct sv payload, struct auth_tokens *out) MUST_CHECK;
/* ERR_KEEPER: no keeper listens there. */
int auth_tokens_ask(const char *socket_path, struct auth_tokens *out) MUST_CHECK;

#endif
