/*
 * claim.h - who a client says that he is, before anything is proved: read out of the messages of a
 * SASL mechanism, for those who have to decide whether the rest may be looked at. Pure.
 *
 * RFC 4616 (PLAIN), RFC 5802 7 (SCRAM), RFC 2195 (CRAM-MD5). All of these name the user in the
 * client's first message; only where they do is a secret proved that can be guessed. What the
 * mechanism itself then reads may differ for a message that is malformed: a decision that counts is
 * made again with the name it has read (auth_exchange_tried()). Any thread.
 */
#ifndef AUTH_CLAIM_H
#define AUTH_CLAIM_H

#include "auth/name.h"

/* Whether the mechanism proves a secret that can be guessed: a password. */
bool auth_claim_is_guessable(struct sv mechanism);
/* The name in the client's first message; empty if there is none. *out holds it. */
struct sv auth_claim_name(struct sv mechanism, struct sv message, char out[AUTH_NAME_MAX + 1]);
/* A name as GS2 writes it (RFC 5802 5.1), decoded into *out. */
struct sv auth_claim_saslname(struct sv text, char out[AUTH_NAME_MAX + 1]);
/* Whether a challenge that answers so many messages of the client says that the secret was right
 * (SCRAM: the server's own proof). The end of an exchange says it in any case. */
bool auth_claim_is_proof(struct sv mechanism, unsigned responses);

#endif
