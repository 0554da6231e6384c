/*
 * store_fixture.h - a store in a folder of its own, asked and answered on one loop.
 *
 * Each ask_*() posts a request and runs the loop until its answer: tests read like calls.
 */
#ifndef TESTS_UNIT_RELAY_QUEUE_STORE_FIXTURE_H
#define TESTS_UNIT_RELAY_QUEUE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msa/base/mem.h"
#include "msa/base/log.h"
#include "msa/loop/clock.h"
#include "relay/queue/history.h"
#include "relay/queue/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUED_MAX 4096

struct fixture {
    char dir[64];
    const char *vfs;
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    uint64_t memory_bytes, partial_bytes;
    unsigned history_days;
    /* What on_queued and on_due told. */
    struct queue_batch *queued[QUEUED_MAX];
    size_t nqueued, ndue;
    char last_due[256];
    int64_t last_due_ms;
    /* And on_wish. */
    size_t nretries, nreturns, ntaken;
    char last_retry[256];
    uint64_t last_number;
    struct store_taken taken[16];
    /* The last answer. */
    int err;
    bool answered;
    struct timer guard;
    void (*on_spent)(void *arg, const struct store_spent *spent); /* NULL: nobody asks */
    void (*on_paused)(void *arg, const char *what);               /* likewise */
};

static inline void fixture_on_queued(void *arg, struct queue_batch *claimed)
{
    struct fixture *f = arg;
    assert_true(f->nqueued < QUEUED_MAX);
    f->queued[f->nqueued++] = claimed;
}

static inline void fixture_on_due(void *arg, const char *destination, int64_t due_ms)
{
    struct fixture *f = arg;
    f->ndue++;
    snprintf(f->last_due, sizeof f->last_due, "%s", destination);
    f->last_due_ms = due_ms;
}

static inline void fixture_on_wish(void *arg, const struct store_wish *wish)
{
    struct fixture *f = arg;
    if (wish->retry) {
        f->nretries++;
        f->last_number = wish->number;
        snprintf(f->last_retry, sizeof f->last_retry, "%s", wish->retry);
    }
    f->nreturns += wish->returns;
    for (size_t i = 0; i < wish->ntaken; i++) {
        assert_true(f->ntaken < 16);
        f->taken[f->ntaken++] = wish->taken[i];
    }
}

static inline int fixture_open_error(struct fixture *f, struct buf *error)
{
    f->loop = loop_new();
    f->mailbox = mailbox_new(f->loop);
    struct store_config config = {
        .dir = f->dir,
        .memory_bytes = f->memory_bytes,
        .disk_threads = 2,
        .history_days = f->history_days,
        .history_bytes = 1u << 30,
        .partial_bytes = f->partial_bytes,
        .vfs = f->vfs,
        .loop = f->loop,
        .notify = f->mailbox,
        .on_queued = fixture_on_queued,
        .on_due = fixture_on_due,
        .on_wish = fixture_on_wish,
        .on_spent = f->on_spent,
        .on_paused = f->on_paused,
        .arg = f,
    };
    int err = store_open(&config, error, &f->store);
    if (err < 0) {
        mailbox_close(f->mailbox);
        loop_free(f->loop);
    }
    return err;
}

static inline void fixture_open(struct fixture *f)
{
    struct buf error;
    buf_init(&error, 1000, 0);
    if (!f->dir[0]) {
        strcpy(f->dir, "/tmp/msa-store-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
    }
    int err = fixture_open_error(f, &error);
    if (err < 0)
        print_error("%.*s\n", SV_ARG(buf_view(&error)));
    assert_int_equal(err, 0);
    buf_deinit(&error);
}

static inline void fixture_forget_queued(struct fixture *f)
{
    while (f->nqueued > 0)
        queue_batch_free(f->queued[--f->nqueued]);
    f->ndue = 0;
}

static inline void fixture_stop_now(void *arg)
{
    loop_stop(((struct fixture *)arg)->loop);
}

static inline void fixture_close(struct fixture *f)
{
    struct timer t;
    store_close(f->store);
    /* Lets what was posted arrive. */
    timer_init(&t, f->loop, fixture_stop_now, f);
    timer_start(&t, 5);
    loop_run(f->loop);
    timer_stop(&t);
    mailbox_close(f->mailbox);
    loop_free(f->loop);
    fixture_forget_queued(f);
}

static inline void fixture_remove(struct fixture *f)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
}

