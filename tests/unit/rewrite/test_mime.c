#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/rewrite/mime_check.h"

#include <stdio.h>

#define TOP   "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n"

/* shape: "(" and a letter for each entity (t text, o other, M multipart, R message, s signed, f
 * fixed, e encrypted, d deep, r rest), then what is inside, then ")" */
struct row {
    const char *text, *shape;
    const char *contents; /* of each entity, separated by "|" */
};

static const struct row rows[] = {
    {TOP "\r\nhello\r\n", "(t)", "hello\r\n"},
    {"", "(t)", ""},
    {"\r\nbody", "(t)", "body"},
    {TOP, "(t)", ""},
    {TOP "no field\r\nx", "(t)", "no field\r\nx"},
    {TOP MULTI "\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", "(M(t)(t))", "|one|two"},
    {TOP MULTI "\r\npre\r\n--b\r\n\r\none\r\n--b--\r\nafter\r\n--b\r\nno part\r\n", "(M(t))",
     "|one"},
    {TOP MULTI "\r\n--b \t\r\n\r\none\r\n--b-- \r\n", "(M(t))", "|one"},
    {TOP MULTI "\r\n--b\r\n\r\n--bx\r\n --b\r\n-b\r\n--b--x\r\n--", "(M(t))",
     "|--bx\r\n --b\r\n-b\r\n--b--x\r\n--"},
    {TOP MULTI "\r\n--b\n\none\n--b--\n", "(M(t))", "|one"},
    {TOP MULTI "\r\n--b\r\n--b\r\nX: y\r\n--b--", "(M(t)(t))", "||"},
    {TOP MULTI "\r\nnothing", "(t)", ""},
    {TOP MULTI "\r\nnothing\r\n--b--\r\n", "(t)", ""},
    {TOP MULTI
     "\r\n--b\r\n" /* the inner boundary begins with the outer one */
     "Content-Type: multipart/mixed; boundary=\"bb\"\r\n\r\n--bb\r\n\r\nin\r\n--bb--\r\n--b\r\n\r\n"
     "out\r\n--b--\r\n",
     "(M(M(t))(t))", "||in|out"},
    {TOP MULTI "\r\n--b\r\n" /* the inner one is not closed */
               "Content-Type: multipart/mixed; "
               "boundary=i\r\n\r\n--i\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--\r\n",
     "(M(M(t))(t))", "||in|out"},
    {TOP "Content-Type: message/rfc822\r\n\r\nTo: x\r\n\r\ninner\r\n", "(R(t))", "|inner\r\n"},
    {TOP "Content-Type: message/rfc822\r\n\r\nFrom a@b Mon Jul  6\r\nTo: x\r\n\r\ninner\r\n",
     "(R(t))", "|inner\r\n"},
    {TOP "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nVG86\r\n", "(o)",
     "VG86\r\n"},
    {TOP "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nTo: x\r\n\r\none\r\n--b--",
     "(M(R(t)))", "||one"},
    {TOP "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n", "(s)",
     "--b\r\n\r\none\r\n--b--\r\n"},
    {TOP "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n", "(e)", "--b\r\n"},
    {TOP "Content-Type: multipart/mixed\r\n\r\n--b\r\n", "(t)", "--b\r\n"},
    {TOP "Content-Type: message/partial; id=1\r\n\r\nX: y\r\n", "(f)", "X: y\r\n"},
    {TOP "Content-Type: image/png\r\n\r\nx", "(o)", "x"},
    {TOP MULTI "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n", "(M(R(t)))", "||"},
    {TOP MULTI "\r\n--b\r\nContent-Type: message/rfc822\r\n--b--\r\n", "(M(R))", "|"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece < 300; piece = piece * 3 + 1) {
            struct check_tree t;
            struct buf contents;
            check_walk(&t, sv_of(rows[i].text), piece, 1000);
            check_put(&t.shape, SV("\0"));
            assert_string_equal(buf_view(&t.shape).ptr, rows[i].shape);
            buf_init(&contents, SIZE_MAX, 0);
            for (size_t k = 0; k < t.count; k++) {
                if (k)
                    check_put(&contents, SV("|"));
                if (t.list[k].kind != REWRITE_MIME_MULTIPART)
                    check_put(&contents, buf_view(&t.list[k].raw));
            }
            check_put(&contents, SV("\0"));
            assert_string_equal(buf_view(&contents).ptr, rows[i].contents);
            buf_deinit(&contents);
            check_tree_free(&t);
        }
        check_mime_message(sv_of(rows[i].text), 1000);
    }
}

