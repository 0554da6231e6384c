/*
 * One job: a message's recipients in one domain, along the attempts of the plan.
 *
 *     the slot's idle connection, or the next attempt -> ready -> transactions of at most
 *     TRANSACTION_MAX recipients -> each recipient has an outcome
 *        | those that only this host deferred: next attempt; those that each host lacks an
 *        |   extension for: failed
 *        `-> results (result.c), connection back to the slot
 *
 * An idle connection that dies before it took anything is no attempt: the plan starts at its
 * beginning. One that ends while it waits for a form of ours is opened again with the form. A TLS
 * handshake that fails where TLS is opportunistic is tried once more in clear. No other host is
 * tried for a message that may have been taken (RFC 5321 6.1). A host that lacks what a recipient
 * needs is not asked for it again at its other addresses. Where a server's LIMITS are reached the
 * rest goes over a new connection.
 */
#include "relay/capture.h"
#include "relay/internal.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TEXT_MAX    500 /* bytes of what was said that a log line has */
#define TRANSACTION_MAX 100 /* recipients; RFC 5321 4.5.3.1.8: every server takes these */

struct relay_job {
    struct relay_run *run;
    const struct relay_worker_config *config;
    const struct route_plan *plan; /* NULL: capture */
    struct queue_batch *batch;
    struct arena arena;
    struct relay_fate *fates;
    uint64_t *lacks; /* of each row: bits of the attempts whose host lacked what it needs */
    struct smtp_envelope all, part; /* of the job; of the transaction under way */
    size_t rows[TRANSACTION_MAX];   /* rows of part's recipients */
    struct relay_conn *conn;
    struct relay_body body;
    struct relay_form *form; /* that is used or waited for; NULL: the content as it is */
    unsigned form_set;       /* what it is: enum rewrite_form */
    struct relay_form_answer form_answer;
    bool has_answer;
    bool waits_for_form; /* the connection is ready, and so is the part */
    size_t attempt;      /* index of the one in use or next */
    bool clear_text;     /* of that attempt: TLS has failed */
    bool reused;         /* the connection was idle when the job came */
    bool sent;           /* a transaction is under way */
    struct relay_outcome
        last_backs_off; /* of a host that wants to be left alone; text NULL: none */
    bool given_up;
    uint64_t began_ms;
};

static uint64_t now(const struct relay_job *j)
{
    return loop_now_ms(j->config->loop);
}

/* ---- fates ---- */

static void set_fate(struct relay_job *j, size_t row, const struct relay_outcome *outcome)
{
    struct relay_fate *f = &j->fates[row];
    f->known = true;
    f->attempted = true;
    f->outcome = *outcome;
    if (outcome->fails_at_last)
        j->lacks[row] |= (uint64_t)1 << j->attempt;
    f->hop_exts = outcome->verdict == RELAY_DELIVERED && j->conn ? relay_conn_exts(j->conn) : 0;
}

/* Rows that nobody has decided about, or that only a host put off. */
static bool is_open(const struct relay_fate *f)
{
    return !f->known;
}

static bool is_retryable(const struct relay_fate *f)
{
    return f->known && f->outcome.verdict == RELAY_DEFERRED &&
           f->outcome.scope == RELAY_SCOPE_HOST && !f->outcome.maybe_taken;
}

/* Whether the host of this attempt lacks what the row needs, as it said there or elsewhere. */
static bool host_lacks(const struct relay_job *j, size_t row, size_t attempt)
{
    const struct route_attempt *a = &j->plan->attempts[attempt], *b = j->plan->attempts;
    for (size_t i = 0; j->lacks[row] >> i; i++)
        if ((j->lacks[row] >> i & 1) && b[i].to.port == a->to.port &&
            strcmp(b[i].host, a->host) == 0)
            return true;
    return false;
}

static bool every_host_lacks(const struct relay_job *j, size_t row)
{
    size_t i = 0;
    while (i < j->plan->nattempts && host_lacks(j, row, i))
        i++;
    return i == j->plan->nattempts;
}

/* Whether the attempt could be of use for the row. */
static bool may_take(const struct relay_job *j, size_t row, size_t attempt)
{
    const struct relay_fate *f = &j->fates[row];
    return (is_open(f) || is_retryable(f)) && !host_lacks(j, row, attempt);
}

