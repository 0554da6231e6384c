/*
 * store_admin.c - the operator's view of the queue, and changes to it.
 *
 * Reading goes in slices on the disk pool, each a read transaction of SLICE_MS at most, paged by
 * (queue id, row number). What a slice found is handed to the store thread, which knows the claims
 * and alone writes; then the next slice begins where the last one ended:
 *
 *     scan (pool) -> file (store thread): mark claimed, or change -> scan ... -> done
 *
 * A change is applied to rows as they are then: one that has gone meanwhile is not touched.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/smtp/envelope.h"
#include "relay/queue/store_private.h"
#include "relay/queue/store_filter.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_MS      50
#define SLICE_CHANGES 500

struct target {
    int64_t key;
    char id[QUEUE_ID_LEN + 1];
    char *domain, *address, *params, *login, *reverse_path;
    bool held, spooled;
    bool changed, message_ended; /* by the running transaction */
};

struct store_scan {
    struct store_listed *found; /* LIST and SHOW: texts in the request's arena */
    int64_t *keys;              /* of found */
    size_t cap;
    struct target *targets; /* of this slice; texts in slice */
    size_t ntargets;
    struct arena slice;
    struct store_summary *summary;
    bool ended;
    int64_t changed;
};

static bool is_change(const struct store_admin *a)
{
    return a->op >= STORE_RETRY;
}

static bool is_listing(const struct store_admin *a)
{
    return a->op == STORE_LIST || a->op == STORE_SHOW || (a->dry_run && a->listing);
}

/* ---- on the disk pool: one slice ---- */

static void found_listed(struct store_admin *a, const struct store_row *row)
{
    struct store_scan *scan = a->scan;
    if (a->nlisted == scan->cap) {
        scan->cap = scan->cap ? scan->cap * 2 : 64;
        scan->found = mem_resize(scan->found, scan->cap, sizeof *scan->found);
        scan->keys = mem_resize(scan->keys, scan->cap, sizeof *scan->keys);
    }
    scan->keys[a->nlisted] = row->key;
    scan->found[a->nlisted++] = (struct store_listed){
        .id = arena_str(&a->arena, sv_of(row->id)),
        .reverse_path = arena_str(&a->arena, sv_of(row->reverse_path)),
        .login = arena_str(&a->arena, sv_of(row->login)),
        .address = arena_str(&a->arena, sv_of(row->address)),
        .domain = arena_str(&a->arena, sv_of(row->domain)),
        .status = arena_str(&a->arena, sv_of(row->status)),
        .text = arena_str(&a->arena, sv_of(row->text)),
        .received_ms = row->received_ms,
        .due_ms = row->due_ms,
        .size = row->size,
        .number = (uint32_t)(row->key & (QUEUE_ROWS_MAX - 1)),
        .attempts = row->attempts,
        .held = row->state == STATE_HELD,
        .returning = row->state == STATE_RETURNED,
        .v4_only = row->v4_only,
        .rows = 1,
    };
}

static void found_target(struct store_admin *a, const struct store_row *row)
{
    struct store_scan *scan = a->scan;
    if (!scan->targets)
        scan->targets = mem_new(SLICE_CHANGES, sizeof *scan->targets);
    struct target *t = &scan->targets[scan->ntargets++];
    *t = (struct target){.key = row->key,
                         .held = row->state == STATE_HELD,
                         .spooled = row->spooled,
                         .domain = arena_str(&scan->slice, sv_of(row->domain)),
                         .address = arena_str(&scan->slice, sv_of(row->address)),
                         .params = arena_str(&scan->slice, sv_of(row->params)),
                         .login = arena_str(&scan->slice, sv_of(row->login)),
                         .reverse_path = arena_str(&scan->slice, sv_of(row->reverse_path))};
    memcpy(t->id, row->id, strnlen(row->id, QUEUE_ID_LEN));
}

