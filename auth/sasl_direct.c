/*
 * EXTERNAL, OAUTHBEARER and XOAUTH2: done without Cyrus, as they are one message each, and a
 * plug-in would only be a detour to the same functions.
 */
#include "auth/sasl_inside.h"

#include "auth/bearer.h"
#include "auth/certificate.h"

#include <stdio.h>

/* The end of an exchange without Cyrus. */
static void finish(struct auth_exchange *x, bool success, struct auth_sasl_result *out)
{
    bool admitted = x->trouble == 0 && auth_exchange_admit(x, success);

    *out = (struct auth_sasl_result){.verdict = x->trouble < 0 ? AUTH_TEMPORARY : AUTH_DENIED};
    if (x->trouble == 0 && admitted) {
        out->verdict = AUTH_OK;
        out->login = auth_name_view(&x->found.login);
    }
}

void auth_exchange_external(struct auth_exchange *x, struct sv authzid,
                            struct auth_sasl_result *out)
{
    struct auth_name login;
    int known = 0;

    x->has_begun = true;
    auth_exchange_remember(x, authzid.ptr != NULL ? authzid : SV(""));
    if (auth_certificate_login(&x->sasl->options, buf_view(&x->certificate), authzid, &login)) {
        auth_exchange_remember(x, auth_name_view(&login));
        known = auth_check_user(x->sasl->check, &x->sasl->sources, &login, &x->found);
    }
    x->trouble = known < 0 ? known : 0;
    finish(x, known == 1, out);
}

/* Why a good token is refused. */
static void say_why(struct auth_exchange *x, const char *why)
{
    snprintf(x->found.why, sizeof(x->found.why), "%s", why);
}

/* Whose token it is, as far as the token goes: 1, 0 or a negative error. */
static int check_token(struct auth_exchange *x, const struct auth_bearer *b,
                       struct auth_name *login)
{
    const struct auth_options *o = &x->sasl->options;
    enum auth_token_fault fault;
    struct auth_name wanted;
    struct buf claim;
    int good;

    buf_init(&claim, AUTH_NAME_MAX, 0);
    good = auth_oauth_check(x->sasl->oauth, b->token, &claim, &fault);
    if (good == 1)
        auth_exchange_remember(x, buf_view(&claim));
    if (good == 0) {
        say_why(x, auth_token_fault_text(fault));
    } else if (good == 1 && auth_database_proven(o, buf_view(&claim), login) != AUTH_NAME_OK) {
        say_why(x, "the token's login is none of ours (auth.oauth.login_claim, auth.realms)");
        good = 0;
    } else if (good == 1 && b->name[0] != '\0' &&
               (auth_database_name(o, sv_of(b->name), &wanted) != AUTH_NAME_OK ||
                !sv_eq(auth_name_view(&wanted), auth_name_view(login)))) {
        say_why(x, "the client gives another name than the token");
        good = 0;
    }
    buf_deinit(&claim);
    return good;
}

void auth_exchange_bearer(struct auth_exchange *x, struct sv message, struct auth_sasl_result *out)
{
    const struct auth_oauth_options *o = auth_oauth_options(x->sasl->oauth);
    struct sv mechanism = sv_of(x->mechanism);
    struct auth_bearer b;
    struct auth_name login;
    bool well_formed = auth_bearer_read(mechanism, message, &b);
    int good = 0;

    x->has_begun = true;
    if (well_formed) {
        auth_exchange_remember(x, sv_of(b.name));
        good = check_token(x, &b, &login);
    }
    if (good == 1) {
        good = auth_check_user(x->sasl->check, &x->sasl->sources, &login, &x->found);
        if (good == 0 && x->found.why[0] == '\0')
            say_why(x, "the token's login is no user");
    }
    x->trouble = good < 0 ? good : 0;
    finish(x, good == 1, out);
    if (out->verdict != AUTH_DENIED)
        return;
    auth_bearer_refusal(mechanism, !well_formed, o->scope, o->discovery_url, &x->refusal);
    x->is_refused = true;
    *out = (struct auth_sasl_result){.verdict = AUTH_CONTINUE, .data = buf_view(&x->refusal)};
}
