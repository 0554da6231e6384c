/*
 * login.h - we log in at another server: the client side of SASL, for smarthosts.
 *
 * PLAIN, LOGIN and SCRAM-SHA-256 by Cyrus' client library, the strongest that the other server
 * offers; PLAIN and LOGIN only over TLS; or a token (login_token.h). Secrets stay in the keeper.
 * One exchange is used by one thread at a time, any thread; auth_cyrus_init() comes first.
 */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/client/wire.h"

struct auth_login_exchange;

struct auth_login_start {
    struct sv mechanisms; /* words of the other server's AUTH keyword, separated by spaces */
    struct sv host;
    struct sv user, password;
    bool is_token; /* password is an access token: login_token.h */
    bool tls;
};
/* Views are valid until the next call on the exchange. */
struct auth_login_result {
    enum auth_verdict verdict; /* AUTH_OK: data is the last response, and what could be proved to us
                                  has been; AUTH_DENIED: nothing usable, or the proof is wrong */
    struct sv data;            /* ptr NULL at the start: no initial response */
    struct sv mechanism;       /* at the start */
};

/* All of start is copied. Freed by its owner whatever the verdict; a step is legal after
 * AUTH_CONTINUE. */
struct auth_login_exchange *auth_login_new(const struct auth_login_start *start,
                                           struct auth_login_result *out);
void auth_login_step(struct auth_login_exchange *x, struct sv bytes, struct auth_login_result *out);
/* Why the other server did not take a token, in its word; "": it did not say. */
const char *auth_login_refusal(const struct auth_login_exchange *x);
void auth_login_free(struct auth_login_exchange *x); /* NULL is allowed */

#endif
