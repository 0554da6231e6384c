/*
 * store_record.c - results of deliveries, with the report that they cause.
 *
 * A record is never refused: while the store does not accept it waits, because its rows stay
 * claimed until the result is on disk, and a result that is lost is a duplicate delivery.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/queue/store_private.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- in the transaction ---- */

int store_end_row(struct store *s, int64_t key)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_END_ROW);
    sql_int(st, 1, key);
    int err = sql_run(&s->db, st);
    if (err == 0)
        s->put_rows -= sqlite3_changes(s->db.handle);
    return err;
}

/* Message and content, with what is to be known of them. */
static int end_message(struct store *s, int64_t seq)
{
    char id[QUEUE_ID_LEN + 1] = "";
    sqlite3_stmt *st = sql_use(&s->db, STORE_END_MESSAGE);
    sql_int(st, 1, seq);
    int got = sql_step(&s->db, st);
    if (got == 1) {
        snprintf(id, sizeof id, "%s", sql_column(st, 0));
        s->put_messages--;
        got = sql_step(&s->db, st);
    }
    if (got < 0)
        return got;
    st = sql_use(&s->db, STORE_END_CONTENT);
    sql_int(st, 1, seq);
    got = sql_step(&s->db, st);
    if (got == 1) {
        store_end_provenance(s, id, sql_column_blob(st, 0));
        got = sql_step(&s->db, st);
    }
    return got < 0 ? got : 0;
}

int store_end_message(struct store *s, int64_t seq, bool *ended_out)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_ANY_ROW);
    sql_int(st, 1, store_key(seq, 0));
    sql_int(st, 2, store_key(seq, QUEUE_ROWS_MAX - 1));
    int err = sql_step(&s->db, st);
    *ended_out = err == 0;
    if (err == 1)
        sqlite3_reset(st);
    if (err != 0)
        return err < 0 ? err : 0;
    return end_message(s, seq);
}

static int defer_row(struct store *s, int64_t key, const struct queue_row *row,
                     const struct store_result *result)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_DEFER_ROW);
    sql_int(st, 1, key);
    sql_int(st, 2, result->due_ms);
    sql_int(st, 3,
            (result->delay_warned ? STORE_DELAY_WARNED : 0) |
                (result->by_told ? STORE_BY_TOLD : 0) | (result->v4_only ? STORE_V4_ONLY : 0));
    sql_text(st, 4, result->status ? result->status : "");
    sql_text(st, 5, result->shown ? result->shown : result->text ? result->text : "");
    sql_int(st, 6, !result->untried);
    sql_text(st, 7, row->domain);
    sql_text(st, 8, row->address);
    return sql_run(&s->db, st);
}

static const struct store_result *result_of(const struct store_record *r, uint32_t number)
{
    for (size_t i = 0; i < r->nresults; i++)
        if (r->results[i].number == number)
            return &r->results[i];
    return NULL;
}

static bool ends(const struct claim_row *claim, const struct store_result *result)
{
    return claim->deleted ||
           (result && (result->verdict == STORE_DELIVERED || result->verdict == STORE_FAILED));
}

/* Results usually stand in the order of the rows: look there first. */
static const struct store_result *result_at(const struct store_record *r, size_t i)
{
    uint32_t number = r->batch->rows[i].number;
    return i < r->nresults && r->results[i].number == number ? &r->results[i]
                                                             : result_of(r, number);
}

static struct claim_row *claim_at(struct store *s, int64_t seq, uint32_t number)
{
    struct claim_row *claim = claims_find(&s->claims, store_key(seq, number));
    REQUIRE(claim); /* only what was claimed is recorded, and once */
    return claim;
}

static int64_t seq_of(struct store *s, const struct store_record *r)
{
    struct claim_message *m = claims_message(&s->claims, r->batch->message->id);
    REQUIRE(m);
    return m->seq;
}

static int record_apply(struct store *s, struct task *task)
{
    struct store_record *r = (struct store_record *)task;
    r->message_ended = false;
    int err = 0;
    bool any_ended = false;
    int64_t seq = r->batch->nrows > 0 ? seq_of(s, r) : 0;
    for (size_t i = 0; i < r->batch->nrows && err == 0; i++) {
        uint32_t number = r->batch->rows[i].number;
        const struct store_result *result = result_at(r, i);
        if (ends(claim_at(s, seq, number), result)) {
            any_ended = true;
            err = store_end_row(s, store_key(seq, number));
        } else if (result && result->verdict == STORE_DEFERRED) {
            err = defer_row(s, store_key(seq, number), &r->batch->rows[i], result);
        }
    }
    if (err == 0 && any_ended)
        err = store_end_message(s, seq, &r->message_ended);
    if (err == 0 && r->report) {
        err = store_apply_put(s, r->report, r->report_rows, &r->report_seq);
        REQUIRE(err != ERR_EXISTS); /* ids of reports are fresh */
    }
    return err;
}

