#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_trust.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <string.h>

/* root signs middle, middle signs who. */
static struct rewrite_smime_cert *issue(const struct person *issuer, struct person *who,
                                        const char *constraints)
{
    unsigned char *der = NULL;
    X509_set_issuer_name(who->x509, X509_get_subject_name(issuer->x509));
    person_extension(who->x509, NID_basic_constraints, constraints);
    REQUIRE(X509_sign(who->x509, issuer->key, EVP_sha256()) > 0);
    int len = i2d_X509(who->x509, &der);
    struct rewrite_smime_cert *c =
        rewrite_smime_cert_decode((struct sv){(const char *)der, (size_t)len});
    OPENSSL_free(der);
    return c;
}

static char *pem_of(X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *at;
    REQUIRE(PEM_write_bio_X509(bio, x509) == 1);
    long len = BIO_get_mem_data(bio, &at);
    char *text = mem_dup(at, (size_t)len + 1);
    text[len] = '\0';
    BIO_free(bio);
    return text;
}

static void test_chains(void **state)
{
    struct person root = person_new(&(struct person_plan){.until_s = 9 * DAY_S});
    struct person middle = person_new(&(struct person_plan){.until_s = 8 * DAY_S});
    struct person bob = person_of("bob@example.org", 0), leaf = person_of("x@example.org", 0);
    struct person web = person_new(
        &(struct person_plan){.emails = "email:web@example.org", .purpose = "serverAuth"});
    struct person below = person_of("below@example.org", 0);
    struct rewrite_smime_cert *certs[6] = {issue(&root, &root, "critical,CA:TRUE"),
                                           issue(&root, &middle, "critical,CA:TRUE"),
                                           issue(&middle, &bob, NULL),
                                           issue(&middle, &leaf, "critical,CA:FALSE"),
                                           issue(&middle, &web, NULL),
                                           issue(&leaf, &below, NULL)};
    char *pems[] = {pem_of(root.x509), pem_of(middle.x509), pem_of(leaf.x509)};
    static const struct {
        const char *label;
        unsigned listed; /* bits: root, middle, leaf */
        size_t who;
        long after_s;
        bool holds;
    } rows[] = {
        {"the whole chain", 3, 2, 0, true},
        {"who is between is missing", 1, 2, 0, false},
        {"who is between is trusted", 2, 2, 0, true},
        {"who is between has expired", 3, 2, 8 * DAY_S + 1, false},
        {"a server's", 3, 4, 0, false},
        {"issued by one who may not", 3 | 4, 5, 0, false},
        {"the certificate itself", 4, 3, 0, true},
        {"others", 1, 3, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf pem, why;
        buf_init(&pem, 1u << 16, 0);
        buf_init(&why, 200, 0);
        for (size_t k = 0; k < 3; k++)
            if (rows[i].listed >> k & 1)
                assert_int_equal(buf_put(&pem, sv_of(pems[k])), 0);
        struct rewrite_smime_trust *t = rewrite_smime_trust_new(buf_view(&pem), &why);
        assert_non_null(t);
        if (rewrite_smime_trust_holds(t, certs[rows[i].who], NOW_S + rows[i].after_s) !=
            rows[i].holds)
            fail_msg("%s", rows[i].label);
        rewrite_smime_trust_free(t);
        buf_deinit(&pem);
        buf_deinit(&why);
    }
    for (size_t i = 0; i < 6; i++)
        rewrite_smime_cert_free(certs[i]);
    for (size_t i = 0; i < 3; i++)
        free(pems[i]);
    struct person *all[] = {&root, &middle, &bob, &leaf, &web, &below};
    for (size_t i = 0; i < 6; i++)
        person_free(all[i]);
}

static void test_faults(void **state)
{
    struct buf why;
    (void)state;
    buf_init(&why, 200, 0);
    assert_null(rewrite_smime_trust_new(SV("nothing"), &why));
    assert_true(buf_len(&why) > 0);
    assert_null(rewrite_smime_cert_decode(SV("nothing")));
    assert_null(rewrite_smime_cert_decode(SV_NONE));
    rewrite_smime_trust_free(NULL);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chains),
                                       cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
