/*
 * The server's process: gives up root, enters the sandbox with its first generation, then joins
 * the submission service (msa/server/server.h) and administration to the master's channel.
 */
#include "auth/tls/ctx.h"
#include "msa/admin/admin.h"
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/daemon/privileges.h"
#include "msa/daemon/process_args.h"
#include "msa/daemon/sandbox.h"
#include "msa/daemon/wire.h"
#include "msa/loop/chan.h"
#include "msa/loop/logring.h"
#include "msa/server/server.h"
#include "relay/https/https.h"

#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINES 4096

struct server_proc {
    struct loop *loop;
    struct chan *chan;
    struct server *server;
    struct admin *admin;
    struct logring *log;
    struct waiting_listener {
        int fd;
        uint32_t listen, worker;
    } * waiting; /* they come before the first generation */
    size_t nwaiting;
    bool unix_sockets; /* the sandbox lets them through */
    int code;
};

static void answer(struct server_proc *p, uint32_t type, struct buf *payload)
{
    int err = chan_send(p->chan, type, buf_view(payload), NULL, 0);
    if (err < 0) {
        log_event(LOG_ERROR, "channel", NULL, "to the master: %s", err_text(err));
        loop_stop(p->loop);
    }
    buf_deinit(payload);
}

static void on_serving(void *arg)
{
    struct buf none;
    buf_init(&none, 0, 0);
    answer(arg, WIRE_SERVING, &none);
}

static void on_committed(void *arg, uint32_t number)
{
    struct buf b;
    buf_init(&b, 16, 0);
    pack_u32(&b, number);
    answer(arg, WIRE_COMMITTED, &b);
}

static void on_stopped(void *arg)
{
    struct server_proc *p = arg;
    loop_stop(p->loop);
}

/* An answer to a control request, passed to whoever asked the master. */
static void on_answer(void *arg, uint64_t request, struct sv lines, bool last)
{
    struct buf b;
    buf_init(&b, lines.len + 64, 0);
    pack_u64(&b, request);
    pack_u8(&b, last);
    pack_sv(&b, lines);
    answer(arg, WIRE_ANSWER, &b);
}

static void on_pause(void *arg, uint64_t request)
{
    struct buf b;
    buf_init(&b, 16, 0);
    pack_u64(&b, request);
    answer(arg, WIRE_PAUSE, &b);
}

/* The first generation names the folders; everything after this runs caged. */
static bool first_generation(struct server_proc *p, const struct generation *g, struct buf *why)
{
    static const struct server_ops ops = {
        .on_serving = on_serving, .on_committed = on_committed, .on_stopped = on_stopped};
    static const struct admin_ops admin_ops = {.on_answer = on_answer, .on_pause = on_pause};
    const struct msa_options *o = &g->options;
    char queue[4096];
    const char *folders[2] = {queue, o->relay.capture};
    snprintf(queue, sizeof queue, "%s/queue", o->state);
    p->unix_sockets = policy_options_unix(&o->policy);
    int err = sandbox_enter(folders, *o->relay.capture ? 2 : 1, p->unix_sockets);
    if (err < 0) {
        int cut = buf_printf(why, "cannot enter the sandbox: %s", err_text(err));
        (void)cut;
        return false;
    }
    log_setup("server", (enum log_format)o->log.format, (enum log_level)o->log.level);
    p->log = logring_start(STDERR_FILENO, LOG_LINES);
    unsigned workers = 1;
    for (size_t i = 0; i < p->nwaiting; i++)
        if (p->waiting[i].worker + 1 > workers)
            workers = p->waiting[i].worker + 1;
    p->server = server_new(p->loop, workers, &ops, p);
    p->admin = admin_new(p->server, &admin_ops, p);
    for (size_t i = 0; i < p->nwaiting; i++)
        server_listen(p->server, p->waiting[i].fd, p->waiting[i].listen, p->waiting[i].worker);
    free(p->waiting);
    p->waiting = NULL;
    p->nwaiting = 0;
    return true;
}

/* The sandbox cannot be widened. */
static bool fits_sandbox(const struct server_proc *p, const struct generation *g, struct buf *why)
{
    if (p->unix_sockets || !policy_options_unix(&g->options.policy))
        return true;
    int cut = buf_printf(why, "policy: the first unix socket counts at the next start of msad, not "
                              "at a reload: the server is confined without any");
    (void)cut;
    return false;
}

