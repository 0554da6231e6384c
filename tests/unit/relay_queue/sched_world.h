/*
 * sched_world.h - the scheduler against a store in memory and a clock that the test moves: this
 * file stands in for the loop's timers, the clock and the store (same symbols), so that a day
 * passes at once and every request can be counted. It also is the scheduler's owner; set_up and
 * tear_down for the tests of its themes. One of a program includes it.
 */
#ifndef TESTS_UNIT_RELAY_QUEUE_SCHED_WORLD_H
#define TESTS_UNIT_RELAY_QUEUE_SCHED_WORLD_H

#include "relay/queue/sched.h"

#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- time ---- */

#define WALL0  INT64_C(1700000000000)
#define TIMERS 16

static uint64_t now_ms;
static int64_t wall_jump_ms;
static struct timer *timers[TIMERS];

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return now_ms;
}

int64_t clock_wall_ms(void)
{
    return WALL0 + (int64_t)now_ms + wall_jump_ms;
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){.loop = l, .fire = fire, .arg = arg};
}

void timer_stop(struct timer *t)
{
    if (t->slot)
        timers[t->slot - 1] = NULL;
    t->slot = 0;
}

void timer_start(struct timer *t, uint64_t delay_ms)
{
    timer_stop(t);
    size_t i = 0;
    while (timers[i])
        assert_true(++i < TIMERS);
    timers[i] = t;
    t->slot = i + 1;
    t->due_ms = now_ms + delay_ms;
}

/* ---- store: rows in memory, answers when the test says so ---- */

#define ROWS_MAX 200000

struct row {
    const char *domain;
    int64_t due_ms;
    bool claimed, gone;
    bool held, returned;           /* by the operator */
    struct queue_message *message; /* NULL: the one below; a reference */
};

static struct row *rows;
static size_t nrows;
static struct queue_message *message;
static struct {
    struct store_claim *claims[4096];
    size_t nclaims;
    struct store_due *dues[16];
    size_t ndues;
    struct store_record *records[8192];
    size_t nrecords;
} asked;
static size_t claims_made, rows_claimed, rows_released;

struct store_claim *store_claim_new(const char *destination, int64_t at_ms, size_t max_rows,
                                    struct mailbox *reply, void (*done)(struct store_claim *c),
                                    void *arg)
{
    struct store_claim *c = NEW(struct store_claim);
    *c = (struct store_claim){.reply = reply,
                              .destination = mem_str(destination),
                              .now_ms = at_ms,
                              .max_rows = max_rows,
                              .done = done,
                              .arg = arg};
    return c;
}

void store_claim_free(struct store_claim *c)
{
    for (size_t i = 0; i < c->nbatches; i++)
        if (c->batches[i])
            queue_batch_free(c->batches[i]);
    free(c->batches);
    free((char *)(uintptr_t)c->destination);
    free(c);
}

void store_claim(struct store *s, struct store_claim *c)
{
    (void)s;
    assert_true(asked.nclaims < 4096);
    asked.claims[asked.nclaims++] = c;
    claims_made += !c->returned;
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    (void)s;
    *out = (struct store_stats){.rows = nrows};
}

struct store_due *store_due_new(const char *after, int64_t until_ms, size_t max,
                                struct mailbox *reply, void (*done)(struct store_due *d), void *arg)
{
    struct store_due *d = NEW(struct store_due);
    *d = (struct store_due){.reply = reply,
                            .after = mem_str(after),
                            .until_ms = until_ms,
                            .max = max,
                            .done = done,
                            .arg = arg,
                            .next_ms = INT64_MAX};
    return d;
}

void store_due_free(struct store_due *d)
{
    for (size_t i = 0; i < d->nitems; i++)
        free(d->items[i].destination);
    free(d->items);
    free(d->after);
    free(d);
}

void store_due(struct store *s, struct store_due *d)
{
    (void)s;
    asked.dues[asked.ndues++] = d;
}

