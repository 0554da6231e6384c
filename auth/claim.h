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

/* Whether the mechanism proves a secret that can be guessed: a password, or a token. */
bool auth_claim_is_guessable(struct sv mechanism);
/* The name in the client's first message; empty if there is none. *out holds it. */
struct sv auth_claim_name(struct sv mechanism, struct sv message, char out[AUTH_NAME_MAX + 1]);
/* A name as GS2 writes it (RFC 5802 5.1), decoded into *out. */
struct sv auth_claim_saslname(struct sv text, char out[AUTH_NAME_MAX + 1]);
/* What a challenge says that answers so many messages of the client. The end of an exchange says
 * it in any case. */
enum auth_claim_challenge {
    AUTH_CLAIM_OPEN,   /* nothing */
    AUTH_CLAIM_PROVEN, /* the secret was right (SCRAM: the server's own proof) */
    AUTH_CLAIM_REFUSED /* it was wrong (RFC 7628 3.2.2: the error, before the exchange fails) */
};
enum auth_claim_challenge auth_claim_challenge(struct sv mechanism, unsigned responses);

#endif
