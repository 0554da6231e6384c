/*
 * What a transaction with XRETURN ends with (etc/sign-return.txt): the finished message, or what
 * would become of it, goes back to its client and never into the queue.
 *
 *     content_finished -> milters -> signatures -> submission_return -> on_done, which takes it
 *
 * A message that would be held has no place to be held in: it is refused. What is returned counts
 * against budgets as if it had been sent: with our signature it can be, by anybody. What is too
 * much was refused when it was opened (spending.h).
 */
#include "msa/base/log.h"
#include "msa/base/pack.h"
#include "msa/loop/clock.h"
#include "msa/server/reject.h"
#include "msa/server/submission_private.h"
#include "relay/queue/history.h"

#include <inttypes.h>

static const char *held_why(const struct submission *s)
{
    for (size_t i = 0; i < s->rows->nrows; i++)
        if (s->rows->rows[i].held)
            return s->rows->rows[i].last_text;
    return NULL;
}

static void tell(struct submission *s)
{
    struct queue_message *m = s->message;
    struct buf to;
    buf_init(&to, SIZE_MAX / 2, 0);
    int err = 0;
    for (size_t i = 0; i < s->rows->nrows && err == 0; i++)
        err = buf_printf(&to, "%s%s", i ? "\n" : "", s->rows->rows[i].address);
    const char *all = err == 0 ? arena_str(&m->arena, buf_view(&to)) : "";
    buf_deinit(&to);
    log_event(LOG_INFO, "returned",
              &(struct log_ctx){.session = s->session,
                                .queue = sv_of(m->id),
                                .login = sv_of(m->login),
                                .client = sv_of(m->client)},
              "from=<%s> recipients=%zu size=%" PRIu64 " message-id=%s", m->reverse_path,
              s->rows->nrows, queue_message_bytes(m), m->message_id);
    store_note(s->worker->shared->store, &(struct history_event){.time_ms = clock_wall_ms(),
                                                                 .kind = HISTORY_RETURNED,
                                                                 .id = m->id,
                                                                 .login = m->login,
                                                                 .reverse_path = m->reverse_path,
                                                                 .address = all,
                                                                 .message_id = m->message_id,
                                                                 .client = m->client,
                                                                 .size = queue_message_bytes(m)});
    if (m->provenance.len)
        store_note(s->worker->shared->store, &(struct history_event){.time_ms = clock_wall_ms(),
                                                                     .kind = HISTORY_PROVENANCE,
                                                                     .id = m->id,
                                                                     .record = m->provenance});
}

static void give(struct submission *s)
{
    buf_init(&s->returned.head, SIZE_MAX / 2, 0);
    int err = buf_put(&s->returned.head, sv_of(s->message->prefix));
    if (err < 0) {
        submission_give_up(s);
        submission_finish(s, false, reject_storage(err));
        return;
    }
    const struct store_spent *spent =
        s->ticket ? spending_record(s->ticket, &s->message->arena) : NULL;
    if (spent)
        store_add_spent(s->worker->shared->store, spent);
    tell(s);
    s->returned.message = queue_message_keep(s->message);
    s->is_returned = true;
    submission_finish(s, true, SMTP_REPLY_NONE);
}

static void pack_form(struct buf *b, const struct queue_message *m, const struct queue_batch *rows)
{
    pack_u32(b, (uint32_t)rows->nrows);
    for (size_t i = 0; i < rows->nrows; i++)
        pack_sv(b, sv_of(rows->rows[i].address));
    pack_u64(b, queue_message_bytes(m));
    struct buf record;
    buf_init(&record, REWRITE_PROVENANCE_MAX, 0);
    queue_message_provenance(m, &record);
    bool fits = buf_len(b) + buf_len(&record) <= SUBMISSION_VERDICT_RECORDS;
    pack_sv(b, fits ? buf_view(&record) : SV_NONE);
    buf_deinit(&record);
}

void submission_explain(struct submission *s, const char *hold, const char *discard)
{
    struct buf *b = &s->returned.head;
    uint32_t forms = 1;
    for (const struct store_also *also = s->also; also; also = also->next)
        forms++;
    buf_init(b, SIZE_MAX / 2, 0);
    pack_u8(b, SUBMISSION_VERDICT_VERSION);
    pack_sv(b, sv_of(s->message->reverse_path));
    pack_sv(b, sv_of(hold));
    pack_sv(b, sv_of(discard));
    pack_u32(b, forms);
    pack_form(b, s->message, s->rows);
    for (const struct store_also *also = s->also; also; also = also->next)
        pack_form(b, also->message, also->rows);
    submission_give_up(s);
    s->is_returned = true;
    submission_finish(s, true, SMTP_REPLY_NONE);
}

void submission_return(struct submission *s)
{
    const char *hold = held_why(s);
    if (s->returns != SMTP_RETURN_MESSAGE) {
        submission_explain(s, hold, NULL);
        return;
    }
    if (!hold) {
        give(s);
        return;
    }
    submission_give_up(s);
    submission_finish(s, false, reject_returned_held());
}

bool submission_returns(const struct submission *s)
{
    return s->returns != 0;
}

bool submission_take_returned(struct submission *s, struct submission_returned *out)
{
    bool is_returned = s->is_returned;
    if (is_returned)
        *out = s->returned;
    s->is_returned = false;
    return is_returned;
}

void submission_returned_drop(struct submission_returned *r, struct store *store)
{
    buf_deinit(&r->head);
    if (r->message)
        content_give_up(store, r->message);
    queue_message_drop(r->message);
    r->message = NULL;
}

uint64_t submission_returned_bytes(const struct submission_returned *r)
{
    return buf_len(&r->head) + (r->message ? r->message->size : 0);
}
