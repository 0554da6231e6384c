/*
 * The scheduler against a store in memory and a clock that the test moves: this file stands in for
 * the loop's timers, the clock and the store (same symbols), so that a day passes at once and every
 * request can be counted.
 */
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
    claims_made++;
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
        if (rows[i].due_ms > clock_wall_ms())
            rows[i].due_ms = clock_wall_ms();
    a->done(a);
}

static struct queue_batch *batch_of(uint32_t number)
{
    struct queue_batch *b = queue_batch_new(message, 1);
    b->rows[0] = (struct queue_row){.number = number,
                                    .address = "user",
                                    .domain = rows[number].domain,
                                    .due_ms = rows[number].due_ms};
    rows[number].claimed = true;
    return b;
}

static void answer_claim(struct store_claim *c)
{
    c->batches = mem_new(c->max_rows, sizeof *c->batches);
    c->next_due_ms = INT64_MAX;
    for (size_t i = 0; i < nrows; i++) {
        struct row *r = &rows[i];
        if (r->gone || r->claimed || strcmp(r->domain, c->destination) != 0)
            continue;
        if (r->due_ms > c->now_ms) {
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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_due_item *)a)->destination,
                  ((const struct store_due_item *)b)->destination);
}

/* Rows of one domain stand together here, so that a run of them is one item. */
static void answer_due(struct store_due *d)
{
    struct store_due_item *all = mem_new(nrows + 1, sizeof *all);
    size_t n = 0;
    const char *last = NULL;
    for (size_t i = 0; i < nrows; i++) {
        if (rows[i].gone || rows[i].claimed)
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

static void answer_record(struct store_record *r)
{
    for (size_t i = 0; i < r->nresults; i++) {
        assert_int_equal(r->results[i].verdict, STORE_RELEASED);
        rows[r->results[i].number].claimed = false;
        rows_released++;
    }
    r->done(r, 0);
}

/* Answers all that was asked up to now, once. */
static bool store_turn(void)
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
static struct sched_job *out[1024];
static size_t nout, delivers, no_attempts, plans;
static size_t late, closed_slots;
static bool auto_resolve;

static void resolved(const char *destination, const char *site, uint64_t fresh_ms)
{
    struct sched_route r = {.site = mem_str(site), .plan = &plans, .fresh_ms = fresh_ms};
    plans++;
    sched_resolved(sched, destination, &r);
}

static void resolve(void *arg, const char *destination)
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

static void run_job(void *arg, struct sched_job *job)
{
    (void)arg;
    assert_true(nout < 1024);
    out[nout++] = job;
    if (job->kind == SCHED_DELIVER)
        delivers++;
    else
        no_attempts++;
}

static void job_late(void *arg, struct sched_job *job)
{
    (void)arg;
    (void)job;
    late++;
}

static void close_slot(void *arg, unsigned worker, uint32_t slot)
{
    (void)arg;
    (void)worker;
    assert_true(slot > 0);
    closed_slots++;
}

static void *keep_plan(void *plan)
{
    plans++;
    return plan;
}

static void drop_plan(void *plan)
{
    (void)plan;
    assert_true(plans > 0);
    plans--;
}

static const struct sched_ops ops = {resolve, run_job, job_late, close_slot, keep_plan, drop_plan};

enum how { OK, TEMPFAIL, DEAD };

/* The job's results are in the store: delivered, or due again in five minutes. */
static void finish(struct sched_job *job, enum how how)
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
    job->end.site_failed = job->kind == SCHED_DELIVER && how == DEAD;
    if (job->end.site_failed)
        snprintf(job->end.text, sizeof job->end.text, "connection refused");
    job->end.next_due_ms = row->gone ? INT64_MAX : row->due_ms;
    sched_job_done(sched, job);
}

static enum how by_domain(const char *destination)
{
    return strncmp(destination, "dead", 4) == 0 ? DEAD : OK;
}

/* Runs until nothing moves, jobs done as they come; at most turns rounds. */
static void settle(size_t turns)
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

static void pass(uint64_t ms)
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

static size_t add_rows(const char *domain, size_t n, int64_t due_ms)
{
    assert_true(nrows + n <= ROWS_MAX);
    for (size_t i = 0; i < n; i++)
        rows[nrows++] = (struct row){.domain = domain, .due_ms = due_ms};
    return nrows - n;
}

static size_t gone(const char *domain)
{
    size_t n = 0;
    for (size_t i = 0; i < nrows; i++)
        n += rows[i].gone && strcmp(rows[i].domain, domain) == 0;
    return n;
}

static bool idle;

static void on_idle(void *arg)
{
    (void)arg;
    idle = true;
}

static int set_up(void **state)
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
    sched = sched_new(&(struct sched_config){.workers = 2,
                                             .per_site = 10,
                                             .slots_max = 20,
                                             .resolve_max = 3,
                                             .wait_max = 5,
                                             .wait_ms = 600000,
                                             .job_deadline_ms = 3600000,
                                             .ops = &ops});
    return 0;
}

