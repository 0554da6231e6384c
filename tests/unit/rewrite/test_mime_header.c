#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/downgrade.h"
#include "rewrite/mime_header.h"

#include <string.h>

#define QP "quoted-printable"

static const struct {
    struct rewrite_mime_change change;
    struct sv in;
    const char *out;
} rows[] = {
    {{NULL}, SV("A: b\r\n\r\n"), "A: b\r\n\r\n"},
    {{NULL}, SV("A: b\r\n"), "A: b\r\n"},
    {{NULL}, SV(""), ""},
    {{.encoding = QP},
     SV("A: b\r\n\r\n"),
     "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {{.encoding = QP},
     SV("content-transfer-encoding: 8bit\r\nA: b\r\nContent-Transfer-Encoding: x"
        "\r\n\r\n"),
     "Content-Transfer-Encoding: quoted-printable\r\nA: b\r\n\r\n"},
    {{.encoding = QP},
     SV("A: b\r\n"),
     "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {{.encoding = QP, .charset = "utf-8", .version = true},
     SV("\r\n"),
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {{.encoding = QP, .charset = "utf-8", .retype = true},
     SV("Content-Type: multipart/x\r\nA: b\r\n\r\n"),
     "Content-Type: text/plain; charset=utf-8\r\nX-Original-Content-Type: multipart/x\r\nA: b\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {{.encoding = QP, .charset = "utf-8"},
     SV("Content-Type: text/plain (c); x=y\r\nContent-Type: text/plain\r\n\r\n"),
     "Content-Type: text/plain; charset=utf-8 (c); x=y\r\nContent-Type: text/plain\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {{.ascii = true}, SV("A: \xc3\xbc\r\nB: c\r\n\r\n"), "A: =?utf-8?B?w7w=?=\r\nB: c\r\n\r\n"},
    {{NULL}, SV("A: b\n c\n\n"), "A: b\r\n c\r\n\r\n"},
    {{NULL}, SV("A: b\rc\0d\r\n\r\n"), "A: b c?d\r\n\r\n"},
    {{NULL}, SV("A: cut"), "A: cut\r\n"},
    {{.ascii = true, .inner = true},
     SV("From x\xfcy\r\nFrom: a\r\n\r\n"),
     "From x?y\r\nFrom: a\r\n\r\n"},
    {{.ascii = true},
     SV("From x\r\n \xfc: y\r\n\tz\r\nA: \xc3\xbc\r\nB: c\r\n\r\n"),
     "From x\r\n ?: y\r\n\tz\r\nA: =?utf-8?B?w7w=?=\r\nB: c\r\n\r\n"},
    {{.encoding = QP},
     SV("From x\r\n y"),
     "From x\r\n y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, REWRITE_DOWNGRADE_GROWTH(rows[i].in.len) + 1024, 0);
        assert_int_equal(rewrite_mime_header_write(rows[i].in, &rows[i].change, &out),
                         REWRITE_MIME_HEADER_OK);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_view(&out).ptr, rows[i].out);
        buf_deinit(&out);
    }
}

static void test_folds(void **state)
{
    (void)state;
    static const struct rewrite_mime_change none = {.ascii = false};
    char field[1503];
    for (size_t space = 990; space <= 999; space++) {
        struct buf out;
        memset(field, 'x', 1500);
        memcpy(field, "A:", 2);
        field[space] = ' ';
        memcpy(field + 1500, "\r\n", 3);
        struct sv in = sv_of(field);
        assert_false(rewrite_mime_header_fits(in, false));
        buf_init(&out, REWRITE_DOWNGRADE_GROWTH(in.len) + 1024, 0);
        enum rewrite_mime_header result = rewrite_mime_header_write(in, &none, &out);
        assert_int_equal(result, space <= 998 ? REWRITE_MIME_HEADER_OK : REWRITE_MIME_HEADER_LINE);
        if (space <= 998) {
            assert_int_equal(buf_len(&out), in.len + 2);
            assert_memory_equal(buf_view(&out).ptr + space, "\r\n xxx", 6);
            assert_true(rewrite_mime_header_fits(buf_view(&out), false));
        }
        buf_deinit(&out);
    }
}

/* No line of space alone, which would be one too many for some readers. */
static void test_space_lines(void **state)
{
    (void)state;
    static const struct rewrite_mime_change none = {.ascii = false};
    for (size_t letters = 980; letters <= 998; letters++) {
        struct buf in, out;
        buf_init(&in, 5000, 0);
        buf_init(&out, 200000, 0);
        assert_int_equal(buf_put(&in, SV("A:")), 0);
        for (size_t i = 2; i < 1010; i++)
            assert_int_equal(buf_put(&in, i < letters ? SV("x") : SV(" ")), 0);
        assert_int_equal(buf_put(&in, SV("\r\n")), 0);
        for (size_t i = 0; i < 1010; i++)
            assert_int_equal(buf_put(&in, SV(" ")), 0);
        assert_int_equal(buf_put(&in, SV("\r\n y\r\n\r\n")), 0);
        assert_int_equal(rewrite_mime_header_write(buf_view(&in), &none, &out),
                         REWRITE_MIME_HEADER_OK);
        assert_int_equal(buf_len(&out), letters + 8);
        assert_true(sv_iends(buf_view(&out), SV("x\r\n y\r\n\r\n")));
        buf_deinit(&in);
        buf_deinit(&out);
    }
}

static void test_address(void **state)
{
    (void)state;
    struct buf out;
    struct rewrite_mime_change change = {.ascii = true};
    struct sv in = SV("To: \xc3\xbc@b.example\r\n\r\n");
    buf_init(&out, 2000, 0);
    assert_int_equal(rewrite_mime_header_write(in, &change, &out), REWRITE_MIME_HEADER_ADDRESS);
    change.inner = true;
    assert_int_equal(rewrite_mime_header_write(in, &change, &out), REWRITE_MIME_HEADER_OK);
    assert_true(rewrite_mime_header_fits(buf_view(&out), true));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_space_lines),
        cmocka_unit_test(test_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
