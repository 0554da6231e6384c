/*
 * Unfinished messages: interrupted and continued, finished with the put, held by one session at a
 * time, limited in room and age.
 */
#include "store_fixture.h"
#include "fault_vfs.h"

#include <dirent.h>

#define ROOM     (UINT64_C(64) << 20)
#define MAIL     "<alice@example.net> TRANSID=<1@c.example>"
#define TO       "<b@a.example>\n<c@z.example> NOTIFY=NEVER"
#define TRANSID  "<1@c.example>"
#define LINE_LEN 50

struct session {
    struct fixture *f;
    struct partial *p;
    int err;
    bool begun, wanted, gone, room;
    struct buf read; /* what on_read gave; the end is told by answered */
};

static void on_begun(void *arg, int err)
{
    struct session *s = arg;
    s->err = err;
    s->begun = true;
    fixture_answer(s->f, err);
}

static void on_room(void *arg)
{
    struct session *s = arg;
    s->room = true;
    fixture_answer(s->f, 0);
}

static void on_read(void *arg, int err, struct sv bytes)
{
    struct session *s = arg;
    if (err == 0 && bytes.len > 0) {
        assert_true(bytes.len <= 256u << 10);
        assert_int_equal(buf_put(&s->read, bytes), 0);
        partial_read(s->p, false);
        return;
    }
    s->err = err;
    fixture_answer(s->f, err);
}

static void on_wanted(void *arg)
{
    struct session *s = arg;
    s->wanted = true;
    fixture_answer(s->f, 0);
}

static void on_gone(void *arg)
{
    struct session *s = arg;
    s->gone = true;
    s->p = NULL;
    fixture_answer(s->f, 0);
}

static const struct partial_ops ops = {.on_begun = on_begun,
                                       .on_opened = on_begun,
                                       .on_room = on_room,
                                       .on_read = on_read,
                                       .on_wanted = on_wanted};

static void start(struct session *s, struct fixture *f, const char *login, const char *transid)
{
    *s = (struct session){.f = f};
    buf_init(&s->read, 1u << 30, 0);
    s->p = partial_begin(f->store, sv_of(login), sv_of(transid), f->mailbox, &ops, s);
}

static void begin(struct session *s, struct fixture *f, const char *login, const char *transid)
{
    start(s, f, login, transid);
    fixture_wait(f);
    assert_int_equal(s->err, 0);
}

static void open_new(struct session *s, bool any_offset, uint64_t expected)
{
    assert_int_equal(partial_info(s->p)->state, PARTIAL_NEW);
    partial_open(s->p, SV(MAIL), SV(TO), any_offset, expected);
    fixture_wait(s->f);
    assert_int_equal(s->err, 0);
}

static void end(struct session *s, bool forget)
{
    partial_end(s->p, forget, on_gone, s);
    assert_false(s->gone);
    while (!s->gone)
        fixture_wait(s->f);
    buf_deinit(&s->read);
}

/* Octet number i of every content: lines of LINE_LEN octets. */
static char octet(uint64_t i)
{
    return i % LINE_LEN == LINE_LEN - 2   ? '\r'
           : i % LINE_LEN == LINE_LEN - 1 ? '\n'
                                          : (char)('a' + i / LINE_LEN % 26);
}

/* As a session does: no more while it is full. */
static void append(struct session *s, uint64_t from, uint64_t to)
{
    char piece[7001];
    while (from < to) {
        size_t n = to - from < sizeof piece ? (size_t)(to - from) : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = octet(from + i);
        partial_append(s->p, (struct sv){piece, n});
        from += n;
        if (partial_full(s->p))
            fixture_wait(s->f);
    }
}

static void read_all(struct session *s, uint64_t offset)
{
    partial_read(s->p, true);
    fixture_wait(s->f);
    assert_int_equal(s->err, 0);
    assert_int_equal(buf_len(&s->read), offset);
    for (size_t i = 0; i < offset; i++)
        if (buf_view(&s->read).ptr[i] != octet(i))
            fail_msg("octet %zu of %llu", i, (unsigned long long)offset);
}

static int put(struct session *s, const char *id)
{
    struct fixture *f = s->f;
    struct store_put *p = NEW(struct store_put);
    p->reply = f->mailbox;
    p->message = fixture_message(id, "content");
    p->rows = fixture_rows(p->message, "b@a.example");
    p->partial = s->p;
    p->done = fixture_on_put;
    p->arg = f;
    store_put(f->store, p);
    fixture_wait_turning(f);
    fixture_run_for(f, 2);
    return f->err;
}

