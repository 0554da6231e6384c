/*
 * One dead domain with 100,000 due recipients, real store and real scheduler: mail to another
 * domain is delivered at once, and memory holds what is being tried, not what is queued.
 */
#include "msa/loop/clock.h"
#include "msa/base/mem.h"
#include "relay/queue/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MESSAGES 100
#define ROWS     1000 /* of each */
#define LIVE     20
#define SLOW_MS  50 /* a connection that fails takes so long */

/* One job that takes its time. */
struct slow {
    struct timer timer;
    struct sched_job *job;
};

static struct {
    char dir[64];
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct sched *sched;
    struct timer poll, guard;
    unsigned puts, live_sent, live_done;
    uint64_t sent_ms, worst_ms;
    size_t dead_rows, dead_connections, most_rows;
} t;

/* ---- the worker's side ---- */

static void on_recorded(struct store_record *r, int err)
{
    struct sched_job *job = r->arg;
    assert_int_equal(err, 0);
    store_record_free(r);
    sched_job_done(t.sched, job);
}

static void record(struct sched_job *job, enum store_verdict verdict)
{
    struct queue_batch *b = job->batch;
    struct store_record *r = store_record_new(b, t.mailbox, on_recorded, job);
    job->batch = NULL;
    r->nresults = b->nrows;
    r->results = arena_alloc(&r->arena, b->nrows * sizeof *r->results);
    for (size_t i = 0; i < b->nrows; i++)
        r->results[i] = (struct store_result){.number = b->rows[i].number,
                                              .verdict = verdict,
                                              .due_ms = clock_wall_ms() + 3600000,
                                              .status = "4.4.1",
                                              .text = "no answer",
                                              .remote = ""};
    store_record(t.store, r);
}

static void on_slow(void *arg)
{
    struct slow *slow = arg;
    slow->job->end.site_failed = true;
    slow->job->end.slot = SCHED_SLOT_CLOSED;
    t.dead_rows += slow->job->batch->nrows;
    record(slow->job, STORE_DEFERRED);
    free(slow);
}

static void run_job(void *arg, struct sched_job *job)
{
    struct store_stats st;
    (void)arg;
    store_get_stats(t.store, &st);
    t.most_rows = st.claimed_rows > t.most_rows ? st.claimed_rows : t.most_rows;
    if (strcmp(job->destination, "live.test") == 0) {
        uint64_t took_ms = clock_mono_ms() - t.sent_ms;
        t.worst_ms = took_ms > t.worst_ms ? took_ms : t.worst_ms;
        t.live_done++;
        job->end.delivered = true;
        job->end.slot = SCHED_SLOT_CLOSED;
        record(job, STORE_DELIVERED);
    } else if (job->kind == SCHED_DELIVER) {
        struct slow *slow = NEW(struct slow);
        t.dead_connections++;
        slow->job = job;
        timer_init(&slow->timer, t.loop, on_slow, slow);
        timer_start(&slow->timer, SLOW_MS);
    } else {
        t.dead_rows += job->batch->nrows;
        record(job, STORE_DEFERRED);
    }
}

static void resolve(void *arg, const char *destination)
{
    struct sched_route route = {.site = mem_str(destination), .plan = &t, .fresh_ms = 3600000};
    (void)arg;
    sched_resolved(t.sched, destination, &route);
}

static void job_late(void *arg, struct sched_job *job)
{
    (void)arg;
    (void)job;
    fail_msg("late");
}

static void close_slot(void *arg, unsigned worker, uint32_t slot)
{
    (void)arg;
    (void)worker;
    (void)slot;
}

static void *keep_plan(void *plan)
{
    return plan;
}

static void drop_plan(void *plan)
{
    (void)plan;
}

/* ---- the store's side ---- */

static void on_queued(void *arg, struct queue_batch *claimed)
{
    (void)arg;
    sched_on_queued(t.sched, claimed);
}

static void on_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg;
    sched_on_due(t.sched, destination, due_ms);
}

static void on_put(struct store_put *p, int err)
{
    assert_int_equal(err, 0);
    free(p);
    if (--t.puts == 0 && t.live_sent == 0)
        loop_stop(t.loop);
}

