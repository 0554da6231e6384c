/*
 * store_pause.c - what the operator has stopped: names, kept over a restart.
 */
#include "msa/base/mem.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>

int store_read_paused(struct store *s)
{
    int got;
    if (!s->config.on_paused)
        return 0;
    sqlite3_stmt *st = sql_use(&s->db, STORE_PAUSED_ALL);
    while ((got = sql_step(&s->db, st)) == 1)
        s->config.on_paused(s->config.arg, sql_column(st, 0));
    return got;
}

static int apply(struct store *s, struct task *task)
{
    struct store_pause *p = (struct store_pause *)task;
    sqlite3_stmt *st = sql_use(&s->db, p->paused ? STORE_PAUSED_ADD : STORE_PAUSED_END);
    sql_text(st, 1, p->what);
    return sql_run(&s->db, st);
}

static void pause_done(struct task *task)
{
    struct store_pause *p = (struct store_pause *)task;
    p->done(p);
}

static void settle(struct store *s, struct task *task, int err)
{
    struct store_pause *p = (struct store_pause *)task;
    (void)s;
    p->err = err;
    p->task.run = pause_done;
    mailbox_post(p->reply, &p->task);
}

static void arrive(struct task *task)
{
    static const struct store_write_ops ops = {.apply = apply, .settle = settle};
    store_write(((struct store_pause *)task)->store, task, &ops);
}

struct store_pause *store_pause_new(const char *what, bool paused, struct mailbox *reply,
                                    void (*done)(struct store_pause *p), void *arg)
{
    struct store_pause *p = NEW(struct store_pause);
    p->what = mem_str(what);
    p->paused = paused;
    p->reply = reply;
    p->done = done;
    p->arg = arg;
    return p;
}

void store_pause(struct store *s, struct store_pause *p)
{
    p->store = s;
    p->task.run = arrive;
    batch_post(s->batch, &p->task);
}

void store_pause_free(struct store_pause *p)
{
    free(p->what);
    free(p);
}
