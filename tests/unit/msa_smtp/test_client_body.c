/* A client's timers and contents, in DATA and in chunks, and the limits that a server tells. */
#include "tests/unit/msa_smtp/client_script.h"

#include "msa/smtp/dot.h"

static void test_timers(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    assert_int_equal(w.timer, 300000);
    step(&w, HI, 0);
    assert_int_equal(w.timer, 300000);
    step(&w, EHLO_FULL, 0);
    assert_int_equal(w.timer, 0);
    step(&w, "M1", 0);
    assert_int_equal(w.timer, 300000);
    step(&w, "S250 a\r\n250 b\r\n", 0);
    assert_int_equal(w.timer, 120000);
    step(&w, "S354 c\r\n", 0);
    assert_int_equal(w.timer, 180000);
    step(&w, "Zx", 0);
    assert_int_equal(w.timer, 600000);
    /* how long it took is told with the result */
    struct smtp_client_action a;
    smtp_client_timeout(w.client, 600001);
    do
        assert_true(smtp_client_next(w.client, &a));
    while (a.kind != SMTP_CLIENT_MESSAGE);
    assert_int_equal(a.result.elapsed_ms, 600000);
    stop(&w);
}

/* Each chunk has the time of a piece, the last one that of the end of data. */
static void test_timers_of_chunks(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_CHUNKS, 0);
    step(&w, "M1", 0);
    step(&w, OK1, 0);
    assert_int_equal(w.timer, 180000);
    w.timer = 0;
    step(&w, "Bx", 0);
    assert_int_equal(w.timer, 180000);
    w.timer = 0;
    step(&w, "S250 1\r\n", 0);
    assert_int_equal(w.timer, 180000);
    step(&w, "Bx", 0);
    step(&w, "Zx", 0);
    assert_int_equal(w.timer, 600000);
    w.timer = 0;
    step(&w, "S250 2\r\n", 0);
    assert_int_equal(w.timer, 600000);
    step(&w, "S250 3\r\n", 0);
    assert_int_equal(w.timer, 0);
    stop(&w);
}

/* A small mail is two SENDs, envelope and content; large content is not copied. */
static void test_body_runs(void **state)
{
    (void)state;
    static char small[10240], large[200000];
    memset(small, 'x', sizeof(small));
    memset(large, 'y', sizeof(large));
    for (size_t i = 70; i + 3 < sizeof(small); i += 71)
        memcpy(small + i, "\r\n.", 3); /* dots to stuff on every line */
    for (size_t i = 998; i + 2 < sizeof(large); i += 1000)
        memcpy(large + i, "\r\n", 2);
    for (int is_large = 0; is_large < 2; is_large++) {
        struct sv body =
            is_large ? (struct sv){large, sizeof(large)} : (struct sv){small, sizeof(small)};
        struct world w;
        struct smtp_client_action a;
        size_t sends = 0, views = 0, bytes = 0;
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        smtp_client_body(w.client, body, true, 1);
        while (smtp_client_next(w.client, &a))
            if (a.kind == SMTP_CLIENT_SEND) {
                sends++;
                bytes += a.bytes.len;
                views += a.bytes.ptr >= body.ptr && a.bytes.ptr < body.ptr + body.len;
            }
        if (is_large) {
            assert_true(views >= 1 && sends <= 4);
            assert_int_equal(bytes, sizeof(large) + strlen("\r\n.\r\n"));
        } else {
            assert_int_equal(sends, 1);
            assert_true(bytes > sizeof(small) + 100);
        }
        stop(&w);
    }
}

/* Content with dots everywhere, in pieces of any size, arrives as it was. */
static void test_dots(void **state)
{
    (void)state;
    static char body[100000];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = i % 5 == 3 ? '\r' : i % 5 == 4 ? '\n' : '.';
    for (unsigned seed = 0; seed < 10; seed++) {
        struct world w;
        struct smtp_client_action a;
        struct sv rest = {body, sizeof(body)};
        size_t at = 0, column = 0;
        bool ended = false;
        srand(seed);
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        while (!ended) {
            struct sv part = sv_first(rest, 1 + (size_t)rand() % 90000);
            rest = sv_skip(rest, part.len);
            smtp_client_body(w.client, part, rest.len == 0, 1);
            while (smtp_client_next(w.client, &a))
                for (size_t i = 0; a.kind == SMTP_CLIENT_SEND && i < a.bytes.len; i++) {
                    /* a line of three dots has four on the wire; behind the last is the lone dot */
                    char want = at == sizeof(body) ? ".\r\n"[column] : "....\r\n"[column];
                    assert_int_equal(a.bytes.ptr[i], want);
                    column++;
                    if (want != '\n')
                        continue;
                    ended = at == sizeof(body);
                    at += 5;
                    column = 0;
                }
        }
        assert_int_equal(at, sizeof(body) + 5);
        stop(&w);
    }
}

