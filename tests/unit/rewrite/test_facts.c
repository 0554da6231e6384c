#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/facts.h"

#include <stdio.h>
#include <string.h>

static struct rewrite_facts facts_of(struct sv section)
{
    struct rewrite_facts f = {0};
    struct rewrite_field field;
    size_t at = 0;
    while (rewrite_fields_next(section, &at, &field))
        rewrite_facts_note(&f, section, &field);
    return f;
}

static void test_presence(void **state)
{
    (void)state;
    struct rewrite_facts f = facts_of(SV("Subject: x\r\nX-Date: y\r\n"));
    assert_false(f.has_date || f.has_message_id || f.has_from || f.tls_required_no);
    assert_string_equal(f.message_id, "");
    assert_string_equal(f.solicitation, "");
    f = facts_of(SV("DATE: x\r\nfrom:\r\nMessage-id:\r\n <a@\r\n\tb> \r\nMessage-ID: <c@d>\r\n"));
    assert_true(f.has_date && f.has_message_id && f.has_from);
    assert_string_equal(f.message_id, "<a@b>");

    char big[1000];
    snprintf(big, sizeof(big), "Message-ID: %0900d\r\n", 1);
    f = facts_of(sv_of(big));
    assert_int_equal(strlen(f.message_id), REWRITE_MESSAGE_ID_MAX - 1);
}

static void test_tls_required(void **state)
{
    (void)state;
    static const struct {
        struct sv section;
        bool no;
    } cases[] = {
        {SV("TLS-Required: No\r\n"), true},
        {SV("tls-required:no\r\n"), true},
        {SV("TLS-Required:\r\n  NO \t\r\n"), true},
        {SV("TLS-Required: No"), true},
        {SV("TLS-Required: Yes\r\n"), false},
        {SV("TLS-Required:\r\n"), false},
        {SV("TLS-Required: No (really)\r\n"), false},
        {SV("TLS-Required: No, No\r\n"), false},
        {SV("TLS-Required: N o\r\n"), false},
        {SV("TLS-Required: No\r\nTLS-Required: No\r\n"), false},
        {SV("TLS-Required: Yes\r\nTLS-Required: No\r\n"), false},
        {SV("TLS-Required: No\r\nX: y\r\nTLS-Required: No\r\nTLS-Required: No\r\n"), false},
        {SV("X-TLS-Required: No\r\n"), false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(facts_of(cases[i].section).tls_required_no, cases[i].no);
}

static void test_solicitation(void **state)
{
    (void)state;
    static const struct {
        struct sv section;
        const char *keywords;
    } cases[] = {
        {SV("Solicitation: net.example:ADV\r\n"), "net.example:ADV"},
        {SV("solicitation:net.example:ADV,org.example:ADV:ADLT\r\n"),
         "net.example:ADV,org.example:ADV:ADLT"},
        {SV("Solicitation: net.example:ADV ,\r\n\torg.example:ADV:ADLT \r\n"),
         "net.example:ADV,org.example:ADV:ADLT"},
        {SV("Solicitation: n-e_t.9:A"), "n-e_t.9:A"},
        {SV("Solicitation: a:b\r\nSolicitation: c:d\r\n"), "a:b"},
        {SV("Solicitation: ?\r\nSolicitation: c:d\r\n"), ""},
        {SV("Solicitation:\r\n"), ""},
        {SV("Solicitation: a:b,\r\n"), ""},
        {SV("Solicitation: ,a:b\r\n"), ""},
        {SV("Solicitation: a:b,,c:d\r\n"), ""},
        {SV("Solicitation: 9.a:b\r\n"), ""},
        {SV("Solicitation: a:b c:d\r\n"), ""},
        {SV("Solicitation: a:b (x)\r\n"), ""},
        {SV("Solicitation: a:\303\274\r\n"), ""},
        {SV("Solicitation: a:b\0\r\n"), ""},
        {SV("Solicitation: free text\r\n"), ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(facts_of(cases[i].section).solicitation, cases[i].keywords);

    char field[2000];
    for (int n = 990; n < 1010; n++) {
        snprintf(field, sizeof(field), "Solicitation: a:%0*d,b:c\r\n", n - 6, 0);
        struct rewrite_facts f = facts_of(sv_of(field));
        assert_int_equal(strlen(f.solicitation), n <= SMTP_SOLICIT_MAX ? n : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_presence),
                                       cmocka_unit_test(test_tls_required),
                                       cmocka_unit_test(test_solicitation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
