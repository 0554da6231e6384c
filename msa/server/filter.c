/*
 *     filter_mail -> policy service -> part 0 -> part 1 ... -> done
 *                                        |
 *                                        +- closed: connect, negotiate, CONNECT, HELO, MAIL
 *
 * A part whose connection is there gets an ABORT first where the transaction before was not ended
 * (RSET, a failed command): it is of no use to tell it earlier. HELO is told again when the client
 * has said another one. Between two messages a connection is kept for FILTER_IDLE_MS. A verdict on
 * the connection is one on this MAIL: at the next one it is asked anew.
 */
#include "msa/server/filter_internal.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREPENDS_MAX 100 /* fields that the policy service may add to one message */

bool filter_is_wanted(const struct service *s)
{
    const struct policy_options *o = &s->generation->options.policy;
    return o->milters.count > 0 || *o->service;
}

struct log_ctx filter_ctx(const struct filter *f)
{
    return (struct log_ctx){.session = f->who.session,
                            .queue = f->queue_id,
                            .login = f->who.login,
                            .client = f->who.client_text};
}

/* A filter that is gone would fill the log with each message. */
static bool may_log(struct filter *f)
{
    int64_t limit = f->service->generation->options.log.per_client_per_minute;
    return clientlog_allows(f->worker->clientlog, &f->who.client.ip, (uint64_t)limit,
                            loop_now_ms(f->worker->loop));
}

/* ---- the end of a call ---- */

static void finish(struct filter *f, const struct smtp_reply *refusal)
{
    filter_done *done = f->done;
    void *arg = f->arg;
    f->stage = FILTER_NONE;
    f->asking = false;
    timer_stop(&f->timer);
    done(arg, refusal);
}

void filter_refuse(struct filter *f, const struct smtp_reply *reply)
{
    if (f->stage == FILTER_MESSAGE)
        filter_pass_end(f, FILTER_REFUSE, reply);
    else
        finish(f, reply);
}

static void pass(struct filter *f)
{
    if (f->stage == FILTER_MESSAGE)
        filter_pass_apply(f);
    else
        finish(f, NULL);
}

static const char *words(struct filter *f, const char *by, struct sv why)
{
    why = sv_first(why, 200);
    char *text = arena_printf(&f->arena, "%s%s%.*s", by, why.len ? ": " : "", SV_ARG(why));
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = ' ';
    return text;
}

void filter_hold(struct filter *f, const char *by, struct sv why)
{
    if (!f->hold)
        f->hold = words(f, by, why);
}

/* What comes after is of no interest to anybody. */
void filter_discard(struct filter *f, const char *by, struct sv why)
{
    f->discard = words(f, by, why);
    if (f->stage == FILTER_MESSAGE)
        filter_pass_end(f, FILTER_DISCARD, NULL);
    else
        finish(f, NULL);
}

/* ---- milters ---- */

static void part_close(struct part *p)
{
    filter_link_close(p->link);
    p->link = NULL;
    p->state = PART_CLOSED;
    p->in_message = false;
}

static void part_ask(struct part *p);

void filter_next(struct filter *f)
{
    f->asking = false;
    for (f->at++; f->at < f->nparts; f->at++) {
        struct part *p = &f->parts[f->at];
        if (p->over || p->accepts_session)
            continue;
        part_ask(p);
        return;
    }
    pass(f);
}

/* A part that cannot be asked, or has not answered. */
static void judge_failed(struct filter *f, struct part *p)
{
    struct smtp_reply r;
    if (p->options->on_error == POLICY_ON_ERROR_ACCEPT) {
        p->over = true;
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
    bool asked = f->asking && &f->parts[f->at] == p, matters = asked || (p->in_message && !p->over);
    if (matters && may_log(f))
        log_event(LOG_WARNING, "milter-failed", &ctx, "%s: %s; %s %s (policy.milters[].on_error)",
                  p->options->socket, why,
                  p->options->on_error == POLICY_ON_ERROR_ACCEPT ? "it is" : "the client is",
                  results[p->options->on_error]);
    p->failed = p->failed || (matters && !asked);
    part_close(p);
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
        filter_discard(f, p->options->socket, SV_NONE);
        return;
    case MILTER_REJECT:
    case MILTER_TEMPFAIL:
    case MILTER_REPLY:
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
    part_close(p);
    if (p->accepts_session)
        filter_next(p->filter);
    else
        filter_judge(p->filter, e);
    return false;
}

static void on_answer(void *arg, const struct milter_event *e)
{
    struct part *p = arg;
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
    filter_pass_change(p->filter, e);
}

static void on_fault(void *arg, const char *why)
{
    struct part *p = arg;
    p->link = NULL; /* it has closed itself */
    filter_part_failed(p, why);
}

static void ask_mail(struct part *p)
{
    static const struct filter_link_ops ops = {
        .on_answer = on_answer, .on_change = on_change, .on_fault = on_fault};
    struct filter *f = p->filter;
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

/* ---- policy service ---- */

static void service_failed(struct filter *f, const char *why)
{
    enum policy_on_error on_error = (enum policy_on_error)f->options->service_on_error;
    struct log_ctx ctx = filter_ctx(f);
    if (may_log(f))
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
        service_failed(f, why);
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
            service_failed(f, "a header field that it prepends is malformed, or one too many");
            return;
        }
        break;
    case DELEGATION_DISCARD:
        filter_discard(f, "policy.service", answer->text);
        return;
    case DELEGATION_REFUSE:
    case DELEGATION_DEFER:
    case DELEGATION_REPLY:
        r = filter_reply_service(answer, &f->call);
        filter_refuse(f, &r);
        return;
    case DELEGATION_UNKNOWN:
        snprintf(text, sizeof text, "its action is not known here: %.*s",
                 SV_ARG(sv_first(answer->text, 50)));
        service_failed(f, text);
        return;
    }
    filter_start_parts(f);
}

