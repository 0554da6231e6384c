/* Channel bindings: equal on both sides, and there where they must be, also in resumed sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/tls/inside.h"
#include "tests/unit/auth_tls/fixture.h"

static struct cert ec, rsa, ed, renewed, authority;

static int group_setup(void **state)
{
    (void)state;
    tls_key_thread_start(16);
    ec = ec_cert("DNS:mail.example.net", NULL);
    renewed = ec_cert("DNS:mail.example.net", NULL);
    rsa = rsa_cert("DNS:mail.example.net", NULL);
    authority = make_cert(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, -DAY_S, DAY_S, NULL);
    ed = ec_cert("DNS:mail.example.net", &authority); /* signed with Ed25519 */
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&ec);
    free_cert(&rsa);
    free_cert(&ed);
    free_cert(&renewed);
    free_cert(&authority);
    tls_key_thread_stop();
    return 0;
}

struct bindings {
    uint8_t len[AUTH_BINDINGS], bytes[AUTH_BINDINGS][AUTH_BINDING_MAX];
};

static struct bindings of(const struct tls_stream *s)
{
    struct bindings b = {{0}, {{0}}};
    for (unsigned i = 0; i < AUTH_BINDINGS; i++)
        b.len[i] = tls_stream_binding(s, (enum auth_binding)i, b.bytes[i]);
    return b;
}

/* One connection; both sides have the same. */
static struct bindings connection(struct tls_ctx *server, struct tls_ctx *client, EVP_PKEY *key,
                                  bool resumed)
{
    static const struct tls_stream_peer peer = {.name = SV("mail.example.net"),
                                                .session_key = SV("x")};
    struct tls_stream_info info;
    struct pair p;
    pair_init(&p, server, client, &peer, key);
    run(&p, 0, false);
    assert_string_equal(tls_stream_fault(p.server.tls), "");
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
    tls_stream_info(p.server.tls, &info);
    assert_int_equal(info.resumed, resumed);
    struct bindings ours = of(p.server.tls), theirs = of(p.client.tls);
    assert_memory_equal(ours.len, theirs.len, sizeof ours.len);
    assert_memory_equal(ours.bytes, theirs.bytes, sizeof ours.bytes);
    /* RFC 9266: the context is there and empty, which TLS 1.2 tells from none */
    uint8_t expected[32];
    assert_int_equal(SSL_export_keying_material(tls_stream_ssl(p.client.tls), expected, 32,
                                                "EXPORTER-Channel-Binding", 24,
                                                (const unsigned char *)"", 0, 1),
                     1);
    if (theirs.len[AUTH_BINDING_EXPORTER])
        assert_memory_equal(theirs.bytes[AUTH_BINDING_EXPORTER], expected, 32);
    tls_stream_close(p.client.tls);
    run(&p, 0, false);
    pair_deinit(&p);
    return ours;
}

static void each_version_and_certificate(void **state)
{
    const struct {
        int version;
        const struct cert *cert;
        bool no_ems;
        uint8_t len[AUTH_BINDINGS]; /* exporter, unique, end point */
    } rows[] = {
        {TLS1_3_VERSION, &ec, false, {32, 0, 32}},   {TLS1_3_VERSION, &rsa, false, {32, 0, 32}},
        {TLS1_3_VERSION, &ed, false, {32, 0, 0}},    {TLS1_2_VERSION, &ec, false, {32, 12, 32}},
        {TLS1_2_VERSION, &rsa, false, {32, 12, 32}}, {TLS1_2_VERSION, &ed, false, {32, 12, 0}},
        {TLS1_2_VERSION, &ec, true, {0, 0, 32}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_ctx *server = server_ctx(rows[i].cert, AUTH_TLS_MINIMUM_1_2, &test_tickets);
        struct tls_ctx *client = client_ctx(NULL, 4);
        SSL_CTX_set_max_proto_version(client->ssl, rows[i].version);
        if (rows[i].no_ems)
            SSL_CTX_set_options(client->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
        struct bindings first = connection(server, client, rows[i].cert->key, false);
        struct bindings second = connection(server, client, rows[i].cert->key, true);
        struct bindings third = connection(server, client, rows[i].cert->key, true);
        if (memcmp(first.len, rows[i].len, sizeof first.len) != 0)
            fail_msg("row %zu: %u %u %u", i, first.len[0], first.len[1], first.len[2]);
        assert_memory_equal(second.len, first.len, sizeof first.len);
        /* one connection's is no other's, but for the certificate */
        for (unsigned t = 0; t < AUTH_BINDING_END_POINT; t++)
            if (first.len[t]) {
                assert_memory_not_equal(first.bytes[t], second.bytes[t], first.len[t]);
                assert_memory_not_equal(third.bytes[t], second.bytes[t], first.len[t]);
            }
        assert_memory_equal(first.bytes[AUTH_BINDING_END_POINT],
                            third.bytes[AUTH_BINDING_END_POINT], AUTH_BINDING_MAX);
        tls_ctx_drop(server);
        tls_ctx_drop(client);
    }
}

/* The client remembers the certificate that it saw, and so does its ticket. */
static void a_renewed_certificate(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_ctx *before = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
        struct tls_ctx *after = server_ctx(&renewed, AUTH_TLS_MINIMUM_1_2, &test_tickets);
        struct tls_ctx *client = client_ctx(NULL, 4), *fresh = client_ctx(NULL, 4);
        SSL_CTX_set_max_proto_version(client->ssl, version);
        struct bindings first = connection(before, client, ec.key, false);
        struct bindings second = connection(after, client, renewed.key, true);
        struct bindings third = connection(after, client, renewed.key, true);
        struct bindings other = connection(after, fresh, renewed.key, false);
        assert_memory_equal(first.bytes[AUTH_BINDING_END_POINT],
                            second.bytes[AUTH_BINDING_END_POINT], AUTH_BINDING_MAX);
        assert_memory_equal(first.bytes[AUTH_BINDING_END_POINT],
                            third.bytes[AUTH_BINDING_END_POINT], AUTH_BINDING_MAX);
        assert_memory_not_equal(first.bytes[AUTH_BINDING_END_POINT],
                                other.bytes[AUTH_BINDING_END_POINT], 32);
        tls_ctx_drop(before);
        tls_ctx_drop(after);
        tls_ctx_drop(client);
        tls_ctx_drop(fresh);
    }
}

/* RFC 5929 4.1: the hash of the certificate's signature. */
static void end_point_is_the_certificates_hash(void **state)
{
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    (void)state;
    assert_int_equal(X509_digest(ec.x509, EVP_sha256(), hash, &len), 1);
    struct bindings b = connection(server, client, ec.key, false);
    assert_int_equal(b.len[AUTH_BINDING_END_POINT], len);
    assert_memory_equal(b.bytes[AUTH_BINDING_END_POINT], hash, len);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_and_certificate),
        cmocka_unit_test(a_renewed_certificate),
        cmocka_unit_test(end_point_is_the_certificates_hash),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
