/*
 * Writing: while nothing is under way, stream_write() gives the bytes to the kernel at once and
 * keeps a copy only of what it did not take. Kept bytes stand in two buffers: `sending` belongs to
 * the write under way, `next` collects what comes meanwhile; they change places when it is done.
 *
 *     stream_write -> uv_try_write -> all taken: nothing kept
 *                                  -> rest into sending, uv_write -> on_written -> next? again
 *                                                                               -> on_drain
 *
 * A failure is told once by on_end; calls into a failed stream return the error. What fails inside
 * a call that has no result (connect, start of reading) is told by the timer `late`, so that no
 * callback runs from inside the caller's call.
 */
#include "msa/loop/stream.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/internal.h"
#include "msa/loop/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP_MAX ((size_t)1 << 32) /* bytes; the caller's own limit comes long before */

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t any;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct loop *loop;
    struct stream_ops ops;
    void *arg;
    struct ip_port peer;
    struct buf sending, next;
    uv_write_t write;
    union {
        uv_connect_t connect;
        uv_shutdown_t shutdown;
    } req; /* a stream is connected long before it is shut down */
    struct timer late;
    int late_err;
    int failed; /* the error that ended writing */
    bool connecting, writing, shutting, ended, closing;
};

static const struct stream_ops no_ops;

static void start_shutdown(struct stream *s);

static struct stream *stream_new(struct loop *l, const struct stream_ops *ops, void *arg)
{
    struct stream *s = NEW(struct stream);
    s->loop = l;
    s->ops = *ops;
    s->arg = arg;
    buf_init(&s->sending, KEEP_MAX, 0);
    buf_init(&s->next, KEEP_MAX, 0);
    return s;
}

static void end(struct stream *s, int err)
{
    if (s->closing)
        return;
    uv_read_stop(&s->uv.any);
    s->ended = true;
    if (s->ops.on_end)
        s->ops.on_end(s->arg, err);
}

static void on_late(void *arg)
{
    struct stream *s = arg;
    if (s->connecting) {
        s->connecting = false;
        s->ops.on_connect(s->arg, s->late_err);
    } else {
        end(s, s->late_err);
    }
}

static void fail_late(struct stream *s, int err)
{
    s->failed = s->late_err = err;
    timer_start(&s->late, 0);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct stream *s = req->data;
    if (s->closing)
        return;
    s->connecting = false;
    s->failed = loop_err(status);
    if (s->shutting && !s->writing && !s->failed)
        start_shutdown(s);
    s->ops.on_connect(s->arg, s->failed);
}

/* The local port is chosen at connect, so that one source address can serve more than 28,000
 * connections to different peers. */
static int bind_source(struct stream *s, const struct ip *source)
{
    struct sockaddr_storage sa;
    int on = 1;
    uv_os_fd_t fd;
    int err = uv_fileno(&s->uv.handle, &fd);
    if (err < 0)
        return err;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0)
        return -errno;
    return bind(fd, (struct sockaddr *)&sa, addr_make(source, 0, &sa)) < 0 ? -errno : 0;
}

struct stream *stream_connect(struct loop *l, const struct ip_port *to, const struct ip *source,
                              const struct stream_ops *ops, void *arg)
{
    struct sockaddr_storage sa;
    struct stream *s = stream_new(l, ops, arg);
    REQUIRE(to->ip.family != IP_NONE);
    s->peer = *to;
    s->connecting = true;
    addr_make(&to->ip, to->port, &sa);
    timer_init(&s->late, l, on_late, s);
    int err = uv_tcp_init_ex(&l->uv, &s->uv.tcp, sa.ss_family);
    if (err < 0) {
        /* without a socket (no descriptor is left) there is still a handle to close */
        int again = uv_tcp_init(&l->uv, &s->uv.tcp);
        REQUIRE(again == 0);
    }
    s->uv.handle.data = s;
    s->req.connect.data = s;
    if (err == 0 && source && source->family != IP_NONE)
        err = bind_source(s, source);
    if (err == 0)
        err = uv_tcp_nodelay(&s->uv.tcp, 1);
    if (err == 0)
        err = uv_tcp_connect(&s->req.connect, &s->uv.tcp, (struct sockaddr *)&sa, on_connected);
    if (err < 0)
        fail_late(s, loop_err(err));
    return s;
}

struct stream *stream_connect_unix(struct loop *l, const char *path, const struct stream_ops *ops,
                                   void *arg)
{
    struct stream *s = stream_new(l, ops, arg);
    REQUIRE(strlen(path) <= STREAM_PATH_MAX); /* libuv would cut it */
    s->connecting = true;
    timer_init(&s->late, l, on_late, s);
    int err = uv_pipe_init(&l->uv, &s->uv.pipe, 0);
    REQUIRE(err == 0);
    s->uv.handle.data = s;
    s->req.connect.data = s;
    uv_pipe_connect(&s->req.connect, &s->uv.pipe, path, on_connected); /* errors come there, too */
    return s;
}

struct stream *stream_of_fd(struct loop *l, int fd, const struct ip_port *peer, int *err_out)
{
    struct stream *s = stream_new(l, &no_ops, NULL);
    bool tcp = peer->ip.family != IP_NONE;
    s->peer = *peer;
    timer_init(&s->late, l, on_late, s);
    int err = tcp ? uv_tcp_init(&l->uv, &s->uv.tcp) : uv_pipe_init(&l->uv, &s->uv.pipe, 0);
    REQUIRE(err == 0);
    s->uv.handle.data = s;
    err = tcp ? uv_tcp_open(&s->uv.tcp, fd) : uv_pipe_open(&s->uv.pipe, fd);
    if (err < 0) {
        *err_out = loop_err(err);
        close(fd);
        stream_close(s);
        return NULL;
    }
    return s;
}