/* Would this operation change a row in this state? */
static bool concerns(const struct store_admin *a, const struct store_row *row, int64_t now_ms)
{
    switch (a->op) {
    case STORE_RETRY:
        return row->state == STATE_ACTIVE && row->due_ms > now_ms &&
               (a->filter.id || !row->awaits_release);
    case STORE_HOLD:
        return row->state == STATE_ACTIVE;
    case STORE_RELEASE:
        return row->state == STATE_HELD;
    case STORE_RETURN:
        return row->state != STATE_RETURNED;
    case STORE_REDIRECT:
        return row->state != STATE_RETURNED &&
               (strcmp(row->domain, a->target.destination) != 0 ||
                (a->target.address && strcmp(row->address, a->target.address) != 0));
    default:
        return true;
    }
}

static bool slice_is_full(const struct store_admin *a)
{
    if (is_listing(a))
        return a->nlisted == a->max;
    return is_change(a) && !a->dry_run && a->scan->ntargets == SLICE_CHANGES;
}

static void sum_up(struct store_admin *a, struct store_row row)
{
    char *name =
        a->sum_by ? destinations_name(a->sum_by, row.domain, row.reverse_path, row.login) : NULL;
    row.domain = name ? name : row.domain;
    store_summary_add(&a->scan->summary, &row, row.state == STATE_HELD);
    free(name);
}

static void found_untouched(struct store_admin *a, const struct store_row *row)
{
    a->touched++;
    if (a->listing)
        found_listed(a, row);
}

static void look_at(struct store_admin *a, const struct store_row *row, int64_t now_ms)
{
    if (row->state == STATE_DELETED || !store_filter_match(&a->filter, row))
        return;
    if (a->op == STORE_SUMMARY)
        sum_up(a, *row);
    else if (!is_change(a))
        found_listed(a, row);
    else if (concerns(a, row, now_ms) && a->dry_run)
        found_untouched(a, row);
    else if (concerns(a, row, now_ms))
        found_target(a, row);
}

static int scan_slice(struct store_admin *a, struct sql *db)
{
    uint64_t end_ms = clock_mono_ms() + SLICE_MS;
    int64_t now_ms = clock_wall_ms();
    const char *id = a->filter.id;
    if (id && strcmp(a->after_id, id) < 0)
        memcpy(a->after_id, id, strnlen(id, QUEUE_ID_LEN) + 1);
    char from[QUEUE_ID_LEN + 1];
    memcpy(from, a->after_id, sizeof from);
    sqlite3_stmt *st = sql_use(db, STORE_READ_LIST);
    sql_text(st, 1, from);
    sql_int(st, 2, a->after_number);
    sql_text(st, 3, id ? id : "~");
    int got;
    while ((got = sql_step(db, st)) == 1) {
        struct store_row row;
        store_row_read(&row, st);
        if (slice_is_full(a) || clock_mono_ms() > end_ms) {
            memcpy(a->after_id, row.id, strnlen(row.id, QUEUE_ID_LEN) + 1);
            a->after_number = (uint32_t)(row.key & (QUEUE_ROWS_MAX - 1));
            sqlite3_reset(st);
            return 0;
        }
        look_at(a, &row, now_ms);
    }
    a->scan->ended = got == 0;
    return got;
}

static void on_work(struct pool_job *job)
{
    struct store_admin *a = (struct store_admin *)job;
    a->scan->ntargets = 0;
    arena_reset(&a->scan->slice);
    struct store_reader *reader = store_reader_take(a->store, &a->err);
    if (!reader)
        return;
    a->err = scan_slice(a, &reader->db);
    store_reader_give(a->store, reader, a->err == 0);
}

/* ---- on the store thread ---- */

static const enum store_sql statements[] = {
    [STORE_RETRY] = STORE_SET_DUE,     [STORE_DELETE] = STORE_DELETE_LATER,
    [STORE_HOLD] = STORE_HOLD_ROW,     [STORE_RELEASE] = STORE_FREE_ROW,
    [STORE_RETURN] = STORE_RETURN_ROW, [STORE_REDIRECT] = STORE_REDIRECT_ROW,
};

