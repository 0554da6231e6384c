/* Claims: order, whole messages, rows claimed in front, due destinations. */
#include "store_fixture.h"

/* No share of memory: every row waits to be claimed. */
static void fill(struct fixture *f, unsigned count, const char *to)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(ask_put(f, fixture_id(i), to), 0);
}

static void oldest_first_and_never_twice(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct store_claim *pages[3];
    fixture_open(&f);
    fill(&f, 5, "b@a.example");
    for (unsigned i = 0; i < 3; i++) {
        pages[i] = ask_claim(&f, "a.example", 2);
        assert_int_equal(pages[i]->err, 0);
        assert_int_equal(pages[i]->nbatches, i < 2 ? 2 : 1);
        assert_int_equal(pages[i]->more, i < 2);
        assert_string_equal(pages[i]->batches[0]->message->id, fixture_id(2 * i));
    }
    struct store_claim *none = ask_claim(&f, "a.example", 2);
    assert_int_equal(none->nbatches, 0);
    assert_int_equal(none->next_due_ms, INT64_MAX);
    store_claim_free(none);
    for (unsigned i = 0; i < 3; i++)
        store_claim_free(pages[i]);
    fixture_close(&f);
    fixture_remove(&f);
}

static void whole_messages_where_they_fit(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f, 2, "b@a.example c@a.example d@a.example");
    struct store_claim *c = ask_claim(&f, "a.example", 5);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, 3);
    assert_true(c->more);
    store_claim_free(c);
    c = ask_claim(&f, "a.example", 2); /* larger than what is asked: it comes first */
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, 3);
    assert_false(c->more);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* Up to a bound; and only that message, which comes first. */
static void large_messages_in_large_parts(void **state)
{
    (void)state;
    struct fixture f = {0};
    static const char one[] = "b@a.example ";
    static char all[(STORE_CLAIM_WHOLE + 2) * (sizeof one - 1) + 1];
    for (size_t i = 0; i + 1 < sizeof all; i++)
        all[i] = one[i % (sizeof one - 1)];
    all[sizeof all - 2] = '\0';
    fixture_open(&f);
    fill(&f, 1, all);
    assert_int_equal(ask_put(&f, fixture_id(1), "b@a.example"), 0);
    struct store_claim *c = ask_claim(&f, "a.example", 2);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, STORE_CLAIM_WHOLE);
    assert_true(c->more);
    store_claim_free(c);
    c = ask_claim(&f, "a.example", 2);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, 2);
    assert_true(c->more);
    store_claim_free(c);
    c = ask_claim(&f, "a.example", 2);
    assert_int_equal(c->nbatches, 1);
    assert_string_equal(c->batches[0]->message->id, fixture_id(1));
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A row that comes back stands before rows that are claimed, and is found there again. */
static void returned_rows_are_found(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f, 4, "b@a.example");
    struct store_claim *c = ask_claim(&f, "a.example", 3);
    struct queue_batch *second = c->batches[1], *third = c->batches[2];
    c->nbatches = 1; /* the test keeps the others */
    assert_int_equal(ask_record(&f, second, STORE_RELEASED, 0), 0);
    int64_t later = clock_wall_ms() + 60000;
    assert_int_equal(ask_record(&f, third, STORE_DEFERRED, later), 0);

    struct store_due *d = ask_due(&f, clock_wall_ms(), 10);
    assert_int_equal(d->nitems, 1);
    assert_string_equal(d->items[0].destination, "a.example");
    store_due_free(d);

    struct store_claim *again = ask_claim(&f, "a.example", 10);
    assert_int_equal(again->nbatches, 2);
    assert_string_equal(again->batches[0]->message->id, fixture_id(1));
    assert_string_equal(again->batches[1]->message->id, fixture_id(3));
    assert_false(again->more);
    assert_int_equal(again->next_due_ms, later);
    store_claim_free(again);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

static void due_destinations_by_page(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f, 1, "b@a.example b@c.example b@b.example b@d.example");
    struct store_due *d = ask_due(&f, clock_wall_ms(), 3);
    assert_int_equal(d->nitems, 3);
    assert_true(d->more);
    assert_string_equal(d->items[0].destination, "a.example");
    assert_string_equal(d->items[2].destination, "c.example");
    store_due(f.store, d); /* goes on behind the page */
    fixture_wait(&f);
    assert_int_equal(d->nitems, 1);
    assert_string_equal(d->items[0].destination, "d.example");
    assert_false(d->more);
    store_due_free(d);
    /* Claimed destinations have nothing due. */
    struct store_claim *c = ask_claim(&f, "c.example", 10);
    d = ask_due(&f, clock_wall_ms(), 10);
    assert_int_equal(d->nitems, 3);
    store_due_free(d);
    /* Nothing is due before the rows are, but their time is told. */
    d = ask_due(&f, -1, 10);
    assert_int_equal(d->nitems, 0);
    assert_int_equal(d->next_ms, 0);
    store_due_free(d);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* What extensions say of a message, and what signs it, survives the disk. */
static void flags_are_kept(void **state)
{
    static const int8_t priorities[] = {0, 9, -9, 1, -1};
    (void)state;
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++) {
        struct fixture f = {0};
        fixture_open(&f);
        struct queue_message *m = fixture_message(fixture_id(1), "x");
        m->priority = priorities[i];
        m->eight_bit = i & 1;
        m->smtputf8 = i & 2;
        m->binary = i & 1;
        m->long_lines = !(i & 1);
        m->tls_optional = i & 2;
        m->prefix = i & 1 ? "DKIM-Signature: x\r\n" : "";
        m->provenance = SV("edits");
        assert_int_equal(ask_put_rows(&f, m, fixture_rows(m, "b@a.example")), 0);
        fixture_close(&f);
        fixture_open(&f);
        struct store_claim *c = ask_claim(&f, "a.example", 1);
        const struct queue_message *got = c->batches[0]->message;
        assert_int_equal(got->priority, priorities[i]);
        assert_int_equal(got->eight_bit, (i & 1) != 0);
        assert_int_equal(got->smtputf8, (i & 2) != 0);
        assert_int_equal(got->binary, (i & 1) != 0);
        assert_int_equal(got->long_lines, !(i & 1));
        assert_int_equal(got->tls_optional, (i & 2) != 0);
        assert_string_equal(got->prefix, i & 1 ? "DKIM-Signature: x\r\n" : "");
        assert_int_equal(queue_message_bytes(got), 1 + strlen(got->prefix));
        store_claim_free(c);
        fixture_close(&f);
        fixture_remove(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_first_and_never_twice),
        cmocka_unit_test(whole_messages_where_they_fit),
        cmocka_unit_test(large_messages_in_large_parts),
        cmocka_unit_test(returned_rows_are_found),
        cmocka_unit_test(due_destinations_by_page),
        cmocka_unit_test(flags_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
