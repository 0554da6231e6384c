/*
 * The session's actions, and the pump that takes them out. Bytes that the session cannot take yet
 * wait in `in`; while any wait, reading stops: that is the back-pressure, from the disk or from a
 * peer that does not read its replies.
 */
#include "msa/base/crashring.h"
#include "msa/loop/clock.h"
#include "msa/server/conn_internal.h"
#include "msa/server/reject.h"

#include <stdlib.h>

#define OUT_HIGH (256u << 10) /* bytes the peer does not read; then nothing is fed */

void conn_answer(struct conn *c, uint32_t op, enum smtp_outcome outcome,
                 const struct smtp_reply *reply)
{
    struct smtp_result r = {.outcome = outcome, .certified = c->certified};
    c->op_watched = 0;
    if (reply)
        r.reply = *reply;
    smtp_server_done(c->smtp, op, &r);
}

static void act_send(struct conn *c, const struct smtp_action *a)
{
    if (c->lost)
        return;
    if (c->tls)
        conn_tls_write(c, a->bytes);
    else
        conn_write(c, a->bytes);
}

static void act_start_tls(struct conn *c, const struct smtp_action *a)
{
    /* whatever came with the command, before the handshake, is dropped: CVE-2011-0411 */
    buf_release(&c->in);
    conn_policy_drop(c);  /* what it was told before does not count any more */
    conn_forget_login(c); /* RFC 3207 4.2 */
    conn_set_reading(c, true);
    conn_tls_start(c, a->op);
}

/* ---- the message ---- */

void conn_give_up_operation(struct conn *c)
{
    struct log_ctx ctx = conn_ctx(c);
    struct smtp_reply slow = reject_slow();
    uint32_t op = c->op_watched;
    log_event(LOG_ERROR, "operation-late", &ctx, "no result within %u s, the client was told 451",
              CONN_OPERATION_MS / 1000);
    if (op == c->op_partial) {
        /* what the store may still do with it is not for a next command to meet */
        slow = reject_partial(ERR_TIMEOUT);
        c->op_watched = 0;
        smtp_server_end(c->smtp, &slow, "operation late");
        return;
    }
    if (c->op_path == op) {
        slow = reject_names();
        conn_path_cancel(c);
    }
    if (c->op_budget == op)
        conn_budget_cancel(c);
    if (c->op_open == op) {
        conn_policy_cancel(c);
        conn_give_up_submission(c);
    }
    if (c->op_commit == op) {
        conn_return_drop(c);
        conn_resume_pass(c);
        submission_abandon(c->submission);
        c->submission = NULL;
        c->committing = false;
        c->op_commit = 0;
    }
    conn_answer(c, op, SMTP_FAILED, &slow);
}

void conn_give_up_submission(struct conn *c)
{
    conn_budget_cancel(c);
    conn_return_drop(c);
    if (c->op_open)
        conn_policy_cancel(c);
    if (!c->submission)
        return;
    if (c->committing && c->partial)
        conn_resume_leave(c, false); /* takes the submission along */
    else if (c->committing)
        submission_forget(c->submission);
    else
        submission_drop(c->submission);
    c->submission = NULL;
    c->committing = false;
}

static void on_submission_room(void *arg)
{
    conn_resume_room(arg);
    conn_pump(arg, SV_NONE);
}

static void on_submission_done(void *arg, bool accepted, const struct smtp_reply *reply)
{
    struct conn *c = arg;
    uint32_t op = c->op_commit;
    struct smtp_result r = {.outcome = accepted ? SMTP_OK : SMTP_FAILED, .reply = *reply};
    struct submission_returned returned;
    struct filter *filter = submission_take_filter(c->submission);
    c->filter = filter ? filter : c->filter;
    /* without a place the connection is at its end: nobody reads it, and the submission drops it */
    if (c->returning && submission_take_returned(c->submission, &returned))
        r.octets = conn_return_keep(c, &returned);
    else
        conn_return_drop(c);
    c->submission = NULL; /* it frees itself */
    c->committing = false;
    c->op_commit = 0;
    c->op_watched = 0;
    c->unseen = c->behind > 0;
    smtp_server_done(c->smtp, op, &r);
    conn_pump(c, SV_NONE);
}

void conn_open_rest(struct conn *c, uint32_t op, const struct smtp_envelope *e)
{
    if (c->partial)
        conn_resume_open(c, op, e);
    else
        conn_answer(c, op, SMTP_OK, NULL);
}

