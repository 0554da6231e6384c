/* The simulated world itself: that it keeps the loop's contracts and repeats itself by seed. */
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "msa/loop/stream.h"
#include "msa/loop/thread.h"
#include "tests/sim/loop/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static struct loop *l;

static int set_up(void **state)
{
    (void)state;
    sim_start(1);
    l = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(l);
    sim_stop();
    return 0;
}

static uint64_t fired_at[8];
static size_t fired;

static void on_timer(void *arg)
{
    (void)arg;
    fired_at[fired++] = sim_now();
}

static void a_day_passes_at_once(void **state)
{
    (void)state;
    struct timer t[3];
    static const uint64_t delays[] = {86400000, 5, 3600000};
    int64_t wall = clock_wall_ms();
    assert_int_equal(wall, SIM_WALL_START_MS);
    fired = 0;
    for (int i = 0; i < 3; i++) {
        timer_init(&t[i], l, on_timer, NULL);
        timer_start(&t[i], delays[i]);
    }
    assert_true(sim_run_until(3600000));
    assert_int_equal(fired, 2);
    assert_int_equal(fired_at[0], 5);
    assert_int_equal(fired_at[1], 3600000);
    assert_true(sim_step());
    assert_int_equal(sim_now(), 86400000);
    assert_false(sim_step());
    assert_int_equal(clock_wall_ms(), wall + 86400000);
    sim_wall_jump(-7200000);
    assert_int_equal(clock_wall_ms(), wall + 86400000 - 7200000);
    assert_int_equal(clock_mono_ms(), 86400000);
}

struct end {
    struct stream *s;
    struct buf got;
    int connects, err, ends, end_err, drains, closes, reads;
    bool echo;
};

static void on_connect(void *arg, int err)
{
    struct end *e = arg;
    e->connects++;
    e->err = err;
}

static void on_read(void *arg, struct sv bytes)
{
    struct end *e = arg;
    e->reads++;
    assert_int_equal(buf_put(&e->got, bytes), 0);
    if (e->echo)
        assert_int_equal(stream_write(e->s, bytes), 0);
}

static void on_end(void *arg, int err)
{
    struct end *e = arg;
    e->ends++;
    e->end_err = err;
}

static void on_drain(void *arg)
{
    struct end *e = arg;
    assert_int_equal(stream_pending(e->s), 0);
    e->drains++;
}

static void on_closed(void *arg)
{
    struct end *e = arg;
    e->closes++;
    e->s = NULL;
}

static const struct stream_ops ops = {on_connect, on_read, on_end, on_drain, on_closed};
static struct end client, server;
static struct listener *ln;
static struct ip_port at;

static void on_accept(void *arg, struct stream *s)
{
    (void)arg;
    server.s = s;
    stream_set_ops(s, &ops, &server);
    stream_read_start(s);
}

static int set_up_net(void **state)
{
    set_up(state);
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    buf_init(&client.got, 10 << 20, 0);
    buf_init(&server.got, 10 << 20, 0);
    assert_true(ip_parse(SV("192.0.2.1"), &at.ip));
    at.port = 25;
    ln = listener_new(l, sim_listen(&at), on_accept, NULL, NULL);
    return 0;
}

static int tear_down_net(void **state)
{
    if (client.s)
        stream_close(client.s);
    if (server.s)
        stream_close(server.s);
    listener_close(ln);
    int result = tear_down(state);
    assert_null(client.s);
    assert_null(server.s);
    buf_deinit(&client.got);
    buf_deinit(&server.got);
    return result;
}

static void connect_client(void)
{
    client.s = stream_connect(l, &at, NULL, &ops, &client);
    assert_int_equal(client.connects, 0);
    sim_run_for(1000);
    assert_int_equal(client.connects, 1);
    stream_read_start(client.s);
}

static void streams_carry_all_in_order(void **state)
{
    (void)state;
    static char bytes[300000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 300);
    sim_net_set(&(struct sim_net){
        .latency_min_ms = 3, .latency_max_ms = 90, .segment_max = 1000, .window = 4096});
    connect_client();
    server.echo = true;
    assert_int_equal(stream_write(client.s, (struct sv){bytes, sizeof bytes}), 0);
    assert_int_equal(stream_pending(client.s), sizeof bytes - 4096);
    stream_shutdown(client.s);
    sim_run_for(3600000);
    assert_int_equal(client.drains, 1);
    assert_int_equal(buf_len(&server.got), sizeof bytes);
    assert_memory_equal(buf_view(&server.got).ptr, bytes, sizeof bytes);
    assert_int_equal(buf_len(&client.got), sizeof bytes);
    assert_memory_equal(buf_view(&client.got).ptr, bytes, sizeof bytes);
    assert_true(server.reads >= 300);
    assert_int_equal(server.end_err, ERR_EOF);
    assert_int_equal(client.ends, 0);
    struct ip_port peer = stream_peer(client.s);
    assert_true(ip_eq(&peer.ip, &at.ip) && peer.port == at.port);
}

