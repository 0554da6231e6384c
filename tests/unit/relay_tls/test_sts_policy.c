#include "relay/tls/sts_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s)              \
    {                       \
        "" s, sizeof(s) - 1 \
    }
#define L16 "aaaaaaaaaaaaaaaa"
#define L63 L16 L16 L16 "aaaaaaaaaaaaaaa"

/* ---- policies ---- */

static const struct {
    const char *what;
    struct sv text;
    enum sts_mode mode;
    uint32_t max_age_s;
    const char *mx;    /* patterns, a space between them */
    const char *lines; /* joined by "|" */
} policies[] = {
    {"the RFC's example",
     LIT("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
         "mx: backupmx.example.com\r\nmax_age: 604800\r\n"),
     STS_MODE_ENFORCE, 604800, "mail.example.com *.example.net backupmx.example.com",
     "version: STSv1|mode: enforce|mx: mail.example.com|mx: *.example.net|"
     "mx: backupmx.example.com|max_age: 604800"},
    {"LF, no space, no end", LIT("version:STSv1\nmode:testing\nmax_age:0\nmx:a"), STS_MODE_TESTING,
     0, "a", "version:STSv1|mode:testing|max_age:0|mx:a"},
    {"any order, WSP at line ends, empty lines",
     LIT("mx: A.Example \r\nmax_age:\t86400\t\r\n\r\nmode: enforce\r\nversion: STSv1\r\n \r\n\r\n"),
     STS_MODE_ENFORCE, 86400, "a.example",
     "mx: A.Example|max_age:\t86400|mode: enforce|version: STSv1"},
    {"none needs no mx", LIT("version: STSv1\nmode: none\nmax_age: 86400\n"), STS_MODE_NONE, 86400,
     "", "version: STSv1|mode: none|max_age: 86400"},
    {"unknown fields",
     LIT("version: STSv1\nmode: enforce\nx_y-z.1: a: \xc3\xa4 b\nmx: a\nmax_age: 1\n"),
     STS_MODE_ENFORCE, 1, "a",
     "version: STSv1|mode: enforce|x_y-z.1: a: \xc3\xa4 b|mx: a|max_age: 1"},
    {"names of fields have a case",
     LIT("version: STSv1\nMode: none\nmode: enforce\nmx: a\nmax_age: 1\n"), STS_MODE_ENFORCE, 1,
     "a", "version: STSv1|Mode: none|mode: enforce|mx: a|max_age: 1"},
    {"the first counts",
     LIT("version: STSv1\nmode: enforce\nmode: none\nversion: x\nmx: a\nmax_age: 5\nmax_age: x\n"),
     STS_MODE_ENFORCE, 5, "a",
     "version: STSv1|mode: enforce|mode: none|version: x|mx: a|max_age: 5|max_age: x"},
    {"max_age above the bound", LIT("version: STSv1\nmode: enforce\nmx: a\nmax_age: 9999999999\n"),
     STS_MODE_ENFORCE, STS_MAX_AGE_S, "a",
     "version: STSv1|mode: enforce|mx: a|max_age: 9999999999"},
    {"labels of 63, digits, hyphens",
     LIT("version: STSv1\nmode: enforce\nmx: *." L63 ".1-2.3\nmax_age: 1\n"), STS_MODE_ENFORCE, 1,
     "*." L63 ".1-2.3", "version: STSv1|mode: enforce|mx: *." L63 ".1-2.3|max_age: 1"},
};