void conn_open(struct conn *c, uint32_t op, const struct smtp_envelope *e)
{
    struct smtp_server_info info = smtp_server_info(c->smtp);
    struct tls_stream_info tls = {0};
    struct smtp_reply refusal;
    bool filtered = c->filter && !c->unfiltered;
    if (c->tls)
        tls_stream_info(c->tls, &tls);
    struct submission_from from = {
        .worker = c->worker,
        .service = c->service,
        .envelope = e,
        .session = sv_of(c->session),
        .login = sv_of(c->login),
        .rights = conn_rights(c),
        .owner = c->login     ? sv_of(c->login)
                 : c->trusted ? SV("@trusted")
                              : SV("@postmaster"),
        .client = sv_of(c->client_text),
        .helo = info.helo,
        .tls_cipher = sv_of(tls.cipher),
        .esmtp = info.esmtp,
        .filtered = filtered,
        .partial = c->partial,
        .ticket = c->ticket,
        .on_room = on_submission_room,
        .on_done = on_submission_done,
        .arg = c,
    };
    c->submission = submission_open(&from, &refusal);
    if (!c->submission) {
        conn_budget_cancel(c);
        conn_answer(c, op, SMTP_FAILED, &refusal);
        return;
    }
    c->ticket = NULL;
    crashring_hold(submission_id(c->submission));
    if (filtered)
        conn_policy_open(c, op, e);
    else
        conn_open_rest(c, op, e);
}

static void act_open(struct conn *c, const struct smtp_action *a)
{
    if (conn_resume_finished(c))
        conn_answer(c, a->op, SMTP_OK, NULL);
    else if (!conn_budget_ask(c, a->op, a->envelope))
        conn_open(c, a->op, a->envelope);
}

static void act_body(struct conn *c, const struct smtp_action *a)
{
    struct smtp_reply refusal = reject_finished();
    if (!c->submission && !conn_resume_finished(c))
        return;
    if (c->submission && submission_body(c->submission, a->bytes, a->bare_newlines, &refusal))
        return;
    c->partial_stays = !c->submission;
    /* the session rolls back, swallows the rest and answers with this */
    smtp_server_refuse_content(c->smtp, &refusal);
}

static void act_commit(struct conn *c, const struct smtp_action *a)
{
    if (a->bare_newlines)
        conn_misfit(c, MISFIT_NEWLINE, SV("a message with bare CR or LF was put right"));
    if (!c->submission) {
        conn_resume_commit(c, a->op);
        return;
    }
    struct smtp_reply refusal;
    if (submission_returns(c->submission) && !conn_return_begin(c, &refusal)) {
        conn_give_up_submission(c);
        conn_answer(c, a->op, SMTP_FAILED, &refusal);
        return;
    }
    c->op_commit = a->op;
    c->committing = true;
    conn_watch(c, a->op);
    struct filter *filter = c->unfiltered ? NULL : c->filter;
    if (filter)
        c->filter = NULL;
    submission_commit(c->submission, a->binary, filter);
}

/* ---- timer and end ---- */

static void act_timer(struct conn *c, const struct smtp_action *a)
{
    c->timer_ms = a->ms;
    if (a->renew && !c->renew)
        conn_begin_window(c);
    c->renew = a->renew;
    if (!a->ms) {
        timer_stop(&c->timer);
        return;
    }
    conn_set_deadline(c, a->ms);
}

static void act_close(struct conn *c, const struct smtp_action *a)
{
    struct log_ctx ctx = conn_ctx(c);
    log_event(LOG_DEBUG, "session-end", &ctx, "%s", a->why);
    conn_linger(c);
}

static void act(struct conn *c, const struct smtp_action *a)
{
    switch (a->type) {
    case SMTP_ACTION_SEND:
        act_send(c, a);
        break;
    case SMTP_ACTION_START_TLS:
        act_start_tls(c, a);
        break;
    case SMTP_ACTION_AUTH_STEP:
        conn_auth_step(c, a);
        break;
    case SMTP_ACTION_CHECK_PATH:
        conn_check_path(c, a);
        break;
    case SMTP_ACTION_RESUME:
        conn_resume_begin(c, a);
        break;
    case SMTP_ACTION_OPEN_MESSAGE:
        act_open(c, a);
        break;
    case SMTP_ACTION_BODY:
        act_body(c, a);
        break;
    case SMTP_ACTION_COMMIT:
        act_commit(c, a);
        break;
    case SMTP_ACTION_RETURN:
        conn_return_start(c, a->op);
        break;
    case SMTP_ACTION_ROLLBACK:
        conn_give_up_submission(c);
        break;
    case SMTP_ACTION_LEAVE:
        conn_resume_leave(c, a->forget);
        break;
    case SMTP_ACTION_SET_TIMER:
        act_timer(c, a);
        break;
    case SMTP_ACTION_CLOSE:
        act_close(c, a);
        break;
    }
}

/* ---- pump ---- */

static bool is_blocked(const struct conn *c)
{
    return c->submission && !c->committing && submission_full(c->submission);
}

static bool can_feed(const struct conn *c)
{
    return c->phase == CONN_SESSION && !c->login_gone && stream_pending(c->stream) < OUT_HIGH &&
           !is_blocked(c);
}

static void act_all(struct conn *c)
{
    struct smtp_action a;
    while (c->phase <= CONN_SESSION && smtp_server_next(c->smtp, &a))
        act(c, &a);
}

/* What is left of in has to wait; after STARTTLS or the end nothing of it counts. */
static struct sv run_session(struct conn *c, struct sv in)
{
    for (;;) {
        size_t n = can_feed(c) ? smtp_server_feed(c->smtp, in) : 0;
        c->behind = in.len - n;
        act_all(c);
        if (c->phase != CONN_SESSION)
            return SV_NONE;
        if (n == 0)
            return in;
        in = sv_skip(in, n);
    }
}

