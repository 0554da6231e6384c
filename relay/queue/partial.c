/*
 * partial.c - the owner's side of a handle: the file of what the client has sent.
 *
 *     append -> fill --(nothing under way, a piece is there)--> out -> write [sync] -> done
 *                                                     synced --> GROW --> recorded
 *
 * advance() alone decides what comes next, after each thing that has ended: a record is never ahead
 * of what is synced, because the one is asked for only when the other is done. A file that cannot
 * be written or has no room is given up without a word to the client: the message itself goes
 * another way (content.c), and what was recorded before stays true.
 */
#include "relay/queue/partial.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "relay/queue/partial_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES      (64u << 10)
#define PIECE_BYTES      (256u << 10)
#define SYNC_EVERY_BYTES (512u << 10)

static void advance(struct partial *p);

/* ---- on the disk pool ---- */

/* A file of which nothing was recorded may be there or not. */
static int open_file(struct partial *p)
{
    const char *path = buf_view(&p->path).ptr;
    int err = file_open(path, FILE_READ | FILE_WRITE, &p->fd);
    if (p->written > 0)
        return err;
    if (err == -ENOENT)
        err = file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, &p->fd);
    p->created = true;
    return err;
}

static int sync_file(struct partial *p)
{
    int err = file_sync(p->fd);
    if (err == 0 && p->created) {
        err = file_sync_dir(p->store->partial_dir);
        p->created = err < 0;
    }
    if (err == 0) {
        p->synced = p->written;
        p->synced_line = p->out_line;
    }
    return err;
}

static int write_piece(struct partial *p)
{
    struct sv bytes = buf_view(&p->out);
    int err = 0;
    if (bytes.len > 0 && !p->fd)
        err = open_file(p);
    if (err == 0 && bytes.len > 0)
        err = file_write(p->fd, p->written, bytes);
    if (err < 0)
        return err;
    p->written += bytes.len;
    buf_reset(&p->out);
    bool due = p->written - p->synced >= SYNC_EVERY_BYTES || p->last;
    return due && p->written > p->synced ? sync_file(p) : 0;
}

static void write_work(struct pool_job *job)
{
    struct partial *p = (struct partial *)job;
    p->job_err = write_piece(p);
    if (p->last || p->job_err < 0) {
        file_close(p->fd);
        p->fd = NULL;
    }
}

static void close_work(struct pool_job *job)
{
    struct partial *p = (struct partial *)job;
    p->job_err = 0;
    file_close(p->fd);
    p->fd = NULL;
}

static int read_piece(struct partial *p)
{
    uint64_t left = p->info.offset - p->read_at;
    size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    char *at;
    int err = p->fd || len == 0 ? 0 : open_file(p);
    if (err == 0 && len > 0)
        err = buf_reserve(&p->out, len, &at);
    if (err < 0 || len == 0)
        return err;
    ssize_t got = file_read(p->fd, p->read_at, at, len);
    if (got < 0)
        return (int)got;
    if ((size_t)got < len)
        return ERR_CORRUPT;
    buf_added(&p->out, len);
    p->read_at += len;
    return 0;
}

static void read_work(struct pool_job *job)
{
    struct partial *p = (struct partial *)job;
    p->job_err = read_piece(p);
}

/* ---- on the owner's loop ---- */

static void on_job_done(struct pool_job *job);

static void start_job(struct partial *p, void (*work)(struct pool_job *job))
{
    p->job.reply = p->reply;
    p->job.work = work;
    p->job.done = on_job_done;
    p->busy = true;
    pool_submit(p->store->disk, &p->job);
}

static void start_write(struct partial *p, bool last)
{
    struct buf empty = p->out;
    p->out = p->fill;
    p->fill = empty;
    p->out_line = p->line_start;
    p->last = last;
    start_job(p, write_work);
}

static void give_up(struct partial *p, int err)
{
    log_event(LOG_WARNING, "partial-failed", &(struct log_ctx){.login = sv_of(p->login)},
              "an unfinished message is not kept any further: %s", err_text(err));
    p->kept = false;
    buf_release(&p->fill);
}

