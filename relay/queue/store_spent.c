/*
 * store_spent.c - what logins have sent: slots that are added up, and recipients they know.
 *
 * Written in the transaction of the message that is counted, read once when the store is opened.
 */
#include "msa/base/mem.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_S       3600
#define SWEEP_KNOWN_S 86400 /* it reads the whole table */

static int sweep(struct store *s, enum store_sql statement, int64_t kept_s, int64_t each_s,
                 int64_t *swept_s)
{
    int64_t now_s = s->wall_ms / 1000;
    if (now_s - *swept_s < each_s && now_s >= *swept_s)
        return 0;
    sqlite3_stmt *st = sql_use(&s->db, statement);
    sql_int(st, 1, now_s - kept_s);
    int err = sql_run(&s->db, st);
    if (err == 0)
        *swept_s = now_s;
    return err;
}

int store_apply_spent(struct store *s, const struct store_spent *spent)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_ADD);
    sql_text(st, 1, spent->login);
    sql_int(st, 2, spent->slot_s);
    for (int i = 0; i < STORE_SPENT_KINDS; i++)
        sql_int(st, 3 + i, spent->count[i]);
    sql_int(st, 3 + STORE_SPENT_KINDS, spent->broken);
    int err = sql_run(&s->db, st);
    for (size_t i = 0; i < spent->nknown && err == 0; i++) {
        st = sql_use(&s->db, STORE_KNOWN_ADD);
        sql_text(st, 1, spent->login);
        sql_int(st, 2, (int64_t)spent->known[i]);
        sql_int(st, 3, spent->seen_s);
        err = sql_run(&s->db, st);
    }
    if (err == 0)
        err = sweep(s, STORE_SPENT_SWEEP, STORE_SPENT_KEPT_S, SWEEP_S, &s->spent_swept_s);
    if (err == 0)
        err = sweep(s, STORE_KNOWN_SWEEP, STORE_KNOWN_KEPT_S, SWEEP_KNOWN_S, &s->known_swept_s);
    return err;
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
        spent.broken = (unsigned)sqlite3_column_int64(st, 2 + STORE_SPENT_KINDS);
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
        s->config.on_spent(s->config.arg,
                           &(struct store_spent){.login = sql_column(st, 0),
                                                 .known = &recipient,
                                                 .nknown = 1,
                                                 .seen_s = sqlite3_column_int64(st, 2)});
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

/* ---- without a message ---- */

struct change {
    struct task task;
    struct store *store;
    char *login;
    uint64_t *known;
    struct store_spent spent;
};

static struct change *change_new(struct store *s, struct sv login)
{
    struct change *c = NEW(struct change);
    c->store = s;
    c->login = sv_dup(login);
    for (char *at = c->login; *at; at++)
        *at = ascii_lower(*at);
    return c;
}

static void settle(struct store *s, struct task *task, int err)
{
    struct change *c = (struct change *)task;
    (void)s;
    (void)err; /* only the next start would know it */
    free(c->login);
    free(c->known);
    free(c);
}

static int forget_apply(struct store *s, struct task *task)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_SPENT_FORGET);
    sql_text(st, 1, ((struct change *)task)->login);
    return sql_run(&s->db, st);
}

static void forget_arrive(struct task *task)
{
    static const struct store_write_ops ops = {.apply = forget_apply, .settle = settle};
    store_write(((struct change *)task)->store, task, &ops);
}

void store_forget_spent(struct store *s, struct sv login)
{
    struct change *c = change_new(s, login);
    c->task.run = forget_arrive;
    batch_post(s->batch, &c->task);
}

static int add_apply(struct store *s, struct task *task)
{
    return store_apply_spent(s, &((struct change *)task)->spent);
}

static void add_arrive(struct task *task)
{
    static const struct store_write_ops ops = {.apply = add_apply, .settle = settle};
    store_write(((struct change *)task)->store, task, &ops);
}

void store_add_spent(struct store *s, const struct store_spent *spent)
{
    struct change *c = change_new(s, sv_of(spent->login));
    c->spent = *spent;
    c->spent.login = c->login;
    if (spent->nknown) {
        c->known = mem_new(spent->nknown, sizeof *c->known);
        memcpy(c->known, spent->known, spent->nknown * sizeof *c->known);
    }
    c->spent.known = c->known;
    c->task.run = add_arrive;
    batch_post(s->batch, &c->task);
}
