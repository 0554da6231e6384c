/*
 * One milter of a session: connected to at MAIL, then asked stage by stage.
 *
 *     closed -> negotiated -> CONNECT -> HELO -> MAIL -> ready: RCPT, DATA, the message
 *       ^                                 ^               |
 *       +--------- a fault, an idle time  +-- next MAIL --+
 *
 * One whose connection is there gets an ABORT first where the transaction before was not ended
 * (RSET, a failed command): it is of no use to tell it earlier. HELO is told again when the client
 * has said another one. Between two messages a connection is kept for FILTER_IDLE_MS. A verdict on
 * the connection is one on this MAIL: at the next one it is asked anew.
 */
#include "msa/server/filter_internal.h"

#include <stdio.h>
#include <stdlib.h>

void filter_part_close(struct part *p)
{
    filter_link_close(p->link);
    p->link = NULL;
    p->state = PART_CLOSED;
    p->in_message = false;
}

static void part_ask(struct part *p);

static bool is_asked(const struct part *p)
{
    const struct filter *f = p->filter;
    return f->asking && &f->parts[f->at] == p;
}

void filter_next(struct filter *f)
{
    if (f->asking)
        filter_note(f, f->parts[f->at].count, FILTER_ANSWER_PASSED);
    f->asking = false;
    for (f->at++; f->at < f->nparts; f->at++) {
        struct part *p = &f->parts[f->at];
        if (p->over || p->accepts_session)
            continue;
        part_ask(p);
        return;
    }
    filter_passed(f);
}

/* A part that cannot be asked, or has not answered. */
static void judge_failed(struct filter *f, struct part *p)
{
    struct smtp_reply r;
    if (p->options->on_error == POLICY_ON_ERROR_ACCEPT) {
        p->over = true;
        f->asking = false;
        if (f->stage == FILTER_MESSAGE)
            filter_pass_failed(f);
        filter_next(f);
        return;
    }
    p->failed = true;
    r = filter_reply_failed((enum policy_on_error)p->options->on_error, false);
    filter_refuse(f, &r);
}

void filter_part_failed(struct part *p, const char *why)
{
    static const char *const results[] = {[POLICY_ON_ERROR_TEMPFAIL] = "told to try again later",
                                          [POLICY_ON_ERROR_ACCEPT] =
                                              "not asked any more about this message",
                                          [POLICY_ON_ERROR_REJECT] = "refused"};
    struct filter *f = p->filter;
    struct log_ctx ctx = filter_ctx(f);
    bool asked = is_asked(p), matters = asked || (p->in_message && !p->over);
    if (asked)
        filter_note(f, p->count, FILTER_ANSWER_FAILED);
    else if (matters)
        filter_counts_note(p->count, FILTER_ANSWER_FAILED, 0);
    if (matters && filter_may_log(f))
        log_event(LOG_WARNING, "milter-failed", &ctx, "%s: %s; %s %s (policy.milters[].on_error)",
                  p->options->socket, why,
                  p->options->on_error == POLICY_ON_ERROR_ACCEPT ? "it is" : "the client is",
                  results[p->options->on_error]);
    p->failed = p->failed || (matters && !asked);
    filter_part_close(p);
    if (asked)
        judge_failed(f, p);
}

void filter_judge(struct filter *f, const struct milter_event *e)
{
    struct part *p = &f->parts[f->at];
    struct smtp_reply r;
    switch (e->verdict) {
    case MILTER_CONTINUE:
        filter_next(f);
        return;
    case MILTER_ACCEPT:
        p->over = true;
        filter_next(f);
        return;
    case MILTER_DISCARD:
        p->over = true;
        filter_note(f, p->count, FILTER_ANSWER_REFUSED);
        filter_discard(f, p->options->socket, SV_NONE);
        return;
    case MILTER_REJECT:
    case MILTER_TEMPFAIL:
    case MILTER_REPLY:
        filter_note(f, p->count, FILTER_ANSWER_REFUSED);
        r = filter_reply_milter(e, &f->call);
        filter_refuse(f, &r);
        return;
    }
}

static void tell_mail(struct part *p)
{
    struct filter *f = p->filter;
    p->state = PART_READY;
    p->in_message = true;
    milter_mail(filter_link_core(p->link), f->path, f->args, &f->macros);
    filter_link_go(p->link);
}