static void tell_read(struct partial *p)
{
    struct sv bytes = buf_view(&p->out);
    p->reading = false;
    if (p->job_err < 0) {
        if (!p->detached)
            p->ops->on_read(p->arg, p->job_err, SV_NONE);
        return;
    }
    if (bytes.len == 0) {
        p->size = p->written = p->synced = p->recorded = p->info.offset;
        p->line_start = p->out_line = p->synced_line = p->info.offset;
        p->opened = p->kept = true;
    }
    struct buf given = p->out;
    buf_init(&p->out, SIZE_MAX / 2, 0);
    if (!p->detached)
        p->ops->on_read(p->arg, 0, bytes); /* may ask for the next piece */
    buf_deinit(&given);
}

static void on_job_done(struct pool_job *job)
{
    struct partial *p = (struct partial *)job;
    p->busy = false;
    if (p->reading)
        tell_read(p);
    else if (p->job_err < 0)
        give_up(p, p->job_err);
    advance(p);
}

static void ask(struct partial *p, enum partial_ask what)
{
    p->asking = what;
    p->ask.run = store_partial_ask;
    batch_post(p->store->batch, &p->ask);
}

/* What comes goes into the file. */
static bool keeps(const struct partial *p)
{
    return p->kept && !atomic_load(&p->finished) && !p->forget;
}

/* Synced octets of which the record does not know yet. */
static bool must_grow(const struct partial *p)
{
    return keeps(p) && p->synced > p->recorded;
}

static void ask_grow(struct partial *p)
{
    p->recorded = p->synced; /* not asked for twice, even if it fails */
    p->length = p->any_offset ? p->synced : p->synced_line;
    p->bytes = p->synced;
    ask(p, PARTIAL_ASK_GROW);
}

static void destroy(struct partial *p)
{
    buf_deinit(&p->fill);
    buf_deinit(&p->out);
    buf_deinit(&p->path);
    arena_deinit(&p->arena);
    free(p);
}

static void advance_end(struct partial *p)
{
    if (keeps(p) && (buf_len(&p->fill) > 0 || p->written > p->synced)) {
        start_write(p, true);
    } else if (must_grow(p)) {
        ask_grow(p);
    } else if (p->fd) {
        start_job(p, close_work);
    } else if (p->held) {
        p->held = false;
        ask(p, PARTIAL_ASK_RELEASE);
    } else {
        void (*on_gone)(void *arg) = p->on_gone;
        void *arg = p->gone_arg;
        destroy(p);
        on_gone(arg);
    }
}

static void advance(struct partial *p)
{
    if (p->busy || p->asking)
        return;
    if (p->ended) {
        advance_end(p);
        return;
    }
    if (p->opened && !p->kept && p->fd) /* what has no room is given back to the disk */
        start_job(p, close_work);
    else if (must_grow(p))
        ask_grow(p);
    else if (keeps(p) && buf_len(&p->fill) >= WRITE_BYTES)
        start_write(p, false);
    if (p->told_full && !partial_full(p)) {
        p->told_full = false;
        if (!p->detached)
            p->ops->on_room(p->arg);
    }
}

static void on_wanted(struct task *task)
{
    struct partial *p = (struct partial *)((char *)task - offsetof(struct partial, wanted));
    if (!p->detached)
        p->ops->on_wanted(p->arg);
}

void partial_on_answer(struct task *task)
{
    struct partial *p = (struct partial *)((char *)task - offsetof(struct partial, ask));
    enum partial_ask what = p->asking;
    p->asking = PARTIAL_ASK_NOTHING;
    if (p->err == 0 && p->no_room) {
        log_event(LOG_DEBUG, "partial-no-room", &(struct log_ctx){.login = sv_of(p->login)},
                  "an unfinished message is not kept: it has no room in "
                  "extensions.checkpoint_bytes");
        p->kept = false;
        buf_release(&p->fill);
    }
    bool no_room = p->no_room;
    p->no_room = false;
    if (what == PARTIAL_ASK_BEGIN) {
        p->held = p->err == 0;
        if (!p->detached)
            p->ops->on_begun(p->arg, p->err);
    } else if (what == PARTIAL_ASK_OPEN) {
        p->opened = p->err == 0;
        p->kept = p->opened && !no_room;
        if (!p->detached)
            p->ops->on_opened(p->arg, p->err);
    }
    advance(p);
}