/* The first attempt from here on that could be of use for anybody. */
static size_t find_attempt(const struct relay_job *j, size_t from)
{
    size_t n = j->plan ? j->plan->nattempts : 0;
    for (; from < n; from++)
        for (size_t i = 0; i < j->batch->nrows; i++)
            if (may_take(j, i, from))
                return from;
    return n;
}

static size_t count_open(const struct relay_job *j, size_t *last_out)
{
    size_t count = 0;
    *last_out = 0;
    for (size_t i = 0; i < j->batch->nrows; i++) {
        if (!is_open(&j->fates[i]))
            continue;
        *last_out = i;
        count++;
    }
    return count;
}

static bool has_open(const struct relay_job *j)
{
    size_t last;
    return count_open(j, &last) > 0;
}

/* What a host, or the lack of one, says. */
static struct relay_outcome judge(struct relay_job *j, const struct smtp_client_result *r,
                                  const char *remote)
{
    struct relay_outcome o = relay_outcome_of_result(&j->arena, r, sv_of(remote));
    relay_outcome_back_off(&o, &j->run->settings->relay->site_backoff_codes);
    if (o.backs_off)
        j->last_backs_off = o;
    return o;
}

static void set_open(struct relay_job *j, const struct relay_outcome *outcome)
{
    for (size_t i = 0; i < j->batch->nrows; i++)
        if (is_open(&j->fates[i]))
            set_fate(j, i, outcome);
}

/* who: recipients_text() of those that it is about. */
static void log_result(struct relay_job *j, const char *who, const char *remote,
                       const struct smtp_client_result *r, const struct relay_outcome *o)
{
    char status[SMTP_STATUS_TEXT_MAX];
    struct sv text = sv_first(sv_of(o->text), LOG_TEXT_MAX);
    log_event(LOG_INFO, relay_verdict_text(o->verdict),
              &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
              "domain=%s %s remote=%s tls=%d phase=%s elapsed=%llums total=%llums status=%s: "
              "%.*s",
              j->run->job->destination, who, remote, j->conn && relay_conn_is_tls(j->conn),
              smtp_phase_name(r->phase), (unsigned long long)r->elapsed_ms,
              (unsigned long long)(now(j) - j->began_ms), smtp_status_text(o->status, status),
              SV_ARG(text));
}

/* "to=<a@b.example>" of a single recipient, else "recipients=7". */
static const char *recipients_text(struct relay_job *j, size_t count, size_t row)
{
    return count == 1 ? arena_printf(&j->arena, "to=<%s>", j->batch->rows[row].address)
                      : arena_printf(&j->arena, "recipients=%zu", count);
}

/* ---- end ---- */

static void fail_at_last(struct relay_job *j)
{
    char status[SMTP_STATUS_TEXT_MAX];
    for (size_t i = 0; i < j->batch->nrows; i++) {
        struct relay_outcome *o = &j->fates[i].outcome;
        if (!j->fates[i].known || !o->fails_at_last || !every_host_lacks(j, i))
            continue;
        relay_outcome_fail(o);
        log_event(LOG_INFO, relay_verdict_text(o->verdict),
                  &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
                  "domain=%s %s no other host, status=%s: %s", j->run->job->destination,
                  recipients_text(j, 1, i), smtp_status_text(o->status, status), o->text);
    }
}

/* Whether the row's result shows a host that works. */
static bool shows_life(const struct relay_fate *f)
{
    return !f->known /* nothing was found out */ || f->outcome.verdict != RELAY_DEFERRED ||
           f->outcome.fails_at_last ||
           (f->outcome.scope != RELAY_SCOPE_HOST && f->outcome.scope != RELAY_SCOPE_SITE);
}

static void tell_failure(struct sched_job_end *end, const struct relay_outcome *o)
{
    char status[SMTP_STATUS_TEXT_MAX];
    end->site_failed = true;
    end->backs_off = o->backs_off;
    snprintf(end->text, sizeof end->text, "%s", o->text);
    snprintf(end->status, sizeof end->status, "%s", smtp_status_text(o->status, status));
}

static void fill_end(struct relay_job *j)
{
    struct sched_job_end *end = &j->run->job->end;
    bool reached = j->batch->nrows == 0;
    for (size_t i = 0; i < j->batch->nrows; i++) {
        const struct relay_fate *f = &j->fates[i];
        end->delivered = end->delivered || (f->known && f->outcome.verdict == RELAY_DELIVERED);
        reached = reached || shows_life(f);
    }
    end->slot = j->conn ? SCHED_SLOT_IDLE : SCHED_SLOT_CLOSED;
    if (j->last_backs_off.text)
        tell_failure(end, &j->last_backs_off);
    else if (!reached)
        tell_failure(end, &j->fates[0].outcome);
}

