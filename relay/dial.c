/*
 * Each address has a runner: a stream and a timer. Runners of a finished dial only wait for their
 * stream's end. The dial's memory goes with the last runner.
 *
 *     start -> runner 0 --250 ms--> runner 1 --250 ms--> ...
 *                 | connected: it wins, the others are closed
 *                 ` failed: the next is begun; none left and none under way: on_failed
 */
#include "relay/dial.h"

#include "msa/base/arena.h"
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/throttle.h"
#include "msa/loop/clock.h"
#include "relay/socks.h"

#include <errno.h>
#include <stdlib.h>

struct runner {
    struct relay_dial *dial; /* NULL: not begun */
    size_t index;            /* of the attempt */
    struct stream *stream;   /* NULL: handed over */
    struct timer timer;
    uint64_t began_ms;
    const struct relay_bind_options *bind; /* NULL: any address */
    uint64_t binds_tried;                  /* a bit for each row: RELAY_BIND_MAX */
    struct relay_socks *socks;             /* while a proxy is asked; on the heap */
    bool over;                             /* failed, or dropped */
};

struct relay_dial {
    struct relay_dial_config config;
    const struct relay_dial_ops *ops; /* NULL: nobody is told of anything but the end */
    void *arg;
    void (*on_closed)(void *arg); /* NULL: nobody waits for it */
    struct runner *runners;       /* in the order in which they are begun */
    size_t begun, under_way;
    size_t open; /* streams whose end has not come */
    bool done;   /* connected, failed or ended */
    struct timer step;
    uint64_t began_ms;
    struct arena arena;
    const char *said; /* of those that failed */
};

static uint64_t now(const struct relay_dial *d)
{
    return loop_now_ms(d->config.loop);
}

static enum ip_family family_of(const struct relay_dial *d, size_t index)
{
    return d->config.attempts[index].to.ip.family;
}

static const struct route_attempt *attempt_of(const struct runner *r)
{
    return &r->dial->config.attempts[r->index];
}

/* ---- end ---- */

static void free_if_over(struct relay_dial *d)
{
    if (!d->done || d->open > 0 || d->ops)
        return;
    void (*on_closed)(void *arg) = d->on_closed;
    void *arg = d->arg;
    arena_deinit(&d->arena);
    for (size_t i = 0; i < d->begun; i++)
        free(d->runners[i].socks);
    free(d->runners);
    free(d);
    if (on_closed)
        on_closed(arg);
}

static void on_stream_closed(void *arg)
{
    struct runner *r = arg;
    r->dial->open--;
    free_if_over(r->dial);
}

static void drop(struct runner *r)
{
    r->over = true;
    r->dial->under_way--;
    timer_stop(&r->timer);
    stream_close(r->stream);
}

static void drop_all(struct relay_dial *d)
{
    timer_stop(&d->step);
    for (size_t i = 0; i < d->begun; i++)
        if (!d->runners[i].over)
            drop(&d->runners[i]);
}

/* ---- where it leaves from ---- */

static bool suits(const struct runner *r, size_t row, struct ip *out)
{
    const struct ip *to = &attempt_of(r)->to.ip;
    const struct relay_bind_options *b =
        CONF_ITEM(*r->dial->config.bind, row, struct relay_bind_options);
    return !(r->binds_tried >> row & 1) && ip_parse(sv_of(b->address), out) &&
           out->family == to->family;
}

/* Draws one of those that were not tried; false: none is left. */
static bool draw_bind(struct runner *r)
{
    const struct conf_list *rows = r->dial->config.bind;
    int64_t all = 0, at;
    size_t last = 0;
    struct ip unused;
    r->bind = NULL;
    for (size_t i = 0; rows && i < rows->count; i++)
        if (suits(r, i, &unused))
            all += CONF_ITEM(*rows, i, struct relay_bind_options)->weight;
    at = all > 0 ? (int64_t)(random_u64() % (uint64_t)all) : 0;
    for (size_t i = 0; rows && i < rows->count && at >= 0; i++) {
        if (!suits(r, i, &unused))
            continue;
        last = i;
        r->bind = CONF_ITEM(*rows, i, struct relay_bind_options);
        at -= r->bind->weight;
        if (all == 0)
            break;
    }
    if (r->bind)
        r->binds_tried |= (uint64_t)1 << last;
    return r->bind != NULL;
}

/* The machine does not have the address. */
static bool next_bind(struct runner *r)
{
    static _Atomic uint64_t next_ms;
    if (throttle_passes(&next_ms, now(r->dial)))
        log_event(LOG_WARNING, "bind", NULL,
                  "relay.bind: %s is not an address of this machine, or has no port left",
                  r->bind->address);
    return draw_bind(r);
}