struct stream *stream_take(struct loop *l, int fd, int *err_out)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0) {
        *err_out = -errno;
        close(fd);
        return NULL;
    }
    struct ip_port peer = addr_value(&sa);
    return stream_of_fd(l, fd, &peer, err_out);
}

int stream_duplicate(const struct stream *s)
{
    uv_os_fd_t fd;
    int err = uv_fileno(&s->uv.handle, &fd);
    if (err < 0)
        return loop_err(err);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg)
{
    s->ops = *ops;
    s->arg = arg;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct stream *s = handle->data;
    (void)suggested;
    *out = uv_buf_init(s->loop->read_bytes, LOOP_READ_BYTES);
}

static void on_read(uv_stream_t *any, ssize_t n, const uv_buf_t *bytes)
{
    struct stream *s = any->data;
    wake_flush_late();
    if (n > 0)
        s->ops.on_read(s->arg, (struct sv){bytes->base, (size_t)n});
    else if (n < 0)
        end(s, loop_err((int)n));
}

void stream_read_start(struct stream *s)
{
    if (s->closing || s->ended || s->failed)
        return;
    int err = uv_read_start(&s->uv.any, on_alloc, on_read);
    if (err < 0 && err != UV_EALREADY)
        fail_late(s, loop_err(err));
}

void stream_read_stop(struct stream *s)
{
    if (!s->closing)
        uv_read_stop(&s->uv.any);
}

static void start_write(struct stream *s);

static void on_written(uv_write_t *write, int status)
{
    struct stream *s = write->data;
    s->writing = false;
    if (s->closing)
        return;
    buf_reset(&s->sending);
    if (status < 0) {
        s->failed = loop_err(status);
        buf_release(&s->next);
        end(s, s->failed);
        return;
    }
    if (buf_len(&s->next)) {
        start_write(s);
        return;
    }
    buf_release(&s->sending);
    buf_release(&s->next);
    if (s->shutting)
        start_shutdown(s);
    if (s->ops.on_drain)
        s->ops.on_drain(s->arg);
}

/* Sends what stands in next. */
static void start_write(struct stream *s)
{
    struct buf swap = s->sending;
    s->sending = s->next;
    s->next = swap;
    struct sv all = buf_view(&s->sending);
    s->write.data = s;
    uv_buf_t part = {.base = (char *)all.ptr, .len = all.len};
    int err = uv_write(&s->write, &s->uv.any, &part, 1, on_written);
    if (err < 0)
        fail_late(s, loop_err(err));
    else
        s->writing = true;
}

int stream_write(struct stream *s, struct sv bytes)
{
    REQUIRE(!s->closing && !s->shutting);
    if (s->failed)
        return s->failed;
    if (!s->writing && !s->connecting) {
        uv_buf_t part = {.base = (char *)bytes.ptr, .len = bytes.len};
        int n = bytes.len ? uv_try_write(&s->uv.any, &part, 1) : 0;
        if (n < 0 && n != UV_EAGAIN)
            return s->failed = loop_err(n);
        bytes = sv_skip(bytes, n > 0 ? (size_t)n : 0);
    }
    if (bytes.len == 0)
        return 0;
    int err = buf_put(&s->next, bytes);
    if (err < 0)
        return s->failed = err;
    if (!s->writing)
        start_write(s);
    return s->failed;
}

size_t stream_pending(const struct stream *s)
{
    size_t kept = buf_len(&s->next);
    return s->writing ? kept + uv_stream_get_write_queue_size(&s->uv.any) : kept;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct stream *s = req->data;
    if (status < 0 && status != UV_ECANCELED && status != UV_ENOTCONN && !s->closing)
        s->failed = loop_err(status);
}

static void start_shutdown(struct stream *s)
{
    s->req.shutdown.data = s;
    int err = uv_shutdown(&s->req.shutdown, &s->uv.any, on_shutdown);
    if (err < 0)
        s->failed = loop_err(err);
}

void stream_shutdown(struct stream *s)
{
    if (s->closing || s->shutting || s->failed)
        return;
    s->shutting = true;
    if (!s->writing && !s->connecting)
        start_shutdown(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    if (s->ops.on_closed)
        s->ops.on_closed(s->arg);
    loop_closed(s->loop);
    buf_deinit(&s->sending);
    buf_deinit(&s->next);
    free(s);
}

void stream_close(struct stream *s)
{
    if (s->closing)
        return;
    s->closing = true;
    timer_stop(&s->late);
    loop_close(s->loop, &s->uv.handle, on_closed);
}

void stream_reset(struct stream *s)
{
    /* SO_LINGER of 0 seconds makes close() send RST; it does nothing on a unix socket */
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    uv_os_fd_t fd;
    if (!s->closing && uv_fileno(&s->uv.handle, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    stream_close(s);
}

struct ip_port stream_peer(const struct stream *s)
{
    return s->peer;
}

struct ip stream_local(const struct stream *s)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof sa;
    if (s->peer.ip.family == IP_NONE || s->closing ||
        uv_tcp_getsockname(&s->uv.tcp, (struct sockaddr *)&sa, &len) < 0)
        return (struct ip){.family = IP_NONE};
    return addr_value(&sa).ip;
}
