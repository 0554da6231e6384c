#include "msa/base/netstring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CAP 1000

/* Reads all of text in pieces of a size (0: of random ones). Each netstring adds its content and
 * "|" to out. The last progress; *used_out: bytes that were taken. Each piece is a copy of its own
 * size, so that reading past its end is seen. */
static enum netstring_progress read_all(struct netstring_reader *r, struct sv text, size_t piece,
                                        struct buf *out, size_t *used_out)
{
    enum netstring_progress progress = NETSTRING_MORE;
    *used_out = 0;
    while (text.len && progress != NETSTRING_BAD) {
        struct sv part = sv_first(text, piece ? piece : 1 + (size_t)rand() % 7), content;
        size_t used;
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        progress = netstring_feed(r, (struct sv){copy, part.len}, &content, &used);
        assert_true(used > 0 && used <= part.len && content.len <= used);
        assert_true(progress != NETSTRING_MORE || used == part.len);
        assert_int_equal(buf_put(out, content), 0);
        if (progress == NETSTRING_DONE)
            assert_int_equal(buf_put(out, SV("|")), 0);
        free(copy);
        text = sv_skip(text, used);
        *used_out += used;
    }
    return progress;
}

static const struct {
    struct sv text;
    const char *content; /* whole netstrings, "|" behind each; "" where nothing came */
    enum netstring_progress progress;
    enum netstring_fault fault;
    size_t used; /* 0: all */
} rows[] = {
#define S(literal)                   \
    {                                \
        literal, sizeof(literal) - 1 \
    }
    {S("0:,"), "|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    {S("5:abcde,"), "abcde|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    {S("12:hello world!,"), "hello world!|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    {S("0:,3:a,b,1::,"), "|a,b|:|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    {S("4:\r\n,:,"), "\r\n,:|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    {S("20:1:?,12:unvanquished,,"), "1:?,12:unvanquished,|", NETSTRING_DONE, 0, 0},
    {S("4:1:Q,,"), "1:Q,|", NETSTRING_DONE, NETSTRING_FAULT_NONE, 0},
    /* an example of MTEP with a wrong length ends in a wait, not in an over-read */
    {S("22:1:?,12:unvanquished,,"), "1:?,12:unvanquished,,", NETSTRING_MORE, 0, 0},
    {S("5"), "", NETSTRING_MORE, NETSTRING_FAULT_NONE, 0},
    {S("5:"), "", NETSTRING_MORE, NETSTRING_FAULT_NONE, 0},
    {S("5:abcde"), "abcde", NETSTRING_MORE, NETSTRING_FAULT_NONE, 0},
    {S("5:abcde,1:"), "abcde|", NETSTRING_MORE, NETSTRING_FAULT_NONE, 0},
    {S("05:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S("00:,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S("5:abcde;"), "abcde", NETSTRING_BAD, NETSTRING_FAULT_COMMA, 0},
    {S("0:;"), "", NETSTRING_BAD, NETSTRING_FAULT_COMMA, 0},
    {S("5:abcdef,"), "abcde", NETSTRING_BAD, NETSTRING_FAULT_COMMA, 8},
    {S(":,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 1},
    {S("-1:,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 1},
    {S("/5:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 1},
    {S("5/:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S("5;:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S("5 :abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S(" 5:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 1},
    {S("5\xb5:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 2},
    {S("\0005:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 1},
    {S("5:abcde,\r\n1:x,"), "abcde|", NETSTRING_BAD, NETSTRING_FAULT_LENGTH, 9},
    {S("1001:"), "", NETSTRING_BAD, NETSTRING_FAULT_LONG, 4},
    {S("99999999999:"), "", NETSTRING_BAD, NETSTRING_FAULT_LONG, 4},
    {S("4294967301:abcde,"), "", NETSTRING_BAD, NETSTRING_FAULT_LONG, 4},
#undef S
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned seed = 0; seed < 20; seed++) {
            struct netstring_reader r;
            struct buf out;
            size_t used, piece = seed == 0 ? 1000 : seed == 1 ? 1 : 0;
            srand(seed);
            buf_init(&out, CAP, 0);
            netstring_init(&r, CAP);
            enum netstring_progress progress = read_all(&r, rows[i].text, piece, &out, &used);
            if (progress != rows[i].progress || r.fault != rows[i].fault ||
                used != (rows[i].used ? rows[i].used : rows[i].text.len) ||
                !sv_eq(buf_view(&out), sv_of(rows[i].content)))
                fail_msg("row %zu, piece %zu: %d, %s, %zu bytes, \"%.*s\"", i, piece, progress,
                         netstring_fault_text(r.fault), used, SV_ARG(buf_view(&out)));
            buf_deinit(&out);
        }
    }
}

/* The cap itself is taken; nine digits are the most that any cap allows. */
static void test_caps(void **state)
{
    (void)state;
    static const struct {
        uint32_t cap;
        const char *length;
        bool ok;
    } caps[] = {
        {0, "0:", true},
        {0, "1:", false},
        {9, "9:", true},
        {9, "10:", false},
        {CAP, "1000:", true},
        {NETSTRING_LENGTH_MAX, "999999999:", true},
        {NETSTRING_LENGTH_MAX, "1000000000:", false},
    };
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        struct netstring_reader r;
        struct sv content;
        size_t used;
        netstring_init(&r, caps[i].cap);
        enum netstring_progress progress =
            netstring_feed(&r, sv_of(caps[i].length), &content, &used);
        assert_int_equal(progress, caps[i].ok ? NETSTRING_MORE : NETSTRING_BAD);
        assert_int_equal(r.fault, caps[i].ok ? NETSTRING_FAULT_NONE : NETSTRING_FAULT_LONG);
    }
}

/* What is in another must end where that ends. */
static void test_nested(void **state)
{
    (void)state;
    static const struct {
        const char *outer, *content;
        bool whole;
    } nested[] = {
        {"13:a@example.org,13:b@example.net,", "a@example.org|b@example.net|", true},
        {"26:djb@silverton.berkeley.edu,", "djb@silverton.berkeley.edu|", true},
        {"13:a@example.org,14:b@example.net,", "a@example.org|b@example.net,", false},
        {"13:a@example.org,13:b@example.net", "a@example.org|b@example.net", false},
        {"900:a@example.org,", "", false},
        {"13:a@example.org,1", "a@example.org|", false},
    };
    for (size_t i = 0; i < sizeof nested / sizeof nested[0]; i++) {
        struct netstring_reader r;
        struct buf out;
        struct sv outer = sv_of(nested[i].outer);
        size_t used;
        buf_init(&out, CAP, 0);
        netstring_init(&r, (uint32_t)outer.len);
        enum netstring_progress progress = read_all(&r, outer, 1000, &out, &used);
        assert_int_equal(progress == NETSTRING_DONE, nested[i].whole);
        assert_true(sv_eq(buf_view(&out), sv_of(nested[i].content)));
        buf_deinit(&out);
    }
}

static void test_writes(void **state)
{
    (void)state;
    struct buf inner, out;
    buf_init(&inner, 100, 0);
    buf_init(&out, 100, 0);
    assert_int_equal(netstring_put(&inner, SV("b@example.net")), 0);
    assert_int_equal(netstring_put(&inner, SV("c@example.net")), 0);
    assert_int_equal(netstring_begin(&out, 19), 0);
    assert_int_equal(buf_put(&out, SV("\nSubject: hi\n\nbody\n,")), 0);
    assert_int_equal(netstring_put(&out, SV("a@example.org")), 0);
    assert_int_equal(netstring_put(&out, buf_view(&inner)), 0);
    assert_true(sv_eq(buf_view(&out), SV("19:\nSubject: hi\n\nbody\n,13:a@example.org,"
                                         "34:13:b@example.net,13:c@example.net,,")));
    buf_reset(&out);
    assert_int_equal(netstring_put(&out, SV_NONE), 0);
    assert_true(sv_eq(buf_view(&out), SV("0:,")));
    buf_deinit(&out);
    buf_deinit(&inner);
}

/* What does not fit leaves the buffer as it was. */
static void test_full(void **state)
{
    (void)state;
    for (size_t max = 3; max < 11; max++) {
        struct buf out;
        buf_init(&out, max, 0);
        assert_int_equal(buf_put(&out, SV("ab,")), 0);
        assert_int_equal(netstring_put(&out, SV("abcde")), ERR_FULL);
        assert_true(sv_eq(buf_view(&out), SV("ab,")));
        buf_deinit(&out);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    for (uint32_t length = 0; length < 2000; length++) {
        struct buf out;
        char content[2000] = "";
        buf_init(&out, 3000, 0);
        assert_int_equal(netstring_put(&out, (struct sv){content, length}), 0);
        assert_int_equal(netstring_size(length), buf_len(&out));
        buf_deinit(&out);
    }
    assert_int_equal(netstring_size(NETSTRING_LENGTH_MAX),
                     (uint64_t)NETSTRING_LENGTH_MAX + NETSTRING_EXTRA_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_caps), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_writes), cmocka_unit_test(test_full), cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
