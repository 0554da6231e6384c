#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/date.h"

static const struct {
    int64_t wall_s;
    const char *text;
} rows[] = {
    {0, "Thu, 1 Jan 1970 00:00:00 +0000"},          {1785233472, "Tue, 28 Jul 2026 10:11:12 +0000"},
    {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"}, {-1, "Wed, 31 Dec 1969 23:59:59 +0000"},
    {INT64_MIN, "Mon, 1 Jan 1900 00:00:00 +0000"},  {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000"},
};

static void test_write(void **state)
{
    (void)state;
    char out[REWRITE_DATE_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(rewrite_date_write(out, rows[i].wall_s), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_write)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
