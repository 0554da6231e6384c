/*
 * Start, timeout, restart and end of a child. A child is this program again: main() plays the part
 * that the child's name says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/log.h"
#include "msa/daemon/child.h"
#include "msa/daemon/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct child child;
    struct timer limit;
    unsigned starts, messages, ends, stop_at; /* ends after which no further start is wanted */
    int status, signal;
    bool echo; /* greet each start, and call child_serves() at its answer */
    char said[64];
};

static void on_start(void *arg, struct child *c)
{
    struct world *w = arg;
    w->starts++;
    if (w->echo)
        assert_int_equal(child_send(c, WIRE_COMMIT, SV("hello"), NULL, 0), 0);
}

static void on_message(void *arg, struct child *c, uint32_t type, struct sv payload)
{
    struct world *w = arg;
    w->messages++;
    assert_int_equal(type, WIRE_SERVING);
    snprintf(w->said, sizeof w->said, "%.*s", SV_ARG(payload));
    child_serves(c);
}

static void on_end(void *arg, struct child *c, int status, int signal)
{
    struct world *w = arg;
    w->ends++;
    w->status = status;
    w->signal = signal;
    if (w->ends < w->stop_at)
        return;
    c->stopping = true;
    loop_stop(w->loop);
}

static void on_limit(void *arg)
{
    loop_stop(((struct world *)arg)->loop);
}

static void run_for(struct world *w, uint64_t ms)
{
    timer_start(&w->limit, ms);
    loop_run(w->loop);
    timer_stop(&w->limit);
}

static void start(struct world *w, const char *name, uint64_t start_ms, bool echo, unsigned stop_at)
{
    *w = (struct world){.loop = loop_new(), .echo = echo, .stop_at = stop_at};
    w->child = (struct child){.name = name,
                              .loop = w->loop,
                              .uid = geteuid(),
                              .gid = getegid(),
                              .extra_fd = -1,
                              .start_ms = start_ms,
                              .on_start = on_start,
                              .on_message = on_message,
                              .on_end = on_end,
                              .arg = w};
    timer_init(&w->limit, w->loop, on_limit, w);
    child_init(&w->child);
    assert_int_equal(child_start(&w->child), 0);
    assert_true(child_is_up(&w->child));
}

static void finish(struct world *w)
{
    child_deinit(&w->child);
    loop_free(w->loop);
}

/* One that hangs at its start is killed and started again, each time. */
static void hangs(void **state)
{
    struct world w;
    (void)state;
    start(&w, "hang", 200, true, 2);
    run_for(&w, 20000);
    assert_int_equal(w.starts, 2);
    assert_int_equal(w.ends, 2);
    assert_int_equal(w.messages, 0);
    assert_int_equal(w.signal, SIGKILL);
    assert_false(child_is_up(&w.child));
    assert_int_equal(child_send(&w.child, WIRE_COMMIT, SV(""), NULL, 0), ERR_EOF);
    finish(&w);
}

/* One that has said in time that it serves is left alone. */
static void serves(void **state)
{
    struct world w;
    (void)state;
    start(&w, "echo", 5000, true, 1);
    for (int i = 0; i < 400 && w.messages == 0; i++)
        run_for(&w, 10);
    assert_int_equal(w.messages, 1);
    assert_string_equal(w.said, "hello");
    assert_false(timer_armed(&w.child.late));
    assert_int_equal(w.ends, 0);
    child_kill(&w.child, SIGTERM);
    run_for(&w, 20000);
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.signal, SIGTERM);
    finish(&w);
}

/* Twice at once, then after a pause. */
static void ends_by_itself(void **state)
{
    struct world w;
    (void)state;
    start(&w, "exit", 20000, false, 3);
    run_for(&w, 20000);
    assert_int_equal(w.starts, 3);
    assert_int_equal(w.ends, 3);
    assert_int_equal(w.status, 7);
    assert_int_equal(w.signal, 0);
    assert_int_equal(w.child.restart.pause_ms, 0); /* told to stop before a pause was asked for */
    finish(&w);
    start(&w, "exit", 20000, false, 4);
    run_for(&w, 20000);
    assert_int_equal(w.starts, 4);
    assert_int_equal(w.child.restart.pause_ms, 1000);
    finish(&w);
}

/* A closed channel is the end, even if the process lives on. */
static void closes_its_channel(void **state)
{
    struct world w;
    (void)state;
    start(&w, "close", 20000, false, 1);
    run_for(&w, 20000);
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.signal, SIGKILL);
    finish(&w);
}

/* ---- the children ---- */

static struct chan *echo_chan;

static void child_on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    (void)arg;
    (void)type;
    (void)fds;
    if (nfds > 0 || chan_send(echo_chan, WIRE_SERVING, payload, NULL, 0) < 0)
        _exit(1);
}

static void child_on_end(void *arg, int err)
{
    (void)arg;
    (void)err;
    _exit(0);
}

static int play(const char *name)
{
    static const struct chan_ops ops = {.on_message = child_on_message, .on_end = child_on_end};
    alarm(30);
    if (strcmp(name, "exit") == 0)
        return 7;
    if (strcmp(name, "close") == 0)
        close(WIRE_FD_MASTER);
    if (strcmp(name, "echo") == 0) {
        struct loop *l = loop_new();
        echo_chan = chan_new(l, WIRE_FD_MASTER, &ops, NULL);
        loop_run(l);
    }
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hangs),
        cmocka_unit_test(serves),
        cmocka_unit_test(ends_by_itself),
        cmocka_unit_test(closes_its_channel),
    };
    if (argc > 1 && strncmp(argv[1], "--child=", 8) == 0)
        return play(argv[1] + 8);
    log_setup("test", LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
