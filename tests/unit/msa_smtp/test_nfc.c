#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/smtp/nfc.h"

static const struct row {
    const char *text, *nfc;
} rows[] = {
    {"", ""},
    {"alice", "alice"},
    {"j\xc3\xb6rg", "j\xc3\xb6rg"},
    {"jo\xcc\x88rg", "j\xc3\xb6rg"},
    {"A\xcc\x8a", "\xc3\x85"},
    {"\xe2\x84\xab", "\xc3\x85"}, /* the sign of the unit */
    {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"},
    {"a\xcc\xa7\xcc\x81", "\xc3\xa1\xcc\xa7"}, /* marks in their order */
    {"x\xff", "x\xff"},
    {"o\xcc\x88\xc3", "o\xcc\x88\xc3"},
    {"\xef\xac\x81", "\xef\xac\x81"}, /* a ligature is another character */
};

static void forms(void **state)
{
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sv got = smtp_nfc(sv_of(rows[i].text), out, sizeof out);
        if (!sv_eq(got, sv_of(rows[i].nfc)))
            fail_msg("row %zu: %.*s", i, SV_ARG(got));
    }
}

static void bounded(void **state)
{
    char out[4] = "zzz";
    struct sv text = SV("jo\xcc\x88rg"), grows = SV("\xe0\xa5\x98");
    (void)state;
    assert_true(sv_eq(smtp_nfc(text, out, 3), text));
    assert_true(sv_eq(smtp_nfc(grows, out, 4), grows)); /* three octets become six */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