static int tear_down(void **state)
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
    queue_message_drop(message);
    free(rows);
    return 0;
}

/* ---- cases ---- */

static void delivers_what_is_due_at_start(void **state)
{
    (void)state;
    add_rows("a.test", 30, WALL0);
    add_rows("b.test", 1, WALL0);
    sched_start(sched);
    settle(1000);
    assert_int_equal(gone("a.test"), 30);
    assert_int_equal(gone("b.test"), 1);
    assert_int_equal(resolves_made, 2);
}

static void in_memory_path_needs_no_claim(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    assert_int_equal(nout, 1);
    assert_int_equal(claims_made, 0);
    assert_string_equal(out[0]->site, "a.test");
    finish(out[0], OK);
}

static void an_idle_connection_goes_first(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 3, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    uint32_t slot = out[0]->slot;
    unsigned worker = out[0]->worker;
    finish(out[0], OK);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    assert_int_equal(out[0]->slot, slot);
    assert_int_equal(out[0]->worker, worker);
    finish(out[0], OK);
    sched_slot_closed(sched, slot);
    sched_on_queued(sched, batch_of((uint32_t)i + 2));
    assert_int_not_equal(out[0]->slot, slot);
    finish(out[0], OK);
}

static void waiting_is_bounded_and_the_rest_given_back(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 12, WALL0);
    for (uint32_t j = 0; j < 12; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.waiting, 5);
    store_turn();
    assert_int_equal(rows_released, 7);
    resolved("a.test", "mx", 60000);
    settle(100);
    assert_int_equal(gone("a.test"), 12);
}

static void resolving_is_bounded_and_holds_nobody_else(void **state)
{
    (void)state;
    static char names[40][32];
    auto_resolve = false;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "d%02d.test", i);
        add_rows(names[i], 1, WALL0);
    }
    sched_start(sched);
    settle(10);
    assert_int_equal(nasking, 3);
    /* two never answer: the others go on, one at a time */
    for (int i = 0; i < 38; i++) {
        char name[64];
        memcpy(name, asking[nasking - 1], sizeof name);
        nasking--;
        resolved(name, name, 60000);
        settle(10);
    }
    size_t done = 0;
    for (int i = 0; i < 40; i++)
        done += gone(names[i]);
    assert_int_equal(done, 38);
    resolved(asking[0], asking[0], 60000);
    resolved(asking[1], asking[1], 60000);
}

/* Rows of a destination are claimed only when there is a slot for them. */
static void claims_wait_for_slots(void **state)
{
    (void)state;
    add_rows("a.test", 500, WALL0);
    sched_start(sched);
    for (int i = 0; i < 20; i++)
        store_turn();
    assert_int_equal(nout, 4);
    assert_true(rows_claimed <= 100);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_true(st.waiting <= 100);
    settle(2000);
    assert_int_equal(gone("a.test"), 500);
}

