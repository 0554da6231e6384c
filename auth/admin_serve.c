/*
 * admin_serve.c - the keeper's side of administration: listener, connections, one worker thread.
 *
 * A connection is waiting for its request, or has its job on the pool (then nothing frees it but
 * the job's end), or is closed after its answer was taken. Changes wait for a file lock, so they
 * have a pool of their own and never stand before a login.
 */
#include "auth/admin_wire.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/chan.h"
#include "msa/loop/thread.h"
#include "msa/loop/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define CONNECTIONS_MAX 16 /* further ones wait in the socket's backlog */

struct conn {
    struct pool_job job; /* first */
    struct auth_admin *admin;
    struct chan *chan; /* NULL: the peer has gone */
    struct timer timer;
    bool in_job;
    struct buf payload; /* the request's views point into it */
    struct auth_admin_request request;
    struct auth_admin_answer answer;
    struct auth_options
        options; /* of the generation at the request; what a request uses is copied */
    struct auth_name changed;
    struct conn *prev, *next;
};

struct auth_admin {
    struct loop *loop;
    struct mailbox *mailbox;
    struct pool *pool;
    struct watch *watch; /* NULL: closed */
    int fd;
    struct auth_admin_ops ops;
    void *arg;
    struct conn *conns;
    unsigned count;
};

static void listen_if_room(struct auth_admin *a)
{
    if (a->watch != NULL)
        watch_set(a->watch, a->count < CONNECTIONS_MAX ? WATCH_READ : 0);
}

static void conn_free(struct conn *c)
{
    struct auth_admin *a = c->admin;

    timer_stop(&c->timer);
    if (c->chan != NULL)
        chan_close(c->chan);
    buf_deinit(&c->payload);
    auth_admin_answer_deinit(&c->answer);
    DL_DELETE(a->conns, c);
    a->count--;
    free(c);
    listen_if_room(a);
}

/* The peer has gone, took too long or broke the protocol. */
static void drop(struct conn *c)
{
    if (!c->in_job) {
        conn_free(c);
        return;
    }
    timer_stop(&c->timer);
    chan_close(c->chan);
    c->chan = NULL;
}

static void on_end(void *arg, int err)
{
    (void)err;
    drop(arg);
}

static void on_timeout(void *arg)
{
    struct conn *c = arg;

    if (c->chan != NULL)
        drop(c);
}

static void on_work(struct pool_job *job)
{
    struct conn *c = (struct conn *)job;

    auth_admin_apply(&c->options, &c->request, &c->answer, &c->changed);
}

/* The peer closes when it has its answer; the timer does if it does not. */
static void on_done(struct pool_job *job)
{
    struct conn *c = (struct conn *)job;
    struct sv login = auth_name_view(&c->changed);
    struct buf payload;

    c->in_job = false;
    if (c->answer.err == 0 && !auth_admin_is_question(c->request.verb))
        log_event(LOG_INFO, "user-changed", NULL, "%.*s", SV_ARG(buf_view(&c->answer.text)));
    if (login.len > 0)
        c->admin->ops.on_changed(c->admin->arg, login,
                                 c->request.verb == AUTH_ADMIN_APP_REVOKE ? c->request.word
                                                                          : SV_NONE);
    if (c->answer.err == 0 && c->request.verb == AUTH_ADMIN_UNLOCK)
        c->admin->ops.on_unlocked(c->admin->arg, c->request.name);
    if (c->chan == NULL) {
        conn_free(c);
        return;
    }
    buf_init(&payload, AUTH_ADMIN_MAX, BUF_SECRET);
    auth_admin_answer_write(&payload, &c->answer);
    if (chan_send(c->chan, AUTH_ADMIN_ANSWER, buf_view(&payload), NULL, 0) < 0)
        conn_free(c);
    buf_deinit(&payload);
}

static struct conf_strings keep_strings(struct arena *a, const struct conf_strings *from)
{
    struct conf_strings to = {arena_alloc(a, (from->count + 1) * sizeof(char *)), from->count};

    for (size_t i = 0; i < from->count; i++)
        to.items[i] = arena_str(a, sv_of(from->items[i]));
    return to;
}

/* The job outlives the generation it was asked under. */
static void keep_options(struct conn *c, const struct auth_options *o)
{
    struct arena *a = &c->answer.mem;

    c->options = *o;
    c->options.path = arena_str(a, sv_of(o->path));
    c->options.accounts_path = arena_str(a, sv_of(o->accounts_path));
    c->options.realms = keep_strings(a, &o->realms);
    c->options.mechanisms = keep_strings(a, &o->mechanisms);
}

