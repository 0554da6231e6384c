/*
 * Queues of earlier versions: upgraded once, whatever fails meanwhile; and later ones are refused.
 */
#include "store_fixture.h"
#include "fault_vfs.h"

#define VERSION_1                                                                                  \
    "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"              \
    "CREATE TABLE message(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"                       \
    " received INTEGER NOT NULL, reverse_path TEXT NOT NULL, params TEXT NOT NULL,"                \
    " login TEXT NOT NULL, client TEXT NOT NULL, message_id TEXT NOT NULL, size INTEGER NOT NULL," \
    " flags INTEGER NOT NULL, spooled INTEGER NOT NULL);"                                          \
    "CREATE TABLE content(seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"                          \
    "CREATE TABLE recipient(id INTEGER PRIMARY KEY, destination TEXT NOT NULL,"                    \
    " due INTEGER NOT NULL, state INTEGER NOT NULL, address TEXT NOT NULL, params TEXT NOT NULL,"  \
    " attempts INTEGER NOT NULL, warned INTEGER NOT NULL, status TEXT NOT NULL,"                   \
    " text TEXT NOT NULL, held INTEGER NOT NULL);"                                                 \
    "CREATE INDEX recipient_due ON recipient(destination, due) WHERE state=0;"                     \
    "CREATE INDEX recipient_parked ON recipient(state) WHERE state<>0;"                            \
    "CREATE TABLE totals(messages INTEGER NOT NULL, rows INTEGER NOT NULL,"                        \
    " compensations INTEGER NOT NULL);"                                                            \
    "INSERT INTO totals VALUES(1, 1, 0);"                                                          \
    "INSERT INTO message VALUES(1,'q000000000000001',1000,'a@x.example','','a','','',3,0,0);"      \
    "INSERT INTO content VALUES(1,'abc');"                                                         \
    "INSERT INTO recipient VALUES(1048576,'a.example',1000,0,'b@a.example','',0,0,'','',0);"       \
    "PRAGMA application_id=1297301809;;"
#define VERSION_2                                                                                \
    VERSION_1                                                                                    \
    "CREATE TABLE partial(login TEXT NOT NULL, transid TEXT NOT NULL, state INTEGER NOT NULL,"   \
    " expiry INTEGER NOT NULL, length INTEGER NOT NULL, bytes INTEGER NOT NULL,"                 \
    " file TEXT NOT NULL, message TEXT NOT NULL, mail TEXT NOT NULL, recipients TEXT NOT NULL);" \
    "CREATE UNIQUE INDEX partial_key ON partial(login, transid);"                                \
    "CREATE INDEX partial_expiry ON partial(expiry);"                                            \
    "CREATE INDEX partial_file ON partial(file) WHERE state<>2;"

#define VERSION_3                                                                               \
    VERSION_2                                                                                   \
    "CREATE TABLE spent(login TEXT NOT NULL, slot INTEGER NOT NULL, messages INTEGER NOT NULL," \
    " recipients INTEGER NOT NULL, fresh INTEGER NOT NULL, PRIMARY KEY(login, slot))"           \
    " WITHOUT ROWID;"                                                                           \
    "CREATE TABLE known(login TEXT NOT NULL, recipient INTEGER NOT NULL,"                       \
    " PRIMARY KEY(login, recipient)) WITHOUT ROWID;"

#define VERSION_4                                                     \
    VERSION_3                                                         \
    "ALTER TABLE message ADD COLUMN prefix TEXT NOT NULL DEFAULT '';" \
    "ALTER TABLE content ADD COLUMN provenance BLOB;"                 \
    "INSERT INTO spent VALUES('a@x', 300, 1, 2, 3); INSERT INTO known VALUES('a@x', 7);"

#define VERSION_5                                                     \
    VERSION_4                                                         \
    "ALTER TABLE spent ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;" \
    "ALTER TABLE known ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"   \
    "UPDATE known SET seen=CAST(strftime('%s', 'now') AS INTEGER);"

#define VERSION_6 VERSION_5 "CREATE TABLE paused(what TEXT PRIMARY KEY) WITHOUT ROWID;"

