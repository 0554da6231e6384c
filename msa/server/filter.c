/*
 *     filter_mail -> policy service (filter_service.c) -> parts (filter_part.c) -> done
 *     filter_message -> likewise, the message before the parts (filter_message.c) -> ended
 *
 * Here: what a call begins and ends with, and its time.
 */
#include "msa/server/filter_internal.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

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
bool filter_may_log(struct filter *f)
{
    int64_t limit = f->service->generation->options.log.per_client_per_minute;
    return clientlog_allows(f->worker->clientlog, &f->who.client.ip, (uint64_t)limit,
                            loop_now_ms(f->worker->loop));
}

void filter_note(struct filter *f, struct filter_count *n, enum filter_answer a)
{
    filter_counts_note(n, a, loop_now_ms(f->worker->loop) - f->asked_ms);
}

/* ---- the end of a call ---- */

void filter_end_call(struct filter *f)
{
    struct part *p = f->asking ? &f->parts[f->at] : NULL;
    if (p && p->link && (p->state != PART_READY || milter_waits(filter_link_core(p->link))))
        filter_part_close(p);
    f->asking = false;
    f->stage = FILTER_NONE;
}

static void finish(struct filter *f, const struct smtp_reply *refusal)
{
    filter_done *done = f->done;
    void *arg = f->arg;
    filter_end_call(f);
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

void filter_passed(struct filter *f)
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

/* ---- budget ---- */

/* The session may stay for long: a milter that has a thread for each connection needs it back. */
static void close_idle(struct filter *f)
{
    for (size_t i = 0; i < f->nparts; i++)
        if (f->parts[i].link && !f->parts[i].in_message)
            filter_part_close(&f->parts[i]);
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
        filter_service_failed(f, "no time is left for it");
    } else if (f->asking) {
        filter_part_failed(&f->parts[f->at], "no time is left for it");
    } else if (f->stage == FILTER_MESSAGE) {
        filter_storage_failed(f, ERR_TIMEOUT); /* nobody else is waited for */
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
    filter_ask_service(f, POLICY_STAGE_MAIL);
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
    filter_ask_service(f, POLICY_STAGE_RCPT);
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
        filter_ask_service(f, POLICY_STAGE_DATA);
}

/* The message stands before filter_message.c; here it is only asked about. */
void filter_pass_begin(struct filter *f)
{
    begin(f, FILTER_MESSAGE, FILTER_BUDGET_MS, NULL, NULL);
    if (f->discard)
        filter_pass_end(f, FILTER_DISCARD, NULL);
    else
        filter_ask_service(f, POLICY_STAGE_END_OF_MESSAGE);
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
        filter_part_close(&f->parts[f->at]);
    filter_end_call(f);
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
    if (*f->options->service)
        f->service_count = filter_counts_of(w->filter_counts, f->options->service);
    f->parts = mem_new(f->nparts ? f->nparts : 1, sizeof *f->parts);
    arena_init(&f->arena);
    arena_init(&f->call);
    timer_init(&f->timer, w->loop, on_late, f);
    for (size_t i = 0; i < f->nparts; i++) {
        struct part *p = &f->parts[i];
        p->filter = f;
        p->options = CONF_ITEM(f->options->milters, i, struct policy_milter_options);
        p->count = filter_counts_of(w->filter_counts, p->options->socket);
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
        filter_part_close(&f->parts[i]);
        free(f->parts[i].helo);
    }
    free(f->parts);
    arena_deinit(&f->arena);
    arena_deinit(&f->call);
    service_drop(f->service);
    free(f);
}
