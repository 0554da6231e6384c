/*
 * accounts.c - users.db: making it, opening it, and what a login asks.
 *
 * The file is made whole under another name and linked into place, so that whoever finds one finds
 * its tables, and an empty file is damage. Its change counter stands in the row of meta; uses are
 * written without counting, else each login would end what is known as proven (auth/proven.h).
 *
 * A connection that met damage or a failing disk is closed: what is cached could hide that the file
 * is whole again, or is not.
 */
#include "auth/accounts_private.h"

#include "auth/lock.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID "1297301810" /* "MSA2" */
#define SCHEMA_VERSION 1
#define MADE           ".made"

#define SQL_TEXT(name, text) text,
static const char *const texts[] = {ACCOUNTS_SQL(SQL_TEXT)};
#undef SQL_TEXT

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(changes INTEGER NOT NULL) STRICT;"
    "INSERT INTO meta VALUES(1);"
    "CREATE TABLE account(login TEXT PRIMARY KEY, state INTEGER NOT NULL, since INTEGER NOT NULL,"
    " reason TEXT NOT NULL, admin INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE verifier(login TEXT NOT NULL, mechanism TEXT NOT NULL, main BLOB NOT NULL,"
    " text TEXT NOT NULL, PRIMARY KEY(login, mechanism, main)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE app(id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL,"
    " label TEXT NOT NULL, digest BLOB, created INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " used INTEGER NOT NULL, used_from TEXT NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX app_label ON app(login, label);"
    "CREATE UNIQUE INDEX app_digest ON app(digest);"
    "CREATE TABLE app_verifier(app INTEGER NOT NULL, mechanism TEXT NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY(app, mechanism)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE place(login TEXT NOT NULL, client TEXT NOT NULL, mechanism TEXT NOT NULL,"
    " label TEXT NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX place_of ON place(login, client, mechanism, label);"
    "CREATE TABLE network(login TEXT NOT NULL, network TEXT NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(login, network)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id=" APPLICATION_ID "; PRAGMA user_version=1;"
    "COMMIT;";

/* What is deleted is overwritten: verifiers of old passwords are nobody's business. */
static const char pragmas[] = "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                              "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";

struct auth_accounts *auth_accounts_new(const char *path, unsigned wait_ms)
{
    struct auth_accounts *a = NEW(struct auth_accounts);

    REQUIRE(path != NULL && pthread_mutex_init(&a->lock, NULL) == 0);
    a->path = mem_str(path);
    a->wait_ms = wait_ms;
    return a;
}

void auth_accounts_free(struct auth_accounts *a)
{
    if (a == NULL)
        return;
    sql_close(&a->db);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a);
}

/* --- making it --- */

static int beside(char out[PATH_MAX], const char *path, const char *end)
{
    return snprintf(out, PATH_MAX, "%s%s", path, end) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int was_made(const char *path, bool *out)
{
    char marker[PATH_MAX];
    int err = beside(marker, path, MADE);

    *out = err == 0 && access(marker, F_OK) == 0;
    return err < 0 || *out || errno == ENOENT ? err : -errno;
}

static int open_folder(const char *path, int *fd_out)
{
    char folder[PATH_MAX];
    int err = auth_lock_folder(path, folder, sizeof(folder));

    if (err < 0)
        return err;
    *fd_out = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd_out < 0 ? -errno : 0;
}

static int give_and_sync(int folder, const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat owner;
    int err = 0;

    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0600) < 0 || fstat(folder, &owner) < 0)
        err = -errno;
    if (err == 0)
        err = auth_lock_give(fd, owner.st_uid, owner.st_gid);
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    close(fd);
    return err;
}

static int make_file(const char *fresh)
{
    struct sql db;
    int err = sql_open(&db, fresh, NULL, SQL_CREATE, texts, ACCOUNTS_SQL_COUNT, NULL);

    if (err < 0)
        return err;
    /* the mode is kept in the file; where it cannot be had, readers wait for writers */
    err = sql_exec(&db, "PRAGMA journal_mode=WAL");
    if (err == 0)
        err = sql_exec(&db, schema);
    sql_close(&db);
    return err;
}

