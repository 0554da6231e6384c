#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_people.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct buf said; /* faults: "!key wrong\n", warnings without the mark */

static void on_fault(void *arg, bool warning, const char *key, const char *right, const char *wrong)
{
    (void)arg;
    assert_true(right[0]);
    assert_int_equal(buf_printf(&said, "%s%s: %s\n", warning ? "" : "!", key, wrong), 0);
}

static struct rewrite_smime *make(struct rewrite_smime_options *signers, size_t nsigners,
                                  const struct sv *chains, struct rewrite_encrypt_options *rules,
                                  size_t nrules, const struct rewrite_smime_file *files,
                                  size_t nfiles)
{
    const char *paths[] = {"/certs"};
    struct rewrite_options o = {.smime = {signers, nsigners},
                                .encrypt = {rules, nrules},
                                .certificates = {paths, nfiles > 0}};
    buf_reset(&said);
    return rewrite_smime_new(&(struct rewrite_smime_config){.options = &o,
                                                            .chains = chains,
                                                            .files = files,
                                                            .nfiles = nfiles,
                                                            .now_s = NOW_S,
                                                            .fault = on_fault});
}

static void expect_said(const char *words)
{
    struct sv text = buf_view(&said);
    if (*words ? !memmem(text.ptr, text.len, words, strlen(words)) : text.len > 0)
        fail_msg("said: %.*s", SV_ARG(text));
}

/* ---- who signs ---- */

static void test_signers(void **state)
{
    struct person alice = person_of("alice@example.net", 0), bob = person_of("bob@example.net", 0);
    struct person old = person_new(&(struct person_plan){
        .emails = "email:alice@example.net", .from_s = -9 * DAY_S, .until_s = -1});
    struct person house = person_of("mail@example.com", 0);
    struct rewrite_smime_options rows[] = {
        {"alice@example.net", "", "", "", true},
        {"alice@example.net", "", "", "", false},
        {"Bob@example.net", "BOB@example.net", "", "", false},
        {"@example.com", "", "", "", false},
        {"@*.example.com", "robot@example.net", "", "", true},
    };
    struct sv chains[] = {sv_of(old.pem), sv_of(alice.pem), sv_of(bob.pem), sv_of(house.pem),
                          sv_of(house.pem)};
    static const struct {
        const char *from, *login;
        int row; /* -1: nobody */
        const char *fault;
    } asks[] = {
        {"alice@example.net", "x@example.net", 1, NULL}, /* the first has expired */
        {"bob@example.net", "bob@example.net", 2, NULL},
        {"bob@example.net", "alice@example.net", -1, NULL},
        {"carol@example.net", "", -1, NULL},
        {"anybody@example.com", "", 3, NULL}, /* the house's, at the same domain */
        {"x@sub.example.com", "robot@example.net", 4, "does not name the author"},
        {"x@sub.example.com", "", -1, NULL},
        {"x@notexample.com", "robot@example.net", -1, NULL},
        {"", "robot@example.net", -1, NULL},
    };
    (void)state;
    struct rewrite_smime *set = make(rows, COUNT(rows), chains, NULL, 0, NULL, 0);
    expect_said("rewrite.smime[0].certificate: the certificate has expired\n");
    assert_true(rewrite_smime_signs(set));
    assert_false(rewrite_smime_encrypts(set));
    for (size_t i = 0; i < COUNT(asks); i++) {
        struct rewrite_smime_signer signer = {.row = 99};
        const char *fault = NULL;
        bool found = rewrite_smime_signer(set, sv_of(asks[i].from), sv_of(asks[i].login), NOW_S,
                                          &signer, &fault);
        if (found != (asks[i].row >= 0))
            fail_msg("%s: %d", asks[i].from, found);
        if (!found)
            continue;
        assert_int_equal(signer.row, asks[i].row);
        assert_int_equal(signer.require, rows[asks[i].row].require);
        assert_true(asks[i].fault ? fault && strcmp(fault, asks[i].fault) == 0 : !fault);
        assert_true(!signer.cert == !!fault);
    }
    /* when the other has expired too, it is the first row that counts */
    struct rewrite_smime_signer signer;
    const char *fault;
    assert_true(rewrite_smime_signer(set, SV("alice@example.net"), SV(""), NOW_S + 100 * DAY_S,
                                     &signer, &fault));
    assert_int_equal(signer.row, 0);
    assert_true(signer.require && !signer.cert);
    assert_string_equal(fault, "has expired");
    rewrite_smime_drop(rewrite_smime_keep(set));
    rewrite_smime_drop(set);
    person_free(&alice);
    person_free(&bob);
    person_free(&old);
    person_free(&house);
}

