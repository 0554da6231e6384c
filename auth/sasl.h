/*
 * sasl.h - AUTH exchanges by Cyrus SASL, with callbacks of ours only (RFC 4422, RFC 4954).
 *
 * No configuration of the system is read and only three plugins are loaded (PLAIN, LOGIN, SCRAM).
 * Users come from auth/users.h through an auxprop plugin of ours that serves SCRAM verifiers and
 * nothing else; PLAIN and LOGIN are checked by auth/check.h.
 * Wrong password, unknown user, foreign realm and an authorization identity that is not the login
 * are the same in result, in the number of steps and in the work done: SCRAM goes on to its end
 * with a verifier made up from a secret of this process.
 *
 * struct auth_sasl is what one generation says, immutable, counted: exchanges hold it. One exchange
 * is used by one thread at a time, any thread; auth_sasl_init() and auth_sasl_done() by the main
 * thread, once, around everything else.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "auth/check.h"
#include "auth/client/wire.h"

struct auth_sasl;
struct auth_exchange;

/* 0 or ERR_NOT_FOUND if Cyrus cannot start. */
int auth_sasl_init(void) MUST_CHECK;
void auth_sasl_done(void);

/* Copies what it needs; realms and mechanisms are not empty. */
struct auth_sasl *auth_sasl_new(const struct auth_options *options, struct sv hostname,
                                struct auth_check *check);
struct auth_sasl *auth_sasl_ref(struct auth_sasl *s);
void auth_sasl_unref(struct auth_sasl *s); /* NULL is allowed */
/* NULL if all mechanisms of the options work, else the name of one that does not. */
const char *auth_sasl_missing(const struct auth_sasl *s);

struct auth_exchange_start {
    struct sv mechanism;
    struct sv data; /* initial response; other server's mechanisms for a login */
    bool has_initial;
    bool tls;
    struct sv host;           /* login: the other server's name */
    struct sv user, password; /* login */
};
/* One result of a step, data and login valid until the next call on the exchange. */
struct auth_exchange_result {
    enum auth_verdict verdict;
    struct sv data;
    struct sv login; /* AUTH_OK: user@realm; first result of a login: mechanism */
};

/* Server side: a client logs in with us. The object is freed by its owner whatever the verdict. */
struct auth_exchange *auth_exchange_server(struct auth_sasl *s,
                                           const struct auth_exchange_start *start,
                                           struct auth_exchange_result *out);
/* Client side: we log in at another server. */
struct auth_exchange *auth_exchange_login(struct auth_sasl *s,
                                          const struct auth_exchange_start *start,
                                          struct auth_exchange_result *out);
void auth_exchange_step(struct auth_exchange *x, struct sv bytes, struct auth_exchange_result *out);
void auth_exchange_free(struct auth_exchange *x); /* NULL is allowed */

#endif
