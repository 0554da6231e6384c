/* How headers came to be: out of the queue, then out of the history. */
#include "store_fixture.h"
#include "fault_vfs.h"

#include "relay/queue/history_files.h"
#include "relay/queue/provenance.h"

#include <sqlite3.h>

static void on_provenance(struct store_provenance *p)
{
    fixture_answer(p->arg, p->err);
}

static int ask(struct fixture *f, const char *id, const char *want)
{
    struct store_provenance *p = store_provenance_new(id, f->mailbox, on_provenance, f);
    store_provenance(f->store, p);
    fixture_wait(f);
    int err = p->err;
    if (err == 0 && !sv_eq(buf_view(&p->record), sv_of(want)))
        fail_msg("%s: %.*s", id, SV_ARG(buf_view(&p->record)));
    store_provenance_free(p);
    return err;
}

static int ask_later(struct fixture *f, const char *id, const char *want)
{
    int err = ERR_NOT_FOUND;
    for (int i = 0; i < 100 && err == ERR_NOT_FOUND; i++) {
        err = ask(f, id, want);
        fixture_run_for(f, 20);
    }
    return err;
}

/* start: what it has in common with others; NULL: nothing. */
static void put_with(struct fixture *f, unsigned n, struct block *start, const char *record,
                     bool spooled)
{
    struct queue_message *m = fixture_message(fixture_id(n), spooled ? "" : "content");
    if (spooled) {
        block_drop(m->content);
        m->content = NULL;
        m->spooled = true;
    }
    m->provenance_start = start ? block_keep(start) : NULL;
    m->provenance = sv_of(record);
    assert_int_equal(ask_put_rows(f, m, fixture_rows(m, "b@a.example c@a.example")), 0);
}

static void put(struct fixture *f, unsigned n, const char *record, bool spooled)
{
    put_with(f, n, NULL, record, spooled);
}

/* Each message has the whole of its own, also where they were put with one beginning. */
static void begin_alike(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 14};
    struct block *start = block_new(SV("begin, "));
    fixture_open(&f);
    put_with(&f, 1, start, "one", false);
    put_with(&f, 2, start, "two", true);
    put_with(&f, 3, start, "", true);
    block_drop(start);
    assert_int_equal(ask(&f, fixture_id(1), "begin, one"), 0);
    assert_int_equal(ask(&f, fixture_id(2), "begin, two"), 0);
    assert_int_equal(ask(&f, fixture_id(3), "begin, "), 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void moves_at_the_end(void **state)
{
    (void)state;
    for (int spooled = 0; spooled < 2; spooled++) {
        struct fixture f = {.memory_bytes = 1 << 20, .history_days = 14};
        fixture_open(&f);
        put(&f, 1, "one", spooled);
        put(&f, 2, "two", spooled);
        put(&f, 3, "", false);
        assert_int_equal(ask(&f, fixture_id(1), "one"), 0);
        assert_int_equal(ask(&f, fixture_id(3), ""), ERR_NOT_FOUND);
        assert_int_equal(ask(&f, fixture_id(4), ""), ERR_NOT_FOUND);
        while (f.nqueued)
            assert_int_equal(ask_record(&f, f.queued[--f.nqueued], STORE_DELIVERED, 0), 0);
        assert_int_equal(fixture_stats(&f).messages, 0);
        assert_int_equal(ask_later(&f, fixture_id(1), "one"), 0);
        assert_int_equal(ask_later(&f, fixture_id(2), "two"), 0);
        assert_int_equal(ask(&f, fixture_id(3), ""), ERR_NOT_FOUND);
        fixture_close(&f);
        fixture_open(&f);
        assert_int_equal(ask(&f, fixture_id(2), "two"), 0);
        fixture_close(&f);
        fixture_remove(&f);
    }
}

/* By the operator: at once, and where the result of a delivery never came, at the next start. */
static void moves_when_deleted(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 14};
    fixture_open(&f);
    put(&f, 1, "one", false);
    fixture_close(&f);
    fixture_open(&f);
    put(&f, 2, "two", false);
    struct store_admin *a = fixture_admin(&f, STORE_DELETE);
    assert_int_equal(ask_admin(&f, a), 0);
    store_admin_free(a);
    assert_int_equal(ask_later(&f, fixture_id(1), "one"), 0);
    assert_int_equal(ask(&f, fixture_id(2), "two"), 0); /* claimed: it is still there */
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_stats(&f).messages, 0);
    assert_int_equal(ask_later(&f, fixture_id(2), "two"), 0);
    fixture_close(&f);
    fixture_remove(&f);
}

/* An end that was not committed is told once, when it is. */
static void only_after_the_commit(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 14, .vfs = "fault"};
    fixture_open(&f);
    put(&f, 1, "one", false);
    struct queue_batch *b = f.queued[--f.nqueued];
    fault_arm(FAULT_SYNC, 1, 1);
    assert_int_equal(ask_record(&f, b, STORE_DELIVERED, 0), 0);
    assert_true(fault.fired);
    fault_arm(FAULT_SYNC, 0, 0);
    assert_int_equal(fixture_stats(&f).failed_commits, 1);
    assert_int_equal(fixture_stats(&f).messages, 0);
    assert_int_equal(ask_later(&f, fixture_id(1), "one"), 0);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A file of before there were records is none of a fault. */
static void older_days(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 14};
    char day[HISTORY_DAY_LEN + 1], path[200];
    sqlite3 *db;
    fixture_open(&f);
    history_day(day, clock_wall_ms());
    snprintf(path, sizeof path, "%s/history/%s.db", f.dir, day);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE other(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(ask(&f, fixture_id(1), ""), ERR_NOT_FOUND);
    fixture_close(&f);
    fixture_remove(&f);
}

/* Records that wait for the history's thread are bounded in all, as events are. */
static void large_ones_are_dropped(void **state)
{
    (void)state;
    struct fixture f = {.history_days = 14};
    size_t len = 40u << 20;
    char *large = calloc(1, len);
    fixture_open(&f);
    for (int i = 0; i < 4; i++)
        store_note(f.store, &(struct history_event){.time_ms = clock_wall_ms(),
                                                    .kind = HISTORY_PROVENANCE,
                                                    .id = fixture_id((unsigned)i),
                                                    .record = {large, len}});
    store_claim_free(ask_claim(&f, "a.example", 1)); /* figures are those of the last turn */
    assert_true(fixture_stats(&f).history_dropped > 0);
    free(large);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    fault_vfs_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begin_alike),        cmocka_unit_test(moves_at_the_end),
        cmocka_unit_test(moves_when_deleted), cmocka_unit_test(only_after_the_commit),
        cmocka_unit_test(older_days),         cmocka_unit_test(large_ones_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