static inline void fixture_too_long(void *arg)
{
    (void)arg;
    fail_msg("no answer within 20 s");
}

static inline void fixture_wait(struct fixture *f)
{
    timer_init(&f->guard, f->loop, fixture_too_long, f);
    timer_start(&f->guard, 20000);
    loop_run(f->loop);
    timer_stop(&f->guard);
    assert_true(f->answered);
    f->answered = false;
}

static inline void fixture_run_for(struct fixture *f, uint64_t ms)
{
    struct timer t;
    timer_init(&t, f->loop, fixture_stop_now, f);
    timer_start(&t, ms);
    while (timer_armed(&t)) /* an answer stops the loop as well */
        loop_run(f->loop);
}

/* Until a callback has set *flag. */
static inline void fixture_until(struct fixture *f, const bool *flag)
{
    uint64_t end_ms = clock_mono_ms() + 20000;
    while (!*flag) {
        assert_true(clock_mono_ms() < end_ms);
        fixture_run_for(f, 2);
    }
}

static inline void fixture_answer(struct fixture *f, int err)
{
    f->err = err;
    f->answered = true;
    loop_stop(f->loop);
}

/* "q00000000000" and four digits. */
static inline const char *fixture_id(unsigned n)
{
    static char id[QUEUE_ID_LEN + 1];
    snprintf(id, sizeof id, "q%011u%04u", 0u, n % 10000);
    return id;
}

static inline struct queue_message *fixture_message(const char *id, const char *content)
{
    struct queue_message *m = queue_message_new();
    strcpy(m->id, id);
    m->received_ms = clock_wall_ms();
    m->reverse_path = "alice@example.net";
    m->login = "alice@example.net";
    m->client = "192.0.2.7";
    m->message_id = arena_printf(&m->arena, "<%s@example.net>", id);
    m->content = block_new(sv_of(content));
    m->size = strlen(content);
    return m;
}

/* Rows from a text like "bob@a.example carol@b.example". */
static inline struct queue_batch *fixture_rows(struct queue_message *m, const char *to)
{
    struct sv list = sv_of(to);
    size_t n = 0;
    for (struct sv rest = list; rest.len > 0; n++)
        sv_split(&rest, ' ');
    struct queue_batch *b = queue_batch_new(m, n);
    for (size_t i = 0; i < n; i++) {
        struct sv address = sv_split(&list, ' ');
        b->rows[i].address = arena_str(&b->arena, address);
        b->rows[i].domain = arena_str(&b->arena, sv_skip(address, sv_find(address, '@') + 1));
    }
    return b;
}

static inline void fixture_on_put(struct store_put *p, int err)
{
    struct fixture *f = p->arg;
    free(p);
    fixture_answer(f, err);
}

static inline int ask_put_rows(struct fixture *f, struct queue_message *m, struct queue_batch *rows)
{
    struct store_put *p = NEW(struct store_put);
    p->reply = f->mailbox;
    p->message = m;
    p->rows = rows;
    p->done = fixture_on_put;
    p->arg = f;
    store_put(f->store, p);
    fixture_wait(f);
    fixture_run_for(f, 2); /* for the notices behind the answer */
    return f->err;
}

static inline int ask_put(struct fixture *f, const char *id, const char *to)
{
    struct queue_message *m = fixture_message(id, "Subject: x\r\n\r\nhello\r\n");
    return ask_put_rows(f, m, fixture_rows(m, to));
}

static inline void fixture_on_claim(struct store_claim *c)
{
    fixture_answer(c->arg, c->err);
}

/* Free with store_claim_free(). */
static inline struct store_claim *ask_claim(struct fixture *f, const char *destination, size_t max)
{
    struct store_claim *c =
        store_claim_new(destination, clock_wall_ms(), max, f->mailbox, fixture_on_claim, f);
    store_claim(f->store, c);
    fixture_wait(f);
    return c;
}