/* What lives on the loop is answered here. False if the request is malformed. */
static bool answer_blocks(struct conn *c, struct sv payload)
{
    struct auth_blocks_request request;
    struct auth_blocks answer;
    struct buf out;
    bool good = auth_blocks_request_read(payload, &request) == 0;

    if (!good)
        return false;
    auth_blocks_init(&answer);
    buf_init(&out, AUTH_ADMIN_MAX, 0);
    c->admin->ops.on_blocks(c->admin->arg, &request, &answer);
    auth_blocks_write(&out, &answer);
    good = chan_send(c->chan, AUTH_ADMIN_BLOCKS, buf_view(&out), NULL, 0) == 0;
    buf_deinit(&out);
    auth_blocks_deinit(&answer);
    return good;
}

static bool answer_tokens(struct conn *c)
{
    struct auth_tokens answer;
    struct buf out;
    bool good;

    auth_tokens_init(&answer);
    buf_init(&out, AUTH_ADMIN_MAX, 0);
    c->admin->ops.on_tokens(c->admin->arg, &answer);
    auth_tokens_write(&out, &answer);
    good = chan_send(c->chan, AUTH_ADMIN_TOKENS, buf_view(&out), NULL, 0) == 0;
    buf_deinit(&out);
    auth_tokens_deinit(&answer);
    return good;
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct conn *c = arg;
    const struct auth_options *o = c->admin->ops.options(c->admin->arg);

    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (type == AUTH_ADMIN_TOKENS && nfds == 0 && !c->in_job && o != NULL) {
        if (!answer_tokens(c))
            drop(c);
        return;
    }
    if (type == AUTH_ADMIN_BLOCKS && nfds == 0 && !c->in_job && o != NULL) {
        if (!answer_blocks(c, payload))
            drop(c);
        return;
    }
    if (c->in_job || buf_len(&c->payload) > 0 || type != AUTH_ADMIN_REQUEST || nfds > 0 ||
        o == NULL || buf_put(&c->payload, payload) < 0 ||
        auth_admin_request_read(buf_view(&c->payload), &c->request) < 0) {
        drop(c);
        return;
    }
    keep_options(c, o);
    c->in_job = true;
    c->job.reply = c->admin->mailbox;
    c->job.work = on_work;
    c->job.done = on_done;
    pool_submit(c->admin->pool, &c->job);
}

static bool is_allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_ready(void *arg, int events)
{
    static const struct chan_ops ops = {.on_message = on_message, .on_end = on_end};
    struct auth_admin *a = arg;
    struct conn *c;
    int fd = events > 0 ? accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

    if (fd < 0)
        return;
    if (!is_allowed(fd)) {
        log_event(LOG_WARNING, "keeper-admin", NULL, "connection refused");
        close(fd);
        return;
    }
    c = NEW(struct conn);
    c->admin = a;
    buf_init(&c->payload, 4096, BUF_SECRET);
    auth_admin_answer_init(&c->answer);
    timer_init(&c->timer, a->loop, on_timeout, c);
    timer_start(&c->timer, AUTH_ADMIN_TIMEOUT_MS);
    DL_APPEND(a->conns, c);
    a->count++;
    c->chan = chan_new(a->loop, fd, &ops, c);
    listen_if_room(a);
}

int auth_admin_new(struct loop *l, int listen_fd, const struct auth_admin_ops *ops, void *arg,
                   struct auth_admin **out)
{
    int fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
    struct auth_admin *a;

    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) { /* a peer may be gone again before it is accepted */
        int err = -errno;

        close(fd);
        return err;
    }
    a = NEW(struct auth_admin);
    a->loop = l;
    a->fd = fd;
    a->ops = *ops;
    a->arg = arg;
    a->mailbox = mailbox_new(l);
    a->pool = pool_start("users", 1);
    a->watch = watch_new(l, fd, on_ready, a);
    listen_if_room(a);
    *out = a;
    return 0;
}

void auth_admin_free(struct auth_admin *a)
{
    struct conn *c, *next;

    watch_close(a->watch);
    a->watch = NULL;
    close(a->fd);
    pool_stop(a->pool);
    mailbox_close(a->mailbox); /* the last on_done() */
    DL_FOREACH_SAFE(a->conns, c, next)
    conn_free(c);
    free(a);
}
