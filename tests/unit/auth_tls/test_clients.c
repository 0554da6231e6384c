/* Clients with certificates: which hold, which do not, and that nobody is turned away for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/tls/inside.h"
#include "auth/tls/pem.h"
#include "tests/unit/auth_tls/fixture.h"

static struct cert server_cert, ca, stranger;

static struct cert signed_by(const struct cert *issuer, long from_s, long to_s)
{
    return make_cert(EVP_EC_gen("P-256"), "email:alice@example.net", from_s, to_s, issuer);
}

static int group_setup(void **state)
{
    (void)state;
    tls_key_thread_start(16);
    server_cert = ec_cert("DNS:mail.example.net", NULL);
    ca = ec_cert(NULL, NULL);
    stranger = ec_cert(NULL, NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&server_cert);
    free_cert(&ca);
    free_cert(&stranger);
    tls_key_thread_stop();
    return 0;
}

/* A list of ca's that revokes these, PEM. */
static char *list_of(const struct cert *issuer, const struct cert *revoked, long next_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = X509_gmtime_adj(NULL, -DAY_S);
    BIO *bio = BIO_new(BIO_s_mem());
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, at);
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509));
        X509_REVOKED_set_revocationDate(entry, at);
        X509_CRL_add0_revoked(crl, entry);
    }
    X509_gmtime_adj(at, next_s);
    X509_CRL_set1_nextUpdate(crl, at);
    REQUIRE(X509_CRL_sign(crl, issuer->key, EVP_sha256()));
    PEM_write_bio_X509_CRL(bio, crl);
    ASN1_TIME_free(at);
    X509_CRL_free(crl);
    return bio_text(bio);
}

static struct tls_ctx *asking(const char *ca_pem, const char *crl_pem)
{
    struct tls_ctx *ctx = NULL;
    struct buf why;
    struct tls_ctx_cert entry = {.chain_pem = sv_of(server_cert.pem)};
    struct tls_ctx_server_options o = {.certs = &entry,
                                       .cert_count = 1,
                                       .tickets = test_tickets,
                                       .client_ca_pem = sv_of(ca_pem),
                                       .client_crl_pem = sv_of(crl_pem)};
    buf_init(&why, 1024, 0);
    if (tls_ctx_server_new(&o, &ctx, &why) < 0)
        fail_msg("%.*s", SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    return ctx;
}

struct outcome {
    enum tls_certificate shown;
    char why[100];
    bool resumed, same; /* same: the certificate given out is the client's */
};

static struct outcome connect_to(struct tls_ctx *server, struct tls_ctx *client,
                                 const struct cert *cert)
{
    static const struct tls_stream_peer peer = {.name = SV("mail.example.net"),
                                                .session_key = SV("x")};
    struct tls_stream_info info;
    struct outcome o = {0};
    const char *why;
    struct pair p;
    struct buf der;
    if (cert)
        REQUIRE(SSL_CTX_use_cert_and_key(client->ssl, cert->x509, cert->key, NULL, 1) == 1);
    pair_init(&p, server, client, &peer, server_cert.key);
    run(&p, 0, false);
    assert_string_equal(tls_stream_fault(p.server.tls), "");
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
    tls_stream_info(p.server.tls, &info);
    o.resumed = info.resumed;
    o.shown = tls_stream_certificate(p.server.tls, &why);
    snprintf(o.why, sizeof o.why, "%s", why);
    buf_init(&der, 8192, 0);
    int err = tls_stream_certificate_der(p.server.tls, &der);
    assert_int_equal(err == 0, o.shown == AUTH_TLS_CERTIFICATE);
    if (err == 0) {
        unsigned char *own = NULL;
        int len = i2d_X509(cert->x509, &own);
        o.same = sv_eq(buf_view(&der), (struct sv){(char *)own, (size_t)len});
        OPENSSL_free(own);
    }
    buf_deinit(&der);
    tls_stream_close(p.client.tls);
    run(&p, 0, false);
    pair_deinit(&p);
    return o;
}

static void each_kind_of_certificate(void **state)
{
    struct cert good = signed_by(&ca, -DAY_S, DAY_S), old = signed_by(&ca, -2 * DAY_S, -DAY_S);
    struct cert early = signed_by(&ca, DAY_S, 2 * DAY_S);
    struct cert foreign = signed_by(&stranger, -DAY_S, DAY_S), own = ec_cert(NULL, NULL);
    struct cert revoked = signed_by(&ca, -DAY_S, DAY_S);
    char *list = list_of(&ca, &revoked, DAY_S), *stale = list_of(&ca, NULL, -3600);
    char *other = list_of(&stranger, NULL, DAY_S);
    const struct {
        const struct cert *cert;
        const char *crl;
        enum tls_certificate shown;
        const char *why;
    } rows[] = {
        {NULL, NULL, AUTH_TLS_NO_CERTIFICATE, ""},
        {&good, NULL, AUTH_TLS_CERTIFICATE, ""},
        {&old, NULL, AUTH_TLS_BAD_CERTIFICATE, "certificate has expired"},
        {&early, NULL, AUTH_TLS_BAD_CERTIFICATE, "certificate is not yet valid"},
        {&foreign, NULL, AUTH_TLS_BAD_CERTIFICATE, "unable to get local issuer certificate"},
        {&own, NULL, AUTH_TLS_BAD_CERTIFICATE, "self-signed certificate"},
        {&good, list, AUTH_TLS_CERTIFICATE, ""},
        {&revoked, list, AUTH_TLS_BAD_CERTIFICATE, "certificate revoked"},
        {&revoked, NULL, AUTH_TLS_CERTIFICATE, ""},
        {&good, stale, AUTH_TLS_BAD_CERTIFICATE, "CRL has expired"},
        {&good, other, AUTH_TLS_BAD_CERTIFICATE, "unable to get certificate CRL"},
    };
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct tls_ctx *server = asking(ca.pem, rows[i].crl);
            struct tls_ctx *client = client_ctx(NULL, 4);
            SSL_CTX_set_max_proto_version(client->ssl, version);
            for (int round = 0; round < 2; round++) {
                struct outcome o = connect_to(server, client, rows[i].cert);
                if (o.shown != rows[i].shown || strcmp(o.why, rows[i].why) != 0)
                    fail_msg("row %zu: %d %s", i, o.shown, o.why);
                assert_int_equal(o.same, o.shown == AUTH_TLS_CERTIFICATE);
                /* who shows one is looked at each time */
                assert_int_equal(o.resumed, round == 1 && !rows[i].cert);
            }
            tls_ctx_drop(server);
            tls_ctx_drop(client);
        }
    free(list);
    free(stale);
    free(other);
    free_cert(&good);
    free_cert(&old);
    free_cert(&early);
    free_cert(&foreign);
    free_cert(&own);
    free_cert(&revoked);
}

