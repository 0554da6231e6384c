#include "relay/qmtp_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct ip_port address(unsigned number, uint16_t port)
{
    return (struct ip_port){
        .ip = {.family = IP_V4, .bytes = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}},
        .port = port};
}

static void test_failures(void **state)
{
    (void)state;
    struct relay_qmtp_memory *m = relay_qmtp_memory_new();
    struct ip_port a = address(1, 209), other_port = address(1, 6209), b = address(2, 209);
    assert_false(relay_qmtp_memory_is_failed(m, &a, 5));
    relay_qmtp_memory_failed(m, &a, 5);
    assert_true(relay_qmtp_memory_is_failed(m, &a, 5));
    assert_true(relay_qmtp_memory_is_failed(m, &a, 5 + 3599999));
    assert_false(relay_qmtp_memory_is_failed(m, &a, 5 + 3600000));
    assert_false(relay_qmtp_memory_is_failed(m, &other_port, 5));
    assert_false(relay_qmtp_memory_is_failed(m, &b, 5));
    relay_qmtp_memory_failed(m, &a, 1000);
    assert_true(relay_qmtp_memory_is_failed(m, &a, 5 + 3600000));
    relay_qmtp_memory_connected(m, &b);
    relay_qmtp_memory_connected(m, &a);
    assert_false(relay_qmtp_memory_is_failed(m, &a, 1000));
    relay_qmtp_memory_free(m);
}

/* Who gives too few responses stays known for it, whether it can be connected to or not. */
static void test_short(void **state)
{
    (void)state;
    struct relay_qmtp_memory *m = relay_qmtp_memory_new();
    struct ip_port a = address(1, 209), b = address(2, 209);
    relay_qmtp_memory_short(m, &a);
    assert_true(relay_qmtp_memory_is_short(m, &a));
    assert_false(relay_qmtp_memory_is_short(m, &b));
    relay_qmtp_memory_failed(m, &a, 5);
    assert_true(relay_qmtp_memory_is_short(m, &a));
    relay_qmtp_memory_connected(m, &a);
    assert_true(relay_qmtp_memory_is_short(m, &a));
    assert_false(relay_qmtp_memory_is_failed(m, &a, 5));
    relay_qmtp_memory_free(m);
}

/* Of too many addresses the one heard of longest ago goes. */
static void test_bound(void **state)
{
    (void)state;
    struct relay_qmtp_memory *m = relay_qmtp_memory_new();
    struct ip_port first = address(0, 209), second = address(1, 209);
    for (unsigned i = 0; i < RELAY_QMTP_KNOWN_MAX; i++) {
        struct ip_port to = address(i, 209);
        relay_qmtp_memory_failed(m, &to, 5);
    }
    assert_true(relay_qmtp_memory_is_failed(m, &first, 5));
    relay_qmtp_memory_failed(m, &first, 5);
    struct ip_port more = address(RELAY_QMTP_KNOWN_MAX, 209);
    relay_qmtp_memory_failed(m, &more, 5);
    assert_true(relay_qmtp_memory_is_failed(m, &first, 5));
    assert_true(relay_qmtp_memory_is_failed(m, &more, 5));
    assert_false(relay_qmtp_memory_is_failed(m, &second, 5));
    relay_qmtp_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failures),
                                       cmocka_unit_test(test_short), cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
