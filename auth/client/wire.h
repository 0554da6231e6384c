/*
 * wire.h - the messages between the keeper and those who ask it, one frame of a chan each.
 *
 * Asker to keeper: SASL_START opens an exchange under an id of the asker's choice, SASL_STEP goes
 * on with it, CANCEL ends it without an answer; LOGIN_START and LOGIN_STEP are the client side of
 * SASL, by which we log in at a smarthost; SIGN asks for one signature; LOCK shuts a login;
 * FIND asks the directories for a recipient's certificates.
 * Keeper to asker: one ANSWER to each start, step, sign, lock and find, in any order; USER_CHANGED
 * comes by itself. There is no message that changes users otherwise, or reads a secret.
 *
 * Ownership: all views of a decoded message point into the payload. Numbers are checked on both
 * sides: the keeper trusts the server no more than the server trusts the network. Any thread.
 */
#ifndef AUTH_CLIENT_WIRE_H
#define AUTH_CLIENT_WIRE_H

#include "auth/client/channel.h"

#define AUTH_WIRE_DATA_MAX  16384 /* bytes of data; RFC 4954 4: a line of 12288 before base64 */
#define AUTH_WIRE_NAME_MAX  512   /* bytes of name and extra */
#define AUTH_WIRE_FRAME_MAX (AUTH_WIRE_DATA_MAX + 2 * AUTH_WIRE_NAME_MAX + AUTH_CHANNEL_MAX + 64)

enum auth_wire_type {
    AUTH_WIRE_SASL_START = 1, /* name: mechanism, data: initial response, extra: client's address,
                                 channel: what TLS knows, code: AUTH_START_* */
    AUTH_WIRE_SASL_STEP,      /* data: client's response */
    AUTH_WIRE_LOGIN_START,    /* name: the route's secret, data: mechanisms the other server offers,
                                 extra: its host name, code: AUTH_START_TLS, _AGAIN */
    AUTH_WIRE_LOGIN_STEP,     /* data: server's challenge */
    AUTH_WIRE_SIGN,           /* name: key id, data: what to sign, code: enum auth_sign */
    AUTH_WIRE_CANCEL,         /* no answer */
    AUTH_WIRE_LOCK,           /* name: login, data: why; nobody logs in with it any more */
    AUTH_WIRE_FIND,           /* name: address of a recipient */
    AUTH_WIRE_ANSWER = 32,    /* code: enum auth_verdict, data: challenge, response, signature or
                                 certificates; after LOGIN_START and AUTH_TEMPORARY: why, in words.
                                 name: login when AUTH_OK, the name tried when AUTH_DENIED or
                                 AUTH_BLOCKED, mechanism after LOGIN_START; extra: label of the app
                                 password when AUTH_OK by one */
    AUTH_WIRE_USER_CHANGED,   /* name: login whose sessions end, extra: only those by the app
                                 password of this label; id 0 */
};

#define AUTH_START_INITIAL 1u /* data is an initial response, though it may be empty */
#define AUTH_START_TLS     2u /* the connection is protected by TLS */
#define AUTH_START_AGAIN   4u /* of a login: the last token was refused a moment ago */

/* What came of a start, a step or a signature. */
enum auth_verdict {
    AUTH_CONTINUE,     /* data is the challenge (server side) or the response to send (client side);
                          the exchange waits for a step */
    AUTH_OK,           /* over: name is the login, with its realm; or data is the signature */
    AUTH_DENIED,       /* over: 535 5.7.8, the same for every reason */
    AUTH_TEMPORARY,    /* over: 454 4.7.0; no keeper, no answer in time, unreadable database */
    AUTH_NO_MECHANISM, /* over: 504 5.5.4; not offered here */
    AUTH_NEEDS_TLS,    /* over: 538 5.7.11 */
    AUTH_BLOCKED,      /* over: 454 4.7.0, too many failed logins; name: who was tried */
    AUTH_VERDICTS
};

/* What is signed and how; the bytes' form is checked before a private key touches them. */
enum auth_sign {
    AUTH_SIGN_RSA_PKCS1, /* data: DigestInfo of RFC 8017 9.2, padded by the keeper */
    AUTH_SIGN_RSA_BLOCK, /* data: an EMSA-PSS block of the modulus' length, raw operation */
    AUTH_SIGN_ECDSA,     /* data: digest of 32, 48 or 64 bytes; answer: DER of RFC 3279 2.2.3 */
    AUTH_SIGN_DKIM,      /* data: SHA-256 of RFC 6376 3.7, 32 bytes; answer: PKCS#1 v1.5 of an RSA
                            key, PureEdDSA of an Ed25519 key (RFC 8463 3) */
    AUTH_SIGN_CMS, /* data: SHA-256 of the content, 32 bytes; answer: DER of the CMS SignedData,
                      detached, with the key's certificates (RFC 8551) */
    AUTH_SIGNS
};

struct auth_wire {
    enum auth_wire_type type;
    uint64_t id; /* the asker's; not 0 but for USER_CHANGED */
    uint32_t code;
    struct sv name, data, extra;
    struct sv channel; /* auth_channel_write(), or empty */
};

/* Appends the payload; the type goes with the frame. Fields within their maximum are the caller's
 * promise. */
void auth_wire_write(struct buf *out, const struct auth_wire *m);
/* ERR_SYNTAX if the payload is malformed or a field is too long for its type. */
int auth_wire_read(uint32_t type, struct sv payload, struct auth_wire *out) MUST_CHECK;

#endif