static void stopped_reader_holds_the_writer(void **state)
{
    (void)state;
    static char bytes[200000];
    connect_client();
    stream_read_stop(server.s);
    assert_int_equal(stream_write(client.s, (struct sv){bytes, sizeof bytes}), 0);
    sim_run_for(60000);
    assert_int_equal(stream_pending(client.s), sizeof bytes - 65536);
    assert_int_equal(server.reads, 0);
    stream_read_start(server.s);
    sim_run_for(60000);
    assert_int_equal(buf_len(&server.got), sizeof bytes);
}

static void connect_faults(void **state)
{
    (void)state;
    static const struct {
        enum sim_fault fault;
        int err;
        uint64_t after_ms;
    } cases[] = {{SIM_REFUSED, -ECONNREFUSED, 5},
                 {SIM_UNREACH, -ENETUNREACH, 5},
                 {SIM_BLACK_HOLE, -ETIMEDOUT, 127000},
                 {SIM_OK, 0, 5}};
    for (size_t i = 0; i < 4; i++) {
        sim_net_fault(&at, cases[i].fault, 0);
        uint64_t begun = sim_now();
        client.connects = 0;
        client.s = stream_connect(l, &at, NULL, &ops, &client);
        while (!client.connects)
            assert_true(sim_step());
        assert_int_equal(client.err, cases[i].err);
        assert_in_range(sim_now() - begun, cases[i].after_ms == 127000 ? 127000 : 0,
                        cases[i].after_ms);
        if (cases[i].err < 0) {
            stream_close(client.s);
            sim_run_for(10);
        }
    }
    at.port = 26; /* nobody listens */
    client.connects = 0;
    stream_close(client.s);
    sim_run_for(10);
    client.s = stream_connect(l, &at, NULL, &ops, &client);
    sim_run_for(10);
    assert_int_equal(client.err, -ECONNREFUSED);
}

static void reset_and_silence_after_some_bytes(void **state)
{
    (void)state;
    sim_net_fault(&at, SIM_RESET, 10);
    connect_client();
    assert_int_equal(stream_write(client.s, SV("123456789")), 0);
    sim_run_for(1000);
    assert_int_equal(server.ends, 0);
    assert_int_equal(stream_write(client.s, SV("0123")), 0);
    sim_run_for(1000);
    assert_int_equal(server.end_err, -ECONNRESET);
    assert_int_equal(client.end_err, -ECONNRESET);
    assert_int_equal(stream_write(client.s, SV("x")), -ECONNRESET);
    assert_true(buf_len(&server.got) <= 10);
    stream_close(client.s);
    stream_close(server.s);
    sim_run_for(10);

    memset(&client.ends, 0, sizeof client.ends);
    client.connects = server.ends = 0;
    buf_reset(&server.got);
    sim_net_fault(&at, SIM_SILENT, 5);
    connect_client();
    assert_int_equal(stream_write(client.s, SV("hello world")), 0);
    stream_shutdown(client.s);
    sim_run_for(86400000);
    assert_int_equal(buf_len(&server.got), 5);
    assert_int_equal(server.ends, 0);
}

static void close_and_reset_reach_the_peer(void **state)
{
    (void)state;
    connect_client();
    assert_int_equal(stream_write(client.s, SV("last words")), 0);
    stream_close(client.s);
    assert_int_equal(client.closes, 0); /* never from inside the call */
    sim_run_for(1000);
    assert_int_equal(client.closes, 1);
    assert_int_equal(buf_len(&server.got), 10);
    assert_int_equal(server.end_err, ERR_EOF);
    assert_int_equal(stream_write(server.s, SV("anybody there?")), 0);
    stream_close(server.s);
    sim_run_for(10);

    client.connects = 0;
    connect_client();
    stream_reset(client.s);
    sim_run_for(1000);
    assert_int_equal(server.end_err, -ECONNRESET);
}

struct job {
    struct pool_job job;
    struct task task;
    int number;
};

static struct {
    int order[32], count, turns, batched;
    struct mailbox *box;
    struct loop *thread_loop;
    bool finished;
} seen;

static void on_work(struct pool_job *job)
{
    (void)job;
}

static void on_done(struct pool_job *job)
{
    seen.order[seen.count++] = ((struct job *)job)->number;
}

static void on_turn(void *arg, struct task *list)
{
    (void)arg;
    seen.turns++;
    for (; list; list = list->next)
        seen.batched++;
}

static void thread_start(struct loop *loop, void *arg)
{
    (void)arg;
    seen.thread_loop = loop;
    seen.box = mailbox_new(loop);
}

static void thread_finish(void *arg)
{
    (void)arg;
    mailbox_close(seen.box);
    seen.finished = true;
}

