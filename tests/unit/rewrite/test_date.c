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

/* text NULL: no date-time */
static const struct {
    const char *in;
    const char *read;
} readings[] = {
    {" Tue, 28 Jul 2026 10:11:12 +0000\r\n", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Tue, 28 Jul 2026 10:11:12 +0200", "Tue, 28 Jul 2026 08:11:12 +0000"},
    {"Tue, 28 Jul 2026 10:11:12 -0730", "Tue, 28 Jul 2026 17:41:12 +0000"},
    {"28 Jul 2026 10:11 +0000", "Tue, 28 Jul 2026 10:11:00 +0000"},
    {"Tue, 28 Jul 2026 10:11:12 +0200 (CEST)", "Tue, 28 Jul 2026 08:11:12 +0000"},
    {"tue, 28 JUL 2026 10:11:12 gmt", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Tue,28 Jul 2026 10:11:12 -0000", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Tue,  1 Jan 2030 00:00:00 +0000", "Tue, 1 Jan 2030 00:00:00 +0000"},
    {"Tue, 01 Jan 2030 00:00:00 +0000", "Tue, 1 Jan 2030 00:00:00 +0000"},
    {"Tue,\r\n 28 Jul\r\n\t2026 10:11:12\r\n +0000\r\n", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Mon, 28 Jul 2026 10:11:12 +0000", "Tue, 28 Jul 2026 10:11:12 +0000"}, /* the wrong day */
    {"Thu, 29 Feb 2024 12:00:00 +0000", "Thu, 29 Feb 2024 12:00:00 +0000"},
    {"29 Feb 2000 12:00:00 +0000", "Tue, 29 Feb 2000 12:00:00 +0000"},
    {"31 Dec 1999 23:59:60 +0000", "Sat, 1 Jan 2000 00:00:00 +0000"},
    {"1 Jan 1900 00:00:00 +0000", "Mon, 1 Jan 1900 00:00:00 +0000"},
    {"31 Dec 9999 23:59:59 +0000", "Fri, 31 Dec 9999 23:59:59 +0000"},
    {"1 Jan 1970 00:00:00 +9959", "Sat, 27 Dec 1969 20:01:00 +0000"},
    /* obsolete: RFC 5322 4.3 */
    {"Tue, 28 Jul 26 10:11:12 GMT", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28 Jul 49 10:11:12 UT", "Wed, 28 Jul 2049 10:11:12 +0000"},
    {"28 Jul 50 10:11:12 UT", "Fri, 28 Jul 1950 10:11:12 +0000"},
    {"28 Jul 97 10:11:12 EST", "Mon, 28 Jul 1997 15:11:12 +0000"},
    {"28 Jul 097 10:11:12 PDT", "Mon, 28 Jul 1997 17:11:12 +0000"},
    {"28 Jul 126 10:11:12 UT", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28 Jul 2026 10:11:12 Z", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28 Jul 2026 10:11:12 A", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28 Jul 2026 10:11:12 CEST", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"(a)Tue(b),(c)28(d)Jul(e)2026(f)10(g):(h)11(i):(j)12(k)+0000(l)",
     "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Tue , 28 Jul 2026 10 : 11 : 12 +0000", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "Fri, 21 Nov 1997 15:55:06 +0000"},
    {"28 Jul 2026 10:11:12 +0000 (a (b \\) c) d)", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28Jul2026 10:11:12+0000", "Tue, 28 Jul 2026 10:11:12 +0000"},
    /* beyond the grammar */
    {"Tue, 28 Jul 2026 9:05:00 +0000", "Tue, 28 Jul 2026 09:05:00 +0000"},
    {"Tue, 28 Jul 2026 9:5:7 +0000", "Tue, 28 Jul 2026 09:05:07 +0000"},
    {"28Jul2026 10:11:12GMT", "Tue, 28 Jul 2026 10:11:12 +0000"},
    {"28 Jul 2026 10:11:12 +2500", "Mon, 27 Jul 2026 09:11:12 +0000"}, /* within it */
    /* none */
    {"", NULL},
    {"\r\n", NULL},
    {"now", NULL},
    {"Tue Jul 28 10:11:12 2026", NULL},
    {"2026-07-28T10:11:12Z", NULL},
    {"28/07/2026 10:11:12 +0000", NULL},
    {"Tue, 28 Jul 2026 10:11:12", NULL},
    {"Tue, 28 Jul 2026", NULL},
    {"Tue, 28 Jul 2026 10:11:12 GMT+0200", NULL},
    {"Tue, 28 Jul 2026 10:11:12 +0200 CEST", NULL},
    {"Tue, 28 Jul 2026 10:11:12 +02:00", NULL},
    {"Tue, 28 Jul 2026 10:11:12 +200", NULL},
    {"Tue, 28 Jul 2026 10:11:12 +00000", NULL},
    {"Tue, 28 Jul 2026 10:11:12 +0060", NULL},
    {"Tue, 28 Jul 2026 10:11:12 ABCDEF", NULL},
    {"Tue, 28 Jul 2026 010:11:12 +0000", NULL},
    {"Tue, 28 Jul 2026 :11:12 +0000", NULL},
    {"Tue, 28 Jul 2026 24:00:00 +0000", NULL},
    {"Tue, 28 Jul 2026 10:60:00 +0000", NULL},
    {"Tue, 28 Jul 2026 10:11:61 +0000", NULL},
    {"Tue, 28 Jul 2026 10:11: +0000", NULL},
    {"Tue, 28 Jul 2026 10.11.12 +0000", NULL},
    {"Tue, 28 July 2026 10:11:12 +0000", NULL},
    {"Tuesday, 28 Jul 2026 10:11:12 +0000", NULL},
    {"Di, 28 Jul 2026 10:11:12 +0000", NULL},
    {"Tue 28 Jul 2026 10:11:12 +0000", NULL},
    {", 28 Jul 2026 10:11:12 +0000", NULL},
    {"Tue, 32 Jul 2026 10:11:12 +0000", NULL},
    {"Tue, 0 Jul 2026 10:11:12 +0000", NULL},
    {"Tue, 128 Jul 2026 10:11:12 +0000", NULL},
    {"29 Feb 2023 12:00:00 +0000", NULL},
    {"29 Feb 2100 12:00:00 +0000", NULL},
    {"31 Apr 2026 12:00:00 +0000", NULL},
    {"28 Jul 6 10:11:12 +0000", NULL},
    {"28 Jul 1899 10:11:12 +0000", NULL},
    {"28 Jul 02026 10:11:12 +0000", NULL},
    {"28 Jul 2026 10:11:12 +0000 (open", NULL},
    {"(open", NULL},
    {"28 Jul 2026 10:11:12 +0000)", NULL},
    {"28 Jul 99999999999999999999 10:11:12 +0000", NULL},
};

static void test_read(void **state)
{
    (void)state;
    char out[REWRITE_DATE_MAX];
    int64_t wall_s;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        bool read = rewrite_date_read(sv_of(readings[i].in), &wall_s);
        if (read != (readings[i].read != NULL))
            fail_msg("\"%s\"", readings[i].in);
        if (read)
            assert_string_equal(rewrite_date_write(out, wall_s), readings[i].read);
    }
}

/* What is written is read again. */
static void test_both(void **state)
{
    (void)state;
    char out[REWRITE_DATE_MAX];
    int64_t again;
    for (int64_t wall_s = -2208988800LL; wall_s < 253402300799LL; wall_s += 86400 * 13 + 4321) {
        assert_true(rewrite_date_read(sv_of(rewrite_date_write(out, wall_s)), &again));
        assert_int_equal(again, wall_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_write), cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_both)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