/* ---- the race ---- */

static void begin_next(struct relay_dial *d);
static void connect_stream(struct runner *r);

/* The other family had its chance: it was begun before, and has failed or is late. */
static void note_loser(struct relay_dial *d, const struct runner *winner)
{
    enum ip_family won = family_of(d, winner->index);
    const char *host = d->config.attempts[0].host;
    for (const struct runner *r = d->runners; d->config.families && r < winner; r++) {
        if (family_of(d, r->index) != won) {
            relay_families_note(d->config.families, host, family_of(d, r->index), now(d));
            return;
        }
    }
}

static uint32_t failed_of(const struct relay_dial *d, const struct runner *winner)
{
    uint32_t set = 0;
    for (size_t i = 0; i < d->begun; i++)
        if (&d->runners[i] != winner && d->runners[i].over)
            set |= (uint32_t)1 << d->runners[i].index;
    return set;
}

static void win(struct runner *r, struct sv early)
{
    struct relay_dial *d = r->dial;
    const struct relay_dial_ops *ops = d->ops;
    struct relay_dial_result result = {.index = r->index,
                                       .stream = r->stream,
                                       .early = early,
                                       .failed = failed_of(d, r),
                                       .name = r->bind ? r->bind->name : ""};
    void *arg = d->arg;
    note_loser(d, r);
    timer_stop(&r->timer);
    r->over = true;
    d->open--;
    d->done = true;
    d->ops = NULL;
    drop_all(d);
    free_if_over(d);
    ops->on_connected(arg, &result);
}

/* what: why this one failed, in words. */
static void say(struct relay_dial *d, const struct runner *r, const char *what)
{
    char ip[IP_TEXT_MAX];
    d->said = arena_printf(&d->arena, "%s%s[%s]: %s after %llu s", d->said ? d->said : "",
                           d->said ? ", " : "", ip_text(&attempt_of(r)->to.ip, ip), what,
                           (unsigned long long)(now(d) - r->began_ms) / 1000);
}

/* what: in place of the error's own words, or NULL. */
static void lose(struct runner *r, int err, const char *what)
{
    struct relay_dial *d = r->dial;
    say(d, r, what ? what : err_text(err));
    drop(r);
    if (d->begun < d->config.count) {
        begin_next(d);
    } else if (d->under_way == 0) {
        d->done = true;
        struct smtp_client_result why = {.end =
                                             err == -ETIMEDOUT ? SMTP_END_TIMEOUT : SMTP_END_LOST,
                                         .phase = SMTP_PHASE_CONNECT,
                                         .err = err,
                                         .detail = d->config.count > 1 ? d->said : what,
                                         .elapsed_ms = now(d) - d->began_ms};
        d->ops->on_failed(d->arg, r->index, &why);
    }
}

/* ---- through a proxy ---- */

static void lose_proxy(struct runner *r, int err)
{
    char at[IP_TEXT_MAX];
    lose(r, err,
         arena_printf(&r->dial->arena, "the proxy %s: %s",
                      ip_port_text(&attempt_of(r)->proxy->at, at), err_text(err)));
}

static void send_to_proxy(struct runner *r)
{
    struct sv out = relay_socks_out(r->socks);
    int err = stream_write(r->stream, out);
    if (err < 0)
        lose_proxy(r, err);
}

static void ask_proxy(struct runner *r)
{
    const struct route_attempt *a = attempt_of(r);
    struct relay_socks_request request = {.host = sv_of(a->host),
                                          .ip = a->to.ip,
                                          .port = a->to.port,
                                          .user = sv_of(a->proxy->user),
                                          .password = sv_of(a->proxy->password)};
    r->socks = NEW(struct relay_socks);
    relay_socks_init(r->socks, &request);
    stream_read_start(r->stream);
    send_to_proxy(r);
}

static void on_proxy_read(void *arg, struct sv bytes)
{
    struct runner *r = arg;
    size_t used;
    if (r->over)
        return;
    crashring_hold(r->dial->config.queue_id);
    switch (relay_socks_feed(r->socks, bytes, &used)) {
    case RELAY_SOCKS_MORE:
        send_to_proxy(r);
        break;
    case RELAY_SOCKS_OPEN:
        stream_read_stop(r->stream);
        win(r, sv_skip(bytes, used));
        break;
    case RELAY_SOCKS_FAILED:
        lose(r, -ECONNREFUSED, relay_socks_fault(r->socks));
        break;
    }
    crashring_done();
}

