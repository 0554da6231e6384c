/* Put, notices, records, reopening, opening what is damaged. */
#include "store_fixture.h"

#include <sys/stat.h>

static void puts_survive_reopening(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    assert_int_equal(ask_put(&f, fixture_id(1), "bob@a.example"), 0);
    assert_int_equal(f.nqueued, 1);
    assert_string_equal(f.queued[0]->rows[0].address, "bob@a.example");
    assert_non_null(f.queued[0]->message->content);
    assert_int_equal(fixture_stats(&f).claimed_rows, 1);
    assert_int_equal(ask_put(&f, fixture_id(1), "bob@a.example"), ERR_EXISTS);
    assert_int_equal(ask_put(&f, fixture_id(2), "bob@a.example"), 0);
    fixture_close(&f);

    fixture_open(&f);
    struct store_stats stats = fixture_stats(&f);
    assert_int_equal(stats.messages, 2);
    assert_int_equal(stats.rows, 2);
    assert_int_equal(stats.claimed_rows, 0);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 2);
    const struct queue_message *m = c->batches[0]->message;
    assert_string_equal(m->id, fixture_id(1));
    assert_string_equal(m->reverse_path, "alice@example.net");
    assert_string_equal(m->client, "192.0.2.7");
    assert_string_equal(m->message_id, "<q000000000000001@example.net>");
    assert_null(m->content);
    assert_int_equal(m->size, strlen("Subject: x\r\n\r\nhello\r\n"));
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

static void groups_by_destination(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    assert_int_equal(ask_put(&f, fixture_id(1), "b@a.example c@z.example d@a.example"), 0);
    assert_int_equal(f.nqueued, 2);
    assert_int_equal(f.queued[0]->nrows, 2);
    assert_int_equal(f.queued[0]->rows[1].number, 2);
    assert_int_equal(f.queued[1]->nrows, 1);
    assert_string_equal(f.queued[1]->rows[0].domain, "z.example");
    assert_ptr_equal(f.queued[0]->message, f.queued[1]->message);
    fixture_close(&f);
    fixture_remove(&f);
}

static void later_and_held_rows_wait(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    fixture_open(&f);
    struct queue_message *m = fixture_message(fixture_id(1), "x");
    struct queue_batch *rows = fixture_rows(m, "b@a.example c@h.example");
    int64_t later = clock_wall_ms() + 3600000;
    rows->rows[0].due_ms = later;
    rows->rows[1].held = true;
    assert_int_equal(ask_put_rows(&f, m, rows), 0);
    assert_int_equal(f.nqueued, 0);
    assert_int_equal(f.ndue, 1);
    assert_string_equal(f.last_due, "a.example");
    assert_int_equal(f.last_due_ms, later);
    struct store_claim *c = ask_claim(&f, "a.example", 10);
    assert_int_equal(c->nbatches, 0);
    assert_int_equal(c->next_due_ms, later);
    store_claim_free(c);
    c = ask_claim(&f, "h.example", 10);
    assert_int_equal(c->nbatches, 0);
    assert_int_equal(c->next_due_ms, INT64_MAX);
    store_claim_free(c);
    fixture_close(&f);
    fixture_remove(&f);
}

/* Beyond its share of memory nothing is kept: the scheduler is told the destination. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 8000};
    fixture_open(&f);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(ask_put(&f, fixture_id(i), "b@a.example"), 0);
    assert_true(f.nqueued > 0 && f.nqueued < 20);
    assert_int_equal(f.nqueued + f.ndue, 40);
    assert_true(fixture_stats(&f).memory_bytes <= 8000);
    size_t in_memory = f.nqueued;
    struct store_claim *c = ask_claim(&f, "a.example", 100);
    assert_int_equal(c->nbatches, 40 - in_memory);
    assert_false(c->more);
    struct store_read *r = ask_read(&f, c->batches[0]->message, 9, 100);
    assert_int_equal(r->err, 0);
    assert_true(sv_eq(buf_view(&r->bytes), SV("x\r\n\r\nhello\r\n")));
    store_read_free(r);
    store_claim_free(c);
    while (f.nqueued > 0)
        assert_int_equal(ask_record(&f, f.queued[--f.nqueued], STORE_DELIVERED, 0), 0);
    assert_int_equal(ask_put(&f, fixture_id(99), "b@a.example"), 0);
    assert_int_equal(f.nqueued, 1);
    fixture_close(&f);
    fixture_remove(&f);
}

static void damage_is_told(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20};
    struct buf error;
    char path[100];
    buf_init(&error, 1000, 0);
    fixture_open(&f);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(ask_put(&f, fixture_id(i), "b@a.example"), 0);
    fixture_close(&f);
    snprintf(path, sizeof path, "%s/queue.db", f.dir);
    static const struct {
        long at;
        const char *bytes;
    } cases[] = {{0, "this is no database"}, {8192 * 3 + 100, "garbage in the middle of a page"}};
    for (size_t i = 2; i-- > 0;) {
        FILE *file = fopen(path, "r+");
        assert_non_null(file);
        for (int n = 0; n < (i ? 200 : 1); n++) {
            assert_int_equal(fseek(file, cases[i].at + n * 40, SEEK_SET), 0);
            fputs(cases[i].bytes, file);
        }
        fclose(file);
        buf_reset(&error);
        assert_int_equal(fixture_open_error(&f, &error), ERR_CORRUPT);
        assert_true(sv_starts(buf_view(&error), sv_of(path)));
        assert_true(buf_len(&error) > strlen(path) + 10);
    }
    buf_deinit(&error);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_survive_reopening),   cmocka_unit_test(groups_by_destination),
        cmocka_unit_test(later_and_held_rows_wait), cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