struct store_record *store_record_new(struct queue_batch *batch, struct mailbox *reply,
                                      void (*done)(struct store_record *r, int err), void *arg)
{
    struct store_record *r = NEW(struct store_record);
    *r = (struct store_record){.reply = reply, .batch = batch, .done = done, .arg = arg};
    arena_init(&r->arena);
    return r;
}

void store_record_free(struct store_record *r)
{
    if (r->batch)
        queue_batch_free(r->batch);
    arena_deinit(&r->arena);
    free(r);
}

void store_record(struct store *s, struct store_record *r)
{
    (void)s;
    assert_true(asked.nrecords < 8192);
    asked.records[asked.nrecords++] = r;
}

struct store_admin *store_admin_new(enum store_admin_op op, struct mailbox *reply,
                                    void (*done)(struct store_admin *a), void *arg)
{
    struct store_admin *a = NEW(struct store_admin);
    *a = (struct store_admin){.op = op, .reply = reply, .done = done, .arg = arg};
    return a;
}

void store_admin_free(struct store_admin *a)
{
    free(a);
}

/* At once, as the scheduler does not care. */
void store_admin(struct store *s, struct store_admin *a)
{
    (void)s;
    assert_int_equal(a->op, STORE_RETRY);
    for (size_t i = 0; i < nrows; i++)
        if (rows[i].due_ms > clock_wall_ms() && rows[i].due_ms > a->filter.due_after_ms)
            rows[i].due_ms = clock_wall_ms();
    a->done(a);
}

static inline struct queue_batch *batch_of(uint32_t number)
{
    struct queue_message *of = rows[number].message;
    struct queue_batch *b = queue_batch_new(of ? of : message, 1);
    b->rows[0] = (struct queue_row){.number = number,
                                    .address = "user",
                                    .domain = rows[number].domain,
                                    .due_ms = rows[number].due_ms};
    rows[number].claimed = true;
    return b;
}

static inline void answer_claim(struct store_claim *c)
{
    c->batches = mem_new(c->max_rows, sizeof *c->batches);
    c->next_due_ms = INT64_MAX;
    for (size_t i = 0; i < nrows; i++) {
        struct row *r = &rows[i];
        if (r->gone || r->claimed || r->held || r->returned != c->returned ||
            (!c->returned && strcmp(r->domain, c->destination) != 0))
            continue;
        if (r->due_ms > c->now_ms && !c->returned) {
            c->next_due_ms = r->due_ms < c->next_due_ms ? r->due_ms : c->next_due_ms;
        } else if (c->nbatches == c->max_rows) {
            c->more = true;
            break;
        } else {
            c->batches[c->nbatches++] = batch_of((uint32_t)i);
            rows_claimed++;
        }
    }
    c->done(c);
}

static inline int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_due_item *)a)->destination,
                  ((const struct store_due_item *)b)->destination);
}

/* Rows of one domain stand together here, so that a run of them is one item. */
static inline void answer_due(struct store_due *d)
{
    struct store_due_item *all = mem_new(nrows + 1, sizeof *all);
    size_t n = 0;
    const char *last = NULL;
    for (size_t i = 0; i < nrows; i++) {
        if (rows[i].gone || rows[i].claimed || rows[i].held || rows[i].returned)
            continue;
        if (rows[i].due_ms > d->until_ms)
            d->next_ms = rows[i].due_ms < d->next_ms ? rows[i].due_ms : d->next_ms;
        else if ((!last || strcmp(last, rows[i].domain) != 0) &&
                 strcmp(rows[i].domain, d->after) > 0)
            all[n++] = (struct store_due_item){mem_str(last = rows[i].domain), rows[i].due_ms};
    }
    qsort(all, n, sizeof *all, by_name);
    d->more = n > d->max;
    for (size_t i = d->max; i < n; i++)
        free(all[i].destination);
    d->items = all;
    d->nitems = n > d->max ? d->max : n;
    if (d->more) {
        free(d->after);
        d->after = mem_str(all[d->nitems - 1].destination);
    }
    d->done(d);
}

