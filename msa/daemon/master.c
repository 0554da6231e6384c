/*
 * Start and stop. What keeper and server are told is in master_child.c and master_generation.c.
 */
#include "msa/daemon/master.h"
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/daemon/master_internal.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LOCK_WAIT_MS      5000
#define KILL_AFTER_MS     3000 /* beyond shutdown_grace */
#define FDS_OF_ONE_WORKER 64   /* pipes, databases, spool files beside the connections */

/* ---- stop ---- */

static void on_grace_over(void *arg)
{
    struct master *m = arg;
    log_event(LOG_WARNING, "stop", NULL, "children did not end within shutdown_grace");
    child_kill(&m->server.child, SIGKILL);
    child_kill(&m->keeper.child, SIGKILL);
}

void master_finish(struct master *m)
{
    if (!m->keeper.child.process && !m->server.child.process)
        loop_stop(m->loop);
}

void master_stop(struct master *m)
{
    int64_t grace_s = m->current->options.shutdown_grace_s;
    if (m->stopping)
        return;
    m->stopping = true;
    m->keeper.child.stopping = m->server.child.stopping = true;
    timer_stop(&m->keeper.child.again);
    timer_stop(&m->server.child.again);
    /* from here on shutdown_grace counts */
    timer_stop(&m->keeper.child.late);
    timer_stop(&m->server.child.late);
    sd_notify(0, "STOPPING=1");
    log_event(LOG_INFO, "stopping", NULL, "sessions in hand have %lld s", (long long)grace_s);
    timer_start(&m->grace, (uint64_t)grace_s * 1000 + KILL_AFTER_MS);
    if (child_is_up(&m->server.child))
        master_tell_number(&m->server, WIRE_STOP, (uint32_t)grace_s);
    else
        master_tell_number(&m->keeper, WIRE_STOP, 0); /* else it is told after the server's end */
    master_finish(m);
}

static void on_signal(void *arg, int signal)
{
    struct master *m = arg;
    if (signal == SIGHUP)
        master_reload(m, 0);
    else
        master_stop(m);
}

/* ---- start ---- */

static int prepare_system(struct master *m, struct priv_ids *ids, int *control_fd, int *ring_fd,
                          int *keeper_fd, struct buf *error)
{
    const struct msa_options *o = &m->current->options;
    char path[4096];
    int err = priv_lookup(o->user, o->auth_user, ids, error);
    if (err == 0)
        err = priv_make_state(o->state, o->relay.capture, ids, error);
    if (err == 0)
        err = priv_lock_state(o->state, LOCK_WAIT_MS, error);
    if (err < 0)
        return err;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    m->workers = o->workers ? (unsigned)o->workers : cores > 0 ? (unsigned)cores : 1;
    if (m->workers > CHAN_FDS_MAX - 1)
        m->workers = CHAN_FDS_MAX - 1;
    /* children inherit the limit; the server lowers limits.connections where it is too low */
    priv_raise_descriptors((size_t)o->limits.connections * (2 + o->policy.milters.count) +
                           FDS_OF_ONE_WORKER * m->workers);
    err = sockets_bind(o, m->workers, &m->sockets, error);
    if (err == 0)
        err = sockets_bind_unix(o->admin.socket, 0, 0, control_fd, error);
    if (err == 0) {
        snprintf(path, sizeof path, "%s/auth/keeper.sock", o->state);
        err = sockets_bind_unix(path, ids->keeper_uid, ids->keeper_gid, keeper_fd, error);
    }
    if (err == 0) {
        err = crashring_create(ring_fd, &m->ring);
        if (err < 0 && buf_printf(error, "no shared memory: %s", err_text(err)) < 0)
            return err;
    }
    return err;
}

static void close_all(struct master *m)
{
    child_deinit(&m->keeper.child);
    child_deinit(&m->server.child);
    for (size_t i = 0; i < 3; i++)
        if (m->signals[i])
            signal_watch_close(m->signals[i]);
    timer_stop(&m->grace);
    timer_stop(&m->tickets);
    master_files_deinit(m);
    timer_stop(&m->reload_timeout);
    sockets_close(&m->sockets);
    generation_drop(m->current);
    generation_drop(m->next);
    poison_deinit(&m->poison);
}

int master_run(const char *config_path)
{
    static const int watched[3] = {SIGTERM, SIGINT, SIGHUP};
    struct master *m = NEW(struct master);
    struct priv_ids ids = {0};
    struct buf error;
    int control_fd = -1, ring_fd = -1, keeper_fd = -1;

    log_setup("master", LOG_TEXT, LOG_INFO);
    buf_init(&error, 4096, 0);
    m->config_path = config_path;
    m->started_s = clock_wall_s();
    int err = master_load_first(m);
    if (err == 0) {
        err = prepare_system(m, &ids, &control_fd, &ring_fd, &keeper_fd, &error);
        if (err < 0)
            log_event(LOG_ERROR, "start-failed", NULL, "%.*s", SV_ARG(buf_view(&error)));
    }
    buf_deinit(&error);
    if (err < 0) {
        sockets_close(&m->sockets);
        generation_drop(m->current);
        free(m);
        return 1;
    }

    m->loop = loop_new();
    master_generation_init(m);
    master_files_init(m);
    timer_init(&m->grace, m->loop, on_grace_over, m);
    for (size_t i = 0; i < 3; i++)
        m->signals[i] = signal_watch_new(m->loop, watched[i], on_signal, m);
    m->control = control_new(m->loop, control_fd, &master_control_ops, m);
    err = master_start_children(m, &ids, ring_fd, keeper_fd);
    if (err == 0 || m->keeper.child.process)
        loop_run(m->loop);
    log_event(LOG_INFO, "stopped", NULL, "exit code %d", m->exit_code);
    control_free(m->control);
    close_all(m);
    loop_free(m->loop);
    close(control_fd);
    close(ring_fd);
    close(keeper_fd);
    int code = m->exit_code;
    free(m);
    return code;
}