static const char *const versions[] = {
    [1] = VERSION_1 "PRAGMA user_version=1;", [2] = VERSION_2 "PRAGMA user_version=2;",
    [3] = VERSION_3 "PRAGMA user_version=3;", [4] = VERSION_4 "PRAGMA user_version=4;",
    [5] = VERSION_5 "PRAGMA user_version=5;", [6] = VERSION_6 "PRAGMA user_version=6;",
};
#define VERSIONS (sizeof versions / sizeof *versions)

static void sql(const struct fixture *f, const char *text)
{
    char path[100];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/queue.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t value(const struct fixture *f, const char *text)
{
    char path[100];
    sqlite3 *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof path, "%s/queue.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

static void make(struct fixture *f, size_t version)
{
    strcpy(f->dir, "/tmp/msa-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    sql(f, versions[version]);
}

/* What was in it is there, and so are the tables of this version. */
static void check_upgraded(struct fixture *f)
{
    f->vfs = NULL;
    for (int i = 0; i < 2; i++) { /* upgraded once */
        fixture_open(f);
        assert_int_equal(fixture_stats(f).messages, 1);
        struct store_claim *c = ask_claim(f, "a.example", 10);
        assert_int_equal(c->nbatches, 1);
        struct store_read *r = ask_read(f, c->batches[0]->message, 0, 10);
        assert_true(sv_eq(buf_view(&r->bytes), SV("abc")));
        store_read_free(r);
        store_claim_free(c);
        fixture_close(f);
        assert_int_equal(value(f, "PRAGMA user_version"), VERSIONS);
        assert_int_equal(value(f, "SELECT count(*) FROM sqlite_schema WHERE name IN ('partial',"
                                  " 'partial_key', 'spent', 'known', 'paused')"),
                         5);
        assert_int_equal(value(f, "SELECT count(*) FROM spent WHERE broken<>0"), 0);
        /* who was known before there was a time is known from now on */
        assert_int_equal(value(f, "SELECT count(*) FROM known WHERE seen<unixepoch()-60"), 0);
    }
    fixture_remove(f);
}

static void earlier_ones_are_upgraded(void **state)
{
    (void)state;
    for (size_t version = 1; version < VERSIONS; version++) {
        struct fixture f = {0};
        make(&f, version);
        check_upgraded(&f);
    }
}

/* The opening fails at each write and sync: the next one finds the old or the new version. */
static void upgrades_that_fail(void **state)
{
    (void)state;
    for (size_t version = 1; version < VERSIONS; version++)
        for (enum fault_kind kind = FAULT_WRITE_EIO; kind <= FAULT_SYNC; kind++) {
            bool fired = true;
            for (int at = 1; fired; at++) {
                struct fixture f = {.vfs = "fault"};
                struct buf error;
                make(&f, version);
                buf_init(&error, 1000, 0);
                fault_arm(kind, at, 1);
                if (fixture_open_error(&f, &error) == 0)
                    fixture_close(&f);
                fired = fault.fired;
                fault_arm(kind, 0, 0);
                buf_deinit(&error);
                check_upgraded(&f);
            }
        }
}

/* What was marked to be returned goes back to its author. */
static void returned_ones_stay_returned(void **state)
{
    (void)state;
    for (int marked = 0; marked < 2; marked++) {
        struct fixture f = {0};
        make(&f, 6);
        sql(&f, marked ? "UPDATE recipient SET warned=9" : "UPDATE recipient SET warned=1");
        fixture_open(&f);
        struct store_claim *c = ask_claim(&f, "a.example", 10);
        assert_int_equal(c->nbatches, !marked);
        store_claim_free(c);
        fixture_close(&f);
        assert_int_equal(value(&f, "SELECT state FROM recipient"), marked ? 3 : 0);
        fixture_remove(&f);
    }
}

static void later_ones_are_refused(void **state)
{
    struct fixture f = {0};
    struct buf error;
    (void)state;
    make(&f, 1);
    sql(&f, "PRAGMA user_version=8");
    buf_init(&error, 1000, 0);
    assert_int_equal(fixture_open_error(&f, &error), ERR_CORRUPT);
    assert_non_null(memmem(buf_view(&error).ptr, buf_len(&error), "version 8", 9));
    buf_deinit(&error);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earlier_ones_are_upgraded),
        cmocka_unit_test(upgrades_that_fail),
        cmocka_unit_test(returned_ones_stay_returned),
        cmocka_unit_test(later_ones_are_refused),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