static inline void answer_record(struct store_record *r)
{
    for (size_t i = 0; i < r->nresults; i++) {
        assert_int_equal(r->results[i].verdict, STORE_RELEASED);
        rows[r->results[i].number].claimed = false;
        rows_released++;
    }
    r->done(r, 0);
}

/* Answers all that was asked up to now, once. */
static inline bool store_turn(void)
{
    bool any = false;
    while (asked.nrecords) {
        struct store_record *r = asked.records[0];
        memmove(asked.records, asked.records + 1, --asked.nrecords * sizeof(void *));
        answer_record(r);
        any = true;
    }
    while (asked.ndues) {
        answer_due(asked.dues[--asked.ndues]);
        any = true;
    }
    size_t n = asked.nclaims;
    for (size_t i = 0; i < n; i++) {
        struct store_claim *c = asked.claims[0];
        memmove(asked.claims, asked.claims + 1, --asked.nclaims * sizeof(void *));
        answer_claim(c);
        any = true;
    }
    return any;
}

/* ---- the owner's side ---- */

static struct sched *sched;
static char asking[64][64];
static size_t nasking, resolves_made;
#define OUT_MAX 8192
static struct sched_job *out[OUT_MAX];
static size_t nout, delivers, no_attempts, plans;
static size_t late, closed_slots;
static bool auto_resolve;
static size_t slots_max = 20, resolve_max = 4;
static struct sched_limits limits; /* of each site that is resolved */

static inline void resolved(const char *destination, const char *site, uint64_t fresh_ms)
{
    struct sched_route r = {
        .site = mem_str(site), .plan = &plans, .fresh_ms = fresh_ms, .limits = limits};
    plans++;
    sched_resolved(sched, destination, &r);
}

static inline void resolve(void *arg, const char *destination)
{
    (void)arg;
    resolves_made++;
    if (auto_resolve) {
        resolved(destination, destination, 3600000);
        return;
    }
    assert_true(nasking < 64);
    snprintf(asking[nasking++], sizeof asking[0], "%s", destination);
}

static inline void run_job(void *arg, struct sched_job *job)
{
    (void)arg;
    assert_true(nout < OUT_MAX);
    out[nout++] = job;
    if (job->kind == SCHED_DELIVER)
        delivers++;
    else
        no_attempts++;
}

static inline void job_late(void *arg, struct sched_job *job)
{
    (void)arg;
    (void)job;
    late++;
}

static inline void close_slot(void *arg, unsigned worker, uint32_t slot)
{
    (void)arg;
    (void)worker;
    assert_true(slot > 0);
    closed_slots++;
}

static inline void *keep_plan(void *plan)
{
    plans++;
    return plan;
}

static inline void drop_plan(void *plan)
{
    (void)plan;
    assert_true(plans > 0);
    plans--;
}

static const char *own_way; /* the login whose mail goes another way; NULL: nobody's */

static inline char *destination_of(void *arg, const char *domain, const struct queue_message *m)
{
    (void)arg;
    char name[80];
    snprintf(name, sizeof name, "%s@7", domain);
    return own_way && strcmp(m->login, own_way) == 0 ? mem_str(name) : NULL;
}

static inline bool has_ways(void *arg, const char *domain)
{
    (void)arg;
    (void)domain;
    return own_way != NULL;
}

static const struct sched_ops ops = {resolve,   run_job,   job_late,       close_slot,
                                     keep_plan, drop_plan, destination_of, has_ways};

enum how { OK, TEMPFAIL, DEAD, POLICY };

