/* Content: memory or spool file, what stays and what is removed. */
#include "store_fixture.h"

static void on_room(void *arg)
{
    fixture_answer(arg, 0);
}

static void on_finished(void *arg, int err)
{
    fixture_answer(arg, err);
}

static const struct content_writer_ops ops = {.on_room = on_room, .on_finished = on_finished};

static bool spool_has(const struct fixture *f, const char *id)
{
    char path[200];
    snprintf(path, sizeof path, "%s/spool/%s", f->dir, id);
    return access(path, F_OK) == 0;
}

/* A message of size bytes, byte i being i % 251, fed in pieces. */
static struct queue_message *receive(struct fixture *f, const char *id, size_t size, bool *was_full)
{
    unsigned char piece[1000];
    struct content_writer *w = content_begin(f->store, id, f->mailbox, &ops, f);
    *was_full = false;
    for (size_t at = 0; at < size;) {
        size_t len = size - at < sizeof piece ? size - at : sizeof piece;
        for (size_t i = 0; i < len; i++)
            piece[i] = (unsigned char)((at + i) % 251);
        assert_int_equal(content_append(w, (struct sv){(char *)piece, len}), 0);
        at += len;
        if (content_full(w)) {
            *was_full = true;
            fixture_wait(f);
        }
    }
    f->answered = false;
    content_finish(w);
    if (!f->answered)
        fixture_wait(f);
    else
        fixture_run_for(f, 1); /* the stop of an answer given at once */
    f->answered = false;
    assert_int_equal(f->err, 0);
    struct queue_message *m = fixture_message(id, "");
    block_drop(m->content);
    m->content = NULL;
    content_take(w, m);
    content_free(w);
    assert_int_equal(m->size, size);
    return m;
}

static void check_bytes(struct fixture *f, struct queue_message *m, uint64_t offset, size_t len,
                        size_t expected)
{
    struct store_read *r = ask_read(f, m, offset, len);
    assert_int_equal(r->err, 0);
    struct sv got = buf_view(&r->bytes);
    assert_int_equal(got.len, expected);
    for (size_t i = 0; i < got.len; i++)
        if ((unsigned char)got.ptr[i] != (offset + i) % 251)
            fail_msg("byte %zu", i);
    store_read_free(r);
}

static void sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, QUEUE_SMALL_BYTES, QUEUE_SMALL_BYTES + 1, 3000000};
    struct fixture f = {0};
    fixture_open(&f);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bool was_full;
        size_t size = sizes[i];
        struct queue_message *m = receive(&f, fixture_id((unsigned)i), size, &was_full);
        bool large = size > QUEUE_SMALL_BYTES;
        assert_int_equal(m->spooled, large);
        assert_int_equal(m->content == NULL, large);
        assert_int_equal(m->eight_bit, size > 128);
        assert_int_equal(spool_has(&f, m->id), large);
        assert_int_equal(ask_put_rows(&f, m, fixture_rows(m, "b@a.example")), 0);
        struct store_claim *c = ask_claim(&f, "a.example", 1);
        assert_int_equal(c->nbatches, 1);
        struct queue_message *claimed = c->batches[0]->message;
        check_bytes(&f, claimed, 0, 4000000, size);
        check_bytes(&f, claimed, size / 2, 10, size - size / 2 < 10 ? size - size / 2 : 10);
        check_bytes(&f, claimed, size + 5, 10, 0);
        struct queue_batch *b = c->batches[0];
        c->nbatches = 0;
        store_claim_free(c);
        assert_int_equal(ask_record(&f, b, STORE_DELIVERED, 0), 0);
        for (int n = 0; n < 200 && spool_has(&f, fixture_id((unsigned)i)); n++)
            fixture_run_for(&f, 5);
        assert_false(spool_has(&f, fixture_id((unsigned)i)));
    }
    fixture_close(&f);
    fixture_remove(&f);
}

static void finished(void *arg, int err)
{
    assert_int_equal(err, 0);
    *(bool *)arg = true;
}

/* Lines over 998 bytes are noted, wherever the pieces end. */
static void long_lines(void **state)
{
    (void)state;
    static const struct content_writer_ops noted = {.on_finished = finished};
    static const struct {
        size_t line; /* bytes of the second one, without its end */
        const char *end;
        bool is_long;
    } rows[] = {{998, "\r\nx\r\n", false}, {999, "\r\nx\r\n", true}, {998, "", false},
                {999, "", true},           {998, "\r\n", false},     {5000, "\r\n", true}};
    struct fixture f = {0};
    fixture_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t piece = 1; piece < 2000; piece = piece * 5 + 1) {
            bool is_finished = false;
            struct queue_message *m = queue_message_new();
            struct content_writer *w =
                content_begin(f.store, fixture_id(1), f.mailbox, &noted, &is_finished);
            struct buf text;
            buf_init(&text, SIZE_MAX, 0);
            assert_int_equal(buf_put(&text, SV("a\r\n")), 0);
            for (size_t n = 0; n < rows[i].line; n++)
                assert_int_equal(buf_put(&text, SV("x")), 0);
            assert_int_equal(buf_put(&text, sv_of(rows[i].end)), 0);
            for (struct sv rest = buf_view(&text); rest.len; rest = sv_skip(rest, piece))
                assert_int_equal(content_append(w, sv_first(rest, piece)), 0);
            content_finish(w);
            assert_true(is_finished);
            content_take(w, m);
            assert_int_equal(m->long_lines, rows[i].is_long);
            content_free(w);
            queue_message_drop(m);
            buf_deinit(&text);
        }
    fixture_close(&f);
    fixture_remove(&f);
}

