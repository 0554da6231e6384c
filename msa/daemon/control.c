#include "msa/daemon/control.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/loop/stream.h"

#include <jansson.h>
#include <stdlib.h>
#include <utlist.h>

struct asker {
    struct asker *prev, *next;
    struct control *control;
    struct stream *stream;
    uint64_t number;
    struct buf in;
    bool asked;  /* its one request has been read */
    bool paused; /* on_more follows */
    bool ending; /* closes when all is written */
};

struct control {
    struct loop *loop;
    struct listener *listener;
    const struct control_ops *ops;
    void *arg;
    struct asker *askers;
    size_t count;
    uint64_t last_number;
    bool freed; /* goes away with the last connection */
};

static void end_asker(struct asker *a)
{
    a->paused = false;
    if (!a->ending) {
        a->ending = true;
        stream_read_stop(a->stream);
    }
    if (stream_pending(a->stream) == 0)
        stream_close(a->stream);
}

static void drop(struct asker *a)
{
    a->ending = true;
    stream_reset(a->stream);
}

static void say(struct asker *a, struct sv lines)
{
    if (stream_write(a->stream, lines) < 0)
        drop(a);
}

static void say_end(struct asker *a, int code, const char *error)
{
    json_t *end = json_pack("{s:b, s:i, s:s*}", "end", 1, "code", code, "error", error);
    char *text = json_dumps(end, JSON_COMPACT);
    say(a, sv_of(text));
    if (!a->ending)
        say(a, SV("\n"));
    free(text);
    json_decref(end);
    if (!a->ending)
        end_asker(a);
}

static void ask(struct asker *a, struct sv line)
{
    json_error_t why;
    json_t *request = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &why);
    const char *command = json_string_value(json_object_get(request, "command"));
    a->asked = true;
    if (command)
        a->control->ops->on_request(a->control->arg, a->number, sv_of(command), line);
    else
        say_end(a, 2, request ? "the request names no \"command\"" : "the request is not JSON");
    json_decref(request);
}

static void on_read(void *arg, struct sv bytes)
{
    struct asker *a = arg;
    if (a->asked || a->ending)
        return; /* one request a connection */
    if (buf_put(&a->in, bytes) < 0) {
        say_end(a, 2, "the request is too long");
        return;
    }
    struct sv text = buf_view(&a->in);
    size_t end = sv_find(text, '\n');
    if (end < text.len)
        ask(a, sv_first(text, end));
}

static void on_end(void *arg, int err)
{
    struct asker *a = arg;
    /* a half-closed asker still waits for its answer; one that failed does not */
    if ((!a->asked || err != ERR_EOF) && !a->ending) {
        a->ending = true;
        stream_close(a->stream);
    }
}

static void on_drain(void *arg)
{
    struct asker *a = arg;
    if (a->ending) {
        stream_close(a->stream);
    } else if (a->paused) {
        a->paused = false;
        a->control->ops->on_more(a->control->arg, a->number, true);
    }
}

static void on_closed(void *arg)
{
    struct asker *a = arg;
    struct control *c = a->control;
    if (a->paused && !c->freed)
        c->ops->on_more(c->arg, a->number, false);
    DL_DELETE(c->askers, a);
    c->count--;
    buf_deinit(&a->in);
    free(a);
    if (c->freed && c->count == 0)
        free(c);
}

static void on_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_end, .on_drain = on_drain, .on_closed = on_closed};
    struct control *c = arg;
    struct asker *a = NEW(struct asker);
    a->control = c;
    a->stream = s;
    a->number = ++c->last_number;
    buf_init(&a->in, CONTROL_REQUEST_MAX, 0);
    DL_APPEND(c->askers, a);
    c->count++;
    stream_set_ops(s, &ops, a);
    if (c->count > CONTROL_CONNECTIONS)
        say_end(a, 1, "too many control connections at once");
    else
        stream_read_start(s);
}

static void on_accept_error(void *arg, int err)
{
    (void)arg;
    (void)err; /* the listener goes on by itself */
}

struct control *control_new(struct loop *l, int fd, const struct control_ops *ops, void *arg)
{
    struct control *c = NEW(struct control);
    c->loop = l;
    c->ops = ops;
    c->arg = arg;
    c->listener = listener_new(l, fd, on_accept, on_accept_error, c);
    return c;
}

static struct asker *find(struct control *c, uint64_t number)
{
    struct asker *a;
    DL_SEARCH_SCALAR(c->askers, a, number, number);
    return a && !a->ending ? a : NULL;
}

void control_answer(struct control *c, uint64_t request, struct sv lines, bool last)
{
    struct asker *a = find(c, request);
    if (!a)
        return;
    if (stream_pending(a->stream) > CONTROL_PENDING_MAX)
        drop(a);
    else
        say(a, lines);
    if (last && !a->ending)
        end_asker(a);
}

void control_pause(struct control *c, uint64_t request)
{
    struct asker *a = find(c, request);
    if (a && stream_pending(a->stream) > 0)
        a->paused = true;
    else
        c->ops->on_more(c->arg, request, a != NULL);
}

void control_end(struct control *c, uint64_t request, int code, const char *error)
{
    struct asker *a = find(c, request);
    if (a)
        say_end(a, code, error);
}

int control_take(struct control *c, uint64_t request)
{
    struct asker *a = find(c, request);
    int fd = a ? stream_duplicate(a->stream) : ERR_NOT_FOUND;
    if (fd < 0)
        return fd;
    stream_read_stop(a->stream);
    a->ending = true;
    stream_close(a->stream);
    return fd;
}

void control_end_all(struct control *c, int code, const char *error)
{
    struct asker *a, *next;
    DL_FOREACH_SAFE(c->askers, a, next)
    {
        if (a->asked && !a->ending)
            say_end(a, code, error);
    }
}

void control_free(struct control *c)
{
    struct asker *a, *next;
    listener_close(c->listener);
    c->freed = true;
    DL_FOREACH_SAFE(c->askers, a, next)
    {
        if (!a->ending) {
            a->ending = true;
            stream_close(a->stream);
        }
    }
    if (c->count == 0)
        free(c);
}
