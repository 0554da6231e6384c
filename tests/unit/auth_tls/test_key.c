#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth_tls/fixture.h"

#define MANY 1000

static struct cert ec, rsa;
static struct tls_ctx *client;

static const struct tls_stream_peer anyone = {.name = SV("mail.example.net")};

static int group_setup(void **state)
{
    (void)state;
    ec = ec_cert("DNS:mail.example.net", NULL);
    rsa = rsa_cert("DNS:mail.example.net", NULL);
    client = client_ctx(NULL, 0);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&ec);
    free_cert(&rsa);
    tls_ctx_drop(client);
    return 0;
}

static void test_id(void **state)
{
    (void)state;
    char ours[AUTH_TLS_KEY_ID_LEN + 1], public_half[AUTH_TLS_KEY_ID_LEN + 1];
    char other[AUTH_TLS_KEY_ID_LEN + 1];
    tls_key_id(ec.key, ours);
    tls_key_id(X509_get0_pubkey(ec.x509), public_half);
    tls_key_id(rsa.key, other);
    assert_string_equal(ours, public_half);
    assert_string_not_equal(ours, other);
    assert_int_equal(strspn(ours, "0123456789abcdef"), AUTH_TLS_KEY_ID_LEN);
}

/* The request as the keeper sees it, for each kind of key and version. */
static void test_forms(void **state)
{
    (void)state;
    const struct {
        const struct cert *cert;
        int version;
        enum auth_sign form;
        size_t least, most; /* bytes to sign */
    } rows[] = {
        {&ec, TLS1_3_VERSION, AUTH_SIGN_ECDSA, 32, 64},
        {&ec, TLS1_2_VERSION, AUTH_SIGN_ECDSA, 32, 64},
        {&rsa, TLS1_3_VERSION, AUTH_SIGN_RSA_BLOCK, 256, 256},
        {&rsa, TLS1_2_VERSION, AUTH_SIGN_RSA_BLOCK, 256, 256},
    };
    tls_key_thread_start(4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_ctx *server = server_ctx(rows[i].cert, 0, &test_tickets);
        struct pair p;
        struct tls_sign_request r;
        char id[AUTH_TLS_KEY_ID_LEN + 1];
        tls_key_id(rows[i].cert->key, id);
        pair_init(&p, server, client, &anyone, NULL);
        assert_false(tls_stream_wants(p.server.tls, &r));
        run(&p, 0, false);
        assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_SIGNATURE);
        assert_true(tls_stream_wants(p.server.tls, &r));
        assert_true(sv_eq(r.key, sv_of(id)));
        assert_int_equal(r.form, rows[i].form);
        assert_in_range(r.bytes.len, rows[i].least, rows[i].most);
        /* nothing is taken meanwhile */
        assert_int_equal(tls_stream_feed(p.server.tls, SV("early"), &p.server.plain), 0);
        assert_int_equal(tls_stream_write(p.server.tls, SV("early")), 0);
        p.key = rows[i].cert->key;
        run(&p, 0, false);
        assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
        pair_deinit(&p);
        tls_ctx_drop(server);
    }
    tls_key_thread_stop();
}

/* A client that only knows PKCS #1 in TLS 1.2. */
static void test_pkcs1(void **state)
{
    (void)state;
    tls_key_thread_start(4);
    struct tls_ctx *server = server_ctx(&rsa, 0, &test_tickets);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, "RSA+SHA256"), 1);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    struct end end = {0};
    struct tls_sign_request r;
    buf_init(&end.out, 1 << 20, 0);
    buf_init(&end.plain, 1 << 20, 0);
    end.tls = tls_stream_server(server, &end.out);
    for (int turn = 0; turn < 3; turn++) {
        char *at;
        uint8_t signature[1024];
        size_t len = 0;
        SSL_do_handshake(ssl);
        size_t n = (size_t)BIO_get_mem_data(out, &at);
        tls_stream_feed(end.tls, (struct sv){at, n}, &end.plain);
        (void)BIO_reset(out);
        if (tls_stream_wants(end.tls, &r)) {
            assert_int_equal(r.form, AUTH_SIGN_RSA_PKCS1);
            assert_int_equal(r.bytes.len, 19 + 32); /* DigestInfo of SHA-256 */
            assert_int_equal(sign_with(rsa.key, &r, signature, &len), 0);
            tls_stream_signed(end.tls, 0, (struct sv){(char *)signature, len});
        }
        BIO_write(in, buf_view(&end.out).ptr, (int)buf_len(&end.out));
        buf_reset(&end.out);
    }
    assert_int_equal(tls_stream_state(end.tls), AUTH_TLS_OPEN);
    assert_int_equal(SSL_do_handshake(ssl), 1);
    end_deinit(&end);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tls_ctx_drop(server);
    tls_key_thread_stop();
}

