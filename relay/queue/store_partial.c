/*
 * store_partial.c - the records of unfinished messages, and which session holds which.
 *
 * Who holds what is in memory only: no session survives the process. A record is written by OPEN
 * (before content is asked for), GROW (after octets were synced), the put that finishes it, and
 * ended by RELEASE, by want of room or by age (store_partial_room.c). A file is removed after the
 * commit that ended its record, by the handle's RELEASE while there is one; what a crash leaves
 * between the two is no longer named by an unfinished record, and goes at the next start.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/queue/partial_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define RECORD_BYTES 512 /* what a record counts beside its texts and its content */

/* partial.state */
enum { RECORD_LINES, RECORD_ANY_OFFSET, RECORD_FINISHED };

struct partial_hold {
    UT_hash_handle hh;
    struct partial *holder, *waiter;
    char key[]; /* login, NUL, TRANSID */
};

/* ---- who holds what ---- */

static struct partial_hold *find_hold(struct store *s, const char *login, const char *transid,
                                      bool make)
{
    struct partial_hold *h;
    size_t first = strlen(login) + 1, len = first + strlen(transid);
    char *key = mem_new(1, len + 1);
    memcpy(key, login, first);
    memcpy(key + first, transid, len - first);
    HASH_FIND(hh, s->holds, key, len, h);
    if (!h && make) {
        h = mem_new(1, sizeof *h + len);
        memcpy(h->key, key, len);
        HASH_ADD_KEYPTR(hh, s->holds, h->key, len, h);
    }
    free(key);
    return h;
}

bool store_partial_is_held(struct store *s, const char *login, const char *transid)
{
    return find_hold(s, login, transid, false) != NULL;
}

static void answer(struct partial *p, int err)
{
    p->err = err;
    p->ask.run = partial_on_answer;
    mailbox_post(p->reply, &p->ask);
}

static void give_up_waiting(struct store *s, struct partial_hold *h)
{
    struct partial *p = h->waiter;
    h->waiter = NULL;
    s->partial_waiting--;
    answer(p, -EBUSY);
}

static int look_up(struct store *s, struct partial *p)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_GET);
    sql_text(st, 1, p->login);
    sql_text(st, 2, p->transid);
    int got = sql_step(&s->db, st);
    if (got != 1)
        return got;
    int state = sqlite3_column_int(st, 0);
    p->has_record = true;
    p->any_offset = state == RECORD_ANY_OFFSET;
    p->info = (struct partial_info){
        .state = state == RECORD_FINISHED ? PARTIAL_FINISHED : PARTIAL_UNFINISHED,
        .offset = (uint64_t)sqlite3_column_int64(st, 1),
        .queue_id = arena_str(&p->arena, sv_of(sql_column(st, 4))),
        .mail = arena_str(&p->arena, sv_of(sql_column(st, 5))),
        .recipients = arena_str(&p->arena, sv_of(sql_column(st, 6))),
    };
    const char *file = sql_column(st, 3);
    if (queue_id_valid(sv_of(file)))
        memcpy(p->file, file, sizeof p->file);
    sqlite3_reset(st);
    return 0;
}

static void drop_hold(struct store *s, struct partial_hold *h)
{
    HASH_DEL(s->holds, h);
    free(h);
}

/* h has no holder. */
static void take(struct store *s, struct partial_hold *h, struct partial *p)
{
    int err = look_up(s, p);
    if (err == 0)
        h->holder = p;
    else
        drop_hold(s, h);
    answer(p, err);
}

static struct partial *of_ask(struct task *ask)
{
    return (struct partial *)((char *)ask - offsetof(struct partial, ask));
}

static void begin(struct task *ask)
{
    struct partial *p = of_ask(ask);
    struct store *s = p->store;
    struct partial_hold *h = find_hold(s, p->login, p->transid, true);
    if (!h->holder) {
        take(s, h, p);
        return;
    }
    if (h->waiter)
        give_up_waiting(s, h);
    h->waiter = p;
    p->waits_until_ms = (int64_t)clock_mono_ms() + PARTIAL_WAIT_MS;
    s->partial_waiting++;
    atomic_store(&s->partial_wants_tick, true);
    if (!h->holder->wanted_posted)
        mailbox_post(h->holder->reply, &h->holder->wanted);
    h->holder->wanted_posted = true;
}

