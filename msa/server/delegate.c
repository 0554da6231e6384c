/*
 *     ask -> waits -> connection (idle, or new) -> sent -> answered -> done, connection idle
 *                        ^                          |
 *                        +--- a reused one is dead -+  once
 *
 * The address may change with a generation: an idle connection is only used for its own.
 */
#include "msa/server/delegate.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/stream.h"
#include "msa/server/filter_link.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct link;

struct delegate_question {
    struct delegate_question *prev, *next; /* those that wait */
    struct delegate *owner;
    struct link *link; /* NULL: waits */
    struct timer timer;
    struct policy_socket to;
    char *path; /* behind to */
    struct buf text;
    bool retried;
    void (*done)(void *arg, const struct delegation_answer *answer, const char *why);
    void *arg;
};

struct link {
    struct link *prev, *next;
    struct delegate *owner; /* NULL: closed */
    struct stream *stream;
    struct policy_socket to;
    char *path;
    struct delegate_question *question; /* NULL: idle */
    struct buf in;
    struct timer idle;
    bool used; /* it has answered a question before */
};

struct delegate {
    struct loop *loop;
    struct link *links;
    size_t count;
    struct delegate_question *waiting;
};

/* ---- questions ---- */

static void question_free(struct delegate_question *q)
{
    timer_stop(&q->timer);
    if (!q->link)
        DL_DELETE(q->owner->waiting, q);
    buf_deinit(&q->text);
    free(q->path);
    free(q);
}

static void finish(struct delegate_question *q, const struct delegation_answer *answer,
                   const char *why)
{
    void (*done)(void *, const struct delegation_answer *, const char *) = q->done;
    void *arg = q->arg;
    question_free(q);
    done(arg, answer, why);
}

/* ---- connections ---- */

static void on_closed(void *arg)
{
    struct link *k = arg;
    buf_deinit(&k->in);
    free(k->path);
    free(k);
}

static void start_waiting(struct delegate *d);

static void link_close(struct link *k)
{
    struct delegate *d = k->owner;
    DL_DELETE(d->links, k);
    d->count--;
    k->owner = NULL;
    timer_stop(&k->idle);
    stream_close(k->stream);
}

static void link_fail(struct link *k, const char *why)
{
    struct delegate *d = k->owner;
    struct delegate_question *q = k->question;
    if (!d)
        return;
    bool again = q && k->used && !q->retried && buf_len(&k->in) == 0;
    link_close(k);
    if (q) {
        q->link = NULL;
        DL_PREPEND(d->waiting, q);
        q->retried = true;
        if (!again)
            finish(q, NULL, why);
    }
    start_waiting(d);
}

static void send_question(struct link *k)
{
    int err = stream_write(k->stream, buf_view(&k->question->text));
    if (err < 0)
        link_fail(k, err_text(err));
}

static void on_connect(void *arg, int err)
{
    struct link *k = arg;
    if (!k->owner)
        return;
    if (err < 0) {
        link_fail(k, err_text(err));
        return;
    }
    stream_read_start(k->stream);
    if (k->question)
        send_question(k);
}

static void on_read(void *arg, struct sv bytes)
{
    struct link *k = arg;
    struct delegation_answer answer;
    if (!k->owner)
        return;
    if (!k->question || buf_put(&k->in, bytes) < 0) {
        link_fail(k, "it says what was not asked");
        return;
    }
    enum delegation_progress p = delegation_parse(buf_view(&k->in), &answer);
    if (p == DELEGATION_MORE)
        return;
    if (p == DELEGATION_BAD || answer.bytes != buf_len(&k->in)) {
        link_fail(k, "its answer is malformed");
        return;
    }
    struct delegate *d = k->owner;
    struct delegate_question *q = k->question;
    struct buf said = k->in; /* the answer's text, while it is told */
    buf_init(&k->in, DELEGATION_ANSWER_MAX, 0);
    k->question = NULL;
    k->used = true;
    timer_start(&k->idle, DELEGATE_IDLE_MS);
    q->link = NULL;
    DL_APPEND(d->waiting, q);
    finish(q, &answer, NULL);
    buf_deinit(&said);
    start_waiting(d);
}

