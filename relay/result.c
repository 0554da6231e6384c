/*
 * From what became of each row to what the queue keeps: done, failed, or due again; and the report
 * that the author gets, in the same transaction.
 */
#include "relay/internal.h"

#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/dsn.h"
#include "relay/notice.h"
#include "relay/queue/retry.h"
#include "rewrite/encode.h"

#include <stdlib.h>
#include <string.h>

struct result {
    struct relay_run *run;
    struct store_record *record;
    struct queue_message *message;
    struct smtp_envelope envelope; /* in record->arena */
    bool has_by;
    struct smtp_deliver_by by;
    int64_t elapsed_ms; /* since the message was received, whatever the clock did */
    struct relay_dsn_recipient *reported;
    size_t nreported;
};

static const struct relay_worker_config *config_of(const struct result *t)
{
    return relay_worker_config(t->run->worker);
}

static void on_recorded(struct store_record *r, int err)
{
    struct relay_run *run = r->arg;
    const struct relay_worker_config *config = relay_worker_config(run->worker);
    config->on_recorded(config->arg, r, err);
}

static void hand_over(struct result *t)
{
    struct store *store = config_of(t)->store;
    struct store_record *record = t->record;
    queue_message_drop(t->message);
    free(t);
    store_record(store, record);
}

/* ---- rows ---- */

/* What the message has aged: without the row's hold. */
static int64_t age_ms(const struct result *t, const struct queue_row *q)
{
    return t->elapsed_ms - q->held_ms;
}

/* Wall time that passed since the message came, without the clock's jumps. */
static int64_t elapsed_ms(const struct result *t)
{
    const struct sched_job *job = t->run->job;
    uint64_t now_ms = loop_now_ms(config_of(t)->loop);
    int64_t since_ms = now_ms > job->made_ms ? (int64_t)(now_ms - job->made_ms) : 0;
    return job->age_ms + since_ms;
}

/* What is left of the BY time (RFC 2852); negative: it has passed. */
static int64_t by_left_ms(const struct result *t)
{
    return t->by.seconds * 1000 - t->elapsed_ms;
}

static const char *copy(struct result *t, const char *text)
{
    return arena_str(&t->record->arena, sv_of(text));
}

/* RFC 2852 4.1.4: a trace was asked for, or the next hop does not know of the BY time. */
static bool must_tell_relay(const struct result *t, const struct relay_fate *fate)
{
    bool has_by = fate->hop_exts & SMTP_EXT_BIT(SMTP_EXT_DELIVERBY);
    return t->has_by && (t->by.trace || (!t->by.returns && !has_by && by_left_ms(t) > 0));
}

static void report_row(struct result *t, size_t row, enum relay_dsn_action action,
                       const struct relay_fate *fate, const struct store_result *res)
{
    const struct smtp_recipient *rcpt = &t->envelope.recipients[row];
    bool null_path = t->message->reverse_path[0] == '\0';
    bool has_dsn = fate->hop_exts & SMTP_EXT_BIT(SMTP_EXT_DSN);
    bool anyway = action == RELAY_DSN_RELAYED && must_tell_relay(t, fate) &&
                  relay_dsn_wanted_anyway(smtp_envelope_notify(rcpt), null_path);
    if (!anyway && !relay_dsn_wanted(action, smtp_envelope_notify(rcpt), null_path, has_dsn)) {
        if (action == RELAY_DSN_FAILED && null_path)
            log_event(LOG_WARNING, "dropped", &(struct log_ctx){.queue = sv_of(t->message->id)},
                      "undeliverable, and its reverse-path is null: nobody is told: %s", res->text);
        return;
    }
    int64_t now_s = clock_wall_s();
    const struct queue_row *q = &t->record->batch->rows[row];
    int64_t ends_s = now_s + t->run->settings->queue->lifetime_s - age_ms(t, q) / 1000;
    t->reported[t->nreported++] =
        (struct relay_dsn_recipient){.action = action,
                                     .address = sv_of(q->address),
                                     .orcpt = rcpt->values[SMTP_RCPT_ORCPT].text,
                                     .status = sv_of(res->status),
                                     .text = sv_of(res->text),
                                     .remote = sv_of(res->remote),
                                     .last_attempt_s = fate->attempted ? now_s : 0,
                                     .retry_until_s = action == RELAY_DSN_DELAYED ? ends_s : 0};
}

static void fail_expired(struct result *t, size_t row, const struct relay_fate *fate,
                         struct store_result *res, const char *what)
{
    const struct queue_row *q = &t->record->batch->rows[row];
    res->verdict = STORE_FAILED;
    res->status = "5.4.7";
    res->text = arena_printf(&t->record->arena, "%s; the last try: %s", what, res->text);
    log_event(LOG_INFO, "expired", &(struct log_ctx){.queue = sv_of(t->message->id)},
              "to=<%s> given up after %u attempts: %s", q->address, q->attempts + !res->untried,
              what);
    report_row(t, row, RELAY_DSN_FAILED, fate, res);
}