/* Another path before the row's parameters, which keep what it was (RFC 3461 4.2). */
static const char *redirected_params(struct arena *arena, const struct store_target *to,
                                     const struct target *t)
{
    struct smtp_envelope e;
    struct buf out;
    if (!to->address)
        return t->params;
    smtp_envelope_init(&e, arena);
    buf_init(&out, SIZE_MAX / 2, 0);
    const char *params = arena_str(arena, sv_of(to->path));
    if (smtp_envelope_parse_rcpt(&e, sv_of(t->params)) == 0 &&
        smtp_envelope_parse_rcpt(&e, sv_of(to->path)) == 0) {
        e.recipients[0].path = e.recipients[1].path;
        smtp_envelope_keep_original(&e, &e.recipients[0], sv_of(t->address));
        if (smtp_envelope_write_rcpt(&e.recipients[0], &out) == 0)
            params = arena_str(arena, buf_view(&out));
    }
    buf_deinit(&out);
    return params;
}

static int change_row(struct store *s, struct store_admin *a, struct target *t)
{
    struct claim_row *claim = claims_find(&s->claims, t->key);
    if (a->op == STORE_DELETE && !claim) {
        int64_t before = s->put_rows;
        int err = store_end_row(s, t->key);
        t->changed = s->put_rows < before;
        return err < 0 || !t->changed
                   ? err
                   : store_end_message(s, t->key >> STORE_ROW_BITS, &t->message_ended);
    }
    if (a->op == STORE_RETRY && claim)
        return 0; /* it is being tried */
    struct arena arena;
    arena_init(&arena);
    sqlite3_stmt *st = sql_use(&s->db, statements[a->op]);
    sql_int(st, 1, t->key);
    if (a->op != STORE_DELETE)
        sql_int(st, 2, s->wall_ms);
    if (a->op == STORE_REDIRECT) {
        sql_text(st, 3, a->target.destination);
        sql_text(st, 4, a->target.address ? a->target.address : t->address);
        sql_text(st, 5, redirected_params(&arena, &a->target, t));
    }
    int err = sql_run(&s->db, st);
    arena_deinit(&arena);
    t->changed = err == 0 && sqlite3_changes(s->db.handle) > 0;
    return err;
}

static int change_apply(struct store *s, struct task *task)
{
    struct store_admin *a = (struct store_admin *)task;
    a->scan->changed = 0;
    for (size_t i = 0; i < a->scan->ntargets; i++) {
        struct target *t = &a->scan->targets[i];
        t->changed = t->message_ended = false;
        int err = change_row(s, a, t);
        if (err < 0)
            return err;
        a->scan->changed += t->changed;
    }
    return 0;
}

/* A claimed row: what becomes of it when its claim ends. */
static void settle_claimed(const struct store_admin *a, struct claim_row *claim)
{
    claim->deleted = claim->deleted || a->op == STORE_DELETE;
    claim->returned = claim->returned || a->op == STORE_RETURN;
    if (a->op != STORE_REDIRECT)
        return;
    free(claim->moved_to);
    claim->moved_to = mem_str(a->target.destination);
}

static void tell_destination(struct store *s, const struct store_admin *a, const char *name)
{
    struct claim_destination *d = claims_destination(&s->claims, name);
    if (d)
        claims_forget_cursor(d);
    if (a->wish && a->op != STORE_RELEASE)
        store_wish_retry(s, name, a->wish);
    else
        store_notify_due(s, name, s->wall_ms);
}

static void settle_target(struct store *s, const struct store_admin *a, const struct target *t,
                          const char *told)
{
    struct claim_row *claim = claims_find(&s->claims, t->key);
    struct claim_destination *d = claims_destination(&s->claims, t->domain);
    const char *goes_to = a->op == STORE_REDIRECT ? a->target.destination : t->domain;
    bool may_be_due = a->op == STORE_RETRY || a->op == STORE_RELEASE || a->op == STORE_REDIRECT;
    if (d)
        claims_forget_cursor(d);
    if (claim)
        settle_claimed(a, claim);
    if (t->message_ended && t->spooled)
        store_remove_spool(s, t->id);
    if (may_be_due && strcmp(told, goes_to) != 0)
        tell_destination(s, a, goes_to);
    if (a->op == STORE_DELETE)
        history_post(s->history, &(struct history_event){.time_ms = s->wall_ms,
                                                         .kind = HISTORY_DELETED,
                                                         .id = t->id,
                                                         .login = t->login,
                                                         .reverse_path = t->reverse_path,
                                                         .address = t->address});
}

static void reply_done(struct task *task)
{
    struct store_admin *a = (struct store_admin *)task;
    a->done(a);
}

