/*
 * store_claim.c - which rows are tried next, and which destinations have any.
 *
 * Both run after the commit of their turn, so that only committed rows are handed out. Claimed
 * rows stay in the index; the cursor of their destination (store_claims.h) skips them.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>
#include <string.h>

static const struct store_place passed_none = {INT64_MIN, INT64_MIN};

/* ---- rows of one destination in order ---- */

/* The next unclaimed, active row by (due, key) into *at; *passed moves to the last claimed one
 * before it. 1, 0 at the end, or an error. The statement stays open: reset it. */
static int scan_next(struct store *s, sqlite3_stmt *st, struct store_place *at,
                     struct store_place *passed)
{
    for (;;) {
        int got = sql_step(&s->db, st);
        if (got != 1)
            return got;
        at->due_ms = sqlite3_column_int64(st, 0);
        at->key = sqlite3_column_int64(st, 1);
        if (!claims_find(&s->claims, at->key))
            return 1;
        *passed = *at;
    }
}

static sqlite3_stmt *scan_start(struct store *s, const char *destination, struct store_place after)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_SCAN);
    sql_text(st, 1, destination);
    sql_int(st, 2, after.due_ms);
    sql_int(st, 3, after.key);
    return st;
}

/* Is this returned row still what it was: there, active, unclaimed? Corrects its due time. */
static int check_returned(struct store *s, const char *destination, struct store_place *place)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_GET_ROW);
    sql_int(st, 1, place->key);
    int got = sql_step(&s->db, st);
    if (got != 1)
        return got;
    place->due_ms = sqlite3_column_int64(st, 1);
    bool good = sqlite3_column_int(st, 2) == STATE_ACTIVE &&
                strcmp(sql_column(st, 0), destination) == 0 && !claims_find(&s->claims, place->key);
    sqlite3_reset(st);
    return good;
}

/* ---- claim ---- */

struct found {
    struct store_place *places;
    size_t count, max;
};

static int collect_returned(struct store *s, struct store_claim *c, struct claim_destination *d,
                            struct found *f)
{
    for (size_t i = 0; d && i < d->nreturned && f->count < f->max;) {
        int good = check_returned(s, c->destination, &d->returned[i]);
        if (good < 0)
            return good;
        if (good && d->returned[i].due_ms > c->now_ms) {
            if (d->returned[i].due_ms < c->next_due_ms)
                c->next_due_ms = d->returned[i].due_ms;
            i++;
            continue;
        }
        if (good)
            f->places[f->count++] = d->returned[i];
        claims_unreturn(d, i);
    }
    if (d && d->nreturned > 0 && f->count == f->max)
        c->next_due_ms = d->returned[0].due_ms;
    return 0;
}

/* The rows of a message go together if they fit: what would be cut off waits as a whole. */
static void keep_whole(struct found *f, size_t from, int64_t next_key)
{
    int64_t seq = next_key >> STORE_ROW_BITS;
    size_t keep = f->count;
    while (keep > from && f->places[keep - 1].key >> STORE_ROW_BITS == seq)
        keep--;
    if (keep > 0)
        f->count = keep;
}

/* Whether one more row only makes a message whole that is all there is so far. */
static bool makes_whole(const struct found *f, int64_t key)
{
    int64_t seq = key >> STORE_ROW_BITS;
    size_t same = 0;
    while (same < f->count && f->places[same].key >> STORE_ROW_BITS == seq)
        same++;
    return same == f->count && f->count < STORE_CLAIM_WHOLE;
}

