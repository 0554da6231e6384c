#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/policy/options.h"

#include <string.h>

static const struct {
    const char *text, *path, *at; /* all NULL but text: no socket */
} sockets[] = {
    {"unix:/run/rspamd/milter.sock", "/run/rspamd/milter.sock", NULL},
    {"local:/run/x", "/run/x", NULL},
    {"inet:8891@127.0.0.1", NULL, "127.0.0.1:8891"},
    {"inet:8891@localhost", NULL, "127.0.0.1:8891"},
    {"inet:8891@LOCALHOST", NULL, "127.0.0.1:8891"},
    {"inet:127.0.0.1:8891", NULL, "127.0.0.1:8891"},
    {"inet:localhost:1", NULL, "127.0.0.1:1"},
    {"inet6:8891@::1", NULL, "[::1]:8891"},
    {"inet:8891@[2001:db8::1]", NULL, "[2001:db8::1]:8891"},
    {"inet:[::1]:8891", NULL, "[::1]:8891"},
    {"", NULL, NULL},
    {"unix:", NULL, NULL},
    {"unix:run/x", NULL, NULL},
    {"/run/x", NULL, NULL},
    {"inet:", NULL, NULL},
    {"inet:8891", NULL, NULL},
    {"inet:8891@", NULL, NULL},
    {"inet:0@127.0.0.1", NULL, NULL},
    {"inet:65536@127.0.0.1", NULL, NULL},
    {"inet:x@127.0.0.1", NULL, NULL},
    {"inet:8891@mail.example.net", NULL, NULL},
    {"inet:127.0.0.1:", NULL, NULL},
    {"tcp:127.0.0.1:25", NULL, NULL},
    {"unix:/"
     "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
     "3"
     "4567890123456789",
     NULL, NULL},
};

static void test_sockets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        struct policy_socket s;
        char text[IP_TEXT_MAX];
        bool good = policy_options_socket(sockets[i].text, &s);
        if (good != (sockets[i].path || sockets[i].at))
            print_error("%s\n", sockets[i].text);
        assert_int_equal(good, sockets[i].path || sockets[i].at);
        if (sockets[i].path)
            assert_string_equal(s.path, sockets[i].path);
        if (sockets[i].at) {
            assert_null(s.path);
            assert_string_equal(ip_port_text(&s.at, text), sockets[i].at);
        }
    }
}

static void test_stages(void **state)
{
    (void)state;
    const char *items[] = {"rcpt", "END-OF-MESSAGE"};
    struct policy_options o = {.service_stages = {items, 2}};
    assert_int_equal(policy_options_stages(&o),
                     1 << POLICY_STAGE_RCPT | 1 << POLICY_STAGE_END_OF_MESSAGE);
    assert_string_equal(policy_stage_text(POLICY_STAGE_DATA), "DATA");
}

static void test_unix(void **state)
{
    (void)state;
    struct policy_milter_options list[] = {{.socket = "inet:1@::1"}, {.socket = "unix:/x"}};
    struct policy_options o = {.milters = {list, 1}, .service = ""};
    assert_false(policy_options_unix(&o));
    o.milters.count = 2;
    assert_true(policy_options_unix(&o));
    o.milters.count = 0;
    o.service = "unix:/y";
    assert_true(policy_options_unix(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