static void slots_grow_with_success_up_to_per_site(void **state)
{
    (void)state;
    add_rows("a.test", 200, WALL0);
    sched_start(sched);
    size_t most = 0;
    for (int i = 0; i < 400; i++) {
        store_turn();
        most = nout > most ? nout : most;
        if (i == 3)
            assert_int_equal(nout, 4);
        if (nout && i > 3)
            finish(out[0], OK);
    }
    assert_int_equal(most, 10);
    assert_int_equal(gone("a.test"), 200);
}

static void destinations_of_a_site_take_turns(void **state)
{
    (void)state;
    auto_resolve = false;
    add_rows("a.test", 60, WALL0);
    add_rows("b.test", 3, WALL0);
    sched_start(sched);
    settle(10);
    resolved("a.test", "mx", 600000);
    resolved("b.test", "mx", 600000);
    for (int i = 0; i < 14; i++) {
        store_turn();
        if (nout)
            finish(out[0], OK);
    }
    assert_int_equal(gone("b.test"), 3); /* not behind the 60 */
    assert_true(gone("a.test") < 14);
    settle(1000);
}

/* 100,000 due rows of a dead domain: another domain's message goes at once, and the dead one costs
 * a bounded number of attempts. */
static void a_dead_domain_delays_nobody(void **state)
{
    (void)state;
    add_rows("dead.test", 100000, WALL0);
    sched_start(sched);
    settle(5);
    size_t before = delivers + no_attempts;
    size_t i = add_rows("good.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    assert_int_equal(nout > 0 && strcmp(out[nout - 1]->destination, "good.test") == 0, 1);
    settle(1);
    assert_int_equal(gone("good.test"), 1);
    assert_true(delivers + no_attempts - before < 50);
    /* rows that were due before in the store, too */
    add_rows("later.test", 1, WALL0);
    pass(61000);
    settle(4);
    assert_int_equal(gone("later.test"), 1);
    settle(20000);
    assert_true(delivers < 2 + 20); /* the dead one was tried a few times only */
    size_t put_off = 0;
    for (size_t j = 0; j < 100000; j++)
        put_off += rows[j].due_ms > clock_wall_ms();
    assert_int_equal(put_off, 100000);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.waiting, 0);
    assert_int_equal(st.sites_down, 1);
}

static void a_dead_site_is_probed_by_one_job(void **state)
{
    (void)state;
    add_rows("dead.test", 20, WALL0);
    sched_start(sched);
    settle(100);
    size_t tried = delivers;
    assert_in_range(tried, 2, 4);
    assert_int_equal(no_attempts, 20 - tried);
    pass(299000); /* the rows are due again in a second, the pause is over */
    store_turn();
    assert_int_equal(nout, 0);
    pass(62000);
    for (int i = 0; i < 10; i++)
        store_turn();
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    struct sched_job *probe = out[0];
    finish(probe, OK); /* alive again: the others follow */
    for (int i = 0; i < 10; i++)
        store_turn();
    assert_true(nout > 1);
    while (nout)
        finish(out[0], OK);
    settle(100);
    assert_int_equal(gone("dead.test"), 20);
}

static void a_failed_route_ends_rows_without_a_slot(void **state)
{
    (void)state;
    auto_resolve = false;
    add_rows("no.test", 3, WALL0);
    add_rows("dns.test", 2, WALL0);
    sched_start(sched);
    store_turn();
    assert_int_equal(nasking, 2);
    sched_resolved(sched, "no.test",
                   &(struct sched_route){.failed = true,
                                         .fresh_ms = 1000,
                                         .status = mem_str("5.1.2"),
                                         .text = mem_str("no such domain")});
    sched_resolved(sched, "dns.test",
                   &(struct sched_route){.deferred = true,
                                         .fresh_ms = 0,
                                         .status = mem_str("4.4.3"),
                                         .text = mem_str("no answer")});
    store_turn();
    assert_int_equal(nout, 5);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.slots, 0);
    size_t failed = 0;
    for (size_t i = 0; i < nout; i++) {
        bool fails = out[i]->kind == SCHED_FAIL;
        failed += fails;
        assert_int_equal(out[i]->slot, 0);
        assert_string_equal(out[i]->status, fails ? "5.1.2" : "4.4.3");
        assert_string_equal(out[i]->destination, fails ? "no.test" : "dns.test");
    }
    assert_int_equal(failed, 3);
    settle(10);
    assert_int_equal(gone("no.test"), 3);
}