static void wait_in(struct conn *c, struct sv bytes)
{
    if (buf_put(&c->in, bytes) < 0)
        c->lost = true; /* more than reading ever lets wait: cannot be */
}

static void feed(struct conn *c, struct sv bytes)
{
    if (buf_len(&c->in) == 0) {
        c->unseen = false;
        wait_in(c, run_session(c, bytes));
        return;
    }
    wait_in(c, bytes);
    struct sv left = run_session(c, buf_view(&c->in));
    buf_consume(&c->in, buf_len(&c->in) - left.len);
    if (left.len == 0)
        buf_release(&c->in);
}

/* What is left of the content is read in vain, and then answered. */
void conn_give_up_content(struct conn *c)
{
    struct log_ctx ctx = conn_ctx(c);
    struct smtp_reply slow = reject_slow();
    log_event(LOG_ERROR, "operation-late", &ctx,
              "no room for content within %u s, the client is told 451", CONN_OPERATION_MS / 1000);
    smtp_server_refuse_content(c->smtp, &slow);
    act_all(c); /* rolled back, it is not in the way any more */
}

/* The ends that wait until the session has come to a rest. */
static void end_if_due(struct conn *c)
{
    if (c->phase != CONN_SESSION)
        return;
    if (conn_return_is_on(c)) { /* words would be taken for octets */
        if (c->login_gone)
            conn_close(c);
        return;
    }
    if (c->login_gone && !c->op_commit) {
        struct smtp_reply bye = reject_account_changed();
        smtp_server_end(c->smtp, &bye, "account changed");
        act_all(c);
    } else if (c->stop_soon && !smtp_server_is_busy(c->smtp)) {
        struct smtp_reply bye = reject_shutdown();
        smtp_server_end(c->smtp, &bye, "shutdown");
        act_all(c);
    } else if (c->eof && buf_len(&c->in) == 0 && !c->op_auth && !c->op_path && !c->op_partial &&
               !c->op_budget && !c->op_commit) {
        smtp_server_peer_closed(c->smtp);
        act_all(c);
    }
}

/* Once a day for each client: its settings or its program want mending. */
static void log_tolerated(struct conn *c)
{
    uint32_t seen = smtp_server_take_tolerated(c->smtp);
    if (!seen)
        return;
    for (unsigned i = 0; i < SMTP_TOLERATED_COUNT; i++)
        if (seen & (1u << i))
            conn_misfit(c, MISFIT_TOLERATED, sv_of(smtp_tolerated_text((enum smtp_tolerated)i)));
    struct log_ctx ctx = conn_ctx(c);
    unsigned first =
        clientlog_first_today(c->worker->clientlog, &c->client, seen, loop_now_ms(c->worker->loop));
    for (unsigned i = 0; i < SMTP_TOLERATED_COUNT; i++)
        if (first & (1u << i))
            log_event(LOG_INFO, "client-syntax", &ctx,
                      "%s; it was tolerated (limits.strict_syntax), and is logged once a day",
                      smtp_tolerated_text((enum smtp_tolerated)i));
}

/* While the disk takes nothing, it is not the client who is late; and it is told in time. */
static void watch_blocked(struct conn *c)
{
    bool blocked = c->phase == CONN_SESSION && is_blocked(c);
    if (blocked == c->blocked)
        return;
    c->blocked = blocked;
    if (c->phase == CONN_SESSION && !c->op_watched)
        conn_set_deadline(c, blocked ? CONN_OPERATION_MS : c->timer_ms);
}

void conn_pump(struct conn *c, struct sv in)
{
    if (c->phase != CONN_SESSION || c->pumping)
        return;
    c->pumping = true;
    smtp_server_set_time(c->smtp, clock_wall_s());
    if (c->submission)
        crashring_hold(submission_id(c->submission));
    feed(c, in);
    while (c->phase == CONN_SESSION && conn_return_go(c))
        feed(c, SV_NONE);
    log_tolerated(c);
    end_if_due(c);
    watch_blocked(c);
    crashring_done();
    c->pumping = false;
    if (c->lost)
        conn_close(c);
    else if (c->phase == CONN_SESSION)
        conn_set_reading(c, !c->eof && buf_len(&c->in) == 0);
}

void conn_start_session(struct conn *c, const struct smtp_reply *refusal)
{
    c->phase = CONN_SESSION;
    const struct smtp_server_setup *setups = c->trusted ? c->service->trusting : c->service->setups;
    c->smtp = smtp_server_new(c->operated ? &c->service->operated : &setups[c->listen],
                              sv_of(c->session));
    smtp_server_watch(c->smtp, conn_on_refused, c);
    if (c->certified)
        smtp_server_certify(c->smtp);
    if (c->operated)
        smtp_server_operate(c->smtp);
    smtp_server_start(c->smtp, refusal);
    conn_pump(c, SV_NONE);
}
