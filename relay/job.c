/*
 * One job: a message's recipients in one domain, along the attempts of the plan.
 *
 *     the slot's idle connection, or the next attempt (job_attempts.c)
 *        `-> ready -> transactions (job_transaction.c) -> each recipient has an outcome
 *              | those that only this host deferred: next attempt (walk.c says which); those that
 *              |   each host lacks an extension for: failed
 *              `-> results (result.c), connection back to the slot
 */
#include "relay/capture.h"
#include "relay/job.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TEXT_MAX 500 /* bytes of what was said that a log line has */

uint64_t relay_job_now(const struct relay_job *j)
{
    return loop_now_ms(j->config->loop);
}

/* ---- rows ---- */

void relay_job_decide(struct relay_job *j, size_t row, const struct smtp_client_result *r,
                      struct relay_outcome *outcome)
{
    struct relay_fate *f = &j->fates[row];
    bool was_v4_only = j->rows[row].v4_only;
    relay_walk_result(&j->walk, row, r, outcome);
    f->attempted = true;
    f->asked = r != NULL;
    f->outcome = *outcome;
    if (r && r->end == SMTP_END_REPLY && r->phase == SMTP_PHASE_END_OF_DATA &&
        j->rows[row].state == RELAY_WALK_DONE)
        j->has_served = true;
    f->hop_exts = outcome->verdict == RELAY_DELIVERED && j->conn ? relay_conn_exts(j->conn) : 0;
    if (j->rows[row].v4_only && !was_v4_only)
        log_event(LOG_INFO, "mx6-fallback",
                  &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
                  "to=<%s> goes over IPv4 from now on: the host asked for it",
                  j->batch->rows[row].address);
}

struct relay_outcome relay_job_judge(struct relay_job *j, const struct smtp_client_result *r,
                                     const char *remote)
{
    struct relay_outcome o = relay_outcome_of_result(&j->arena, r, sv_of(remote));
    if (relay_walk_is_of_site(&j->walk))
        relay_outcome_back_off(&o, &j->run->settings->relay->site_backoff_codes);
    if (o.backs_off)
        j->last_backs_off = o;
    return o;
}

size_t relay_job_taken(const struct relay_job *j, size_t *last_out)
{
    size_t count = 0;
    *last_out = 0;
    for (size_t i = 0; i < j->batch->nrows; i++) {
        if (!relay_walk_takes(&j->walk, i))
            continue;
        *last_out = i;
        count++;
    }
    return count;
}

void relay_job_decide_taken(struct relay_job *j, const struct smtp_client_result *r,
                            struct relay_outcome *outcome, const char *remote)
{
    struct relay_outcome said = *outcome;
    size_t row, count = relay_job_taken(j, &row);
    for (size_t i = 0; i < j->batch->nrows; i++) {
        if (!relay_walk_takes(&j->walk, i))
            continue;
        *outcome = said;
        relay_job_decide(j, i, r, outcome);
    }
    relay_job_log(j, relay_job_recipients(j, count, row), remote, r, outcome);
}

void relay_job_decide_open(struct relay_job *j, const struct relay_outcome *outcome)
{
    for (size_t i = 0; i < j->batch->nrows; i++) {
        struct relay_outcome o = *outcome;
        if (j->rows[i].state == RELAY_WALK_OPEN)
            relay_job_decide(j, i, NULL, &o);
    }
}

void relay_job_log(struct relay_job *j, const char *who, const char *remote,
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
              (unsigned long long)(relay_job_now(j) - j->began_ms),
              smtp_status_text(o->status, status), SV_ARG(text));
}

const char *relay_job_recipients(struct relay_job *j, size_t count, size_t row)
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
        if (j->rows[i].state == RELAY_WALK_OPEN || !o->fails_at_last ||
            !relay_walk_is_lacked(&j->walk, i))
            continue;
        relay_outcome_fail(o);
        log_event(LOG_INFO, relay_verdict_text(o->verdict),
                  &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
                  "domain=%s %s no other host, status=%s: %s", j->run->job->destination,
                  relay_job_recipients(j, 1, i), smtp_status_text(o->status, status), o->text);
    }
}

