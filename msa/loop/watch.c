#include "msa/loop/watch.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/internal.h"

#include <stdlib.h>

struct watch {
    uv_poll_t poll;
    struct loop *loop;
    void (*on_ready)(void *arg, int events);
    void *arg;
};

_Static_assert(WATCH_READ == UV_READABLE && WATCH_WRITE == UV_WRITABLE, "bits are passed through");

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    w->on_ready(w->arg, status < 0 ? loop_err(status) : events & (WATCH_READ | WATCH_WRITE));
}

struct watch *watch_new(struct loop *l, int fd, void (*on_ready)(void *arg, int events), void *arg)
{
    struct watch *w = NEW(struct watch);
    *w = (struct watch){.loop = l, .on_ready = on_ready, .arg = arg};
    int err = uv_poll_init(&l->uv, &w->poll, fd);
    REQUIRE(err == 0);
    w->poll.data = w;
    return w;
}

void watch_set(struct watch *w, int events)
{
    int err = events ? uv_poll_start(&w->poll, events, on_poll) : uv_poll_stop(&w->poll);
    REQUIRE(err == 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    loop_closed(w->loop);
    free(w);
}

void watch_close(struct watch *w)
{
    loop_close(w->loop, (uv_handle_t *)&w->poll, on_closed);
}