/* *cursor_out: up to where the index is known once all that was found is claimed. */
static int collect_indexed(struct store *s, struct store_claim *c, struct claim_destination *d,
                           struct found *f, struct store_place *cursor_out)
{
    struct store_place at, passed = d ? d->cursor : passed_none;
    size_t from = f->count;
    sqlite3_stmt *st = scan_start(s, c->destination, passed);
    int got;
    while ((got = scan_next(s, st, &at, &passed)) == 1) {
        if (at.due_ms > c->now_ms || (f->count >= f->max && !makes_whole(f, at.key)))
            break;
        f->places[f->count++] = passed = at;
    }
    if (st)
        sqlite3_reset(st);
    if (got < 0)
        return got;
    if (got == 1 && at.due_ms <= c->now_ms) {
        size_t count = f->count;
        keep_whole(f, from, at.key);
        if (f->count < count) {
            at = f->places[f->count];
            passed = f->count > from ? f->places[f->count - 1] : d ? d->cursor : passed_none;
        }
    }
    if (got == 1 && at.due_ms < c->next_due_ms)
        c->next_due_ms = at.due_ms;
    *cursor_out = passed;
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct store_place *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int load_message(struct store *s, int64_t seq, struct queue_message **out)
{
    struct claim_message *known = claims_seq(&s->claims, seq);
    if (known) {
        *out = queue_message_keep(known->message);
        return 0;
    }
    sqlite3_stmt *st = sql_use(&s->db, STORE_GET_MESSAGE);
    sql_int(st, 1, seq);
    int got = sql_step(&s->db, st);
    if (got != 1)
        return got < 0 ? got : ERR_CORRUPT; /* a row without its message */
    struct queue_message *m = queue_message_new();
    const char *id = sql_column(st, 0);
    memcpy(m->id, id, strnlen(id, QUEUE_ID_LEN));
    m->received_ms = sqlite3_column_int64(st, 1);
    m->reverse_path = arena_str(&m->arena, sv_of(sql_column(st, 2)));
    m->mail_params = arena_str(&m->arena, sv_of(sql_column(st, 3)));
    m->login = arena_str(&m->arena, sv_of(sql_column(st, 4)));
    m->client = arena_str(&m->arena, sv_of(sql_column(st, 5)));
    m->message_id = arena_str(&m->arena, sv_of(sql_column(st, 6)));
    m->size = (uint64_t)sqlite3_column_int64(st, 7);
    int flags = sqlite3_column_int(st, 8);
    m->eight_bit = flags & STORE_EIGHT_BIT;
    m->smtputf8 = flags & STORE_SMTPUTF8;
    m->binary = flags & STORE_BINARY;
    m->long_lines = flags & STORE_LONG_LINES;
    m->tls_optional = flags & STORE_TLS_OPTIONAL;
    int priority = flags >> STORE_PRIORITY_SHIFT;
    m->priority = (int8_t)(priority ? priority - STORE_PRIORITY_BASE : 0);
    m->spooled = sqlite3_column_int(st, 9) != 0;
    m->prefix = arena_str(&m->arena, sv_of(sql_column(st, 10)));
    sqlite3_reset(st);
    *out = m;
    return 0;
}

static int load_row(struct store *s, struct queue_batch *b, size_t i, int64_t key)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_GET_ROW);
    sql_int(st, 1, key);
    int got = sql_step(&s->db, st);
    if (got != 1)
        return got < 0 ? got : ERR_CORRUPT; /* the index names a row that is not there */
    struct queue_row *row = &b->rows[i];
    row->number = (uint32_t)(key & (QUEUE_ROWS_MAX - 1));
    row->domain = arena_str(&b->arena, sv_of(sql_column(st, 0)));
    row->due_ms = sqlite3_column_int64(st, 1);
    row->address = arena_str(&b->arena, sv_of(sql_column(st, 3)));
    row->rcpt_params = arena_str(&b->arena, sv_of(sql_column(st, 4)));
    row->attempts = (uint32_t)sqlite3_column_int64(st, 5);
    int warned = sqlite3_column_int(st, 6);
    row->delay_warned = warned & STORE_DELAY_WARNED;
    row->by_told = warned & STORE_BY_TOLD;
    row->v4_only = warned & STORE_V4_ONLY;
    row->last_status = arena_str(&b->arena, sv_of(sql_column(st, 7)));
    row->last_text = arena_str(&b->arena, sv_of(sql_column(st, 8)));
    int64_t held_ms = sqlite3_column_int64(st, 9);
    row->held_ms = held_ms > 0 ? held_ms : 0; /* an operator may hold it meanwhile */
    sqlite3_reset(st);
    return 0;
}

static int load_batch(struct store *s, const struct store_place *places, size_t count,
                      struct queue_batch **out)
{
    struct queue_message *m;
    int err = load_message(s, places[0].key >> STORE_ROW_BITS, &m);
    if (err < 0)
        return err;
    struct queue_batch *b = queue_batch_new(m, count);
    queue_message_drop(m);
    for (size_t i = 0; i < count && err == 0; i++)
        err = load_row(s, b, i, places[i].key);
    if (err < 0) {
        queue_batch_free(b);
        return err;
    }
    *out = b;
    return 0;
}