static void let_go(struct store *s, struct partial *p)
{
    struct partial_hold *h = find_hold(s, p->login, p->transid, false);
    REQUIRE(h && h->holder == p);
    struct partial *next = h->waiter;
    h->holder = h->waiter = NULL;
    if (next) {
        s->partial_waiting--;
        take(s, h, next);
    } else {
        drop_hold(s, h);
    }
}

/* ---- records ---- */

static uint64_t record_bytes(const struct partial *p)
{
    return RECORD_BYTES + strlen(p->login) + strlen(p->transid) + strlen(p->info.mail) +
           strlen(p->info.recipients);
}

/* What the record in the database counts, and whether it is unfinished; 0, 0: there is none. */
static int record_now(struct store *s, const struct partial *p, int64_t *bytes, bool *unfinished)
{
    *bytes = 0;
    *unfinished = false;
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_GET);
    sql_text(st, 1, p->login);
    sql_text(st, 2, p->transid);
    int got = sql_step(&s->db, st);
    if (got != 1)
        return got;
    *unfinished = sqlite3_column_int(st, 0) != RECORD_FINISHED;
    *bytes = sqlite3_column_int64(st, 2);
    sqlite3_reset(st);
    return 0;
}

static int64_t expiry_from_now(struct store *s)
{
    int64_t expiry_ms = s->wall_ms + PARTIAL_KEPT_MS;
    if (expiry_ms < atomic_load(&s->partial_due_ms))
        atomic_store(&s->partial_due_ms, expiry_ms);
    return expiry_ms;
}

static int put_record(struct store *s, struct partial *p, int state, uint64_t length,
                      const char *file, const char *id, const char *recipients, uint64_t bytes)
{
    int64_t before;
    bool unfinished;
    int err = record_now(s, p, &before, &unfinished);
    if (err < 0)
        return err;
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_PUT);
    sql_text(st, 1, p->login);
    sql_text(st, 2, p->transid);
    sql_int(st, 3, state);
    sql_int(st, 4, expiry_from_now(s));
    sql_int(st, 5, (int64_t)length);
    sql_int(st, 6, (int64_t)bytes);
    sql_text(st, 7, file);
    sql_text(st, 8, id);
    sql_text(st, 9, p->info.mail);
    sql_text(st, 10, recipients);
    err = sql_run(&s->db, st);
    if (err == 0)
        s->put_partial_bytes += (int64_t)bytes - before;
    return err;
}

/* The same for what p asked for: it is told. */
static int make_room_or_tell(struct store *s, struct partial *p, uint64_t bytes, uint64_t expected)
{
    int fits = store_partial_make_room(s, p, bytes, expected);
    p->no_room = fits == 0;
    return fits < 0 ? fits : 0;
}

static int open_apply(struct store *s, struct task *ask)
{
    struct partial *p = of_ask(ask);
    uint64_t bytes = record_bytes(p);
    p->no_room = false;
    int err = put_record(s, p, p->any_offset ? RECORD_ANY_OFFSET : RECORD_LINES, 0, p->file, "",
                         p->info.recipients, bytes);
    REQUIRE(err != ERR_EXISTS);
    return err < 0 ? err : make_room_or_tell(s, p, bytes, p->expected);
}

static int grow_apply(struct store *s, struct task *ask)
{
    struct partial *p = of_ask(ask);
    uint64_t bytes = record_bytes(p) + p->bytes;
    int64_t before;
    bool unfinished;
    p->no_room = false;
    int err = record_now(s, p, &before, &unfinished);
    if (err < 0 || !unfinished) /* a put has finished it meanwhile */
        return err;
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_GROW);
    sql_text(st, 1, p->login);
    sql_text(st, 2, p->transid);
    sql_int(st, 3, (int64_t)p->length);
    sql_int(st, 4, (int64_t)bytes);
    sql_int(st, 5, expiry_from_now(s));
    err = sql_run(&s->db, st);
    if (err < 0)
        return err;
    s->put_partial_bytes += (int64_t)bytes - before;
    return make_room_or_tell(s, p, bytes, 0);
}

