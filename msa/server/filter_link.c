/*
 *     open -> on_connect -> negotiate -> on_answer ... go -> [answer] -> on_answer ... close
 *
 * pump() is the only place that sends and that takes events; a callback that gives the next command
 * is called from there, so that a thousand header fields are a loop and not a recursion. Freed in
 * on_closed.
 */
#include "msa/server/filter_link.h"
#include "msa/base/mem.h"
#include "msa/loop/stream.h"

#include <stdlib.h>

#define OUT_HIGH (256u << 10) /* bytes that the milter has not read */
#define IN_MAX   (256u << 10) /* some reads of the loop */

struct filter_link {
    struct stream *stream;
    struct milter *core;
    struct timer timer;
    uint64_t timeout_ms;
    const struct filter_link_ops *ops;
    void *arg;
    struct buf in; /* read, and not yet given to the core */
    bool connected, pumping, held, closed;
};

/* ---- end ---- */

static void on_closed(void *arg)
{
    struct filter_link *l = arg;
    milter_free(l->core);
    buf_deinit(&l->in);
    free(l);
}

static void end(struct filter_link *l)
{
    l->closed = true;
    timer_stop(&l->timer);
    stream_close(l->stream);
}

static void fail(struct filter_link *l, const char *why)
{
    if (l->closed)
        return;
    end(l);
    l->ops->on_fault(l->arg, why);
}

void filter_link_close(struct filter_link *l)
{
    if (!l || l->closed)
        return;
    if (l->connected && !milter_waits(l->core)) { /* it goes in peace; who hangs is left */
        milter_quit(l->core);
        int err = stream_write(l->stream, milter_output(l->core));
        (void)err;
    }
    end(l);
}

/* ---- pump ---- */

static bool flush(struct filter_link *l)
{
    struct sv out = milter_output(l->core);
    int err = out.len ? stream_write(l->stream, out) : 0;
    if (err < 0)
        return false;
    milter_sent(l->core, out.len);
    return true;
}

static void tell(struct filter_link *l, const struct milter_event *e)
{
    switch (e->kind) {
    case MILTER_ANSWER:
        timer_stop(&l->timer);
        l->ops->on_answer(l->arg, e);
        break;
    case MILTER_CHANGE:
        l->ops->on_change(l->arg, e);
        break;
    case MILTER_PROGRESS:
        timer_start(&l->timer, l->timeout_ms);
        break;
    case MILTER_FAULT:
        fail(l, e->why);
        break;
    }
}

/* The next event; reads on as far as there is something. */
static bool next(struct filter_link *l, struct milter_event *e)
{
    for (;;) {
        if (milter_next(l->core, e))
            return true;
        if (buf_len(&l->in) == 0)
            return false;
        buf_consume(&l->in, milter_feed(l->core, buf_view(&l->in)));
        if (buf_len(&l->in) == 0)
            buf_release(&l->in);
    }
}

static bool is_full(const struct filter_link *l)
{
    return stream_pending(l->stream) > OUT_HIGH;
}

static void pump(struct filter_link *l)
{
    struct milter_event e;
    if (l->pumping)
        return;
    l->pumping = true;
    while (!l->closed && !l->held) {
        if (!flush(l)) {
            fail(l, "the connection is lost");
            break;
        }
        /* commands without an answer must not run away from a milter that does not read */
        if (!milter_waits(l->core) && is_full(l))
            break;
        if (!next(l, &e))
            break;
        tell(l, &e);
    }
    l->pumping = false;
    if (l->closed)
        return;
    if (l->held)
        timer_stop(&l->timer);
    else if (!timer_armed(&l->timer) && (milter_waits(l->core) || is_full(l)))
        timer_start(&l->timer, l->timeout_ms);
}

void filter_link_hold(struct filter_link *l, bool on)
{
    l->held = on;
    if (l->closed)
        return;
    if (on)
        stream_read_stop(l->stream);
    else
        stream_read_start(l->stream);
    if (!on)
        pump(l);
}

void filter_link_go(struct filter_link *l)
{
    pump(l);
}

struct milter *filter_link_core(struct filter_link *l)
{
    return l->core;
}

/* ---- callbacks ---- */

static void on_connect(void *arg, int err)
{
    struct filter_link *l = arg;
    if (err < 0) {
        fail(l, err_text(err));
        return;
    }
    timer_stop(&l->timer);
    l->connected = true;
    stream_read_start(l->stream);
    milter_negotiate(l->core);
    pump(l);
}

static void on_read(void *arg, struct sv bytes)
{
    struct filter_link *l = arg;
    if (l->closed)
        return;
    if (buf_put(&l->in, bytes) < 0) /* more than one read behind what is held: cannot be */
        fail(l, "it sends too much");
    pump(l);
}

static void on_end(void *arg, int err)
{
    fail(arg, err == ERR_EOF ? "it has closed the connection" : err_text(err));
}

static void on_drain(void *arg)
{
    struct filter_link *l = arg;
    if (!milter_waits(l->core))
        timer_stop(&l->timer);
    pump(l);
}

static void on_timer(void *arg)
{
    struct filter_link *l = arg;
    fail(l, l->connected ? "it does not answer in time" : "no connection in time");
}

struct stream *filter_connect(struct loop *l, const struct policy_socket *to,
                              const struct stream_ops *ops, void *arg)
{
    return to->path ? stream_connect_unix(l, to->path, ops, arg)
                    : stream_connect(l, &to->at, NULL, ops, arg);
}

struct filter_link *filter_link_open(struct loop *loop, const struct policy_socket *to,
                                     uint64_t timeout_ms, const struct filter_link_ops *ops,
                                     void *arg)
{
    static const struct stream_ops stream_ops = {.on_connect = on_connect,
                                                 .on_read = on_read,
                                                 .on_end = on_end,
                                                 .on_drain = on_drain,
                                                 .on_closed = on_closed};
    struct filter_link *l = NEW(struct filter_link);
    l->core = milter_new();
    l->timeout_ms = timeout_ms;
    l->ops = ops;
    l->arg = arg;
    buf_init(&l->in, IN_MAX, 0);
    timer_init(&l->timer, loop, on_timer, l);
    timer_start(&l->timer, timeout_ms);
    l->stream = filter_connect(loop, to, &stream_ops, l);
    return l;
}
