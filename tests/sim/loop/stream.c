/*
 * A connection is two streams that point at each other. Bytes written go into the other end's
 * receive buffer at once, up to the window, as segments that may be read when their latency is
 * over; the rest is kept by the writer until the reader has made room. Each stream is an actor
 * with at most one thing to do next, in this order: closed, connected, reset, drained, read, end.
 * on_read gets a copy of exactly its bytes, so that a look beyond them is found.
 */
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 127000

struct segment {
    size_t len;
    uint64_t due_ms;
};

struct stream {
    struct actor actor;
    struct stream_ops ops;
    void *arg;
    struct ip_port local, remote;
    struct link *link;
    struct stream *other;   /* NULL: gone, or not yet connected */
    struct stream *waiting; /* next in a backlog */
    uint64_t connect_ms;    /* NEVER: not connecting */
    int connect_err;
    struct buf received;
    struct segment *segments; /* of received */
    size_t nsegments;
    uint64_t last_due_ms;      /* when the last segment or end arrives: order is kept */
    uint64_t end_ms, reset_ms; /* when the peer's FIN or RST arrives; NEVER: none */
    struct buf kept;
    int failed;
    bool reading, ended, shutting, drain, closing;
    bool
        told; /* stream_write() has told of the failure: as with a real one nothing is read again */
};

static struct link *link_new(struct fault_choice f)
{
    struct link *k = NEW(struct link);
    *k = (struct link){
        .refs = 1, .net = net_setting(), .fault = f.fault, .fault_after = f.after_bytes};
    return k;
}

static uint64_t latency(const struct link *k)
{
    uint32_t spread = k->net.latency_max_ms - k->net.latency_min_ms;
    return k->net.latency_min_ms + (spread ? sim_below(spread + 1) : 0);
}

static uint64_t arrival(struct stream *to)
{
    uint64_t at = sim_now() + latency(to->link);
    if (at < to->last_due_ms)
        at = to->last_due_ms;
    return to->last_due_ms = at;
}

static bool silent(const struct link *k)
{
    return k->fault == SIM_SILENT && k->carried >= k->fault_after;
}

static void reset_end(struct stream *s)
{
    if (s->reset_ms == NEVER)
        s->reset_ms = sim_now() + latency(s->link);
}

/* Bytes under way to the other end, of which a fault may keep back the last. */
static void carry(struct stream *to, struct sv bytes)
{
    struct link *k = to->link;
    bool faulty = k->fault == SIM_RESET || k->fault == SIM_SILENT;
    uint64_t left = k->fault_after > k->carried ? k->fault_after - k->carried : 0;
    k->carried += bytes.len;
    if (faulty && bytes.len >= left) {
        bytes = sv_first(bytes, left);
        if (k->fault == SIM_RESET) {
            reset_end(to);
            if (to->other)
                reset_end(to->other);
        }
    }
    if (bytes.len == 0)
        return;
    int err = buf_put(&to->received, bytes);
    REQUIRE(err == 0);
    to->segments = mem_resize(to->segments, to->nsegments + 1, sizeof *to->segments);
    to->segments[to->nsegments++] = (struct segment){bytes.len, arrival(to)};
}

static size_t window_left(const struct stream *to)
{
    size_t used = buf_len(&to->received);
    return used < to->link->net.window ? to->link->net.window - used : 0;
}

static void send_end(struct stream *s)
{
    if (s->other && !silent(s->link))
        s->other->end_ms = arrival(s->other);
}

/* Sends what is kept as far as the window goes. */
static void push(struct stream *s)
{
    if (!s->other || buf_len(&s->kept) == 0)
        return;
    size_t n = window_left(s->other);
    if (n > buf_len(&s->kept))
        n = buf_len(&s->kept);
    carry(s->other, sv_first(buf_view(&s->kept), n));
    buf_consume(&s->kept, n);
    if (buf_len(&s->kept) == 0) {
        s->drain = true;
        if (s->shutting)
            send_end(s);
    }
}

static size_t readable(const struct stream *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->nsegments && s->segments[i].due_ms <= sim_now(); i++)
        n += s->segments[i].len;
    return n;
}

static void consume(struct stream *s, size_t n)
{
    size_t whole = 0;
    buf_consume(&s->received, n);
    while (n && n >= s->segments[whole].len)
        n -= s->segments[whole++].len;
    if (n)
        s->segments[whole].len -= n;
    s->nsegments -= whole;
    for (size_t i = 0; i < s->nsegments; i++)
        s->segments[i] = s->segments[i + whole];
}

static void detach(struct stream *s)
{
    if (s->other)
        s->other->other = NULL;
    s->other = NULL;
}