static void stop_thread(struct task *task)
{
    (void)task;
    loop_stop(seen.thread_loop);
}

/* Runs 16 jobs, a batch and a loop thread under seed, and returns the fingerprint. */
static uint64_t run_threads(uint64_t seed)
{
    struct job jobs[16];
    struct task tasks[5], stop = {.run = stop_thread};
    memset(&seen, 0, sizeof seen);
    sim_start(seed);
    sim_thread_delay(20);
    struct loop *main_loop = loop_new();
    struct mailbox *reply = mailbox_new(main_loop);
    struct pool *p = pool_start("pool", 4);
    struct batch *b = batch_start("batch", on_turn, NULL);
    struct loop_thread *t = loop_thread_start("thread", thread_start, thread_finish, NULL);
    for (int i = 0; i < 16; i++) {
        jobs[i] = (struct job){.number = i};
        jobs[i].job = (struct pool_job){.reply = reply, .work = on_work, .done = on_done};
        pool_submit(p, &jobs[i].job);
    }
    for (int i = 0; i < 5; i++)
        batch_post(b, &tasks[i]);
    assert_int_equal(seen.count + seen.batched, 0);
    assert_int_equal(pool_waiting(p) + batch_waiting(b), 21);
    sim_run_for(5000);
    assert_int_equal(seen.count, 16);
    assert_int_equal(seen.batched, 5);
    mailbox_post(seen.box, &stop);
    loop_thread_join(t);
    assert_true(seen.finished);
    batch_stop(b);
    pool_stop(p);
    mailbox_close(reply);
    loop_free(main_loop);
    uint64_t print = sim_fingerprint();
    sim_stop();
    return print;
}

static void seeds_decide_and_repeat(void **state)
{
    (void)state;
    int first[16], differing = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t print = run_threads(seed);
        memcpy(first, seen.order, sizeof first);
        assert_true(run_threads(seed) == print);
        assert_memory_equal(first, seen.order, sizeof first);
        for (int i = 0; i < 16; i++)
            if (first[i] != i) {
                differing++;
                break;
            }
    }
    assert_true(differing > 15);
}

static void crash_drops_what_is_in_flight(void **state)
{
    (void)state;
    struct timer t;
    int fd = sim_listen(&(struct ip_port){.ip = at.ip, .port = 99});
    fired = 0;
    timer_init(&t, l, on_timer, NULL);
    timer_start(&t, 10);
    client.s = stream_connect(l, &at, NULL, &ops, &client);
    sim_crash();
    client.s = server.s = NULL;
    assert_false(sim_step());
    assert_int_equal(fired + (size_t)client.connects, 0);
    /* a new program begins with the same ports */
    l = loop_new();
    ln = listener_new(l, sim_listen(&at), on_accept, NULL, NULL);
    assert_int_equal(sim_listen_address(fd).port, 99);
    connect_client();
    assert_int_equal(client.err, 0);
    assert_non_null(server.s);
}

static void files_live_on_the_disk(void **state)
{
    (void)state;
    struct file *f;
    char bytes[16];
    assert_int_equal(file_mkdir("/q"), 0);
    assert_int_equal(file_mkdir("/q"), 0);
    assert_int_equal(file_open("/q/a", FILE_READ, &f), -ENOENT);
    assert_int_equal(file_open("/q/a", FILE_CREATE | FILE_WRITE, &f), 0);
    assert_int_equal(file_write(f, 0, SV("hello")), 0);
    file_close(f);
    assert_int_equal(file_open("/q/a", FILE_CREATE | FILE_WRITE, &f), -EEXIST);
    assert_int_equal(file_open("/q/a", FILE_APPEND, &f), 0);
    assert_int_equal(file_write(f, 0, SV(" world")), 0);
    assert_int_equal(file_size(f), 11);
    assert_int_equal(file_read(f, 6, bytes, sizeof bytes), 5);
    assert_int_equal(file_sync(f), 0);
    file_close(f);
    assert_int_equal(file_sync_dir("/q"), 0);
    disk_power_off();
    assert_int_equal(file_open("/q/a", FILE_READ, &f), -EIO);
    disk_power_on(DISK_LOSS_ALL);
    assert_int_equal(file_open("/q/a", FILE_READ, &f), 0);
    assert_int_equal(file_size(f), 11);
    file_close(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define NET(name)  cmocka_unit_test_setup_teardown(name, set_up_net, tear_down_net)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_day_passes_at_once),
        NET(streams_carry_all_in_order),
        NET(stopped_reader_holds_the_writer),
        NET(connect_faults),
        NET(reset_and_silence_after_some_bytes),
        NET(close_and_reset_reach_the_peer),
        cmocka_unit_test(seeds_decide_and_repeat),
        NET(crash_drops_what_is_in_flight),
        CASE(files_live_on_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
