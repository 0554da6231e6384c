/*
 * Transactions of a job over one connection, of at most RELAY_JOB_PART_MAX recipients each;
 * where a server's LIMITS are reached, or it closes by itself, the rest goes over a new connection,
 * and where it takes no more recipients in a transaction (RFC 5321 4.5.3.1.10) in another one at
 * once. A hop that cannot take the content as it is gets a form of it, which may have to be waited
 * for (form.h).
 */
#include "relay/job.h"

#include "msa/base/log.h"
#include "rewrite/survey.h"

#include <string.h>

/* What is to be sent, as the content is, or in the form that has been made. */
static struct smtp_client_mail mail_of(const struct relay_job *j, unsigned form)
{
    struct queue_message *m = j->batch->message, *content = form ? j->form_answer.content : m;
    /* what a wall clock would show had it never jumped: extensions count what is left by it */
    const struct sched_job *job = j->run->job;
    int64_t elapsed_ms = job->age_ms + (int64_t)(relay_job_now(j) - job->made_ms);
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

/* ---- forms ---- */

static void on_form(void *arg, const struct relay_form_answer *a)
{
    struct relay_job *j = arg;
    j->form_answer = *a;
    j->has_answer = true;
    if (!j->waits_for_form)
        return;
    j->waits_for_form = false;
    if (j->conn)
        relay_job_send(j);
    else
        relay_job_open(j);
}

void relay_job_without_form(struct relay_job *j)
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
    relay_job_decide_taken(j, &r, &o, remote);
}

