#include "msa/smtp/idn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BAD      "!"
#define TOO_LONG "!!"

#define A5   "aaaaa"
#define A55  A5 A5 A5 A5 A5 A5 A5 A5 A5 A5 A5
#define GO5  "語語語語語"
#define GO50 GO5 GO5 GO5 GO5 GO5 GO5 GO5 GO5 GO5 GO5

/* label, what it becomes */
static const char *const rows[][2] = {
    /* U-labels */
    {"bücher", "xn--bcher-kva"},
    {"Bücher", "xn--bcher-kva"},
    {"BÜCHER", "xn--bcher-kva"},
    {"bu\xcc\x88"
     "cher",
     "xn--bcher-kva"}, /* decomposed */
    {"faß", "xn--fa-hia"},
    {"ς", "xn--3xa"},
    {"日本語", "xn--wgv71a119e"},
    {"かな", "xn--u8j2c"},
    {"ア・イ", "xn--ccke4x"},
    {"l·l", "xn--ll-0ea"},
    {"אבג", "xn--4dbcd"},
    {"אבג0", "xn--0-zhcde"},
    {"مثال", "xn--mgbh0fb"},
    {"क्\xe2\x80\x8dष", "xn--11b2ezcw70k"}, /* ZWJ behind a virama */
    {"аpple", "xn--pple-43d"},             /* Cyrillic a: another name, and seen as one */
    /* none by IDNA 2008 */
    {"☕", BAD},
    {"i❤", BAD},
    {"😀", BAD},
    {"€", BAD},
    {"\xcc\x88"
     "bu",
     BAD}, /* combining mark first */
    {"0אבג", BAD},
    {"אבגa", BAD},
    {"aאבג", BAD},
    {"٠۰", BAD},
    {"a\xe2\x80\x8d"
     "b",
     BAD}, /* ZWJ elsewhere */
    {"-ü", BAD},
    {"ü-", BAD},
    {"aa--ü", BAD},
    {"xn--ü", BAD},
    {"a\xe1\x85\x9f"
     "b",
     BAD}, /* Hangul filler */
    {"\xc2\x80", BAD},
    {"\xc3", BAD},
    {"\xed\xa0\x80", BAD},
    {"\xc0\xaf", BAD},
    /* ASCII in disguise */
    {"ｅxample", BAD},
    {"ｘn--bcher-kva", "xn--bcher-kva"},
    {"ex\xc2\xad"
     "ample",
     BAD}, /* soft hyphen */
    {"ex\xe2\x80\x8b"
     "ample",
     BAD}, /* zero width space */
    {"\xc2\xad", BAD},
    {"ﬁ", BAD},
    {"ⅷ", BAD},
    {"①", BAD},
    {"１２３", BAD},
    {"\xe2\x84\xaa", BAD}, /* Kelvin sign */
    {"℀", BAD},
    {"ü。example", BAD},
    {"ü．example", BAD},
    {"ü＿", BAD},
    {"ü／", BAD},
    /* A-labels */
    {"xn--bcher-kva", "xn--bcher-kva"},
    {"XN--BCHER-KVA", "xn--bcher-kva"},
    {"Xn--Fa-hIa", "xn--fa-hia"},
    {"xn--mgbh0fb", "xn--mgbh0fb"},
    {"xn--", BAD},
    {"xn--0", BAD},
    {"xn--a", BAD},
    {"xn--a-", BAD},
    {"xn--abc-", BAD},
    {"xn--aaaaaa", BAD},
    {"xn--ls8h", BAD},
    {"xn--n3h", BAD},
    {"xn--zz--zz", BAD},
    {"xn--xn---epa", BAD},
    {"xn--99999999999", BAD},
    /* lengths: 63 octets as an A-label, and one more */
    {"ü" A55, "xn--" A55 "-oxf"},
    {"ü" A55 "a", TOO_LONG},
    {GO50 GO5 "語", "xn--i42" A55 "a"},
    {GO50 GO5 "語語", TOO_LONG},
    {GO50 GO50 GO50, TOO_LONG},
};

static void labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[SMTP_LABEL_MAX];
        size_t len = 999;
        const char *want = rows[i][1];
        assert_true(smtp_idn_concerns(sv_of(rows[i][0])));
        int err = smtp_idn_label(sv_of(rows[i][0]), out, &len);
        int wanted = strcmp(want, BAD) == 0        ? ERR_SYNTAX
                     : strcmp(want, TOO_LONG) == 0 ? ERR_FULL
                                                   : 0;
        if (err != wanted)
            fail_msg("%s: %d, not %d (%.*s)", rows[i][0], err, wanted, err == 0 ? (int)len : 0,
                     out);
        if (err == 0 && !sv_eq((struct sv){out, len}, sv_of(want)))
            fail_msg("%s: became %.*s", rows[i][0], (int)len, out);
        if (err < 0)
            assert_int_equal(len, 999);
    }
}

static void plain_labels_are_no_concern(void **state)
{
    (void)state;
    assert_false(smtp_idn_concerns(SV("example")));
    assert_false(smtp_idn_concerns(SV("ab--cd")));
    assert_false(smtp_idn_concerns(SV("axn--b")));
    assert_false(smtp_idn_concerns(SV("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(plain_labels_are_no_concern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
