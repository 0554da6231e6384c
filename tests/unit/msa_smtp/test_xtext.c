#include "msa/smtp/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void cases(void **state)
{
    static const struct {
        const char *text, *octets; /* octets NULL: not xtext */
    } rows[] = {
        {"abc", "abc"}, {"a+20b", "a b"}, {"+2B+3D", "+="}, {"", ""},           {"+0D+0A", "\r\n"},
        {"a b", NULL},  {"a=b", NULL},    {"+2b", NULL},    {"+", NULL},        {"+2", NULL},
        {"a+G0", NULL}, {"a\tb", NULL},   {"a\x7f", NULL},  {"\xc3\xa9", NULL}, {"++", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 100, 0);
        int err = smtp_xtext_decode(&b, sv_of(rows[i].text));
        assert_int_equal(err, rows[i].octets ? 0 : ERR_SYNTAX);
        assert_int_equal(smtp_xtext_valid(sv_of(rows[i].text)), rows[i].octets != NULL);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].octets)));
        buf_deinit(&b);
    }
}

static void printable(void **state)
{
    (void)state;
    assert_true(smtp_xtext_printable(SV("a+20+2B")));
    assert_true(smtp_xtext_printable(SV("")));
    assert_false(smtp_xtext_printable(SV("a+0Ab")));
    assert_false(smtp_xtext_printable(SV("+7F")));
    assert_false(smtp_xtext_printable(SV("+80")));
    assert_false(smtp_xtext_printable(SV("a=")));
}

static void all_octets(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        char text[4], octet = (char)i;
        struct buf b;
        snprintf(text, sizeof text, "+%02X", (unsigned)i);
        buf_init(&b, 100, 0);
        assert_int_equal(smtp_xtext_decode(&b, sv_of(text)), 0);
        assert_true(sv_eq(buf_view(&b), (struct sv){&octet, 1}));
        buf_deinit(&b);
    }
}