static void end_form(struct relay_job *j)
{
    relay_form_end(j->form);
    j->form = NULL;
    j->form_set = 0;
    j->has_answer = j->waits_for_form = false;
}

static void finish(struct relay_job *j)
{
    struct relay_run *run = j->run;
    struct relay_worker *worker = run->worker;
    uint32_t slot = run->job->slot;
    relay_body_stop(&j->body);
    end_form(j);
    if (j->conn && relay_conn_takes(j->conn, sv_of(run->job->destination)) == 0) {
        relay_conn_quit(j->conn);
        j->conn = NULL;
    }
    struct relay_conn *conn = j->conn;
    fail_at_last(j);
    fill_end(j);
    relay_result_record(run, j->fates);
    arena_deinit(&j->arena);
    free(j->fates);
    free(j->lacks);
    free(j);
    if (slot)
        relay_worker_job_over(worker, slot, conn);
}

/* ---- transactions ---- */

/* What is to be sent, as the content is, or in the form that has been made. */
static struct smtp_client_mail mail_of(const struct relay_job *j, unsigned form)
{
    struct queue_message *m = j->batch->message, *content = form ? j->form_answer.content : m;
    /* what a wall clock would show had it never jumped: extensions count what is left by it */
    const struct sched_job *job = j->run->job;
    int64_t elapsed_ms = job->age_ms + (int64_t)(now(j) - job->made_ms);
    return (struct smtp_client_mail){
        .envelope = &j->part,
        .size = queue_message_bytes(content),
        .eight_bit = m->eight_bit && !(form & REWRITE_FORM_7BIT),
        .binary = (m->binary || m->long_lines) && !(form & REWRITE_FORM_LINES),
        .utf8_header = m->smtputf8 && !(form & REWRITE_FORM_ASCII_HEADER),
        .received_s = m->received_ms / 1000,
        .now_s = (m->received_ms + elapsed_ms) / 1000,
    };
}

static void on_ready(void *arg);
static void send_part(struct relay_job *j);
static void next_attempt(struct relay_job *j);
static void open_attempt(struct relay_job *j);

static void on_form(void *arg, const struct relay_form_answer *a)
{
    struct relay_job *j = arg;
    j->form_answer = *a;
    j->has_answer = true;
    if (!j->waits_for_form)
        return;
    j->waits_for_form = false;
    if (j->conn)
        send_part(j);
    else
        open_attempt(j);
}

/* No form of the content can go to this host, or not now: what is open is decided. */
static void decide_without_form(struct relay_job *j)
{
    const struct relay_form_answer *a = &j->form_answer;
    const char *remote = j->conn ? relay_conn_remote(j->conn) : "";
    struct smtp_client_result r = {.end = SMTP_END_UNSUPPORTED, .phase = SMTP_PHASE_MAIL};
    struct relay_outcome o;
    if (a->err < 0) {
        o = relay_outcome_of_failure(&j->arena,
                                     a->is_unsigned ? RELAY_FAILURE_UNSIGNED : RELAY_FAILURE_FORM,
                                     a->err, SV_NONE);
    } else {
        r.reply = rewrite_unfit_reply(a->unfit);
        o = relay_outcome_of_result(&j->arena, &r, sv_of(remote));
    }
    size_t row, count = count_open(j, &row);
    log_result(j, recipients_text(j, count, row), remote, &r, &o);
    set_open(j, &o);
}

static void end_without_form(struct relay_job *j)
{
    decide_without_form(j);
    if (j->form_answer.err < 0)
        end_form(j); /* the next host's turn is another try */
    on_ready(j);
}

/* The form that this hop needs, at once or later; false: it is waited for, or cannot be had, which
 * ends the part. */
static bool has_form(struct relay_job *j, unsigned form)
{
    if (!form || !j->config->forms)
        return true;
    if (form & REWRITE_FORM_7BIT)
        form |= REWRITE_FORM_LINES | REWRITE_FORM_ASCII_HEADER;
    if (j->form_set != form) {
        end_form(j);
        j->form_set = form;
        j->form =
            relay_form_ask(j->run->worker, j->batch->message, form, j->run->settings, on_form, j);
    }
    j->waits_for_form = !j->has_answer;
    if (j->waits_for_form)
        return false;
    if (j->form_answer.content)
        return true;
    end_without_form(j);
    return false;
}