static void ask_service(struct filter *f, enum policy_stage stage)
{
    struct policy_socket to;
    char instance[64], port[8], server_port[8];
    struct sv bare = f->path;
    if (!(policy_options_stages(f->options) & (1u << stage)) ||
        !policy_options_socket(f->options->service, &to)) {
        filter_start_parts(f);
        return;
    }
    if (f->late) {
        service_failed(f, "no time is left for it");
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

/* ---- budget ---- */

/* The session may stay for long: a milter that has a thread for each connection needs it back. */
static void close_idle(struct filter *f)
{
    for (size_t i = 0; i < f->nparts; i++)
        if (f->parts[i].link && !f->parts[i].in_message)
            part_close(&f->parts[i]);
}

static void on_late(void *arg)
{
    struct filter *f = arg;
    f->late = true;
    if (f->stage == FILTER_NONE) {
        close_idle(f);
    } else if (f->question) {
        delegate_cancel(f->question);
        f->question = NULL;
        service_failed(f, "no time is left for it");
    } else if (f->asking) {
        filter_part_failed(&f->parts[f->at], "no time is left for it");
    } else if (f->stage == FILTER_MESSAGE) {
        struct smtp_reply r = filter_reply_failed(POLICY_ON_ERROR_TEMPFAIL, false);
        filter_pass_end(f, FILTER_REFUSE, &r);
    }
}

static void begin(struct filter *f, enum filter_stage stage, uint64_t budget_ms, filter_done *done,
                  void *arg)
{
    REQUIRE(f->stage == FILTER_NONE);
    arena_reset(&f->call);
    f->path = f->args = SV_NONE;
    f->macros.values[MILTER_MACRO_RCPT_ADDRESS] = SV_NONE;
    f->macros.values[MILTER_MACRO_RCPT_HOST] = SV_NONE;
    f->macros.values[MILTER_MACRO_RCPT_MAILER] = SV_NONE;
    f->stage = stage;
    f->done = done;
    f->arg = arg;
    f->late = false;
    timer_start(&f->timer, budget_ms);
}

/* ---- stages ---- */

static void set(struct filter *f, enum milter_macro macro, struct sv value)
{
    f->macros.values[macro] = value;
}

static struct sv keep(struct filter *f, struct sv text)
{
    return text.len ? arena_sv(&f->arena, text) : SV_NONE;
}

static void keep_who(struct filter *f, const struct filter_who *who)
{
    f->who = *who;
    f->who.session = keep(f, who->session);
    f->who.login = keep(f, who->login);
    f->who.mechanism = keep(f, who->mechanism);
    f->who.helo = keep(f, who->helo);
    f->who.protocol = keep(f, who->protocol);
    f->who.tls_version = keep(f, who->tls_version);
    f->who.tls_cipher = keep(f, who->tls_cipher);
    f->who.client_text = keep(f, who->client_text);
}

static void set_macros(struct filter *f)
{
    struct sv domain = sv_skip(f->sender, sv_rfind(f->sender, '@') + 1);
    f->macros = (struct milter_macros){0};
    set(f, MILTER_MACRO_HOSTNAME, sv_of(f->service->generation->options.hostname));
    set(f, MILTER_MACRO_VERSION, SV("msad " MSA_VERSION));
    set(f, MILTER_MACRO_DAEMON_NAME, SV("msad"));
    set(f, MILTER_MACRO_DAEMON_PORT,
        sv_of(arena_printf(&f->arena, "%u", (unsigned)f->who.port & 0xffff)));
    set(f, MILTER_MACRO_CLIENT_NAME, SV("unknown"));
    set(f, MILTER_MACRO_CLIENT_ADDRESS, f->who.client_text);
    set(f, MILTER_MACRO_TLS_VERSION, f->who.tls_version);
    set(f, MILTER_MACRO_TLS_CIPHER, f->who.tls_cipher);
    set(f, MILTER_MACRO_AUTH_TYPE, f->who.mechanism);
    set(f, MILTER_MACRO_AUTH_LOGIN, f->who.login);
    set(f, MILTER_MACRO_MAIL_ADDRESS, f->sender);
    set(f, MILTER_MACRO_MAIL_HOST, domain);
    set(f, MILTER_MACRO_MAIL_MAILER, SV("smtp"));
}

/* Of the call, not of the transaction. */
static void keep_path(struct filter *f, struct sv path, struct sv args)
{
    f->path = sv_of(arena_printf(&f->call, "<%.*s>", SV_ARG(path)));
    f->args = arena_sv(&f->call, args);
}

void filter_mail(struct filter *f, const struct filter_who *who, struct sv path, struct sv args,
                 uint64_t size, uint64_t budget_ms, filter_done *done, void *arg)
{
    arena_reset(&f->arena);
    keep_who(f, who);
    f->sender = keep(f, path);
    f->queue_id = SV_NONE;
    f->size = size;
    f->recipients = 0;
    f->discard = f->hold = NULL;
    f->prepends = NULL;
    f->nprepends = 0;
    set_macros(f);
    for (size_t i = 0; i < f->nparts; i++)
        f->parts[i].over = f->parts[i].failed = false;
    begin(f, FILTER_MAIL, budget_ms, done, arg);
    keep_path(f, path, args);
    ask_service(f, POLICY_STAGE_MAIL);
}

void filter_rcpt(struct filter *f, struct sv path, struct sv args, uint64_t budget_ms,
                 filter_done *done, void *arg)
{
    begin(f, FILTER_RCPT, budget_ms, done, arg);
    if (f->discard) {
        finish(f, NULL);
        return;
    }
    keep_path(f, path, args);
    struct sv address = sv_first(sv_skip(f->path, 1), path.len);
    set(f, MILTER_MACRO_RCPT_ADDRESS, address);
    set(f, MILTER_MACRO_RCPT_HOST, sv_skip(address, sv_rfind(address, '@') + 1));
    set(f, MILTER_MACRO_RCPT_MAILER, SV("smtp"));
    ask_service(f, POLICY_STAGE_RCPT);
}

void filter_data(struct filter *f, struct sv queue_id, uint32_t recipients, uint64_t budget_ms,
                 filter_done *done, void *arg)
{
    begin(f, FILTER_DATA, budget_ms, done, arg);
    f->queue_id = keep(f, queue_id);
    f->recipients = recipients;
    set(f, MILTER_MACRO_QUEUE_ID, f->queue_id);
    if (f->discard)
        finish(f, NULL);
    else
        ask_service(f, POLICY_STAGE_DATA);
}

/* The message stands before filter_message.c; here it is only asked about. */
void filter_pass_begin(struct filter *f)
{
    begin(f, FILTER_MESSAGE, FILTER_BUDGET_MS, NULL, NULL);
    if (f->discard)
        filter_pass_end(f, FILTER_DISCARD, NULL);
    else
        ask_service(f, POLICY_STAGE_END_OF_MESSAGE);
}

void filter_cancel(struct filter *f)
{
    if (f->stage == FILTER_NONE)
        return;
    timer_stop(&f->timer);
    if (f->question)
        delegate_cancel(f->question);
    f->question = NULL;
    if (f->asking)
        part_close(&f->parts[f->at]);
    f->asking = false;
    f->stage = FILTER_NONE;
    filter_pass_free(f);
}

/* ---- life ---- */

struct filter *filter_new(struct worker *w, struct service *s)
{
    struct filter *f = NEW(struct filter);
    f->worker = w;
    f->service = service_keep(s);
    f->options = &s->generation->options.policy;
    f->nparts = f->options->milters.count;
    f->parts = mem_new(f->nparts ? f->nparts : 1, sizeof *f->parts);
    arena_init(&f->arena);
    arena_init(&f->call);
    timer_init(&f->timer, w->loop, on_late, f);
    for (size_t i = 0; i < f->nparts; i++) {
        struct part *p = &f->parts[i];
        p->filter = f;
        p->options = CONF_ITEM(f->options->milters, i, struct policy_milter_options);
        bool good = policy_options_socket(p->options->socket, &p->socket);
        REQUIRE(good); /* the option's own check has seen it */
    }
    return f;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    filter_cancel(f);
    timer_stop(&f->timer);
    for (size_t i = 0; i < f->nparts; i++) {
        part_close(&f->parts[i]);
        free(f->parts[i].helo);
    }
    free(f->parts);
    arena_deinit(&f->arena);
    arena_deinit(&f->call);
    service_drop(f->service);
    free(f);
}
