/*
 * One uv_timer serves all timers of the loop. It is only ever moved to an earlier time: when it
 * fires and nothing is due (the first timer was stopped or moved), it is armed for the next. So the
 * usual life of a timeout, moved with each command and never reached, costs no libuv call.
 */
#include "msa/loop/internal.h"
#include "msa/loop/wake.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

int loop_err(int uv_result)
{
    if (uv_result >= 0)
        return uv_result;
    switch (uv_result) {
    case UV_EOF:
        return ERR_EOF;
    case UV_ECANCELED:
        return ERR_CANCELED;
    case UV_UNKNOWN:
    case UV_ECHARSET:
        return -EIO;
    default:
        return uv_result > -1000 ? uv_result : -EIO;
    }
}

static void on_clock(uv_timer_t *clock)
{
    struct loop *l = clock->data;
    l->armed_ms = UINT64_MAX;
    timers_run(&l->timers, uv_now(&l->uv));
    loop_timers_changed(l);
}

static void on_alive(uv_async_t *alive)
{
    (void)alive;
}

/* Writing to a connection that the peer has closed is an error to handle, not a reason to die. */
static void ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static void on_before_sleep(uv_prepare_t *prepare)
{
    loop_mailboxes_run(prepare->data);
    wake_flush();
}

struct loop *loop_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *l = NEW(struct loop);
    pthread_once(&once, ignore_sigpipe);
    int err = uv_loop_init(&l->uv);
    REQUIRE(err == 0);
    err = uv_timer_init(&l->uv, &l->clock);
    REQUIRE(err == 0);
    err = uv_async_init(&l->uv, &l->alive, on_alive);
    REQUIRE(err == 0);
    err = uv_prepare_init(&l->uv, &l->before_sleep);
    REQUIRE(err == 0);
    err = uv_prepare_start(&l->before_sleep, on_before_sleep);
    REQUIRE(err == 0);
    l->clock.data = l;
    l->alive.data = l;
    l->before_sleep.data = l;
    atomic_init(&l->asleep, true);
    l->armed_ms = UINT64_MAX;
    return l;
}

void loop_close(struct loop *l, uv_handle_t *handle, uv_close_cb on_closed)
{
    l->closing++;
    uv_close(handle, on_closed);
}

void loop_closed(struct loop *l)
{
    l->closing--;
}

static void finish_closing(struct loop *l)
{
    while (l->closing)
        uv_run(&l->uv, UV_RUN_NOWAIT);
}

static void on_own_closed(uv_handle_t *handle)
{
    loop_closed(handle->data);
}

void loop_free(struct loop *l)
{
    loop_close(l, (uv_handle_t *)&l->clock, on_own_closed);
    loop_close(l, (uv_handle_t *)&l->alive, on_own_closed);
    loop_close(l, (uv_handle_t *)&l->before_sleep, on_own_closed);
    finish_closing(l);
    int err = uv_loop_close(&l->uv);
    REQUIRE(err == 0);
    timers_deinit(&l->timers);
    free(l);
}

void loop_run(struct loop *l)
{
    wake_turn_begin(l);
    while (!l->stopping)
        uv_run(&l->uv, UV_RUN_DEFAULT);
    finish_closing(l);
    l->stopping = false;
    wake_turn_end();
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    uv_stop(&l->uv);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

struct timers *loop_timers(struct loop *l)
{
    return &l->timers;
}

void loop_timers_changed(struct loop *l)
{
    uint64_t due;
    if (!timers_next(&l->timers, &due) || due >= l->armed_ms)
        return;
    uint64_t now = uv_now(&l->uv);
    int err = uv_timer_start(&l->clock, on_clock, due > now ? due - now : 0, 0);
    REQUIRE(err == 0);
    l->armed_ms = due;
}