/* Other content takes the place of what was taken before, from memory to file and back. */
static void other_content(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 100000};
    struct fixture f = {0};
    unsigned n = 0;
    fixture_open(&f);
    for (size_t i = 0; i < 4; i++) {
        bool was_full;
        size_t before = sizes[i & 1], after = sizes[i >> 1] + 7;
        const char *id = fixture_id(++n);
        char own[QUEUE_ID_LEN + 1], temporary[QUEUE_ID_LEN + 1];
        snprintf(own, sizeof own, "%s", id);
        struct queue_message *m = receive(&f, own, before, &was_full);
        snprintf(temporary, sizeof temporary, "%s", fixture_id(++n));
        struct content_writer *w = content_begin_other(f.store, m, temporary, f.mailbox, &ops, &f);
        char *bytes = mem_new(1, after);
        for (size_t k = 0; k < after; k++)
            bytes[k] = (char)(k % 251);
        assert_int_equal(content_append(w, (struct sv){bytes, after}), 0);
        check_bytes(&f, m, 0, 200000, before); /* as long as it is not finished */
        f.answered = false;
        content_finish(w);
        if (!f.answered)
            fixture_wait(&f);
        else
            fixture_run_for(&f, 1);
        f.answered = false;
        content_take(w, m);
        content_free(w);
        free(bytes);
        check_bytes(&f, m, 0, 200000, after);
        fixture_run_for(&f, 50);
        assert_int_equal(m->size, after);
        assert_int_equal(spool_has(&f, own), after > QUEUE_SMALL_BYTES);
        assert_false(spool_has(&f, temporary));
        content_give_up(f.store, m);
        fixture_run_for(&f, 50);
        assert_false(spool_has(&f, own));
        queue_message_drop(m);
    }
    fixture_close(&f);
    fixture_remove(&f);
}

/* Given up at any time of the second writing, also when it has just taken its place. */
static void other_content_abandoned(void **state)
{
    (void)state;
    struct fixture f = {0};
    char *bytes = mem_new(1, 500000);
    fixture_open(&f);
    for (unsigned i = 0; i < 40; i++) {
        bool was_full;
        char own[QUEUE_ID_LEN + 1];
        snprintf(own, sizeof own, "%s", fixture_id(2 * i));
        struct queue_message *m = receive(&f, own, i % 2 ? 100 : 100000, &was_full);
        struct content_writer *w =
            content_begin_other(f.store, m, fixture_id(2 * i + 1), f.mailbox, &ops, &f);
        assert_int_equal(content_append(w, (struct sv){bytes, 100000 + i * 10000}), 0);
        content_finish(w);
        if (i % 4 < 2)
            usleep(i * 50); /* the loop does not run meanwhile, the pool does */
        else
            fixture_wait(&f);
        content_free(w);
        content_give_up(f.store, m);
        queue_message_drop(m);
        for (int n = 0;
             n == 0 || (n < 100 && (spool_has(&f, own) || spool_has(&f, fixture_id(2 * i + 1))));
             n++)
            fixture_run_for(&f, 20);
        f.answered = false;
        assert_false(spool_has(&f, own));
        assert_false(spool_has(&f, fixture_id(2 * i + 1)));
    }
    free(bytes);
    fixture_close(&f);
    fixture_remove(&f);
}

/* Given up while the file is being written: nothing stays. */
static void abandoned(void **state)
{
    (void)state;
    struct fixture f = {0};
    char *bytes = mem_new(1, 500000);
    fixture_open(&f);
    struct content_writer *w = content_begin(f.store, fixture_id(1), f.mailbox, &ops, &f);
    assert_int_equal(content_append(w, (struct sv){bytes, 500000}), 0);
    assert_int_equal(content_append(w, (struct sv){bytes, 500000}), 0);
    assert_true(content_full(w));
    content_free(w);
    w = content_begin(f.store, fixture_id(2), f.mailbox, &ops, &f);
    assert_int_equal(content_append(w, (struct sv){bytes, 100000}), 0);
    content_finish(w);
    fixture_wait(&f);
    assert_true(spool_has(&f, fixture_id(2)));
    content_free(w);
    fixture_run_for(&f, 100);
    assert_false(spool_has(&f, fixture_id(1)));
    assert_false(spool_has(&f, fixture_id(2)));
    assert_false(f.answered);
    free(bytes);
    fixture_close(&f);
    fixture_remove(&f);
}

static void orphans_are_removed(void **state)
{
    (void)state;
    struct fixture f = {0};
    bool was_full;
    char command[200];
    fixture_open(&f);
    struct queue_message *m = receive(&f, fixture_id(1), 100000, &was_full);
    assert_int_equal(ask_put_rows(&f, m, fixture_rows(m, "b@a.example")), 0);
    queue_message_drop(receive(&f, fixture_id(2), 100000, &was_full)); /* taken, never put */
    assert_true(spool_has(&f, fixture_id(2)));
    fixture_close(&f);
    snprintf(command, sizeof command, "echo x > %s/spool/q000000000000007", f.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&f);
    assert_true(spool_has(&f, fixture_id(1)));
    assert_false(spool_has(&f, fixture_id(2)));
    assert_false(spool_has(&f, fixture_id(7)));
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),         cmocka_unit_test(long_lines),
        cmocka_unit_test(other_content), cmocka_unit_test(other_content_abandoned),
        cmocka_unit_test(abandoned),     cmocka_unit_test(orphans_are_removed),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