/* What a server reads of a session from the first chunk on. */
struct chunks {
    char command[64];
    size_t command_len, left;
    uint32_t count;
    bool last;
    struct buf content;
};

static void read_chunks(struct chunks *in, struct sv bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        if (in->left) {
            struct sv part = sv_first(sv_skip(bytes, i), in->left);
            assert_int_equal(buf_put(&in->content, part), 0);
            in->left -= part.len;
            i += part.len;
            continue;
        }
        assert_false(in->last);
        assert_true(in->command_len + 1 < sizeof(in->command));
        in->command[in->command_len++] = bytes.ptr[i++];
        if (in->command[in->command_len - 1] != '\n')
            continue;
        struct sv line = {in->command, in->command_len}, rest = sv_skip(line, 5);
        uint64_t size;
        assert_true(sv_starts(line, SV("BDAT ")));
        in->last = sv_find(line, 'L') < line.len;
        assert_true(sv_u64(sv_split(&rest, in->last ? ' ' : '\r'), 1u << 20, &size));
        assert_true(sv_eq(rest, in->last ? SV("LAST\r\n") : SV("\n")));
        assert_true(size > 0 || in->last);
        in->left = (size_t)size;
        in->command_len = 0;
        in->count++;
    }
}

/* Any octets in pieces of any size, replies at any time: the sizes are those of what follows, never
 * are there more chunks without a reply than allowed, and the content is what the stuffing machine
 * makes of it, or, for binary content, exactly what was given. */
