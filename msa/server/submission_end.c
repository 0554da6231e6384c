/*
 * What happens to a message whose content is whole and written, until it stands in the queue:
 *
 *     content_finished -> milters -> S/MIME -> DKIM -> store_put -> on_put -> on_done
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/server/policy.h"
#include "msa/server/reject.h"
#include "msa/server/submission_private.h"

#include <stdlib.h>
#include <utlist.h>

static void on_put(struct store_put *p, int err)
{
    struct submission *s = p->arg;
    free(p);
    s->put = NULL;
    if (err < 0 && s->abandoned) {
        submission_finish(s, false, reject_slow());
        return;
    }
    if (err < 0) {
        log_event(LOG_ERROR, "queue-failed",
                  &(struct log_ctx){.session = s->session, .queue = sv_of(s->message->id)}, "%s",
                  err_text(err));
        submission_finish(s, false, reject_storage(err));
        return;
    }
    atomic_fetch_add(&s->worker->shared->accepted_messages, 1);
    atomic_fetch_add(&s->worker->shared->accepted_bytes, s->message->size);
    submission_log_accepted(s);
    submission_finish(s, true, submission_queued(s->message->id, s->reply_text));
}

/* What the header says and the queue has to know. An MSA that finds the field sets the parameter
 * for those behind it (RFC 3865 2.7). */
static void keep_header_facts(struct submission *s)
{
    struct queue_message *m = s->message;
    const struct rewrite_facts *facts = &s->rewrite.facts;
    m->tls_optional = facts->tls_required_no && !s->requires_tls;
    m->smtputf8 = m->smtputf8 && facts->eight_bit_header;
    if (facts->solicitation[0] && !s->solicit.len &&
        !(submission_extensions(s).off & SMTP_EXT_BIT(SMTP_EXT_NO_SOLICITING)))
        m->mail_params =
            arena_printf(&m->arena, "%s SOLICIT=%s", m->mail_params, facts->solicitation);
}

/* What is too much is held. */
static const struct store_spent *spend(struct submission *s)
{
    struct arena *a = &s->message->arena;
    if (spending_is_held(s->ticket)) {
        const char *why = spending_why(s->ticket, a);
        queue_batch_hold(s->rows, why);
        for (struct store_also *also = s->also; also; also = also->next)
            queue_batch_hold(also->rows, why);
        log_event(
            LOG_INFO, "held",
            &(struct log_ctx){.queue = sv_of(s->message->id), .login = sv_of(s->message->login)},
            "%s; \"msactl queue release\" lets it go", why);
    }
    return spending_record(s->ticket, a);
}

/* How the header came to be, with the fields that sign it. */
static void keep_provenance(struct submission *s)
{
    struct queue_message *m = s->message;
    if (m->prefix[0]) {
        rewrite_provenance_layer(&s->provenance, REWRITE_BY_SIGNER, SV_NONE, false);
        rewrite_provenance_edit(&s->provenance, 0, 0, sv_of(m->prefix), REWRITE_WHY_SIGNED, 0);
    }
    m->provenance = arena_sv(&m->arena, rewrite_provenance_take(&s->provenance));
}

static void put(struct submission *s)
{
    struct queue_message *m = s->message;
    keep_provenance(s);
    if (s->returns) {
        submission_return(s);
        return;
    }
    struct store_put *p = NEW(struct store_put);
    p->reply = s->worker->mailbox;
    p->message = queue_message_keep(m);
    p->rows = s->rows;
    p->also = s->also;
    p->partial = s->partial;
    if (s->ticket)
        p->spent = spend(s);
    p->done = on_put;
    p->arg = s;
    s->nrows = s->rows->nrows;
    for (const struct store_also *also = s->also; also; also = also->next)
        s->nrows += also->rows->nrows;
    s->rows = NULL;
    s->also = NULL;
    s->put = p;
    store_put(s->worker->shared->store, p);
}

/* Nothing stays of the content. */
void submission_give_up(struct submission *s)
{
    content_give_up(s->worker->shared->store, s->message);
    protect_give_up(s->worker, s->also);
    s->also = NULL;
}

/* ---- waiting ---- */

static void begin_waiting(struct submission *s)
{
    s->waiting = true;
    DL_APPEND(s->worker->waiting, s);
}

static void end_waiting(struct submission *s)
{
    DL_DELETE(s->worker->waiting, s);
    s->waiting = false;
}

void submission_stop_waiting(struct submission *s)
{
    if (s->signing)
        relay_signing_cancel(s->signing);
    else if (s->protect)
        protect_cancel(s->protect);
    else
        filter_cancel(s->filter);
    s->signing = NULL;
    s->protect = NULL;
    end_waiting(s);
    submission_give_up(s);
    submission_finish(s, false, reject_slow());
}

void submission_stop_all_waiting(struct worker *w)
{
    struct submission *s, *next;
    DL_FOREACH_SAFE(w->waiting, s, next)
    {
        submission_stop_waiting(s);
    }
}