/* What a session that asks is told; its hold ends again. */
static struct partial_info look(struct fixture *f, const char *login, const char *transid)
{
    static char id[QUEUE_ID_LEN + 1];
    struct session s;
    begin(&s, f, login, transid);
    struct partial_info info = *partial_info(s.p);
    snprintf(id, sizeof id, "%s", info.queue_id);
    if (info.state == PARTIAL_UNFINISHED) {
        assert_string_equal(info.mail, MAIL);
        assert_string_equal(info.recipients, TO);
    }
    info.queue_id = id;
    info.mail = info.recipients = NULL;
    end(&s, false);
    return info;
}

static void expect(struct fixture *f, const char *login, const char *transid,
                   enum partial_state state, uint64_t offset)
{
    struct partial_info info = look(f, login, transid);
    assert_int_equal(info.state, state);
    assert_int_equal(info.offset, offset);
}

static unsigned count_files(const struct fixture *f)
{
    char path[100];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/partial", f->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Files of unfinished content, when those that go have gone, and no more than those. */
static void expect_files(struct fixture *f, unsigned expected)
{
    for (int i = 0; i < 5000 && count_files(f) != expected; i++)
        fixture_run_for(f, 2);
    fixture_run_for(f, 10);
    assert_int_equal(count_files(f), expected);
}

static void sql(struct fixture *f, const char *text)
{
    char path[100];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/queue.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *error = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

static struct fixture *opened(struct fixture *f)
{
    f->memory_bytes = 0;
    f->partial_bytes = f->partial_bytes ? f->partial_bytes : ROOM;
    fixture_open(f);
    return f;
}

static void reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

/* ---- tests ---- */

static void continued_at_every_length(void **state)
{
    static const uint64_t lengths[] = {0, 1, 49, 50, 51, 70000, 1000049};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int any = 0; any < 2; any++) {
            struct fixture f = {0};
            struct session s;
            uint64_t len = lengths[i], kept = any ? len : len / LINE_LEN * LINE_LEN;
            begin(&s, opened(&f), "a", TRANSID);
            open_new(&s, any, 0);
            append(&s, 0, len);
            end(&s, false);
            expect(&f, "a", TRANSID, PARTIAL_UNFINISHED, kept);
            reopen(&f);
            /* interrupted again, before and after all was read */
            begin(&s, &f, "a", TRANSID);
            partial_read(s.p, true);
            end(&s, false);
            begin(&s, &f, "a", TRANSID);
            assert_int_equal(partial_info(s.p)->offset, kept);
            read_all(&s, kept);
            end(&s, false);
            expect(&f, "a", TRANSID, PARTIAL_UNFINISHED, kept);
            /* and once more, with some more */
            begin(&s, &f, "a", TRANSID);
            read_all(&s, kept);
            append(&s, kept, 1100050);
            end(&s, false);
            begin(&s, &f, "a", TRANSID);
            assert_int_equal(partial_info(s.p)->offset, 1100050);
            read_all(&s, 1100050);
            append(&s, 1100050, 1100100);
            assert_int_equal(put(&s, fixture_id(1)), 0);
            end(&s, false);
            expect_files(&f, 0);
            reopen(&f);
            expect(&f, "a", TRANSID, PARTIAL_FINISHED, 1100100);
            assert_string_equal(look(&f, "a", TRANSID).queue_id, fixture_id(1));
            begin(&s, &f, "a", TRANSID);
            end(&s, true);
            expect(&f, "a", TRANSID, PARTIAL_NEW, 0);
            assert_int_equal(fixture_stats(&f).partial_bytes, 0);
            fixture_close(&f);
            fixture_remove(&f);
        }
    }
}

