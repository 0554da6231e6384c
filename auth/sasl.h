/*
 * sasl.h - AUTH exchanges by Cyrus SASL, with callbacks of ours only (RFC 4422, RFC 4954).
 *
 * No configuration of the system is read and only four plugins are loaded (PLAIN, LOGIN, SCRAM,
 * CRAM-MD5). Users come from auth/check.h through an auxprop plugin of ours that serves the one
 * verifier (or, for CRAM-MD5, the password) that the mechanism needs; PLAIN and LOGIN are checked
 * by auth/check.h, which also has the last word after every success.
 * -PLUS needs TLS and a client that binds its proof to this connection (auth/bound.h).
 * Wrong password, unknown user, foreign realm, a login that is disabled or locked, and an
 * authorization identity that is not the login are the same in result, in the number of steps and
 * in the work done: SCRAM goes on to its end with a made-up verifier (auth/check.h).
 *
 * struct auth_sasl is what one generation says, immutable, counted: exchanges hold it. One exchange
 * is used by one thread at a time, any thread; auth_sasl_init() and auth_sasl_done() by the main
 * thread, once, around everything else.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "auth/check.h"
#include "auth/client/wire.h"
#include "auth/oauth.h"

struct auth_sasl;
struct auth_exchange;

/* 0 or ERR_NOT_FOUND if Cyrus cannot start. */
int auth_sasl_init(void) MUST_CHECK;
void auth_sasl_done(void);

/* Copies what it needs; realms and mechanisms are not empty. */
struct auth_sasl *auth_sasl_new(const struct auth_options *options, struct sv hostname,
                                struct auth_check *check);
/* Takes over what judges tokens, before the first exchange. */
void auth_sasl_use_oauth(struct auth_sasl *s, struct auth_oauth *oauth);
struct auth_sasl *auth_sasl_ref(struct auth_sasl *s);
void auth_sasl_unref(struct auth_sasl *s); /* NULL is allowed */
/* NULL if all mechanisms of the options work, else the name of one that does not. */
const char *auth_sasl_missing(const struct auth_sasl *s);
const struct auth_options *auth_sasl_options(const struct auth_sasl *s);
/* Where this generation looks for users. */
const struct auth_sources *auth_sasl_sources(const struct auth_sasl *s);

/* A client's AUTH command. */
struct auth_sasl_start {
    struct sv mechanism;
    struct sv initial;
    bool has_initial;
    bool tls;
    const struct auth_channel *channel; /* copied; NULL: TLS knows nothing */
};
/* One result of a step; views are valid until the next call on the exchange. */
struct auth_sasl_result {
    enum auth_verdict verdict;
    struct sv data;  /* AUTH_CONTINUE: the challenge */
    struct sv login; /* AUTH_OK: user@realm */
};

/* The exchange is freed by its owner whatever the verdict; a step is legal after AUTH_CONTINUE. */
struct auth_exchange *auth_exchange_new(struct auth_sasl *s, const struct auth_sasl_start *start,
                                        struct auth_sasl_result *out);
/* True if auth_exchange_new() would take microseconds: PLAIN with credentials proved lately. */
bool auth_exchange_is_quick(struct auth_sasl *s, const struct auth_sasl_start *start);
void auth_exchange_step(struct auth_exchange *x, struct sv bytes, struct auth_sasl_result *out);
/* The name that was claimed, as it came; empty if the exchange did not get that far. */
struct sv auth_exchange_tried(const struct auth_exchange *x);
/* After AUTH_OK: by which secret. */
const struct auth_app *auth_exchange_app(const struct auth_exchange *x);
/* After AUTH_DENIED: why somebody with the right secret was refused, for the log; else "". */
const char *auth_exchange_why(const struct auth_exchange *x);
/* Whether the user has been changed since the exchange began: its AUTH_OK may not count. */
bool auth_exchange_is_outdated(const struct auth_exchange *x);
void auth_exchange_free(struct auth_exchange *x); /* NULL is allowed */

#endif
