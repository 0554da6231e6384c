/*
 * client.c - the asking side.
 *
 * A request is in one of two places: in `waiting`, in the order of its deadline, until its answer
 * comes; or, an exchange between two steps, in the table alone. One timer stands at the first
 * deadline. What fails at once (no keeper) is put in front with a deadline that has passed, so that
 * its callback comes from the timer and never from inside the caller's call.
 *
 * A first request that finds no keeper keeps its frame until the next one is attached: a restart
 * takes a fraction of a second, and the client at the other end need not know. A signature that was
 * under way is asked for once more, and only once: it may be what ended the keeper.
 */
#include "auth/client/client.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/chan.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

struct request {
    uint64_t id;
    bool is_login, is_waiting;
    bool lost;          /* the keeper that held the exchange is gone */
    bool is_unsent;     /* frame waits for a keeper */
    bool is_sent_again; /* frame was sent to a keeper that went away */
    uint32_t type;      /* of frame */
    struct buf frame;   /* a first request that may have to be sent (again); else empty */
    uint64_t due_ms;
    auth_on_answer *done;
    void *arg;
    struct request *prev, *next; /* in waiting */
    UT_hash_handle hh;
};

struct auth_client {
    struct loop *loop;
    struct chan *chan; /* NULL: no keeper */
    struct auth_client_ops ops;
    void *arg;
    uint64_t last_id;
    struct request *table, *waiting;
    struct timer timer;
};

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds);
static void on_end(void *arg, int err);
static const struct chan_ops chan_events = {.on_message = on_message, .on_end = on_end};

static void set_timer(struct auth_client *c)
{
    uint64_t now = loop_now_ms(c->loop);

    if (c->waiting == NULL)
        timer_stop(&c->timer);
    else
        timer_start(&c->timer, c->waiting->due_ms > now ? c->waiting->due_ms - now : 0);
}

static void wait_for_answer(struct auth_client *c, struct request *r)
{
    r->is_waiting = true;
    r->due_ms = loop_now_ms(c->loop) + AUTH_REQUEST_MAX_MS;
    DL_APPEND(c->waiting, r);
    set_timer(c);
}

static void wait_no_more(struct auth_client *c, struct request *r)
{
    if (!r->is_waiting)
        return;
    DL_DELETE(c->waiting, r);
    r->is_waiting = false;
}

/* Its callback comes with the next turn of the loop. */
static void fail_soon(struct auth_client *c, struct request *r)
{
    wait_no_more(c, r);
    r->is_waiting = true;
    r->due_ms = 0;
    DL_PREPEND(c->waiting, r);
    set_timer(c);
}

static void forget(struct auth_client *c, struct request *r)
{
    wait_no_more(c, r);
    HASH_DEL(c->table, r);
    buf_deinit(&r->frame);
    free(r);
}

static void answer(struct auth_client *c, struct request *r, const struct auth_answer *a)
{
    auth_on_answer *done = r->done;
    uint64_t id = r->id;
    void *arg = r->arg;

    if (a->verdict == AUTH_CONTINUE) {
        wait_no_more(c, r);
        buf_release(&r->frame);
    } else {
        forget(c, r);
    }
    set_timer(c);
    done(arg, id, a);
}

static void send_wire(struct auth_client *c, const struct auth_wire *m, struct request *r)
{
    struct buf payload;
    int err = ERR_KEEPER;

    buf_init(&payload, AUTH_WIRE_FRAME_MAX, BUF_SECRET);
    auth_wire_write(&payload, m);
    if (c->chan != NULL)
        err = chan_send(c->chan, m->type, buf_view(&payload), NULL, 0);
    buf_deinit(&payload);
    if (r == NULL)
        return;
    if (err < 0)
        fail_soon(c, r);
    else
        wait_for_answer(c, r);
}

