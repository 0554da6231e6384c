/*
 * The power fails at each write and sync of a workload, and unsynced writes are dropped, torn and
 * reordered: after the restart each acknowledged message is there exactly once, whole, and what
 * was recorded as delivered is not. The same seed ends the same way twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/queue/store.h"
#include "tests/sim/power_cuts.h"
#include "tests/sim/vfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES    50
#define OUTSTANDING 8

enum state { NEW_ONE, SENT, ACKNOWLEDGED, RECORDING, RECORDED };

static struct world {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    enum state state[MESSAGES];
    unsigned started, answered, to_record;
    bool wait_over;
} w;

struct sending {
    struct content_writer *writer;
    struct queue_message *message; /* its first content is there, which another replaces */
    unsigned n;
};

static void start_next(void);
static void on_finished(void *arg, int err);

static void on_room(void *arg)
{
    (void)arg;
}

static const struct content_writer_ops writer_ops = {.on_room = on_room,
                                                     .on_finished = on_finished};

static size_t size_of(unsigned n)
{
    return n % 5 == 0 ? QUEUE_SMALL_BYTES + 1000 + n : 100 + 200 * n;
}

/* Some have had other content before (filters do that): large before small, small before small,
 * and both before large. */
static size_t size_before(unsigned n)
{
    bool large = n % 10 == 1 || n % 20 == 5, small = n % 10 == 3 || n % 20 == 15;
    return large ? 2 * QUEUE_SMALL_BYTES + n : small ? 50 : 0;
}

static void id_of(unsigned n, char id[QUEUE_ID_LEN + 1])
{
    queue_id_make(id, SIM_WALL_START_MS, n);
}

static int number_of(const char *id)
{
    char its[QUEUE_ID_LEN + 1];
    for (unsigned n = 0; n < MESSAGES; n++) {
        id_of(n, its);
        if (strcmp(id, its) == 0)
            return (int)n;
    }
    return -1;
}

/* ---- the workload ---- */

static void on_record(struct store_record *r, int err)
{
    if (err == 0)
        w.state[(uintptr_t)r->arg] = RECORDED;
    store_record_free(r);
}

/* Every third message is delivered at once, to all its recipients. */
static void on_queued(void *arg, struct queue_batch *b)
{
    (void)arg;
    int n = number_of(b->message->id);
    if (n < 0 || n % 3 != 0) {
        queue_batch_free(b);
        return;
    }
    struct store_record *r = store_record_new(b, w.mailbox, on_record, (void *)(uintptr_t)n);
    r->results = arena_alloc(&r->arena, b->nrows * sizeof *r->results);
    for (size_t i = 0; i < b->nrows; i++)
        r->results[r->nresults++] =
            (struct store_result){.number = b->rows[i].number, .verdict = STORE_DELIVERED};
    w.state[n] = RECORDING;
    store_record(w.store, r);
}

static void on_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg, (void)destination, (void)due_ms;
}

static void on_put(struct store_put *p, int err)
{
    unsigned n = (unsigned)(uintptr_t)p->arg;
    /* The notice may have come before. */
    if (err == 0 && w.state[n] == SENT)
        w.state[n] = ACKNOWLEDGED;
    free(p);
    w.answered++;
    start_next();
}

static void write_content(struct sending *s, char letter, size_t size);

static void on_finished(void *arg, int err)
{
    struct sending *s = arg;
    if (err < 0) {
        content_free(s->writer);
        if (s->message)
            content_give_up(w.store, s->message);
        queue_message_drop(s->message);
        free(s);
        w.answered++;
        start_next();
        return;
    }
    bool again = !s->message && size_before(s->n);
    struct queue_message *m = s->message ? s->message : queue_message_new();
    id_of(s->n, m->id);
    m->received_ms = clock_wall_ms();
    content_take(s->writer, m);
    content_free(s->writer);
    if (again) {
        char temporary[QUEUE_ID_LEN + 1];
        queue_id_make(temporary, SIM_WALL_START_MS + 1, s->n);
        s->message = m;
        s->writer = content_begin_other(w.store, m, temporary, w.mailbox, &writer_ops, s);
        write_content(s, (char)('a' + s->n % 26), size_of(s->n));
        return;
    }
    struct store_put *p = NEW(struct store_put);
    p->message = m;
    size_t rows = s->n % 4 == 0 && s->n % 3 != 0 ? 3 : 1;
    p->rows = queue_batch_new(p->message, rows);
    for (size_t i = 0; i < rows; i++) {
        p->rows->rows[i].address = "b@a.example";
        p->rows->rows[i].domain = i == 2 ? "z.example" : "a.example";
    }
    p->reply = w.mailbox;
    p->done = on_put;
    p->arg = (void *)(uintptr_t)s->n;
    w.state[s->n] = SENT;
    free(s);
    store_put(w.store, p);
}

