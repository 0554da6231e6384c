#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/shown.h"

#include <string.h>

static const struct {
    struct sv raw;
    const char *text;
    enum rewrite_shown verdict;
} texts[] = {
    {SV(""), "", REWRITE_SHOWN_OK},
    {SV(" Alice "), " Alice ", REWRITE_SHOWN_OK},
    {SV("\"Alice \\\"A\\\" B\" <"), "Alice \"A\" B  ", REWRITE_SHOWN_OK},
    {SV("(a (nested) \\) one)"), "a nested ) one", REWRITE_SHOWN_OK},
    {SV("a\r\n b\r\n\tc"), "a b\tc", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a_=C3=BC?="), "a \xc3\xbc", REWRITE_SHOWN_OK},
    {SV("=?UTF-8*de?Q?a?="), "a", REWRITE_SHOWN_OK},
    {SV("=?utf-8?b?w7w=?="), "\xc3\xbc", REWRITE_SHOWN_OK},
    {SV("=?utf-8?b?w7?="), "\xc3", REWRITE_SHOWN_OK},
    {SV("=?utf-8?b?w 7-w?="), "\xc3\xbc", REWRITE_SHOWN_OK}, /* as lenient readers do */
    {SV("=?utf-8?q?=?="), "=", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?=4?="), "=4", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?=zz?="), "=zz", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?\?="), "", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a?= =?utf-8?q?b?="), "ab", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a?=\r\n =?utf-8?q?b?="), "ab", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a?==?utf-8?q?b?="), "ab", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a?= x"), "a x", REWRITE_SHOWN_OK},
    {SV("x=?utf-8?q?a?=x"), "xax", REWRITE_SHOWN_OK},
    {SV("=?utf-8?x?a?="), "=?utf-8?x?a?=", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q?a"), "=?utf-8?q?a", REWRITE_SHOWN_OK},
    {SV("=?utf-8?q"), "=?utf-8?q", REWRITE_SHOWN_OK},
    {SV("=?"), "=?", REWRITE_SHOWN_OK},
    {SV("="), "=", REWRITE_SHOWN_OK},
    /* character sets */
    {SV("=?iso-8859-1?q?=FC?="), "\xfc", REWRITE_SHOWN_OK},
    {SV("=?iso-2022-jp?b?GyRCO1IbKEJhQGI=?="), "??a@b", REWRITE_SHOWN_OK},
    {SV("=?shift_jis?q?=83=40.b?="), "?@.b", REWRITE_SHOWN_OK}, /* the second octet is "@" */
    {SV("=?iso-8859-1?q?a=AD@b?="), "a@b", REWRITE_SHOWN_OK},   /* a soft hyphen is not seen */
    {SV("a\xe2\x80\x90"
        "b\xe2\x88\x92"
        "c"),
     "a-b-c", REWRITE_SHOWN_OK},
    {SV("=?iso-8859-1?q?=E9=40b?="), "\xe9@b", REWRITE_SHOWN_OK},
    {SV("=?utf-7?q?a?="), "a", REWRITE_SHOWN_CHARSET},
    {SV("=?UTF-16BE?q?a?="), "a", REWRITE_SHOWN_CHARSET},
    {SV("=?unicode-1-1-utf-7?q?a?="), "a", REWRITE_SHOWN_CHARSET},
    /* characters */
    {SV("\xef\xbc\xa1\xef\xbc\xa0\xef\xbc\x8e"), "A@.", REWRITE_SHOWN_OK},
    {SV("\xef\xb9\xab\xe3\x80\x82"), "@.", REWRITE_SHOWN_OK},
    {SV("a\xe2\x80\x8b"
        "b\xef\xbb\xbf"
        "c\xc2\xad"
        "d"),
     "abcd", REWRITE_SHOWN_OK},
    {SV("a\xc2\xa0"
        "b"),
     "a b", REWRITE_SHOWN_OK},
    {SV("a\xff"
        "b"),
     "a\xff"
     "b",
     REWRITE_SHOWN_OK},
    {SV("a\0b"), NULL, REWRITE_SHOWN_CONTROL},
    {SV("a\x1b"
        "b"),
     NULL, REWRITE_SHOWN_CONTROL},
    {SV("=?utf-8?q?=0D=0A?="), NULL, REWRITE_SHOWN_CONTROL},
    {SV("=?utf-8?q?=00?="), NULL, REWRITE_SHOWN_CONTROL},
    {SV("=?utf-8?q?=E2=80=AE?="), NULL, REWRITE_SHOWN_CONTROL},
    {SV("\xc2\x85"), NULL, REWRITE_SHOWN_CONTROL},
};

static void what_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out;
        buf_init(&out, 3 + texts[i].raw.len, 0);
        assert_int_equal(buf_put(&out, SV("xyz")), 0); /* what is there stays */
        enum rewrite_shown verdict = rewrite_shown_text(texts[i].raw, &out);
        struct sv got = sv_skip(buf_view(&out), 3);
        if (verdict != texts[i].verdict || (texts[i].text && !sv_eq(got, sv_of(texts[i].text))))
            fail_msg("row %zu, %.*s: \"%.*s\", %d", i, SV_ARG(texts[i].raw), SV_ARG(got),
                     (int)verdict);
        buf_deinit(&out);
    }
}

/* text, the addresses in it, each with a space behind it */
static const char *const addresses[][2] = {
    {"", ""},
    {"Alice", ""},
    {"a@b.example", "a@b.example "},
    {"A <a@B.example> c@d.example", "a@b.example c@d.example "},
    {"'a@b.example'", "a@b.example "},
    {"(a@b.example).", "a@b.example "},
    {"mailto:a@b.example", "a@b.example "},
    {"..a@b.example..", "a@b.example "},
    {"a@b", ""},
    {"a @ b.example", ""},
    {"@b.example", ""},
    {"a@", ""},
    {"a@@b.example", ""},
    {"a@b..example", ""},
    {"a@b.example@c.example", "a@b.example b.example@c.example "},
    {"a@b\xc3\xbc.example", "a@xn--b-eha.example "},
    {"\xc3\xbc@b.example", "\xc3\xbc@b.example "},
    {"a@1.2", ""},
    {"a+b_c@d-e.example", "a+b_c@d-e.example "},
    {"a@-b.example", ""},
    /* what no domain may have beside what is read as one */
    {"a@b.example\xe2\x9c\x93", "a@b.example "},
    {"\xe2\x9c\x93"
     "a@b.example",
     "\xe2\x9c\x93"
     "a@b.example "},
    {"m\xfcller@b.example", "ller@b.example "},
    {"a@b.example\xff.more", "a@b.example "},
    {"a\xff@b.example", ""},
};

static void addresses_in_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct arena a;
        struct smtp_path path;
        struct sv rest = sv_of(addresses[i][0]);
        const char *got = "";
        arena_init(&a);
        while (rewrite_shown_next(&rest, &a, &path))
            got = arena_printf(&a, "%s%.*s ", got, SV_ARG(path.text));
        if (strcmp(got, addresses[i][1]) != 0)
            fail_msg("\"%s\": \"%s\"", addresses[i][0], got);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_seen),
                                       cmocka_unit_test(addresses_in_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