static int make_marker(int folder, const char *path)
{
    char marker[PATH_MAX];
    int err = beside(marker, path, MADE);

    if (err == 0)
        err = give_and_sync(folder, marker);
    return err == 0 && fsync(folder) < 0 ? -errno : err;
}

static int make_all(int folder, const char *path)
{
    char fresh[PATH_MAX], end[32];
    bool made = false;
    int err = was_made(path, &made);

    if (err == 0 && access(path, F_OK) == 0)
        return made ? 0 : make_marker(folder, path);
    if (err < 0 || made)
        return err < 0 ? err : -ENOENT;
    snprintf(end, sizeof(end), ".%016llx", (unsigned long long)random_u64());
    err = beside(fresh, path, end);
    if (err < 0)
        return err;
    err = make_file(fresh);
    if (err == 0)
        err = give_and_sync(folder, fresh);
    if (err == 0 && link(fresh, path) < 0 && errno != EEXIST)
        err = -errno;
    unlink(fresh);
    return err < 0 ? err : make_marker(folder, path);
}

int auth_accounts_make(const char *path)
{
    int folder, err = open_folder(path, &folder);

    if (err == 0) {
        err = make_all(folder, path);
        close(folder);
    }
    return err;
}

const char *auth_accounts_fault(const char *path, int err, char out[1024])
{
    const char *what = err_text(err), *todo = "";

    if (err == -ENOENT) {
        what = "it is gone, and with it which logins are disabled";
        todo = "restore it; to begin anew without it remove the file that ends in .made beside it";
    } else if (err == -EAGAIN) {
        what = "another program holds a lock on it";
        todo = "end that program";
    } else if (err == ERR_CORRUPT) {
        todo = "restore it";
    } else if (err == -ENOTSUP) {
        what = "it was made by a newer version of msad";
        todo = "restore the one of this version";
    }
    snprintf(out, 1024, "%.600s: %s%s%s", path, what, *todo ? "; " : "", todo);
    return out;
}

/* --- the connection --- */

static int check_version(struct auth_accounts *a)
{
    int64_t application = 0, version = 0;
    int err = sql_value(&a->db, "PRAGMA application_id", &application);

    if (err == 0)
        err = sql_value(&a->db, "PRAGMA user_version", &version);
    if (err == 0 && (application != strtoll(APPLICATION_ID, NULL, 10) || version < 1))
        err = ERR_CORRUPT;
    return err == 0 && version > SCHEMA_VERSION ? -ENOTSUP : err;
}

static int open_file(struct auth_accounts *a, const struct stat *st)
{
    int err = sql_open(&a->db, a->path, NULL, SQL_CHANGE, texts, ACCOUNTS_SQL_COUNT, NULL);

    if (err < 0)
        return err;
    sql_wait_at_most(&a->db, a->wait_ms);
    a->dev = st->st_dev;
    a->ino = st->st_ino;
    err = check_version(a);
    return err < 0 ? err : sql_exec(&a->db, pragmas);
}

static bool is_open(const struct auth_accounts *a)
{
    return a->db.handle != NULL;
}

static bool is_same(const struct auth_accounts *a, const struct stat *st)
{
    return a->dev == st->st_dev && a->ino == st->st_ino;
}

int accounts_enter(struct auth_accounts *a)
{
    struct stat st;
    bool made = true;
    int err;

    pthread_mutex_lock(&a->lock);
    if (stat(a->path, &st) < 0) {
        if (errno != ENOENT)
            return -errno;
        sql_close(&a->db);
        err = was_made(a->path, &made);
        return err < 0 ? err : made ? -ENOENT : ACCOUNTS_NONE;
    }
    if (is_open(a) && is_same(a, &st))
        return 0;
    sql_close(&a->db);
    return open_file(a, &st);
}

