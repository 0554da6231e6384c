/*
 * content_read.c - reading a piece of a message's content, wherever it is.
 *
 * A block answers without the pool. The database is read through a blob handle: no copy but the
 * wanted piece, and a read transaction that lives for it alone.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/file.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>

static size_t piece(uint64_t size, uint64_t offset, size_t len)
{
    if (offset >= size)
        return 0;
    return size - offset < len ? (size_t)(size - offset) : len;
}

/* ---- on the disk pool ---- */

static int read_file(struct store_read *r)
{
    struct buf path;
    struct file *f = NULL;
    char *at;
    store_spool_path(r->store, r->message->id, &path);
    int err = file_open(buf_view(&path).ptr, FILE_READ, &f);
    buf_deinit(&path);
    if (err == 0)
        err = buf_reserve(&r->bytes, r->len, &at);
    if (err == 0) {
        ssize_t got = file_read(f, r->offset, at, r->len);
        if (got >= 0)
            buf_added(&r->bytes, (size_t)got);
        else
            err = (int)got;
    }
    file_close(f);
    return err;
}

static int read_blob(struct store_read *r, struct store_reader *reader)
{
    struct sql *db = &reader->db;
    sqlite3_stmt *st = sql_use(db, STORE_READ_FIND);
    sql_text(st, 1, r->message->id);
    int got = sql_step(db, st);
    if (got != 1)
        return got < 0 ? got : ERR_NOT_FOUND;
    int64_t seq = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    sqlite3_blob *blob = NULL;
    int rc = sqlite3_blob_open(db->handle, "main", "content", "bytes", seq, 0, &blob);
    int err = rc == SQLITE_ERROR ? ERR_NOT_FOUND : sql_error(db, rc);
    size_t len = err == 0 ? piece((uint64_t)sqlite3_blob_bytes(blob), r->offset, r->len) : 0;
    char *at;
    if (len > 0 && (err = buf_reserve(&r->bytes, len, &at)) == 0) {
        rc = sqlite3_blob_read(blob, at, (int)len, (int)r->offset);
        err = sql_error(db, rc);
        if (err == 0)
            buf_added(&r->bytes, len);
    }
    sqlite3_blob_close(blob);
    return err;
}

static void on_work(struct pool_job *job)
{
    struct store_read *r = (struct store_read *)job;
    if (r->canceled)
        return;
    if (r->message->spooled) {
        r->err = read_file(r);
        return;
    }
    struct store_reader *reader = store_reader_take(r->store, &r->err);
    if (!reader)
        return;
    r->err = read_blob(r, reader);
    store_reader_give(r->store, reader, r->err == 0 || r->err == ERR_NOT_FOUND);
}

/* ---- on the asker's loop ---- */

static void on_done(struct pool_job *job)
{
    struct store_read *r = (struct store_read *)job;
    r->done(r);
}

static void on_block_done(struct task *task)
{
    struct store_read *r = (struct store_read *)task;
    r->done(r);
}

struct store_read *store_read_new(struct queue_message *m, uint64_t offset, size_t len,
                                  struct mailbox *reply, void (*done)(struct store_read *r),
                                  void *arg)
{
    struct store_read *r = NEW(struct store_read);
    r->message = queue_message_keep(m);
    r->reply = reply;
    r->offset = offset;
    r->len = len;
    r->done = done;
    r->arg = arg;
    buf_init(&r->bytes, len, 0);
    return r;
}

void store_read_start(struct store *s, struct store_read *r)
{
    r->store = s;
    buf_reset(&r->bytes);
    r->err = 0;
    if (!r->message->content) {
        r->job.reply = r->reply;
        r->job.work = on_work;
        r->job.done = on_done;
        pool_submit(s->disk, &r->job);
        return;
    }
    struct sv all = block_view(r->message->content);
    size_t len = piece(all.len, r->offset, r->len);
    if (len > 0)
        r->err = buf_append(&r->bytes, all.ptr + r->offset, len);
    r->job.task.run = on_block_done;
    mailbox_post(r->reply, &r->job.task);
}

void store_read_free(struct store_read *r)
{
    queue_message_drop(r->message);
    buf_deinit(&r->bytes);
    free(r);
}