/* Sends r->frame, or leaves it to auth_client_attach(). */
static void send_frame(struct auth_client *c, struct request *r)
{
    int err = 0;

    r->is_unsent = c->chan == NULL;
    if (!r->is_unsent)
        err = chan_send(c->chan, r->type, buf_view(&r->frame), NULL, 0);
    if (!r->is_unsent && r->type != AUTH_WIRE_SIGN)
        buf_release(&r->frame); /* never sent twice: it may hold a password */
    if (err < 0)
        fail_soon(c, r);
    else if (!r->is_waiting)
        wait_for_answer(c, r);
}

/* The first message of an exchange, or a signature. */
static void send_first(struct auth_client *c, const struct auth_wire *m, struct request *r)
{
    r->type = m->type;
    auth_wire_write(&r->frame, m);
    send_frame(c, r);
}

static void on_timer(void *arg)
{
    struct auth_client *c = arg;
    uint64_t newest = c->last_id; /* what callbacks ask anew has its own turn */

    while (c->waiting != NULL && c->waiting->due_ms <= loop_now_ms(c->loop) &&
           c->waiting->id <= newest) {
        struct request *r = c->waiting;

        /* the keeper may be at it still */
        if (r->due_ms != 0 && !r->is_unsent)
            send_wire(c, &(struct auth_wire){.type = AUTH_WIRE_CANCEL, .id = r->id}, NULL);
        answer(c, r, &(struct auth_answer){.verdict = AUTH_TEMPORARY});
    }
    set_timer(c);
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct auth_client *c = arg;
    struct request *r = NULL;
    struct auth_wire m;

    (void)fds;
    REQUIRE(nfds == 0);
    if (auth_wire_read(type, payload, &m) < 0) {
        on_end(c, ERR_SYNTAX);
        return;
    }
    if (type == AUTH_WIRE_USER_CHANGED) {
        if (c->ops.on_user_changed != NULL)
            c->ops.on_user_changed(c->arg, m.name, m.extra);
        return;
    }
    if (type != AUTH_WIRE_ANSWER)
        return;
    HASH_FIND(hh, c->table, &m.id, sizeof(m.id), r);
    if (r == NULL || !r->is_waiting || r->is_unsent || r->due_ms == 0)
        return; /* canceled, or answered by its deadline */
    answer(c, r,
           &(struct auth_answer){.verdict = (enum auth_verdict)m.code,
                                 .data = m.data.len > 0 ? m.data : SV_NONE,
                                 .login = m.name,
                                 .app = m.extra});
}

static void on_end(void *arg, int err)
{
    struct auth_client *c = arg;
    struct request *r, *next;

    (void)err;
    chan_close(c->chan);
    c->chan = NULL;
    HASH_ITER(hh, c->table, r, next)
    {
        if (r->is_unsent)
            continue;
        if (r->is_waiting && r->type == AUTH_WIRE_SIGN && !r->is_sent_again) {
            r->is_unsent = r->is_sent_again = true;
            continue;
        }
        r->lost = true;
        if (r->is_waiting)
            fail_soon(c, r);
    }
    if (c->ops.on_lost != NULL)
        c->ops.on_lost(c->arg);
}

struct auth_client *auth_client_new(struct loop *l, int fd, const struct auth_client_ops *ops,
                                    void *arg)
{
    struct auth_client *c = NEW(struct auth_client);

    c->loop = l;
    c->arg = arg;
    if (ops != NULL)
        c->ops = *ops;
    timer_init(&c->timer, l, on_timer, c);
    if (fd >= 0)
        auth_client_attach(c, fd);
    return c;
}

void auth_client_attach(struct auth_client *c, int fd)
{
    struct request *r, *next;

    if (c->chan != NULL)
        on_end(c, ERR_EOF);
    c->chan = chan_new(c->loop, fd, &chan_events, c);
    /* what fails now moves to the front, which this walk has passed */
    DL_FOREACH_SAFE(c->waiting, r, next)
    {
        if (r->is_unsent)
            send_frame(c, r);
    }
}

void auth_client_free(struct auth_client *c)
{
    struct request *r, *next;

    HASH_ITER(hh, c->table, r, next)
    forget(c, r);
    timer_stop(&c->timer);
    if (c->chan != NULL)
        chan_close(c->chan);
    free(c);
}

