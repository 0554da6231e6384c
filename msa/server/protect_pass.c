/*
 * Passes over the content: read from where it stands, given to eat, which writes new content or
 * only looks.
 *
 *     protect_pass -> read -> eat, flush -> read ... -> eaten
 *                              ^  full: wait for room
 */
#include "msa/loop/clock.h"
#include "msa/server/protect_internal.h"
#include "msa/server/reject.h"

#define PIECE_BYTES (64u << 10)

void protect_storage_failed(struct protect *p, int err)
{
    struct log_ctx ctx = protect_ctx(p, p->target.message->id);
    struct smtp_reply r = reject_storage(err);
    log_event(LOG_ERROR, "smime-failed", &ctx, "%s", err_text(err));
    protect_refuse(p, &r);
}

static void read_more(struct protect *p);

/* What is written behind the last piece may fill the writer; its room later is nobody's. */
static void end_pass(struct protect *p)
{
    p->reading = false;
    p->eaten(p);
}

static void on_read(struct store_read *r)
{
    struct protect *p = r->arg;
    if (atomic_load(&r->canceled)) {
        store_read_free(r);
        return;
    }
    p->read = NULL;
    size_t got = buf_len(&r->bytes);
    p->offset += got;
    int err = r->err;
    if (err == 0 && got)
        err = p->eat(p, buf_view(&r->bytes));
    if (err == 0)
        err = protect_flush(p);
    store_read_free(r);
    if (err < 0)
        protect_storage_failed(p, err);
    else if (got == 0 || p->enough)
        end_pass(p);
    else
        read_more(p);
}

static void read_more(struct protect *p)
{
    if (!p->reading || p->read || (p->writer && content_full(p->writer)))
        return;
    p->read =
        store_read_new(p->target.message, p->offset, PIECE_BYTES, p->worker->mailbox, on_read, p);
    store_read_start(p->worker->shared->store, p->read);
}

void protect_pass(struct protect *p, uint64_t from, int (*eat)(struct protect *p, struct sv piece),
                  void (*eaten)(struct protect *p))
{
    p->offset = from;
    p->enough = false;
    p->reading = true;
    p->eat = eat;
    p->eaten = eaten;
    read_more(p);
}

void protect_pass_stop(struct protect *p)
{
    p->reading = false;
    if (p->read)
        atomic_store(&p->read->canceled, true);
    p->read = NULL;
    if (p->writer)
        content_free(p->writer);
    p->writer = NULL;
}

/* ---- writing ---- */

static void on_room(void *arg)
{
    read_more(arg);
}

static void on_finished(void *arg, int err)
{
    struct protect *p = arg;
    if (err < 0) {
        protect_storage_failed(p, err);
        return;
    }
    content_take(p->writer, p->form ? p->form->message : p->target.message);
    content_free(p->writer);
    p->writer = NULL;
    p->written(p);
}

void protect_write(struct protect *p, void (*written)(struct protect *p))
{
    static const struct content_writer_ops ops = {.on_room = on_room, .on_finished = on_finished};
    struct store *store = p->worker->shared->store;
    struct mailbox *mailbox = p->worker->mailbox;
    char id[QUEUE_ID_LEN + 1];
    p->written = written;
    buf_reset(&p->out);
    if (p->form) {
        p->writer = content_begin(store, p->form->message->id, mailbox, &ops, p);
        return;
    }
    queue_id_make(id, clock_wall_ms(), random_u64());
    p->writer = content_begin_other(store, p->target.message, id, mailbox, &ops, p);
    rewrite_dkim_restart(p->target.dkim);
}

int protect_flush(struct protect *p)
{
    if (buf_len(&p->out) == 0)
        return 0;
    rewrite_dkim_feed(p->form ? &p->dkim : p->target.dkim, buf_view(&p->out));
    int err = content_append(p->writer, buf_view(&p->out));
    buf_reset(&p->out);
    return err;
}

void protect_finish(struct protect *p)
{
    int err = protect_flush(p);
    if (err < 0)
        protect_storage_failed(p, err);
    else
        content_finish(p->writer);
}
