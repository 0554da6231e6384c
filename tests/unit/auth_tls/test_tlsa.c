/* Which TLSA records can be matched; OpenSSL thinks the same of each. */
#include "auth/tls/tlsa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/auth_tls/fixture.h"

static bool openssl_takes(const struct tls_stream_tlsa *r)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_dane_enable(ctx), 1);
    SSL *ssl = SSL_new(ctx);
    assert_int_equal(SSL_dane_enable(ssl, "mx.example.net"), 1);
    bool taken = SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
                                   (const unsigned char *)r->data.ptr, r->data.len) == 1;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return taken;
}

static void test_usable(void **state)
{
    struct cert c = ec_cert("DNS:mx.example.net", NULL);
    static const char zeros[200];
    unsigned char *der = NULL, *spki = NULL;
    int der_len = i2d_X509(c.x509, &der), spki_len = i2d_PUBKEY(c.key, &spki);
    assert_true(der_len > 0 && spki_len > 0);
    struct sv cert = {(const char *)der, (size_t)der_len},
              key = {(const char *)spki, (size_t)spki_len}, cut = sv_first(cert, cert.len - 1),
              cut_key = sv_first(key, key.len - 1);
    char *longer = mem_new(cert.len + 1, 1);
    memcpy(longer, der, cert.len);
    const struct {
        struct tls_stream_tlsa record;
        bool usable;
    } rows[] = {
        {{3, 1, 1, {zeros, 32}}, true},
        {{2, 0, 2, {zeros, 64}}, true},
        {{3, 0, 0, cert}, true},
        {{2, 0, 0, cert}, true},
        {{3, 1, 0, key}, true},
        {{2, 1, 0, key}, true},
        {{0, 1, 1, {zeros, 32}}, false}, /* RFC 7672 3.1.3; OpenSSL takes these two */
        {{1, 1, 1, {zeros, 32}}, false},
        {{4, 1, 1, {zeros, 32}}, false},
        {{255, 1, 1, {zeros, 32}}, false},
        {{3, 2, 1, {zeros, 32}}, false},
        {{3, 1, 3, {zeros, 32}}, false},
        {{3, 1, 1, {zeros, 31}}, false},
        {{3, 1, 1, {zeros, 33}}, false},
        {{3, 1, 1, {zeros, 64}}, false},
        {{3, 1, 2, {zeros, 32}}, false},
        {{3, 1, 1, {"", 0}}, false},
        {{3, 0, 0, {"", 0}}, false},
        {{3, 1, 0, {zeros, 91}}, false},
        {{3, 0, 0, key}, false},
        {{3, 1, 0, cert}, false},
        {{3, 0, 0, cut}, false},
        {{3, 1, 0, cut_key}, false},
        {{3, 0, 0, {longer, cert.len + 1}}, false}, /* a byte behind it */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tls_stream_tlsa *r = &rows[i].record;
        assert_int_equal(tls_tlsa_is_usable(r), rows[i].usable);
        if (r->usage > 1)
            assert_int_equal(openssl_takes(r), rows[i].usable);
    }
    free(longer);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    free_cert(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_usable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
