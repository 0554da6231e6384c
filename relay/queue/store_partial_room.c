/*
 * store_partial_room.c - how many unfinished messages are kept, and how long: the longest untouched
 * go first, those that a session holds stay.
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "relay/queue/partial_private.h"

#include <stdlib.h>
#include <string.h>

#define SHARES         4   /* most of the room for one login: a part in so many */
#define SWEEP_RECORDS  100 /* in one transaction */
#define SWEEP_AGAIN_MS 60000

static void remember_file(struct store_names *names, const char *file)
{
    if (!queue_id_valid(sv_of(file)))
        return;
    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 16;
        names->list = mem_resize(names->list, names->cap, sizeof *names->list);
    }
    memcpy(names->list[names->count++], file, sizeof *names->list);
}

int store_partial_end(struct store *s, const char *login, const char *transid, uint64_t bytes)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_END);
    sql_text(st, 1, login);
    sql_text(st, 2, transid);
    int err = sql_run(&s->db, st);
    if (err == 0)
        s->put_partial_bytes -= (int64_t)bytes;
    return err;
}

/* A look through the records, the longest untouched first. */
struct walk {
    const char *login; /* of this one only; NULL: of all */
    int64_t expiry_ms, row;
};

/* The next record that no session holds is ended, if it expired by until_ms: 1; 0: there is none,
 * *next_ms is then when the next expires (INT64_MAX: none), held ones apart. */
static int end_oldest(struct store *s, struct walk *w, int64_t until_ms, int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    for (;;) {
        sqlite3_stmt *st =
            sql_use(&s->db, w->login ? STORE_PARTIAL_OLDEST_OF : STORE_PARTIAL_OLDEST);
        sql_int(st, 1, w->expiry_ms);
        sql_int(st, 2, w->row);
        if (w->login)
            sql_text(st, 3, w->login);
        int got = sql_step(&s->db, st);
        if (got != 1)
            return got;
        int64_t expiry_ms = sqlite3_column_int64(st, 0);
        if (expiry_ms > until_ms) {
            *next_ms = expiry_ms;
            sqlite3_reset(st);
            return 0;
        }
        w->expiry_ms = expiry_ms;
        w->row = sqlite3_column_int64(st, 1);
        char *login = mem_str(sql_column(st, 2)), *transid = mem_str(sql_column(st, 3));
        uint64_t bytes = (uint64_t)sqlite3_column_int64(st, 4);
        bool held = store_partial_is_held(s, login, transid);
        if (!held)
            remember_file(&s->partial_ended, sql_column(st, 5));
        sqlite3_reset(st);
        int err = held ? 0 : store_partial_end(s, login, transid, bytes);
        free(login);
        free(transid);
        if (err < 0 || !held)
            return err < 0 ? err : 1;
    }
}

/* 1: the login's records have room in its share; 0: they cannot have. */
static int fit_share(struct store *s, const char *login, uint64_t share)
{
    struct walk w = {.login = login};
    for (;;) {
        int64_t count, bytes, next_ms;
        sqlite3_stmt *st = sql_use(&s->db, STORE_PARTIAL_SHARE);
        sql_text(st, 1, login);
        int got = sql_step(&s->db, st);
        if (got != 1)
            return got < 0 ? got : 1;
        count = sqlite3_column_int64(st, 0);
        bytes = sqlite3_column_int64(st, 1);
        sqlite3_reset(st);
        if (count <= PARTIAL_RECORDS && (uint64_t)bytes <= share)
            return 1;
        got = end_oldest(s, &w, INT64_MAX, &next_ms);
        if (got != 1)
            return got;
    }
}

static int fit_all(struct store *s, uint64_t max)
{
    struct walk w = {.login = NULL};
    for (;;) {
        int64_t next_ms;
        if (s->partial_bytes + (uint64_t)s->put_partial_bytes <= max)
            return 1;
        int got = end_oldest(s, &w, INT64_MAX, &next_ms);
        if (got != 1)
            return got;
    }
}

int store_partial_make_room(struct store *s, struct partial *p, uint64_t bytes, uint64_t expected)
{
    uint64_t max = atomic_load(&s->partial_max), share = max / SHARES;
    int fits = bytes <= share && expected <= share;
    if (fits == 1)
        fits = fit_share(s, p->login, share);
    if (fits == 1)
        fits = fit_all(s, max);
    if (fits != 0)
        return fits;
    remember_file(&s->partial_ended, p->file);
    return store_partial_end(s, p->login, p->transid, bytes);
}

/* ---- age ---- */

static int sweep_apply(struct store *s, struct task *task)
{
    struct walk w = {.login = NULL};
    (void)task;
    for (unsigned n = 0; n < SWEEP_RECORDS; n++) {
        int got = end_oldest(s, &w, s->wall_ms, &s->partial_next_ms);
        if (got != 1)
            return got;
    }
    s->partial_next_ms = s->wall_ms;
    return 0;
}

static void sweep_settle(struct store *s, struct task *task, int err)
{
    int64_t again_ms = s->wall_ms + SWEEP_AGAIN_MS;
    (void)task;
    /* what a session holds, or could not be ended, is looked at again */
    bool held = s->holds && s->partial_next_ms > again_ms;
    atomic_store(&s->partial_due_ms, err < 0 || held ? again_ms : s->partial_next_ms);
    if (err == 0 && s->partial_ended.count > 0)
        log_event(LOG_INFO, "partial-expired", NULL, "%zu unfinished messages removed",
                  s->partial_ended.count);
}

static const struct store_write_ops sweep_ops = {.apply = sweep_apply, .settle = sweep_settle};

void store_partial_sweep(struct store *s)
{
    store_write(s, &s->partial_sweep, &sweep_ops);
}

void store_partial_settle(struct store *s, int err)
{
    if (err == 0)
        s->partial_bytes += (uint64_t)s->put_partial_bytes;
    for (size_t i = 0; i < s->partial_ended.count && err == 0; i++)
        store_remove_partial(s, s->partial_ended.list[i]);
    s->put_partial_bytes = 0;
    s->partial_ended.count = 0;
}
