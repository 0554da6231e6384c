/* What the operator does to rows, also to those that are claimed, and what the scheduler is told of
 * it. */
#include "store_fixture.h"

static uint64_t change(struct fixture *f, enum store_admin_op op, const char *domain)
{
    struct store_admin *a = fixture_admin(f, op);
    a->filter.domain = domain;
    a->target.destination = "b.example";
    a->wish = 7;
    f->nretries = f->nreturns = f->ntaken = f->ndue = 0;
    assert_int_equal(ask_admin(f, a), 0);
    uint64_t touched = a->touched;
    store_admin_free(a);
    return touched;
}

static struct store_claim *ask_returned(struct fixture *f, size_t max)
{
    struct store_claim *c =
        store_claim_new("", clock_wall_ms(), max, f->mailbox, fixture_on_claim, f);
    c->returned = true;
    store_claim(f->store, c);
    fixture_wait(f);
    return c;
}

static size_t claimable(struct fixture *f, const char *destination)
{
    struct store_claim *c = ask_claim(f, destination, 10);
    size_t n = 0;
    for (size_t i = 0; i < c->nbatches; i++) {
        n += c->batches[i]->nrows;
        ask_record(f, c->batches[i], STORE_RELEASED, 0);
        c->batches[i] = NULL;
    }
    store_claim_free(c);
    return n;
}

static size_t returnable(struct fixture *f)
{
    struct store_claim *c = ask_returned(f, 10);
    size_t n = 0;
    for (size_t i = 0; i < c->nbatches; i++) {
        n += c->batches[i]->nrows;
        ask_record(f, c->batches[i], STORE_RELEASED, 0);
        c->batches[i] = NULL;
    }
    store_claim_free(c);
    return n;
}

/* Held and not due, of two domains: one batch, apart from what is to be delivered. */
static void returned(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "Subject: x\r\n\r\n");
    struct queue_batch *b = fixture_rows(m, "x@a.example y@a.example z@b.example");
    for (size_t i = 0; i < b->nrows; i++)
        b->rows[i].due_ms = clock_wall_ms() + 3600000;
    b->rows[0].held = true;
    assert_int_equal(ask_put_rows(&f, m, b), 0);
    assert_int_equal(returnable(&f), 0);
    assert_int_equal(change(&f, STORE_RETURN, NULL), 3);
    assert_int_equal(f.nreturns, 1);
    assert_int_equal(f.nretries + f.ntaken + f.ndue, 0);
    assert_int_equal(change(&f, STORE_RETURN, NULL), 0);
    assert_int_equal(claimable(&f, "a.example") + claimable(&f, "b.example"), 0);
    fixture_close(&f);
    fixture_open(&f);
    struct store_claim *c = ask_returned(&f, 10);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->nrows, 3);
    assert_string_equal(c->batches[0]->rows[2].domain, "b.example");
    assert_false(c->more);
    assert_int_equal(returnable(&f), 0); /* claimed */
    /* trouble of our own: it stays what it is; then it has been reported */
    assert_int_equal(ask_record(&f, c->batches[0], STORE_DEFERRED, clock_wall_ms() + 9999999), 0);
    c->batches[0] = NULL;
    store_claim_free(c);
    assert_int_equal(claimable(&f, "a.example"), 0);
    c = ask_returned(&f, 2);
    assert_true(c->more);
    assert_int_equal(c->batches[0]->nrows, 2);
    assert_int_equal(ask_record(&f, c->batches[0], STORE_FAILED, 0), 0);
    c->batches[0] = NULL;
    store_claim_free(c);
    assert_int_equal(fixture_stats(&f).rows, 1);
    assert_int_equal(returnable(&f), 1);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A message that a put has claimed, for what is done to it meanwhile. */
static struct queue_batch *claimed(struct fixture *f, unsigned n)
{
    f->memory_bytes = 1 << 20;
    if (n == 1)
        fixture_open(f);
    assert_int_equal(ask_put(f, fixture_id(n), "x@a.example"), 0);
    return f->queued[--f->nqueued];
}

/* The operator's word counts unless the try under way ends the row. */
static void returned_under_a_delivery(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct queue_batch *b = claimed(&f, 1);
    assert_int_equal(change(&f, STORE_RETURN, NULL), 1);
    assert_int_equal(f.ntaken, 1);
    assert_string_equal(f.taken[0].id, fixture_id(1));
    assert_int_equal(f.taken[0].number, 0);
    assert_int_equal(returnable(&f), 0);
    f.nreturns = 0;
    assert_int_equal(ask_record(&f, b, STORE_DEFERRED, clock_wall_ms() + 3600000), 0);
    assert_int_equal(f.nreturns, 1);
    struct store_claim *c = ask_returned(&f, 10);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->rows[0].attempts, 0);
    store_claim_free(c); /* gone with the claim, for this test */
    b = claimed(&f, 2);
    struct store_admin *a = fixture_admin(&f, STORE_RETURN);
    a->filter.id = fixture_id(2);
    assert_int_equal(ask_admin(&f, a), 0);
    store_admin_free(a);
    f.nreturns = 0;
    assert_int_equal(ask_record(&f, b, STORE_DELIVERED, 0), 0);
    assert_int_equal(f.nreturns, 0);
    assert_int_equal(fixture_stats(&f).rows, 1);
    fixture_close(&f);
    fixture_remove(&f);
}