/* RFC 2852 4.1.3: the time has passed, and the author is told once; it goes on being tried. */
static void tell_late(struct result *t, size_t row, const struct relay_fate *fate,
                      struct store_result *res)
{
    struct store_result late = *res;
    late.status = "4.4.7";
    late.text =
        arena_printf(&t->record->arena,
                     "the time set for delivery (BY) has passed; the last try: %s", res->text);
    res->by_told = true;
    report_row(t, row, RELAY_DSN_DELAYED, fate, &late);
}

/* Deferred: later, or never again. */
static void put_off(struct result *t, size_t row, const struct relay_fate *fate,
                    struct store_result *res)
{
    const struct queue_row *q = &t->record->batch->rows[row];
    const struct queue_options *options = t->run->settings->queue;
    uint32_t step = q->attempts;
    res->untried = t->run->job->kind == SCHED_PUT_OFF;
    if (res->untried)
        step = retry_step(options, age_ms(t, q), step);
    struct retry_decision d =
        retry_after(options, age_ms(t, q), step, q->delay_warned, clock_wall_ms(), random_u64());
    bool late = t->has_by && by_left_ms(t) <= 0;
    if (d.verdict == RETRY_EXPIRED || (late && t->by.returns)) {
        fail_expired(t, row, fate, res,
                     late && t->by.returns ? "the time set for delivery (BY) has passed"
                                           : "delivery time expired (queue.lifetime)");
        return;
    }
    /* a try falls due when the time is up, or nobody would notice */
    if (t->has_by && !late && d.due_ms > clock_wall_ms() + by_left_ms(t))
        d.due_ms = clock_wall_ms() + by_left_ms(t);
    res->verdict = STORE_DEFERRED;
    res->due_ms = d.due_ms;
    res->delay_warned = q->delay_warned || d.warn;
    if (d.due_ms < t->run->job->end.next_due_ms)
        t->run->job->end.next_due_ms = d.due_ms;
    if (late && !q->by_told)
        tell_late(t, row, fate, res);
    else if (d.warn)
        report_row(t, row, RELAY_DSN_DELAYED, fate, res);
}

static void decide(struct result *t, size_t row, const struct relay_fate *fate)
{
    char status[SMTP_STATUS_TEXT_MAX];
    const struct queue_row *q = &t->record->batch->rows[row];
    struct store_result *res = &t->record->results[t->record->nresults++];
    *res = (struct store_result){.number = q->number,
                                 .delay_warned = q->delay_warned,
                                 .by_told = q->by_told,
                                 .v4_only = fate->v4_only,
                                 .status = copy(t, smtp_status_text(fate->outcome.status, status)),
                                 .text = copy(t, fate->outcome.text),
                                 .shown = relay_outcome_told(&t->record->arena, &fate->outcome),
                                 .remote = copy(t, fate->outcome.remote)};
    switch (fate->outcome.verdict) {
    case RELAY_DELIVERED:
        res->verdict = STORE_DELIVERED;
        report_row(t, row, RELAY_DSN_RELAYED, fate, res);
        break;
    case RELAY_FAILED:
        res->verdict = STORE_FAILED;
        report_row(t, row, RELAY_DSN_FAILED, fate, res);
        break;
    case RELAY_DEFERRED:
        put_off(t, row, fate, res);
        break;
    }
}

/* ---- report ---- */

static bool requires_tls(const struct result *t)
{
    return smtp_envelope_has(&t->envelope, SMTP_MAIL_REQUIRETLS);
}

/* What a report inherits: its metadata are as worthy of protection (RFC 8689 5), and as urgent. */
static const char *report_params(struct result *t, struct queue_message *report)
{
    const char *tls = requires_tls(t) ? " REQUIRETLS" : "";
    const char *utf8 = report->smtputf8 ? " SMTPUTF8" : "";
    if (!report->priority)
        return arena_printf(&report->arena, "<>%s%s", utf8, tls);
    return arena_printf(&report->arena, "<>%s MT-PRIORITY=%d%s", utf8, report->priority, tls);
}

static void queue_report(struct result *t, struct buf *text, const char *id)
{
    const char *to = t->message->reverse_path;
    struct queue_message *m =
        relay_notice_message(text, id, sv_of(to), &t->record->report_rows); /* dsn.h: UTF-8 */
    m->priority = t->message->priority;                                     /* RFC 6710 4.6 */
    m->mail_params = report_params(t, m);
    t->record->report = m;
    log_event(LOG_INFO, "report", &(struct log_ctx){.queue = sv_of(t->message->id)},
              "to <%s> as %s, %zu recipients", to, id, t->nreported);
}

/* The report is signed, or goes without. */
static void on_signed(void *arg)
{
    hand_over(arg);
}

/* A report is returned over hops that take 7 bits only: so is what it returns. Nothing is put where
 * it cannot be had so. */