static struct request *request_new(struct auth_client *c, auth_on_answer *done, void *arg)
{
    struct request *r = NEW(struct request);

    r->id = ++c->last_id;
    r->done = done;
    r->arg = arg;
    buf_init(&r->frame, AUTH_WIRE_FRAME_MAX, BUF_SECRET);
    HASH_ADD(hh, c->table, id, sizeof(r->id), r);
    return r;
}

/* A peer's words that are too long for any mechanism are cut: they fit none. */
static struct sv name_of(struct sv text)
{
    return sv_first(text, AUTH_WIRE_NAME_MAX);
}

uint64_t auth_client_start(struct auth_client *c, const struct auth_start *start,
                           auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    uint64_t id = r->id;
    struct buf channel;

    buf_init(&channel, AUTH_CHANNEL_MAX, 0);
    if (start->channel != NULL)
        auth_channel_write(&channel, start->channel);
    send_first(c,
               &(struct auth_wire){.type = AUTH_WIRE_SASL_START,
                                   .id = id,
                                   .code = (start->has_initial ? AUTH_START_INITIAL : 0) |
                                           (start->tls ? AUTH_START_TLS : 0),
                                   .name = name_of(start->mechanism),
                                   .data = start->initial,
                                   .extra = name_of(start->client),
                                   .channel = buf_view(&channel)},
               r);
    buf_deinit(&channel);
    return id;
}

uint64_t auth_client_login(struct auth_client *c, const struct auth_login *login,
                           auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    uint64_t id = r->id;

    r->is_login = true;
    send_first(c,
               &(struct auth_wire){.type = AUTH_WIRE_LOGIN_START,
                                   .id = id,
                                   .code = (login->tls ? AUTH_START_TLS : 0) |
                                           (login->again ? AUTH_START_AGAIN : 0),
                                   .name = login->secret,
                                   .data = sv_first(login->mechanisms, AUTH_WIRE_DATA_MAX),
                                   .extra = name_of(login->host)},
               r);
    return id;
}

void auth_client_step(struct auth_client *c, uint64_t id, struct sv bytes)
{
    struct request *r = NULL;

    HASH_FIND(hh, c->table, &id, sizeof(id), r);
    REQUIRE(r != NULL && !r->is_waiting);
    if (r->lost || bytes.len > AUTH_WIRE_DATA_MAX) {
        if (!r->lost)
            send_wire(c, &(struct auth_wire){.type = AUTH_WIRE_CANCEL, .id = id}, NULL);
        fail_soon(c, r);
        return;
    }
    send_wire(c,
              &(struct auth_wire){.type = r->is_login ? AUTH_WIRE_LOGIN_STEP : AUTH_WIRE_SASL_STEP,
                                  .id = id,
                                  .data = bytes},
              r);
}

void auth_client_cancel(struct auth_client *c, uint64_t id)
{
    struct request *r = NULL;

    HASH_FIND(hh, c->table, &id, sizeof(id), r);
    if (r == NULL)
        return;
    if (!r->lost && !r->is_unsent)
        send_wire(c, &(struct auth_wire){.type = AUTH_WIRE_CANCEL, .id = id}, NULL);
    forget(c, r);
    set_timer(c);
}

uint64_t auth_client_lock(struct auth_client *c, struct sv login, struct sv why,
                          auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    uint64_t id = r->id;

    send_first(
        c,
        &(struct auth_wire){.type = AUTH_WIRE_LOCK, .id = id, .name = name_of(login), .data = why},
        r);
    return id;
}

uint64_t auth_client_sign(struct auth_client *c, struct sv key, enum auth_sign form,
                          struct sv bytes, auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    uint64_t id = r->id;

    send_first(
        c,
        &(struct auth_wire){
            .type = AUTH_WIRE_SIGN, .id = id, .code = (uint32_t)form, .name = key, .data = bytes},
        r);
    return id;
}

uint64_t auth_client_find(struct auth_client *c, struct sv address, auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    uint64_t id = r->id;

    send_first(c, &(struct auth_wire){.type = AUTH_WIRE_FIND, .id = id, .name = name_of(address)},
               r);
    return id;
}