static void put(struct buf *out, const char *text)
{
    check_put(out, sv_of(text));
}

/* 10,000 multiparts inside each other */
static void make_deep(struct buf *out, size_t levels)
{
    buf_init(out, SIZE_MAX, 0);
    for (size_t i = 0; i < levels; i++)
        assert_int_equal(buf_printf(out,
                                    "Content-Type: multipart/mixed; boundary=\"level-%zu\"\r\n\r\n"
                                    "--level-%zu\r\n",
                                    i, i),
                         0);
    put(out, "\r\nbody\r\n");
    for (size_t i = levels; i-- > 0;)
        assert_int_equal(buf_printf(out, "\r\n--level-%zu--\r\n", i), 0);
}

static uint64_t walked(struct buf *text, size_t *count)
{
    struct check_tree t;
    check_walk(&t, buf_view(text), 100000, 64 << 10);
    uint64_t bytes = t.walked;
    *count = t.count;
    check_tree_free(&t);
    return bytes;
}

/* Work grows with the size: four times as much costs about four times as much. */
static void assert_linear(void (*make)(struct buf *, size_t), size_t n, uint64_t per_byte)
{
    struct buf small, large;
    size_t count;
    make(&small, n);
    make(&large, 4 * n);
    uint64_t a = walked(&small, &count), b = walked(&large, &count);
    assert_true(b <= 5 * a);
    assert_true(b <= per_byte * buf_len(&large));
    buf_deinit(&small);
    buf_deinit(&large);
}

static void test_depth(void **state)
{
    (void)state;
    struct buf text;
    size_t count;
    make_deep(&text, 10000); /* as many as an attacker might */
    walked(&text, &count);
    assert_int_equal(count, REWRITE_MIME_DEPTH + 1);
    buf_deinit(&text);
    assert_linear(make_deep, 500, 10);
}

static void make_parts(struct buf *out, size_t parts)
{
    buf_init(out, SIZE_MAX, 0);
    put(out, MULTI "\r\n");
    for (size_t i = 0; i < parts; i++)
        put(out, "--b\r\n\r\nx\r\n");
    put(out, "--b--\r\n");
}

static void test_parts(void **state)
{
    (void)state;
    struct buf text;
    size_t count;
    make_parts(&text, 11000);
    walked(&text, &count);
    assert_int_equal(count, REWRITE_MIME_PARTS);
    buf_deinit(&text);
    assert_linear(make_parts, 1000, 12);
}

/* Lines that look like delimiters of a hundred levels with boundaries that differ at their end. */
static void make_near(struct buf *out, size_t lines)
{
    char boundary[REWRITE_MIME_BOUNDARY + 1];
    memset(boundary, 'x', sizeof boundary);
    buf_init(out, SIZE_MAX, 0);
    for (size_t i = 0; i < REWRITE_MIME_DEPTH - 1; i++) {
        snprintf(boundary + 240, 10, "%03zu", i);
        assert_int_equal(buf_printf(out,
                                    "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n"
                                    "--%s\r\n",
                                    boundary, boundary),
                         0);
    }
    put(out, "\r\n");
    snprintf(boundary + 240, 10, "yyy");
    for (size_t i = 0; i < lines; i++)
        assert_int_equal(buf_printf(out, "--%s\r\n--\r\n-\r\n", boundary), 0);
}

static void make_boundary(struct buf *out, size_t bytes)
{
    buf_init(out, SIZE_MAX, 0);
    put(out, "Content-Type: multipart/mixed; boundary=\"");
    for (size_t i = 0; i < bytes / 100; i++)
        put(out, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n "
                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    put(out, "\"\r\n\r\n--a\r\n");
}

static void test_boundaries(void **state)
{
    (void)state;
    assert_linear(make_near, 800, 10);
    assert_linear(make_boundary, 10000, 8); /* 40 kB of one: the multipart cannot be read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