static void keys_are_told_apart(void **state)
{
    struct fixture f = {0};
    struct session s, t;
    (void)state;
    begin(&s, opened(&f), "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 100);
    begin(&t, &f, "b", TRANSID); /* another login has it at the same time */
    open_new(&t, false, 0);
    append(&t, 0, 200);
    assert_false(s.wanted);
    end(&t, false);
    end(&s, false);
    expect(&f, "a", TRANSID, PARTIAL_UNFINISHED, 100);
    expect(&f, "b", TRANSID, PARTIAL_UNFINISHED, 200);
    expect(&f, "a", "<1@C.example>", PARTIAL_NEW, 0);
    expect(&f, "A", TRANSID, PARTIAL_NEW, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

/* What was never asked for content leaves nothing; what was given up neither. */
static void forgotten(void **state)
{
    struct fixture f = {0};
    struct session s;
    (void)state;
    begin(&s, opened(&f), "a", TRANSID);
    end(&s, false);
    expect(&f, "a", TRANSID, PARTIAL_NEW, 0);
    begin(&s, &f, "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 700000);
    expect_files(&f, 1);
    end(&s, true);
    expect_files(&f, 0);
    expect(&f, "a", TRANSID, PARTIAL_NEW, 0);
    begin(&s, &f, "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 700000);
    end(&s, false);
    begin(&s, &f, "a", TRANSID);
    end(&s, true);
    expect_files(&f, 0);
    assert_int_equal(fixture_stats(&f).partial_bytes, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void one_session_at_a_time(void **state)
{
    struct fixture f = {0};
    struct session s, t, u;
    (void)state;
    begin(&s, opened(&f), "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 1000);
    start(&t, &f, "a", TRANSID);
    fixture_wait(&f);
    assert_true(s.wanted);
    start(&u, &f, "a", TRANSID); /* the latest gets it */
    fixture_wait(&f);
    assert_int_equal(t.err, -EBUSY);
    end(&t, false);
    assert_false(u.gone);
    partial_end(s.p, false, on_gone, &s);
    while (!s.gone || f.answered)
        fixture_wait(&f);
    buf_deinit(&s.read);
    fixture_until(&f, &u.begun);
    f.answered = false;
    assert_int_equal(u.err, 0);
    assert_int_equal(partial_info(u.p)->offset, 1000);
    end(&u, false);
    /* one that leaves while it waits takes nothing with it */
    begin(&s, &f, "a", TRANSID);
    start(&t, &f, "a", TRANSID);
    partial_end(t.p, true, on_gone, &t);
    fixture_until(&f, &s.wanted);
    assert_false(t.gone);
    end(&s, false);
    fixture_until(&f, &t.gone);
    f.answered = false;
    buf_deinit(&t.read);
    expect(&f, "a", TRANSID, PARTIAL_NEW, 0); /* t forgot it when it got it */
    fixture_close(&f);
    fixture_remove(&f);
}

/* The one that is continued elsewhere was about to be complete: the other is told so. */
static void finished_while_another_waits(void **state)
{
    struct fixture f = {0};
    struct session s, t;
    (void)state;
    begin(&s, opened(&f), "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 1000);
    start(&t, &f, "a", TRANSID);
    fixture_wait(&f);
    assert_int_equal(put(&s, fixture_id(1)), 0);
    end(&s, false);
    fixture_until(&f, &t.begun);
    f.answered = false;
    assert_int_equal(partial_info(t.p)->state, PARTIAL_FINISHED);
    assert_int_equal(partial_info(t.p)->offset, 1000);
    end(&t, false);
    fixture_close(&f);
    fixture_remove(&f);
}

static void keep(struct fixture *f, const char *login, unsigned n, uint64_t len)
{
    char transid[40];
    struct session s;
    snprintf(transid, sizeof transid, "<%u@c.example>", n);
    begin(&s, f, login, transid);
    open_new(&s, false, 0);
    append(&s, 0, len);
    end(&s, false);
    usleep(2000); /* for another expiry */
}

static void oldest_goes_first(void **state)
{
    struct fixture f = {.partial_bytes = 4000000};
    struct session s;
    (void)state;
    opened(&f);
    keep(&f, "a", 1, 600000);
    keep(&f, "b", 1, 600000);
    keep(&f, "a", 2, 300000);
    keep(&f, "a", 3, 300000); /* beyond the login's quarter */
    expect(&f, "a", "<1@c.example>", PARTIAL_NEW, 0);
    expect(&f, "b", "<1@c.example>", PARTIAL_UNFINISHED, 600000);
    expect(&f, "a", "<2@c.example>", PARTIAL_UNFINISHED, 300000);
    expect(&f, "a", "<3@c.example>", PARTIAL_UNFINISHED, 300000);
    expect_files(&f, 3);
    keep(&f, "c", 1, 950000);
    keep(&f, "d", 1, 950000);
    keep(&f, "e", 1, 950000); /* beyond all room: b's was not touched for the longest time */
    expect(&f, "b", "<1@c.example>", PARTIAL_NEW, 0);
    expect(&f, "a", "<2@c.example>", PARTIAL_UNFINISHED, 300000);
    expect(&f, "e", "<1@c.example>", PARTIAL_UNFINISHED, 950000);
    assert_true(fixture_stats(&f).partial_bytes <= 4000000);
    expect_files(&f, 5);
    /* what a session holds stays: the next in age goes */
    begin(&s, &f, "a", "<2@c.example>");
    keep(&f, "f", 1, 950000);
    end(&s, false);
    expect(&f, "a", "<2@c.example>", PARTIAL_UNFINISHED, 300000);
    expect(&f, "a", "<3@c.example>", PARTIAL_NEW, 0);
    expect(&f, "c", "<1@c.example>", PARTIAL_NEW, 0);
    reopen(&f);
    assert_true(fixture_stats(&f).partial_bytes <= 4000000);
    assert_true(fixture_stats(&f).partial_bytes > 3000000);
    fixture_close(&f);
    fixture_remove(&f);
}

/* A transaction above the share is not kept, but its end is remembered. */
static void above_the_share(void **state)
{
    struct fixture f = {.partial_bytes = 4000000};
    struct session s;
    (void)state;
    opened(&f);
    keep(&f, "a", 2, 100000);
    for (int declared = 0; declared < 2; declared++) {
        begin(&s, &f, "a", TRANSID);
        open_new(&s, false, declared ? 2000000 : 0);
        append(&s, 0, 2000000);
        expect_files(&f, 1);
        end(&s, false);
        expect(&f, "a", TRANSID, PARTIAL_NEW, 0);
    }
    expect(&f, "a", "<2@c.example>", PARTIAL_UNFINISHED, 100000);
    begin(&s, &f, "a", TRANSID);
    open_new(&s, false, 0);
    append(&s, 0, 2000000);
    assert_int_equal(put(&s, fixture_id(1)), 0);
    end(&s, false);
    expect(&f, "a", TRANSID, PARTIAL_FINISHED, 2000000);
    expect_files(&f, 1);
    /* its end is forgotten as any other's */
    begin(&s, &f, "a", "<4@c.example>");
    open_new(&s, false, 2000000);
    append(&s, 0, 2000000);
    assert_int_equal(put(&s, fixture_id(3)), 0);
    end(&s, true);
    expect(&f, "a", "<4@c.example>", PARTIAL_NEW, 0);
    /* without any room it is a transaction like any other */
    store_set_partial(f.store, 0);
    begin(&s, &f, "a", "<3@c.example>");
    open_new(&s, false, 0);
    append(&s, 0, 1000000);
    assert_int_equal(put(&s, fixture_id(2)), 0);
    end(&s, false);
    expect(&f, "a", "<3@c.example>", PARTIAL_NEW, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void number_of_records_is_limited(void **state)
{
    struct fixture f = {0};
    char text[400];
    (void)state;
    opened(&f);
    fixture_close(&f);
    snprintf(text, sizeof text,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO "
             "partial SELECT 'a', '<'||i||'@c.example>', 2, %lld+i, 7, 600, '', "
             "'q000000000000001', '', '' FROM n",
             PARTIAL_RECORDS, (long long)clock_wall_ms() + 1000000);
    sql(&f, text);
    fixture_open(&f);
    keep(&f, "b", 1, 100);
    expect(&f, "a", "<1@c.example>", PARTIAL_FINISHED, 7);
    keep(&f, "a", 5000, 100);
    expect(&f, "a", "<5000@c.example>", PARTIAL_UNFINISHED, 100);
    expect(&f, "a", "<1@c.example>", PARTIAL_NEW, 0);
    expect(&f, "a", "<2@c.example>", PARTIAL_FINISHED, 7);
    keep(&f, "a", 5001, 100);
    expect(&f, "a", "<2@c.example>", PARTIAL_NEW, 0);
    expect(&f, "a", "<3@c.example>", PARTIAL_FINISHED, 7);
    expect(&f, "b", "<1@c.example>", PARTIAL_UNFINISHED, 100);
    expect(&f, "a", "<5001@c.example>", PARTIAL_UNFINISHED, 100);
    fixture_close(&f);
    fixture_remove(&f);
}

static void expired(void **state)
{
    struct fixture f = {0};
    struct session s;
    char text[300];
    (void)state;
    opened(&f);
    keep(&f, "a", 1, 700000);
    keep(&f, "a", 2, 700000);
    keep(&f, "a", 3, 700000);
    fixture_close(&f);
    snprintf(text, sizeof text,
             "UPDATE partial SET expiry=1000 WHERE transid='<1@c.example>';"
             "UPDATE partial SET expiry=%lld WHERE transid='<3@c.example>'",
             (long long)clock_wall_ms() + 700);
    sql(&f, text);
    fixture_open(&f);
    begin(&s, &f, "a", "<3@c.example>"); /* held: it stays */
    fixture_run_for(&f, 2500);
    expect(&f, "a", "<1@c.example>", PARTIAL_NEW, 0);
    expect(&f, "a", "<2@c.example>", PARTIAL_UNFINISHED, 700000);
    end(&s, false);
    expect(&f, "a", "<3@c.example>", PARTIAL_UNFINISHED, 700000);
    expect_files(&f, 2);
    assert_int_equal(fixture_stats(&f).messages, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

static void files_without_record_go(void **state)
{
    struct fixture f = {0};
    char command[200];
    struct session s;
    (void)state;
    opened(&f);
    keep(&f, "a", 1, 700000);
    fixture_close(&f);
    snprintf(command, sizeof command, "echo x > %s/partial/q000000000000007", f.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&f);
    expect_files(&f, 1);
    expect(&f, "a", TRANSID, PARTIAL_UNFINISHED, 700000);
    fixture_close(&f);
    /* and a file that has gone is an error, once */
    snprintf(command, sizeof command, "rm %s/partial/*", f.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&f);
    begin(&s, &f, "a", TRANSID);
    partial_read(s.p, true);
    fixture_wait(&f);
    assert_int_equal(s.err, -ENOENT);
    end(&s, true);
    expect(&f, "a", TRANSID, PARTIAL_NEW, 0);
    fixture_close(&f);
    fixture_remove(&f);
}

/* Each write and sync of the database fails in turn: what is promised is there, in a queue opened
 * on a copy of the files as well; finished means that the message is in the queue, once. */
static bool run_with_fault(enum fault_kind kind, int at)
{
    struct fixture f = {.vfs = "fault", .partial_bytes = ROOM};
    struct fixture copy = {.partial_bytes = ROOM};
    struct session s;
    char command[300];
    fixture_open(&f);
    fault_arm(kind, at, 1);
    begin(&s, &f, "a", TRANSID);
    partial_open(s.p, SV(MAIL), SV(TO), false, 0);
    fixture_wait(&f);
    bool has_record = s.err == 0, put_done = false;
    if (has_record) {
        append(&s, 0, 530000); /* more than is synced at once: the record is told of it */
        fixture_wait_written(&f, 2);
        f.answered = false;
        put_done = put(&s, fixture_id(1)) == 0;
    }
    end(&s, false);
    /* any turn compensates */
    store_claim_free(ask_claim(&f, "nobody.example", 1));
    bool fired = fault.fired;
    fault_arm(kind, 0, 0);
    strcpy(copy.dir, "/tmp/msa-copy-XXXXXX");
    assert_non_null(mkdtemp(copy.dir));
    snprintf(command, sizeof command, "cp -r %s/. %s/", f.dir, copy.dir);
    assert_int_equal(system(command), 0);
    fixture_open(&copy);
    for (int i = 0; i < 2; i++) {
        struct fixture *g = i ? &f : &copy;
        struct partial_info info = look(g, "a", TRANSID);
        assert_int_equal(info.state, put_done     ? PARTIAL_FINISHED
                                     : has_record ? PARTIAL_UNFINISHED
                                                  : PARTIAL_NEW);
        assert_int_equal(fixture_stats(g).messages, put_done);
        if (info.state == PARTIAL_UNFINISHED) {
            begin(&s, g, "a", TRANSID);
            read_all(&s, info.offset);
            append(&s, info.offset, 530000);
            assert_int_equal(put(&s, fixture_id(2)), 0);
            end(&s, true);
        }
        expect_files(g, 0);
        fixture_close(g);
        fixture_remove(g);
    }
    return fired;
}

static void each_operation_fails_once(void **state)
{
    (void)state;
    for (enum fault_kind kind = FAULT_WRITE_EIO; kind <= FAULT_SYNC; kind++) {
        int at = 1;
        while (run_with_fault(kind, at)) /* a full disk fails as a broken one does */
            at += kind == FAULT_WRITE_FULL ? 5 : 1;
        assert_true(at > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continued_at_every_length),
        cmocka_unit_test(keys_are_told_apart),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(one_session_at_a_time),
        cmocka_unit_test(finished_while_another_waits),
        cmocka_unit_test(oldest_goes_first),
        cmocka_unit_test(above_the_share),
        cmocka_unit_test(number_of_records_is_limited),
        cmocka_unit_test(expired),
        cmocka_unit_test(files_without_record_go),
        cmocka_unit_test(each_operation_fails_once),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
