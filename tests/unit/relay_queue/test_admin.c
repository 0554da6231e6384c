/* The operator's listings and changes. */
#include "store_fixture.h"

static void fill(struct fixture *f)
{
    assert_int_equal(ask_put(f, fixture_id(1), "bob@a.example"), 0);
    assert_int_equal(ask_put(f, fixture_id(2), "carol@b.example dave@a.example"), 0);
    assert_int_equal(ask_put(f, fixture_id(3), "Bobby@b.example"), 0);
}

static void filters(void **state)
{
    (void)state;
    struct fixture f = {0};
    static const struct {
        struct store_filter filter;
        size_t rows;
    } cases[] = {
        {{0}, 4},
        {{.id = "q000000000000002"}, 2},
        {{.id = "q000000000000009"}, 0},
        {{.user = "ALICE"}, 4},
        {{.user = "mallory"}, 0},
        {{.to = "bob"}, 2},
        {{.to = "bob@"}, 1},
        {{.domain = "B.example"}, 2},
        {{.domain = "b.exam"}, 0},
        {{.error = "timeout"}, 0},
        {{.older_than_ms = 1}, 0},
        {{.from = "example.net", .domain = "a.example"}, 2},
    };
    fixture_open(&f);
    fill(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_admin *a = fixture_admin(&f, STORE_LIST);
        a->filter = cases[i].filter;
        assert_int_equal(ask_admin(&f, a), 0);
        if (a->nlisted != cases[i].rows)
            fail_msg("case %zu: %zu rows", i, a->nlisted);
        assert_false(a->more);
        store_admin_free(a);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

static void pages(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    char after_id[QUEUE_ID_LEN + 1] = "";
    uint32_t after_number = 0;
    fixture_open(&f);
    fill(&f);
    for (unsigned page = 0; page < 4; page++) {
        struct store_admin *a = fixture_admin(&f, STORE_LIST);
        a->max = 1;
        memcpy(a->after_id, after_id, sizeof after_id);
        a->after_number = after_number;
        assert_int_equal(ask_admin(&f, a), 0);
        assert_int_equal(a->nlisted, 1);
        assert_int_equal(a->more, page < 3);
        assert_string_equal(a->listed[0].id, fixture_id((unsigned[]){1, 2, 2, 3}[page]));
        assert_true(a->listed[0].claimed);
        memcpy(after_id, a->after_id, sizeof after_id);
        after_number = a->after_number;
        store_admin_free(a);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

static void summary(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f);
    assert_int_equal(ask_put(&f, fixture_id(4), "x@b.example"), 0);
    struct store_admin *a = fixture_admin(&f, STORE_SUMMARY);
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->nlisted, 2);
    assert_string_equal(a->listed[0].domain, "b.example");
    assert_int_equal(a->listed[0].rows, 3);
    assert_int_equal(a->listed[1].rows, 2);
    store_admin_free(a);
    fixture_close(&f);
    fixture_remove(&f);
}

static uint64_t change(struct fixture *f, enum store_admin_op op, const char *domain, bool dry_run)
{
    struct store_admin *a = fixture_admin(f, op);
    a->filter.domain = domain;
    a->target.destination = "other.example";
    a->dry_run = dry_run;
    assert_int_equal(ask_admin(f, a), 0);
    uint64_t touched = a->touched;
    store_admin_free(a);
    return touched;
}

static size_t claimable(struct fixture *f, const char *domain)
{
    struct store_due *d = ask_due(f, clock_wall_ms(), 100);
    size_t n = 0;
    for (size_t i = 0; i < d->nitems; i++)
        n += strcmp(d->items[i].destination, domain) == 0;
    store_due_free(d);
    return n;
}

static void redirected(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "Subject: x\r\n\r\n");
    struct queue_batch *b = fixture_rows(m, "x@a.example y@a.example");
    for (size_t i = 0; i < b->nrows; i++)
        b->rows[i].due_ms = clock_wall_ms() + 3600000;
    b->rows[0].rcpt_params = "<x@a.example> NOTIFY=FAILURE";
    b->rows[1].rcpt_params = "<y@a.example> ORCPT=rfc822;z@o.example";
    assert_int_equal(ask_put_rows(&f, m, b), 0);
    struct store_admin *a = fixture_admin(&f, STORE_REDIRECT);
    a->filter.domain = "a.example";
    a->target = (struct store_target){"b.example", "n@b.example", "<n@b.example>"};
    f.ndue = 0;
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->touched, 2);
    assert_int_equal(f.ndue, 1);
    assert_string_equal(f.last_due, "b.example");
    store_admin_free(a);
    struct store_claim *c = ask_claim(&f, "b.example", 10);
    assert_int_equal(c->nbatches, 1);
    const struct queue_row *row = c->batches[0]->rows;
    assert_string_equal(row[0].address, "n@b.example");
    assert_string_equal(row[0].rcpt_params,
                        "<n@b.example> NOTIFY=FAILURE ORCPT=rfc822;x@a.example");
    assert_string_equal(row[1].rcpt_params, "<n@b.example> ORCPT=rfc822;z@o.example");
    store_claim_free(c);
    fixture_close(&f);
    /* by a next hop: the address stays */
    fixture_open(&f);
    a = fixture_admin(&f, STORE_REDIRECT);
    a->target.destination = "smtp://h.example:26";
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->touched, 2);
    store_admin_free(a);
    c = ask_claim(&f, "smtp://h.example:26", 10);
    assert_int_equal(c->nbatches, 1);
    assert_string_equal(c->batches[0]->rows[0].address, "n@b.example");
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

