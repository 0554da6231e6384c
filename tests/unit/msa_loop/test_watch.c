#include "msa/loop/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *l;
static int calls, events;

static void on_ready(void *arg, int ready)
{
    assert_ptr_equal(arg, &calls);
    calls++;
    events = ready;
    loop_stop(l);
}

static void on_stop(void *arg)
{
    loop_stop(arg);
}

static void tells_what_is_asked_for(void **state)
{
    (void)state;
    int fds[2];
    struct timer stop;
    l = loop_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct watch *w = watch_new(l, fds[0], on_ready, &calls);
    timer_init(&stop, l, on_stop, l);
    assert_int_equal(write(fds[1], "x", 1), 1);

    timer_start(&stop, 20); /* nothing was asked for yet */
    loop_run(l);
    assert_int_equal(calls, 0);

    watch_set(w, WATCH_READ);
    loop_run(l);
    assert_int_equal(calls, 1);
    assert_int_equal(events, WATCH_READ);
    loop_run(l); /* level triggered */
    assert_int_equal(calls, 2);
    watch_set(w, WATCH_READ | WATCH_WRITE);
    loop_run(l);
    assert_int_equal(events, WATCH_READ | WATCH_WRITE);
    watch_set(w, WATCH_WRITE);
    loop_run(l);
    assert_int_equal(events, WATCH_WRITE);

    calls = 0;
    watch_set(w, 0);
    timer_start(&stop, 20);
    loop_run(l);
    assert_int_equal(calls, 0);
    watch_close(w);
    close(fds[0]);
    close(fds[1]);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_what_is_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
