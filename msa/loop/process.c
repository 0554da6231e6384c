/*
 * Everything above descriptor 2 is marked close-on-exec just before the child is made, so that
 * nothing a library has opened goes along; libuv takes the mark off what is passed on purpose.
 */
#include "msa/loop/process.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/internal.h"

#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
    uv_process_t uv;
    struct loop *loop;
    void (*on_exit)(void *arg, int status, int signal);
    void *arg;
    bool ended;
};

struct signal_watch {
    uv_signal_t uv;
    struct loop *loop;
    void (*on_signal)(void *arg, int signal);
    void *arg;
};

static void on_process_exit(uv_process_t *uv, int64_t status, int signal)
{
    struct process *p = uv->data;
    p->ended = true;
    p->on_exit(p->arg, signal ? -1 : (int)status, signal);
}

static void on_process_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;
    loop_closed(p->loop);
    free(p);
}

int process_start(struct loop *l, char *const argv[], const int *fds, size_t nfds,
                  void (*on_exit)(void *arg, int status, int signal), void *arg,
                  struct process **out)
{
    REQUIRE(strchr(argv[0], '/') != NULL);
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return -errno;
    struct process *p = NEW(struct process);
    uv_stdio_container_t *stdio = mem_new(3 + nfds, sizeof *stdio);
    for (size_t i = 0; i < 3 + nfds; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = i < 3 ? (int)i : fds[i - 3];
    }
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = argv[0],
        .args = (char **)argv,
        .stdio_count = (int)(3 + nfds),
        .stdio = stdio,
    };
    *p = (struct process){.loop = l, .on_exit = on_exit, .arg = arg};
    int err = uv_spawn(&l->uv, &p->uv, &options);
    p->uv.data = p;
    free(stdio);
    if (err < 0) {
        loop_close(l, (uv_handle_t *)&p->uv, on_process_closed);
        return loop_err(err);
    }
    *out = p;
    return 0;
}

pid_t process_pid(const struct process *p)
{
    return uv_process_get_pid(&p->uv);
}

void process_kill(struct process *p, int signal)
{
    if (!p->ended) /* afterwards the number may be another process */
        (void)uv_process_kill(&p->uv, signal);
}

void process_free(struct process *p)
{
    loop_close(p->loop, (uv_handle_t *)&p->uv, on_process_closed);
}

static void on_uv_signal(uv_signal_t *uv, int signal)
{
    struct signal_watch *w = uv->data;
    w->on_signal(w->arg, signal);
}

struct signal_watch *signal_watch_new(struct loop *l, int signal,
                                      void (*on_signal)(void *arg, int signal), void *arg)
{
    struct signal_watch *w = NEW(struct signal_watch);
    *w = (struct signal_watch){.loop = l, .on_signal = on_signal, .arg = arg};
    int err = uv_signal_init(&l->uv, &w->uv);
    REQUIRE(err == 0);
    w->uv.data = w;
    err = uv_signal_start(&w->uv, on_uv_signal, signal);
    REQUIRE(err == 0);
    return w;
}

static void on_signal_closed(uv_handle_t *handle)
{
    struct signal_watch *w = handle->data;
    loop_closed(w->loop);
    free(w);
}

void signal_watch_close(struct signal_watch *w)
{
    loop_close(w->loop, (uv_handle_t *)&w->uv, on_signal_closed);
}