static void a_stale_route_is_asked_again(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 3, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    resolved("a.test", "mx1", 60000);
    finish(out[0], OK);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    assert_int_equal(resolves_made, 1);
    finish(out[0], OK);
    pass(60001);
    sched_on_queued(sched, batch_of((uint32_t)i + 2));
    assert_int_equal(resolves_made, 2);
    resolved("a.test", "mx2", 60000);
    assert_string_equal(out[0]->site, "mx2");
    finish(out[0], OK);
}

static void waiting_too_long_is_put_off(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 6, WALL0);
    for (uint32_t j = 0; j < 6; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    assert_int_equal(nout, 4);
    pass(605001); /* the four hang */
    assert_int_equal(nout, 6);
    assert_int_equal(out[4]->kind, SCHED_DEFER);
    assert_int_equal(out[5]->kind, SCHED_DEFER);
    while (nout)
        finish(out[0], OK);
}

static void a_late_job_gives_its_slot_back(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 4, WALL0);
    for (uint32_t j = 0; j < 4; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    pass(3605001);
    store_turn();
    assert_int_equal(late, 4);
    add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i + 4));
    assert_int_equal(nout, 5); /* its slot is a new one */
    pass(10000);
    assert_int_equal(late, 4); /* told once */
    while (nout)
        finish(out[0], OK);
}

static void slots_of_all_sites_are_bounded(void **state)
{
    (void)state;
    static char names[30][32];
    sched_start(sched);
    settle(10);
    size_t first = nrows;
    for (int i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "s%02d.test", i);
        add_rows(names[i], 1, WALL0);
        sched_on_queued(sched, batch_of((uint32_t)first + (uint32_t)i));
    }
    assert_int_equal(nout, 20);
    /* a finished one is idle; its connection is closed for one that has none */
    finish(out[0], OK);
    assert_int_equal(closed_slots, 1);
    assert_int_equal(nout, 20);
    settle(100);
    for (int i = 0; i < 30; i++)
        assert_int_equal(gone(names[i]), 1);
}

static void wake_forgets_back_off(void **state)
{
    (void)state;
    size_t first = add_rows("dead.test", 5, WALL0);
    sched_start(sched);
    settle(100);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
    for (size_t i = first; i < nrows; i++)
        rows[i].due_ms = clock_wall_ms();
    sched_wake(sched);
    for (int i = 0; i < 4; i++)
        store_turn();
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    finish(out[0], OK);
    for (int i = 0; i < 4; i++)
        store_turn();
    while (nout)
        finish(out[0], OK);
}

static void what_falls_due_later_is_found(void **state)
{
    (void)state;
    add_rows("a.test", 1, WALL0 + 20000);
    add_rows("b.test", 1, WALL0 + 7200000);
    sched_start(sched);
    settle(10);
    assert_int_equal(delivers, 0);
    for (int i = 0; i < 22; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("a.test"), 1);
    sched_on_due(sched, "c.test", WALL0 + 40000);
    add_rows("c.test", 1, WALL0 + 40000);
    for (int i = 0; i < 22; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("c.test"), 1);
    for (int i = 0; i < 125; i++) {
        pass(60000);
        settle(10);
    }
    assert_int_equal(gone("b.test"), 1);
    struct sched_stats st;
    sched_slot_closed(sched, 1);
    pass(3700000);
    settle(10);
    sched_get_stats(sched, &st);
    assert_int_equal(st.destinations, 0); /* nothing to do: nothing kept */
}

