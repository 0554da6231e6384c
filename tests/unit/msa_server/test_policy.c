#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/policy.h"
#include "tests/unit/msa_server/options_run.h"

#include <stdio.h>
#include <string.h>

#define COMMON                                                                                  \
    "domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; }; listen = { tls = \"none\"; };" \
    "auth = { require_tls = false; };"

static const struct forward_row {
    const char *path, *lines;
    bool allowed;
} forward_rows[] = {
    {"<a@example.org>", "", true},
    {"<a@[192.0.2.1]>", "", true},
    {"<a@[127.0.0.1]>", "", false},
    {"<a@[0.0.0.0]>", "", false},
    {"<a@[224.0.0.1]>", "", false},
    {"<a@[169.254.1.1]>", "", false},
    {"<a@[IPv6:::1]>", "", false},
    {"<a@[IPv6:fe80::1]>", "", false},
    {"<a@[IPv6:::ffff:127.0.0.1]>", "", false},
    {"<a@[IPv6:2001:db8::1]>", "", true},
    {"<a@[tag:content]>", "", false},
    {"<a@[127.0.0.1]>", "relay = { allow_loopback = true; };", true},
    {"<a@[tag:content]>", "relay = { allow_loopback = true; };", false},
    {"<a@[127.0.0.1]>",
     "relay = { routes = { domain = \"*\"; to = \"smtp://127.0.0.1:2525\"; }; };", true},
    {"<a@[127.0.0.1]>",
     "relay = { routes = { domain = \"example.org\"; to = \"smtp://127.0.0.1:2525\"; }; };", false},
    {"<a@[127.0.0.1]>", "relay = { capture = \"/tmp/capture\"; };", true},
};

static void forward_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forward_rows / sizeof *forward_rows; i++) {
        const struct forward_row *r = &forward_rows[i];
        struct run run;
        struct smtp_path path;
        struct smtp_reply reply = SMTP_REPLY_NONE;
        char text[1024];
        snprintf(text, sizeof text, "%s%s", COMMON, r->lines);
        run_start(&run, text, "mail.example.net");
        if (!run.ok)
            fail_msg("%s", run.printed);
        struct sv rest;
        assert_int_equal(
            smtp_path_parse(&run.arena, sv_of(r->path), SMTP_PATH_FORWARD, &path, &rest),
            SMTP_PATH_OK);
        bool got = policy_forward_path(&path, &run.o, &run.arena, &reply);
        if (got != r->allowed)
            print_error("%s with %s\n", r->path, r->lines);
        assert_int_equal(got, r->allowed);
        if (!got) {
            assert_int_equal(reply.code, 550);
            assert_int_equal(reply.enhanced.subject, 1);
            assert_int_equal(reply.enhanced.detail, 2);
            assert_false(memmem(reply.text.ptr, reply.text.len, "relay.", 6));
        }
        run_stop(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