static void send_part(struct relay_job *j)
{
    uint32_t most = relay_conn_takes(j->conn, sv_of(j->run->job->destination));
    if (most > TRANSACTION_MAX)
        most = TRANSACTION_MAX;
    smtp_envelope_init(&j->part, &j->arena);
    j->part.reverse = j->all.reverse;
    memcpy(j->part.values, j->all.values, sizeof j->part.values);
    for (size_t i = 0; i < j->batch->nrows && j->part.count < most; i++) {
        if (!is_open(&j->fates[i]))
            continue;
        j->rows[j->part.count] = i;
        const struct smtp_recipient *from = &j->all.recipients[i];
        struct smtp_recipient *to = smtp_envelope_add(&j->part, &from->path);
        memcpy(to->values, from->values, sizeof to->values);
    }
    struct smtp_client_mail mail = mail_of(j, 0);
    unsigned form = relay_conn_converts(j->conn, &mail);
    if (!has_form(j, form))
        return;
    if (form && j->config->forms) {
        form = j->form_set;
        mail = mail_of(j, form);
    }
    j->sent = true;
    j->body.message = form && j->config->forms ? j->form_answer.content : j->batch->message;
    relay_body_start(&j->body, j->conn);
    relay_conn_send(j->conn, &mail);
}

static void drop_conn(struct relay_job *j)
{
    relay_conn_quit(j->conn);
    j->conn = NULL;
}

static void on_ready(void *arg)
{
    struct relay_job *j = arg;
    size_t from = j->reused ? 0 : j->attempt + 1;
    if (j->sent) {
        j->sent = false;
        j->reused = false;
        relay_body_stop(&j->body);
    }
    if (has_open(j) && !j->given_up) {
        if (relay_conn_takes(j->conn, sv_of(j->run->job->destination)) > 0) {
            send_part(j);
        } else {
            drop_conn(j);
            open_attempt(j);
        }
        return;
    }
    size_t next = find_attempt(j, from);
    if (j->given_up || next == j->plan->nattempts) {
        finish(j);
        return;
    }
    drop_conn(j);
    j->attempt = next;
    next_attempt(j);
}

static void on_need_body(void *arg)
{
    struct relay_job *j = arg;
    relay_body_next(&j->body);
}

static void on_recipient(void *arg, uint32_t index, const struct smtp_client_result *r)
{
    struct relay_job *j = arg;
    const char *remote = relay_conn_remote(j->conn);
    struct relay_outcome o = judge(j, r, remote);
    set_fate(j, j->rows[index], &o);
    log_result(j, recipients_text(j, 1, j->rows[index]), remote, r, &o);
}

static void on_message(void *arg, const struct smtp_client_result *r)
{
    struct relay_job *j = arg;
    const char *remote = relay_conn_remote(j->conn);
    struct relay_outcome o = judge(j, r, remote);
    /* A kept connection may have died while nobody looked: that says nothing about the host. */
    if (j->reused && r->end != SMTP_END_REPLY && o.scope == RELAY_SCOPE_HOST && !o.maybe_taken &&
        !o.fails_at_last)
        return;
    size_t count = 0, row = 0;
    for (uint32_t i = 0; i < j->part.count; i++) {
        if (!is_open(&j->fates[j->rows[i]]))
            continue;
        row = j->rows[i];
        set_fate(j, row, &o);
        count++;
    }
    log_result(j, recipients_text(j, count, row), remote, r, &o);
}

/* ---- connections ---- */

static bool wants_clear_text(const struct relay_job *j, const struct smtp_client_result *why)
{
    return !j->clear_text && !j->sent && !j->given_up &&
           !smtp_envelope_has(&j->all, SMTP_MAIL_REQUIRETLS) &&
           relay_conn_attempt(j->conn)->tls == ROUTE_TLS_OPPORTUNISTIC &&
           !relay_conn_attempt(j->conn)->implicit_tls &&
           (why->end == SMTP_END_TLS || why->phase == SMTP_PHASE_HANDSHAKE ||
            why->phase == SMTP_PHASE_STARTTLS);
}

