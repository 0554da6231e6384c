#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/tls/pem.h"
#include "tests/unit/auth_tls/fixture.h"

static struct cert ec, rsa;

static int group_setup(void **state)
{
    (void)state;
    ec = ec_cert("DNS:mail.example.net", NULL);
    rsa = rsa_cert("DNS:mail.example.net", NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&ec);
    free_cert(&rsa);
    return 0;
}

static char *join(const char *a, const char *b)
{
    char *text = mem_new(1, strlen(a) + strlen(b) + 1);
    strcpy(text, a);
    return strcat(text, b);
}

/* why NULL: no fault. */
static void expect(const char *chain, const char *key, const char *why)
{
    struct buf said;
    buf_init(&said, 1000, 0);
    int err = tls_pem_check(sv_of(chain), sv_of(key), &said);
    char *text = buf_take(&said, NULL);
    if (why && !strstr(text, why))
        fail_msg("\"%s\" is said instead of \"%s\"", text, why);
    if (!why)
        assert_string_equal(text, "");
    assert_int_equal(err, why ? ERR_TLS : 0);
    free(text);
}

static void test_good(void **state)
{
    (void)state;
    char *chain = join(ec.pem, rsa.pem);
    char *both = join(ec.key_pem, ec.pem); /* one file for both, as many keep it */
    expect(ec.pem, ec.key_pem, NULL);
    expect(rsa.pem, rsa.key_pem, NULL);
    expect(chain, ec.key_pem, NULL);
    expect(both, both, NULL);
    free(chain);
    free(both);
}

static void test_faults(void **state)
{
    (void)state;
    char *damaged = join(ec.pem, rsa.pem);
    char *cut = mem_str(rsa.key_pem);
    strstr(damaged + strlen(ec.pem), "BEGIN CERTIFICATE-----\n")[100] = '*';
    cut[strlen(cut) / 2] = '\0';
    const struct {
        const char *chain, *key, *why;
    } rows[] = {
        {"", ec.key_pem, "the certificate file is empty"},
        {ec.pem, "", "the key file is empty"},
        {"hello\n", ec.key_pem, "no PEM certificate"},
        {ec.key_pem, ec.key_pem, "no PEM certificate"},
        {ec.pem, ec.pem, "no PEM private key"},
        {ec.pem, rsa.key_pem, "does not belong to the first certificate"},
        {rsa.pem, ec.key_pem, "does not belong to the first certificate"},
        {damaged, ec.key_pem, "certificate 2 is damaged"},
        {rsa.pem, cut, "private key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].chain, rows[i].key, rows[i].why);
    free(damaged);
    free(cut);
}

static void test_same_kind_other_key(void **state)
{
    (void)state;
    struct cert other = ec_cert(NULL, NULL);
    expect(ec.pem, other.key_pem, "does not belong to the first certificate");
    free_cert(&other);
}

static void test_encrypted_key(void **state)
{
    (void)state;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, ec.key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6,
                             NULL, NULL);
    char *text = bio_text(bio);
    expect(ec.pem, text, "is encrypted");
    free(text);
}

static void test_kinds(void **state)
{
    (void)state;
    struct {
        EVP_PKEY *key;
        const char *why;
    } rows[] = {
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "kind ED25519; it must be RSA or EC"},
        {EVP_EC_gen("secp256k1"), "secp256k1; it must be on P-256"},
        {EVP_EC_gen("P-384"), NULL},
        {EVP_EC_gen("P-521"), NULL},
        {EVP_RSA_gen(1024), "RSA key of 1024 bits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c = make_cert(rows[i].key, NULL, -DAY_S, DAY_S, NULL);
        expect(c.pem, c.key_pem, rows[i].why);
        free_cert(&c);
    }
}

static void test_dates(void **state)
{
    (void)state;
    const struct {
        int64_t shift_s;
        const char *why;
    } rows[] = {
        {0, NULL},
        {89 * DAY_S, NULL},
        {91 * DAY_S, "the certificate expired on 2"},
        {-2 * DAY_S, "the certificate is not valid before 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf why;
        buf_init(&why, 1000, 0);
        int err = tls_pem_dates(sv_of(ec.pem), time(NULL) + rows[i].shift_s, &why);
        char *text = buf_take(&why, NULL);
        assert_int_equal(err, rows[i].why ? ERR_TLS : 0);
        if (rows[i].why)
            assert_non_null(strstr(text, rows[i].why));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_same_kind_other_key),
        cmocka_unit_test(test_encrypted_key),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