static void test_signer_faults(void **state)
{
    struct person bob = person_of("bob@example.net", 0);
    struct buf many;
    (void)state;
    buf_init(&many, 1u << 20, 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(buf_put(&many, sv_of(bob.pem)), 0);
    struct {
        const char *from;
        struct sv pem;
        const char *said;
    } cases[] = {
        {"bob@example.net", sv_of(bob.pem), ""},
        {"@example.net", sv_of(bob.pem), ""},
        {"*", sv_of(bob.pem), ""},
        {"al@example.net", sv_of(bob.pem),
         "rewrite.smime[0].certificate: the certificate does not name al@example.net but bob@"},
        {"@example.org", sv_of(bob.pem), "the certificate does not name @example.org but bob@"},
        {"bob", sv_of(bob.pem), "!rewrite.smime[0].from: \"bob\" is none of these"},
        {"@", sv_of(bob.pem), "!rewrite.smime[0].from"},
        {"@*.", sv_of(bob.pem), "!rewrite.smime[0].from"},
        {"*", SV("nonsense"), "!rewrite.smime[0].certificate: no PEM certificate"},
        {"*", SV_NONE, ""},
        {"*", buf_view(&many), "!rewrite.smime[0].certificate: the chain has more than 12288"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rewrite_smime_options row = {cases[i].from, "", "", "", false};
        struct rewrite_smime *set = make(&row, 1, &cases[i].pem, NULL, 0, NULL, 0);
        expect_said(cases[i].said);
        rewrite_smime_drop(set);
    }
    assert_false(rewrite_smime_signs(NULL) || rewrite_smime_encrypts(NULL));
    person_free(&bob);
    buf_deinit(&many);
}

/* ---- who is encrypted to ---- */

static void test_recipients(void **state)
{
    struct person bob = person_of("Bob@example.org", 0), newer, old, carol, web;
    newer =
        person_new(&(struct person_plan){.emails = "email:bob@example.org", .from_s = -DAY_S / 2});
    old = person_new(&(struct person_plan){
        .emails = "email:bob@example.org", .from_s = -DAY_S / 4, .until_s = -1});
    carol = person_of("carol@example.org", 0);
    web = person_new(
        &(struct person_plan){.emails = "email:dan@example.org", .purpose = "serverAuth"});
    struct rewrite_smime_file files[] = {
        {"/certs/bob@example.org.pem", SV("bob@example.org"), sv_of(bob.pem)},
        {"/certs/more.pem", SV_NONE, sv_of(newer.pem)},
        {"/certs/old.pem", SV_NONE, sv_of(old.pem)},
        {"/certs/eve@example.org.pem", SV("eve@example.org"), sv_of(carol.pem)},
        {"/certs/dan@example.org.pem", SV("dan@example.org"), sv_of(web.pem)},
        {"/certs/x.pem", SV_NONE, SV("-----BEGIN CERTIFICATE-----\nAA")},
    };
    struct rewrite_encrypt_options rules[] = {
        {"never@example.org", REWRITE_SMIME_NEVER},
        {"@example.org", REWRITE_SMIME_REQUIRE},
        {"@*.example.org", REWRITE_SMIME_IF_POSSIBLE},
    };
    static const struct {
        const char *address;
        enum rewrite_smime_policy policy;
        size_t row;
    } asks[] = {
        {"never@example.org", REWRITE_SMIME_NEVER, 0},
        {"bob@example.org", REWRITE_SMIME_REQUIRE, 1},
        {"bob@sub.sub.example.org", REWRITE_SMIME_IF_POSSIBLE, 2},
        {"bob@xexample.org", REWRITE_SMIME_NEVER, 99},
        {"bob@example.net", REWRITE_SMIME_NEVER, 99},
    };
    (void)state;
    struct rewrite_smime *set = make(NULL, 0, NULL, rules, 3, files, COUNT(files));
    expect_said("rewrite.certificates: /certs/old.pem: the certificate has expired\n");
    expect_said("/certs/eve@example.org.pem: the certificate does not name eve@example.org but "
                "carol@example.org\n");
    expect_said("/certs/dan@example.org.pem: the certificate is not meant for mail");
    expect_said("/certs/x.pem: certificate 1 is damaged\n");
    for (size_t i = 0; i < COUNT(asks); i++) {
        size_t row = 99;
        assert_int_equal(rewrite_smime_policy_of(set, sv_of(asks[i].address), &row),
                         asks[i].policy);
        assert_int_equal(row, asks[i].row);
    }
    enum rewrite_smime_fault why;
    const struct rewrite_smime_cert *best =
        rewrite_smime_certificate(set, SV("bob@example.org"), NOW_S, &why);
    assert_non_null(best);
    assert_int_equal(X509_cmp(best->x509, newer.x509), 0);
    best = rewrite_smime_certificate(set, SV("bob@example.org"), NOW_S - DAY_S * 3 / 4, &why);
    assert_int_equal(X509_cmp(best->x509, bob.x509), 0);
    assert_null(rewrite_smime_certificate(set, SV("bob@example.org"), NOW_S + 99 * DAY_S, &why));
    assert_int_equal(why, REWRITE_SMIME_EXPIRED);
    assert_null(rewrite_smime_certificate(set, SV("eve@example.org"), NOW_S, &why));
    assert_int_equal(why, REWRITE_SMIME_USABLE);
    assert_null(rewrite_smime_certificate(set, SV("carol@example.org"), NOW_S, &why));
    assert_null(rewrite_smime_certificate(set, SV("dan@example.org"), NOW_S, &why));
    assert_int_equal(why, REWRITE_SMIME_PURPOSE);
    rewrite_smime_drop(set);
    set = make(NULL, 0, NULL, NULL, 0, files, 1);
    expect_said("rewrite.certificates: they count nowhere");
    rewrite_smime_drop(set);
    set = make(NULL, 0, NULL, rules, 1, NULL, 0);
    expect_said("rewrite.encrypt: nobody has a certificate");
    rewrite_smime_drop(set);
    person_free(&bob);
    person_free(&newer);
    person_free(&old);
    person_free(&carol);
    person_free(&web);
}

static int setup(void **state)
{
    (void)state;
    buf_init(&said, 1u << 16, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signers),
        cmocka_unit_test(test_signer_faults),
        cmocka_unit_test(test_recipients),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