static void on_closed(void *arg, const struct smtp_client_result *why)
{
    struct relay_job *j = arg;
    if (j->waits_for_form) { /* for us: that says nothing about the host */
        j->conn = NULL;
        if (j->reused)
            j->attempt = 0;
        return;
    }
    const char *remote = arena_str(&j->arena, sv_of(relay_conn_remote(j->conn)));
    bool in_clear = wants_clear_text(j, why);
    bool was_reused = j->reused;
    if (!j->sent && !was_reused) {
        struct relay_outcome o = why->phase == SMTP_PHASE_CONNECT
                                     ? relay_outcome_of_failure(&j->arena, RELAY_FAILURE_CONNECT,
                                                                why->err, sv_of(remote))
                                     : judge(j, why, remote);
        size_t row, count = count_open(j, &row);
        log_result(j, recipients_text(j, count, row), remote, why, &o);
        if (!in_clear)
            set_open(j, &o);
    }
    relay_body_stop(&j->body);
    j->conn = NULL;
    j->sent = false;
    if (in_clear)
        j->clear_text = true;
    else
        j->clear_text = false;
    if (was_reused)
        j->attempt = 0;
    else if (!in_clear)
        j->attempt++;
    next_attempt(j);
}

static const struct relay_conn_ops conn_ops = {on_ready, on_need_body, on_recipient, on_message,
                                               on_closed};

static void open_attempt(struct relay_job *j)
{
    const struct route_attempt *a = &j->plan->attempts[j->attempt];
    struct relay_conn_config config = {
        .loop = j->config->loop,
        .all = relay_worker_conns(j->run->worker),
        .tls = j->run->settings->tls,
        .auth = j->config->auth,
        .hostname = sv_of(j->run->settings->hostname),
        .attempt = a,
        .level = a->tls,
        .secret = a->credentials < 0
                      ? SV_NONE
                      : sv_of(arena_printf(&j->arena, RELAY_SECRET_NAME, a->credentials)),
        .exts_off = j->run->settings->exts_off,
        .clear_text = j->clear_text,
        .queue_id = j->batch->message->id};
    j->reused = false;
    j->began_ms = now(j);
    j->conn = relay_conn_open(&config, &conn_ops, j);
}

/* What the last host put off is open again for the next one; the last one's word stays. */
static void next_attempt(struct relay_job *j)
{
    bool left = has_open(j);
    j->attempt = find_attempt(j, j->attempt);
    bool more = j->plan && j->attempt < j->plan->nattempts && !j->given_up &&
                now(j) < j->run->job->deadline_ms;
    for (size_t i = 0; more && i < j->batch->nrows; i++) {
        if (may_take(j, i, j->attempt)) {
            j->fates[i].known = false;
            left = true;
        }
    }
    if (left && more) {
        open_attempt(j);
        return;
    }
    if (left && !j->given_up) {
        struct relay_outcome o =
            relay_outcome_of_failure(&j->arena, RELAY_FAILURE_NO_HOST, 0, SV_NONE);
        set_open(j, &o);
    }
    finish(j);
}

/* ---- capture, and jobs without an attempt ---- */

static void on_captured(void *arg, int err)
{
    struct relay_job *j = arg;
    struct relay_outcome o = {.verdict = RELAY_DELIVERED,
                              .scope = RELAY_SCOPE_MESSAGE,
                              .status = SMTP_STATUS(2, 0, 0),
                              .text = "delivered into the capture folder",
                              .remote = ""};
    if (err < 0)
        o = relay_outcome_of_failure(&j->arena, RELAY_FAILURE_CAPTURE, err, SV_NONE);
    set_open(j, &o);
    log_event(LOG_INFO, relay_verdict_text(o.verdict),
              &(struct log_ctx){.queue = sv_of(j->batch->message->id)}, "domain=%s capture: %s",
              j->run->job->destination, o.text);
    finish(j);
}

static void capture(struct relay_job *j)
{
    relay_capture_start(&(struct relay_capture){.pool = j->config->disk,
                                                .reply = j->config->mailbox,
                                                .store = j->config->store,
                                                .dir = j->run->settings->relay->capture,
                                                .batch = j->batch,
                                                .done = on_captured,
                                                .arg = j});
}

