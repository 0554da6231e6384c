/*
 * Accepts by itself on a watched descriptor, not by uv_listen(): accept4() gives the peer's address
 * without another call, and a process without descriptors leaves connections in the backlog, where
 * libuv would accept and close them. TCP_NODELAY is inherited from the listening socket.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/internal.h"
#include "msa/loop/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_WAKEUP 64
#define PAUSE_MS           100

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    void (*on_accept)(void *arg, struct stream *s);
    void (*on_error)(void *arg, int err);
    void *arg;
    struct timer pause; /* armed: out of descriptors or memory */
    int fd;
    bool closing;
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct listener *ln)
{
    if (ln->closing)
        return;
    int err = timer_armed(&ln->pause) ? uv_poll_stop(&ln->poll)
                                      : uv_poll_start(&ln->poll, UV_READABLE, on_ready);
    REQUIRE(err == 0);
}

static void on_pause_over(void *arg)
{
    watch(arg);
}

static void tell(struct listener *ln, int err)
{
    if (ln->on_error)
        ln->on_error(ln->arg, err);
}

/* One connection; false when there is none or no more shall be taken now. */
static bool accept_one(struct listener *ln)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    int fd = accept4(ln->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int err = fd < 0 ? -errno : 0;
    switch (err) {
    case 0:
        break;
    case -EAGAIN:
        return false;
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        timer_start(&ln->pause, PAUSE_MS);
        watch(ln);
        tell(ln, err);
        return false;
    case -EINTR:
    case -ECONNABORTED:
    case -EPROTO:
        return true; /* that peer has gone already */
    default:
        /* accept(2): errors of the new connection's network also come here */
        tell(ln, err);
        return false;
    }
    struct ip_port peer = addr_value(&sa);
    struct stream *s = stream_of_fd(ln->loop, fd, &peer, &err);
    if (s)
        ln->on_accept(ln->arg, s);
    else
        tell(ln, err);
    return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct listener *ln = poll->data;
    (void)events;
    if (status < 0) {
        tell(ln, loop_err(status));
        return;
    }
    for (int n = 0; n < ACCEPTS_PER_WAKEUP && !ln->closing; n++)
        if (!accept_one(ln))
            return;
}

struct listener *listener_new(struct loop *l, int fd,
                              void (*on_accept)(void *arg, struct stream *s),
                              void (*on_error)(void *arg, int err), void *arg)
{
    struct listener *ln = NEW(struct listener);
    int on = 1;
    *ln = (struct listener){.loop = l, .on_accept = on_accept, .on_error = on_error, .arg = arg};
    ln->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    REQUIRE(ln->fd >= 0);
    (void)setsockopt(ln->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a unix socket */
    timer_init(&ln->pause, l, on_pause_over, ln);
    int err = uv_poll_init(&l->uv, &ln->poll, ln->fd);
    REQUIRE(err == 0);
    ln->poll.data = ln;
    watch(ln);
    return ln;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *ln = handle->data;
    close(ln->fd);
    loop_closed(ln->loop);
    free(ln);
}

void listener_close(struct listener *ln)
{
    if (ln->closing)
        return;
    ln->closing = true;
    timer_stop(&ln->pause);
    loop_close(ln->loop, (uv_handle_t *)&ln->poll, on_closed);
}
