#include "auth/login_token.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_MAX 512 /* octets of a command, with its line end */

static bool offers(struct sv mechanisms, struct sv name)
{
    while (mechanisms.len > 0) {
        if (sv_ieq(sv_split(&mechanisms, ' '), name))
            return true;
    }
    return false;
}

static struct sv choose(const struct auth_login_start *start)
{
    static const char *const known[] = {"OAUTHBEARER", "XOAUTH2"};

    for (size_t i = 0; start->tls && i < sizeof(known) / sizeof(known[0]); i++) {
        if (offers(start->mechanisms, sv_of(known[i])))
            return sv_of(known[i]);
    }
    return SV_NONE;
}

/* "AUTH", the mechanism, and the message in base64. */
static bool fits_command(const struct auth_login_token *x)
{
    size_t base64 = (buf_len(&x->message) + 2) / 3 * 4;

    return sizeof("AUTH ") - 1 + x->mechanism.len + 1 + base64 + 2 <= COMMAND_MAX;
}

void auth_login_token_init(struct auth_login_token *x, const struct auth_login_start *start,
                           struct auth_login_result *out)
{
    *x = (struct auth_login_token){.mechanism = choose(start)};
    *out = (struct auth_login_result){.verdict = AUTH_DENIED};
    buf_init(&x->message, AUTH_WIRE_DATA_MAX, BUF_SECRET);
    if (x->mechanism.len == 0 ||
        auth_bearer_write(&x->message, x->mechanism, start->user, start->host, start->password) < 0)
        return;
    x->is_sent = fits_command(x);
    *out = (struct auth_login_result){.verdict = AUTH_CONTINUE,
                                      .data = x->is_sent ? buf_view(&x->message) : SV_NONE,
                                      .mechanism = x->mechanism};
}

void auth_login_token_step(struct auth_login_token *x, struct sv challenge,
                           struct auth_login_result *out)
{
    *out = (struct auth_login_result){.verdict = AUTH_CONTINUE, .data = buf_view(&x->message)};
    if (!x->is_sent) {
        x->is_sent = true;
        return;
    }
    auth_bearer_status(challenge, x->status);
    *out = (struct auth_login_result){.verdict = AUTH_OK, .data = auth_bearer_assent(x->mechanism)};
}

void auth_login_token_deinit(struct auth_login_token *x)
{
    buf_deinit(&x->message);
}
