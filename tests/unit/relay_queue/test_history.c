/* History: what the store tells of a message, found again by id, Message-ID and filter. */
#include "store_fixture.h"
#include "relay/queue/history_files.h"

static void on_query(struct history_query *q)
{
    fixture_answer(q->arg, q->err);
}

static size_t ask(struct fixture *f, struct history_query *q)
{
    size_t found = 0;
    do {
        store_trace(f->store, q);
        fixture_wait(f);
        assert_int_equal(f->err, 0);
        found += q->nevents;
    } while (q->more);
    return found;
}

static void story_of_a_message(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 3};
    fixture_open(&f);
    assert_int_equal(ask_put(&f, fixture_id(1), "bob@a.example carol@a.example"), 0);
    assert_int_equal(ask_put(&f, fixture_id(2), "dave@b.example"), 0);
    struct queue_batch *dave = f.queued[--f.nqueued], *both = f.queued[--f.nqueued];
    assert_int_equal(ask_record(&f, both, STORE_DEFERRED, 1), 0);
    assert_int_equal(ask_record(&f, dave, STORE_DELIVERED, 0), 0);
    fixture_close(&f); /* writes what waits */
    fixture_open(&f);

    struct history_query *q = history_query_new(f.mailbox, on_query, &f);
    q->id = "q000000000000001";
    assert_int_equal(ask(&f, q), 3);
    assert_int_equal(q->events[0].kind, HISTORY_ACCEPTED);
    assert_string_equal(q->events[0].address, "bob@a.example\ncarol@a.example");
    assert_string_equal(q->events[0].client, "192.0.2.7");
    assert_int_equal(q->events[1].kind, HISTORY_DEFERRED);
    assert_string_equal(q->events[1].address, "bob@a.example");
    assert_string_equal(q->events[1].text, "no answer");
    assert_string_equal(q->events[2].remote, "mx.example [192.0.2.1]:25");
    history_query_free(q);

    static const struct {
        const char *message_id, *user, *to;
        int64_t since_ms;
        size_t max, found;
    } cases[] = {
        {.message_id = "<q000000000000002@example.net>", .max = 10, .found = 1},
        {.message_id = "q000000000000002@example.net", .max = 10, .found = 1},
        {.message_id = "other@example.net", .max = 10, .found = 0},
        {.user = "ALICE", .max = 2, .found = 5},
        {.to = "carol", .max = 10, .found = 2},
        {.since_ms = INT64_C(253000000000000), .max = 10, .found = 0},
        {.max = 1, .found = 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        q = history_query_new(f.mailbox, on_query, &f);
        q->message_id = cases[i].message_id;
        q->user = cases[i].user;
        q->to = cases[i].to;
        q->since_ms = cases[i].since_ms;
        q->max = cases[i].max;
        size_t found = ask(&f, q);
        if (found != cases[i].found)
            fail_msg("case %zu: %zu", i, found);
        history_query_free(q);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

/* What was refused is told by the server, under an id of its own. */
static void refusals(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 3};
    fixture_open(&f);
    for (int i = 0; i < 3; i++)
        store_note(f.store, &(struct history_event){.time_ms = clock_wall_ms(),
                                                    .kind = HISTORY_REFUSED,
                                                    .id = i == 1 ? "k3f9a2bcde" : "k3f9a2bcdf",
                                                    .login = "alice@example.net",
                                                    .reverse_path = "alice@example.net",
                                                    .address = "bob@a.example",
                                                    .client = "192.0.2.7",
                                                    .status = "5.7.1",
                                                    .text = "550 5.7.1 No [k3f9a2bcde]"});
    fixture_close(&f);
    fixture_open(&f);
    struct history_query *q = history_query_new(f.mailbox, on_query, &f);
    q->id = "k3f9a2bcde";
    assert_int_equal(ask(&f, q), 1);
    assert_int_equal(q->events[0].kind, HISTORY_REFUSED);
    assert_string_equal(history_kind_text(q->events[0].kind), "refused");
    assert_string_equal(history_kind_text((enum history_kind)99), "unknown");
    assert_string_equal(q->events[0].text, "550 5.7.1 No [k3f9a2bcde]");
    assert_string_equal(q->events[0].client, "192.0.2.7");
    history_query_free(q);
    fixture_close(&f);
    fixture_remove(&f);
}

static void touch(const char *dir, const char *day, size_t bytes)
{
    char *path = history_file_path(dir, day, "");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++)
        fputc('x', file);
    fclose(file);
    free(path);
}

/* The history's thread has made the file, and not its tables. */
static void a_day_that_begins(void **state)
{
    (void)state;
    struct fixture f = {.memory_bytes = 1 << 20, .history_days = 3};
    char day[HISTORY_DAY_LEN + 1], dir[100];
    fixture_open(&f);
    history_day(day, clock_wall_ms());
    snprintf(dir, sizeof dir, "%s/history", f.dir);
    touch(dir, day, 0);
    struct history_query *q = history_query_new(f.mailbox, on_query, &f);
    q->id = "q000000000000001";
    assert_int_equal(ask(&f, q), 0);
    history_query_free(q);
    fixture_close(&f);
    fixture_remove(&f);
}

static void old_days_are_removed(void **state)
{
    (void)state;
    char dir[] = "/tmp/msa-history-XXXXXX", command[100];
    assert_non_null(mkdtemp(dir));
    static const char *const days[] = {"2025-12-29", "2025-12-30", "2025-12-31", "2026-01-01"};
    for (size_t i = 0; i < 4; i++)
        touch(dir, days[i], 1000);
    touch(dir, "notes", 10);
    int64_t now_ms = INT64_C(1767225600000) + 1000; /* 2026-01-01 */
    struct history_days d;
    static const struct {
        unsigned keep;
        uint64_t bytes;
        size_t left;
    } cases[] = {{10, 1000000, 4}, {2, 1000000, 3}, {10, 2500, 2}, {10, 0, 1}, {0, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int err = history_files_prune(dir, now_ms, cases[i].keep, cases[i].bytes, "2026-01-01");
        assert_int_equal(err, 0);
        assert_int_equal(history_files_list(dir, &d), 0);
        assert_int_equal(d.count, cases[i].left);
        assert_string_equal(d.days[d.count - 1], "2026-01-01");
        history_days_free(&d);
    }
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void days_in_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *day;
    } cases[] = {{0, "1970-01-01"},
                 {INT64_C(1767225599999), "2025-12-31"},
                 {INT64_C(1767225600000), "2026-01-01"},
                 {-5, "1970-01-01"},
                 {INT64_MAX, "1970-01-01"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char day[HISTORY_DAY_LEN + 1];
        history_day(day, cases[i].ms);
        assert_string_equal(day, cases[i].day);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(story_of_a_message), cmocka_unit_test(refusals),
        cmocka_unit_test(a_day_that_begins),  cmocka_unit_test(old_days_are_removed),
        cmocka_unit_test(days_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
