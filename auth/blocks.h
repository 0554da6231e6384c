/*
 * blocks.h - "msactl block list" and "block remove" at the keeper's socket: request, answer, and
 * the asking side.
 *
 * Blocks live in the running keeper alone. Ownership: strings of an answer are in its arena. Any
 * thread; auth_blocks_ask() blocks.
 */
#ifndef AUTH_BLOCKS_H
#define AUTH_BLOCKS_H

#include "msa/base/arena.h"
#include "msa/base/buf.h"

struct auth_blocks_request {
    bool removes;
    struct sv what; /* removes: an address (a /64 may be written so) or a login */
};

struct auth_blocks_entry {
    bool is_address;
    const char *what; /* "192.0.2.1", "2001:db8::/64", "alice@example.net" */
    uint32_t left_s;
};

struct auth_blocks {
    int err; /* 0, ERR_NOT_FOUND: nothing to remove, ERR_SYNTAX */
    struct arena mem;
    const char *text; /* one line for people, or "" */
    struct auth_blocks_entry *entries;
    size_t count;
};
#define AUTH_BLOCKS_MAX 5000 /* entries of one answer */

void auth_blocks_init(struct auth_blocks *b);
void auth_blocks_deinit(struct auth_blocks *b);
/* False if the answer is full. */
bool auth_blocks_add(struct auth_blocks *b, bool is_address, const char *what, uint64_t left_ms);

void auth_blocks_request_write(struct buf *out, const struct auth_blocks_request *r);
int auth_blocks_request_read(struct sv payload, struct auth_blocks_request *out) MUST_CHECK;
void auth_blocks_write(struct buf *out, const struct auth_blocks *b);
int auth_blocks_read(struct sv payload, struct auth_blocks *out) MUST_CHECK;

/* ERR_KEEPER: no keeper listens there. */
int auth_blocks_ask(const char *socket_path, const struct auth_blocks_request *r,
                    struct auth_blocks *out) MUST_CHECK;

#endif
