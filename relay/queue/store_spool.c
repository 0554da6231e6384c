/* store_spool.c - the names of content files, and their removal. */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/file.h"
#include "relay/queue/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void file_path(const char *dir, const char *id, struct buf *out)
{
    buf_init(out, 4096 + QUEUE_ID_LEN, 0);
    int err = buf_printf(out, "%s/%s", dir, id);
    if (err == 0)
        err = buf_append(out, "", 1);
    REQUIRE(err == 0); /* store_open() has seen that it fits */
}

void store_spool_path(struct store *s, const char *id, struct buf *out)
{
    file_path(s->spool, id, out);
}

void store_partial_path(struct store *s, const char *file, struct buf *out)
{
    file_path(s->partial_dir, file, out);
}

struct removal {
    struct pool_job job;
    const char *dir;
    char id[QUEUE_ID_LEN + 1];
};

static void remove_file(const char *dir, const char *id)
{
    struct buf path;
    file_path(dir, id, &path);
    int err = file_unlink(buf_view(&path).ptr);
    if (err < 0 && err != -ENOENT)
        log_event(LOG_WARNING, "spool-left", &(struct log_ctx){.queue = sv_of(id)},
                  "a spool file could not be removed: %s", err_text(err));
    buf_deinit(&path);
}

static void removal_work(struct pool_job *job)
{
    struct removal *r = (struct removal *)job;
    remove_file(r->dir, r->id);
}

static void removal_done(struct pool_job *job)
{
    free(job);
}

static void remove_later(struct store *s, const char *dir, const char *id)
{
    struct removal *r = NEW(struct removal);
    r->job.reply = s->config.notify;
    r->job.work = removal_work;
    r->job.done = removal_done;
    r->dir = dir;
    memcpy(r->id, id, sizeof r->id);
    pool_submit(s->disk, &r->job);
}

void store_remove_spool(struct store *s, const char *id)
{
    remove_later(s, s->spool, id);
}

void store_remove_partial(struct store *s, const char *file)
{
    remove_later(s, s->partial_dir, file);
}

/* ---- what a crash has left ---- */

struct orphans {
    struct store *store;
    const char *dir;
    unsigned named; /* the statement that finds a file's name */
    int err;
    size_t removed;
};

static void check_file(void *arg, const char *name)
{
    struct orphans *o = arg;
    struct store *s = o->store;
    if (o->err < 0 || !queue_id_valid(sv_of(name)))
        return;
    sqlite3_stmt *st = sql_use(&s->db, o->named);
    sql_text(st, 1, name);
    int got = sql_step(&s->db, st);
    if (got == 1) {
        sqlite3_reset(st);
    } else if (got < 0) {
        o->err = got;
    } else {
        remove_file(o->dir, name);
        o->removed++;
    }
}

static int remove_orphans(struct store *s, const char *dir, unsigned named, size_t *removed_out)
{
    struct orphans o = {.store = s, .dir = dir, .named = named};
    int err = file_list(dir, check_file, &o);
    *removed_out = o.removed;
    return err < 0 ? err : o.err;
}

int store_remove_orphans(struct store *s)
{
    size_t spooled, partial = 0;
    int err = remove_orphans(s, s->spool, STORE_SPOOL_NAMED, &spooled);
    if (spooled > 0)
        log_event(LOG_INFO, "spool-cleaned", NULL, "%zu unfinished spool files removed", spooled);
    if (err == 0)
        err = remove_orphans(s, s->partial_dir, STORE_PARTIAL_NAMED, &partial);
    if (partial > 0)
        log_event(LOG_INFO, "partial-cleaned", NULL, "%zu files of no unfinished message removed",
                  partial);
    return err;
}
