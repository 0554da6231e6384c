/* Whom a client lets pass: TLSA records and names against certificates made for it. */
#include "auth/tls/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth_tls/fixture.h"

/* What stands before a server: its certificate, and the chain that it sends. */
struct server {
    struct cert cert;
    struct tls_ctx *ctx;
};

static struct cert ca, stranger;
static struct server right, expired, elsewhere, alone; /* alone: signed by itself, no chain */
static struct server subject, both; /* MX as the subject: without other names, and with one */

static struct server make_server(struct cert cert, const struct cert *issuer)
{
    struct server s = {.cert = cert};
    if (issuer) {
        char *chain = mem_new(strlen(cert.pem) + strlen(issuer->pem) + 1, 1);
        strcat(strcpy(chain, cert.pem), issuer->pem);
        free(cert.pem);
        s.cert.pem = chain;
    }
    s.ctx = server_ctx(&s.cert, 0, &test_tickets);
    return s;
}

static void free_server(struct server *s)
{
    free_cert(&s->cert);
    tls_ctx_drop(s->ctx);
}

#define MX "mx.example.net"

static int setup(void **state)
{
    (void)state;
    tls_key_thread_start(16);
    ca = ec_cert(NULL, NULL);
    stranger = ec_cert(NULL, NULL);
    right = make_server(ec_cert("DNS:" MX ",DNS:*.wild.example.net,IP:192.0.2.1", &ca), &ca);
    expired = make_server(make_cert(EVP_EC_gen("P-256"), "DNS:" MX, -9 * DAY_S, -DAY_S, &ca), &ca);
    elsewhere = make_server(ec_cert("DNS:else.example.org", &ca), &ca);
    alone = make_server(make_cert(EVP_EC_gen("P-256"), NULL, -9 * DAY_S, -DAY_S, NULL), NULL);
    subject = make_server(make_cert_for(EVP_EC_gen("P-256"), MX, NULL, -DAY_S, DAY_S, &ca), &ca);
    both = make_server(
        make_cert_for(EVP_EC_gen("P-256"), MX, "DNS:else.example.org", -DAY_S, DAY_S, &ca), &ca);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_cert(&ca);
    free_cert(&stranger);
    free_server(&right);
    free_server(&expired);
    free_server(&elsewhere);
    free_server(&alone);
    free_server(&subject);
    free_server(&both);
    tls_key_thread_stop();
    return 0;
}

/* The data of a record that matches the certificate; on the heap. */
static struct sv tlsa_data(X509 *x, uint8_t selector, uint8_t matching)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int len = selector == 0 ? i2d_X509(x, &der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    unsigned digest_len = (unsigned)len;
    REQUIRE(len > 0);
    if (matching)
        REQUIRE(EVP_Digest(der, (size_t)len, digest, &digest_len,
                           matching == 1 ? EVP_sha256() : EVP_sha512(), NULL) == 1);
    struct sv data = {mem_dup((char *)(matching ? digest : der), digest_len), digest_len};
    OPENSSL_free(der);
    return data;
}

/* Runs a handshake; the client's state and info. */
static enum tls_stream_state meet(const struct server *s, const char *ca_pem,
                                  const struct tls_stream_peer *peer, struct tls_stream_info *info)
{
    struct tls_ctx *client = client_ctx(ca_pem, 0);
    struct pair p;
    pair_init(&p, s->ctx, client, peer, s->cert.key);
    run(&p, 0, false);
    tls_stream_info(p.client.tls, info);
    enum tls_stream_state state = tls_stream_state(p.client.tls);
    pair_deinit(&p);
    tls_ctx_drop(client);
    return state;
}

#define OK        AUTH_TLS_FAILURE_NONE
#define MISMATCH  AUTH_TLS_FAILURE_CERTIFICATE_HOST_MISMATCH
#define EXPIRED   AUTH_TLS_FAILURE_CERTIFICATE_EXPIRED
#define UNTRUSTED AUTH_TLS_FAILURE_CERTIFICATE_NOT_TRUSTED
#define INVALID   AUTH_TLS_FAILURE_VALIDATION_FAILURE

