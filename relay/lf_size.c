#include "relay/lf_size.h"

#include "msa/base/crashring.h"

#define PIECE_BYTES (128u << 10)

static void count(struct relay_lf_size *s, struct sv piece)
{
    s->bytes += qmtp_lf_count(&s->lf, piece);
}

static void end(struct relay_lf_size *s)
{
    s->bytes += qmtp_lf_end(&s->lf).len;
    s->of = s->message;
    s->message = NULL;
}

static void read_piece(struct relay_lf_size *s);

static void on_read(struct store_read *r)
{
    struct relay_lf_size *s = r->arg;
    if (r->canceled) {
        store_read_free(r);
        return;
    }
    struct sv piece = buf_view(&r->bytes);
    int err = r->err;
    if (!err && piece.len == 0)
        err = ERR_CORRUPT; /* shorter than the queue says */
    count(s, piece);
    s->offset += piece.len;
    s->read = NULL;
    store_read_free(r);
    if (!err && s->offset < s->message->size) {
        read_piece(s);
        return;
    }
    crashring_hold(s->queue_id);
    if (err)
        s->message = NULL;
    else
        end(s);
    s->done(s->arg, err);
    crashring_done();
}

static void read_piece(struct relay_lf_size *s)
{
    s->read = store_read_new(s->message, s->offset, PIECE_BYTES, s->reply, on_read, s);
    store_read_start(s->store, s->read);
}

bool relay_lf_size_know(struct relay_lf_size *s, struct queue_message *message)
{
    if (s->of == message)
        return true;
    relay_lf_size_stop(s);
    s->message = message;
    s->lf = (struct qmtp_lf){0};
    s->bytes = s->offset = 0;
    count(s, sv_of(message->prefix));
    if (!message->content && message->size > 0) {
        read_piece(s);
        return false;
    }
    if (message->content)
        count(s, block_view(message->content));
    end(s);
    return true;
}

void relay_lf_size_stop(struct relay_lf_size *s)
{
    if (s->read)
        s->read->canceled = true;
    s->read = NULL;
    s->message = NULL;
    s->of = NULL;
}
