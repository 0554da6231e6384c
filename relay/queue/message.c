/*
 * message.c - life of messages and batches.
 *
 * References and charges are atomic, because workers, the scheduler and the store thread hold the
 * same message; all else is written before a message is handed on.
 */
#include "relay/queue/message.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>

struct queue_memory {
    atomic_size_t used;
    size_t max;
    atomic_uint refs; /* the owner and every charged message */
};

struct queue_memory *queue_memory_new(size_t max_bytes)
{
    struct queue_memory *q = NEW(struct queue_memory);
    q->max = max_bytes;
    atomic_init(&q->used, 0);
    atomic_init(&q->refs, 1);
    return q;
}

void queue_memory_drop(struct queue_memory *q)
{
    if (q && atomic_fetch_sub(&q->refs, 1) == 1)
        free(q);
}

size_t queue_memory_used(const struct queue_memory *q)
{
    return atomic_load(&q->used);
}

struct queue_message *queue_message_new(void)
{
    struct queue_message *m = NEW(struct queue_message);
    atomic_init(&m->refs, 1);
    arena_init(&m->arena);
    m->reverse_path = m->mail_params = m->login = m->client = m->message_id = m->prefix = "";
    return m;
}

struct queue_message *queue_message_keep(struct queue_message *m)
{
    unsigned before = atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    REQUIRE(before > 0);
    return m;
}

uint64_t queue_message_bytes(const struct queue_message *m)
{
    return strlen(m->prefix) + m->size;
}

bool queue_message_waives_tls(const struct queue_message *m)
{
    return m->tls_optional && !strstr(m->mail_params, " REQUIRETLS");
}

void queue_message_provenance(const struct queue_message *m, struct buf *out)
{
    int err = m->provenance_start ? buf_put(out, block_view(m->provenance_start)) : 0;
    if (err == 0)
        err = buf_put(out, m->provenance);
    REQUIRE(err == 0); /* whoever asks has room for a record */
}

void queue_message_drop(struct queue_message *m)
{
    if (!m)
        return;
    unsigned before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
    REQUIRE(before > 0);
    if (before > 1)
        return;
    if (m->memory) {
        atomic_fetch_sub(&m->memory->used, m->charged_bytes);
        queue_memory_drop(m->memory);
    }
    block_drop(m->content);
    block_drop(m->provenance_start);
    arena_deinit(&m->arena);
    free(m);
}

bool queue_message_charge(struct queue_message *m, struct queue_memory *q, size_t bytes)
{
    REQUIRE(!m->memory);
    size_t before = atomic_fetch_add(&q->used, bytes);
    if (bytes > q->max || before > q->max - bytes) {
        atomic_fetch_sub(&q->used, bytes);
        return false;
    }
    atomic_fetch_add(&q->refs, 1);
    m->memory = q;
    m->charged_bytes = bytes;
    return true;
}

struct queue_batch *queue_batch_new(struct queue_message *m, size_t nrows)
{
    REQUIRE(nrows <= QUEUE_ROWS_MAX);
    struct queue_batch *b = NEW(struct queue_batch);
    b->message = queue_message_keep(m);
    arena_init(&b->arena);
    b->rows = arena_alloc(&b->arena, (nrows ? nrows : 1) * sizeof *b->rows);
    b->nrows = nrows;
    for (size_t i = 0; i < nrows; i++) {
        struct queue_row *row = &b->rows[i];
        row->number = (uint32_t)i;
        row->address = row->domain = row->rcpt_params = row->last_status = row->last_text = "";
    }
    return b;
}

void queue_batch_hold(struct queue_batch *b, const char *why)
{
    for (size_t i = 0; i < b->nrows; i++) {
        struct queue_row *row = &b->rows[i];
        bool has_reason = row->held && row->last_text && *row->last_text;
        row->last_text = has_reason ? arena_printf(&b->arena, "%s; %s", row->last_text, why)
                                    : arena_str(&b->arena, sv_of(why));
        row->held = true;
    }
}

void queue_batch_free(struct queue_batch *b)
{
    if (!b)
        return;
    queue_message_drop(b->message);
    arena_deinit(&b->arena);
    free(b);
}

struct queue_batch *queue_batch_pick(const struct queue_batch *b, const size_t *indices,
                                     size_t count)
{
    struct queue_batch *out = queue_batch_new(b->message, count);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(indices[i] < b->nrows);
        struct queue_row *row = &out->rows[i];
        *row = b->rows[indices[i]];
        row->address = arena_str(&out->arena, sv_of(row->address));
        row->domain = arena_str(&out->arena, sv_of(row->domain));
        row->rcpt_params = arena_str(&out->arena, sv_of(row->rcpt_params));
        row->last_status = arena_str(&out->arena, sv_of(row->last_status));
        row->last_text = arena_str(&out->arena, sv_of(row->last_text));
    }
    return out;
}

/* 9 digits of base 36 hold milliseconds until the year 5188; 7 random ones follow. */
#define ID_TIME_DIGITS 9

static void put_base36(char *at, size_t digits, uint64_t value)
{
    for (size_t i = digits; i-- > 0; value /= 36)
        at[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
}

void queue_id_make(char out[QUEUE_ID_LEN + 1], int64_t wall_ms, uint64_t random)
{
    put_base36(out, ID_TIME_DIGITS, wall_ms > 0 ? (uint64_t)wall_ms : 0);
    put_base36(out + ID_TIME_DIGITS, QUEUE_ID_LEN - ID_TIME_DIGITS, random);
    out[QUEUE_ID_LEN] = '\0';
}

bool queue_id_valid(struct sv text)
{
    if (text.len != QUEUE_ID_LEN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!ascii_digit(c) && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return true;
}