static void make_form(struct sv content, struct buf *out)
{
    struct rewrite_survey survey;
    struct rewrite_encode encode;
    struct rewrite_plan plan;
    rewrite_survey_init(&survey, REWRITE_FORM_7BIT, content.len);
    rewrite_survey_feed(&survey, content);
    rewrite_survey_end(&survey);
    rewrite_survey_take(&survey, &plan);
    rewrite_survey_deinit(&survey);
    if (plan.unfit == REWRITE_UNFIT_NONE) {
        rewrite_encode_init(&encode, &plan, content.len);
        int err = buf_put(out, rewrite_encode_feed(&encode, content));
        if (err == 0)
            err = buf_put(out, rewrite_encode_end(&encode));
        REQUIRE(err == 0);
        rewrite_encode_deinit(&encode);
    }
    rewrite_plan_deinit(&plan);
}

/* Ends with hand_over(). */
static void write_report(struct result *t, struct sv content)
{
    const struct relay_settings *settings = t->run->settings;
    char id[QUEUE_ID_LEN + 1];
    struct buf text, fields, made;
    int64_t received_s = t->message->received_ms / 1000;
    buf_init(&fields, 4096, 0);
    if (smtp_ext_report(&t->envelope, received_s, &fields) < 0)
        buf_reset(&fields);
    queue_id_make(id, clock_wall_ms(), random_u64());
    struct relay_dsn dsn = {.id = sv_of(id),
                            .reporting_mta = sv_of(settings->hostname),
                            .postmaster = sv_of(settings->postmaster),
                            .to = sv_of(t->message->reverse_path),
                            .original_id = sv_of(t->message->id),
                            .envid = t->envelope.values[SMTP_MAIL_ENVID].text,
                            .arrival_s = received_s,
                            .deliver_by_s = t->has_by ? received_s + t->by.seconds : 0,
                            .fields = buf_view(&fields),
                            .now_s = clock_wall_s(),
                            .recipients = t->reported,
                            .count = t->nreported,
                            .content = content,
                            .content_complete = content.len == t->message->size,
                            .binary = t->message->binary,
                            .ret_full = t->envelope.values[SMTP_MAIL_RET].number == SMTP_RET_FULL &&
                                        !requires_tls(t),
                            .bounce_body = (size_t)settings->queue->bounce_body_bytes};
    buf_init(&made, SIZE_MAX / 2, 0);
    if (relay_dsn_needs_form(&dsn))
        make_form(content, &made);
    dsn.form = buf_view(&made);
    buf_init(&text, SIZE_MAX / 2, 0); /* bounded by its recipients and bounce_body */
    REQUIRE(relay_dsn_write(&text, &dsn) == 0);
    queue_report(t, &text, id);
    buf_deinit(&fields);
    buf_deinit(&text);
    buf_deinit(&made);
    relay_notice_sign((struct relay_notice_signer){config_of(t)->signer, settings->dkim},
                      t->record->report, on_signed, t);
}

/* Content that cannot be read is left out: the report matters more. */
static void on_content(struct store_read *read)
{
    struct result *t = read->arg;
    crashring_hold(t->message->id);
    write_report(t, read->err < 0 ? SV_NONE : buf_view(&read->bytes)); /* t may be gone */
    store_read_free(read);
    crashring_done();
}

static void report(struct result *t)
{
    size_t most = relay_dsn_content_max((size_t)t->run->settings->queue->bounce_body_bytes);
    if (t->message->content) {
        write_report(t, sv_first(block_view(t->message->content), most));
        return;
    }
    const struct relay_worker_config *config = config_of(t);
    store_read_start(config->store,
                     store_read_new(t->message, 0, most, config->mailbox, on_content, t));
}

/* ---- */

/* A damaged envelope costs its DSN parameters, not the report. */
static void read_envelope(struct result *t)
{
    const struct queue_batch *b = t->record->batch;
    smtp_envelope_init(&t->envelope, &t->record->arena);
    (void)!smtp_envelope_parse_mail(&t->envelope, sv_of(t->message->mail_params));
    for (size_t i = 0; i < b->nrows; i++)
        if (smtp_envelope_parse_rcpt(&t->envelope, sv_of(b->rows[i].rcpt_params)) < 0)
            smtp_envelope_add(&t->envelope, &(struct smtp_path){0});
}

void relay_result_record(struct relay_run *run, const struct relay_fate *fates)
{
    struct result *t = NEW(struct result);
    struct queue_batch *batch = run->job->batch;
    const struct relay_worker_config *config = relay_worker_config(run->worker);
    run->job->batch = NULL;
    t->run = run;
    t->message = queue_message_keep(batch->message);
    t->record = store_record_new(batch, config->main, on_recorded, run);
    t->record->results = arena_alloc(&t->record->arena, batch->nrows * sizeof *t->record->results);
    t->reported = arena_alloc(&t->record->arena, batch->nrows * sizeof *t->reported);
    read_envelope(t);
    t->elapsed_ms = elapsed_ms(t);
    t->has_by = smtp_envelope_deliver_by(&t->envelope, &t->by);
    for (size_t i = 0; i < batch->nrows; i++)
        if (fates[i].known)
            decide(t, i, &fates[i]);
    if (t->nreported > 0)
        report(t);
    else
        hand_over(t);
}
