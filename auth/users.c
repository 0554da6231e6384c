/*
 * users.c - users in the SASL database: questions, and changes by copy and rename.
 *
 *     lock "<path>.lock" -> copy to "<path>.new" -> change, flush -> fsync -> rename -> fsync
 * folder
 *
 * Before the rename nothing is changed, after it everything is; a crash leaves "<path>.new", which
 * the next change removes.
 */
#include "auth/users.h"

#include "auth/lock.h"
#include "auth/userdb.h"
#include "msa/base/arena.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define COPY_BYTES 65536

struct change {
    const char *path;
    char folder[PATH_BYTES], copy[PATH_BYTES];
    int lock_fd;
    bool existed;    /* there is an old file */
    struct stat old; /* of the old file; of the folder if there is none */
};

static int change_paths(struct change *c, const char *path)
{
    *c = (struct change){.path = path, .lock_fd = -1};
    if (snprintf(c->copy, sizeof(c->copy), "%s.new", path) >= (int)sizeof(c->copy))
        return -ENAMETOOLONG;
    return auth_lock_folder(path, c->folder, sizeof(c->folder));
}

static int change_lock(struct change *c)
{
    int err = auth_lock_take(c->path, &c->lock_fd);

    if (err < 0)
        return err;
    c->existed = stat(c->path, &c->old) == 0;
    if (!c->existed && (errno != ENOENT || stat(c->folder, &c->old) < 0))
        return -errno;
    return 0;
}

static int copy_bytes(int from, int to)
{
    char *block = mem_new(1, COPY_BYTES);
    ssize_t got;
    int err = 0;

    while (err == 0 && (got = read(from, block, COPY_BYTES)) != 0) {
        if (got < 0 && errno != EINTR)
            err = -errno;
        for (ssize_t done = 0; err == 0 && done < got;) {
            ssize_t put = write(to, block + done, (size_t)(got - done));

            if (put < 0 && errno != EINTR)
                err = -errno;
            else if (put > 0)
                done += put;
        }
    }
    mem_wipe(block, COPY_BYTES);
    free(block);
    return err;
}