static void test_bad_answers(void **state)
{
    (void)state;
    static const char wrong[256] = "not a signature";
    static const char huge[2000] = "far too long";
    const struct {
        int err;
        struct sv signature;
        const char *fault; /* NULL: the client finds out */
    } rows[] = {
        {ERR_KEEPER, {NULL, 0}, "the keeper process is not available"},
        {ERR_TIMEOUT, {NULL, 0}, "timed out"},
        {0, {NULL, 0}, "the signature is empty"},
        {0, {huge, sizeof huge}, "wrong length"},
        {0, {wrong, 60}, NULL},
        {0, {wrong, 256}, NULL},
    };
    tls_key_thread_start(4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int kind = 0; kind < 2; kind++) {
            struct tls_ctx *server = server_ctx(kind ? &rsa : &ec, 0, &test_tickets);
            struct pair p;
            pair_init(&p, server, client, &anyone, NULL);
            run(&p, 0, false);
            assert_int_equal(tls_key_waiting(), 1);
            tls_stream_signed(p.server.tls, rows[i].err, rows[i].signature);
            assert_int_equal(tls_key_waiting(), 0);
            run(&p, 0, false);
            assert_int_not_equal(tls_stream_state(p.client.tls), AUTH_TLS_OPEN);
            if (rows[i].fault) {
                assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_FAILED);
                assert_non_null(strstr(tls_stream_fault(p.server.tls), rows[i].fault));
            }
            assert_int_equal(tls_stream_state(p.client.tls), AUTH_TLS_FAILED);
            pair_deinit(&p);
            tls_ctx_drop(server);
        }
    tls_key_thread_stop();
}

static struct pair pairs[MANY + 1];

/* All wait at once; answered in an order of no meaning; one more is refused, and room comes back.
 */
static void test_many_wait(void **state)
{
    (void)state;
    tls_key_thread_start(MANY);
    struct tls_ctx *server = server_ctx(&ec, 0, &test_tickets);
    for (size_t i = 0; i < MANY; i++) {
        pair_init(&pairs[i], server, client, &anyone, NULL);
        run(&pairs[i], 0, false);
        assert_int_equal(tls_stream_state(pairs[i].server.tls), AUTH_TLS_SIGNATURE);
    }
    assert_int_equal(tls_key_waiting(), MANY);
    pair_init(&pairs[MANY], server, client, &anyone, ec.key);
    run(&pairs[MANY], 0, false);
    assert_string_equal(tls_stream_fault(pairs[MANY].server.tls),
                        "too many handshakes wait for a signature");
    assert_int_equal(tls_stream_state(pairs[MANY].client.tls), AUTH_TLS_FAILED);
    pair_deinit(&pairs[MANY]);
    for (size_t n = 0; n < MANY; n++) {
        struct pair *p = &pairs[n * 7 % MANY];
        p->key = ec.key;
        run(p, 0, false);
        assert_int_equal(tls_stream_state(p->server.tls), AUTH_TLS_OPEN);
        assert_int_equal(tls_stream_state(p->client.tls), AUTH_TLS_OPEN);
    }
    assert_int_equal(tls_key_waiting(), 0);
    for (size_t i = 0; i < MANY; i++)
        pair_deinit(&pairs[i]);
    tls_ctx_drop(server);
    tls_key_thread_stop();
}

/* A resumed handshake needs no signature and passes where no more may wait. */
static void test_resumed_passes_a_full_house(void **state)
{
    (void)state;
    tls_key_thread_start(1);
    const struct tls_stream_peer peer = {.name = SV("mail.example.net"), .session_key = SV("a")};
    struct tls_ctx *server = server_ctx(&ec, 0, &test_tickets);
    struct tls_ctx *resuming = client_ctx(NULL, 4);
    struct pair first, waiting, second;
    struct tls_stream_info info;
    pair_init(&first, server, resuming, &peer, ec.key);
    run(&first, 0, false);
    pair_init(&waiting, server, client, &anyone, NULL);
    run(&waiting, 0, false);
    assert_int_equal(tls_key_waiting(), 1);
    pair_init(&second, server, resuming, &peer, ec.key);
    run(&second, 0, false);
    assert_int_equal(tls_stream_state(second.server.tls), AUTH_TLS_OPEN);
    assert_int_equal(second.signatures, 0);
    tls_stream_info(second.server.tls, &info);
    assert_true(info.resumed);
    pair_deinit(&first);
    pair_deinit(&second);
    pair_deinit(&waiting); /* freed while it waits */
    assert_int_equal(tls_key_waiting(), 0);
    tls_ctx_drop(server);
    tls_ctx_drop(resuming);
    tls_key_thread_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id),        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_pkcs1),     cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_many_wait), cmocka_unit_test(test_resumed_passes_a_full_house),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