/* unitext, what it stands for (NULL: none), its 7-bit form */
static void unitext(void **state)
{
    static const char *const rows[][3] = {
        {"a@b.example", "a@b.example", "a@b.example"},
        {"é@b.example", "é@b.example", "\\x{E9}@b.example"},
        {"\\x{E9}@b.example", "é@b.example", "\\x{E9}@b.example"},
        {"\\x{e9}@b.example", "é@b.example", "\\x{E9}@b.example"},
        {"中\\x{4E2D}@b.example", "中中@b.example", "\\x{4E2D}\\x{4E2D}@b.example"},
        {"😀", "😀", "\\x{1F600}"},
        {"\\x{10FFFF}", "\xf4\x8f\xbf\xbf", "\\x{10FFFF}"},
        {"\\x{FFFD}\\x{A0}", "\xef\xbf\xbd\xc2\xa0", "\\x{FFFD}\\x{A0}"},
        {"\\x{20}\\x{2B}\\x{3D}\\x{5C}", " +=\\", "\\x{20}\\x{2B}\\x{3D}\\x{5C}"},
        {"\"a\\x{20}b\"@c.example", "\"a b\"@c.example", "\"a\\x{20}b\"@c.example"},
        {"!#$%&'*,-./:;<>?[]^_`{|}~", "!#$%&'*,-./:;<>?[]^_`{|}~", "!#$%&'*,-./:;<>?[]^_`{|}~"},
        {"", "", ""},
        /* what must be encoded */
        {"a+b", NULL, NULL},
        {"a=b", NULL, NULL},
        {"a b", NULL, NULL},
        {"a\\b", NULL, NULL},
        {"a\\", NULL, NULL},
        {"a\tb", NULL, NULL},
        {"a\nb", NULL, NULL},
        {"a\x7f", NULL, NULL},
        /* no form of a code point */
        {"\\x{}", NULL, NULL},
        {"\\x{E}", NULL, NULL},
        {"\\x{E9", NULL, NULL},
        {"\\x{E9a", NULL, NULL},
        {"\\xE9", NULL, NULL},
        {"\\X{E9}", NULL, NULL},
        {"\\u{E9}", NULL, NULL},
        {"\\x{0E9}", NULL, NULL},
        {"\\x{00E9}", NULL, NULL},
        {"\\x{G9}", NULL, NULL},
        {"\\x{ E9}", NULL, NULL},
        {"\\x{-1}", NULL, NULL},
        {"\\x{41}", NULL, NULL}, /* stands for itself */
        {"\\x{40}", NULL, NULL},
        {"\\x{7E}", NULL, NULL},
        {"\\x{D800}", NULL, NULL},
        {"\\x{DFFF}", NULL, NULL},
        {"\\x{110000}", NULL, NULL},
        {"\\x{FFFFFF}", NULL, NULL},
        {"\\x{10FFFFF}", NULL, NULL},
        /* control characters */
        {"\\x{0A}", NULL, NULL},
        {"\\x{00}", NULL, NULL},
        {"\\x{7F}", NULL, NULL},
        {"\\x{85}", NULL, NULL},
        {"\xc2\x85", NULL, NULL},
        /* no UTF-8 */
        {"\xc3", NULL, NULL},
        {"\xff", NULL, NULL},
        {"\xc0\xaf", NULL, NULL},
        {"\xed\xa0\x80", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv text = sv_of(rows[i][0]);
        struct buf plain, ascii;
        buf_init(&plain, 100, 0);
        buf_init(&ascii, 100, 0);
        int err = smtp_unitext_decode(&plain, text);
        if (err != (rows[i][1] ? 0 : ERR_SYNTAX) ||
            smtp_unitext_printable(text) != (rows[i][1] != NULL) ||
            !sv_eq(buf_view(&plain), sv_of(rows[i][1])))
            fail_msg("%s: %d, %.*s", rows[i][0], err, SV_ARG(buf_view(&plain)));
        if (err == 0) {
            assert_int_equal(smtp_unitext_write(&ascii, buf_view(&plain)), 0);
            if (!sv_eq(buf_view(&ascii), sv_of(rows[i][2])))
                fail_msg("%s: 7-bit %.*s", rows[i][0], SV_ARG(buf_view(&ascii)));
        }
        buf_deinit(&plain);
        buf_deinit(&ascii);
    }
}

static void unitext_leaves_the_buffer_as_it_was(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 8, 0);
    assert_int_equal(buf_put(&b, SV("abc")), 0);
    assert_int_equal(smtp_unitext_decode(&b, SV("abc\\x{41}")), ERR_SYNTAX);
    assert_int_equal(smtp_unitext_decode(&b, SV("abcdef")), ERR_FULL);
    assert_int_equal(smtp_unitext_write(&b, SV("ab\n")), ERR_SYNTAX);
    assert_int_equal(smtp_unitext_write(&b, SV("\xc3")), ERR_SYNTAX);
    assert_int_equal(smtp_unitext_write(&b, SV("aé")), ERR_FULL);
    assert_true(sv_eq(buf_view(&b), SV("abc")));
    buf_deinit(&b);
}

static void writing(void **state)
{
    (void)state;
    char all[256];
    struct buf out, back;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_init(&out, 3 * 256, 0);
    buf_init(&back, 3 * 256, 0);
    assert_int_equal(smtp_xtext_write(&out, SV("a+b=c d@e")), 0);
    assert_true(sv_eq(buf_view(&out), SV("a+2Bb+3Dc+20d@e")));
    buf_reset(&out);
    assert_int_equal(smtp_xtext_write(&out, (struct sv){all, 256}), 0);
    assert_true(smtp_xtext_valid(buf_view(&out)));
    assert_int_equal(smtp_xtext_decode(&back, buf_view(&out)), 0);
    assert_true(sv_eq(buf_view(&back), (struct sv){all, 256}));
    buf_deinit(&out);
    buf_init(&out, 4, 0);
    assert_int_equal(smtp_xtext_write(&out, SV("a")), 0);
    assert_int_equal(smtp_xtext_write(&out, SV("bc=")), ERR_FULL);
    assert_true(sv_eq(buf_view(&out), SV("a")));
    buf_deinit(&out);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),   cmocka_unit_test(printable),
        cmocka_unit_test(writing), cmocka_unit_test(all_octets),
        cmocka_unit_test(unitext), cmocka_unit_test(unitext_leaves_the_buffer_as_it_was)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
