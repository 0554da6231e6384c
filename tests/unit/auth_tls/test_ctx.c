#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/tls/sessions.h"
#include "tests/unit/auth_tls/fixture.h"

static struct cert ca, ec, rsa, other;

static int group_setup(void **state)
{
    (void)state;
    tls_key_thread_start(16);
    ca = ec_cert(NULL, NULL);
    ec = ec_cert("DNS:mail.example.net,DNS:*.wild.example.net,IP:192.0.2.1", &ca);
    rsa = rsa_cert("DNS:mail.example.net,DNS:*.wild.example.net,IP:192.0.2.1", &ca);
    other = ec_cert("DNS:other.example.org", &ca);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&ca);
    free_cert(&ec);
    free_cert(&rsa);
    free_cert(&other);
    tls_key_thread_stop();
    return 0;
}

static struct tls_ctx *many_ctx(const struct tls_ctx_cert *certs, size_t count)
{
    struct tls_ctx *ctx = NULL;
    struct buf why;
    struct tls_ctx_server_options o = {
        .certs = certs, .cert_count = count, .tickets = test_tickets};
    buf_init(&why, 1000, 0);
    assert_int_equal(tls_ctx_server_new(&o, &ctx, &why), 0);
    buf_deinit(&why);
    return ctx;
}

/* Whether the server asks for cert's key when it is asked for name. */
static bool is_chosen(struct tls_ctx *server, const char *name, const struct cert *cert)
{
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct tls_stream_peer peer = {.name = sv_of(name)};
    struct tls_sign_request r;
    struct pair p;
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    pair_init(&p, server, client, &peer, NULL);
    run(&p, 0, false);
    assert_true(tls_stream_wants(p.server.tls, &r));
    tls_key_id(cert->key, id);
    bool chosen = sv_eq(r.key, sv_of(id));
    pair_deinit(&p);
    tls_ctx_drop(client);
    return chosen;
}

static void test_sni(void **state)
{
    (void)state;
    const struct sv names[] = {SV("Named.Example.COM"), SV("*.named.example.com")};
    struct cert third = ec_cert(NULL, &ca);
    const struct tls_ctx_cert certs[] = {
        {.chain_pem = sv_of(ec.pem)},
        {.chain_pem = sv_of(other.pem)},
        {.names = names, .name_count = 2, .chain_pem = sv_of(third.pem)},
    };
    const struct {
        const char *name;
        const struct cert *cert;
    } rows[] = {
        {"mail.example.net", &ec},
        {"MAIL.example.net", &ec},
        {"other.example.org", &other},
        {"other.example.org.", &other},
        {"named.example.com", &third},
        {"a.named.example.com", &third},
        {"a.b.named.example.com", &ec}, /* "*" stands for one label; nobody's name: the first */
        {"x.wild.example.net", &ec},
        {"unknown.example", &ec},
        {"", &ec},
        {"192.0.2.7", &ec},
    };
    struct tls_ctx *server = many_ctx(certs, 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(is_chosen(server, rows[i].name, rows[i].cert));
    tls_ctx_drop(server);
    free_cert(&third);
}

/* RSA and EC for the same names: the client's abilities decide. */
static void test_two_kinds(void **state)
{
    (void)state;
    const struct tls_ctx_cert certs[] = {{.chain_pem = sv_of(rsa.pem)},
                                         {.chain_pem = sv_of(ec.pem)}};
    struct tls_ctx *server = many_ctx(certs, 2);
    assert_true(is_chosen(server, "mail.example.net", &ec));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, "RSA-PSS+SHA256"), 1);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    struct end end;
    struct tls_sign_request r;
    char *at;
    size_t len = (size_t)BIO_get_mem_data(out, &at);
    buf_init(&end.out, 1 << 20, 0);
    buf_init(&end.plain, 1 << 20, 0);
    end.tls = tls_stream_server(server, &end.out);
    tls_stream_feed(end.tls, (struct sv){at, len}, &end.plain);
    assert_true(tls_stream_wants(end.tls, &r));
    assert_int_equal(r.form, AUTH_SIGN_RSA_BLOCK);
    end_deinit(&end);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tls_ctx_drop(server);
}

