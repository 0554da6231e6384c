/*
 * Transactions with TRANSID (RFC 1845): what the session's actions mean for the store's handle.
 *
 *     MAIL -> partial_begin -> on_begun --new--------> 250        OPEN -> partial_open -> 354
 *                                      \--unfinished-> 355 OFFSET OPEN -> partial_read, each piece
 *                                       \                         into the submission -> 354
 *                                        \-finished--> 355 LENGTH OPEN -> 354, nothing may come,
 *                                                                 COMMIT -> 250 of the first time
 *
 * A transaction's key is login and TRANSID. A client that needs no login (auth.trusted_networks)
 * has its address in that place, as the name in EHLO is whatever it says. A session whose
 * transaction is continued on another connection is ended, for a client that comes again has lost
 * it: only a commit that is under way is waited for.
 *
 * Finished transactions are forgotten when the client shows by RSET, QUIT or another MAIL that it
 * knows (RFC 1845 3). Such a command that was sent before our reply could be seen shows nothing.
 */
#include "msa/base/require.h"
#include "msa/server/conn_internal.h"
#include "msa/server/reject.h"

#include <errno.h>
#include <stdio.h>

static uint32_t take_op(struct conn *c)
{
    uint32_t op = c->op_partial;
    c->op_partial = c->op_watched = 0;
    return op;
}

static void refuse(struct conn *c, struct smtp_reply reply)
{
    conn_answer(c, take_op(c), SMTP_FAILED, &reply);
    conn_pump(c, SV_NONE);
}

static void on_begun(void *arg, int err)
{
    struct conn *c = arg;
    if (err < 0) {
        worker_end_partial(c->worker, c->partial, false);
        c->partial = NULL;
        refuse(c, reject_partial(err));
        return;
    }
    const struct partial_info *info = partial_info(c->partial);
    struct smtp_result r = {.outcome = SMTP_OK};
    if (info->state != PARTIAL_NEW) {
        struct log_ctx ctx = conn_ctx(c);
        log_event(LOG_INFO, "resumed", &ctx, "offset=%llu%s%s", (unsigned long long)info->offset,
                  *info->queue_id ? " finished as " : "", info->queue_id);
        r.resumed = true;
        r.early = c->unseen = c->behind > 0;
        r.offset = info->offset;
        r.mail = sv_of(info->mail);
        r.recipients = sv_of(info->recipients);
    }
    smtp_server_done(c->smtp, take_op(c), &r);
    conn_pump(c, SV_NONE);
}

static void on_opened(void *arg, int err)
{
    struct conn *c = arg;
    if (err < 0) {
        conn_give_up_submission(c);
        refuse(c, reject_storage(err));
        return;
    }
    conn_answer(c, take_op(c), SMTP_OK, NULL);
    conn_pump(c, SV_NONE);
}

/* What is kept goes the way of content that is received; no faster than that. */
static void on_read(void *arg, int err, struct sv bytes)
{
    struct conn *c = arg;
    struct smtp_reply refusal;
    if (!c->submission)
        return;
    if (err < 0) {
        struct log_ctx ctx = conn_ctx(c);
        log_event(LOG_ERROR, "partial-failed", &ctx, "an unfinished message cannot be read: %s",
                  err_text(err));
        /* what has gone does not come back: the next try starts over */
        c->partial_lost = err == -ENOENT || err == ERR_CORRUPT;
        conn_give_up_submission(c);
        refuse(c, reject_partial(err));
    } else if (bytes.len == 0) {
        conn_answer(c, take_op(c), SMTP_OK, NULL);
        conn_pump(c, SV_NONE);
    } else if (!submission_kept(c->submission, bytes, &refusal)) {
        conn_give_up_submission(c);
        refuse(c, refusal);
    } else if (submission_full(c->submission)) {
        c->read_waits = true;
    } else {
        partial_read(c->partial, false);
    }
}

void conn_resume_room(struct conn *c)
{
    if (!c->read_waits)
        return;
    c->read_waits = false;
    partial_read(c->partial, false);
}

static void on_room(void *arg)
{
    conn_pump(arg, SV_NONE);
}

static void on_wanted(void *arg)
{
    struct conn *c = arg;
    struct smtp_reply bye = reject_continued();
    smtp_server_end(c->smtp, &bye, "continued on another connection");
    conn_pump(c, SV_NONE);
}

/* ---- actions ---- */

void conn_resume_begin(struct conn *c, const struct smtp_action *a)
{
    static const struct partial_ops ops = {.on_begun = on_begun,
                                           .on_opened = on_opened,
                                           .on_room = on_room,
                                           .on_read = on_read,
                                           .on_wanted = on_wanted};
    char nobody[IP_TEXT_MAX + 2];
    snprintf(nobody, sizeof nobody, "[%s]", c->client_text);
    c->op_partial = a->op;
    conn_watch(c, a->op);
    c->worker->npartials++;
    c->partial =
        partial_begin(c->worker->shared->store, sv_of(c->login ? c->login : nobody),
                      a->envelope->values[SMTP_MAIL_TRANSID].text, c->worker->mailbox, &ops, c);
}

bool conn_resume_finished(const struct conn *c)
{
    return c->partial && partial_info(c->partial)->state == PARTIAL_FINISHED;
}

static void open_new(struct conn *c, const struct smtp_envelope *e)
{
    struct buf mail, to;
    buf_init(&mail, SIZE_MAX / 2, 0);
    buf_init(&to, SIZE_MAX / 2, 0);
    int err = smtp_envelope_write_mail(e, &mail);
    for (uint32_t i = 0; i < e->count && err == 0; i++) {
        if (i)
            err = buf_put(&to, SV("\n"));
        if (err == 0)
            err = smtp_envelope_write_rcpt(&e->recipients[i], &to);
    }
    REQUIRE(err == 0);
    partial_open(c->partial, buf_view(&mail), buf_view(&to),
                 e->values[SMTP_MAIL_BODY].number == SMTP_BODY_BINARYMIME,
                 e->values[SMTP_MAIL_SIZE].number);
    buf_deinit(&mail);
    buf_deinit(&to);
}

void conn_resume_open(struct conn *c, uint32_t op, const struct smtp_envelope *e)
{
    c->op_partial = op;
    conn_watch(c, op);
    if (partial_info(c->partial)->state == PARTIAL_NEW)
        open_new(c, e);
    else
        partial_read(c->partial, true);
}

void conn_resume_commit(struct conn *c, uint32_t op)
{
    char text[SUBMISSION_QUEUED_CHARS];
    struct smtp_reply reply = submission_queued(partial_info(c->partial)->queue_id, text);
    c->unseen = c->behind > 0;
    conn_answer(c, op, SMTP_OK, &reply);
}

void conn_resume_pass(struct conn *c)
{
    if (c->partial)
        partial_detach(c->partial);
    c->partial = NULL;
}

void conn_resume_leave(struct conn *c, bool forget)
{
    struct partial *p = c->partial;
    if (!p)
        return;
    c->op_partial = 0;
    c->read_waits = false;
    if (c->committing) {
        conn_resume_pass(c);
        submission_forget(c->submission);
        c->submission = NULL;
        c->committing = false;
        return;
    }
    c->partial = NULL;
    forget = forget && !c->unseen && !c->partial_stays;
    worker_end_partial(c->worker, p, forget || c->partial_lost);
    c->partial_lost = c->partial_stays = false;
}
