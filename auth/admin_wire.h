/*
 * admin_wire.h - administration's request and answer as frames: one message type each.
 * Views read point into the payload; an answer's users are copied. Any thread.
 */
#ifndef AUTH_ADMIN_WIRE_H
#define AUTH_ADMIN_WIRE_H

#include "auth/admin.h"

#define AUTH_ADMIN_REQUEST 1u
#define AUTH_ADMIN_ANSWER  2u
#define AUTH_ADMIN_BLOCKS  3u          /* both ways: auth/blocks.h */
#define AUTH_ADMIN_TOKENS  4u          /* both ways, empty as a request: auth/tokens.h */
#define AUTH_ADMIN_MAX     (16u << 20) /* bytes of an answer: what a chan takes */

void auth_admin_request_write(struct buf *out, const struct auth_admin_request *r);
int auth_admin_request_read(struct sv payload, struct auth_admin_request *out) MUST_CHECK;
/* A list that is too long for a frame becomes ERR_FULL. */
void auth_admin_answer_write(struct buf *out, const struct auth_admin_answer *a);
/* out is initialised. */
int auth_admin_answer_read(struct sv payload, struct auth_admin_answer *out) MUST_CHECK;

/* One request and its answer at the keeper's socket, blocking, on a loop of its own. ERR_KEEPER:
 * nobody listens there; ERR_SYNTAX: another type of answer than wanted. */
int auth_admin_call(const char *socket_path, uint32_t type, struct sv request, uint32_t wanted,
                    struct buf *answer) MUST_CHECK;

#endif