/* What a row's result says about the site. */
enum sign { SIGN_NONE, SIGN_ALIVE, SIGN_FAILED };

static enum sign sign_of(const struct relay_job *j, size_t row)
{
    const struct relay_fate *f = &j->fates[row];
    const struct relay_outcome *o = &f->outcome;
    bool of_host = o->scope == RELAY_SCOPE_HOST || o->scope == RELAY_SCOPE_SITE;
    if (j->rows[row].state == RELAY_WALK_OPEN || o->scope == RELAY_SCOPE_LOCAL || o->spares_site)
        return SIGN_NONE;
    if (o->verdict == RELAY_DEFERRED && !o->fails_at_last && of_host)
        return SIGN_FAILED;
    return f->asked || o->verdict == RELAY_DELIVERED ? SIGN_ALIVE : SIGN_NONE;
}

static void tell_failure(struct relay_job *j, const struct relay_outcome *o, bool by_policy)
{
    struct sched_job_end *end = &j->run->job->end;
    char status[SMTP_STATUS_TEXT_MAX];
    end->site_failed = true;
    end->by_policy = by_policy;
    end->was_told = o->when != NULL;
    end->backs_off = o->backs_off;
    snprintf(end->text, sizeof end->text, "%s", relay_outcome_told(&j->arena, o));
    snprintf(end->status, sizeof end->status, "%s", smtp_status_text(o->status, status));
}

/* A row that shows a host that works counts more than those that show one that does not. */
static void fill_end(struct relay_job *j)
{
    struct sched_job_end *end = &j->run->job->end;
    const struct relay_outcome *failure = j->last_backs_off.text ? &j->last_backs_off : NULL;
    bool alive = false;
    for (size_t i = 0; i < j->batch->nrows; i++) {
        enum sign sign = sign_of(j, i);
        end->delivered = end->delivered || (j->rows[i].state != RELAY_WALK_OPEN &&
                                            j->fates[i].outcome.verdict == RELAY_DELIVERED);
        alive = alive || sign == SIGN_ALIVE;
        if (sign == SIGN_FAILED && !failure)
            failure = &j->fates[i].outcome;
    }
    end->slot = j->conn ? SCHED_SLOT_IDLE : SCHED_SLOT_CLOSED;
    end->second_best = j->conn && j->walk.at < j->walk.nattempts &&
                       j->walk.attempts[j->walk.at].host_index != j->walk.attempts[0].host_index;
    if (j->last_backs_off.text)
        tell_failure(j, failure, false);
    else if (failure && !alive)
        tell_failure(j, failure, j->by_policy);
    end->nothing_learnt = !failure && !alive;
}

void relay_job_end_form(struct relay_job *j)
{
    relay_lf_size_stop(&j->lf); /* another form may lie where this one did */
    relay_form_end(j->form);
    j->form = NULL;
    j->form_set = 0;
    j->has_answer = j->waits_for_form = false;
}

/* Not kept for the next message: what is in clear because TLS failed, or over IPv4 because the host
 * asked for it (MX6), is so for this message alone. */
static bool is_of_one_use(const struct relay_job *j)
{
    bool v4_only = false;
    for (size_t i = 0; i < j->batch->nrows; i++)
        v4_only = v4_only || j->rows[i].v4_only;
    return j->clear_text || j->one_each || v4_only ||
           relay_conn_takes(j->conn, sv_of(j->run->job->destination)) == 0;
}

