#include "relay/internal.h"

#include "msa/base/crashring.h"
#include "msa/base/require.h"

#define PIECE_BYTES (128u << 10)

static void drop_piece(struct relay_body *b)
{
    if (b->read && b->reading)
        b->read->canceled = true;
    else if (b->read)
        store_read_free(b->read);
    b->read = NULL;
    b->reading = false;
}

void relay_body_start(struct relay_body *b, struct relay_conn *conn)
{
    relay_body_stop(b);
    b->conn = conn;
    b->offset = 0;
    b->begun = false;
}

void relay_body_stop(struct relay_body *b)
{
    drop_piece(b);
    b->conn = NULL;
}

static void on_read(struct store_read *r)
{
    struct relay_body *b = r->arg;
    if (r->canceled) {
        store_read_free(r);
        return;
    }
    b->reading = false;
    struct sv bytes = buf_view(&r->bytes);
    crashring_hold(b->queue_id);
    if (r->err < 0 || (bytes.len == 0 && b->offset < b->message->size)) {
        relay_conn_body_fail(b->conn, r->err < 0 ? r->err : ERR_CORRUPT);
    } else {
        b->offset += bytes.len;
        relay_conn_body(b->conn, bytes, b->offset >= b->message->size);
    }
    crashring_done();
}

void relay_body_next(struct relay_body *b)
{
    REQUIRE(b->conn && !b->reading);
    drop_piece(b);
    struct sv prefix = sv_of(b->message->prefix);
    if (!b->begun && prefix.len) {
        b->begun = true;
        relay_conn_body(b->conn, prefix, b->message->size == 0);
        return;
    }
    if (b->message->content) {
        struct sv rest = sv_skip(block_view(b->message->content), (size_t)b->offset);
        struct sv piece = sv_first(rest, PIECE_BYTES);
        b->offset += piece.len;
        relay_conn_body(b->conn, piece, piece.len == rest.len);
        return;
    }
    b->reading = true;
    b->read = store_read_new(b->message, b->offset, PIECE_BYTES, b->reply, on_read, b);
    store_read_start(b->store, b->read);
}