static inline struct store_stats fixture_stats(struct fixture *f)
{
    struct store_stats stats;
    store_get_stats(f->store, &stats);
    return stats;
}

/* Turns for the store: what a failed transaction has left in doubt is decided by the next one, and
 * need not wait for the tick. */
struct fixture_turns {
    struct fixture *f;
    struct timer timer;
    unsigned pending;
};

static inline void fixture_on_turned(struct store_claim *c)
{
    ((struct fixture_turns *)c->arg)->pending--;
    store_claim_free(c);
}

static inline void fixture_next_turn(void *arg)
{
    struct fixture_turns *t = arg;
    t->pending++;
    store_claim(t->f->store, store_claim_new("nobody.example", clock_wall_ms(), 1, t->f->mailbox,
                                             fixture_on_turned, t));
    timer_start(&t->timer, 5);
}

/* As fixture_wait(). */
static inline void fixture_wait_turning(struct fixture *f)
{
    struct fixture_turns t = {.f = f};
    timer_init(&t.timer, f->loop, fixture_next_turn, &t);
    timer_start(&t.timer, 5);
    fixture_wait(f);
    timer_stop(&t.timer);
    while (t.pending > 0)
        fixture_run_for(f, 1);
}

/* Until the store has written, or failed to, so often since it was opened. */
static inline void fixture_wait_written(struct fixture *f, uint64_t times)
{
    bool written = false;
    for (uint64_t end_ms = clock_mono_ms() + 20000; !written; fixture_run_for(f, 2)) {
        struct store_stats stats = fixture_stats(f);
        assert_true(clock_mono_ms() < end_ms);
        written = stats.commits + stats.failed_commits >= times;
    }
}

static inline void fixture_on_record(struct store_record *r, int err)
{
    struct fixture *f = r->arg;
    store_record_free(r);
    fixture_answer(f, err);
}

static inline struct store_record *fixture_record(struct fixture *f, struct queue_batch *batch,
                                                  enum store_verdict verdict, int64_t due_ms)
{
    struct store_record *r = store_record_new(batch, f->mailbox, fixture_on_record, f);
    r->results = arena_alloc(&r->arena, (batch->nrows + 1) * sizeof *r->results);
    r->nresults = batch->nrows;
    for (size_t i = 0; i < batch->nrows; i++)
        r->results[i] = (struct store_result){.number = batch->rows[i].number,
                                              .verdict = verdict,
                                              .due_ms = due_ms,
                                              .status = "4.4.1",
                                              .text = "no answer",
                                              .remote = "mx.example [192.0.2.1]:25"};
    return r;
}

/* Takes batch. */
static inline int ask_record(struct fixture *f, struct queue_batch *batch,
                             enum store_verdict verdict, int64_t due_ms)
{
    store_record(f->store, fixture_record(f, batch, verdict, due_ms));
    fixture_wait(f);
    fixture_run_for(f, 2);
    return f->err;
}

static inline void fixture_on_admin(struct store_admin *a)
{
    fixture_answer(a->arg, a->err);
}

static inline struct store_admin *fixture_admin(struct fixture *f, enum store_admin_op op)
{
    return store_admin_new(op, f->mailbox, fixture_on_admin, f);
}

static inline int ask_admin(struct fixture *f, struct store_admin *a)
{
    store_admin(f->store, a);
    fixture_wait(f);
    fixture_run_for(f, 2);
    return f->err;
}

static inline void fixture_on_due_page(struct store_due *d)
{
    fixture_answer(d->arg, d->err);
}

static inline struct store_due *ask_due(struct fixture *f, int64_t until_ms, size_t max)
{
    struct store_due *d = store_due_new("", until_ms, max, f->mailbox, fixture_on_due_page, f);
    store_due(f->store, d);
    fixture_wait(f);
    return d;
}

static inline void fixture_on_read(struct store_read *r)
{
    fixture_answer(r->arg, r->err);
}

static inline struct store_read *ask_read(struct fixture *f, struct queue_message *m,
                                          uint64_t offset, size_t len)
{
    struct store_read *r = store_read_new(m, offset, len, f->mailbox, fixture_on_read, f);
    store_read_start(f->store, r);
    fixture_wait(f);
    return r;
}

#endif