static void tell_helo(struct part *p)
{
    struct filter *f = p->filter;
    p->state = PART_GREETING;
    free(p->helo);
    p->helo = sv_dup(f->who.helo);
    milter_helo(filter_link_core(p->link), f->who.helo, &f->macros);
    filter_link_go(p->link);
}

static void tell_connect(struct part *p)
{
    struct filter *f = p->filter;
    char name[IP_TEXT_MAX + 2];
    /* names are not looked up: the form that Sendmail uses for a client without one */
    snprintf(name, sizeof name, "[%.*s]", SV_ARG(f->who.client_text));
    p->state = PART_CONNECTING;
    milter_connect(filter_link_core(p->link), sv_of(name), &f->who.client, &f->macros);
    filter_link_go(p->link);
}

/* To the connection; true: it goes on. */
static bool judge_session(struct part *p, const struct milter_event *e)
{
    if (e->verdict == MILTER_CONTINUE)
        return true;
    p->accepts_session = e->verdict == MILTER_ACCEPT;
    filter_part_close(p);
    if (p->accepts_session)
        filter_next(p->filter);
    else
        filter_judge(p->filter, e);
    return false;
}

static void on_answer(void *arg, const struct milter_event *e)
{
    struct part *p = arg;
    if (!is_asked(p)) { /* the call has ended without it */
        filter_part_close(p);
        return;
    }
    switch (p->state) {
    case PART_NEGOTIATING:
        tell_connect(p);
        break;
    case PART_CONNECTING:
        if (judge_session(p, e))
            tell_helo(p);
        break;
    case PART_GREETING:
        if (judge_session(p, e))
            tell_mail(p);
        break;
    case PART_READY:
        if (p->filter->stage == FILTER_MESSAGE)
            filter_pass_answer(p->filter, e);
        else
            filter_judge(p->filter, e);
        break;
    case PART_CLOSED:
        break;
    }
}

static void on_change(void *arg, const struct milter_event *e)
{
    struct part *p = arg;
    if (is_asked(p) && p->filter->stage == FILTER_MESSAGE)
        filter_pass_change(p->filter, e);
    else
        filter_part_close(p);
}

static void on_fault(void *arg, const char *why)
{
    struct part *p = arg;
    p->link = NULL; /* it has closed itself */
    if (p->state == PART_NEGOTIATING)
        p->count->paused_until_ms = loop_now_ms(p->filter->worker->loop) + FILTER_PAUSE_MS;
    filter_part_failed(p, why);
}

static void ask_mail(struct part *p)
{
    static const struct filter_link_ops ops = {
        .on_answer = on_answer, .on_change = on_change, .on_fault = on_fault};
    struct filter *f = p->filter;
    if (!p->link && loop_now_ms(f->worker->loop) < p->count->paused_until_ms) {
        filter_part_failed(p, "it was not there a moment ago");
        return;
    }
    if (!p->link) {
        p->state = PART_NEGOTIATING;
        p->link = filter_link_open(f->worker->loop, &p->socket,
                                   (uint64_t)p->options->timeout_s * 1000, &ops, p);
        return;
    }
    if (p->in_message)
        milter_abort(filter_link_core(p->link));
    p->in_message = false;
    if (p->helo && sv_eq(sv_of(p->helo), f->who.helo))
        tell_mail(p);
    else
        tell_helo(p);
}

/* Asks the part at f->at; its answer may come at once. */
static void part_ask(struct part *p)
{
    struct filter *f = p->filter;
    f->asking = true;
    f->asked_ms = loop_now_ms(f->worker->loop);
    if (f->late || p->failed || (f->stage != FILTER_MAIL && p->state != PART_READY)) {
        if (!p->failed)
            filter_part_failed(p, f->late ? "no time is left for it" : "it is gone");
        else
            judge_failed(f, p);
        return;
    }
    switch (f->stage) {
    case FILTER_MAIL:
        ask_mail(p);
        break;
    case FILTER_RCPT:
        milter_rcpt(filter_link_core(p->link), f->path, f->args, &f->macros);
        filter_link_go(p->link);
        break;
    case FILTER_DATA:
        milter_data(filter_link_core(p->link), &f->macros);
        filter_link_go(p->link);
        break;
    case FILTER_MESSAGE:
        filter_pass_part(f);
        break;
    case FILTER_NONE:
        break;
    }
}

void filter_start_parts(struct filter *f)
{
    if (f->stage == FILTER_MESSAGE && filter_pass_reads(f))
        return;
    f->at = (size_t)-1;
    filter_next(f);
}