/* Usage 3 with each selector and matching type: the certificate or key decides, nothing else. */
static void dane_end_entity(void **state)
{
    static const struct {
        const struct server *meets, *record_of;
        enum tls_failure failure;
    } rows[] = {
        {&right, &right, OK},      {&expired, &expired, OK},    {&elsewhere, &elsewhere, OK},
        {&alone, &alone, OK},      {&right, &expired, INVALID}, {&elsewhere, &right, INVALID},
        {&alone, &right, INVALID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (uint8_t kind = 0; kind < 6; kind++) {
            struct tls_stream_tlsa r = {.usage = 3, .selector = kind / 3, .matching = kind % 3};
            r.data = tlsa_data(rows[i].record_of->cert.x509, r.selector, r.matching);
            struct tls_stream_peer peer = {
                .name = SV(MX), .trust = AUTH_TLS_TRUST_DANE, .tlsa = &r, .ntlsa = 1};
            struct tls_stream_info info;
            /* an authority that would vouch for it by PKIX changes nothing */
            enum tls_stream_state end = meet(rows[i].meets, ca.pem, &peer, &info);
            assert_int_equal(info.failure, rows[i].failure);
            assert_int_equal(info.verified, rows[i].failure == OK);
            assert_int_equal(end, rows[i].failure == OK ? AUTH_TLS_OPEN : AUTH_TLS_FAILED);
            free((void *)(uintptr_t)r.data.ptr);
        }
    }
}

/* Usage 2: a chain to the authority, dates, and one of the names. */
static void dane_authority(void **state)
{
    static const char *const two_names[] = {"example.net", MX};
    static const struct {
        const struct server *meets;
        const struct cert *record_of;
        const char *name;
        size_t nnames; /* of two_names */
        enum tls_failure failure;
    } rows[] = {
        {&right, &ca, MX, 0, OK},
        {&right, &ca, "a.wild.example.net", 0, OK},
        {&right, &ca, "example.net", 2, OK},
        {&right, &ca, "example.net", 1, MISMATCH},
        {&right, &stranger, MX, 0, INVALID},
        {&expired, &ca, MX, 0, EXPIRED},
        {&elsewhere, &ca, MX, 0, MISMATCH},
        {&elsewhere, &ca, "else.example.org.", 0, OK},
        {&alone, &ca, MX, 0, INVALID},
        {&subject, &ca, MX, 0, OK}, /* RFC 7672 3.2.3 */
        {&both, &ca, MX, 0, MISMATCH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (uint8_t kind = 0; kind < 6; kind++) {
            struct tls_stream_tlsa r = {.usage = 2, .selector = kind / 3, .matching = kind % 3};
            r.data = tlsa_data(rows[i].record_of->x509, r.selector, r.matching);
            struct tls_stream_peer peer = {.name = sv_of(rows[i].name),
                                           .trust = AUTH_TLS_TRUST_DANE,
                                           .names = two_names,
                                           .nnames = rows[i].nnames,
                                           .tlsa = &r,
                                           .ntlsa = 1};
            struct tls_stream_info info;
            enum tls_stream_state end = meet(rows[i].meets, NULL, &peer, &info);
            assert_int_equal(info.failure, rows[i].failure);
            assert_int_equal(end, rows[i].failure == OK ? AUTH_TLS_OPEN : AUTH_TLS_FAILED);
            free((void *)(uintptr_t)r.data.ptr);
        }
    }
}

/* Any of several may match; those that cannot be used are passed over, and if that are all of them
 * the connection stands, unverified. */
static void dane_records_that_cannot_be_used(void **state)
{
    struct sv good = tlsa_data(right.cert.x509, 1, 1), bad = tlsa_data(alone.cert.x509, 1, 1);
    const struct tls_stream_tlsa ee = {3, 1, 1, good}, wrong = {3, 1, 1, bad},
                                 pkix = {1, 1, 1, good}, usage = {9, 1, 1, good},
                                 selector = {3, 7, 1, good}, matching = {3, 1, 9, good},
                                 length = {3, 1, 1, SV("short")}, der = {3, 0, 0, SV("no DER")};
    const struct {
        struct tls_stream_tlsa records[4];
        size_t count;
        enum tls_failure failure;
        bool opens, verified;
    } rows[] = {
        {{wrong, ee}, 2, OK, true, true},
        {{pkix, selector, matching, ee}, 4, OK, true, true},
        {{length, der, ee}, 3, OK, true, true},
        {{pkix, wrong}, 2, INVALID, false, false},
        {{pkix}, 1, AUTH_TLS_FAILURE_TLSA_INVALID, true, false},
        {{usage, selector, matching}, 3, AUTH_TLS_FAILURE_TLSA_INVALID, true, false},
        {{length, der}, 2, AUTH_TLS_FAILURE_TLSA_INVALID, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_stream_peer peer = {.name = SV(MX),
                                       .trust = AUTH_TLS_TRUST_DANE,
                                       .tlsa = rows[i].records,
                                       .ntlsa = rows[i].count};
        struct tls_stream_info info;
        enum tls_stream_state end = meet(&right, ca.pem, &peer, &info);
        assert_int_equal(info.failure, rows[i].failure);
        assert_int_equal(info.verified, rows[i].verified);
        assert_int_equal(end, rows[i].opens ? AUTH_TLS_OPEN : AUTH_TLS_FAILED);
    }
    free((void *)(uintptr_t)good.ptr);
    free((void *)(uintptr_t)bad.ptr);
}

/* Where the host must be verified in any case, PKIX takes the place of records that cannot be used,
 * and of no others. */
static void dane_that_must_verify(void **state)
{
    struct sv bad = tlsa_data(alone.cert.x509, 1, 1);
    const struct tls_stream_tlsa der = {3, 0, 0, SV("no DER")}, wrong = {3, 1, 1, bad};
    const struct {
        const struct server *meets;
        const char *ca;
        struct tls_stream_tlsa record;
        enum tls_failure failure;
    } rows[] = {
        {&right, ca.pem, der, OK},           {&right, NULL, der, UNTRUSTED},
        {&elsewhere, ca.pem, der, MISMATCH}, {&alone, ca.pem, der, UNTRUSTED},
        {&right, ca.pem, wrong, INVALID},    {&subject, ca.pem, der, MISMATCH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_stream_peer peer = {.name = SV(MX),
                                       .trust = AUTH_TLS_TRUST_DANE,
                                       .must_verify = true,
                                       .tlsa = &rows[i].record,
                                       .ntlsa = 1};
        struct tls_stream_info info;
        enum tls_stream_state end = meet(rows[i].meets, rows[i].ca, &peer, &info);
        assert_int_equal(info.failure, rows[i].failure);
        assert_int_equal(info.verified, rows[i].failure == OK);
        assert_int_equal(end, rows[i].failure == OK ? AUTH_TLS_OPEN : AUTH_TLS_FAILED);
    }
    free((void *)(uintptr_t)bad.ptr);
}

/* PKIX for one of several names, and what is only reported. */
static void pkix_names_and_reports(void **state)
{
    static const char *const names[] = {"a.example", "x.wild.example.net", "b.example"},
                             *const ip[] = {"192.0.2.1"}, *const other_ip[] = {"192.0.2.2"};
    const struct {
        const struct server *meets;
        const char *ca;
        size_t nnames;
        enum tls_failure failure;
        const char *const *names; /* NULL: names */
    } rows[] = {
        {&right, ca.pem, 1, OK, ip},
        {&right, ca.pem, 1, MISMATCH, other_ip},
        {&right, ca.pem, 0, OK, NULL},
        {&right, ca.pem, 3, OK, NULL},
        {&right, ca.pem, 1, MISMATCH, NULL},
        {&elsewhere, ca.pem, 3, MISMATCH, NULL},
        {&expired, ca.pem, 0, EXPIRED, NULL},
        {&right, NULL, 0, UNTRUSTED, NULL},
        {&right, stranger.pem, 0, UNTRUSTED, NULL},
        {&alone, ca.pem, 0, UNTRUSTED, NULL},
        {&subject, ca.pem, 0, MISMATCH, NULL},
        {&both, ca.pem, 0, MISMATCH, NULL},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        size_t row = i / 2;
        struct tls_stream_peer peer = {.name = SV(MX),
                                       .trust = AUTH_TLS_TRUST_VERIFY,
                                       .report_only = i % 2,
                                       .names = rows[row].names ? rows[row].names : names,
                                       .nnames = rows[row].nnames};
        struct tls_stream_info info;
        enum tls_stream_state end = meet(rows[row].meets, rows[row].ca, &peer, &info);
        assert_int_equal(info.failure, rows[row].failure);
        assert_int_equal(info.verified, rows[row].failure == OK);
        assert_int_equal(end, rows[row].failure == OK || peer.report_only ? AUTH_TLS_OPEN
                                                                          : AUTH_TLS_FAILED);
    }
}

/* A session stands only for a peer of whom exactly the same is expected. */
static void session_names(void **state)
{
    static const char *const names[] = {"a.example", "b.example"};
    const struct tls_stream_tlsa records[] = {
        {3, 1, 1, SV("data")}, {2, 1, 1, SV("data")}, {3, 1, 1, SV("DATA")}};
    const struct tls_stream_peer peers[] = {
        {.name = SV("n"), .session_key = SV("k")},
        {.name = SV("m"), .session_key = SV("k")},
        {.name = SV("n"), .session_key = SV("l")},
        {.name = SV("nk"), .session_key = SV("")},
        {.name = SV("n"), .session_key = SV("k"), .trust = AUTH_TLS_TRUST_VERIFY},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_VERIFY,
         .report_only = true},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_VERIFY,
         .names = names,
         .nnames = 1},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_VERIFY,
         .names = names,
         .nnames = 2},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_DANE,
         .tlsa = records,
         .ntlsa = 1},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_DANE,
         .tlsa = records,
         .ntlsa = 2},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_DANE,
         .tlsa = records + 1,
         .ntlsa = 1},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_DANE,
         .tlsa = records + 2,
         .ntlsa = 1},
        {.name = SV("n"),
         .session_key = SV("k"),
         .trust = AUTH_TLS_TRUST_DANE,
         .must_verify = true,
         .tlsa = records,
         .ntlsa = 1},
    };
    enum { COUNT = sizeof peers / sizeof *peers };
    char *made[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = tls_check_session_name(&peers[i]);
        if (peers[i].session_key.len == 0) {
            assert_null(made[i]);
            continue;
        }
        char *again = tls_check_session_name(&peers[i]);
        assert_string_equal(made[i], again);
        free(again);
        for (size_t j = 0; j < i; j++)
            if (made[j])
                assert_string_not_equal(made[i], made[j]);
    }
    for (size_t i = 0; i < COUNT; i++)
        free(made[i]);
}