static void submit_with(const char *login, const char *domain, uint64_t size, int priority)
{
    struct queue_message *m = queue_message_new(), *kept = message;
    m->login = arena_str(&m->arena, sv_of(login));
    m->size = size;
    m->priority = (int8_t)priority;
    message = m;
    sched_on_queued(sched, batch_of((uint32_t)add_rows(domain, 1, WALL0)));
    message = kept;
    queue_message_drop(m);
}

static void submit(const char *login, const char *domain, uint64_t size)
{
    submit_with(login, domain, size, 0);
}

/* Logins take turns, and what is small goes before what is large; nobody waits for ever. */
static void a_bulk_sender_delays_nobody(void **state)
{
    static const char *const order[] = {"bulk", "alice", "bob", "bulk", "carol"};
    (void)state;
    sched_start(sched);
    settle(10);
    sched_set_per_site(sched, 1);
    submit("first", "a.test", 1); /* takes the only connection */
    assert_int_equal(nout, 1);
    submit("carol", "a.test", 10u << 20);
    submit("bulk", "a.test", 1);
    submit("bulk", "a.test", 1);
    submit("alice", "a.test", 1);
    submit("bob", "a.test", 1);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        finish(out[0], OK);
        assert_int_equal(nout, 1);
        assert_string_equal(out[0]->batch->message->login, order[i]);
    }
    finish(out[0], OK);
}

/* Whatever its size or login: a higher priority first, the same one in turn. */
static void priority_goes_first(void **state)
{
    static const char *const order[] = {"urgent", "high", "high2", "normal", "bulk"};
    (void)state;
    sched_start(sched);
    settle(10);
    sched_set_per_site(sched, 1);
    submit("first", "a.test", 1);
    submit_with("bulk", "a.test", 1, -9);
    submit_with("normal", "a.test", 1, 0);
    submit_with("high", "a.test", 1, 3);
    submit_with("high2", "a.test", 10u << 20, 3);
    submit_with("urgent", "a.test", 10u << 20, 9);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        finish(out[0], OK);
        assert_int_equal(nout, 1);
        assert_string_equal(out[0]->batch->message->login, order[i]);
    }
    finish(out[0], OK);
}

/* By a year forward: what waits is tried, no older than it is. And back: what would wait for a
 * year is tried too. */
static void the_wall_clock_jumps(void **state)
{
    (void)state;
    const int64_t year_ms = INT64_C(365) * 86400000;
    message->received_ms = clock_wall_ms();
    add_rows("a.test", 1, WALL0 + 7200000);
    sched_start(sched);
    pass(60000);
    settle(10);
    assert_int_equal(delivers, 0);
    wall_jump_ms = year_ms;
    for (int i = 0; i < 70 && nout == 0; i++) {
        pass(1000);
        store_turn();
    }
    assert_int_equal(nout, 1);
    assert_in_range(out[0]->age_ms, 60000, 140000);
    settle(10);
    assert_int_equal(gone("a.test"), 1);

    add_rows("b.test", 1, clock_wall_ms() + 7200000);
    wall_jump_ms = 0;
    for (int i = 0; i < 70; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("b.test"), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(delivers_what_is_due_at_start),
        CASE(in_memory_path_needs_no_claim),
        CASE(an_idle_connection_goes_first),
        CASE(waiting_is_bounded_and_the_rest_given_back),
        CASE(resolving_is_bounded_and_holds_nobody_else),
        CASE(claims_wait_for_slots),
        CASE(slots_grow_with_success_up_to_per_site),
        CASE(destinations_of_a_site_take_turns),
        CASE(a_dead_domain_delays_nobody),
        CASE(a_dead_site_is_probed_by_one_job),
        CASE(a_failed_route_ends_rows_without_a_slot),
        CASE(a_stale_route_is_asked_again),
        CASE(waiting_too_long_is_put_off),
        CASE(a_late_job_gives_its_slot_back),
        CASE(slots_of_all_sites_are_bounded),
        CASE(wake_forgets_back_off),
        CASE(what_falls_due_later_is_found),
        CASE(the_wall_clock_jumps),
        CASE(a_bulk_sender_delays_nobody),
        CASE(priority_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