static void hold_release_delete(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f);
    assert_int_equal(change(&f, STORE_HOLD, "a.example", true), 2);
    assert_int_equal(claimable(&f, "a.example"), 1);
    assert_int_equal(change(&f, STORE_HOLD, "a.example", false), 2);
    assert_int_equal(change(&f, STORE_HOLD, "a.example", false), 0);
    assert_int_equal(claimable(&f, "a.example"), 0);
    f.ndue = 0;
    assert_int_equal(change(&f, STORE_RELEASE, "a.example", false), 2);
    assert_true(f.ndue > 0);
    assert_string_equal(f.last_due, "a.example");
    assert_int_equal(claimable(&f, "a.example"), 1);
    assert_int_equal(change(&f, STORE_DELETE, "b.example", false), 2);
    assert_int_equal(fixture_stats(&f).rows, 2);
    assert_int_equal(fixture_stats(&f).messages, 2);
    fixture_close(&f);
    fixture_remove(&f);
}

static void retry_makes_due(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    fill(&f);
    struct store_claim *c = ask_claim(&f, "a.example", 1);
    int64_t later = clock_wall_ms() + 3600000;
    struct queue_batch *b = c->batches[0];
    c->nbatches = 0;
    store_claim_free(c);
    assert_int_equal(ask_record(&f, b, STORE_DEFERRED, later), 0);
    assert_int_equal(change(&f, STORE_RETRY, NULL, false), 1); /* the others are due */
    c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 2);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* What a wrong clock has put off for too long. */
static void retry_by_due_time(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    int64_t now_ms = clock_wall_ms();
    for (int i = 0; i < 2; i++) {
        struct queue_message *m = fixture_message(fixture_id((unsigned)i), "x");
        struct queue_batch *rows = fixture_rows(m, "b@a.example");
        rows->rows[0].due_ms = now_ms + (i + 1) * 3600000;
        assert_int_equal(ask_put_rows(&f, m, rows), 0);
    }
    struct store_admin *a = fixture_admin(&f, STORE_RETRY);
    a->filter.due_after_ms = now_ms + 5400000;
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->touched, 1);
    store_admin_free(a);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 1);
    assert_string_equal(c->batches[0]->message->id, fixture_id(1));
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* What its author wants released later is not tried by "retry all", only by name; meanwhile it does
 * not age. */
static void retry_leaves_what_awaits_its_release(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "x");
    struct queue_batch *rows = fixture_rows(m, "b@a.example");
    rows->rows[0].due_ms = clock_wall_ms() + 3600000;
    rows->rows[0].held_ms = 3600000;
    assert_int_equal(ask_put_rows(&f, m, rows), 0);
    assert_int_equal(change(&f, STORE_RETRY, NULL, false), 0);
    struct store_admin *a = fixture_admin(&f, STORE_RETRY);
    a->filter.id = fixture_id(1);
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->touched, 1);
    store_admin_free(a);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 1);
    assert_int_equal(c->batches[0]->rows[0].held_ms, 3600000);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A row being delivered ends with its result, also over a restart. */
static void delete_under_a_delivery(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct fixture f = {.memory_bytes = 1 << 20};
        fixture_open(&f);
        assert_int_equal(ask_put(&f, fixture_id(1), "bob@a.example"), 0);
        struct queue_batch *b = f.queued[--f.nqueued];
        assert_int_equal(change(&f, STORE_DELETE, NULL, false), 1);
        assert_int_equal(fixture_stats(&f).rows, 1);
        struct store_admin *a = fixture_admin(&f, STORE_LIST);
        assert_int_equal(ask_admin(&f, a), 0);
        assert_int_equal(a->nlisted, 0);
        store_admin_free(a);
        if (restart) {
            queue_batch_free(b);
            fixture_close(&f);
            fixture_open(&f);
        } else {
            assert_int_equal(ask_record(&f, b, STORE_DEFERRED, 0), 0);
        }
        assert_int_equal(fixture_stats(&f).rows, 0);
        assert_int_equal(fixture_stats(&f).messages, 0);
        fixture_close(&f);
        fixture_remove(&f);
    }
}

/* Twice on hold: the sum is told with the row, also after a restart. */
static void a_hold_is_measured(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    assert_int_equal(ask_put(&f, fixture_id(1), "bob@a.example"), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(change(&f, STORE_HOLD, "a.example", false), 1);
        assert_int_equal(claimable(&f, "a.example"), 0);
        fixture_run_for(&f, 60);
        fixture_close(&f);
        fixture_open(&f);
        assert_int_equal(change(&f, STORE_RELEASE, "a.example", false), 1);
    }
    struct store_claim *c = ask_claim(&f, "a.example", 1);
    assert_int_equal(c->nbatches, 1);
    assert_in_range(c->batches[0]->rows[0].held_ms, 120, 10000);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_is_measured),
        cmocka_unit_test(filters),
        cmocka_unit_test(pages),
        cmocka_unit_test(summary),
        cmocka_unit_test(redirected),
        cmocka_unit_test(hold_release_delete),
        cmocka_unit_test(retry_makes_due),
        cmocka_unit_test(retry_by_due_time),
        cmocka_unit_test(retry_leaves_what_awaits_its_release),
        cmocka_unit_test(delete_under_a_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
