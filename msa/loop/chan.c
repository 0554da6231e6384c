/*
 * A frame on the wire: payload length, type, number of descriptors (three u32, host order: both
 * ends are one machine), payload. Descriptors travel with the first byte of their frame.
 *
 * Receiving: the kernel never joins bytes sent with descriptors to bytes sent before or after with
 * others, and keeps order; so the descriptors received form one queue, from which each frame takes
 * its number. A frame whose descriptors are not there when its header is, or descriptors that no
 * frame claims, are malformed. Whole frames are handed on out of the loop's read buffer; only an
 * unfinished one is copied. Frames may carry passwords and keys: what is kept of them is wiped.
 *
 * Sending: each call may wake the receiver, so the small frames of one turn are kept and go
 * together at its end. What the kernel does not take is kept too. Both in pieces: a piece begins
 * where descriptors have to be sent; frames without any are appended to the last piece.
 */
#include "msa/loop/chan.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/internal.h"
#include "msa/loop/wake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READS_PER_WAKEUP 16
#define GATHER_MAX       4096u /* bytes of a frame; a larger one is worth a call of its own */

struct header {
    uint32_t payload_bytes, type, nfds;
};

struct piece {
    struct piece *next;
    struct buf bytes;
    size_t nfds; /* still to be sent, with the first byte */
    int fds[CHAN_FDS_MAX];
};

struct chan {
    uv_poll_t poll;
    struct loop *loop;
    struct chan_ops ops;
    void *arg;
    int fd;
    bool ended, closing;
    bool gathering; /* on_turn_end() comes */
    struct buf in;  /* the unfinished frame */
    int in_fds[CHAN_FDS_MAX];
    size_t in_nfds;
    struct piece *out, **out_end;
    size_t out_bytes;
};

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(CHAN_FDS_MAX * sizeof(int))];
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct chan *c)
{
    if (c->ended || c->closing)
        return;
    int err = uv_poll_start(&c->poll, UV_READABLE | (c->out ? UV_WRITABLE : 0), on_poll);
    REQUIRE(err == 0);
}

static void end(struct chan *c, int err)
{
    if (c->ended || c->closing)
        return;
    c->ended = true;
    uv_poll_stop(&c->poll);
    c->ops.on_end(c->arg, err);
}

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* Hands on the frame at the start of bytes. Returns its length, 0 if it is not whole, or an error.
 */
static ssize_t take_frame(struct chan *c, struct sv bytes)
{
    struct header h;
    int fds[CHAN_FDS_MAX];
    if (bytes.len < sizeof h)
        return 0;
    memcpy(&h, bytes.ptr, sizeof h);
    if (h.payload_bytes > CHAN_PAYLOAD_MAX || h.nfds > c->in_nfds)
        return ERR_SYNTAX;
    if (bytes.len - sizeof h < h.payload_bytes)
        return 0;
    memcpy(fds, c->in_fds, h.nfds * sizeof *fds);
    c->in_nfds -= h.nfds;
    memmove(c->in_fds, c->in_fds + h.nfds, c->in_nfds * sizeof *fds);
    struct sv payload = sv_first(sv_skip(bytes, sizeof h), h.payload_bytes);
    wake_flush_late();
    c->ops.on_message(c->arg, h.type, payload, fds, h.nfds);
    return (ssize_t)(sizeof h + h.payload_bytes);
}

/* Hands on all whole frames and returns how many bytes they were, or an error. */
static ssize_t take_frames(struct chan *c, struct sv bytes)
{
    size_t used = 0;
    while (!c->closing) {
        ssize_t n = take_frame(c, sv_skip(bytes, used));
        if (n < 0)
            return n;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static int take_bytes(struct chan *c, struct sv bytes)
{
    ssize_t used = 0;
    if (buf_len(&c->in) == 0) {
        used = take_frames(c, bytes);
        if (used < 0 || c->closing)
            return used < 0 ? (int)used : 0;
        bytes = sv_skip(bytes, (size_t)used);
    }
    if (bytes.len) {
        int err = buf_put(&c->in, bytes);
        if (err < 0)
            return err;
        used = take_frames(c, buf_view(&c->in));
        if (used < 0 || c->closing)
            return used < 0 ? (int)used : 0;
        buf_consume(&c->in, (size_t)used);
        if (buf_len(&c->in) == 0)
            buf_release(&c->in);
    }
    return buf_len(&c->in) == 0 && c->in_nfds ? ERR_SYNTAX : 0;
}

/* Queues the descriptors of one recvmsg(); false if they are too many. */
static bool take_fds(struct chan *c, struct msghdr *msg)
{
    bool good = !(msg->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
            if (good && c->in_nfds < CHAN_FDS_MAX) {
                c->in_fds[c->in_nfds++] = fd;
            } else {
                close(fd);
                good = false;
            }
        }
    }
    return good;
}

/* One read. True if there may be more to read. */
static bool receive(struct chan *c)
{
    union control control;
    struct iovec part = {c->loop->read_bytes, LOOP_READ_BYTES};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        end(c, n < 0 ? -errno : ERR_EOF);
        return false;
    }
    bool with_fds = msg.msg_controllen > 0;
    int err = take_fds(c, &msg) ? take_bytes(c, (struct sv){part.iov_base, (size_t)n}) : ERR_SYNTAX;
    if (err < 0) {
        end(c, err);
        return false;
    }
    /* a short read has emptied the socket, unless it ended at descriptors */
    return !c->closing && !c->ended && (with_fds || (size_t)n == LOOP_READ_BYTES);
}

