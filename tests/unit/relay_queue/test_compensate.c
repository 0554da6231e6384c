/*
 * A disk that fails at each write and sync in turn: what was acknowledged is in the queue exactly
 * once, what was refused is not, in the store that goes on, in one opened on a copy of its files
 * (as after a crash), and after a close.
 */
#include "store_fixture.h"
#include "fault_vfs.h"

#define MESSAGES 4
#define ALSO     100 /* the id of what is put together with another, beyond its */

struct run {
    bool acknowledged[MESSAGES], refused[MESSAGES];
};

static void expect_list(struct fixture *f, const struct run *run, const char *where)
{
    struct store_admin *a = fixture_admin(f, STORE_LIST);
    assert_int_equal(ask_admin(f, a), 0);
    for (unsigned i = 0; i < ALSO + MESSAGES; i++) {
        unsigned seen = 0; /* rows */
        for (size_t k = 0; k < a->nlisted; k++)
            seen += strcmp(a->listed[k].id, fixture_id(i)) == 0;
        unsigned wanted = i % ALSO < MESSAGES && run->acknowledged[i % ALSO] ? 2 : 0;
        if (seen != wanted)
            fail_msg("%s: message %u has %u rows, not %u", where, i, seen, wanted);
    }
    store_admin_free(a);
}

/* The files as they are now, opened elsewhere. */
static void check_copy(const struct fixture *f, const struct run *run)
{
    struct fixture copy = {.memory_bytes = 0};
    char command[300];
    strcpy(copy.dir, "/tmp/msa-copy-XXXXXX");
    assert_non_null(mkdtemp(copy.dir));
    snprintf(command, sizeof command, "cp %s/queue.db %s/queue.db-wal %s/", f->dir, f->dir,
             copy.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&copy);
    expect_list(&copy, run, "copy");
    fixture_close(&copy);
    fixture_remove(&copy);
}

/* Two messages, or neither. */
static int put_two(struct fixture *f, unsigned i)
{
    struct store_put *p = NEW(struct store_put);
    p->reply = f->mailbox;
    p->message = fixture_message(fixture_id(i), "Subject: x\r\n\r\nhello\r\n");
    p->rows = fixture_rows(p->message, "b@a.example c@b.example");
    p->also = NEW(struct store_also);
    p->also->message = fixture_message(fixture_id(ALSO + i), "Subject: x\r\n\r\nother\r\n");
    p->also->rows = fixture_rows(p->also->message, "d@a.example e@b.example");
    p->done = fixture_on_put;
    p->arg = f;
    store_put(f->store, p);
    fixture_wait_turning(f);
    fixture_run_for(f, 2);
    return f->err;
}

/* False: the fault lies beyond the workload. */
static bool run_with_fault(enum fault_kind kind, int at)
{
    struct fixture f = {.memory_bytes = 0, .vfs = "fault"};
    struct run run = {0};
    fixture_open(&f);
    fault_arm(kind, at, 1);
    for (unsigned i = 0; i < MESSAGES; i++) {
        int err = put_two(&f, i);
        run.acknowledged[i] = err == 0;
        run.refused[i] = err < 0;
        if (err < 0) {
            assert_int_equal(err, kind == FAULT_WRITE_FULL ? -ENOSPC : -EIO);
            assert_true(fault.fired);
            /* Any turn compensates; only then is the refusal final. */
            store_claim_free(ask_claim(&f, "nobody.example", 1));
            assert_true(fixture_stats(&f).accepting);
            assert_int_equal(fixture_stats(&f).failed_commits, 1);
        }
        if (err < 0 || i == MESSAGES - 1)
            check_copy(&f, &run);
    }
    bool fired = fault.fired;
    fault_arm(kind, 0, 0);
    expect_list(&f, &run, "running");
    fixture_close(&f);
    f.vfs = NULL;
    fixture_open(&f);
    expect_list(&f, &run, "reopened");
    struct store_stats stats = fixture_stats(&f);
    unsigned acknowledged = 0;
    for (unsigned i = 0; i < MESSAGES; i++)
        acknowledged += run.acknowledged[i];
    assert_int_equal(stats.messages, 2 * acknowledged);
    assert_int_equal(stats.rows, 4 * acknowledged);
    fixture_close(&f);
    fixture_remove(&f);
    return fired;
}

static void each_operation_fails_once(void **state)
{
    (void)state;
    for (enum fault_kind kind = FAULT_WRITE_EIO; kind <= FAULT_SYNC; kind++) {
        int at = 1;
        while (run_with_fault(kind, at))
            at++;
        assert_true(at > MESSAGES); /* at least one write and one sync a put */
    }
}

/* An id that is in use: neither of two, and the store goes on. */
static void two_with_a_known_id(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 0};
    struct run run = {.acknowledged = {false, true}};
    fixture_open(&f);
    assert_int_equal(put_two(&f, 1), 0);
    assert_int_equal(put_two(&f, 1), ERR_EXISTS);
    struct store_put *p = NEW(struct store_put);
    p->reply = f.mailbox;
    p->message = fixture_message(fixture_id(3), "Subject: x\r\n\r\nhello\r\n");
    p->rows = fixture_rows(p->message, "b@a.example");
    p->also = NEW(struct store_also);
    p->also->message = fixture_message(fixture_id(1), "Subject: x\r\n\r\nother\r\n");
    p->also->rows = fixture_rows(p->also->message, "d@a.example");
    p->done = fixture_on_put;
    p->arg = &f;
    store_put(f.store, p);
    fixture_wait(&f);
    assert_int_equal(f.err, ERR_EXISTS);
    expect_list(&f, &run, "after");
    fixture_close(&f);
    fixture_remove(&f);
}

/* While it does not accept: puts are refused at once, records wait, and it recovers by itself. */
static void records_wait_for_recovery(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .vfs = "fault"};
    fixture_open(&f);
    assert_int_equal(ask_put(&f, fixture_id(0), "b@a.example"), 0);
    assert_int_equal(f.nqueued, 1);
    struct queue_batch *b = f.queued[--f.nqueued];
    fault_arm(FAULT_SYNC, 1, 1000000);
    assert_int_equal(ask_put(&f, fixture_id(1), "b@a.example"), -EIO);
    assert_false(fixture_stats(&f).accepting);
    store_record(f.store, fixture_record(&f, b, STORE_DELIVERED, 0));
    fixture_run_for(&f, 50);
    assert_false(f.answered);
    assert_int_equal(ask_put(&f, fixture_id(2), "b@a.example"), -EIO);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->err, -EIO);
    store_claim_free(c);
    fault_arm(FAULT_SYNC, 0, 0);
    fixture_wait(&f); /* the record's answer, by the store's own tick */
    assert_int_equal(f.err, 0);
    assert_true(fixture_stats(&f).accepting);
    assert_int_equal(fixture_stats(&f).messages, 0);
    assert_int_equal(ask_put(&f, fixture_id(3), "b@a.example"), 0);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_fails_once),
        cmocka_unit_test(two_with_a_known_id),
        cmocka_unit_test(records_wait_for_recovery),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