int accounts_leave(struct auth_accounts *a, int err)
{
    if (err < 0 && err != ERR_NOT_FOUND && err != ERR_EXISTS && err != ERR_LIMIT && err != -EAGAIN)
        sql_close(&a->db);
    pthread_mutex_unlock(&a->lock);
    return err;
}

int accounts_begin(struct auth_accounts *a)
{
    int err = accounts_enter(a);

    if (err == ACCOUNTS_NONE) {
        err = auth_accounts_make(a->path);
        pthread_mutex_unlock(&a->lock);
        if (err < 0) {
            pthread_mutex_lock(&a->lock);
            return err;
        }
        err = accounts_enter(a);
        if (err == ACCOUNTS_NONE)
            err = -ENOENT; /* gone at once */
    }
    if (err == 0)
        err = sql_run(&a->db, sql_use(&a->db, ACCOUNTS_BEGIN));
    a->in_transaction = err == 0;
    return err;
}

int accounts_end(struct auth_accounts *a, int err, bool is_change)
{
    if (a->in_transaction) {
        if (err == 0 && is_change)
            err = sql_run(&a->db, sql_use(&a->db, ACCOUNTS_CHANGED));
        if (err == 0)
            err = sql_run(&a->db, sql_use(&a->db, ACCOUNTS_COMMIT));
        if (err < 0) { /* SQLite may have rolled back itself */
            int failed = sql_run(&a->db, sql_use(&a->db, ACCOUNTS_ROLLBACK));

            (void)failed;
        }
    }
    a->in_transaction = false;
    return accounts_leave(a, err);
}

void accounts_text(sqlite3_stmt *st, int at, struct sv text)
{
    int rc = st ? sqlite3_bind_text(st, at, text.ptr ? text.ptr : "", (int)text.len, SQLITE_STATIC)
                : SQLITE_OK;

    REQUIRE(rc == SQLITE_OK);
}

sqlite3_stmt *accounts_of(struct auth_accounts *a, size_t n, struct sv login)
{
    sqlite3_stmt *st = sql_use(&a->db, n);

    accounts_text(st, 1, login);
    return st;
}

int accounts_row(struct auth_accounts *a, sqlite3_stmt *st)
{
    return sql_step(&a->db, st);
}

/* --- what a login asks --- */

/* With the connection open. */
static int read_version(struct auth_accounts *a, struct auth_accounts_version *out)
{
    sqlite3_stmt *st = sql_use(&a->db, ACCOUNTS_VERSION);
    int err = accounts_row(a, st);

    if (err != 1)
        return err == 0 ? ERR_CORRUPT : err;
    *out = (struct auth_accounts_version){a->dev, a->ino, sqlite3_column_int64(st, 0)};
    sqlite3_reset(st);
    return 0;
}

int auth_accounts_version(struct auth_accounts *a, struct auth_accounts_version *out)
{
    int err = accounts_enter(a);

    *out = (struct auth_accounts_version){0};
    if (err == 0)
        err = read_version(a, out);
    return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
}

int auth_accounts_version_now(struct auth_accounts *a, struct auth_accounts_version *out)
{
    struct stat st;
    bool found, made;
    int err = -EAGAIN;

    *out = (struct auth_accounts_version){0};
    if (pthread_mutex_trylock(&a->lock) != 0)
        return -EAGAIN;
    found = stat(a->path, &st) == 0;
    if (!found && errno == ENOENT && was_made(a->path, &made) == 0 && !made) {
        err = 0;
    } else if (found && is_open(a) && is_same(a, &st)) {
        sql_wait_at_most(&a->db, 0);
        err = read_version(a, out);
        sql_wait_at_most(&a->db, a->wait_ms);
    }
    return accounts_leave(a, err);
}

const char *auth_state_text(enum auth_state state)
{
    static const char *const names[AUTH_STATES] = {"enabled", "disabled", "locked"};

    REQUIRE(state < AUTH_STATES);
    return names[state];
}