/* Sends from parts, and fds with the first byte. Bytes taken, or a negative error. */
static ssize_t send_some(struct chan *c, struct iovec *parts, size_t nparts, const int *fds,
                         size_t nfds)
{
    union control control;
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = nparts};
    ssize_t n;
    if (nfds) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof *fds);
        struct cmsghdr *m = CMSG_FIRSTHDR(&msg);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN(nfds * sizeof *fds);
        memcpy(CMSG_DATA(m), fds, nfds * sizeof *fds);
    }
    do {
        n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

static void piece_free(struct piece *p)
{
    close_fds(p->fds, p->nfds);
    buf_deinit(&p->bytes);
    free(p);
}

/* Sends what is kept. */
static int flush(struct chan *c)
{
    while (c->out) {
        struct piece *p = c->out;
        struct sv bytes = buf_view(&p->bytes);
        struct iovec part = {(char *)bytes.ptr, bytes.len};
        ssize_t n = send_some(c, &part, 1, p->fds, p->nfds);
        if (n <= 0)
            return (int)n;
        close_fds(p->fds, p->nfds);
        p->nfds = 0;
        c->out_bytes -= (size_t)n;
        buf_consume(&p->bytes, (size_t)n);
        if (buf_len(&p->bytes))
            continue;
        c->out = p->next;
        if (!c->out)
            c->out_end = &c->out;
        piece_free(p);
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct chan *c = poll->data;
    if (status == 0 && events & UV_WRITABLE) {
        int err = flush(c);
        if (err < 0) {
            end(c, err);
            return;
        }
        watch(c);
    }
    /* on an error of the socket libuv has stopped the poll, and reading tells which it is */
    for (int i = 0; i < READS_PER_WAKEUP || status < 0; i++)
        if (!receive(c))
            break;
    if (status < 0)
        end(c, loop_err(status));
}

struct chan *chan_new(struct loop *l, int fd, const struct chan_ops *ops, void *arg)
{
    struct chan *c = NEW(struct chan);
    c->loop = l;
    c->ops = *ops;
    c->arg = arg;
    c->fd = fd;
    c->out_end = &c->out;
    buf_init(&c->in, sizeof(struct header) + CHAN_PAYLOAD_MAX + LOOP_READ_BYTES, BUF_SECRET);
    int err = uv_poll_init(&l->uv, &c->poll, fd);
    REQUIRE(err == 0);
    c->poll.data = c;
    watch(c);
    return c;
}

/* Keeps a frame of which the first sent bytes have gone. */
static int keep(struct chan *c, const struct header *h, struct sv payload, const int *fds,
                size_t sent)
{
    struct sv head = sv_skip((struct sv){(const char *)h, sizeof *h}, sent);
    payload = sv_skip(payload, sent > sizeof *h ? sent - sizeof *h : 0);
    size_t nfds = sent ? 0 : h->nfds;
    struct piece *p = c->out;
    while (p && p->next)
        p = p->next;
    if (!p || nfds) {
        p = NEW(struct piece);
        buf_init(&p->bytes, CHAN_QUEUE_MAX, BUF_SECRET);
        for (; p->nfds < nfds; p->nfds++) {
            p->fds[p->nfds] = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, 3);
            if (p->fds[p->nfds] < 0) {
                int err = -errno;
                piece_free(p);
                return err;
            }
        }
        *c->out_end = p;
        c->out_end = &p->next;
    }
    int err = buf_put(&p->bytes, head);
    REQUIRE(err == 0);
    err = buf_put(&p->bytes, payload);
    REQUIRE(err == 0);
    c->out_bytes += head.len + payload.len;
    return 0;
}

/* A failure shows in the poll too, and is told from there. */
static void on_turn_end(void *arg)
{
    struct chan *c = arg;
    c->gathering = false;
    if (c->ended || c->closing)
        return;
    (void)flush(c);
    if (c->out)
        watch(c);
}

int chan_send(struct chan *c, uint32_t type, struct sv payload, const int *fds, size_t nfds)
{
    struct header h = {(uint32_t)payload.len, type, (uint32_t)nfds};
    REQUIRE(payload.len <= CHAN_PAYLOAD_MAX && nfds <= CHAN_FDS_MAX && !c->closing);
    size_t total = sizeof h + payload.len;
    ssize_t sent = 0;
    if (c->ended)
        return -EPIPE;
    if (c->out_bytes + total > CHAN_QUEUE_MAX)
        return ERR_FULL;
    if (!c->out && nfds == 0 && total <= GATHER_MAX && wake_defer(on_turn_end, c)) {
        c->gathering = true;
    } else if (!c->out) {
        struct iovec parts[2] = {{&h, sizeof h}, {(char *)payload.ptr, payload.len}};
        sent = send_some(c, parts, 2, fds, nfds);
        if (sent < 0 || (size_t)sent == total)
            return sent < 0 ? (int)sent : 0;
    }
    int err = keep(c, &h, payload, fds, (size_t)sent);
    if (err == 0 && !c->gathering)
        watch(c);
    return err;
}

static void on_closed(uv_handle_t *handle)
{
    struct chan *c = handle->data;
    if (c->gathering)
        wake_flush();
    close(c->fd);
    loop_closed(c->loop);
    while (c->out) {
        struct piece *p = c->out;
        c->out = p->next;
        piece_free(p);
    }
    close_fds(c->in_fds, c->in_nfds);
    buf_deinit(&c->in);
    free(c);
}

void chan_close(struct chan *c)
{
    if (c->closing)
        return;
    c->closing = true;
    (void)flush(c); /* what the kernel still takes without waiting */
    loop_close(c->loop, (uv_handle_t *)&c->poll, on_closed);
}

int chan_pair(int fds_out[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_out) < 0 ? -errno
                                                                                           : 0;
}