static int change_copy(const struct change *c)
{
    int from = open(c->path, O_RDONLY | O_CLOEXEC);
    int to, err;

    if (from < 0)
        return -errno;
    to = open(c->copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    err = to < 0 ? -errno : copy_bytes(from, to);
    if (to >= 0)
        close(to);
    close(from);
    return err;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err;

    if (fd < 0)
        return -errno;
    err = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* The copy becomes the database. */
static int change_publish(const struct change *c)
{
    int fd = open(c->copy, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int err;

    if (fd < 0)
        return -errno;
    err = auth_lock_give(fd, c->old.st_uid, c->old.st_gid);
    if (err == 0 && c->existed && fchmod(fd, c->old.st_mode & 0660) < 0)
        err = -errno;
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    close(fd);
    if (err == 0 && rename(c->copy, c->path) < 0)
        err = -errno;
    return err < 0 ? err : sync_folder(c->folder);
}

enum what { WHAT_ADD, WHAT_PASSWD, WHAT_DELETE };

/* What comes in place of what was there; empty: that property does not. */
struct values {
    struct sv verifier, cleartext;
};

/* On the copy: all that is there of the user goes, then the new comes. */
static int edit(struct auth_userdb *u, enum what what, const struct auth_name *name,
                const struct values *v)
{
    size_t had = 0, left = 0;
    int err = auth_userdb_remove(u, name, &had);

    if (err < 0)
        return err;
    if (what == WHAT_ADD && had > 0)
        return ERR_EXISTS;
    if (what != WHAT_ADD && had == 0)
        return ERR_NOT_FOUND;
    if (what == WHAT_DELETE) {
        err = auth_userdb_remove(u, name, &left);
        if (err == 0 && left > 0)
            err = ERR_CORRUPT;
    } else {
        err = auth_userdb_put(u, name, AUTH_USERDB_VERIFIER, v->verifier);
    }
    if (err == 0 && v->cleartext.len > 0)
        err = auth_userdb_put(u, name, AUTH_USERDB_CLEARTEXT, v->cleartext);
    return err < 0 ? err : auth_userdb_flush(u);
}

static int change_apply(const struct change *c, enum what what, const struct auth_name *name,
                        const struct values *v)
{
    struct auth_userdb *u = NULL;
    int err = 0;

    if (unlink(c->copy) < 0 && errno != ENOENT)
        return -errno;
    if (!c->existed && what != WHAT_ADD)
        return ERR_NOT_FOUND;
    if (c->existed)
        err = change_copy(c);
    if (err == 0)
        err = auth_userdb_open(c->copy, c->existed ? AUTH_USERDB_CHANGE : AUTH_USERDB_CREATE, &u);
    if (err == 0)
        err = edit(u, what, name, v);
    auth_userdb_close(u);
    if (err == 0)
        err = change_publish(c);
    if (err < 0)
        unlink(c->copy);
    return err;
}

static int change(const char *path, enum what what, const struct auth_name *name,
                  const struct values *v)
{
    struct change c;
    int err = change_paths(&c, path);

    if (err < 0)
        return err;
    err = change_lock(&c);
    if (err == 0)
        err = change_apply(&c, what, name, v);
    if (c.lock_fd >= 0)
        close(c.lock_fd);
    return err;
}

static int store(const char *path, enum what what, const struct auth_name *name,
                 const struct auth_scram *verifier, struct sv cleartext)
{
    char text[AUTH_SCRAM_TEXT_MAX];
    int err;

    REQUIRE(verifier->hash == AUTH_SCRAM_SHA256);
    auth_scram_write(verifier, text);
    err = change(path, what, name, &(struct values){sv_of(text), cleartext});
    mem_wipe(text, sizeof(text));
    return err;
}

int auth_users_add(const char *path, const struct auth_name *name,
                   const struct auth_scram *verifier, struct sv cleartext)
{
    return store(path, WHAT_ADD, name, verifier, cleartext);
}

int auth_users_passwd(const char *path, const struct auth_name *name,
                      const struct auth_scram *verifier, struct sv cleartext)
{
    return store(path, WHAT_PASSWD, name, verifier, cleartext);
}

int auth_users_delete(const char *path, const struct auth_name *name)
{
    return change(path, WHAT_DELETE, name, &(struct values){0});
}

/* What is stored of one user, in the order in which it counts. */
static int read_secret(struct auth_userdb *u, const struct auth_name *name, struct auth_secret *out)
{
    char text[AUTH_SCRAM_TEXT_MAX];
    size_t len = 0;
    int err = auth_userdb_get(u, name, AUTH_USERDB_CLEARTEXT, out->password, sizeof(out->password),
                              &out->password_len);

    if (err == 0)
        out->kind = AUTH_SECRET_CLEARTEXT;
    if (err != ERR_NOT_FOUND)
        return err;
    err = auth_userdb_get(u, name, AUTH_USERDB_VERIFIER, text, sizeof(text), &len);
    if (err == 0 && auth_scram_read((struct sv){text, len}, &out->verifier) == 0 &&
        out->verifier.hash == AUTH_SCRAM_SHA256)
        out->kind = AUTH_SECRET_VERIFIER;
    mem_wipe(text, sizeof(text));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int auth_users_secret(const char *path, const struct auth_name *name, struct auth_secret *out)
{
    struct auth_userdb *u;
    int err;

    memset(out, 0, sizeof(*out));
    err = auth_userdb_open(path, AUTH_USERDB_READ, &u);
    if (err == -ENOENT)
        return 0;
    if (err < 0)
        return err;
    err = read_secret(u, name, out);
    auth_userdb_close(u);
    return err;
}

/* One row of the database, for the list. */
struct item {
    char *login;
    bool cleartext, verifier;
};

struct items {
    struct arena arena;
    struct item *at;
    size_t count, room;
};

static void collect(void *arg, const struct auth_userdb_row *row)
{
    struct items *all = arg;
    struct item *item;

    if (all->count == all->room) {
        all->room = all->room ? all->room * 2 : 64;
        all->at = mem_resize(all->at, all->room, sizeof(*all->at));
    }
    item = &all->at[all->count++];
    item->login = arena_printf(&all->arena, "%.*s@%.*s", SV_ARG(row->user), SV_ARG(row->realm));
    item->cleartext = sv_eq(row->property, SV(AUTH_USERDB_CLEARTEXT));
    item->verifier = sv_eq(row->property, SV(AUTH_USERDB_VERIFIER)) &&
                     sv_starts(row->value, SV("SCRAM-SHA-256$"));
}

static int by_login(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->login, ((const struct item *)b)->login);
}

static void report(const struct items *all,
                   void (*each)(void *arg, const struct auth_users_entry *entry), void *arg)
{
    for (size_t i = 0; i < all->count;) {
        const char *login = all->at[i].login;
        struct auth_users_entry entry = {.login = sv_of(login)};

        for (; i < all->count && strcmp(all->at[i].login, login) == 0; i++) {
            entry.cleartext |= all->at[i].cleartext;
            entry.verifier |= all->at[i].verifier;
        }
        each(arg, &entry);
    }
}

int auth_users_list(const char *path, void (*each)(void *arg, const struct auth_users_entry *entry),
                    void *arg)
{
    struct items all = {0};
    struct auth_userdb *u;
    int err = auth_userdb_open(path, AUTH_USERDB_READ, &u);

    if (err < 0)
        return err == -ENOENT ? 0 : err;
    arena_init(&all.arena);
    err = auth_userdb_each(u, collect, &all);
    auth_userdb_close(u);
    if (err == 0 && all.count > 0) {
        qsort(all.at, all.count, sizeof(*all.at), by_login);
        report(&all, each, arg);
    }
    free(all.at);
    arena_deinit(&all.arena);
    return err;
}

struct search {
    const struct auth_name *name;
    bool found;
};

static void look_for_name(void *arg, const struct auth_userdb_row *row)
{
    struct search *s = arg;

    s->found |=
        sv_eq(row->user, auth_name_user(s->name)) && sv_eq(row->realm, auth_name_realm(s->name));
}

static int look_through(const char *path, void (*each)(void *arg, const struct auth_userdb_row *),
                        void *arg)
{
    struct auth_userdb *u;
    int err = auth_userdb_open(path, AUTH_USERDB_READ, &u);

    if (err < 0)
        return err == -ENOENT ? 0 : err;
    err = auth_userdb_each(u, each, arg);
    auth_userdb_close(u);
    return err;
}

int auth_users_exists(const char *path, const struct auth_name *name, bool *out)
{
    struct search search = {.name = name};
    int err = look_through(path, look_for_name, &search);

    *out = search.found;
    return err;
}

static void add_to_survey(void *arg, const struct auth_userdb_row *row)
{
    struct auth_users_survey *c = arg;
    struct auth_scram v;
    size_t i = 0;

    c->any_cleartext |= sv_eq(row->property, SV(AUTH_USERDB_CLEARTEXT));
    if (!sv_eq(row->property, SV(AUTH_USERDB_VERIFIER)) || auth_scram_read(row->value, &v) < 0)
        return;
    while (i < c->count && c->at[i].iterations < v.iterations)
        i++;
    if (i == c->count || c->at[i].iterations != v.iterations) {
        if (c->count == AUTH_USERS_COUNTS_MAX)
            return;
        memmove(&c->at[i + 1], &c->at[i], (c->count - i) * sizeof(c->at[0]));
        c->at[i].iterations = v.iterations;
        c->at[i].users = 0;
        c->count++;
    }
    c->at[i].users++;
}

int auth_users_survey(const char *path, struct auth_users_survey *out)
{
    *out = (struct auth_users_survey){.count = 0};
    return look_through(path, add_to_survey, out);
}

int auth_users_identity(const char *path, struct auth_users_identity *out)
{
    struct stat st;

    *out = (struct auth_users_identity){0};
    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    out->dev = st.st_dev;
    out->ino = st.st_ino;
    out->size = (uint64_t)st.st_size;
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    out->ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    return 0;
}

bool auth_users_identity_eq(const struct auth_users_identity *a,
                            const struct auth_users_identity *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}