static void start_next(void)
{
    if (w.started == MESSAGES)
        return;
    struct sending *s = NEW(struct sending);
    char id[QUEUE_ID_LEN + 1];
    s->n = w.started++;
    id_of(s->n, id);
    s->writer = content_begin(w.store, id, w.mailbox, &writer_ops, s);
    if (size_before(s->n))
        write_content(s, '!', size_before(s->n));
    else
        write_content(s, (char)('a' + s->n % 26), size_of(s->n));
}

static void write_content(struct sending *s, char letter, size_t size)
{
    char *bytes = mem_new(1, size);
    memset(bytes, letter, size);
    int err = content_append(s->writer, (struct sv){bytes, size});
    assert_int_equal(err, 0);
    free(bytes);
    content_finish(s->writer);
}

static bool workload_done(void *arg)
{
    (void)arg;
    for (unsigned n = 0; n < MESSAGES; n++)
        if (w.state[n] < ACKNOWLEDGED || w.state[n] == RECORDING ||
            (n % 3 == 0 && w.state[n] != RECORDED))
            return false;
    return true;
}

static int open_store(void)
{
    struct store_config config = {
        .dir = "/queue",
        .memory_bytes = 1 << 20,
        .disk_threads = 2,
        .vfs = SIM_VFS,
        .loop = w.loop = loop_new(),
        .on_queued = on_queued,
        .on_due = on_due,
    };
    config.notify = w.mailbox = mailbox_new(w.loop);
    struct buf error;
    buf_init(&error, 500, 0);
    int err = store_open(&config, &error, &w.store);
    if (err < 0 && !disk_is_off())
        print_error("%.*s\n", SV_ARG(buf_view(&error)));
    buf_deinit(&error);
    return err;
}

/* ---- what must be there ---- */

static void on_admin(struct store_admin *a)
{
    (void)a;
    w.wait_over = true;
}

static void on_read(struct store_read *r)
{
    (void)r;
    w.wait_over = true;
}

static bool wait_over(void *arg)
{
    (void)arg;
    return w.wait_over;
}

static void answer(void)
{
    bool got = sim_run_while_not(wait_over, NULL, 60000);
    assert_true(got);
    w.wait_over = false;
}

static void check_content(unsigned n)
{
    struct queue_message *m = queue_message_new();
    id_of(n, m->id);
    m->spooled = size_of(n) > QUEUE_SMALL_BYTES;
    m->size = size_of(n);
    struct store_read *r = store_read_new(m, 0, 100000, w.mailbox, on_read, NULL);
    queue_message_drop(m);
    store_read_start(w.store, r);
    answer();
    assert_int_equal(r->err, 0);
    struct sv bytes = buf_view(&r->bytes);
    assert_int_equal(bytes.len, size_of(n));
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != 'a' + (int)(n % 26))
            fail_msg("message %u is damaged at %zu", n, i);
    store_read_free(r);
}

static uint64_t check_all(uint64_t seed, uint64_t crash_at)
{
    unsigned rows[MESSAGES] = {0};
    uint64_t outcome = 0;
    struct store_admin *a = store_admin_new(STORE_LIST, w.mailbox, on_admin, NULL);
    a->max = 10000;
    store_admin(w.store, a);
    answer();
    assert_int_equal(a->err, 0);
    for (size_t i = 0; i < a->nlisted; i++) {
        int n = number_of(a->listed[i].id);
        assert_true(n >= 0);
        rows[n]++;
    }
    store_admin_free(a);
    for (unsigned n = 0; n < MESSAGES; n++) {
        unsigned whole = n % 4 == 0 && n % 3 != 0 ? 3 : 1;
        outcome = outcome * 31 + rows[n] + 7 * w.state[n];
        bool good = w.state[n] == ACKNOWLEDGED ? rows[n] == whole
                    : w.state[n] == RECORDED   ? rows[n] == 0
                                               : rows[n] == 0 || rows[n] == whole;
        if (!good)
            fail_msg("seed %llu, crash at %llu: message %u in state %d has %u rows",
                     (unsigned long long)seed, (unsigned long long)crash_at, n, w.state[n],
                     rows[n]);
        if (rows[n] > 0)
            check_content(n);
    }
    return outcome;
}

/* The world with the power failing in operation crash_at (0: never). What came of it, as a number;
 * *ops_out: operations that a run without a crash makes. */
static uint64_t run(uint64_t seed, uint64_t crash_at, uint64_t *ops_out)
{
    memset(&w, 0, sizeof w);
    sim_start(seed);
    disk_crash_at(crash_at);
    if (open_store() == 0) {
        for (unsigned i = 0; i < OUTSTANDING; i++)
            start_next();
        bool done = sim_run_while_not(workload_done, NULL, 60000);
        assert_true(done || disk_is_off());
    }
    power_cut(ops_out);
    int err = open_store();
    assert_int_equal(err, 0);
    uint64_t outcome = check_all(seed, crash_at) ^ sim_fingerprint();
    sim_stop();
    return outcome;
}

static void crash_at_every_operation(void **state)
{
    (void)state;
    power_cuts_everywhere(run);
}

static void same_seed_same_end(void **state)
{
    (void)state;
    power_cuts_repeat(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_end),
        cmocka_unit_test(crash_at_every_operation),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    sim_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
