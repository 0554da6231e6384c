/*
 * login_token.h - we log in at another server by an access token: OAUTHBEARER (RFC 7628) where it
 * is offered, else XOAUTH2.
 *
 * Only over TLS. The server takes the token at once; or it says in a challenge why not, which is
 * answered so that it can end the exchange. A message that is too long for a command line (RFC 4954
 * 4: 512 octets) is sent after an empty challenge. Pure. Ownership: the caller's storage; what it
 * gives out is valid until the next call. One thread at a time.
 */
#ifndef AUTH_LOGIN_TOKEN_H
#define AUTH_LOGIN_TOKEN_H

#include "auth/bearer.h"
#include "auth/login.h"

struct auth_login_token {
    struct sv mechanism; /* empty: none is offered that may be used */
    struct buf message;
    bool is_sent;
    char status[AUTH_BEARER_STATUS_MAX + 1]; /* of the refusal */
};

void auth_login_token_init(struct auth_login_token *x, const struct auth_login_start *start,
                           struct auth_login_result *out);
void auth_login_token_step(struct auth_login_token *x, struct sv challenge,
                           struct auth_login_result *out);
void auth_login_token_deinit(struct auth_login_token *x);

#endif