/* A resumed session says of the certificate what its first handshake said. */
static void resumed_sessions_keep_the_verdict(void **state)
{
    struct tls_ctx *client = client_ctx(NULL, 10);
    struct sv data = tlsa_data(right.cert.x509, 1, 1);
    const struct tls_stream_tlsa ee = {3, 1, 1, data};
    const struct tls_stream_peer dane = {.name = SV(MX),
                                         .trust = AUTH_TLS_TRUST_DANE,
                                         .tlsa = &ee,
                                         .ntlsa = 1,
                                         .session_key = SV("k")},
                                 report = {.name = SV(MX),
                                           .trust = AUTH_TLS_TRUST_VERIFY,
                                           .report_only = true,
                                           .session_key = SV("k")};
    const struct {
        const struct tls_stream_peer *peer;
        bool resumed;
        enum tls_failure failure;
    } rows[] = {{&dane, false, OK},
                {&report, false, UNTRUSTED},
                {&dane, true, OK},
                {&report, true, UNTRUSTED}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_stream_info info;
        struct pair p;
        pair_init(&p, right.ctx, client, rows[i].peer, right.cert.key);
        run(&p, 0, false);
        assert_int_equal(tls_stream_write(p.server.tls, SV("250 ok\r\n")), 8);
        run(&p, 0, false); /* tickets come with the first bytes */
        tls_stream_info(p.client.tls, &info);
        assert_int_equal(info.resumed, rows[i].resumed);
        assert_int_equal(info.failure, rows[i].failure);
        assert_int_equal(info.verified, rows[i].failure == OK);
        pair_deinit(&p);
    }
    free((void *)(uintptr_t)data.ptr);
    tls_ctx_drop(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dane_end_entity),
        cmocka_unit_test(dane_authority),
        cmocka_unit_test(dane_records_that_cannot_be_used),
        cmocka_unit_test(dane_that_must_verify),
        cmocka_unit_test(pkix_names_and_reports),
        cmocka_unit_test(session_names),
        cmocka_unit_test(resumed_sessions_keep_the_verdict),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
