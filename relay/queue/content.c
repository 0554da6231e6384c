/*
 * content.c - receiving the content of a message: memory while small, else a spool file.
 *
 * The file is written by one job of the disk pool at a time, while the next piece gathers:
 *
 *     append -> fill --(no job under way and a piece is there)--> out -> write [sync] -> done
 *
 * Long files are synced as they grow, so that the last sync, which the client waits for, is short.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/loop/file.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES      (256u << 10)
#define SYNC_EVERY_BYTES (8u << 20)
#define LINE_BYTES       1000u /* of a line with its CRLF, RFC 5322 2.1.1 */

struct content_writer {
    struct pool_job job; /* the one job; its fields below are the job's while busy */
    struct store *store;
    const struct content_writer_ops *ops;
    void *arg;
    char id[QUEUE_ID_LEN + 1];
    struct buf fill; /* gathers what comes */
    uint64_t size;
    uint64_t line; /* bytes of the line at hand, with CRLF */
    bool eight_bit, long_lines, spooled, busy, told_full, finishing, taken;
    int err; /* the first one */

    /* The job's. */
    struct buf out, path;
    struct buf final; /* where the file goes in the end; empty: it stays at path */
    struct file *file;
    uint64_t written, synced;
    bool last, created;
    int job_err;
    atomic_bool dead; /* freed by its owner while busy */
};

/* ---- on the disk pool ---- */

static int write_piece(struct content_writer *w)
{
    const char *path = buf_view(&w->path).ptr;
    if (!w->file) {
        int err = file_open(path, FILE_WRITE | FILE_CREATE, &w->file);
        if (err < 0)
            return err;
        w->created = true;
    }
    struct sv bytes = buf_view(&w->out);
    int err = file_write(w->file, w->written, bytes);
    if (err < 0)
        return err;
    w->written += bytes.len;
    buf_reset(&w->out);
    if (!w->last && w->written - w->synced < SYNC_EVERY_BYTES)
        return 0;
    w->synced = w->written;
    return file_sync(w->file);
}

/* What nobody took leaves no file. */
static void remove_created(struct content_writer *w)
{
    file_close(w->file);
    w->file = NULL;
    if (w->created && !w->taken && file_unlink(buf_view(&w->path).ptr) == 0)
        w->created = false;
}

/* It takes the place of what stood there, and is removed there if nobody takes it. */
static int move_created(struct content_writer *w)
{
    int err = file_rename(buf_view(&w->path).ptr, buf_view(&w->final).ptr);
    if (err < 0)
        return err;
    struct buf before = w->path;
    w->path = w->final;
    w->final = before;
    buf_reset(&w->final);
    return 0;
}

static void on_work(struct pool_job *job)
{
    struct content_writer *w = (struct content_writer *)job;
    w->job_err = atomic_load(&w->dead) ? ERR_CANCELED : write_piece(w);
    if (w->last) {
        file_close(w->file);
        w->file = NULL;
    }
    if (w->last && w->job_err == 0 && buf_len(&w->final))
        w->job_err = move_created(w);
    if (w->job_err < 0)
        remove_created(w);
}

/* ---- on the owner's loop ---- */

static void destroy(struct content_writer *w)
{
    remove_created(w);
    buf_deinit(&w->fill);
    buf_deinit(&w->out);
    buf_deinit(&w->path);
    buf_deinit(&w->final);
    free(w);
}

static void start_job(struct content_writer *w)
{
    struct buf empty = w->out;
    w->out = w->fill;
    w->fill = empty;
    w->last = w->finishing;
    w->busy = true;
    pool_submit(w->store->disk, &w->job);
}

static void on_job_done(struct pool_job *job)
{
    struct content_writer *w = (struct content_writer *)job;
    w->busy = false;
    if (atomic_load(&w->dead)) {
        destroy(w);
        return;
    }
    if (w->err == 0)
        w->err = w->job_err;
    if (w->err < 0)
        buf_release(&w->fill);
    if (w->finishing && (w->last || w->err < 0)) {
        w->ops->on_finished(w->arg, w->err);
        return;
    }
    if (w->err == 0 && (w->finishing || buf_len(&w->fill) >= QUEUE_SMALL_BYTES))
        start_job(w);
    if (w->told_full && !content_full(w)) {
        w->told_full = false;
        w->ops->on_room(w->arg);
    }
}

