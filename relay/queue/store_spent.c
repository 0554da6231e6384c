/*
 * store_spent.c - what logins have sent: slots that are added up, and recipients they know.
 *
 * Written in the transaction of the message that is counted, read once when the store is opened.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>

#define SWEEP_S 3600

/* Old slots, once an hour. */
static int sweep(struct store *s)
{
    int64_t now_s = s->wall_ms / 1000;
    if (now_s - s->spent_swept_s < SWEEP_S && now_s >= s->spent_swept_s)
        return 0;
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_SWEEP);
    sql_int(st, 1, now_s - STORE_SPENT_KEPT_S);
    int err = sql_run(&s->db, st);
    if (err == 0)
        s->spent_swept_s = now_s;
    return err;
}

int store_apply_spent(struct store *s, const struct store_spent *spent)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_ADD);
    sql_text(st, 1, spent->login);
    sql_int(st, 2, spent->slot_s);
    for (int i = 0; i < STORE_SPENT_KINDS; i++)
        sql_int(st, 3 + i, spent->count[i]);
    int err = sql_run(&s->db, st);
    for (size_t i = 0; i < spent->nknown && err == 0; i++) {
        st = sql_use(&s->db, STORE_KNOWN_ADD);
        sql_text(st, 1, spent->login);
        sql_int(st, 2, (int64_t)spent->known[i]);
        err = sql_run(&s->db, st);
    }
    return err < 0 ? err : sweep(s);
}

/* ---- at the start ---- */

static int read_slots(struct store *s)
{
    int got;
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_ALL);
    while ((got = sql_step(&s->db, st)) == 1) {
        struct store_spent spent = {.login = sql_column(st, 0),
                                    .slot_s = sqlite3_column_int64(st, 1)};
        for (int i = 0; i < STORE_SPENT_KINDS; i++)
            spent.count[i] = (uint32_t)sqlite3_column_int64(st, 2 + i);
        s->config.on_spent(s->config.arg, &spent);
    }
    return got;
}

static int read_known(struct store *s)
{
    int got;
    sqlite3_stmt *st = sql_use(&s->db, STORE_KNOWN_ALL);
    while ((got = sql_step(&s->db, st)) == 1) {
        uint64_t recipient = (uint64_t)sqlite3_column_int64(st, 1);
        s->config.on_spent(
            s->config.arg,
            &(struct store_spent){.login = sql_column(st, 0), .known = &recipient, .nknown = 1});
    }
    return got;
}

int store_read_spent(struct store *s)
{
    if (!s->config.on_spent)
        return 0;
    int err = read_slots(s);
    return err < 0 ? err : read_known(s);
}

/* ---- a login begins anew ---- */

struct forget {
    struct task task;
    struct store *store;
    char *login;
};

static int forget_apply(struct store *s, struct task *task)
{
    struct forget *f = (struct forget *)task;
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_FORGET);
    sql_text(st, 1, f->login);
    return sql_run(&s->db, st);
}

static void forget_settle(struct store *s, struct task *task, int err)
{
    struct forget *f = (struct forget *)task;
    (void)s;
    (void)err; /* only the next start would know it again */
    free(f->login);
    free(f);
}

static const struct store_write_ops forget_ops = {.apply = forget_apply, .settle = forget_settle};

static void forget_arrive(struct task *task)
{
    store_write(((struct forget *)task)->store, task, &forget_ops);
}

void store_forget_spent(struct store *s, struct sv login)
{
    struct forget *f = NEW(struct forget);
    f->task.run = forget_arrive;
    f->store = s;
    f->login = sv_dup(login);
    for (char *c = f->login; *c; c++)
        *c = ascii_lower(*c);
    batch_post(s->batch, &f->task);
}