static void redirected_under_a_delivery(void **state)
{
    (void)state;
    for (enum store_verdict v = STORE_DEFERRED; v <= STORE_RELEASED; v++) {
        struct fixture f = {0};
        struct queue_batch *b = claimed(&f, 1);
        assert_int_equal(ask_put(&f, fixture_id(2), "y@b.example"), 0);
        assert_int_equal(change(&f, STORE_REDIRECT, "a.example"), 1);
        assert_int_equal(f.ntaken, 1);
        assert_int_equal(claimable(&f, "b.example"), 0); /* the other one is claimed as well */
        f.ndue = 0;
        assert_int_equal(ask_record(&f, b, v, clock_wall_ms() + 3600000), 0);
        assert_int_equal(f.ndue, 1);
        assert_string_equal(f.last_due, "b.example");
        assert_int_equal(claimable(&f, "a.example"), 0);
        struct store_claim *c = ask_claim(&f, "b.example", 10);
        assert_int_equal(c->nbatches, 1);
        assert_string_equal(c->batches[0]->rows[0].address, "x@a.example");
        assert_string_equal(c->batches[0]->rows[0].last_text, "");
        assert_int_equal(c->batches[0]->rows[0].attempts, 0);
        store_claim_free(c);
        fixture_close(&f);
        fixture_remove(&f);
    }
}

/* What waits in the scheduler's memory is called back, and what has ended is not claimed again. */
static void held_and_deleted_while_claimed(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct queue_batch *b = claimed(&f, 1);
    assert_int_equal(change(&f, STORE_HOLD, NULL), 1);
    assert_int_equal(f.ntaken, 1);
    assert_int_equal(f.nretries + f.nreturns + f.ndue, 0);
    assert_int_equal(ask_record(&f, b, STORE_RELEASED, 0), 0);
    assert_int_equal(claimable(&f, "a.example"), 0);
    assert_int_equal(change(&f, STORE_RELEASE, NULL), 1);
    assert_int_equal(f.ntaken + f.nretries, 0);
    assert_int_equal(f.ndue, 1);
    assert_int_equal(claimable(&f, "a.example"), 1);
    struct store_claim *c = ask_claim(&f, "a.example", 1);
    assert_int_equal(change(&f, STORE_DELETE, NULL), 1);
    assert_int_equal(f.ntaken, 1);
    assert_int_equal(ask_record(&f, c->batches[0], STORE_RELEASED, 0), 0);
    c->batches[0] = NULL;
    store_claim_free(c);
    assert_int_equal(fixture_stats(&f).rows, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void a_retry_is_told_with_its_number(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "x");
    struct queue_batch *rows = fixture_rows(m, "x@a.example y@a.example");
    rows->rows[0].due_ms = rows->rows[1].due_ms = clock_wall_ms() + 3600000;
    assert_int_equal(ask_put_rows(&f, m, rows), 0);
    assert_int_equal(change(&f, STORE_RETRY, NULL), 2);
    assert_int_equal(f.nretries, 1);
    assert_int_equal(f.last_number, 7);
    assert_string_equal(f.last_retry, "a.example");
    assert_int_equal(change(&f, STORE_REDIRECT, NULL), 2);
    assert_int_equal(f.nretries, 1);
    assert_string_equal(f.last_retry, "b.example");
    assert_int_equal(f.ndue, 0);
    /* the clock's correction is no wish */
    struct store_claim *c = ask_claim(&f, "b.example", 10);
    assert_int_equal(ask_record(&f, c->batches[0], STORE_DEFERRED, clock_wall_ms() + 3600000), 0);
    c->batches[0] = NULL;
    store_claim_free(c);
    f.nretries = f.ndue = 0;
    struct store_admin *a = fixture_admin(&f, STORE_RETRY);
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->touched, 2);
    store_admin_free(a);
    assert_int_equal(f.nretries, 0);
    assert_int_equal(f.ndue, 1);
    fixture_close(&f);
    fixture_remove(&f);
}

/* What was put off without a try has had none: but the author's time of release has come. */
static void put_off_is_no_attempt(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "x");
    struct queue_batch *rows = fixture_rows(m, "x@a.example");
    rows->rows[0].held_ms = 1000;
    assert_int_equal(ask_put_rows(&f, m, rows), 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct store_claim *c = ask_claim(&f, "a.example", 1);
        assert_int_equal(c->batches[0]->rows[0].attempts, i < 2 ? 0 : i - 1);
        struct store_record *r =
            fixture_record(&f, c->batches[0], STORE_DEFERRED, clock_wall_ms() + 3600000);
        r->results[0].untried = i == 0 || i == 3;
        store_record(f.store, r);
        fixture_wait(&f);
        c->batches[0] = NULL;
        store_claim_free(c);
        assert_int_equal(change(&f, STORE_RETRY, NULL), 1);
    }
    struct store_claim *c = ask_claim(&f, "a.example", 1);
    assert_int_equal(c->batches[0]->rows[0].attempts, 2);
    assert_string_equal(c->batches[0]->rows[0].last_text, "no answer");
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returned),
        cmocka_unit_test(returned_under_a_delivery),
        cmocka_unit_test(redirected_under_a_delivery),
        cmocka_unit_test(held_and_deleted_while_claimed),
        cmocka_unit_test(a_retry_is_told_with_its_number),
        cmocka_unit_test(put_off_is_no_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