static int load_all(struct store *s, struct store_claim *c, struct found *f)
{
    qsort(f->places, f->count, sizeof *f->places, by_key);
    c->batches = mem_new(f->count ? f->count : 1, sizeof(struct queue_batch *));
    for (size_t i = 0, end; i < f->count; i = end) {
        int64_t seq = f->places[i].key >> STORE_ROW_BITS;
        for (end = i + 1; end < f->count && f->places[end].key >> STORE_ROW_BITS == seq;)
            end++;
        int err = load_batch(s, &f->places[i], end - i, &c->batches[c->nbatches]);
        if (err < 0)
            return err;
        c->nbatches++;
    }
    return 0;
}

static void drop_batches(struct store_claim *c)
{
    for (size_t i = 0; c->batches && i < c->nbatches; i++)
        queue_batch_free(c->batches[i]);
    free(c->batches);
    c->batches = NULL;
    c->nbatches = 0;
}

/* ---- what goes back to its author ---- */

static int collect_marked(struct store *s, struct store_claim *c, struct found *f)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_RETURNED);
    int got;
    while ((got = sql_step(&s->db, st)) == 1) {
        int64_t key = sqlite3_column_int64(st, 0);
        if (claims_find(&s->claims, key))
            continue; /* it is being tried: its end decides */
        c->more = f->count == f->max;
        if (c->more) {
            keep_whole(f, 0, key); /* one report for all of a message */
            break;
        }
        f->places[f->count++] = (struct store_place){.key = key};
    }
    if (st)
        sqlite3_reset(st);
    return got < 0 ? got : 0;
}

static int claim_returned(struct store *s, struct store_claim *c)
{
    struct found f = {.max = c->max_rows};
    f.places = mem_new(f.max, sizeof *f.places);
    int err = collect_marked(s, c, &f);
    if (err == 0)
        err = load_all(s, c, &f);
    if (err < 0)
        drop_batches(c);
    for (size_t i = 0, place = 0; i < c->nbatches; i++) {
        const struct queue_batch *b = c->batches[i];
        for (size_t k = 0; k < b->nrows; k++, place++)
            claims_add(&s->claims, b->message, f.places[place].key >> STORE_ROW_BITS,
                       b->rows[k].number, b->rows[k].domain);
    }
    free(f.places);
    return err;
}

/* ---- */

static int claim(struct store *s, struct store_claim *c)
{
    struct claim_destination *d = claims_destination(&s->claims, c->destination);
    struct found f = {.max = c->max_rows};
    struct store_place cursor = passed_none;
    f.places = mem_new(f.max + STORE_CLAIM_WHOLE, sizeof *f.places);
    c->next_due_ms = INT64_MAX;
    int err = collect_returned(s, c, d, &f);
    if (err == 0)
        err = collect_indexed(s, c, d, &f, &cursor);
    if (err == 0)
        err = load_all(s, c, &f);
    if (err < 0) {
        drop_batches(c);
        if (d)
            claims_forget_cursor(d);
    }
    for (size_t i = 0, place = 0; i < c->nbatches; i++) {
        const struct queue_batch *b = c->batches[i];
        for (size_t k = 0; k < b->nrows; k++, place++)
            claims_add(&s->claims, b->message, f.places[place].key >> STORE_ROW_BITS,
                       b->rows[k].number, c->destination);
    }
    free(f.places);
    d = claims_destination(&s->claims, c->destination);
    if (d && err == 0)
        d->cursor = cursor;
    c->more = c->next_due_ms <= c->now_ms;
    return err;
}

static void claim_done(struct task *task)
{
    struct store_claim *c = (struct store_claim *)task;
    c->done(c);
}

static void claim_run(struct task *task)
{
    struct store_claim *c = (struct store_claim *)task;
    struct store *s = c->store;
    c->next_due_ms = INT64_MAX;
    c->err = s->down ? s->down_err : c->returned ? claim_returned(s, c) : claim(s, c);
    c->task.run = claim_done;
    mailbox_post(c->reply, &c->task);
}

static void claim_arrive(struct task *task)
{
    task->run = claim_run;
    store_read_later(((struct store_claim *)task)->store, task);
}

struct store_claim *store_claim_new(const char *destination, int64_t now_ms, size_t max_rows,
                                    struct mailbox *reply, void (*done)(struct store_claim *c),
                                    void *arg)
{
    struct store_claim *c = NEW(struct store_claim);
    c->destination = mem_str(destination);
    c->now_ms = now_ms;
    c->max_rows = max_rows;
    c->reply = reply;
    c->done = done;
    c->arg = arg;
    return c;
}