static void on_proxy_end(void *arg, int err)
{
    struct runner *r = arg;
    if (r->over)
        return;
    crashring_hold(r->dial->config.queue_id);
    lose_proxy(r, err);
    crashring_done();
}

/* ---- events ---- */

static void on_connect(void *arg, int err)
{
    struct runner *r = arg;
    if (r->over)
        return;
    crashring_hold(r->dial->config.queue_id);
    if (err == -EADDRNOTAVAIL && r->bind && next_bind(r))
        connect_stream(r);
    else if (err < 0 && attempt_of(r)->proxy)
        lose_proxy(r, err);
    else if (err < 0)
        lose(r, err, NULL);
    else if (attempt_of(r)->proxy)
        ask_proxy(r);
    else
        win(r, SV_NONE);
    crashring_done();
}

static void on_timeout(void *arg)
{
    struct runner *r = arg;
    crashring_hold(r->dial->config.queue_id);
    if (attempt_of(r)->proxy)
        lose_proxy(r, -ETIMEDOUT);
    else
        lose(r, -ETIMEDOUT, NULL);
    crashring_done();
}

static void on_step(void *arg)
{
    begin_next(arg);
}

static void connect_stream(struct runner *r)
{
    static const struct stream_ops ops = {.on_connect = on_connect,
                                          .on_read = on_proxy_read,
                                          .on_end = on_proxy_end,
                                          .on_closed = on_stream_closed};
    struct relay_dial *d = r->dial;
    const struct route_attempt *a = attempt_of(r);
    struct ip source = {.family = IP_NONE};
    if (r->stream)
        stream_close(r->stream);
    if (r->bind && !ip_parse(sv_of(r->bind->address), &source))
        source.family = IP_NONE; /* checked when the configuration was read */
    d->open++;
    r->stream = stream_connect(d->config.loop, a->proxy ? &a->proxy->at : &a->to, &source, &ops, r);
}

static void begin_next(struct relay_dial *d)
{
    struct runner *r = &d->runners[d->begun++];
    r->dial = d;
    r->began_ms = now(d);
    timer_init(&r->timer, d->config.loop, on_timeout, r);
    timer_start(&r->timer, attempt_of(r)->proxy ? RELAY_DIAL_PROXY_MS : d->config.connect_ms);
    d->under_way++;
    if (!attempt_of(r)->proxy && !ip_is_loopback(&attempt_of(r)->to.ip))
        draw_bind(r);
    connect_stream(r);
    if (d->begun < d->config.count)
        timer_start(&d->step, RELAY_DIAL_STEP_MS);
    else
        timer_stop(&d->step);
}

/* ---- order ---- */

/* The first of this family that is not yet placed; count: there is none. */
static size_t find(const struct relay_dial *d, const bool *placed, enum ip_family family)
{
    size_t i = 0;
    while (i < d->config.count && (placed[i] || family_of(d, i) != family))
        i++;
    return i;
}

static void put_in_order(struct relay_dial *d)
{
    bool placed[RELAY_DIAL_MAX] = {false};
    enum ip_family family = family_of(d, 0);
    enum ip_family loser =
        d->config.families
            ? relay_families_loser(d->config.families, d->config.attempts[0].host, now(d))
            : IP_NONE;
    if (d->config.count == 1)
        return; /* also what a proxy resolves, which is of no family */
    if (family == loser)
        family = family == IP_V4 ? IP_V6 : IP_V4;
    for (size_t i = 0; i < d->config.count; i++) {
        enum ip_family other = family == IP_V4 ? IP_V6 : IP_V4;
        size_t index = find(d, placed, family);
        if (index == d->config.count)
            index = find(d, placed, other);
        placed[index] = true;
        d->runners[i].index = index;
        family = family_of(d, index) == IP_V4 ? IP_V6 : IP_V4;
    }
}

/* ---- interface ---- */

struct relay_dial *relay_dial_start(const struct relay_dial_config *config,
                                    const struct relay_dial_ops *ops, void *arg)
{
    struct relay_dial *d = NEW(struct relay_dial);
    REQUIRE(config->count >= 1 && config->count <= RELAY_DIAL_MAX);
    d->config = *config;
    d->ops = ops;
    d->arg = arg;
    d->began_ms = now(d);
    d->runners = mem_new(config->count, sizeof *d->runners);
    arena_init(&d->arena);
    timer_init(&d->step, config->loop, on_step, d);
    put_in_order(d);
    begin_next(d);
    return d;
}

void relay_dial_end(struct relay_dial *d)
{
    REQUIRE(d->ops);
    d->on_closed = d->ops->on_closed;
    d->ops = NULL;
    d->done = true;
    drop_all(d);
    REQUIRE(d->open > 0); /* streams end later */
}
