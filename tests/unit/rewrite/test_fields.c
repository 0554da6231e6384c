#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/fields.h"

static const struct {
    struct sv line;
    enum rewrite_line_kind kind;
    const char *name;
} lines[] = {
    {SV(""), REWRITE_LINE_END, NULL},
    {SV("Subject: x"), REWRITE_LINE_FIELD, "Subject"},
    {SV("Subject:"), REWRITE_LINE_FIELD, "Subject"},
    {SV("Subject \t: obsolete"), REWRITE_LINE_FIELD, "Subject"},
    {SV("X-!#$%~: y"), REWRITE_LINE_FIELD, "X-!#$%~"},
    {SV(" folded: x"), REWRITE_LINE_FOLD, NULL},
    {SV("\tfolded"), REWRITE_LINE_FOLD, NULL},
    {SV("no colon"), REWRITE_LINE_NO_COLON, NULL},
    {SV(": no name"), REWRITE_LINE_BAD_NAME, NULL},
    {SV("two words: x"), REWRITE_LINE_BAD_NAME, NULL},
    {SV("From joe Tue Jul 28 10:11:12 2026"), REWRITE_LINE_BAD_NAME, NULL},
    {SV("S\303\274bject: x"), REWRITE_LINE_BAD_NAME, NULL},
    {SV("a\0b: x"), REWRITE_LINE_BAD_NAME, NULL},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct sv name = SV_NONE;
        assert_int_equal(rewrite_fields_line(lines[i].line, &name), lines[i].kind);
        assert_true(sv_eq(name, sv_of(lines[i].name)));
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(rewrite_fields_kind(SV("message-id")), REWRITE_FIELD_MESSAGE_ID);
    assert_int_equal(rewrite_fields_kind(SV("DATE")), REWRITE_FIELD_DATE);
    assert_int_equal(rewrite_fields_kind(SV("resent-REPLY-to")), REWRITE_FIELD_RESENT_REPLY_TO);
    assert_int_equal(rewrite_fields_kind(SV("To")), REWRITE_FIELD_TO);
    assert_int_equal(rewrite_fields_kind(SV("tls-required")), REWRITE_FIELD_TLS_REQUIRED);
    assert_int_equal(rewrite_fields_kind(SV("Solicitation")), REWRITE_FIELD_SOLICITATION);
    assert_int_equal(rewrite_fields_kind(SV("T")), REWRITE_FIELD_OTHER);
    assert_int_equal(rewrite_fields_kind(SV("Dated")), REWRITE_FIELD_OTHER);
    assert_int_equal(rewrite_fields_kind(SV("")), REWRITE_FIELD_OTHER);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const hold[] = {
        "From",        "Sender",        "Reply-To",        "To",        "Cc",        "Bcc",
        "Resent-From", "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc"};
    size_t count = 0;
    for (unsigned k = REWRITE_FIELD_OTHER; k < REWRITE_FIELD_KINDS; k++)
        count += rewrite_fields_is_address((enum rewrite_field_kind)k);
    assert_int_equal(count, 12);
    for (size_t i = 0; i < 12; i++) {
        enum rewrite_field_kind kind = rewrite_fields_kind(sv_of(hold[i]));
        assert_true(rewrite_fields_is_address(kind));
        assert_string_equal(rewrite_fields_name(kind), hold[i]);
    }
}

static void test_next(void **state)
{
    (void)state;
    struct sv section = SV("Received: a\r\n b\r\n\tc\r\ndate : x\r\nX:\r\n\r\nbody: no\r\n");
    static const struct {
        size_t start, end, value;
        enum rewrite_field_kind kind;
    } want[] = {
        {0, 21, 9, REWRITE_FIELD_RECEIVED},
        {21, 31, 27, REWRITE_FIELD_DATE},
        {31, 35, 33, REWRITE_FIELD_OTHER},
    };
    size_t at = 0;
    struct rewrite_field f;
    for (size_t i = 0; i < 3; i++) {
        assert_true(rewrite_fields_next(section, &at, &f));
        assert_int_equal(f.start, want[i].start);
        assert_int_equal(f.end, want[i].end);
        assert_int_equal(f.value, want[i].value);
        assert_int_equal(f.kind, want[i].kind);
    }
    assert_false(rewrite_fields_next(section, &at, &f));
    at = 0;
    assert_false(rewrite_fields_next(SV_NONE, &at, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_next),
                                       cmocka_unit_test(test_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