static void put(const char *domain, size_t nrows)
{
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    m->received_ms = clock_wall_ms();
    m->reverse_path = "alice@example.net";
    m->content = block_new(SV("Subject: x\r\n\r\nx\r\n"));
    m->size = block_view(m->content).len;
    struct queue_batch *b = queue_batch_new(m, nrows);
    for (size_t i = 0; i < nrows; i++) {
        b->rows[i].address = arena_printf(&b->arena, "u%zu@%s", i, domain);
        b->rows[i].domain = domain;
        b->rows[i].rcpt_params = "";
        b->rows[i].due_ms = m->received_ms - 1000;
    }
    struct store_put *p = NEW(struct store_put);
    p->reply = t.mailbox;
    p->message = m;
    p->rows = b;
    p->done = on_put;
    t.puts++;
    store_put(t.store, p);
}

/* ---- */

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("%zu rows of the dead domain put off, %u messages delivered", t.dead_rows,
             t.live_done);
}

/* Another message as soon as the one before was tried, until the dead domain's rows are done. */
static void on_poll(void *arg)
{
    (void)arg;
    if (t.live_done == t.live_sent && t.live_sent < LIVE) {
        t.sent_ms = clock_mono_ms();
        t.live_sent++;
        put("live.test", 1);
    } else if (t.live_done == LIVE && t.dead_rows == MESSAGES * ROWS) {
        loop_stop(t.loop);
        return;
    }
    timer_start(&t.poll, 10);
}

static void on_idle(void *arg)
{
    loop_stop(arg);
}

static void open_all(void)
{
    static const struct sched_ops ops = {.resolve = resolve,
                                         .run_job = run_job,
                                         .job_late = job_late,
                                         .close_slot = close_slot,
                                         .keep_plan = keep_plan,
                                         .drop_plan = drop_plan};
    struct buf error;
    buf_init(&error, 1000, 0);
    strcpy(t.dir, "/tmp/msa-load-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    t.loop = loop_new();
    t.mailbox = mailbox_new(t.loop);
    struct store_config config = {.dir = t.dir,
                                  .disk_threads = 1,
                                  .loop = t.loop,
                                  .notify = t.mailbox,
                                  .on_queued = on_queued,
                                  .on_due = on_due};
    assert_int_equal(store_open(&config, &error, &t.store), 0);
    t.sched = sched_new(&(struct sched_config){.loop = t.loop,
                                               .mailbox = t.mailbox,
                                               .store = t.store,
                                               .workers = 1,
                                               .per_site = 20,
                                               .slots_max = 1000,
                                               .resolve_max = 200,
                                               .wait_max = 1000,
                                               .wait_ms = 600000,
                                               .retry_ms = 8 * 3600000,
                                               .job_deadline_ms = 3600000,
                                               .ops = &ops});
    timer_init(&t.poll, t.loop, on_poll, NULL);
    timer_init(&t.guard, t.loop, on_guard, NULL);
    timer_start(&t.guard, 100000);
    buf_deinit(&error);
}

static void close_all(void)
{
    char command[100];
    sched_stop(t.sched, on_idle, t.loop);
    loop_run(t.loop);
    timer_stop(&t.guard);
    store_close(t.store);
    mailbox_close(t.mailbox);
    sched_free(t.sched);
    loop_stop(t.loop);
    loop_run(t.loop);
    loop_free(t.loop);
    snprintf(command, sizeof command, "rm -r '%s'", t.dir);
    assert_int_equal(system(command), 0);
}

static void a_dead_domain_delays_nobody(void **state)
{
    struct store_stats st;
    (void)state;
    open_all();
    for (int i = 0; i < MESSAGES; i++)
        put("dead.test", ROWS);
    loop_run(t.loop);
    for (int n = 0; n < 1000; n++) { /* the figures follow the answers */
        store_get_stats(t.store, &st);
        if (st.rows == MESSAGES * ROWS)
            break;
        usleep(1000);
    }
    assert_int_equal(st.rows, MESSAGES * ROWS);
    sched_start(t.sched);
    timer_start(&t.poll, 0);
    loop_run(t.loop);
    print_message("worst %llu ms, %zu connections to the dead host, %zu rows in memory\n",
                  (unsigned long long)t.worst_ms, t.dead_connections, t.most_rows);
    assert_true(t.worst_ms < 2000);
    assert_in_range(t.dead_connections, 1, 20); /* the rest is put off without one */
    assert_in_range(t.most_rows, 1, MESSAGES * ROWS / 10);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_domain_delays_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
