#include "msa/base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

struct good {
    const char *text;
    int64_t value;
    const char *written;
};

static void times_are_read_and_written(void **state)
{
    static const struct good cases[] = {
        {"1s", 1, "1s"},       {"90s", 90, "90s"},     {"60s", 60, "1m"},    {"5m", 300, "5m"},
        {"2h", 7200, "2h"},    {"5d", 432000, "5d"},   {"7d", 604800, "1w"}, {"0s", 0, "0s"},
        {"00010s", 10, "10s"}, {"36h", 129600, "36h"},
    };
    char buf[CONF_UNIT_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = -1;
        assert_true(conf_parse_time(sv_of(cases[i].text), &value));
        assert_int_equal(value, cases[i].value);
        assert_string_equal(conf_time_text(value, buf), cases[i].written);
    }
}

static void sizes_are_read_and_written(void **state)
{
    static const struct good cases[] = {
        {"0", 0, "0"},
        {"1", 1, "1"},
        {"1024", 1024, "1K"},
        {"1536", 1536, "1536"},
        {"50M", 52428800, "50M"},
        {"1024M", 1073741824, "1G"},
        {"8191P", 0, NULL},
        {"8589934591G", INT64_C(8589934591) << 30, "8589934591G"},
    };
    char buf[CONF_UNIT_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = -1;
        assert_int_equal(conf_parse_size(sv_of(cases[i].text), &value), cases[i].written != NULL);
        if (cases[i].written) {
            assert_int_equal(value, cases[i].value);
            assert_string_equal(conf_size_text(value, buf), cases[i].written);
        }
    }
}

static void bad_units_are_refused(void **state)
{
    static const char *const times[] = {"",
                                        "5",
                                        "m",
                                        "-5m",
                                        "+5m",
                                        "5 m",
                                        " 5m",
                                        "5M",
                                        "5x",
                                        "5mm",
                                        "0x5m",
                                        "1.5h",
                                        "1h30m",
                                        "9223372036854775807m",
                                        "99999999999999999999s"};
    static const char *const sizes[] = {
        "",   "M", "-1", "5k", "5MB", "5 M", "1.5M", "0x10", "9223372036854775808", "8589934592G",
        "25%"};
    int64_t value = 77;
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        assert_false(conf_parse_time(sv_of(times[i]), &value));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_false(conf_parse_size(sv_of(sizes[i]), &value));
    assert_int_equal(value, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(sizes_are_read_and_written),
        cmocka_unit_test(bad_units_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
