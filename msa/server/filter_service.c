/*
 * The policy service in a stage: one question, whose answer lets the milters go on or ends the
 * call.
 */
#include "msa/server/filter_internal.h"

#include <stdio.h>

#define PREPENDS_MAX 100 /* fields that it may add to one message */

void filter_service_failed(struct filter *f, const char *why)
{
    enum policy_on_error on_error = (enum policy_on_error)f->options->service_on_error;
    struct log_ctx ctx = filter_ctx(f);
    filter_note(f, f->service_count, FILTER_ANSWER_FAILED);
    if (filter_may_log(f))
        log_event(LOG_WARNING, "policy-service-failed", &ctx, "%s: %s (policy.service_on_error)",
                  f->options->service, why);
    if (on_error == POLICY_ON_ERROR_ACCEPT) {
        filter_start_parts(f);
        return;
    }
    struct smtp_reply r = filter_reply_failed(on_error, true);
    filter_refuse(f, &r);
}

static bool keep_prepend(struct filter *f, struct sv text)
{
    size_t colon = sv_find(text, ':');
    if (colon == 0 || colon == text.len || f->nprepends == PREPENDS_MAX)
        return false;
    struct prepend *x = arena_alloc(&f->arena, sizeof *x);
    x->name = arena_sv(&f->arena, sv_first(text, colon));
    x->value = arena_sv(&f->arena, sv_trim(sv_skip(text, colon + 1)));
    /* the last said comes first, as each is put on top; fields told twice (for each recipient)
     * stand once */
    for (struct prepend *p = f->prepends; p; p = p->next)
        if (sv_ieq(p->name, x->name) && sv_eq(p->value, x->value))
            return true;
    struct prepend **end = &f->prepends;
    while (*end)
        end = &(*end)->next;
    *end = x;
    f->nprepends++;
    return true;
}

static void on_service_answer(void *arg, const struct delegation_answer *answer, const char *why)
{
    struct filter *f = arg;
    struct log_ctx ctx = filter_ctx(f);
    struct smtp_reply r;
    char text[100];
    f->question = NULL;
    if (!answer) {
        filter_service_failed(f, why);
        return;
    }
    switch (answer->action) {
    case DELEGATION_PASS:
        break;
    case DELEGATION_NOTE:
        log_event(LOG_INFO, "policy-service", &ctx, "%.*s", SV_ARG(sv_first(answer->text, 500)));
        break;
    case DELEGATION_HOLD:
        filter_hold(f, "policy.service", answer->text);
        break;
    case DELEGATION_PREPEND:
        if (!keep_prepend(f, answer->text)) {
            filter_service_failed(f,
                                  "a header field that it prepends is malformed, or one too many");
            return;
        }
        break;
    case DELEGATION_DISCARD:
        filter_note(f, f->service_count, FILTER_ANSWER_REFUSED);
        filter_discard(f, "policy.service", answer->text);
        return;
    case DELEGATION_REFUSE:
    case DELEGATION_DEFER:
    case DELEGATION_REPLY:
        filter_note(f, f->service_count, FILTER_ANSWER_REFUSED);
        r = filter_reply_service(answer, &f->call);
        filter_refuse(f, &r);
        return;
    case DELEGATION_UNKNOWN:
        snprintf(text, sizeof text, "its action is not known here: %.*s",
                 SV_ARG(sv_first(answer->text, 50)));
        filter_service_failed(f, text);
        return;
    }
    filter_note(f, f->service_count, FILTER_ANSWER_PASSED);
    filter_start_parts(f);
}

void filter_ask_service(struct filter *f, enum policy_stage stage)
{
    struct policy_socket to;
    char instance[64], port[8], server_port[8];
    struct sv bare = f->path;
    if (!(policy_options_stages(f->options) & (1u << stage)) ||
        !policy_options_socket(f->options->service, &to)) {
        filter_start_parts(f);
        return;
    }
    f->asked_ms = loop_now_ms(f->worker->loop);
    if (f->late) {
        filter_service_failed(f, "no time is left for it");
        return;
    }
    snprintf(instance, sizeof instance, "%.*s.%llu", SV_ARG(f->who.session),
             (unsigned long long)f->who.transaction);
    snprintf(port, sizeof port, "%u", f->who.client.port);
    snprintf(server_port, sizeof server_port, "%u", (unsigned)f->who.port & 0xffff);
    if (bare.len >= 2)
        bare = sv_first(sv_skip(bare, 1), bare.len - 2);
    struct delegation_request r = {
        .state = sv_of(policy_stage_text(stage)),
        .protocol = f->who.protocol,
        .helo = f->who.helo,
        .queue_id = f->queue_id,
        .sender = f->sender,
        .recipient = stage == POLICY_STAGE_RCPT ? bare : SV_NONE,
        .client = f->who.client_text,
        .client_port = sv_of(f->who.client.port ? port : ""),
        .instance = sv_of(instance),
        .mechanism = f->who.mechanism,
        .login = f->who.login,
        .tls_version = f->who.tls_version,
        .tls_cipher = f->who.tls_cipher,
        .server_port = sv_of(server_port),
        .recipient_count = stage >= POLICY_STAGE_DATA ? f->recipients : 0,
        .size = f->size,
    };
    f->question =
        delegate_ask(f->worker->delegate, &to, (uint64_t)f->options->service_timeout_s * 1000, &r,
                     on_service_answer, f);
}