static void record_refuse(struct store *s, struct task *task)
{
    struct store_record *r = (struct store_record *)task;
    if (r->report) {
        store_refuse(s, r->report);
        s->refused[s->nrefused - 1].spooled = false; /* it is put again with the record */
    }
}

/* ---- after the commit ---- */

static const enum history_kind kinds[] = {
    [STORE_DELIVERED] = HISTORY_DELIVERED,
    [STORE_FAILED] = HISTORY_FAILED,
    [STORE_DEFERRED] = HISTORY_DEFERRED,
};

static void tell_history(struct store *s, const struct store_record *r, const struct queue_row *row,
                         const struct store_result *result)
{
    const struct queue_message *m = r->batch->message;
    struct history_event e = {
        .time_ms = s->wall_ms,
        .kind = kinds[result->verdict],
        .id = m->id,
        .login = m->login,
        .reverse_path = m->reverse_path,
        .address = row->address,
        .status = result->status,
        .text = result->text,
        .remote = result->remote,
    };
    history_post(s->history, &e);
}

static void tell_reported(struct store *s, const struct store_record *r)
{
    const struct queue_message *m = r->batch->message;
    struct history_event e = {
        .time_ms = s->wall_ms,
        .kind = HISTORY_REPORTED,
        .id = m->id,
        .login = m->login,
        .reverse_path = m->reverse_path,
        .address = m->reverse_path,
        .text = r->report->id,
    };
    history_post(s->history, &e);
}

/* What the operator has done to a row while it was claimed counts from now on. */
static void tell_scheduler(struct store *s, const struct claim_row *claim)
{
    struct claim_destination *d;
    if (claim->returned)
        store_wish_return(s);
    if (!claim->moved_to)
        return;
    if ((d = claims_destination(&s->claims, claim->moved_to)))
        claims_forget_cursor(d);
    store_notify_due(s, claim->moved_to, s->wall_ms);
}

static void settle_rows(struct store *s, struct store_record *r)
{
    int64_t seq = r->batch->nrows > 0 ? seq_of(s, r) : 0;
    for (size_t i = 0; i < r->batch->nrows; i++) {
        const struct queue_row *row = &r->batch->rows[i];
        const struct store_result *result = result_at(r, i);
        struct claim_row *claim = claim_at(s, seq, row->number);
        if (result && result->verdict != STORE_RELEASED)
            tell_history(s, r, row, result);
        bool deferred = result && result->verdict == STORE_DEFERRED;
        struct store_place place = {.due_ms = deferred ? result->due_ms : row->due_ms,
                                    .key = claim->key};
        if (!ends(claim, result))
            tell_scheduler(s, claim);
        claims_end(&s->claims, claim, ends(claim, result) ? NULL : &place);
    }
    if (r->message_ended && r->batch->message->spooled)
        store_remove_spool(s, r->batch->message->id);
}

static void record_done(struct task *task)
{
    struct store_record *r = (struct store_record *)task;
    r->done(r, r->err);
}

static void record_settle(struct store *s, struct task *task, int err)
{
    struct store_record *r = (struct store_record *)task;
    if (err == 0) {
        settle_rows(s, r);
        if (r->report) {
            tell_reported(s, r);
            struct queue_message *report = r->report;
            struct queue_batch *rows = r->report_rows;
            r->report = NULL;
            r->report_rows = NULL;
            store_announce(s, report, rows, r->report_seq);
        }
    }
    r->err = err;
    r->task.run = record_done;
    mailbox_post(r->reply, &r->task);
}

static const struct store_write_ops record_ops = {
    .apply = record_apply, .settle = record_settle, .refuse = record_refuse, .waits = true};

static void record_arrive(struct task *task)
{
    store_write(((struct store_record *)task)->store, task, &record_ops);
}

/* ---- the request ---- */

struct store_record *store_record_new(struct queue_batch *batch, struct mailbox *reply,
                                      void (*done)(struct store_record *r, int err), void *arg)
{
    struct store_record *r = NEW(struct store_record);
    r->reply = reply;
    r->batch = batch;
    r->done = done;
    r->arg = arg;
    arena_init(&r->arena);
    return r;
}

void store_record(struct store *s, struct store_record *r)
{
    REQUIRE(!r->report == !r->report_rows);
    r->store = s;
    r->task.run = record_arrive;
    batch_post(s->batch, &r->task);
}

void store_record_free(struct store_record *r)
{
    queue_batch_free(r->batch);
    queue_batch_free(r->report_rows);
    queue_message_drop(r->report);
    arena_deinit(&r->arena);
    free(r);
}