struct partial *partial_begin(struct store *s, struct sv login, struct sv transid,
                              struct mailbox *reply, const struct partial_ops *ops, void *arg)
{
    struct partial *p = NEW(struct partial);
    p->store = s;
    p->reply = reply;
    p->ops = ops;
    p->arg = arg;
    arena_init(&p->arena);
    p->login = arena_str(&p->arena, login);
    p->transid = arena_str(&p->arena, transid);
    p->info.mail = p->info.recipients = p->info.queue_id = "";
    buf_init(&p->fill, SIZE_MAX / 2, 0);
    buf_init(&p->out, SIZE_MAX / 2, 0);
    buf_init(&p->path, 4096 + QUEUE_ID_LEN, 0);
    p->wanted.run = on_wanted;
    ask(p, PARTIAL_ASK_BEGIN);
    return p;
}

const struct partial_info *partial_info(const struct partial *p)
{
    REQUIRE(p->held);
    return &p->info;
}

void partial_open(struct partial *p, struct sv mail, struct sv recipients, bool any_offset,
                  uint64_t expected)
{
    REQUIRE(p->held && !p->ended && !p->asking && p->info.state == PARTIAL_NEW);
    p->info.mail = arena_str(&p->arena, mail);
    p->info.recipients = arena_str(&p->arena, recipients);
    p->any_offset = any_offset;
    p->expected = expected;
    queue_id_make(p->file, clock_wall_ms(), random_u64());
    store_partial_path(p->store, p->file, &p->path);
    ask(p, PARTIAL_ASK_OPEN);
}

void partial_read(struct partial *p, bool first)
{
    REQUIRE(p->held && !p->ended && !p->busy && p->info.state == PARTIAL_UNFINISHED);
    if (buf_len(&p->path) == 0) {
        store_partial_path(p->store, p->file, &p->path);
        p->written = p->info.offset; /* the file exists if there is anything in it */
    }
    if (first)
        p->read_at = 0;
    p->reading = true;
    start_job(p, read_work);
}

/* Where the last line begins, of what is kept, once bytes stand at the end. */
static void follow_lines(struct partial *p, struct sv bytes)
{
    const char *end = bytes.len ? memrchr(bytes.ptr, '\n', bytes.len) : NULL;
    if (end && !p->sealed)
        p->line_start = p->size + (uint64_t)(end - bytes.ptr) + 1;
    p->size += bytes.len;
}

void partial_append(struct partial *p, struct sv bytes)
{
    REQUIRE(p->opened && !p->ended);
    follow_lines(p, bytes);
    if (!keeps(p) || p->sealed)
        return;
    int err = buf_put(&p->fill, bytes);
    if (err < 0)
        give_up(p, err);
    p->told_full = partial_full(p);
    if (!p->busy && !p->asking && buf_len(&p->fill) >= WRITE_BYTES)
        start_write(p, false);
}

void partial_keep_no_more(struct partial *p)
{
    REQUIRE(p->opened && !p->ended);
    p->sealed = true;
}

bool partial_full(const struct partial *p)
{
    return (p->busy || p->asking) && keeps(p) && buf_len(&p->fill) >= PIECE_BYTES;
}

void partial_detach(struct partial *p)
{
    p->detached = true;
}

void partial_end(struct partial *p, bool forget, void (*on_gone)(void *arg), void *arg)
{
    REQUIRE(!p->ended);
    p->on_gone = on_gone;
    p->gone_arg = arg;
    p->ended = p->detached = true;
    p->forget = forget;
    if (p->busy || p->asking)
        return;
    /* on_gone is never told from inside a call: something else has to end first */
    if (!p->fd && !p->held)
        start_job(p, close_work);
    else
        advance(p);
}
