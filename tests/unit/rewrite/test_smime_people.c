#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_people.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <string.h>

static void test_author(void **state)
{
    static const char *const cases[][2] = {
        {"From: A <Alice@Example.net>, b@example.net\r\n", "alice@example.net"},
        {"Subject: x\r\nfrom:\r\n\t\"a b\"@example.net\r\n", "\"a b\"@example.net"},
        {"From: team: alice@example.net;\r\n", "alice@example.net"},
        {"From: nobody\r\n", ""},
        {"From: <a (c) @example.net>\r\n", "a@example.net"},
        {"Sender: a@example.net\r\n", ""},
        {"", ""},
    };
    char text[SMTP_PATH_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!sv_eq(rewrite_smime_author(sv_of(cases[i][0]), text), sv_of(cases[i][1])))
            fail_msg("%s", cases[i][0]);
}

#define HEADER                                                                                    \
    "From: a@example.net\r\nTo: Bob <BOB@example.org>, team: carol@example.org;\r\n"              \
    "Cc: =?utf-8?q?x?= <dan@example.org>,,\r\n eve@other.example\r\nSubject: hid@example.org\r\n" \
    "Reply-To: reply@example.org\r\nBcc: bcc@example.org\r\n"

static const struct {
    const char *label, *to; /* separated by spaces */
    const char *shares;     /* p, n, h for each; empty: refused */
    size_t lacking, row;
} rows[] = {
    {"one", "bob@example.org", "n", 0, 0},
    {"in a group", "bob@example.org carol@example.org", "nn", 0, 0},
    {"hidden", "hid@example.org bob@example.org reply@example.org bcc@example.org", "hnhh", 0, 0},
    {"no rule", "eve@other.example bob@example.org", "pn", 0, 0},
    {"no certificate", "nocert@may.example dan@example.org", "pn", 0, 0},
    {"required", "bob@example.org nobody@example.org carol@example.org", "", 1, 1},
    {"never, though there is one", "plain@example.org", "p", 0, 0},
};

static void test_shares(void **state)
{
    static const char *const who[] = {"bob@example.org",   "carol@example.org", "dan@example.org",
                                      "hid@example.org",   "reply@example.org", "bcc@example.org",
                                      "plain@example.org", "eve@other.example"};
    enum { PEOPLE = sizeof who / sizeof who[0] };
    struct person people[PEOPLE];
    struct rewrite_smime_file files[PEOPLE];
    struct rewrite_encrypt_options rules[] = {{"plain@example.org", REWRITE_SMIME_NEVER},
                                              {"@example.org", REWRITE_SMIME_REQUIRE},
                                              {"@may.example", REWRITE_SMIME_IF_POSSIBLE}};
    struct rewrite_options o = {.encrypt = {rules, 3}};
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        people[i] = person_of(who[i], 0);
        files[i] = (struct rewrite_smime_file){"/x", SV_NONE, sv_of(people[i].pem)};
    }
    struct rewrite_smime *set = rewrite_smime_new(&(struct rewrite_smime_config){
        .options = &o, .files = files, .nfiles = PEOPLE, .now_s = NOW_S});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_smime_share shares[8];
        struct sv addresses[8], rest = sv_of(rows[i].to);
        size_t count = 0, lacking = 0;
        while (rest.len)
            addresses[count++] = sv_split(&rest, ' ');
        bool good = rewrite_smime_share_out(set, SV(HEADER), addresses, NULL, count, NOW_S, shares,
                                            &lacking);
        if (good != (rows[i].shares[0] != 0))
            fail_msg("%s: %d", rows[i].label, good);
        for (size_t k = 0; good && k < count; k++) {
            if ("pnh"[shares[k].kind] != rows[i].shares[k])
                fail_msg("%s: recipient %zu", rows[i].label, k);
            assert_true(!shares[k].cert == (shares[k].kind == REWRITE_SMIME_SHARE_PLAIN));
            if (shares[k].cert)
                assert_true(rewrite_smime_cert_has(shares[k].cert, addresses[k]));
        }
        if (!good) {
            assert_int_equal(lacking, rows[i].lacking);
            assert_int_equal(shares[lacking].row, rows[i].row);
            assert_int_equal(shares[lacking].fault, REWRITE_SMIME_USABLE);
        }
    }
    rewrite_smime_drop(set);
    for (size_t i = 0; i < PEOPLE; i++)
        person_free(&people[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_author),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
