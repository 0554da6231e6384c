/*
 * Files of addresses (msa/server/aliases.h), databases that are asked for them, and maps
 * (msa/server/rewriting.h) count as soon as they change, without a signal: every other second the
 * master looks at each. What has kept its new form for one more look is read; if it is good, a
 * generation with it and all else as it was goes its usual way, else the faults are logged once and
 * the former contents go on.
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/daemon/load.h"
#include "msa/daemon/load_aliases.h"
#include "msa/daemon/load_permissions.h"
#include "msa/daemon/master_internal.h"
#include "msa/server/aliases.h"
#include "msa/server/rewriting.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 2000

/* What changes with a file's contents; zeros: there is none. */
struct look {
    struct timespec modified, changed;
    uint64_t bytes, inode;
};

/* The file, and the log that a database may have beside it. */
struct looks {
    struct look file, log;
};

/* One file under watch. */
struct watched {
    char *key;
    struct looks seen;   /* at the last look */
    struct looks judged; /* when it was read last */
    struct watched *next;
};

static struct look look_at(const char *path)
{
    struct stat st;
    struct look l;
    memset(&l, 0, sizeof l); /* it is compared as a whole */
    if (stat(path, &st) < 0)
        return l;
    l.modified = st.st_mtim;
    l.changed = st.st_ctim;
    l.bytes = (uint64_t)st.st_size;
    l.inode = st.st_ino;
    return l;
}

static struct looks look_at_all(const char *path)
{
    char *log = mem_new(strlen(path) + sizeof "-wal", 1);
    struct looks l;
    memset(&l, 0, sizeof l); /* it is compared as a whole */
    strcat(strcpy(log, path), "-wal");
    l.file = look_at(path);
    l.log = look_at(log);
    free(log);
    return l;
}

static bool same(const struct looks *a, const struct looks *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static struct watched *watched_of(struct master *m, const char *key)
{
    for (struct watched *w = m->watched; w; w = w->next)
        if (strcmp(w->key, key) == 0)
            return w;
    struct watched *w = NEW(struct watched);
    w->key = sv_dup(sv_of(key));
    w->next = m->watched;
    m->watched = w;
    return w;
}

static bool is_good(const struct master *m, const struct generation_file *f, struct sv text)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    conf_faults_init(&faults, &arena);
    if (rewriting_is_map_key(f->key))
        rewriting_check_map(f->key, text, &m->current->options, &faults);
    else
        aliases_check(f->path, text, &m->current->options.auth.realms, &faults);
    master_log_faults(&faults);
    bool good = faults.errors == 0;
    if (!good)
        log_event(LOG_ERROR, "addresses-refused", NULL, "%s: its former contents go on", f->path);
    arena_deinit(&arena);
    return good;
}

/* False with words in why. */
static bool read_it(const struct generation_file *f, struct buf *text, struct buf *why)
{
    if (!rewriting_is_map_key(f->key))
        return load_aliases(sv_of(f->key), text, why);
    int err = load_file(f->path, text);
    int cut = err < 0 ? buf_printf(why, "cannot read it: %s", err_text(err)) : 0;
    (void)cut;
    return err == 0;
}

/* Reads it; true if the contents are other ones, and good. */
static bool has_news(struct master *m, const struct generation_file *f, struct buf *text)
{
    struct buf why;
    buf_init(&why, 500, 0);
    bool read = read_it(f, text, &why);
    if (!read)
        log_event(LOG_ERROR, "addresses-refused", NULL, "%s: %.*s; its former contents go on",
                  f->path, SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    return read && !sv_eq(buf_view(text), f->bytes) && is_good(m, f, buf_view(text));
}

/* True: a generation with the new contents is on its way. */
static bool look_after(struct master *m, const struct generation_file *f)
{
    struct watched *w = watched_of(m, f->key);
    struct looks now = look_at_all(f->path);
    bool still = same(&now, &w->seen), read = still && !same(&now, &w->judged);
    struct buf text;
    w->seen = now;
    if (!read)
        return false;
    w->judged = now;
    buf_init(&text, LOAD_FILE_MAX_BYTES, 0);
    bool news = has_news(m, f, &text);
    if (news) {
        log_event(LOG_INFO, "addresses-changed", NULL, "%s has changed", f->path);
        master_propose_file(m, f->key, buf_view(&text));
    }
    buf_deinit(&text);
    return news;
}

static bool is_watched(const struct generation_file *f)
{
    return pattern_is_source(sv_of(f->key)) || rewriting_is_map_key(f->key);
}

static void on_look(void *arg)
{
    struct master *m = arg;
    timer_start(&m->files, LOOK_MS);
    if (!master_can_propose(m))
        return; /* what has changed is still so at the next look */
    for (size_t i = 0; i < m->current->nfiles; i++)
        if (is_watched(&m->current->files[i]) && look_after(m, &m->current->files[i]))
            return; /* one at a time */
}

void master_files_init(struct master *m)
{
    timer_init(&m->files, m->loop, on_look, m);
    timer_start(&m->files, LOOK_MS);
}

void master_files_deinit(struct master *m)
{
    timer_stop(&m->files);
    while (m->watched) {
        struct watched *w = m->watched;
        m->watched = w->next;
        free(w->key);
        free(w);
    }
}
