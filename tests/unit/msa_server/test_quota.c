#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/quota.h"

static struct ip address(const char *text)
{
    struct ip ip;
    assert_true(ip_parse(sv_of(text), &ip));
    return ip;
}

/* Connections (+) and their ends (-), one after the other; limits: 5 in all, 2 for a client. */
static const struct row {
    char what;
    const char *client;
    enum quota_verdict verdict;
} rows[] = {
    {'+', "192.0.2.1", QUOTA_OK},
    {'+', "192.0.2.1", QUOTA_OK},
    {'+', "192.0.2.1", QUOTA_CLIENT},
    {'+', "192.0.2.2", QUOTA_OK},
    {'+', "2001:db8:1:2::1", QUOTA_OK},
    {'+', "2001:db8:1:2:ffff::2", QUOTA_OK}, /* the same /64 */
    {'+', "192.0.2.9", QUOTA_CONNECTIONS},
    {'-', "192.0.2.2", QUOTA_OK},
    {'+', "2001:db8:1:2::3", QUOTA_CLIENT},
    {'+', "2001:db8:1:3::1", QUOTA_OK}, /* another one */
    {'-', "2001:db8:1:2:ffff::2", QUOTA_OK},
    {'+', "2001:db8:1:2::3", QUOTA_OK},
    {'-', "192.0.2.1", QUOTA_OK},
    {'-', "192.0.2.1", QUOTA_OK},
    {'+', "192.0.2.1", QUOTA_OK},
};

static void connections(void **state)
{
    struct quota *q = quota_new();
    size_t count = 0;
    (void)state;
    quota_set(q, 5, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip = address(rows[i].client);
        if (rows[i].what == '-') {
            quota_disconnect(q, &ip);
            count--;
        } else {
            enum quota_verdict v = quota_connect(q, &ip);
            if (v != rows[i].verdict)
                print_error("row %zu\n", i);
            assert_int_equal(v, rows[i].verdict);
            count += v == QUOTA_OK;
        }
        assert_int_equal(quota_connections(q), count);
    }
    quota_free(q);
}

static void zero_is_no_limit(void **state)
{
    struct quota *q = quota_new();
    struct ip ip = address("192.0.2.1");
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(quota_connect(q, &ip), QUOTA_OK);
    quota_set(q, 10, 10); /* a lower limit ends nobody, and lets nobody in */
    assert_int_equal(quota_connect(q, &ip), QUOTA_CONNECTIONS);
    for (int i = 0; i < 1000; i++)
        quota_disconnect(q, &ip);
    assert_int_equal(quota_connections(q), 0);
    quota_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(connections),
                                       cmocka_unit_test(zero_is_no_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
