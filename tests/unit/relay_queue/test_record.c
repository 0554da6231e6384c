/* Results of deliveries and their reports. */
#include "store_fixture.h"

static struct queue_batch *put_and_take(struct fixture *f, unsigned n, const char *to)
{
    assert_int_equal(ask_put(f, fixture_id(n), to), 0);
    assert_true(f->nqueued > 0);
    return f->queued[--f->nqueued];
}

static void ends_with_the_last_row(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    struct queue_batch *z = put_and_take(&f, 1, "b@a.example c@z.example");
    struct queue_batch *a = f.queued[--f.nqueued];
    assert_int_equal(ask_record(&f, z, STORE_DELIVERED, 0), 0);
    assert_int_equal(fixture_stats(&f).messages, 1);
    assert_int_equal(fixture_stats(&f).rows, 1);
    assert_int_equal(ask_record(&f, a, STORE_FAILED, 0), 0);
    assert_int_equal(fixture_stats(&f).messages, 0);
    assert_int_equal(fixture_stats(&f).claimed_rows, 0);
    store_claim_free(ask_claim(&f, "a.example", 1)); /* figures are those of the last turn */
    assert_int_equal(fixture_stats(&f).memory_bytes, 0);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_stats(&f).rows, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void deferral_is_kept(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    struct queue_batch *b = put_and_take(&f, 1, "b@a.example");
    struct store_record *r = fixture_record(&f, b, STORE_DEFERRED, 1);
    r->results[0].delay_warned = r->results[0].by_told = r->results[0].v4_only = true;
    store_record(f.store, r);
    fixture_wait(&f);
    fixture_close(&f);
    fixture_open(&f);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 1);
    const struct queue_row *row = &c->batches[0]->rows[0];
    assert_int_equal(row->attempts, 1);
    assert_true(row->delay_warned && row->by_told && row->v4_only);
    assert_int_equal(row->due_ms, 1);
    assert_string_equal(row->last_status, "4.4.1");
    assert_string_equal(row->last_text, "no answer");
    store_claim_free(c);
    struct store_admin *a = fixture_admin(&f, STORE_LIST); /* the operator sees it */
    assert_int_equal(ask_admin(&f, a), 0);
    assert_true(a->nlisted == 1 && a->listed[0].v4_only);
    store_admin_free(a);
    fixture_close(&f);
    fixture_remove(&f);
}

static void report_rides_along(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    struct queue_batch *b = put_and_take(&f, 1, "b@a.example");
    struct store_record *r = fixture_record(&f, b, STORE_FAILED, 0);
    r->report = fixture_message(fixture_id(2), "it failed");
    r->report->reverse_path = "";
    r->report_rows = fixture_rows(r->report, "alice@example.net");
    store_record(f.store, r);
    fixture_wait(&f);
    fixture_run_for(&f, 2);
    assert_int_equal(f.err, 0);
    assert_int_equal(f.nqueued, 1);
    assert_string_equal(f.queued[0]->message->id, fixture_id(2));
    assert_string_equal(f.queued[0]->message->reverse_path, "");
    assert_int_equal(fixture_stats(&f).messages, 1);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A row without a result is as before the claim. */
static void missing_results_release(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    struct queue_batch *b = put_and_take(&f, 1, "b@a.example c@a.example");
    struct store_record *r = fixture_record(&f, b, STORE_DELIVERED, 0);
    r->nresults = 1;
    store_record(f.store, r);
    fixture_wait(&f);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, 1);
    assert_string_equal(c->batches[0]->rows[0].address, "c@a.example");
    assert_int_equal(c->batches[0]->rows[0].attempts, 0);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* The space of ended messages goes back to the file system while nothing else is to do. */
static void file_shrinks(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1u << 30};
    struct store_stats stats;
    char path[100];
    FILE *file;
    static char big[60000];
    memset(big, 'x', sizeof big - 1);
    fixture_open(&f);
    for (unsigned i = 0; i < 500; i++) {
        struct queue_message *m = fixture_message(fixture_id(i), big);
        assert_int_equal(ask_put_rows(&f, m, fixture_rows(m, "b@a.example")), 0);
    }
    while (f.nqueued > 0)
        assert_int_equal(ask_record(&f, f.queued[--f.nqueued], STORE_DELIVERED, 0), 0);
    fixture_run_for(&f, 6500);
    store_get_stats(f.store, &stats);
    assert_int_equal(stats.messages, 0);
    fixture_close(&f);
    snprintf(path, sizeof path, "%s/queue.db", f.dir);
    assert_non_null(file = fopen(path, "r"));
    fseek(file, 0, SEEK_END);
    assert_true(ftell(file) < 500 * 60000 * 3 / 4);
    fclose(file);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_with_the_last_row), cmocka_unit_test(deferral_is_kept),
        cmocka_unit_test(report_rides_along),     cmocka_unit_test(missing_results_release),
        cmocka_unit_test(file_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
