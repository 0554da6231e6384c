#include "msa/smtp/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void readings(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_s;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:01z", 1},
        {"1969-12-31T23:59:59Z", -1},
        {"2000-02-29T12:00:00Z", 951825600},
        {"2026-11-28T05:00:00Z", 1795842000},
        {"2026-11-28T05:00:00+02:00", 1795834800},
        {"2026-11-28T05:00:00-05:30", 1795861800},
        {"2016-12-31T23:59:60Z", 1483228800},
        {"0000-01-01T00:00:00Z", -62167219200},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"2100-03-01T00:00:00Z", 4107542400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = 7;
        if (!smtp_timestamp_parse(sv_of(rows[i].text), &got) || got != rows[i].wall_s)
            fail_msg("%s: %lld", rows[i].text, (long long)got);
    }
}

static void refusals(void **state)
{
    static const char *const rows[] = {
        "",
        "2026-11-28",
        "2026-11-28T05:00:00",
        "2026-11-28 05:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "2026-04-01T24:00:00Z",
        "2026-04-01T00:60:00Z",
        "2026-04-01T00:00:61Z",
        "2026-04-01T00:00:00.5Z",
        "2026-04-01T00:00:00Zx",
        "2026-04-01T00:00:00+24:00",
        "2026-04-01T00:00:00+0100",
        "2026-04-01T00:00:00+01:60",
        "+026-04-01T00:00:00Z",
        "20260-04-01T00:00:00Z",
    };
    int64_t got;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (smtp_timestamp_parse(sv_of(rows[i]), &got))
            fail_msg("%s", rows[i]);
}

/* Each day of 400 years, there and back. */
static void back_and_forth(void **state)
{
    char text[SMTP_TIMESTAMP_MAX];
    (void)state;
    for (int64_t day = -10000; day < 146097; day++) {
        int64_t got = 0, s = day * 86400 + (day & 0xffff);
        assert_true(smtp_timestamp_parse(sv_of(smtp_timestamp_write(text, s)), &got));
        assert_true(got == s);
    }
    assert_string_equal(smtp_timestamp_write(text, INT64_MAX), "9999-12-31T23:59:59Z");
    assert_string_equal(smtp_timestamp_write(text, INT64_MIN), "0000-01-01T00:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readings), cmocka_unit_test(refusals),
                                       cmocka_unit_test(back_and_forth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