void relay_job_finish(struct relay_job *j)
{
    struct relay_run *run = j->run;
    struct relay_worker *worker = run->worker;
    uint32_t slot = run->job->slot;
    relay_body_stop(&j->body);
    relay_job_end_form(j);
    if (j->conn && is_of_one_use(j))
        relay_job_drop_conn(j);
    struct relay_conn *conn = j->conn;
    fail_at_last(j);
    fill_end(j);
    for (size_t i = 0; i < j->batch->nrows; i++) {
        j->fates[i].known = j->rows[i].state != RELAY_WALK_OPEN;
        j->fates[i].v4_only = j->rows[i].v4_only;
    }
    relay_result_record(run, j->fates);
    arena_deinit(&j->arena);
    free(j->fates);
    free(j->rows);
    free(j);
    if (slot)
        relay_worker_job_over(worker, slot, conn);
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
    relay_job_decide_open(j, &o);
    log_event(LOG_INFO, relay_verdict_text(o.verdict),
              &(struct log_ctx){.queue = sv_of(j->batch->message->id)}, "domain=%s capture: %s",
              j->run->job->destination, o.text);
    relay_job_finish(j);
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
        o.status = SMTP_STATUS(4, 0, 0);
    o.status.class = job->kind == SCHED_FAIL ? 5 : 4; /* what a site said of others is no verdict */
    relay_job_decide_open(j, &o);
    for (size_t i = 0; i < j->batch->nrows; i++)
        j->fates[i].attempted = false;
    log_event(LOG_INFO, relay_verdict_text(o.verdict),
              &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
              "domain=%s no attempt, status=%s: %s", job->destination, job->status, job->text);
    relay_job_finish(j);
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

static void start_delivery(struct relay_job *j, struct relay_conn *conn)
{
    if (!read_envelope(j)) {
        struct relay_outcome o =
            relay_outcome_of_failure(&j->arena, RELAY_FAILURE_ENVELOPE, 0, SV_NONE);
        if (conn)
            relay_conn_quit(conn);
        relay_job_decide_open(j, &o);
        relay_job_finish(j);
        return;
    }
    j->needs = relay_needs_of(j->batch->message, &j->all,
                              (uint64_t)j->run->settings->relay->qmtp_max_bytes, j->plan);
    relay_walk_init(&j->walk, j->plan, &j->needs, j->run->settings->relay, j->rows,
                    j->batch->nrows);
    relay_job_walk(j, conn);
}

void relay_job_start(struct relay_run *run, struct relay_conn *conn, struct relay_job **where)
{
    struct relay_job *j = NEW(struct relay_job);
    const struct relay_plan *plan = run->job->plan;
    *where = j;
    j->run = run;
    j->config = relay_worker_config(run->worker);
    j->batch = run->job->batch;
    j->began_ms = relay_job_now(j);
    j->fates = mem_new(j->batch->nrows, sizeof *j->fates);
    j->rows = j->walk.rows = mem_new(j->batch->nrows, sizeof *j->rows);
    for (size_t i = 0; i < j->batch->nrows; i++)
        j->rows[i].v4_only = j->batch->rows[i].v4_only;
    arena_init(&j->arena);
    j->body = (struct relay_body){.store = j->config->store,
                                  .reply = j->config->mailbox,
                                  .message = j->batch->message,
                                  .queue_id = j->batch->message->id};
    j->lf = (struct relay_lf_size){.store = j->config->store,
                                   .reply = j->config->mailbox,
                                   .queue_id = j->batch->message->id,
                                   .done = relay_job_on_size,
                                   .arg = j};
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
        relay_job_without_form(j);
        if (j->conn)
            relay_job_drop_conn(j);
        relay_job_finish(j);
        return;
    }
    /* without a connection it waits for a disk, which ends by itself */
    if (!j->conn || relay_conn_time_out(j->conn))
        return;
    struct smtp_client_result why = {.end = SMTP_END_TIMEOUT,
                                     .phase = SMTP_PHASE_CONNECT,
                                     .elapsed_ms = relay_job_now(j) - j->began_ms};
    if (relay_conn_is_ready(j->conn)) /* idle: the content is being counted */
        why = (struct smtp_client_result){
            .end = SMTP_END_CONTENT, .phase = SMTP_PHASE_BODY, .err = ERR_TIMEOUT};
    relay_conn_drop(j->conn);
    relay_job_on_closed(j, &why);
}

void relay_job_stop(struct relay_job *j)
{
    j->given_up = true;
    if (j->sent || !j->plan)
        return; /* a transaction ends by itself, a capture too */
    if (j->conn)
        relay_conn_drop(j->conn);
    j->conn = NULL;
    relay_job_finish(j);
}