static void end_without_form(struct relay_job *j)
{
    relay_job_without_form(j);
    if (j->form_answer.err < 0)
        relay_job_end_form(j); /* the next host's turn is another try */
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
        relay_job_end_form(j);
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

/* ---- sending ---- */

static void fill_part(struct relay_job *j)
{
    uint32_t most = relay_conn_takes(j->conn, sv_of(j->run->job->destination));
    if (most > RELAY_JOB_PART_MAX)
        most = RELAY_JOB_PART_MAX;
    if (j->part_max && most > j->part_max)
        most = j->part_max;
    j->part_refused = 0;
    j->part_served = false;
    smtp_envelope_init(&j->part, &j->arena);
    j->part.reverse = j->all.reverse;
    memcpy(j->part.values, j->all.values, sizeof j->part.values);
    for (size_t i = 0; i < j->batch->nrows && j->part.count < most; i++) {
        if (!relay_walk_takes(&j->walk, i))
            continue;
        j->part_rows[j->part.count] = i;
        const struct smtp_recipient *from = &j->all.recipients[i];
        struct smtp_recipient *to = smtp_envelope_add(&j->part, &from->path);
        memcpy(to->values, from->values, sizeof to->values);
    }
}

/* QMTP: how long the content will be; false: it is found out. */
static bool has_size(struct relay_job *j, struct queue_message *content,
                     struct smtp_client_mail *mail)
{
    if (relay_conn_attempt(j->conn)->protocol != ROUTE_QMTP)
        return true;
    bool known = relay_lf_size_know(&j->lf, content);
    mail->lf_size = j->lf.bytes;
    return known;
}

void relay_job_on_size(void *arg, int err)
{
    struct relay_job *j = arg;
    if (err == 0) {
        relay_job_send(j);
        return;
    }
    struct smtp_client_result r = {.end = SMTP_END_CONTENT, .phase = SMTP_PHASE_BODY, .err = err};
    const char *remote = relay_conn_remote(j->conn);
    struct relay_outcome o = relay_job_judge(j, &r, remote);
    relay_job_decide_taken(j, &r, &o, remote);
    on_ready(j);
}

void relay_job_send(struct relay_job *j)
{
    if (relay_job_refuses_clear(j))
        return;
    fill_part(j);
    struct smtp_client_mail mail = mail_of(j, 0);
    unsigned form = relay_conn_converts(j->conn, &mail);
    if (!has_form(j, form))
        return;
    if (form && j->config->forms) {
        form = j->form_set;
        mail = mail_of(j, form);
    }
    struct queue_message *content =
        form && j->config->forms ? j->form_answer.content : j->batch->message;
    if (!has_size(j, content, &mail))
        return;
    j->sent = true;
    j->body.message = content;
    relay_body_start(&j->body, j->conn);
    relay_conn_send(j->conn, &mail);
}

/* ---- recipients that were too many for one transaction ---- */

/* One of the part under way, until it is known what became of the others. */
struct relay_job_left {
    struct relay_job_left *next;
    size_t row;
    struct smtp_client_result said;
    struct relay_outcome outcome;
};

static void leave(struct relay_job *j, size_t row, const struct smtp_client_result *r,
                  const struct relay_outcome *o)
{
    struct relay_job_left *left = arena_alloc(&j->arena, sizeof *left);
    *left = (struct relay_job_left){.next = j->left, .row = row, .said = *r, .outcome = *o};
    left->said.reply.text = SV_NONE; /* a view */
    j->left = left;
}

static bool is_left(const struct relay_job *j, size_t row)
{
    const struct relay_job_left *left = j->left;
    while (left && left->row != row)
        left = left->next;
    return left != NULL;
}

void relay_job_end_left(struct relay_job *j, bool again)
{
    struct relay_job_left *left = j->left;
    const char *remote = j->conn ? relay_conn_remote(j->conn) : "";
    j->left = NULL;
    if (left && again)
        log_event(LOG_INFO, "next-transaction",
                  &(struct log_ctx){.queue = sv_of(j->batch->message->id)},
                  "domain=%s remote=%s recipients=%u at once: %s", j->run->job->destination, remote,
                  (unsigned)j->part_max, left->outcome.text);
    for (; left && !again; left = left->next) {
        relay_job_decide(j, left->row, &left->said, &left->outcome);
        relay_job_log(j, relay_job_recipients(j, 1, left->row), remote, &left->said,
                      &left->outcome);
    }
}

/* The server took others of the transaction, or refused them for good: it is as willing to judge
 * the rest. */
static void note_served(struct relay_job *j, const struct smtp_client_result *r,
                        const struct relay_outcome *o)
{
    bool past_rcpt = r->phase == SMTP_PHASE_DATA || r->phase == SMTP_PHASE_BODY ||
                     r->phase == SMTP_PHASE_END_OF_DATA;
    if (r->end == SMTP_END_REPLY && past_rcpt && o->verdict != RELAY_DEFERRED)
        j->part_served = true;
    else if (!past_rcpt)
        j->part_refused++;
}

static void end_part(struct relay_job *j)
{
    if (j->left && j->part_served && j->part.count > j->part_refused)
        j->part_max = j->part.count - j->part_refused;
    relay_job_end_left(j, j->part_served && !j->given_up);
}

/* ---- what the connection says ---- */

static void on_ready(void *arg)
{
    struct relay_job *j = arg;
    relay_job_stand(j);
    size_t row;
    bool is_over = j->sent && j->one_each;
    if (!j->reused)
        relay_walk_tried(&j->walk, j->walk.at);
    relay_walk_reached(&j->walk);
    relay_tell_tls(j, NULL);
    if (j->sent) {
        end_part(j);
        j->sent = false;
        j->reused = false;
        relay_body_stop(&j->body);
    }
    if (relay_job_taken(j, &row) > 0 && !j->given_up) {
        if (!is_over && relay_conn_takes(j->conn, sv_of(j->run->job->destination)) > 0) {
            relay_job_send(j);
        } else {
            relay_job_drop_conn(j);
            relay_job_open(j);
        }
        return;
    }
    if (j->given_up || !relay_walk_has_next(&j->walk)) {
        relay_job_finish(j);
        return;
    }
    relay_job_drop_conn(j);
    relay_job_next(j);
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
    struct relay_outcome o = relay_job_judge(j, r, remote);
    size_t row = j->part_rows[index];
    note_served(j, r, &o);
    if (relay_outcome_is_too_many(r) && !o.backs_off) {
        leave(j, row, r, &o);
        return;
    }
    relay_job_decide(j, row, r, &o);
    relay_job_log(j, relay_job_recipients(j, 1, row), remote, r, &o);
}

void relay_job_on_message(void *arg, const struct smtp_client_result *r)
{
    struct relay_job *j = arg;
    const char *remote = relay_conn_remote(j->conn);
    struct relay_outcome said = relay_job_judge(j, r, remote), o = said;
    /* A kept connection may have died while nobody looked: that says nothing about the host. */
    if (j->reused && r->end != SMTP_END_REPLY && said.scope == RELAY_SCOPE_HOST &&
        !said.maybe_taken && !said.fails_at_last)
        return;
    size_t count = 0, row = 0;
    note_served(j, r, &said);
    for (uint32_t i = 0; i < j->part.count; i++) {
        if (!relay_walk_takes(&j->walk, j->part_rows[i]) || is_left(j, j->part_rows[i]))
            continue;
        row = j->part_rows[i];
        o = said;
        relay_job_decide(j, row, r, &o);
        count++;
    }
    relay_job_log(j, relay_job_recipients(j, count, row), remote, r, &o);
}

const struct relay_conn_ops relay_job_conn_ops = {on_ready, on_need_body, on_recipient,
                                                  relay_job_on_message, relay_job_on_closed};