static void record_settle(struct store *s, struct task *ask, int err)
{
    struct partial *p = of_ask(ask);
    (void)s;
    if (err == 0)
        p->has_record = !p->no_room;
    answer(p, err);
}

static int forget_apply(struct store *s, struct task *ask)
{
    struct partial *p = of_ask(ask);
    int64_t bytes;
    bool unfinished;
    int err = record_now(s, p, &bytes, &unfinished);
    return err < 0 ? err : store_partial_end(s, p->login, p->transid, (uint64_t)bytes);
}

/* Where the record could not be ended it stays, with its file, until it expires. */
static void forget_settle(struct store *s, struct task *ask, int err)
{
    struct partial *p = of_ask(ask);
    if (p->file[0] && (err == 0 || atomic_load(&p->finished)))
        store_remove_partial(s, p->file);
    let_go(s, p);
    answer(p, 0);
}

static void release(struct task *ask)
{
    struct partial *p = of_ask(ask);
    struct store *s = p->store;
    if (p->file[0] && (atomic_load(&p->finished) || !p->has_record))
        store_remove_partial(s, p->file);
    let_go(s, p);
    answer(p, 0);
}

static const struct store_write_ops open_ops = {.apply = open_apply, .settle = record_settle};
static const struct store_write_ops grow_ops = {.apply = grow_apply, .settle = record_settle};
static const struct store_write_ops forget_ops = {.apply = forget_apply, .settle = forget_settle};

void store_partial_ask(struct task *ask)
{
    struct partial *p = of_ask(ask);
    switch (p->asking) {
    case PARTIAL_ASK_OPEN:
        store_write(p->store, ask, &open_ops);
        return;
    case PARTIAL_ASK_GROW:
        store_write(p->store, ask, &grow_ops);
        return;
    case PARTIAL_ASK_RELEASE:
        if (p->forget && (p->has_record || atomic_load(&p->finished))) {
            store_write(p->store, ask, &forget_ops);
            return;
        }
        ask->run = release;
        break;
    default:
        REQUIRE(p->asking == PARTIAL_ASK_BEGIN);
        ask->run = begin;
    }
    store_read_later(p->store, ask);
}

int store_partial_finish(struct store *s, struct partial *p, const char *id)
{
    uint64_t bytes = record_bytes(p) - strlen(p->info.recipients);
    int err = put_record(s, p, RECORD_FINISHED, p->size, "", id, "", bytes);
    REQUIRE(err != ERR_EXISTS);
    if (err == 0)
        err = store_partial_make_room(
            s, p, bytes, 0); /* the message counts, whether this is remembered or not */
    return err < 0 ? err : 0;
}

int store_partial_refused(struct store *s, const char *id)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_REFUSED);
    sql_text(st, 1, id);
    return sql_run(&s->db, st);
}

/* ---- the turn ---- */

void store_partial_turn(struct store *s)
{
    struct partial_hold *h, *next;
    if (!s->down && s->wall_ms >= atomic_load(&s->partial_due_ms))
        store_partial_sweep(s);
    if (s->partial_waiting == 0)
        return;
    HASH_ITER(hh, s->holds, h, next)
    {
        if (h->waiter && (int64_t)clock_mono_ms() >= h->waiter->waits_until_ms)
            give_up_waiting(s, h);
    }
    atomic_store(&s->partial_wants_tick, s->partial_waiting > 0);
}

/* ---- life ---- */

int store_partial_open(struct store *s)
{
    int64_t bytes = 0, due_ms = 0;
    int err = sql_value(&s->db, "SELECT ifnull(sum(bytes),0) FROM partial", &bytes);
    if (err == 0)
        err = sql_value(&s->db, "SELECT ifnull(min(expiry),9223372036854775807) FROM partial",
                        &due_ms);
    s->partial_bytes = (uint64_t)bytes;
    atomic_store(&s->partial_due_ms, due_ms);
    atomic_store(&s->partial_max, s->config.partial_bytes);
    return err;
}

void store_set_partial(struct store *s, uint64_t bytes)
{
    atomic_store(&s->partial_max, bytes);
}

void store_partial_free(struct store *s)
{
    REQUIRE(!s->holds);
    free(s->partial_ended.list);
}