/* The job's results are in the store: delivered, or due again in five minutes. */
static inline void finish(struct sched_job *job, enum how how)
{
    size_t i = 0;
    while (out[i] != job)
        assert_true(++i < nout);
    memmove(out + i, out + i + 1, (--nout - i) * sizeof *out);
    struct row *row = &rows[job->batch->rows[0].number];
    bool sent = job->kind == SCHED_DELIVER && how == OK;
    row->gone = sent || job->kind == SCHED_FAIL;
    row->claimed = false;
    row->due_ms = clock_wall_ms() + 300000;
    job->end.slot = sent ? SCHED_SLOT_IDLE : SCHED_SLOT_CLOSED;
    job->end.delivered = sent;
    job->end.site_failed = job->kind == SCHED_DELIVER && (how == DEAD || how == POLICY);
    job->end.by_policy = how == POLICY;
    if (job->end.site_failed)
        snprintf(job->end.text, sizeof job->end.text, "connection refused");
    job->end.next_due_ms = row->gone ? INT64_MAX : row->due_ms;
    sched_job_done(sched, job);
}

static inline enum how by_domain(const char *destination)
{
    return strncmp(destination, "dead", 4) == 0 ? DEAD : OK;
}

/* Runs until nothing moves, jobs done as they come; at most turns rounds. */
static inline void settle(size_t turns)
{
    for (size_t i = 0; i < turns; i++) {
        bool any = store_turn();
        size_t n = nout;
        for (size_t j = 0; j < n; j++, any = true)
            finish(out[0], by_domain(out[0]->destination));
        if (!any)
            return;
    }
}

static inline void pass(uint64_t ms)
{
    uint64_t until = now_ms + ms;
    for (;;) {
        struct timer *first = NULL;
        for (size_t i = 0; i < TIMERS; i++)
            if (timers[i] && (!first || timers[i]->due_ms < first->due_ms))
                first = timers[i];
        if (!first || first->due_ms > until)
            break;
        now_ms = first->due_ms > now_ms ? first->due_ms : now_ms;
        timer_stop(first);
        first->fire(first->arg);
    }
    now_ms = until;
}

static inline size_t add_rows(const char *domain, size_t n, int64_t due_ms)
{
    assert_true(nrows + n <= ROWS_MAX);
    for (size_t i = 0; i < n; i++)
        rows[nrows++] = (struct row){.domain = domain, .due_ms = due_ms};
    return nrows - n;
}

static inline size_t gone(const char *domain)
{
    size_t n = 0;
    for (size_t i = 0; i < nrows; i++)
        n += rows[i].gone && strcmp(rows[i].domain, domain) == 0;
    return n;
}

static bool idle;

static inline void on_idle(void *arg)
{
    (void)arg;
    idle = true;
}

static inline int set_up(void **state)
{
    (void)state;
    rows = mem_new(ROWS_MAX, sizeof *rows);
    message = queue_message_new();
    memcpy(message->id, "0123456789abcdef", 17);
    nrows = nasking = resolves_made = nout = delivers = no_attempts = plans = late = 0;
    claims_made = rows_claimed = rows_released = closed_slots = 0;
    memset(&asked, 0, sizeof asked);
    memset(timers, 0, sizeof timers);
    now_ms = 1000;
    wall_jump_ms = 0;
    auto_resolve = true;
    limits = (struct sched_limits){0};
    own_way = NULL;
    sched = sched_new(&(struct sched_config){.workers = 2,
                                             .per_site = 10,
                                             .slots_max = slots_max,
                                             .resolve_max = resolve_max,
                                             .wait_max = 5,
                                             .wait_ms = 600000,
                                             .retry_ms = 8 * 3600000,
                                             .job_deadline_ms = 3600000,
                                             .ops = &ops});
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    idle = false;
    sched_stop(sched, on_idle, NULL);
    for (int i = 0; i < 1000 && (nout || store_turn()); i++)
        while (nout)
            finish(out[0], OK);
    pass(10);
    assert_true(idle);
    sched_free(sched);
    assert_int_equal(plans, 0);
    for (size_t i = 0; i < nrows; i++)
        queue_message_drop(rows[i].message);
    queue_message_drop(message);
    free(rows);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