static const struct {
    const char *what;
    struct sv text;
    const char *wrong;
} faults[] = {
    {"nothing", LIT(""), "it has no version"},
    {"an error page", LIT("<html><body>404</body></html>\n"),
     "a line is not of the form \"name: value\""},
    {"no version", LIT("mode: none\nmax_age: 1\n"), "it has no version"},
    {"another version", LIT("version: STSv2\nmode: none\nmax_age: 1\n"),
     "its version is not STSv1"},
    {"version in lower case", LIT("version: stsv1\nmode: none\nmax_age: 1\n"),
     "its version is not STSv1"},
    {"no mode", LIT("version: STSv1\nmx: a\nmax_age: 1\n"), "it has no mode"},
    {"mode with a case", LIT("version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n"),
     "its mode is none of none, testing and enforce"},
    {"no max_age", LIT("version: STSv1\nmode: none\n"), "it has no max_age"},
    {"max_age of 11 digits", LIT("version: STSv1\nmode: none\nmax_age: 00000000001\n"),
     "its max_age is no number of 1 to 10 digits"},
    {"negative max_age", LIT("version: STSv1\nmode: none\nmax_age: -1\n"),
     "its max_age is no number of 1 to 10 digits"},
    {"max_age with a unit", LIT("version: STSv1\nmode: none\nmax_age: 1d\n"),
     "its max_age is no number of 1 to 10 digits"},
    {"empty value", LIT("version: STSv1\nmode: none\nmax_age:\n"),
     "a line is not of the form \"name: value\""},
    {"no mx", LIT("version: STSv1\nmode: enforce\nmax_age: 1\n"), "it has no mx"},
    {"no mx in testing", LIT("version: STSv1\nmode: testing\nmax_age: 1\n"), "it has no mx"},
    {"space before the field", LIT(" version: STSv1\nmode: none\nmax_age: 1\n"),
     "a line is not of the form \"name: value\""},
    {"space before the colon", LIT("version : STSv1\nmode: none\nmax_age: 1\n"),
     "a line is not of the form \"name: value\""},
    {"name too long", LIT("version: STSv1\nmode: none\nmax_age: 1\n" L16 L16 "a: b\n"),
     "a line is not of the form \"name: value\""},
    {"NUL", LIT("version: STSv1\nmode: none\nmax_age: 1\nx: a\0b\n"),
     "a line holds control characters or is not UTF-8"},
    {"NUL in the mode", LIT("version: STSv1\nmode: none\0\nmax_age: 1\n"),
     "a line holds control characters or is not UTF-8"},
    {"bare CR", LIT("version: STSv1\rmode: none\rmax_age: 1\r"),
     "a line holds control characters or is not UTF-8"},
    {"not UTF-8", LIT("version: STSv1\nmode: none\nmax_age: 1\nx: \xe4\n"),
     "a line holds control characters or is not UTF-8"},
    {"mx: a wildcard inside", LIT("version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: everything", LIT("version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: half a label", LIT("version: STSv1\nmode: enforce\nmx: a*.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: dot in front", LIT("version: STSv1\nmode: enforce\nmx: .a.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: dot at the end", LIT("version: STSv1\nmode: enforce\nmx: a.b.\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: two", LIT("version: STSv1\nmode: enforce\nmx: a.b, c.d\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: U-label", LIT("version: STSv1\nmode: enforce\nmx: \xc3\xa4.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: label of 64", LIT("version: STSv1\nmode: enforce\nmx: " L63 "a.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"mx: hyphen at an end", LIT("version: STSv1\nmode: enforce\nmx: -a.b\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
    {"a bad mx beside a good one",
     LIT("version: STSv1\nmode: enforce\nmx: a\nmx: b_c\nmax_age: 1\n"),
     "an mx is neither a domain name nor \"*.\" and one"},
};

static char *join(struct arena *a, const char *const *items, size_t n, const char *between)
{
    char *text = arena_str(a, SV(""));
    for (size_t i = 0; i < n; i++)
        text = arena_printf(a, "%s%s%s", text, i ? between : "", items[i]);
    return text;
}

static void test_policies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct arena a;
        struct sts_policy p;
        const char *wrong;
        arena_init(&a);
        print_message("%s\n", policies[i].what);
        assert_int_equal(sts_policy_parse(policies[i].text, &a, &p, &wrong), 0);
        assert_null(wrong);
        assert_int_equal(p.mode, policies[i].mode);
        assert_int_equal(p.max_age_s, policies[i].max_age_s);
        assert_string_equal(join(&a, p.mx, p.nmx, " "), policies[i].mx);
        assert_string_equal(join(&a, p.lines, p.nlines, "|"), policies[i].lines);
        arena_deinit(&a);
    }
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct arena a;
        struct sts_policy p;
        const char *wrong;
        arena_init(&a);
        print_message("%s\n", faults[i].what);
        assert_int_equal(sts_policy_parse(faults[i].text, &a, &p, &wrong), ERR_SYNTAX);
        assert_string_equal(wrong, faults[i].wrong);
        arena_deinit(&a);
    }
}

/* A policy of n mx lines and a field of filler bytes. */
static int parse_long(size_t n, size_t filler, const char **wrong_out)
{
    struct arena a;
    struct sts_policy p;
    char *text = malloc(n * 8 + filler + 100);
    size_t len = (size_t)sprintf(text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
    for (size_t i = 0; i < n; i++)
        len += (size_t)sprintf(text + len, "mx: a.b\n");
    if (filler) {
        memcpy(text + len, "x: ", 3);
        memset(text + len + 3, 'y', filler - 3);
        len += filler;
    }
    arena_init(&a);
    int err = sts_policy_parse((struct sv){text, len}, &a, &p, wrong_out);
    arena_deinit(&a);
    free(text);
    return err;
}

static void test_bounds(void **state)
{
    const char *wrong;
    size_t head = strlen("version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.b\n");
    (void)state;
    assert_int_equal(parse_long(STS_POLICY_MX_MAX, 0, &wrong), 0);
    assert_int_equal(parse_long(STS_POLICY_MX_MAX + 1, 0, &wrong), ERR_SYNTAX);
    assert_string_equal(wrong, "it has too many mx lines");
    assert_int_equal(parse_long(1, STS_POLICY_MAX_BYTES - head, &wrong), 0);
    assert_int_equal(parse_long(1, STS_POLICY_MAX_BYTES - head + 1, &wrong), ERR_SYNTAX);
    assert_string_equal(wrong, "it is longer than 64 KiB");
}

/* ---- hosts ---- */

static void test_allows(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool allowed;
    } rows[] = {
        {"mail.example.com", "mail.example.com", true},
        {"mail.example.com", "MAIL.example.com", true},
        {"mail.example.com", "mail.example.net", false},
        {"mail.example.com", "a.mail.example.com", false},
        {"mail.example.com", "xmail.example.com", false},
        {"mail.example.com", "", false},
        {"*.example.com", "mail.example.com", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "foo.bar.example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "mailexample.com", false},
        {"*.example.com", "mail.example.com.evil.test", false},
        {"*.example.com", "", false},
        {"*.com", "example.com", true},
        {"*.com", "com", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *mx[] = {"other.test", rows[i].pattern};
        struct sts_policy p = {.mode = STS_MODE_ENFORCE, .mx = mx, .nmx = 2};
        print_message("%s %s\n", rows[i].pattern, rows[i].host);
        assert_int_equal(sts_policy_allows(&p, rows[i].host), rows[i].allowed);
    }
    struct sts_policy none = {.mode = STS_MODE_NONE};
    assert_false(sts_policy_allows(&none, "mail.example.com"));
}

/* ---- records ---- */

static void test_records(void **state)
{
    static const struct {
        const char *what;
        struct sv texts[3];
        size_t n;
        enum sts_record found;
        const char *id;
    } rows[] = {
        {"the RFC's",
         {LIT("v=STSv1; id=20160831085700Z;")},
         1,
         STS_RECORD_FOUND,
         "20160831085700Z"},
        {"no space, no end", {LIT("v=STSv1;id=1")}, 1, STS_RECORD_FOUND, "1"},
        {"WSP around", {LIT("v=STSv1 \t; id=Ab1 \t;\t")}, 1, STS_RECORD_FOUND, "Ab1"},
        {"extensions", {LIT("v=STSv1; a.b-c_d=x:<>~!; id=1; q=@")}, 1, STS_RECORD_FOUND, "1"},
        {"the first id", {LIT("v=STSv1; id=1; id=2")}, 1, STS_RECORD_FOUND, "1"},
        {"id of 32", {LIT("v=STSv1; id=" L16 L16)}, 1, STS_RECORD_FOUND, L16 L16},
        {"among others",
         {LIT("v=spf1 -all"), LIT("v=STSv1; id=7"), LIT("v=STSv2; id=8")},
         3,
         STS_RECORD_FOUND,
         "7"},
        {"nothing", {LIT("")}, 0, STS_RECORD_NONE, ""},
        {"empty", {LIT("")}, 1, STS_RECORD_NONE, ""},
        {"something else", {LIT("v=spf1 -all")}, 1, STS_RECORD_NONE, ""},
        {"longer version", {LIT("v=STSv10; id=1")}, 1, STS_RECORD_NONE, ""},
        {"case of the version", {LIT("v=stsv1; id=1")}, 1, STS_RECORD_NONE, ""},
        {"case of v", {LIT("V=STSv1; id=1")}, 1, STS_RECORD_NONE, ""},
        {"space in front", {LIT(" v=STSv1; id=1")}, 1, STS_RECORD_NONE, ""},
        {"version alone", {LIT("v=STSv1")}, 1, STS_RECORD_NONE, ""},
        {"not first", {LIT("id=1; v=STSv1")}, 1, STS_RECORD_NONE, ""},
        {"two", {LIT("v=STSv1; id=1"), LIT("v=STSv1; id=1")}, 2, STS_RECORD_INVALID, ""},
        {"a good and a bad one",
         {LIT("v=STSv1; id=1"), LIT("v=STSv1;")},
         2,
         STS_RECORD_INVALID,
         ""},
        {"no id", {LIT("v=STSv1;")}, 1, STS_RECORD_INVALID, ""},
        {"only others", {LIT("v=STSv1; a=b")}, 1, STS_RECORD_INVALID, ""},
        {"empty id", {LIT("v=STSv1; id=;")}, 1, STS_RECORD_INVALID, ""},
        {"id of 33", {LIT("v=STSv1; id=" L16 L16 "a")}, 1, STS_RECORD_INVALID, ""},
        {"id with a hyphen", {LIT("v=STSv1; id=2016-01")}, 1, STS_RECORD_INVALID, ""},
        {"id with NUL", {LIT("v=STSv1; id=1\0")}, 1, STS_RECORD_INVALID, ""},
        {"Id", {LIT("v=STSv1; Id=1")}, 1, STS_RECORD_INVALID, ""},
        {"space at =", {LIT("v=STSv1; id =1")}, 1, STS_RECORD_INVALID, ""},
        {"empty field", {LIT("v=STSv1;; id=1")}, 1, STS_RECORD_INVALID, ""},
        {"empty fields at the end", {LIT("v=STSv1; id=1;;")}, 1, STS_RECORD_INVALID, ""},
        {"space in a value", {LIT("v=STSv1; id=1; a=b c")}, 1, STS_RECORD_INVALID, ""},
        {"8 bit", {LIT("v=STSv1; id=1; a=\xc3\xa4")}, 1, STS_RECORD_INVALID, ""},
        {"an error behind the id", {LIT("v=STSv1; id=1; rubbish")}, 1, STS_RECORD_INVALID, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char id[STS_ID_MAX + 1] = "x";
        print_message("%s\n", rows[i].what);
        assert_int_equal(sts_record_find(rows[i].texts, rows[i].n, id), rows[i].found);
        assert_string_equal(id, rows[i].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_allows),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
