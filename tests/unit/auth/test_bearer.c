/* What clients with tokens say, and what they are told. */
#include "auth/bearer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A literal with its length, as an initialiser. */
#define L(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

static void messages(void **state)
{
    static const struct {
        const char *mechanism;
        struct sv message;
        const char *name, *token; /* token NULL: refused */
    } rows[] = {
        {"OAUTHBEARER", L("n,,\001auth=Bearer abc.d-e_f~1+/==\001\001"), "", "abc.d-e_f~1+/=="},
        {"OAUTHBEARER", L("n,a=alice@example.net,\001host=h\001port=587\001auth=bearer t\001\001"),
         "alice@example.net", "t"},
        {"oauthbearer", L("y,a=a=2Cb=3D,\001auth=BEARER  t\001\001"), "a,b=", "t"},
        {"OAUTHBEARER", L("n,,\001auth=Bearer t\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer t\001\001x"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer t\001auth=Bearer u\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Basic dDp0\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer \001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer ==\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer a b\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001auth=Bearer a\0b\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,a=al\0ice,\001auth=Bearer t\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001host=h\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,"), NULL, NULL},
        {"OAUTHBEARER", L(""), NULL, NULL},
        {"OAUTHBEARER", L("\001"), NULL, NULL},
        {"OAUTHBEARER", L("p=tls-exporter,,\001auth=Bearer t\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,b=x,\001auth=Bearer t\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("n,,x\001auth=Bearer t\001\001"), NULL, NULL},
        {"OAUTHBEARER", L("user=alice\001auth=Bearer t\001\001"), NULL, NULL},
        {"XOAUTH2", L("user=alice\001auth=Bearer t\001\001"), "alice", "t"},
        {"XOAUTH2", L("user=\001auth=Bearer t\001\001"), "", "t"},
        {"XOAUTH2", L("auth=Bearer t\001\001"), NULL, NULL},
        {"XOAUTH2", L("user=alice\001auth=Bearer t\001"), NULL, NULL},
        {"XOAUTH2", L("user=alice"), NULL, NULL},
        {"XOAUTH2", L("user=al\0ice\001auth=Bearer t\001\001"), NULL, NULL},
        {"XOAUTH2", L("n,,\001auth=Bearer t\001\001"), NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_bearer b;
        bool good = auth_bearer_read(sv_of(rows[i].mechanism), rows[i].message, &b);

        if (good != (rows[i].token != NULL))
            fail_msg("row %zu: %d", i, good);
        if (good && (strcmp(b.name, rows[i].name) != 0 || !sv_eq(b.token, sv_of(rows[i].token))))
            fail_msg("row %zu: %s %.*s", i, b.name, SV_ARG(b.token));
    }
    assert_true(auth_bearer_is(SV("xoauth2")));
    assert_false(auth_bearer_is(SV("OAUTH")));
}

static void long_names(void **state)
{
    static char text[2000];
    struct auth_bearer b;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "user=", 5);
    memcpy(text + 1980, "\001auth=Bearer t\001\001", 16);
    assert_false(auth_bearer_read(SV("XOAUTH2"), (struct sv){text, 1996}, &b));
}

static void refusals(void **state)
{
    static const struct {
        const char *mechanism;
        bool malformed;
        const char *scope, *discovery, *json;
    } rows[] = {
        {"OAUTHBEARER", false, "", "", "{\"status\":\"invalid_token\"}"},
        {"OAUTHBEARER", true, "", "", "{\"status\":\"invalid_request\"}"},
        {"OAUTHBEARER", false, "mail", "https://i.example/\"",
         "{\"status\":\"invalid_token\",\"scope\":\"mail\",\"openid-configuration\":"
         "\"https://i.example/\\\"\"}"},
        {"XOAUTH2", false, "mail", "",
         "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"},
        {"XOAUTH2", true, "", "", "{\"status\":\"400\",\"schemes\":\"bearer\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;

        buf_init(&out, 1000, 0);
        auth_bearer_refusal(sv_of(rows[i].mechanism), rows[i].malformed, rows[i].scope,
                            rows[i].discovery, &out);
        if (!sv_eq(buf_view(&out), sv_of(rows[i].json)))
            fail_msg("row %zu: %.*s", i, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(long_names),
                                       cmocka_unit_test(refusals)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
