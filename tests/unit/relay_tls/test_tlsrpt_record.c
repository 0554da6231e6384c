#include "relay/tls/tlsrpt_record.h"

#include <stdio.h>
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

static const struct {
    const char *what;
    struct sv texts[2];
    size_t n;
    const char *targets;
} rows[] = {
    {"mailto", {LIT("v=TLSRPTv1;rua=mailto:reports@example.com")}, 1, "reports@example.com;"},
    {"https",
     {LIT("v=TLSRPTv1; rua=https://r.example.com/v1/tlsrpt")},
     1,
     "r.example.com:443/v1/tlsrpt;"},
    {"both",
     {LIT("v=TLSRPTv1 ; rua=mailto:a@b.test , HTTPS://h.test:8443?x=y#z ; ext=1;")},
     1,
     "a@b.test;h.test:8443/?x=y;"},
    {"percent", {LIT("v=TLSRPTv1;rua=mailto:a%21b@c.test?subject=x")}, 1, "a!b@c.test;"},
    {"the first rua", {LIT("v=TLSRPTv1;rua=mailto:a@b;rua=mailto:c@d")}, 1, "a@b;"},
    {"no path", {LIT("v=TLSRPTv1;rua=https://h.test")}, 1, "h.test:443/;"},
    {"among others", {LIT("v=spf1"), LIT("v=TLSRPTv1;rua=mailto:a@b")}, 2, "a@b;"},
    {"more than are looked at",
     {LIT("v=TLSRPTv1;rua=mailto:1@b,mailto:2@b,mailto:3@b,mailto:4@b,mailto:5@b")},
     1,
     "1@b;2@b;3@b;4@b;"},
    {"left out",
     {LIT("v=TLSRPTv1;rua=http://h/,ftp://x,mailto:,mailto:a@,mailto:@b,mailto:a%0d@b,"
          "mailto:a%zz@b,mailto:a@b%3e,https://,https://u@h/,https://h:0/,"
          "https://h:99999/,https://-h/,https://h..x/,mailto:a%20b@c,good,mailto:x@y")},
     1,
     "x@y;"},
    {"CR and NUL", {LIT("v=TLSRPTv1;rua=mailto:a@b\r\nBcc: c@d")}, 1, ""},
    {"NUL", {LIT("v=TLSRPTv1;rua=mailto:a\0@b")}, 1, ""},
    {"none", {LIT("v=spf1")}, 1, ""},
    {"empty", {LIT("")}, 0, ""},
    {"two", {LIT("v=TLSRPTv1;rua=mailto:a@b"), LIT("v=TLSRPTv1;rua=mailto:a@b")}, 2, ""},
    {"version", {LIT("v=TLSRPTv10;rua=mailto:a@b")}, 1, ""},
    {"case", {LIT("v=tlsrptv1;rua=mailto:a@b")}, 1, ""},
    {"no rua", {LIT("v=TLSRPTv1;")}, 1, ""},
    {"bad field", {LIT("v=TLSRPTv1;rua=mailto:a@b;rubbish")}, 1, ""},
    {"bad field value", {LIT("v=TLSRPTv1;rua=mailto:a@b;x=y=z")}, 1, ""},
    {"bad field name", {LIT("v=TLSRPTv1;rua=mailto:a@b;-x=1")}, 1, ""},
    {"exclamation", {LIT("v=TLSRPTv1;rua=mailto:a@b!10m")}, 1, ""},
};

static void test_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tlsrpt_target t[TLSRPT_TARGETS_MAX];
        struct arena a;
        char got[500] = "";
        arena_init(&a);
        print_message("%s\n", rows[i].what);
        size_t n = tlsrpt_record_targets(rows[i].texts, rows[i].n, &a, t);
        for (size_t k = 0; k < n; k++)
            if (t[k].mailbox)
                snprintf(got + strlen(got), sizeof got - strlen(got), "%s;", t[k].mailbox);
            else
                snprintf(got + strlen(got), sizeof got - strlen(got), "%s:%u%s;", t[k].host,
                         t[k].port, t[k].path);
        assert_string_equal(got, rows[i].targets);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
