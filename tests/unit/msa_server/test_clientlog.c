#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/clientlog.h"
#include "msa/base/log.h"

#include <stdio.h>
#include <string.h>

static char told[4096];
static unsigned ntold;

static void on_log(void *arg, const char *line, size_t len)
{
    (void)arg;
    snprintf(told, sizeof told, "%.*s", (int)len, line);
    ntold++;
}

static int setup(void **state)
{
    (void)state;
    ntold = 0;
    told[0] = '\0';
    log_set_sink(on_log, NULL);
    return 0;
}

static struct ip address(const char *text)
{
    struct ip ip;
    assert_true(ip_parse(sv_of(text), &ip));
    return ip;
}

static unsigned allowed(struct clientlog *c, const char *client, uint64_t limit, uint64_t now_ms,
                        unsigned tries)
{
    struct ip ip = address(client);
    unsigned n = 0;
    while (tries--)
        n += clientlog_allows(c, &ip, limit, now_ms);
    return n;
}

static void each_client_has_its_own(void **state)
{
    struct clientlog *c = clientlog_new();
    (void)state;
    assert_int_equal(allowed(c, "192.0.2.1", 3, 100000, 10), 3);
    assert_int_equal(allowed(c, "192.0.2.2", 3, 100000, 10), 3);
    assert_int_equal(allowed(c, "2001:db8::1", 3, 100000, 2), 2);
    assert_int_equal(allowed(c, "2001:db8::2", 3, 100000, 2), 1); /* one /64 */
    assert_int_equal(allowed(c, "192.0.2.1", 3, 159999, 10), 0);
    assert_int_equal(ntold, 0);
    clientlog_free(c);
}

static void a_minute_later_it_is_told(void **state)
{
    struct clientlog *c = clientlog_new();
    (void)state;
    allowed(c, "192.0.2.1", 3, 100000, 10);
    allowed(c, "192.0.2.2", 3, 100000, 3); /* not over */
    assert_int_equal(allowed(c, "192.0.2.3", 3, 160000, 1), 1);
    assert_int_equal(ntold, 1);
    assert_non_null(strstr(told, "log-limited"));
    assert_non_null(strstr(told, "client=192.0.2.1: 7 lines"));
    assert_int_equal(allowed(c, "192.0.2.1", 3, 160001, 10), 3);
    clientlog_free(c);
}

static void zero_is_no_limit(void **state)
{
    struct clientlog *c = clientlog_new();
    (void)state;
    assert_int_equal(allowed(c, "192.0.2.1", 0, 100000, 1000), 1000);
    clientlog_free(c);
}

static void once_a_day(void **state)
{
    struct clientlog *c = clientlog_new();
    struct ip a = address("192.0.2.1"), b = address("2001:db8::1"), twin = address("2001:db8::2");
    uint64_t day = 86400000, now = 5 * day;
    (void)state;
    assert_int_equal(clientlog_first_today(c, &a, 5, now), 5);
    assert_int_equal(clientlog_first_today(c, &a, 7, now + 1), 2);
    assert_int_equal(clientlog_first_today(c, &a, 7, now + day - 1), 0);
    assert_int_equal(clientlog_first_today(c, &b, 4, now + day - 1), 4);
    assert_int_equal(clientlog_first_today(c, &twin, 4, now + day - 1), 0); /* one /64 */
    assert_int_equal(clientlog_first_today(c, &a, 7, now + day), 7);
    assert_int_equal(clientlog_first_today(c, &b, 4, now + day), 4);
    clientlog_free(c);
}

/* Somebody with very many addresses: the table is emptied, not grown. */
static void table_is_bounded(void **state)
{
    struct clientlog *c = clientlog_new();
    struct ip ip = {.family = IP_V4};
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        ip.bytes[1] = (uint8_t)(i >> 16);
        ip.bytes[2] = (uint8_t)(i >> 8);
        ip.bytes[3] = (uint8_t)i;
        assert_true(clientlog_allows(c, &ip, 1, 100000));
    }
    /* one that has been refused for long may write again only because the table was emptied */
    ip.bytes[1] = ip.bytes[2] = ip.bytes[3] = 0;
    assert_true(clientlog_allows(c, &ip, 1, 100000));
    assert_false(clientlog_allows(c, &ip, 1, 100000));
    clientlog_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(each_client_has_its_own), T(a_minute_later_it_is_told),
        T(zero_is_no_limit),        T(once_a_day),
        T(table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