void store_claim(struct store *s, struct store_claim *c)
{
    REQUIRE(c->max_rows > 0);
    c->store = s;
    c->task.run = claim_arrive;
    batch_post(s->batch, &c->task);
}

void store_claim_free(struct store_claim *c)
{
    drop_batches(c);
    free((char *)c->destination);
    free(c);
}

/* ---- destinations ---- */

/* Most destinations looked at for one page: bounds the time that commits wait for it. */
#define LOOK_MAX 1000

/* The first unclaimed row of a destination that has claimed ones. 1, 0: none, or an error. */
static int first_unclaimed(struct store *s, struct claim_destination *d, int64_t *due_out)
{
    struct store_place at;
    sqlite3_stmt *st = scan_start(s, d->name, d->cursor);
    int got = scan_next(s, st, &at, &d->cursor);
    if (st)
        sqlite3_reset(st);
    if (got < 0)
        return got;
    int64_t due = got == 1 ? at.due_ms : INT64_MAX;
    for (size_t i = 0; i < d->nreturned;) {
        int good = check_returned(s, d->name, &d->returned[i]);
        if (good < 0)
            return good;
        if (!good) {
            claims_unreturn(d, i);
            continue;
        }
        if (d->returned[i].due_ms < due)
            due = d->returned[i].due_ms;
        i++;
    }
    *due_out = due;
    return got == 1 || d->nreturned > 0;
}

static void due_add(struct store_due *d, const char *destination, int64_t due_ms)
{
    if (due_ms > d->until_ms) {
        if (due_ms < d->next_ms)
            d->next_ms = due_ms;
        return;
    }
    d->items[d->nitems].destination = mem_str(destination);
    d->items[d->nitems++].due_ms = due_ms;
}

static int due(struct store *s, struct store_due *d)
{
    d->items = mem_new(d->max, sizeof *d->items);
    d->next_ms = INT64_MAX;
    for (size_t looked = 0;; looked++) {
        sqlite3_stmt *st = sql_use(&s->db, STORE_NEXT_DESTINATION);
        sql_text(st, 1, d->after);
        int got = sql_step(&s->db, st);
        if (got != 1)
            return got;
        if (looked == LOOK_MAX || d->nitems == d->max) {
            sqlite3_reset(st);
            d->more = true;
            return 0;
        }
        char *name = mem_str(sql_column(st, 0));
        int64_t due_ms = sqlite3_column_int64(st, 1);
        sqlite3_reset(st);
        free(d->after);
        d->after = name;
        struct claim_destination *claimed = claims_destination(&s->claims, name);
        got = claimed ? first_unclaimed(s, claimed, &due_ms) : 1;
        if (got < 0)
            return got;
        if (got == 1)
            due_add(d, name, due_ms);
    }
}

static void due_done(struct task *task)
{
    struct store_due *d = (struct store_due *)task;
    d->done(d);
}

static void due_forget_items(struct store_due *d)
{
    for (size_t i = 0; i < d->nitems; i++)
        free(d->items[i].destination);
    free(d->items);
    d->items = NULL;
    d->nitems = 0;
    d->more = false;
}

static void due_run(struct task *task)
{
    struct store_due *d = (struct store_due *)task;
    d->err = due(d->store, d);
    d->task.run = due_done;
    mailbox_post(d->reply, &d->task);
}

static void due_arrive(struct task *task)
{
    task->run = due_run;
    store_read_later(((struct store_due *)task)->store, task);
}

struct store_due *store_due_new(const char *after, int64_t until_ms, size_t max,
                                struct mailbox *reply, void (*done)(struct store_due *d), void *arg)
{
    struct store_due *d = NEW(struct store_due);
    d->after = mem_str(after);
    d->until_ms = until_ms;
    d->max = max;
    d->reply = reply;
    d->done = done;
    d->arg = arg;
    return d;
}

void store_due(struct store *s, struct store_due *d)
{
    REQUIRE(d->max > 0);
    due_forget_items(d); /* of the page before */
    d->store = s;
    d->task.run = due_arrive;
    batch_post(s->batch, &d->task);
}

void store_due_free(struct store_due *d)
{
    due_forget_items(d);
    free(d->after);
    free(d);
}
