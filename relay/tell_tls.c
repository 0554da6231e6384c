/*
 * What became of TLS at an attempt, from a worker to the main thread: once an attempt, when the
 * connection is ready or has failed by it; and for hosts that a policy bars, once a job. That
 * nobody could be connected to says nothing about TLS (RFC 8460 4.3.4).
 */
#include "relay/job.h"

#include "relay/tls/event.h"

static void deliver(struct task *task)
{
    struct tls_event *e = (struct tls_event *)(void *)task;
    e->on_event(e->arg, e);
}

/* RFC 6698 2.2. */
static void add_tlsa(struct tls_event *e, const struct route_attempt *a)
{
    static const char hex[] = "0123456789ABCDEF";
    const char **texts = arena_alloc(&e->arena, (a->ntlsa + 1) * sizeof *texts);
    for (size_t i = 0; i < a->ntlsa; i++) {
        const struct tls_stream_tlsa *t = &a->tlsa[i];
        char *digits = arena_alloc(&e->arena, 2 * t->data.len + 1);
        for (size_t k = 0; k < t->data.len; k++) {
            digits[2 * k] = hex[(unsigned char)t->data.ptr[k] >> 4];
            digits[2 * k + 1] = hex[(unsigned char)t->data.ptr[k] & 15];
        }
        texts[i] =
            arena_printf(&e->arena, "%u %u %u %s", t->usage, t->selector, t->matching, digits);
    }
    e->tlsa = texts;
    e->ntlsa = a->ntlsa;
}

/* NULL: nobody wants to know. */
static struct tls_event *event_of(const struct relay_job *j, const struct route_attempt *a)
{
    if (!j->config->on_tls || a->via == ROUTE_VIA_STATIC || a->protocol != ROUTE_SMTP)
        return NULL;
    struct tls_event *e = tls_event_new();
    e->task.run = deliver;
    e->on_event = j->config->on_tls;
    e->arg = j->config->arg;
    e->domain = arena_str(&e->arena, sv_of(j->run->job->destination));
    e->host = arena_str(&e->arena, sv_of(a->host));
    e->policy = a->rule == ROUTE_RULE_DANE                ? TLS_POLICY_TLSA
                : a->rule == ROUTE_RULE_STS || a->testing ? TLS_POLICY_STS
                                                          : TLS_POLICY_NONE;
    e->held = relay_needs_level(&j->needs, a) > ROUTE_TLS_OPPORTUNISTIC;
    e->waived = j->needs.waives_tls;
    add_tlsa(e, a);
    return e;
}

void relay_tell_tls(struct relay_job *j, const struct smtp_client_result *why)
{
    const struct route_attempt *a = relay_conn_attempt(j->conn);
    struct relay_channel_tls tls;
    if (j->tls_told || j->reused || j->clear_text)
        return;
    relay_conn_get_tls(j->conn, &tls);
    bool failed = why && (why->end == SMTP_END_TLS || why->end == SMTP_END_NO_TLS ||
                          tls.failure != AUTH_TLS_FAILURE_NONE);
    struct tls_event *e = why && !failed ? NULL : event_of(j, a);
    if (!e)
        return;
    j->tls_told = true;
    e->remote = a->to.ip;
    e->local = tls.local;
    e->helo = arena_str(&e->arena, sv_of(relay_conn_greeting(j->conn)));
    e->established = !why && tls.active;
    if (failed && tls.failure == AUTH_TLS_FAILURE_NONE)
        tls.failure = why->end == SMTP_END_NO_TLS ? AUTH_TLS_FAILURE_STARTTLS_NOT_SUPPORTED
                                                  : AUTH_TLS_FAILURE_VALIDATION_FAILURE;
    if (e->established && e->policy == TLS_POLICY_NONE)
        tls.failure = AUTH_TLS_FAILURE_NONE; /* nobody has asked for a certificate that holds */
    if (tls.failure != AUTH_TLS_FAILURE_NONE) {
        e->result = tls_failure_text(tls.failure);
        e->reason = arena_str(&e->arena, sv_of(tls.fault));
    } else if (a->testing && a->unlisted) {
        e->result = tls_failure_text(AUTH_TLS_FAILURE_VALIDATION_FAILURE);
        e->reason = "the policy does not name the host";
    }
    mailbox_post(j->config->main, &e->task);
}

void relay_tell_barred(struct relay_job *j)
{
    for (size_t i = 0; i < j->walk.nattempts; i++) {
        const struct route_attempt *a = &j->walk.attempts[i];
        bool is_new = i == 0 || a->host_index != j->walk.attempts[i - 1].host_index;
        struct tls_event *e =
            a->tls == ROUTE_TLS_BARRED && is_new && !j->needs.waives_tls ? event_of(j, a) : NULL;
        if (!e)
            continue;
        e->result = a->rule == ROUTE_RULE_DANE ? "dnssec-invalid" : "validation-failure";
        e->reason = arena_str(&e->arena, sv_of(a->barred ? a->barred : ""));
        mailbox_post(j->config->main, &e->task);
    }
}
