/*
 * One capture at a time walks between two threads: the loop asks the store for a piece, the pool
 * writes it, until all is written; then the pool syncs and renames. Nothing is in new/ before that.
 */
#include "relay/capture.h"

#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (256u << 10)

struct capture {
    struct pool_job job;
    struct relay_capture request;
    struct arena arena; /* paths */
    const char *tmp_path, *new_path, *new_dir;
    struct file *file;
    uint64_t written; /* bytes of the file */
    uint64_t offset;  /* bytes of content */
    struct buf piece; /* with LF line ends */
    bool last_was_cr, is_first, is_last;
    int err;
};

static struct queue_message *message_of(const struct capture *c)
{
    return c->request.batch->message;
}

/* ---- on the pool ---- */

static int make_folders(struct capture *c)
{
    static const char *const names[] = {"", "/tmp", "/new", "/cur"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int err = file_mkdir(arena_printf(&c->arena, "%s%s", c->request.dir, names[i]));
        if (err < 0)
            return err;
    }
    return 0;
}

static int open_file(struct capture *c)
{
    int err = make_folders(c);
    return err < 0 ? err : file_open(c->tmp_path, FILE_WRITE | FILE_CREATE, &c->file);
}

static int write_piece(struct capture *c)
{
    struct sv bytes = buf_view(&c->piece);
    int err = bytes.len ? file_write(c->file, c->written, bytes) : 0;
    c->written += bytes.len;
    return err;
}

static int publish(struct capture *c)
{
    int err = file_sync(c->file);
    if (err == 0)
        err = file_rename(c->tmp_path, c->new_path);
    return err < 0 ? err : file_sync_dir(c->new_dir);
}

static void work(struct pool_job *job)
{
    struct capture *c = (struct capture *)(void *)job;
    int err = c->err;
    if (err == 0 && c->is_first)
        err = open_file(c);
    if (err == 0)
        err = write_piece(c);
    if (err == 0 && c->is_last)
        err = publish(c);
    if (c->file && (err < 0 || c->is_last)) {
        file_close(c->file);
        if (err < 0 && file_unlink(c->tmp_path) < 0)
            err = err == 0 ? -1 : err; /* renamed already, or a rest in tmp/: harmless */
        c->file = NULL;
    }
    c->is_first = false;
    c->err = err;
}

/* ---- on the loop ---- */

static void end(struct capture *c)
{
    void (*done)(void *, int) = c->request.done;
    void *arg = c->request.arg;
    int err = c->err;
    buf_deinit(&c->piece);
    arena_deinit(&c->arena);
    free(c);
    done(arg, err);
}

/* Lines of a file end with LF. */
static void put_lines(struct capture *c, struct sv bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char byte = bytes.ptr[i];
        int err = 0;
        if (c->last_was_cr && byte != '\n')
            err = buf_append(&c->piece, "\r", 1);
        c->last_was_cr = byte == '\r';
        if (err == 0 && !c->last_was_cr)
            err = buf_append(&c->piece, &byte, 1);
        if (err < 0)
            c->err = err;
    }
}

static void take(struct capture *c, struct sv bytes)
{
    buf_reset(&c->piece);
    put_lines(c, bytes);
    c->offset += bytes.len;
    c->is_last = c->offset >= message_of(c)->size;
    if (c->is_last && c->last_was_cr && buf_append(&c->piece, "\r", 1) < 0)
        c->err = ERR_FULL;
}

static void on_content(struct store_read *r)
{
    struct capture *c = r->arg;
    struct sv bytes = buf_view(&r->bytes);
    if (r->err < 0)
        c->err = r->err;
    else if (bytes.len == 0)
        c->err = ERR_CORRUPT;
    else
        take(c, bytes);
    store_read_free(r);
    pool_submit(c->request.pool, &c->job); /* also to remove the file after an error */
}

static void on_worked(struct pool_job *job)
{
    struct capture *c = (struct capture *)(void *)job;
    if (c->err < 0 || c->is_last) {
        end(c);
        return;
    }
    if (message_of(c)->content) {
        struct sv rest = sv_skip(block_view(message_of(c)->content), (size_t)c->offset);
        take(c, sv_first(rest, PIECE_BYTES));
        pool_submit(c->request.pool, &c->job);
        return;
    }
    store_read_start(c->request.store, store_read_new(message_of(c), c->offset, PIECE_BYTES,
                                                      c->request.reply, on_content, c));
}

static int put_delivery(struct capture *c)
{
    const struct queue_batch *b = c->request.batch;
    int err = buf_printf(&c->piece, "Return-Path: <%s>\n", message_of(c)->reverse_path);
    for (size_t i = 0; i < b->nrows && err == 0; i++)
        err = buf_printf(&c->piece, "Delivered-To: %s\n", b->rows[i].address);
    return err;
}

static size_t header_max(const struct queue_batch *b)
{
    size_t bytes = strlen(b->message->reverse_path) + strlen(b->message->prefix) + 64;
    for (size_t i = 0; i < b->nrows; i++)
        bytes += strlen(b->rows[i].address) + 64;
    return bytes;
}

void relay_capture_start(const struct relay_capture *request)
{
    struct capture *c = NEW(struct capture);
    size_t most = header_max(request->batch);
    c->request = *request;
    c->job = (struct pool_job){.reply = request->reply, .work = work, .done = on_worked};
    arena_init(&c->arena);
    buf_init(&c->piece, most > PIECE_BYTES ? most : PIECE_BYTES + 2, 0);
    /* unique: a message may come here twice, for two domains, or again after a crash */
    const char *name = arena_printf(&c->arena, "%lld.%s_%u_%016llx.msa", (long long)clock_wall_s(),
                                    request->batch->message->id, request->batch->rows[0].number,
                                    (unsigned long long)random_u64());
    c->tmp_path = arena_printf(&c->arena, "%s/tmp/%s", request->dir, name);
    c->new_path = arena_printf(&c->arena, "%s/new/%s", request->dir, name);
    c->new_dir = arena_printf(&c->arena, "%s/new", request->dir);
    c->is_first = true;
    c->is_last = message_of(c)->size == 0;
    c->err = put_delivery(c);
    if (c->err == 0)
        put_lines(c, sv_of(message_of(c)->prefix));
    pool_submit(request->pool, &c->job);
}