static void test_bad_entries(void **state)
{
    (void)state;
    struct cert ed = make_cert(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, -1, DAY_S, NULL);
    const struct {
        const char *pem, *why;
    } rows[] = {{"", "is empty"}, {"junk", "no PEM certificate"}, {ed.pem, "must be RSA or EC"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_ctx_cert certs[] = {{.chain_pem = sv_of(ec.pem)},
                                       {.chain_pem = sv_of(rows[i].pem)}};
        struct tls_ctx_server_options o = {.certs = certs, .cert_count = 2};
        struct tls_ctx *ctx;
        struct buf why;
        buf_init(&why, 1000, 0);
        assert_int_equal(tls_ctx_server_new(&o, &ctx, &why), ERR_TLS);
        char *text = buf_take(&why, NULL);
        assert_non_null(strstr(text, rows[i].why));
        free(text);
    }
    free_cert(&ed);
}

static void test_verify(void **state)
{
    (void)state;
    struct cert old =
        make_cert(EVP_EC_gen("P-256"), "DNS:mail.example.net", -9 * DAY_S, -DAY_S, &ca);
    const struct {
        const struct cert *server;
        const char *ca, *name;
        enum tls_stream_trust trust;
        const char *fault; /* NULL: opens */
    } rows[] = {
        {&ec, ca.pem, "mail.example.net", AUTH_TLS_TRUST_VERIFY, NULL},
        {&ec, ca.pem, "mail.example.net.", AUTH_TLS_TRUST_VERIFY, NULL},
        {&rsa, ca.pem, "a.wild.example.net", AUTH_TLS_TRUST_VERIFY, NULL},
        {&ec, ca.pem, "192.0.2.1", AUTH_TLS_TRUST_VERIFY, NULL},
        {&ec, ca.pem, "192.0.2.2", AUTH_TLS_TRUST_VERIFY, "IP address mismatch"},
        {&ec, ca.pem, "else.example.net", AUTH_TLS_TRUST_VERIFY, "hostname mismatch"},
        {&ec, ca.pem, "a.b.wild.example.net", AUTH_TLS_TRUST_VERIFY, "hostname mismatch"},
        {&ec, other.pem, "mail.example.net", AUTH_TLS_TRUST_VERIFY, "unable to get local issuer"},
        {&ec, NULL, "mail.example.net", AUTH_TLS_TRUST_VERIFY, "unable to get local issuer"},
        {&old, ca.pem, "mail.example.net", AUTH_TLS_TRUST_VERIFY, "certificate has expired"},
        {&old, NULL, "else.example.net", AUTH_TLS_TRUST_ANY, NULL},
        {&ec, NULL, "", AUTH_TLS_TRUST_ANY, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_ctx *server = server_ctx(rows[i].server, 0, &test_tickets);
        struct tls_ctx *client = client_ctx(rows[i].ca, 0);
        struct tls_stream_peer peer = {.name = sv_of(rows[i].name), .trust = rows[i].trust};
        struct tls_stream_info info;
        struct pair p;
        pair_init(&p, server, client, &peer, rows[i].server->key);
        run(&p, 0, false);
        tls_stream_info(p.client.tls, &info);
        if (rows[i].fault) {
            assert_int_equal(tls_stream_state(p.client.tls), AUTH_TLS_FAILED);
            assert_non_null(strstr(tls_stream_fault(p.client.tls), rows[i].fault));
            assert_false(info.verified);
        } else {
            assert_int_equal(tls_stream_state(p.client.tls), AUTH_TLS_OPEN);
            assert_int_equal(info.verified, rows[i].trust == AUTH_TLS_TRUST_VERIFY);
        }
        pair_deinit(&p);
        tls_ctx_drop(server);
        tls_ctx_drop(client);
    }
    free_cert(&old);
}

/* A whole connection; whether it was resumed, which both ends must agree on. */
static bool resumes(struct tls_ctx *server, struct tls_ctx *client,
                    const struct tls_stream_peer *peer, EVP_PKEY *key)
{
    struct tls_stream_info ours, theirs;
    struct pair p;
    pair_init(&p, server, client, peer, key);
    run(&p, 0, false);
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
    assert_int_equal(tls_stream_state(p.client.tls), AUTH_TLS_OPEN);
    assert_int_equal(tls_stream_write(p.server.tls, SV("250 ok\r\n")), 8);
    run(&p, 0, false);
    assert_true(sv_eq(buf_view(&p.client.plain), SV("250 ok\r\n")));
    tls_stream_info(p.server.tls, &ours);
    tls_stream_info(p.client.tls, &theirs);
    assert_int_equal(ours.resumed, theirs.resumed);
    assert_int_equal(p.signatures, ours.resumed ? 0 : 1);
    assert_true(strlen(ours.group) > 0);
    if (ours.resumed)
        assert_int_equal(theirs.verified, peer->trust == AUTH_TLS_TRUST_VERIFY);
    bool resumed = ours.resumed;
    pair_deinit(&p);
    return resumed;
}

/* Two contexts stand for two workers, or for before and after a restart. */
static void test_resumption(void **state)
{
    (void)state;
    const struct cert *certs[] = {&ec, &rsa};
    for (size_t i = 0; i < 2; i++) {
        struct tls_ticket_keys next = {.current = "another name    and other secrets"};
        struct tls_ticket_keys after = next;
        memcpy(next.previous, test_tickets.current, sizeof next.previous);
        struct tls_ctx *a = server_ctx(certs[i], 0, &test_tickets);
        struct tls_ctx *b = server_ctx(certs[i], 0, &test_tickets);
        struct tls_ctx *client = client_ctx(ca.pem, 10);
        struct tls_stream_peer peer = {.name = SV("mail.example.net"),
                                       .trust = AUTH_TLS_TRUST_VERIFY,
                                       .session_key = SV("mail.example.net:587")};
        assert_false(resumes(a, client, &peer, certs[i]->key));
        assert_true(resumes(b, client, &peer, certs[i]->key));
        assert_true(resumes(b, client, &peer, certs[i]->key));
        /* keys exchanged: the old ones still open, and give a ticket of the new ones */
        tls_ctx_set_tickets(b, &next);
        assert_true(resumes(b, client, &peer, certs[i]->key));
        tls_ctx_set_tickets(b, &after);
        assert_true(resumes(b, client, &peer, certs[i]->key));
        /* a holds only the first keys */
        assert_false(resumes(a, client, &peer, certs[i]->key));
        tls_ctx_drop(a);
        tls_ctx_drop(b);
        tls_ctx_drop(client);
    }
}

/* A session is for one peer under one trust. */
static void test_sessions_do_not_mix(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, 0, &test_tickets);
    struct tls_ctx *client = client_ctx(ca.pem, 2);
    struct tls_stream_peer any = {.name = SV("mail.example.net"), .session_key = SV("k")};
    struct tls_stream_peer verify = any, renamed = any, third = any;
    verify.trust = AUTH_TLS_TRUST_VERIFY;
    renamed.name = SV("x.wild.example.net");
    third.session_key = SV("third");
    assert_false(resumes(server, client, &any, ec.key));
    assert_false(resumes(server, client, &verify, ec.key));
    assert_true(resumes(server, client, &any, ec.key));
    assert_true(resumes(server, client, &verify, ec.key));
    assert_false(resumes(server, client, &renamed, ec.key)); /* pushes "any" out: two are kept */
    assert_true(resumes(server, client, &verify, ec.key));
    assert_false(resumes(server, client, &any, ec.key));
    assert_false(resumes(server, client, &third, ec.key));
    struct tls_stream_peer none = {.name = SV("mail.example.net")};
    assert_false(resumes(server, client, &none, ec.key));
    assert_false(resumes(server, client, &none, ec.key));
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

/* TLS 1.2 with a ticket, which our own client makes only with such a server. */
static void test_resumption_1_2(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_SESSION *session = NULL;
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    for (int round = 0; round < 2; round++) {
        struct tls_ctx *server = server_ctx(&rsa, 0, &test_tickets);
        SSL *ssl = SSL_new(ctx);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        if (session)
            SSL_set_session(ssl, session);
        struct pair p = {.key = rsa.key};
        struct tls_stream_info info;
        buf_init(&p.server.out, 1 << 20, 0);
        buf_init(&p.server.plain, 1 << 20, 0);
        p.server.tls = tls_stream_server(server, &p.server.out);
        for (int turn = 0; turn < 3; turn++) {
            char *at;
            SSL_do_handshake(ssl);
            size_t len = (size_t)BIO_get_mem_data(out, &at);
            tls_stream_feed(p.server.tls, (struct sv){at, len}, &p.server.plain);
            (void)BIO_reset(out);
            answer(&p);
            BIO_write(in, buf_view(&p.server.out).ptr, (int)buf_len(&p.server.out));
            buf_reset(&p.server.out);
        }
        tls_stream_info(p.server.tls, &info);
        assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
        assert_string_equal(info.version, "TLSv1.2");
        assert_string_equal(info.group, "x25519");
        assert_int_equal(info.resumed, round == 1);
        assert_int_equal(p.signatures, round == 1 ? 0 : 1);
        if (!session)
            session = SSL_get1_session(ssl);
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(ssl);
        end_deinit(&p.server);
        tls_ctx_drop(server);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
}

static void test_session_cache_is_bounded(void **state)
{
    (void)state;
    struct tls_sessions *c = tls_sessions_new(3);
    const char *names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 3; i++)
        tls_sessions_put(c, names[i], SSL_SESSION_new());
    SSL_SESSION_free(tls_sessions_get(c, "a")); /* now b is the longest unused */
    tls_sessions_put(c, "d", SSL_SESSION_new());
    assert_null(tls_sessions_get(c, "b"));
    for (size_t i = 0; i < 4; i++)
        if (i != 1) {
            SSL_SESSION *s = tls_sessions_get(c, names[i]);
            assert_non_null(s);
            SSL_SESSION_free(s);
        }
    tls_sessions_forget(c, "a");
    tls_sessions_forget(c, "a");
    assert_null(tls_sessions_get(c, "a"));
    tls_sessions_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sni),
        cmocka_unit_test(test_two_kinds),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_resumption_1_2),
        cmocka_unit_test(test_sessions_do_not_mix),
        cmocka_unit_test(test_session_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