static void stream_free(struct stream *s)
{
    detach(s);
    if (--s->link->refs == 0)
        free(s->link);
    buf_deinit(&s->received);
    buf_deinit(&s->kept);
    free(s->segments);
    world_remove(&s->actor);
    free(s);
}

static void act_closed(struct stream *s)
{
    s->actor.loop->closing--;
    if (s->ops.on_closed)
        s->ops.on_closed(s->arg);
    stream_free(s);
}

static void act_connect(struct stream *s);

static void end(struct stream *s, int err)
{
    s->ended = true;
    s->reading = false;
    if (s->ops.on_end)
        s->ops.on_end(s->arg, err);
}

static void act_reset(struct stream *s)
{
    bool told = s->reading || buf_len(&s->kept);
    s->reset_ms = NEVER;
    s->failed = -ECONNRESET;
    buf_reset(&s->received);
    buf_reset(&s->kept);
    s->nsegments = 0;
    detach(s);
    if (told)
        end(s, s->failed);
}

static void act_read(struct stream *s)
{
    size_t n = readable(s);
    size_t most = s->link->net.segment_max;
    if (n > most)
        n = most;
    if (most < 65536 || sim_below(2))
        n = 1 + sim_below((uint32_t)n);
    char *copy = mem_resize(NULL, n, 1);
    memcpy(copy, buf_view(&s->received).ptr, n);
    consume(s, n);
    if (s->other)
        push(s->other);
    s->ops.on_read(s->arg, (struct sv){copy, n});
    free(copy);
}

static uint64_t stream_due(struct actor *a)
{
    struct stream *s = (struct stream *)a;
    if (s->closing || s->drain)
        return s->actor.loop ? sim_now() : NEVER;
    if (s->connect_ms != NEVER)
        return s->connect_ms;
    if (!s->actor.loop)
        return NEVER;
    uint64_t due = s->reset_ms;
    if (s->reading && s->failed)
        return sim_now();
    if (s->reading && s->nsegments && s->segments[0].due_ms < due)
        due = s->segments[0].due_ms;
    if (s->reading && !s->nsegments && s->end_ms < due)
        due = s->end_ms;
    return due;
}

static void stream_act(struct actor *a)
{
    struct stream *s = (struct stream *)a;
    if (s->closing) {
        act_closed(s);
    } else if (s->drain) {
        s->drain = false;
        if (s->ops.on_drain)
            s->ops.on_drain(s->arg);
    } else if (s->connect_ms != NEVER) {
        act_connect(s);
    } else if (s->reset_ms <= sim_now()) {
        act_reset(s);
    } else if (s->failed) {
        end(s, s->failed);
    } else if (s->nsegments) {
        act_read(s);
    } else {
        end(s, ERR_EOF);
    }
}

static struct stream *stream_new(struct loop *l, struct link *k, const struct ip_port *local,
                                 const struct ip_port *remote)
{
    struct stream *s = NEW(struct stream);
    s->link = k;
    s->local = *local;
    s->remote = *remote;
    s->connect_ms = s->end_ms = s->reset_ms = NEVER;
    buf_init(&s->received, SIZE_MAX / 4, 0);
    buf_init(&s->kept, SIZE_MAX / 4, 0);
    world_add(&s->actor, l, stream_due, stream_act);
    return s;
}

/* The other end is made when the connection stands; a listener takes it from its port. */
static void act_connect(struct stream *s)
{
    s->connect_ms = NEVER;
    if (s->connect_err == 0) {
        struct stream *o = stream_new(NULL, s->link, &s->remote, &s->local);
        if (net_offer(&s->remote, o)) {
            s->link->refs++;
            s->other = o;
            o->other = s;
        } else {
            s->link->refs++;
            stream_free(o);
            s->connect_err = -ECONNREFUSED;
        }
    }
    s->failed = s->connect_err;
    if (!s->failed) {
        bool end_now = s->shutting && buf_len(&s->kept) == 0;
        push(s);
        if (end_now)
            send_end(s);
    }
    s->ops.on_connect(s->arg, s->failed);
}

