/* The size of content that lies in memory, in the database or in a spool file. */
#include "tests/unit/relay_queue/store_fixture.h"

#include "relay/lf_size.h"

static void on_size(void *arg, int err)
{
    fixture_answer(arg, err);
}

static void on_room(void *arg)
{
    fixture_answer(arg, 0);
}

static void on_finished(void *arg, int err)
{
    fixture_answer(arg, err);
}

static const struct content_writer_ops ops = {.on_room = on_room, .on_finished = on_finished};

/* Every seventh byte is a CR, and every other one of these has a LF behind it. */
static char octet(size_t i)
{
    return i % 7 == 3 ? '\r' : i % 14 == 4 ? '\n' : 'x';
}

static uint64_t lf_bytes(size_t size)
{
    uint64_t pairs = 0;
    for (size_t i = 1; i < size; i++)
        pairs += octet(i) == '\n';
    return size - pairs;
}

static struct queue_message *receive(struct fixture *f, const char *id, size_t size)
{
    struct content_writer *w = content_begin(f->store, id, f->mailbox, &ops, f);
    for (size_t at = 0; at < size; at++) {
        char c = octet(at);
        assert_int_equal(content_append(w, (struct sv){&c, 1}), 0);
        if (content_full(w))
            fixture_wait(f);
    }
    f->answered = false;
    content_finish(w);
    if (!f->answered)
        fixture_wait(f);
    else
        fixture_run_for(f, 1);
    f->answered = false;
    struct queue_message *m = fixture_message(id, "");
    block_drop(m->content);
    m->content = NULL;
    content_take(w, m);
    content_free(w);
    return m;
}

static struct relay_lf_size counter(struct fixture *f)
{
    return (struct relay_lf_size){
        .store = f->store, .reply = f->mailbox, .queue_id = "x", .done = on_size, .arg = f};
}

static void check_size(struct fixture *f, struct queue_message *m, uint64_t expected)
{
    struct relay_lf_size s = counter(f);
    if (!relay_lf_size_know(&s, m)) {
        assert_null(s.of);
        fixture_wait(f);
        assert_int_equal(f->err, 0);
    }
    assert_int_equal(s.bytes, expected);
    assert_true(relay_lf_size_know(&s, m)); /* not once more */
    relay_lf_size_stop(&s);
    assert_null(s.of);
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4, 5, QUEUE_SMALL_BYTES, (128u << 10) * 3 - 10, 1000000};
    struct fixture f = {0};
    fixture_open(&f);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct queue_message *m = receive(&f, fixture_id((unsigned)i), sizes[i]);
        check_size(&f, m, lf_bytes(sizes[i]));
        m->prefix = "a: b\r\n"; /* with its line end a byte shorter */
        check_size(&f, m, 5 + lf_bytes(sizes[i]));
        queue_message_drop(m);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

/* Content that cannot be read, or is shorter than the queue says, has no size. */
static void test_unreadable(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    for (unsigned is_gone = 0; is_gone < 2; is_gone++) {
        struct queue_message *m = receive(&f, fixture_id(is_gone), 1000000);
        struct relay_lf_size s = counter(&f);
        if (is_gone)
            snprintf(m->id, sizeof m->id, "%s", fixture_id(77));
        else
            m->size++;
        assert_false(relay_lf_size_know(&s, m));
        fixture_wait(&f);
        assert_int_equal(f.err, is_gone ? -ENOENT : ERR_CORRUPT);
        assert_null(s.of);
        queue_message_drop(m);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

/* Who stops is not told any more. */
static void test_stop(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct queue_message *m = receive(&f, fixture_id(0), 1000000);
    struct relay_lf_size s = counter(&f);
    assert_false(relay_lf_size_know(&s, m));
    relay_lf_size_stop(&s);
    f.answered = false;
    fixture_run_for(&f, 100);
    assert_false(f.answered);
    queue_message_drop(m);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_unreadable),
                                       cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