static void on_end(void *arg, int err)
{
    link_fail(arg, err == ERR_EOF ? "it has closed the connection" : err_text(err));
}

static void on_idle(void *arg)
{
    link_close(arg);
}

static bool same(const struct policy_socket *a, const struct policy_socket *b)
{
    if (a->path || b->path)
        return a->path && b->path && strcmp(a->path, b->path) == 0;
    return a->at.port == b->at.port && ip_eq(&a->at.ip, &b->at.ip);
}

static char *keep(struct policy_socket *to)
{
    if (!to->path)
        return NULL;
    char *copy = mem_str(to->path);
    to->path = copy;
    return copy;
}

static struct link *link_new(struct delegate *d, const struct policy_socket *to)
{
    static const struct stream_ops ops = {
        .on_connect = on_connect, .on_read = on_read, .on_end = on_end, .on_closed = on_closed};
    struct link *k = NEW(struct link);
    k->owner = d;
    k->to = *to;
    k->path = keep(&k->to);
    buf_init(&k->in, DELEGATION_ANSWER_MAX, 0);
    timer_init(&k->idle, d->loop, on_idle, k);
    DL_APPEND(d->links, k);
    d->count++;
    k->stream = filter_connect(d->loop, &k->to, &ops, k);
    return k;
}

/* ---- the waiting ---- */

static struct link *idle_for(struct delegate *d, const struct policy_socket *to)
{
    struct link *k, *other = NULL;
    DL_FOREACH(d->links, k)
    {
        if (k->question)
            continue;
        if (same(&k->to, to))
            return k;
        other = k;
    }
    if (other && d->count >= DELEGATE_CONNECTIONS)
        link_close(other); /* of an address that is not in use any more */
    return NULL;
}

static void start_waiting(struct delegate *d)
{
    while (d->waiting) {
        struct delegate_question *q = d->waiting;
        struct link *k = idle_for(d, &q->to);
        bool fresh = !k;
        if (!k && d->count >= DELEGATE_CONNECTIONS)
            return;
        if (!k)
            k = link_new(d, &q->to);
        DL_DELETE(d->waiting, q);
        q->link = k;
        k->question = q;
        timer_stop(&k->idle);
        if (!fresh)
            send_question(k);
    }
}

static void on_late(void *arg)
{
    struct delegate_question *q = arg;
    if (q->link) {
        q->retried = true;
        link_fail(q->link, "it does not answer in time");
    } else {
        finish(q, NULL, "all connections to it are busy");
    }
}

struct delegate_question *
delegate_ask(struct delegate *d, const struct policy_socket *to, uint64_t timeout_ms,
             const struct delegation_request *r,
             void (*done)(void *arg, const struct delegation_answer *answer, const char *why),
             void *arg)
{
    struct delegate_question *q = NEW(struct delegate_question);
    q->owner = d;
    q->to = *to;
    q->path = keep(&q->to);
    q->done = done;
    q->arg = arg;
    buf_init(&q->text, SIZE_MAX / 2, 0);
    int err = delegation_write(r, &q->text);
    REQUIRE(err == 0);
    timer_init(&q->timer, d->loop, on_late, q);
    timer_start(&q->timer, timeout_ms);
    DL_APPEND(d->waiting, q);
    start_waiting(d);
    return q;
}

void delegate_cancel(struct delegate_question *q)
{
    struct delegate *d = q->owner;
    if (q->link) { /* what it will answer is nobody's any more */
        struct link *k = q->link;
        q->link = NULL;
        k->question = NULL;
        link_close(k);
        DL_PREPEND(d->waiting, q);
    }
    question_free(q);
    start_waiting(d);
}

struct delegate *delegate_new(struct loop *l)
{
    struct delegate *d = NEW(struct delegate);
    d->loop = l;
    return d;
}

void delegate_free(struct delegate *d)
{
    REQUIRE(!d->waiting);
    struct link *k, *next;
    DL_FOREACH_SAFE(d->links, k, next)
    {
        REQUIRE(!k->question);
        link_close(k);
    }
    free(d);
}