struct stream *stream_connect(struct loop *l, const struct ip_port *to, const struct ip *source,
                              const struct stream_ops *ops, void *arg)
{
    struct ip_port local = {.ip = {.family = to->ip.family}};
    struct fault_choice f = net_fault_of(to);
    REQUIRE(to->ip.family != IP_NONE);
    if (source && source->family != IP_NONE &&
        net_fault_of(&(struct ip_port){.ip = *source}).fault == SIM_NOT_OURS)
        f.fault = SIM_NOT_OURS;
    local.port = net_ephemeral_port();
    if (source && source->family != IP_NONE)
        local.ip = *source;
    else if (to->ip.family == IP_V4)
        memcpy(local.ip.bytes, "\x7f\0\0\1", 4);
    else
        local.ip.bytes[15] = 1;
    struct stream *s = stream_new(l, link_new(f), &local, to);
    s->ops = *ops;
    s->arg = arg;
    s->connect_err = f.fault == SIM_REFUSED      ? -ECONNREFUSED
                     : f.fault == SIM_UNREACH    ? -ENETUNREACH
                     : f.fault == SIM_NOT_OURS   ? -EADDRNOTAVAIL
                     : f.fault == SIM_BLACK_HOLE ? -ETIMEDOUT
                                                 : 0;
    s->connect_ms = sim_now() + (f.fault == SIM_BLACK_HOLE ? CONNECT_TIMEOUT_MS
                                                           : latency(s->link) + latency(s->link));
    return s;
}

/* The simulated world has no unix sockets: nobody listens on any. */
struct stream *stream_connect_unix(struct loop *l, const char *path, const struct stream_ops *ops,
                                   void *arg)
{
    struct ip_port nowhere = {.ip = {.family = IP_V4, .bytes = {127, 0, 0, 1}}};
    struct stream *s = stream_connect(l, &nowhere, NULL, ops, arg);
    (void)path;
    s->connect_err = -ENOENT;
    s->remote.ip.family = IP_NONE;
    return s;
}

/* Nor any descriptors that come from elsewhere. */
struct stream *stream_take(struct loop *l, int fd, int *err_out)
{
    (void)l, (void)fd;
    *err_out = -ENOTSOCK;
    return NULL;
}

int stream_duplicate(const struct stream *s)
{
    (void)s;
    return -ENOTSOCK;
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg)
{
    s->ops = *ops;
    s->arg = arg;
}

void stream_read_start(struct stream *s)
{
    if (!s->closing && !s->ended && !s->told)
        s->reading = true;
}

void stream_read_stop(struct stream *s)
{
    s->reading = false;
}

int stream_write(struct stream *s, struct sv bytes)
{
    REQUIRE(!s->closing && !s->shutting);
    if (s->failed) {
        s->told = true;
        return s->failed;
    }
    if (bytes.len == 0)
        return 0;
    if (s->connect_ms == NEVER && !s->other) {
        /* the peer has closed: its kernel answers with RST */
        reset_end(s);
        return 0;
    }
    if (s->other && buf_len(&s->kept) == 0) {
        size_t n = window_left(s->other);
        if (n > bytes.len)
            n = bytes.len;
        carry(s->other, sv_first(bytes, n));
        bytes = sv_skip(bytes, n);
    }
    return buf_put(&s->kept, bytes);
}

size_t stream_pending(const struct stream *s)
{
    return buf_len(&s->kept);
}

void stream_shutdown(struct stream *s)
{
    if (s->closing || s->shutting || s->failed)
        return;
    s->shutting = true;
    if (s->connect_ms == NEVER && buf_len(&s->kept) == 0)
        send_end(s);
}

static void leave(struct stream *s, bool reset)
{
    if (s->closing)
        return;
    if (s->other && !silent(s->link)) {
        /* a kernel that closes with bytes unread sends RST, too */
        if (reset || buf_len(&s->received))
            reset_end(s->other);
        else if (s->other->end_ms == NEVER)
            send_end(s);
    }
    detach(s);
    s->closing = true;
    s->actor.loop->closing++;
}

void stream_close(struct stream *s)
{
    leave(s, false);
}

void stream_reset(struct stream *s)
{
    leave(s, true);
}

struct ip_port stream_peer(const struct stream *s)
{
    return s->remote;
}

struct ip stream_local(const struct stream *s)
{
    return s->local.ip;
}

void stream_to_loop(struct stream *s, struct loop *l)
{
    s->actor.loop = l;
}

void stream_drop(struct stream *s)
{
    stream_free(s);
}

struct stream *stream_next_waiting(struct stream *s)
{
    return s->waiting;
}

void stream_set_next_waiting(struct stream *s, struct stream *next)
{
    s->waiting = next;
}

static bool is_closing(struct actor *a, void *arg)
{
    return a->act == stream_act && a->loop == arg && ((struct stream *)a)->closing;
}

void loop_finish_closing(struct loop *l)
{
    struct actor *a;
    while (l->closing && (a = world_first(is_closing, l)) != NULL)
        act_closed((struct stream *)a);
}

static bool reset_one(struct actor *a, void *arg)
{
    struct stream *s = (struct stream *)a;
    (void)arg;
    if (a->act == stream_act && !s->closing && s->connect_ms == NEVER && s->other)
        s->reset_ms = sim_now();
    return false;
}

void sim_net_reset_all(void)
{
    (void)world_first(reset_one, NULL);
}