static void reply(struct store_admin *a)
{
    a->job.task.run = reply_done;
    mailbox_post(a->reply, &a->job.task);
}

static void mark_claimed(struct store *s, struct store_admin *a)
{
    if (a->op == STORE_SUMMARY)
        a->listed = store_summary_take(&a->scan->summary, &a->arena, a->max, &a->nlisted, &a->more);
    else if (a->nlisted > 0)
        a->listed = arena_alloc(&a->arena, a->nlisted * sizeof *a->listed);
    for (size_t i = 0; a->op != STORE_SUMMARY && i < a->nlisted; i++) {
        a->listed[i] = a->scan->found[i];
        a->listed[i].claimed = claims_find(&s->claims, a->scan->keys[i]) != NULL;
    }
}

/* The next slice, or the answer. */
static void go_on(struct store *s, struct store_admin *a)
{
    bool page_full = is_listing(a) && a->nlisted == a->max;
    if (a->err == 0 && !a->scan->ended && !page_full) {
        pool_submit(s->disk, &a->job);
        return;
    }
    a->more = a->err == 0 && !a->scan->ended;
    if (a->err == 0 && (a->op == STORE_SUMMARY || is_listing(a)))
        mark_claimed(s, a);
    reply(a);
}

static void change_settle(struct store *s, struct task *task, int err)
{
    struct store_admin *a = (struct store_admin *)task;
    const char *told = "";
    struct store_taken taken[SLICE_CHANGES];
    size_t ntaken = 0;
    a->err = err;
    for (size_t i = 0; err == 0 && i < a->scan->ntargets; i++) {
        const struct target *t = &a->scan->targets[i];
        if (!t->changed)
            continue;
        settle_target(s, a, t, told);
        told = a->op == STORE_REDIRECT ? a->target.destination : t->domain;
        if (!claims_find(&s->claims, t->key))
            continue;
        memcpy(taken[ntaken].id, t->id, sizeof taken->id);
        taken[ntaken++].number = (uint32_t)(t->key & (QUEUE_ROWS_MAX - 1));
    }
    if (ntaken)
        store_wish_recall(s, taken, ntaken);
    if (err == 0 && a->op == STORE_RETURN && a->scan->changed)
        store_wish_return(s);
    if (err == 0)
        a->touched += (uint64_t)a->scan->changed;
    go_on(s, a);
}

static const struct store_write_ops change_ops = {.apply = change_apply, .settle = change_settle};

static void slice_run(struct task *task)
{
    struct store_admin *a = (struct store_admin *)task;
    go_on(a->store, a);
}

static void slice_arrive(struct task *task)
{
    struct store_admin *a = (struct store_admin *)task;
    if (a->err == 0 && a->scan->ntargets > 0) {
        store_write(a->store, task, &change_ops);
        return;
    }
    task->run = slice_run;
    store_read_later(a->store, task);
}

/* ---- the request ---- */

struct store_admin *store_admin_new(enum store_admin_op op, struct mailbox *reply_to,
                                    void (*done)(struct store_admin *a), void *arg)
{
    struct store_admin *a = NEW(struct store_admin);
    a->op = op;
    a->reply = reply_to;
    a->max = 1000;
    a->done = done;
    a->arg = arg;
    arena_init(&a->arena);
    return a;
}

/* The pool's done() runs on the asker's loop: it passes the slice on to the store thread. */
static void on_slice(struct pool_job *job)
{
    struct store_admin *a = (struct store_admin *)job;
    job->task.run = slice_arrive;
    batch_post(a->store->batch, &job->task);
}

void store_admin(struct store *s, struct store_admin *a)
{
    REQUIRE(a->max > 0 && !a->scan);
    a->store = s;
    a->scan = NEW(struct store_scan);
    arena_init(&a->scan->slice);
    a->job.reply = a->reply;
    a->job.work = on_work;
    a->job.done = on_slice;
    pool_submit(s->disk, &a->job);
}

void store_admin_free(struct store_admin *a)
{
    if (a->scan) {
        store_summary_free(a->scan->summary);
        arena_deinit(&a->scan->slice);
        free(a->scan->targets);
        free(a->scan->found);
        free(a->scan->keys);
        free(a->scan);
    }
    arena_deinit(&a->arena);
    free(a);
}