static void test_chunks(void **state)
{
    (void)state;
    static char body[150000];
    for (unsigned seed = 0; seed < 40; seed++) {
        struct world w;
        struct chunks in = {.left = 0};
        struct smtp_client_action a = {.kind = SMTP_CLIENT_NEED_BODY};
        bool binary = seed % 3 == 0, pipelined = seed % 2 == 0, dense = seed % 5 < 3, done = false;
        uint32_t replied = 0;
        srand(seed);
        size_t size = (size_t)rand() % sizeof(body);
        for (size_t i = 0; i < size; i++)
            body[i] = rand() % (dense ? 3 : 3000) ? 'x' : "\r\n\0."[rand() % 4];
        struct sv rest = {body, size};
        buf_init(&in.content, 1u << 20, 0);
        start(&w, binary ? BINARY : OFFERED);
        step(&w, HI, 0);
        feed(&w, SV("250-mx\r\n250-BINARYMIME\r\n250-8BITMIME\r\n"), 0);
        feed(&w, pipelined ? SV("250-PIPELINING\r\n250 CHUNKING\r\n") : SV("250 CHUNKING\r\n"), 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n", 0);
        assert_true(sv_find(buf_view(&w.trace), '?') == buf_len(&w.trace)); /* no "body?" yet */
        assert_true(smtp_client_feed(w.client, SV("250 b\r\n"), 1));
        bool wanted = false, ready = false;
        while (!ready) {
            while (smtp_client_next(w.client, &a)) {
                wanted = wanted || a.kind == SMTP_CLIENT_NEED_BODY;
                ready = ready || a.kind == SMTP_CLIENT_READY;
                done = done || a.kind == SMTP_CLIENT_MESSAGE;
                if (a.kind != SMTP_CLIENT_SEND)
                    continue;
                read_chunks(&in, a.bytes);
                smtp_client_flushed(w.client, 1);
            }
            assert_int_equal(in.left, 0);
            assert_true(in.count - replied <= (pipelined ? 4 : 1));
            if (wanted && (rand() % 2 || in.count == replied)) {
                struct sv part = sv_first(rest, (size_t)rand() % 60000);
                rest = sv_skip(rest, part.len);
                wanted = false;
                smtp_client_body(w.client, part, rest.len == 0, 1);
            } else if (!ready) {
                assert_true(in.count > replied);
                replied++;
                assert_true(smtp_client_feed(w.client, SV("250 ok\r\n"), 1) == 8);
            }
        }
        assert_true(done && in.last && in.count == replied);
        struct sv got = buf_view(&in.content), run;
        if (binary) {
            assert_true(sv_eq(got, (struct sv){body, size}));
        } else {
            struct smtp_stuff stuff;
            struct buf want;
            buf_init(&want, 1u << 20, 0);
            smtp_stuff_init(&stuff, false);
            for (rest = (struct sv){body, size}; rest.len;) {
                rest = sv_skip(rest, smtp_stuff_next(&stuff, rest, &run));
                assert_int_equal(buf_put(&want, run), 0);
            }
            assert_int_equal(buf_put(&want, smtp_stuff_end(&stuff)), 0);
            assert_true(sv_eq(got, buf_view(&want)));
            for (size_t i = 0; i < got.len; i++) {
                assert_true(got.ptr[i] != '\0');
                assert_true(got.ptr[i] != '\n' || (i && got.ptr[i - 1] == '\r'));
                assert_true(got.ptr[i] != '\r' || (i + 1 < got.len && got.ptr[i + 1] == '\n'));
            }
            buf_deinit(&want);
        }
        buf_deinit(&in.content);
        stop(&w);
    }
}

/* RFC 9422: what the last EHLO said bounds transactions, recipients and domains; commands count,
 * not their success. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *label, *ehlo;
        uint32_t first, same_domain, other_domain; /* before a mail, after the first */
        uint32_t third;                            /* the same domain again, after the second */
    } rows[] = {
        {"nothing said", EHLO_BARE, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {"recipients", "S250-mx\r\n250 LIMITS RCPTMAX=7\r\n", 7, 7, 7, 7},
        {"transactions", "S250-mx\r\n250 LIMITS MAILMAX=2\r\n", UINT32_MAX, UINT32_MAX, UINT32_MAX,
         0},
        {"domains", "S250-mx\r\n250 LIMITS RCPTDOMAINMAX=1 RCPTMAX=3\r\n", 3, 3, 0, 3},
        {"two domains", "S250-mx\r\n250 LIMITS RCPTDOMAINMAX=2\r\n", UINT32_MAX, UINT32_MAX,
         UINT32_MAX, UINT32_MAX},
        {"unknown, and no numbers", "S250-mx\r\n250 LIMITS FOO=1 MAILMAX=0 RCPTMAX=x\r\n",
         UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, rows[i].ehlo, 0);
        if (smtp_client_takes(w.client, SV("b.example")) != rows[i].first)
            fail_msg("%s: first", rows[i].label);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n", 0);
        step(&w, "S550 b\r\n", 0);
        if (smtp_client_takes(w.client, SV("B.example")) != rows[i].same_domain ||
            smtp_client_takes(w.client, SV("b.example.org")) != rows[i].other_domain)
            fail_msg("%s: after the first", rows[i].label);
        step(&w, "M1", 0);
        step(&w, "S250 reset\r\n", 0);
        step(&w, "S451 a\r\n", 0);
        if (smtp_client_takes(w.client, SV("b.example")) != rows[i].third)
            fail_msg("%s: after the second", rows[i].label);
        stop(&w);
    }
    /* of the EHLO in clear nothing is left */
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, "S250-mx\r\n250-STARTTLS\r\n250 LIMITS RCPTMAX=1\r\n", 0);
    step(&w, "S220 go\r\n", 0);
    step(&w, "K", 0);
    step(&w, EHLO_BARE, 0);
    assert_int_equal(smtp_client_takes(w.client, SV("b.example")), UINT32_MAX);
    stop(&w);
}

/* More recipients than fit one SEND: all are said, in bounded pieces. */
static void test_many_recipients(void **state)
{
    (void)state;
    struct world w;
    struct smtp_client_action a;
    char path[100];
    size_t bytes = 0, sends = 0;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_FULL, 0);
    smtp_envelope_init(&w.envelope, &w.arena);
    assert_int_equal(smtp_envelope_parse_mail(&w.envelope, SV("<>")), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "<recipient-%04d@b.example>", i);
        assert_int_equal(smtp_envelope_parse_rcpt(&w.envelope, sv_of(path)), 0);
    }
    struct smtp_client_mail mail = {.envelope = &w.envelope, .size = 99};
    smtp_client_send(w.client, &mail, 1);
    while (smtp_client_next(w.client, &a))
        if (a.kind == SMTP_CLIENT_SEND) {
            sends++;
            bytes += a.bytes.len;
            assert_true(a.bytes.len < 40000);
        }
    assert_int_equal(bytes, 3000 * strlen("RCPT TO:<recipient-0000@b.example>\r\n") +
                                strlen("MAIL FROM:<> SIZE=99\r\nDATA\r\n"));
    assert_true(sends < 6);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers), cmocka_unit_test(test_body_runs),
        cmocka_unit_test(test_dots),   cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_chunks), cmocka_unit_test(test_timers_of_chunks),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
