/* Copies of attempts, and which are alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/route/attempt.h"

#include <string.h>

static const char *const names[] = {"mx.example.net", "example.net"};
static const struct tls_stream_tlsa tlsa[] = {{3, 1, 1, SV("data")}, {2, 0, 1, SV("DATA")}};

static struct route_attempt make_attempt(void)
{
    struct route_attempt a = {.host = "mx.example.net",
                              .to.port = 25,
                              .tls = ROUTE_TLS_DANE,
                              .names = names,
                              .nnames = 2,
                              .tlsa = tlsa,
                              .ntlsa = 2,
                              .credentials = -1};
    assert_true(ip_parse(SV("192.0.2.1"), &a.to.ip));
    return a;
}

static void a_copy_stands_alone(void **state)
{
    struct arena arena;
    struct route_attempt a = make_attempt(), copy;
    struct tls_stream_tlsa records[2];
    char host[] = "mx.example.net", data[] = "data", name[] = "mx.example.net", why[] = "why";
    const char *own[] = {name, names[1]};
    (void)state;
    memcpy(records, tlsa, sizeof records);
    records[0].data = sv_of(data);
    a.host = host;
    a.names = own;
    a.tlsa = records;
    a.barred = why;
    arena_init(&arena);
    route_attempt_copy(&arena, &a, &copy);
    memset(host, 'x', sizeof host - 1);
    memset(data, 'x', sizeof data - 1);
    memset(name, 'x', sizeof name - 1);
    memset(why, 'x', sizeof why - 1);
    memset(records, 0, sizeof records);
    memset(own, 0, sizeof own);
    a = make_attempt();
    assert_true(route_attempt_eq(&a, &copy));
    assert_string_equal(copy.barred, "why");
    arena_deinit(&arena);
}

/* What does not change the connection is not compared; everything else is. */
static void attempts_that_are_alike(void **state)
{
    static const struct tls_stream_tlsa usage[] = {{2, 1, 1, SV("data")}, {2, 0, 1, SV("DATA")}},
                                        data[] = {{3, 1, 1, SV("date")}, {2, 0, 1, SV("DATA")}};
    static const char *const other[] = {"mx.example.net", "example.org"};
    enum {
        SAME,
        HOST,
        PORT,
        IP,
        PROTOCOL,
        TLS,
        IMPLICIT,
        LOGIN,
        GENERATION,
        NAMES,
        NAME,
        TLSAS,
        USAGE,
        DATA,
        CASES
    };
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct route_attempt a = make_attempt(), b = make_attempt();
        b.host_index = 7;
        b.rule = ROUTE_RULE_DANE;
        b.secure = true;
        if (i == HOST)
            b.host = "mx2.example.net";
        else if (i == PORT)
            b.to.port = 26;
        else if (i == IP)
            assert_true(ip_parse(SV("192.0.2.2"), &b.to.ip));
        else if (i == PROTOCOL)
            b.protocol = ROUTE_LMTP;
        else if (i == TLS)
            b.tls = ROUTE_TLS_REQUIRE;
        else if (i == IMPLICIT)
            b.implicit_tls = true;
        else if (i == LOGIN)
            b.credentials = 0;
        else if (i == GENERATION)
            b.generation = 1;
        else if (i == NAMES)
            b.nnames = 1;
        else if (i == NAME)
            b.names = other;
        else if (i == TLSAS)
            b.ntlsa = 1;
        else if (i == USAGE)
            b.tlsa = usage;
        else if (i == DATA)
            b.tlsa = data;
        assert_int_equal(route_attempt_eq(&a, &b), i == SAME);
        assert_int_equal(route_attempt_eq(&b, &a), i == SAME);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(attempts_that_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
