/*
 * admin_ask.c - msactl's side: one request, one answer, on a loop of its own.
 */
#include "auth/admin_wire.h"

#include "msa/loop/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct ask {
    struct loop *loop;
    struct chan *chan;
    uint32_t wanted;
    struct buf *out;
    int err;
};

static void finish(struct ask *q, int err)
{
    q->err = err;
    loop_stop(q->loop);
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct ask *q = arg;

    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    finish(q, type == q->wanted ? buf_put(q->out, payload) : ERR_SYNTAX);
}

static void on_end(void *arg, int err)
{
    finish(arg, err == ERR_EOF ? ERR_KEEPER : err);
}

static void on_timeout(void *arg)
{
    finish(arg, ERR_TIMEOUT);
}

static int connect_to(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(at.sun_path))
        return -ENAMETOOLONG;
    memcpy(at.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        int err = errno == ENOENT || errno == ECONNREFUSED ? ERR_KEEPER : -errno;

        close(fd);
        return err;
    }
    return fd;
}

int auth_admin_call(const char *socket_path, uint32_t type, struct sv request, uint32_t wanted,
                    struct buf *answer)
{
    static const struct chan_ops ops = {.on_message = on_message, .on_end = on_end};
    struct ask q = {.wanted = wanted, .out = answer, .err = ERR_KEEPER};
    struct timer timer;
    int fd = connect_to(socket_path);

    if (fd < 0)
        return fd;
    q.loop = loop_new();
    q.chan = chan_new(q.loop, fd, &ops, &q);
    timer_init(&timer, q.loop, on_timeout, &q);
    timer_start(&timer, AUTH_ADMIN_TIMEOUT_MS);
    q.err = chan_send(q.chan, type, request, NULL, 0);
    if (q.err == 0)
        loop_run(q.loop);
    timer_stop(&timer);
    chan_close(q.chan);
    loop_free(q.loop);
    return q.err;
}

int auth_admin_ask(const char *socket_path, const struct auth_admin_request *r,
                   struct auth_admin_answer *out)
{
    struct buf request, answer;
    int err;

    buf_init(&request, r->name.len + r->password.len + r->word.len + 64, BUF_SECRET);
    buf_init(&answer, AUTH_ADMIN_MAX, 0);
    auth_admin_request_write(&request, r);
    err = auth_admin_call(socket_path, AUTH_ADMIN_REQUEST, buf_view(&request), AUTH_ADMIN_ANSWER,
                          &answer);
    if (err == 0)
        err = auth_admin_answer_read(buf_view(&answer), out);
    buf_deinit(&request);
    buf_deinit(&answer);
    return err;
}