int auth_accounts_get(struct auth_accounts *a, struct sv login, struct auth_account *out)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    *out = (struct auth_account){0};
    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = accounts_of(a, ACCOUNTS_GET, login);
    err = accounts_row(a, st);
    if (err == 1) {
        int state = sqlite3_column_int(st, 0);

        err = state < 0 || state >= AUTH_STATES ? ERR_CORRUPT : 0;
        out->state = err < 0 ? AUTH_STATE_DISABLED : (enum auth_state)state;
        out->admin = sqlite3_column_int(st, 1) != 0;
        out->since_ms = sqlite3_column_int64(st, 2);
        snprintf(out->reason, sizeof(out->reason), "%s", sql_column(st, 3));
        sqlite3_reset(st);
    }
    return accounts_leave(a, err);
}

void auth_accounts_main(const struct auth_scram *main, uint8_t out[AUTH_MAIN_BYTES])
{
    char text[AUTH_SCRAM_TEXT_MAX];
    unsigned len = 0;

    auth_scram_write(main, text);
    REQUIRE(EVP_Digest(text, strlen(text), out, &len, EVP_sha256(), NULL) == 1 &&
            len == AUTH_MAIN_BYTES);
    mem_wipe(text, sizeof(text));
}

/* The verifier in a column of the row; ends the row. */
static int take_verifier(sqlite3_stmt *st, int column, enum auth_scram_hash hash,
                         struct auth_scram *out)
{
    int err = auth_scram_read(sv_of(sql_column(st, column)), out);

    sqlite3_reset(st);
    return err < 0 || out->hash != hash ? ERR_CORRUPT : 0;
}

int auth_accounts_verifier(struct auth_accounts *a, struct sv login, enum auth_scram_hash hash,
                           const uint8_t main[AUTH_MAIN_BYTES], struct auth_scram *out)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? ERR_NOT_FOUND : err);
    st = accounts_of(a, ACCOUNTS_VERIFIER, login);
    sql_text(st, 2, auth_scram_name(hash));
    sql_blob(st, 3, (struct sv){(const char *)main, AUTH_MAIN_BYTES});
    err = accounts_row(a, st);
    return accounts_leave(a, err == 1   ? take_verifier(st, 0, hash, out)
                             : err == 0 ? ERR_NOT_FOUND
                                        : err);
}

int auth_accounts_app(struct auth_accounts *a, const uint8_t digest[AUTH_APP_DIGEST_BYTES],
                      struct auth_app *out)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    *out = (struct auth_app){0};
    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? ERR_NOT_FOUND : err);
    st = sql_use(&a->db, ACCOUNTS_APP);
    sql_blob(st, 1, (struct sv){(const char *)digest, AUTH_APP_DIGEST_BYTES});
    err = accounts_row(a, st);
    if (err == 1) {
        out->id = sqlite3_column_int64(st, 0);
        snprintf(out->label, sizeof(out->label), "%s", sql_column(st, 1));
        sqlite3_reset(st);
    }
    return accounts_leave(a, err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err);
}

int auth_accounts_app_verifier(struct auth_accounts *a, struct sv login, struct sv label,
                               enum auth_scram_hash hash, struct auth_app *app_out,
                               struct auth_scram *out)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    *app_out = (struct auth_app){0};
    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? ERR_NOT_FOUND : err);
    st = accounts_of(a, ACCOUNTS_APP_VERIFIER, login);
    accounts_text(st, 2, label);
    sql_text(st, 3, auth_scram_name(hash));
    err = accounts_row(a, st);
    if (err == 1) {
        app_out->id = sqlite3_column_int64(st, 0);
        snprintf(app_out->label, sizeof(app_out->label), "%.*s", SV_ARG(label));
        err = take_verifier(st, 1, hash, out);
    } else if (err == 0) {
        err = ERR_NOT_FOUND;
    }
    return accounts_leave(a, err);
}
