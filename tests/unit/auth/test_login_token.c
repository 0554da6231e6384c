/* Login at another server by a token: mechanism, message, and the answer to a refusal. */
#include "auth/login_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void messages(void **state)
{
    static const struct {
        const char *offered;
        bool tls;
        const char *mechanism, *message;
    } rows[] = {
        {"PLAIN XOAUTH2 OAUTHBEARER", true, "OAUTHBEARER",
         "n,a=u=2Cv=3D@x,\001host=mx.test\001auth=Bearer t0\001\001"},
        {"oauthbearer", true, "OAUTHBEARER",
         "n,a=u=2Cv=3D@x,\001host=mx.test\001auth=Bearer t0\001\001"},
        {"LOGIN XOAUTH2", true, "XOAUTH2", "user=u,v=@x\001auth=Bearer t0\001\001"},
        {"PLAIN LOGIN XOAUTH", true, "", NULL},
        {"OAUTHBEARER XOAUTH2", false, "", NULL},
        {"", true, "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_login_token x;
        struct auth_login_result r;

        auth_login_token_init(&x,
                              &(struct auth_login_start){.mechanisms = sv_of(rows[i].offered),
                                                         .host = SV("mx.test"),
                                                         .user = SV("u,v=@x"),
                                                         .password = SV("t0"),
                                                         .tls = rows[i].tls},
                              &r);
        assert_int_equal(r.verdict, *rows[i].mechanism ? AUTH_CONTINUE : AUTH_DENIED);
        if (!sv_eq(r.mechanism, sv_of(rows[i].mechanism)) || !sv_eq(r.data, sv_of(rows[i].message)))
            fail_msg("row %zu: %.*s", i, SV_ARG(r.data));
        auth_login_token_deinit(&x);
    }
}

/* RFC 7628 3.2.3; XOAUTH2 has an empty line. */
static void refused(void **state)
{
    static const struct {
        const char *mechanism, *challenge, *answer, *status;
    } rows[] = {
        {"OAUTHBEARER", "{\"status\":\"invalid_token\",\"scope\":\"x\"}", "\001", "invalid_token"},
        {"XOAUTH2", "{\"status\":\"401\",\"schemes\":\"bearer\"}", "", "401"},
        {"XOAUTH2", "", "", ""},
        {"OAUTHBEARER", "no json", "\001", ""},
        {"OAUTHBEARER", "{\"status\":\"two words\"}", "\001", ""},
        {"OAUTHBEARER", "{\"status\":\"an_endless_word_that_may_be_our_token\"}", "\001", ""},
        {"OAUTHBEARER", "{\"status\":400}", "\001", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_login_token x;
        struct auth_login_result r;

        auth_login_token_init(&x,
                              &(struct auth_login_start){.mechanisms = sv_of(rows[i].mechanism),
                                                         .password = SV("t"),
                                                         .tls = true},
                              &r);
        auth_login_token_step(&x, sv_of(rows[i].challenge), &r);
        assert_int_equal(r.verdict, AUTH_OK);
        assert_true(sv_eq(r.data, sv_of(rows[i].answer)));
        assert_string_equal(x.status, rows[i].status);
        auth_login_token_deinit(&x);
    }
}

/* RFC 4954 4: a command has 512 octets; what is longer waits for an empty challenge. */
static void long_messages(void **state)
{
    static char token[400];
    /* "AUTH XOAUTH2 " and CRLF leave 497: 124 groups of base64, 372 octets of message */
    const size_t around = sizeof("user=u\001auth=Bearer \001\001") - 1, fits = 372 - around;

    (void)state;
    memset(token, 'x', sizeof(token));
    for (size_t more = 0; more < 2; more++) {
        struct auth_login_token x;
        struct auth_login_result r;

        auth_login_token_init(&x,
                              &(struct auth_login_start){.mechanisms = SV("XOAUTH2"),
                                                         .user = SV("u"),
                                                         .password = {token, fits + more},
                                                         .tls = true},
                              &r);
        assert_int_equal(r.verdict, AUTH_CONTINUE);
        assert_int_equal(r.data.len, more ? 0 : fits + around);
        assert_int_equal(r.data.ptr == NULL, more);
        if (more) {
            auth_login_token_step(&x, SV_NONE, &r);
            assert_int_equal(r.verdict, AUTH_CONTINUE);
            assert_int_equal(r.data.len, fits + more + around);
        }
        auth_login_token_step(&x, SV("{\"status\":\"401\"}"), &r);
        assert_int_equal(r.verdict, AUTH_OK);
        auth_login_token_deinit(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(refused),
                                       cmocka_unit_test(long_messages)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