static void without_attempt(struct relay_job *j)
{
    const struct sched_job *job = j->run->job;
    struct relay_outcome o = {.verdict = job->kind == SCHED_FAIL ? RELAY_FAILED : RELAY_DEFERRED,
                              .scope = RELAY_SCOPE_MESSAGE,
                              .text = job->text,
                              .remote = ""};
    if (!smtp_status_parse(sv_of(job->status), &o.status, NULL))
        o.status = job->kind == SCHED_FAIL ? SMTP_STATUS(5, 0, 0) : SMTP_STATUS(4, 0, 0);
    set_open(j, &o);
    for (size_t i = 0; i < j->batch->nrows; i++)
        j->fates[i].attempted = false;
    log_event(LOG_INFO, relay_verdict_text(o.verdict),
              &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
              "domain=%s no attempt, status=%s: %s", job->destination, job->status, job->text);
    finish(j);
}

/* ---- start ---- */

static bool read_envelope(struct relay_job *j)
{
    smtp_envelope_init(&j->all, &j->arena);
    if (smtp_envelope_parse_mail(&j->all, sv_of(j->batch->message->mail_params)) < 0)
        return false;
    for (size_t i = 0; i < j->batch->nrows; i++)
        if (smtp_envelope_parse_rcpt(&j->all, sv_of(j->batch->rows[i].rcpt_params)) < 0)
            return false;
    return true;
}

/* A kept connection serves this job only if the job's own plan would have opened it. */
static bool fits(const struct route_plan *plan, const struct relay_conn *conn, size_t *index_out)
{
    for (size_t i = 0; i < plan->nattempts; i++) {
        if (relay_conn_serves(conn, &plan->attempts[i], plan->attempts[i].tls)) {
            *index_out = i;
            return true;
        }
    }
    return false;
}

static void start_delivery(struct relay_job *j, struct relay_conn *conn)
{
    if (!read_envelope(j)) {
        struct relay_outcome o =
            relay_outcome_of_failure(&j->arena, RELAY_FAILURE_ENVELOPE, 0, SV_NONE);
        if (conn)
            relay_conn_quit(conn);
        set_open(j, &o);
        finish(j);
        return;
    }
    if (conn && (!fits(j->plan, conn, &j->attempt) ||
                 relay_conn_takes(conn, sv_of(j->run->job->destination)) == 0)) {
        relay_conn_quit(conn);
        conn = NULL;
        j->attempt = 0;
    }
    if (!conn) {
        open_attempt(j);
        return;
    }
    j->conn = conn;
    j->reused = true;
    relay_conn_set_ops(conn, &conn_ops, j, j->batch->message->id);
    send_part(j);
}

void relay_job_start(struct relay_run *run, struct relay_conn *conn, struct relay_job **where)
{
    struct relay_job *j = NEW(struct relay_job);
    const struct relay_plan *plan = run->job->plan;
    *where = j;
    j->run = run;
    j->config = relay_worker_config(run->worker);
    j->batch = run->job->batch;
    j->began_ms = now(j);
    j->fates = mem_new(j->batch->nrows, sizeof *j->fates);
    j->lacks = mem_new(j->batch->nrows, sizeof *j->lacks);
    _Static_assert(ROUTE_ATTEMPTS_MAX <= 64, "a bit for each attempt");
    arena_init(&j->arena);
    j->body = (struct relay_body){.store = j->config->store,
                                  .reply = j->config->mailbox,
                                  .message = j->batch->message,
                                  .queue_id = j->batch->message->id};
    if (plan && plan->route)
        j->plan = route_plan(plan->route);
    if (run->job->kind != SCHED_DELIVER)
        without_attempt(j);
    else if (!j->plan)
        capture(j);
    else
        start_delivery(j, conn);
}

void relay_job_give_up(struct relay_job *j)
{
    j->given_up = true;
    if (j->waits_for_form) {
        j->form_answer = (struct relay_form_answer){.err = ERR_TIMEOUT};
        decide_without_form(j);
        if (j->conn)
            drop_conn(j);
        finish(j);
        return;
    }
    if (!j->conn)
        return; /* it waits for a disk, which ends by itself */
    struct smtp_client_result why = {.end = SMTP_END_TIMEOUT,
                                     .phase = j->sent ? SMTP_PHASE_END_OF_DATA : SMTP_PHASE_EHLO};
    relay_conn_drop(j->conn);
    if (j->sent)
        on_message(j, &why);
    on_closed(j, &why);
}

void relay_job_stop(struct relay_job *j)
{
    j->given_up = true;
    if (j->sent || !j->plan)
        return; /* a transaction ends by itself, a capture too */
    if (j->conn)
        relay_conn_drop(j->conn);
    j->conn = NULL;
    finish(j);
}