struct content_writer *content_begin(struct store *s, const char *id, struct mailbox *reply,
                                     const struct content_writer_ops *ops, void *arg)
{
    REQUIRE(queue_id_valid(sv_of(id)));
    struct content_writer *w = NEW(struct content_writer);
    w->store = s;
    w->ops = ops;
    w->arg = arg;
    memcpy(w->id, id, QUEUE_ID_LEN);
    w->job.reply = reply;
    w->job.work = on_work;
    w->job.done = on_job_done;
    buf_init(&w->fill, SIZE_MAX / 2, 0);
    buf_init(&w->out, SIZE_MAX / 2, 0);
    buf_init(&w->final, 0, 0);
    store_spool_path(s, id, &w->path);
    return w;
}

struct content_writer *content_begin_other(struct store *s, const struct queue_message *m,
                                           const char *temporary_id, struct mailbox *reply,
                                           const struct content_writer_ops *ops, void *arg)
{
    struct content_writer *w = content_begin(s, temporary_id, reply, ops, arg);
    store_spool_path(s, m->id, &w->final);
    return w;
}

void content_give_up(struct store *s, const struct queue_message *m)
{
    if (m->spooled)
        store_remove_spool(s, m->id);
}

static void measure_lines(struct content_writer *w, struct sv bytes)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len, *lf;
    while (!w->long_lines && at < end) {
        lf = memchr(at, '\n', (size_t)(end - at));
        w->line += (size_t)((lf ? lf + 1 : end) - at);
        w->long_lines = w->line > (lf ? LINE_BYTES : LINE_BYTES - 1);
        if (!lf)
            return;
        w->line = 0;
        at = lf + 1;
    }
}

int content_append(struct content_writer *w, struct sv bytes)
{
    REQUIRE(!w->finishing);
    if (w->err < 0)
        return w->err;
    w->size += bytes.len;
    w->eight_bit = w->eight_bit || !utf8_is_ascii(bytes);
    measure_lines(w, bytes);
    w->err = buf_put(&w->fill, bytes);
    if (w->err < 0)
        return w->err;
    w->spooled = w->size > QUEUE_SMALL_BYTES;
    if (w->spooled && !w->busy && buf_len(&w->fill) >= QUEUE_SMALL_BYTES)
        start_job(w);
    w->told_full = content_full(w);
    return 0;
}

bool content_full(const struct content_writer *w)
{
    return w->spooled && w->busy && w->err == 0 && buf_len(&w->fill) >= PIECE_BYTES;
}

void content_finish(struct content_writer *w)
{
    REQUIRE(!w->finishing);
    w->finishing = true;
    if (w->busy)
        return;
    if (w->spooled && w->err == 0)
        start_job(w);
    else
        w->ops->on_finished(w->arg, w->err);
}

void content_take(struct content_writer *w, struct queue_message *m)
{
    REQUIRE(w->finishing && !w->busy && w->err == 0 && !w->taken);
    w->taken = true;
    if (m->spooled && !w->spooled)
        store_remove_spool(w->store, m->id);
    m->size = w->size;
    m->eight_bit = w->eight_bit;
    m->long_lines = w->long_lines || w->line > LINE_BYTES - 2; /* it may end without CRLF */
    m->spooled = w->spooled;
    block_drop(m->content);
    m->content = w->spooled ? NULL : block_from_buf(&w->fill);
}

void content_free(struct content_writer *w)
{
    if (w->busy) {
        atomic_store(&w->dead, true);
        return;
    }
    /* The pool closes and removes: a loop does not wait for a disk. */
    if (w->file || (w->created && !w->taken)) {
        w->busy = true;
        atomic_store(&w->dead, true);
        pool_submit(w->store->disk, &w->job);
        return;
    }
    destroy(w);
}