/* A ticket of before does not carry a certificate over into what is trusted and revoked now. */
static void a_certificate_revoked_later(void **state)
{
    struct cert cert = signed_by(&ca, -DAY_S, DAY_S);
    char *list = list_of(&ca, &cert, DAY_S);
    struct tls_ctx *before = asking(ca.pem, NULL), *after = asking(ca.pem, list);
    struct tls_ctx *client = client_ctx(NULL, 4);
    (void)state;
    assert_int_equal(connect_to(before, client, &cert).shown, AUTH_TLS_CERTIFICATE);
    struct outcome o = connect_to(after, client, &cert);
    assert_int_equal(o.shown, AUTH_TLS_BAD_CERTIFICATE);
    assert_false(o.resumed);
    tls_ctx_drop(before);
    tls_ctx_drop(after);
    tls_ctx_drop(client);
    free(list);
    free_cert(&cert);
}

/* Without authorities no client is asked. */
static void not_asked(void **state)
{
    struct cert cert = signed_by(&ca, -DAY_S, DAY_S);
    struct tls_ctx *server = asking(NULL, NULL), *client = client_ctx(NULL, 0);
    (void)state;
    assert_int_equal(connect_to(server, client, &cert).shown, AUTH_TLS_NO_CERTIFICATE);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
    free_cert(&cert);
}

static void bad_files(void **state)
{
    char *list = list_of(&ca, NULL, DAY_S);
    const struct {
        const char *ca, *crl, *why;
    } rows[] = {
        {ca.pem, "", NULL},
        {ca.pem, list, NULL},
        {"nothing", "", "no PEM certificate (BEGIN CERTIFICATE) is in the file"},
        {ca.pem, "nothing", "no PEM revocation list (BEGIN X509 CRL) is in the file"},
        {ca.pem, ca.pem, "no PEM revocation list (BEGIN X509 CRL) is in the file"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", "is damaged"},
        {ca.pem, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "is damaged"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf why;
        buf_init(&why, 1024, 0);
        int err = tls_pem_check_clients(sv_of(rows[i].ca), sv_of(rows[i].crl), &why);
        assert_int_equal(err == 0, rows[i].why == NULL);
        assert_int_equal(buf_append(&why, "", 1), 0);
        if (rows[i].why && !strstr(buf_view(&why).ptr, rows[i].why))
            fail_msg("row %zu: %s", i, buf_view(&why).ptr);
        buf_deinit(&why);
    }
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_certificate),
        cmocka_unit_test(a_certificate_revoked_later),
        cmocka_unit_test(not_asked),
        cmocka_unit_test(bad_files),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