/* ---- signatures: the last thing, over the bytes that are sent ---- */

static void put_signed(struct submission *s)
{
    struct queue_message *m = s->message;
    struct log_ctx ctx = {.session = s->session, .queue = sv_of(m->id), .login = sv_of(m->login)};
    struct buf fields;
    if (!relay_signing_judge(&s->dkim, &ctx)) {
        submission_give_up(s);
        submission_finish(s, false, reject_unsigned(s->dkim.lack));
        return;
    }
    buf_init(&fields, REWRITE_DKIM_FIELDS_MAX, 0);
    rewrite_dkim_fields(&s->dkim, &fields);
    if (buf_len(&fields))
        m->prefix = arena_str(&m->arena, buf_view(&fields));
    buf_deinit(&fields);
    put(s);
}

static void on_signed(void *arg)
{
    struct submission *s = arg;
    s->signing = NULL;
    end_waiting(s);
    put_signed(s);
}

static void sign(struct submission *s)
{
    rewrite_dkim_end(&s->dkim);
    s->signing = relay_signing_start(s->worker->signer, &s->dkim, RELAY_SIGNING_MS, on_signed, s);
    if (s->signing)
        begin_waiting(s);
    else
        put_signed(s);
}

/* ---- S/MIME ---- */

static void on_protected(void *arg, const struct smtp_reply *refusal, struct store_also *also)
{
    struct submission *s = arg;
    s->protect = NULL;
    s->also = also;
    end_waiting(s);
    memory_give(&s->worker->shared->memory, MEMORY_PROTECT_BYTES);
    s->memory_bytes -= MEMORY_PROTECT_BYTES;
    if (!refusal) {
        sign(s);
        return;
    }
    struct smtp_reply r = *refusal;
    r.text = arena_sv(&s->message->arena, r.text);
    submission_give_up(s);
    submission_finish(s, false, r);
}

/* Of a gateway's mail nothing is changed. */
static void protect(struct submission *s)
{
    struct protect_target t = {.message = s->message,
                               .rows = &s->rows,
                               .provenance = &s->provenance,
                               .dkim = &s->dkim,
                               .memory_bytes = &s->memory_bytes,
                               .session = s->session,
                               .login = s->rights.login,
                               .is_returned = s->returns == SMTP_RETURN_MESSAGE};
    if (rights_is_gateway(&s->rights) || !protect_wants(s->service, &t)) {
        sign(s);
        return;
    }
    if (!memory_take(&s->worker->shared->memory, MEMORY_PROTECT_BYTES)) {
        submission_give_up(s);
        submission_finish(s, false, reject_memory());
        return;
    }
    s->memory_bytes += MEMORY_PROTECT_BYTES;
    begin_waiting(s);
    s->protect = protect_start(s->worker, s->service, &t, on_protected, s);
}

/* ---- milters ---- */

/* Of one that is not sent anyway: its client is told. */
static void end_discarded(struct submission *s, const char *why)
{
    if (s->returns == SMTP_RETURN_FILTERED) {
        keep_provenance(s);
        submission_explain(s, NULL, why);
        return;
    }
    content_give_up(s->worker->shared->store, s->message);
    submission_finish(s, false, reject_returned_held());
}

/* The reply's words, and why, lie in the filter. */
static void on_filtered(void *arg, enum filter_outcome outcome, const struct smtp_reply *reply,
                        const char *why)
{
    struct submission *s = arg;
    struct arena *a = &s->message->arena;
    end_waiting(s);
    if (outcome == FILTER_QUEUE) {
        protect(s);
        return;
    }
    if (outcome == FILTER_DISCARD && s->returns) {
        end_discarded(s, why);
        return;
    }
    content_give_up(s->worker->shared->store, s->message);
    if (outcome == FILTER_DISCARD) {
        s->discarded = arena_str(a, sv_of(why));
        submission_finish(s, true, submission_queued(s->message->id, s->reply_text));
        return;
    }
    struct smtp_reply r = *reply;
    r.text = arena_sv(a, r.text);
    submission_finish(s, false, r);
}

void submission_content_finished(void *arg, int err)
{
    struct submission *s = arg;
    if (err < 0 || s->abandoned) {
        submission_finish(s, false, s->abandoned ? reject_slow() : reject_storage(err));
        return;
    }
    struct queue_message *m = s->message;
    content_take(s->writer, m);
    content_free(s->writer);
    s->writer = NULL;
    m->message_id = arena_str(&m->arena, sv_of(s->rewrite.facts.message_id));
    keep_header_facts(s);
    if (!s->filter) {
        protect(s);
        return;
    }
    begin_waiting(s);
    filter_message(
        s->filter,
        &(struct filter_target){
            .message = m, .rows = s->rows, .provenance = &s->provenance, .dkim = &s->dkim},
        on_filtered, s);
}
