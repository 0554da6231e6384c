/*
 * XRETURN in a session (etc/sign-return.txt): the octets behind the reply that announces them. A
 * piece is read when the one before has gone to the kernel, so that a client that reads slowly
 * costs one piece and no more; one that reads less than limits.data_rate over a window of
 * limits.data_timeout is left. A connection that ends takes all of it along: the content, which
 * nobody else knows of, is removed.
 *
 * A place is taken when the content is complete, so that slow uploads take none, and the bytes that
 * go with it are charged.
 */
#include "msa/base/mem.h"
#include "msa/server/conn_internal.h"
#include "msa/server/reject.h"

#include <stdlib.h>

#define PIECE_BYTES  (64u << 10)
#define PLACES       64u         /* of all sessions together */
#define OF_A_LOGIN   8u          /* and of one login, on one worker */
#define ROOM_AT_MOST (64u << 10) /* bytes that wait to be sent; with more no piece is read */

struct conn_return {
    struct submission_returned what;
    bool taken; /* what is there */
    uint32_t op;
    uint64_t head_at, at; /* next to be sent, of head, of the content */
    struct store_read *read;
    uint64_t window_ms, window_left; /* since then; bytes that had left by then */
};

static struct store *store_of(const struct conn *c)
{
    return c->worker->shared->store;
}

/* So that one who reads slowly leaves places to others. */
static bool has_many(const struct conn *c)
{
    unsigned count = 0;
    for (const struct conn *other = c->worker->conns; other; other = other->hh.next)
        count += other->returning && sv_ieq(sv_of(other->login), sv_of(c->login));
    return count >= OF_A_LOGIN;
}

bool conn_return_begin(struct conn *c, struct smtp_reply *refusal)
{
    struct worker_shared *shared = c->worker->shared;
    if (has_many(c)) {
        *refusal = reject_returns();
        return false;
    }
    if (atomic_fetch_add(&shared->returns, 1) >= PLACES) {
        atomic_fetch_sub(&shared->returns, 1);
        *refusal = reject_returns();
        return false;
    }
    if (!memory_take(&shared->memory, MEMORY_MESSAGE_BYTES)) {
        atomic_fetch_sub(&shared->returns, 1);
        *refusal = reject_memory();
        return false;
    }
    c->returning = NEW(struct conn_return);
    return true;
}

void conn_return_drop(struct conn *c)
{
    struct conn_return *r = c->returning;
    if (!r)
        return;
    c->returning = NULL;
    if (r->read)
        atomic_store(&r->read->canceled, true);
    if (r->taken)
        submission_returned_drop(&r->what, store_of(c));
    memory_give(&c->worker->shared->memory, MEMORY_MESSAGE_BYTES);
    atomic_fetch_sub(&c->worker->shared->returns, 1);
    free(r);
}

uint64_t conn_return_keep(struct conn *c, const struct submission_returned *what)
{
    c->returning->what = *what;
    c->returning->taken = true;
    return submission_returned_bytes(what);
}

bool conn_return_is_on(const struct conn *c)
{
    return c->returning && c->returning->op;
}

/* ---- sending ---- */

static void send_piece(struct conn *c, struct sv bytes)
{
    if (c->tls)
        conn_tls_write(c, bytes);
    else
        conn_write(c, bytes);
}

static void finish(struct conn *c)
{
    uint32_t op = c->returning->op;
    conn_return_drop(c);
    conn_answer(c, op, SMTP_OK, NULL);
}

static void fail(struct conn *c, int err)
{
    struct log_ctx ctx = conn_ctx(c);
    log_event(LOG_ERROR, "return-failed", &ctx, "the message that is returned: %s", err_text(err));
    conn_return_drop(c);
    conn_close(c); /* the client sees that octets are missing */
}

static void on_read(struct store_read *read)
{
    struct conn *c = read->arg;
    if (atomic_load(&read->canceled)) {
        store_read_free(read); /* the connection may be gone */
        return;
    }
    struct conn_return *r = c->returning;
    int err = read->err;
    size_t got = buf_len(&read->bytes);
    r->read = NULL;
    if (err == 0 && got == 0)
        err = ERR_CORRUPT; /* shorter than it was */
    if (err == 0) {
        r->at += got;
        send_piece(c, buf_view(&read->bytes));
    }
    store_read_free(read);
    if (err < 0)
        fail(c, err);
    else
        conn_pump(c, SV_NONE);
}

static void read_piece(struct conn *c)
{
    struct conn_return *r = c->returning;
    r->read = store_read_new(r->what.message, r->at, PIECE_BYTES, c->worker->mailbox, on_read, c);
    store_read_start(store_of(c), r->read);
}

bool conn_return_go(struct conn *c)
{
    struct conn_return *r = c->returning;
    if (!conn_return_is_on(c) || r->read || c->lost)
        return false;
    while (stream_pending(c->stream) <= ROOM_AT_MOST) {
        struct sv head = sv_skip(buf_view(&r->what.head), (size_t)r->head_at);
        if (head.len) {
            head = sv_first(head, PIECE_BYTES);
            r->head_at += head.len;
            send_piece(c, head);
        } else if (r->what.message && r->at < r->what.message->size) {
            read_piece(c);
            return false;
        } else {
            finish(c);
            return true;
        }
        if (c->lost)
            return false;
    }
    return false;
}

/* ---- time ---- */

static uint64_t left_bytes(const struct conn *c)
{
    return c->written_bytes - stream_pending(c->stream);
}

static void begin_window(struct conn *c)
{
    struct conn_return *r = c->returning;
    r->window_ms = loop_now_ms(c->worker->loop);
    r->window_left = left_bytes(c);
    conn_arm(c, (uint64_t)c->service->generation->options.limits.data_timeout_s * 1000);
}

void conn_return_start(struct conn *c, uint32_t op)
{
    c->returning->op = op;
    begin_window(c);
}

bool conn_return_is_slow(struct conn *c)
{
    const struct msa_limits_options *l = &c->service->generation->options.limits;
    struct conn_return *r = c->returning;
    uint64_t past_s = (loop_now_ms(c->worker->loop) - r->window_ms) / 1000;
    if (left_bytes(c) - r->window_left < (uint64_t)l->data_rate * past_s || past_s == 0)
        return true;
    begin_window(c);
    return false;
}
