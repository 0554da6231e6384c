/* Names read out of first messages. */
#include "auth/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names(void **state)
{
    static const struct {
        const char *mechanism;
        struct sv message;
        const char *name;
    } rows[] = {
        {"PLAIN", {"\0alice\0secret", 13}, "alice"},
        {"plain", {"bob\0alice\0secret", 16}, "alice"},
        {"PLAIN", {"\0\0secret", 8}, ""},
        {"PLAIN", {"alice", 5}, ""},
        {"PLAIN", {NULL, 0}, ""},
        {"PLAIN", {"\0alice", 6}, "alice"},
        {"LOGIN", {"alice", 5}, "alice"},
        {"LOGIN", {"", 0}, ""},
        {"SCRAM-SHA-256", {"n,,n=alice,r=abc", 16}, "alice"},
        {"SCRAM-SHA-256-PLUS", {"p=tls-exporter,,n=alice,r=abc", 29}, "alice"},
        {"SCRAM-SHA-1", {"y,a=bob,n=alice,r=abc", 21}, "alice"},
        {"SCRAM-SHA-512", {"n,,n=a=2Cb=3Dc=3d,r=abc", 23}, "a,b=c=3d"},
        {"SCRAM-SHA-256", {"n,,m=ext,n=alice,r=abc", 22}, ""},
        {"SCRAM-SHA-256", {"n,,n=", 5}, ""},
        {"SCRAM-SHA-256", {"n", 1}, ""},
        {"CRAM-MD5", {"al ice 0123456789abcdef", 23}, "al ice"},
        {"CRAM-MD5", {"alice", 5}, ""},
        {"EXTERNAL", {"alice", 5}, ""},
        {"SCRAM", {"n,,n=alice", 10}, ""},
        {"", {"n,,n=alice", 10}, ""},
    };
    char out[AUTH_NAME_MAX + 1], many[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sv name = auth_claim_name(sv_of(rows[i].mechanism), rows[i].message, out);

        if (!sv_eq(name, sv_of(rows[i].name)) || strcmp(out, rows[i].name) != 0)
            fail_msg("row %zu: %.*s", i, SV_ARG(name));
    }
    memset(many, 'x', sizeof(many));
    memcpy(many, "n,,n=", 5);
    assert_int_equal(auth_claim_name(SV("LOGIN"), (struct sv){many, 1000}, out).len, AUTH_NAME_MAX);
    assert_int_equal(auth_claim_name(SV("SCRAM-SHA-1"), (struct sv){many, 1000}, out).len,
                     AUTH_NAME_MAX);
}

static void kinds(void **state)
{
    static const struct {
        const char *mechanism;
        bool guessable;
        unsigned proving;
    } rows[] = {
        {"PLAIN", true, 0},         {"LOGIN", true, 0},    {"login", true, 0},
        {"SCRAM-SHA-256", true, 2}, {"CRAM-MD5", true, 0}, {"EXTERNAL", false, 0},
        {"OAUTHBEARER", false, 0},  {"GSSAPI", false, 0},  {"PLAINX", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(auth_claim_is_guessable(sv_of(rows[i].mechanism)), rows[i].guessable);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(auth_claim_is_proof(sv_of(rows[i].mechanism), n),
                             n > 0 && n == rows[i].proving);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(kinds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