static void prepare(struct server_proc *p, uint32_t number, struct sv record)
{
    struct buf why, b;
    buf_init(&why, 65536, 0);
    struct generation *g = generation_unpack(record, &why);
    bool good = g != NULL;
    if (good && !p->server)
        good = first_generation(p, g, &why);
    if (good)
        good = fits_sandbox(p, g, &why);
    if (good)
        good = server_prepare(p->server, g, &why);
    else
        generation_drop(g);
    buf_init(&b, buf_len(&why) + 64, 0);
    pack_u32(&b, number);
    pack_u8(&b, good);
    pack_sv(&b, buf_view(&why));
    buf_deinit(&why);
    answer(p, WIRE_PREPARED, &b);
}

static void take_listeners(struct server_proc *p, struct unpack *u, const int *fds, size_t nfds)
{
    p->waiting = mem_resize(p->waiting, p->nwaiting + nfds, sizeof *p->waiting);
    for (size_t i = 0; i < nfds; i++) {
        uint32_t listen = unpack_u32(u), worker = unpack_u32(u);
        p->waiting[p->nwaiting++] =
            (struct waiting_listener){.fd = fds[i], .listen = listen, .worker = worker};
    }
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct server_proc *p = arg;
    struct unpack u = unpack_start(payload);
    if (type == WIRE_LISTEN && !p->server) {
        take_listeners(p, &u, fds, nfds);
        return;
    }
    if (type == WIRE_KEEPER && p->server) {
        server_keeper(p->server, fds, nfds);
        return;
    }
    if (type == WIRE_SESSION && p->server && nfds == 1) {
        server_session(p->server, fds[0], unpack_sv(&u));
        return;
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (type == WIRE_PREPARE) {
        uint32_t number = unpack_u32(&u);
        prepare(p, number, unpack_sv(&u));
        return;
    }
    if (type == WIRE_STOP) {
        if (p->server)
            server_stop(p->server, (uint64_t)unpack_u32(&u) * 1000);
        else
            loop_stop(p->loop);
        return;
    }
    if (!p->server)
        return;
    if (type == WIRE_COMMIT) {
        server_commit(p->server, unpack_u32(&u));
    } else if (type == WIRE_ABORT) {
        server_abort(p->server, unpack_u32(&u));
    } else if (type == WIRE_CONTROL) {
        uint64_t request = unpack_u64(&u);
        admin_request(p->admin, request, unpack_sv(&u));
    } else if (type == WIRE_MORE) {
        uint64_t request = unpack_u64(&u);
        admin_more(p->admin, request, unpack_u8(&u) != 0);
    } else if (type == WIRE_POISON) {
        server_poison(p->server, unpack_sv(&u));
    }
}

/* Without a master nobody would end us; what is committed is safe. */
static void on_end(void *arg, int err)
{
    (void)arg;
    (void)err;
    _exit(1);
}

int server_process(const struct process_args *args)
{
    static const struct chan_ops ops = {.on_message = on_message, .on_end = on_end};
    struct server_proc p = {0};
    log_setup("server", LOG_TEXT, LOG_INFO);
    int err = crashring_attach(WIRE_FD_EXTRA);
    close(WIRE_FD_EXTRA);
    if (err == 0)
        err = priv_become(args->uid, args->gid, args->change, true, args->parent);
    if (err < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "cannot give up root: %s", err_text(err));
        return 1;
    }
    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    priv_leave_signals_to_master();
    /* what OpenSSL reads from files it reads before the sandbox */
    unsigned char warm[16];
    tls_ctx_library();
    if (https_library() < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "libcurl cannot be used");
        return 1;
    }
    if (RAND_bytes(warm, sizeof warm) != 1)
        return 1;
    p.loop = loop_new();
    p.chan = chan_new(p.loop, WIRE_FD_MASTER, &ops, &p);
    loop_run(p.loop);
    if (p.server)
        server_free(p.server);
    if (p.admin)
        admin_free(p.admin);
    chan_close(p.chan);
    loop_free(p.loop);
    if (p.log)
        logring_stop(p.log);
    return p.code;
}
