#include "msa/daemon/child.h"
#include "msa/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void drop(struct child *c)
{
    if (c->chan)
        chan_close(c->chan);
    c->chan = NULL;
}

static void on_chan_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct child *c = arg;
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]); /* a child has no descriptor to give */
    c->on_message(c->arg, c, type, payload);
}

/* Its exit follows, or it hangs with a closed channel: then it is of no use. One that was told to
 * stop is given its time by the master. */
static void on_chan_end(void *arg, int err)
{
    struct child *c = arg;
    (void)err;
    drop(c);
    if (!c->stopping)
        child_kill(c, SIGKILL);
}

static void on_late(void *arg)
{
    struct child *c = arg;
    log_event(LOG_ERROR, "start-timeout", NULL, "%s did not get ready within %llu s", c->name,
              (unsigned long long)c->start_ms / 1000);
    child_kill(c, SIGKILL);
}

static void on_exit(void *arg, int status, int signal)
{
    struct child *c = arg;
    timer_stop(&c->late);
    process_free(c->process);
    c->process = NULL;
    drop(c);
    c->on_end(c->arg, c, status, signal);
    if (c->stopping)
        return;
    uint64_t now = loop_now_ms(c->loop);
    uint64_t pause = restart_pause_ms(&c->restart, c->started_ms, now);
    if (pause)
        log_event(LOG_WARNING, "restart-pause", NULL, "%s ends often; next start in %llu ms",
                  c->name, (unsigned long long)pause);
    timer_start(&c->again, pause);
}

static void start_again(void *arg)
{
    struct child *c = arg;
    int err = child_start(c);
    if (err < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "%s: %s", c->name, err_text(err));
        timer_start(&c->again, 1000);
    }
}

void child_init(struct child *c)
{
    timer_init(&c->again, c->loop, start_again, c);
    timer_init(&c->late, c->loop, on_late, c);
}

int child_start(struct child *c)
{
    static const struct chan_ops ops = {.on_message = on_chan_message, .on_end = on_chan_end};
    char role[32], uid[32], gid[32], change[32], parent[32];
    int pair[2];
    int err = chan_pair(pair);
    if (err < 0)
        return err;
    snprintf(role, sizeof role, "--child=%s", c->name);
    snprintf(uid, sizeof uid, "%lld", (long long)c->uid);
    snprintf(gid, sizeof gid, "%lld", (long long)c->gid);
    snprintf(change, sizeof change, "%d", c->change_user);
    snprintf(parent, sizeof parent, "%lld", (long long)getpid());
    char program[] = "/proc/self/exe";
    char *argv[] = {program, role, uid, gid, change, parent, NULL};
    int fds[] = {pair[1], c->extra_fd};
    err = process_start(c->loop, argv, fds, c->extra_fd >= 0 ? 2 : 1, on_exit, c, &c->process);
    close(pair[1]);
    if (err < 0) {
        close(pair[0]);
        return err;
    }
    c->started_ms = loop_now_ms(c->loop);
    c->chan = chan_new(c->loop, pair[0], &ops, c);
    timer_start(&c->late, c->start_ms);
    c->on_start(c->arg, c);
    return 0;
}

void child_serves(struct child *c)
{
    timer_stop(&c->late);
}

bool child_is_up(const struct child *c)
{
    return c->chan != NULL;
}

int child_send(struct child *c, uint32_t type, struct sv payload, const int *fds, size_t nfds)
{
    if (!c->chan)
        return ERR_EOF;
    int err = chan_send(c->chan, type, payload, fds, nfds);
    if (err < 0) {
        log_event(LOG_ERROR, "channel", NULL, "%s does not take messages: %s", c->name,
                  err_text(err));
        child_kill(c, SIGKILL);
    }
    return err;
}

void child_kill(struct child *c, int signal)
{
    if (c->process)
        process_kill(c->process, signal);
}

void child_deinit(struct child *c)
{
    timer_stop(&c->again);
    timer_stop(&c->late);
    drop(c);
    if (c->process)
        process_free(c->process);
    c->process = NULL;
}
