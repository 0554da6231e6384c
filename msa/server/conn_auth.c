/* AUTH: the session's exchange with the keeper. RFC 4954. */
#include "msa/base/mem.h"
#include "msa/server/conn_internal.h"
#include "msa/server/reject.h"

#include <stdio.h>
#include <stdlib.h>

static void log_login(struct conn *c, const char *event, enum log_level level, struct sv login)
{
    struct log_ctx ctx = conn_ctx(c);
    ctx.mechanism = sv_of(c->mechanism);
    ctx.login = login;
    c->login_logged = level == LOG_INFO || conn_may_log(c);
    if (c->login_logged)
        log_event(level, event, &ctx, "%s%s", c->app ? "app password " : "", c->app ? c->app : "");
}

void conn_forget_login(struct conn *c)
{
    free(c->login);
    free(c->app);
    c->login = c->app = NULL;
}

static struct smtp_reply refusal_of(struct conn *c, const struct auth_answer *a)
{
    switch (a->verdict) {
    case AUTH_DENIED:
        /* the line for tools that block addresses; the reply is not logged as well */
        atomic_fetch_add(&c->worker->shared->failed_logins, 1);
        log_login(c, "login-failed", LOG_WARNING, a->login);
        return reject_auth_failed();
    case AUTH_BLOCKED:
        log_login(c, "login-refused", LOG_WARNING, a->login);
        return reject_auth_blocked();
    case AUTH_NO_MECHANISM:
        return reject_auth_mechanism();
    case AUTH_NEEDS_TLS:
        return reject_auth_needs_tls();
    default:
        log_login(c, "login-unanswered", LOG_ERROR, SV_NONE);
        return reject_auth_temporary();
    }
}

static void on_auth(void *arg, uint64_t id, const struct auth_answer *a)
{
    struct conn *c = arg;
    struct smtp_result r = {.outcome = SMTP_FAILED};
    uint32_t op = c->op_auth;
    (void)id; /* one exchange at a time; an old one was cancelled */
    c->op_auth = 0;
    if (a->verdict != AUTH_CONTINUE)
        c->auth_id = 0;
    if (a->verdict == AUTH_CONTINUE) {
        r.outcome = SMTP_MORE;
        r.challenge = a->data;
    } else if (a->verdict == AUTH_OK) {
        r.outcome = SMTP_OK;
        conn_forget_login(c);
        c->login = sv_dup(a->login);
        c->app = a->app.len ? sv_dup(a->app) : NULL;
        atomic_fetch_add(&c->worker->shared->logins, 1);
        log_login(c, "login", LOG_INFO, a->login);
    } else {
        r.reply = refusal_of(c, a);
    }
    c->login_denied = a->verdict == AUTH_DENIED || a->verdict == AUTH_BLOCKED;
    c->login_blocked = a->verdict == AUTH_BLOCKED;
    c->tried = c->login_denied ? a->login : SV_NONE;
    smtp_server_done(c->smtp, op, &r);
    c->login_denied = c->login_blocked = false;
    c->tried = SV_NONE;
    conn_pump(c, SV_NONE);
}

void conn_auth_cancel(struct conn *c)
{
    if (c->auth_id)
        auth_client_cancel(c->worker->auth, c->auth_id);
    c->auth_id = 0;
    c->op_auth = 0;
}

/* What TLS knows, where the mechanism asks; the certificate is put into der. */
static bool ask_channel(struct conn *c, struct sv mechanism, struct auth_channel *out,
                        struct buf *der)
{
    *out = (struct auth_channel){.certificate = SV_NONE};
    if (c->tls && sv_iends(mechanism, SV("-PLUS"))) {
        for (unsigned i = 0; i < AUTH_BINDINGS; i++)
            out->bindings[i].len =
                tls_stream_binding(c->tls, (enum auth_binding)i, out->bindings[i].bytes);
        return true;
    }
    /* one that is too long stays away: it names nobody */
    if (c->tls && sv_eq(mechanism, SV("EXTERNAL")) &&
        tls_stream_certificate_der(c->tls, der) == 0) {
        out->certificate = buf_view(der);
        return true;
    }
    return false;
}

void conn_auth_step(struct conn *c, const struct smtp_action *a)
{
    if (a->cancel) {
        conn_auth_cancel(c);
        return;
    }
    c->op_auth = a->op;
    if (!a->mechanism.len) {
        auth_client_step(c->worker->auth, c->auth_id, a->bytes);
        return;
    }
    snprintf(c->mechanism, sizeof c->mechanism, "%.*s", SV_ARG(a->mechanism));
    struct auth_channel channel;
    struct buf der;
    buf_init(&der, AUTH_CERTIFICATE_MAX, 0);
    bool asked = ask_channel(c, a->mechanism, &channel, &der);
    struct auth_start start = {.mechanism = a->mechanism,
                               .initial = a->bytes,
                               .has_initial = a->has_response,
                               .tls = c->tls != NULL,
                               .channel = asked ? &channel : NULL,
                               .client = sv_of(c->client_text)};
    c->auth_id = auth_client_start(c->worker->auth, &start, on_auth, c);
    buf_deinit(&der);
}
