#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth_tls/fixture.h"

static struct cert ec, rsa;

static const struct tls_stream_peer anyone = {.name = SV("mail.example.net")};

static int group_setup(void **state)
{
    (void)state;
    tls_key_thread_start(64);
    ec = ec_cert("DNS:mail.example.net", NULL);
    rsa = rsa_cert("DNS:mail.example.net", NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free_cert(&ec);
    free_cert(&rsa);
    tls_key_thread_stop();
    return 0;
}

static void assert_open(const struct pair *p)
{
    assert_string_equal(tls_stream_fault(p->server.tls), "");
    assert_string_equal(tls_stream_fault(p->client.tls), "");
    assert_int_equal(tls_stream_state(p->server.tls), AUTH_TLS_OPEN);
    assert_int_equal(tls_stream_state(p->client.tls), AUTH_TLS_OPEN);
}

/* Has to arrive whole and in order. */
static void send_and_check(struct pair *p, struct end *from, struct end *to, size_t len,
                           size_t most, bool random)
{
    char *text = mem_new(1, len);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 7 + i / 251);
    buf_reset(&to->plain);
    assert_int_equal(tls_stream_write(from->tls, (struct sv){text, len}), len);
    run(p, most, random);
    assert_int_equal(buf_len(&to->plain), len);
    assert_memory_equal(buf_view(&to->plain).ptr, text, len);
    free(text);
}

/* A client of OpenSSL's own, for what our client never does. */
struct plain_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static void plain_client_init(struct plain_client *c, int version, const char *ciphers)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(c->ctx, version);
    SSL_CTX_set_max_proto_version(c->ctx, version);
    SSL_CTX_set_security_level(c->ctx, 0);
    if (ciphers)
        assert_int_equal(SSL_CTX_set_cipher_list(c->ctx, ciphers), 1);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static void plain_client_deinit(struct plain_client *c)
{
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

/* One exchange of the client's bytes against the server; p.client is not used. */
static void plain_client_run(struct plain_client *c, struct pair *p)
{
    for (int turn = 0; turn < 6; turn++) {
        char *at;
        SSL_do_handshake(c->ssl);
        long len = BIO_get_mem_data(c->out, &at);
        tls_stream_feed(p->server.tls, (struct sv){at, (size_t)len}, &p->server.plain);
        (void)BIO_reset(c->out);
        answer(p);
        struct sv back = buf_view(&p->server.out);
        if (back.len)
            BIO_write(c->in, back.ptr, (int)back.len);
        buf_reset(&p->server.out);
    }
}

static void server_only(struct pair *p, struct tls_ctx *ctx, EVP_PKEY *key)
{
    *p = (struct pair){.key = key};
    buf_init(&p->server.out, 1 << 20, 0);
    buf_init(&p->server.plain, 1 << 20, 0);
    p->server.tls = tls_stream_server(ctx, &p->server.out);
}

static void test_data_in_any_pieces(void **state)
{
    (void)state;
    const struct {
        struct cert *cert;
        size_t most;
        bool random;
    } rows[] = {
        {&ec, 0, false}, {&ec, 1, false}, {&ec, 700, true}, {&rsa, 0, false}, {&rsa, 20000, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_ctx *server = server_ctx(rows[i].cert, AUTH_TLS_MINIMUM_1_2, &test_tickets);
        struct tls_ctx *client = client_ctx(NULL, 0);
        struct pair p;
        struct tls_stream_info info;
        pair_init(&p, server, client, &anyone, rows[i].cert->key);
        run(&p, rows[i].most, rows[i].random);
        assert_open(&p);
        assert_int_equal(p.signatures, 1);
        send_and_check(&p, &p.client, &p.server, 1, rows[i].most, rows[i].random);
        send_and_check(&p, &p.client, &p.server, 100000, rows[i].most, rows[i].random);
        send_and_check(&p, &p.server, &p.client, 50000, rows[i].most, rows[i].random);
        tls_stream_info(p.server.tls, &info);
        assert_string_equal(info.version, "TLSv1.3");
        assert_string_equal(info.cipher, "TLS_AES_128_GCM_SHA256");
        assert_string_equal(info.group, "x25519");
        assert_true(sv_eq(info.sni, anyone.name));
        assert_false(info.resumed);
        pair_deinit(&p);
        tls_ctx_drop(server);
        tls_ctx_drop(client);
    }
}

static void test_versions_and_suites(void **state)
{
    (void)state;
    const struct {
        int version;
        const char *ciphers;
        struct cert *cert;
        enum tls_ctx_minimum minimum;
        const char *cipher; /* NULL: refused */
    } rows[] = {
        {TLS1_2_VERSION, NULL, &ec, 0, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
        {TLS1_2_VERSION, NULL, &rsa, 0, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
        {TLS1_2_VERSION, "ECDHE+CHACHA20", &ec, 0, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
        {TLS1_2_VERSION, NULL, &ec, AUTH_TLS_MINIMUM_1_3, NULL},
        {TLS1_2_VERSION, "kRSA", &rsa, 0, NULL},
        {TLS1_2_VERSION, "aNULL", &rsa, 0, NULL},
        {TLS1_1_VERSION, NULL, &rsa, 0, NULL},
        {TLS1_3_VERSION, NULL, &rsa, AUTH_TLS_MINIMUM_1_3, "TLS_AES_128_GCM_SHA256"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_ctx *ctx = server_ctx(rows[i].cert, rows[i].minimum, &test_tickets);
        struct plain_client c;
        struct pair p;
        struct tls_stream_info info;
        plain_client_init(&c, rows[i].version, rows[i].ciphers);
        server_only(&p, ctx, rows[i].cert->key);
        plain_client_run(&c, &p);
        if (rows[i].cipher) {
            assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
            tls_stream_info(p.server.tls, &info);
            assert_string_equal(info.cipher, rows[i].cipher);
            assert_string_equal(info.group, "x25519");
        } else {
            assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_FAILED);
            assert_string_not_equal(tls_stream_fault(p.server.tls), "");
        }
        plain_client_deinit(&c);
        end_deinit(&p.server);
        tls_ctx_drop(ctx);
    }
}

static void test_renegotiation_is_refused(void **state)
{
    (void)state;
    struct tls_ctx *ctx = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct plain_client c;
    struct pair p;
    plain_client_init(&c, TLS1_2_VERSION, NULL);
    server_only(&p, ctx, ec.key);
    plain_client_run(&c, &p);
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    plain_client_run(&c, &p);
    assert_int_equal(p.signatures, 1);
    assert_int_not_equal(tls_stream_state(p.server.tls), AUTH_TLS_SIGNATURE);
    assert_false(SSL_is_init_finished(c.ssl));
    plain_client_deinit(&c);
    end_deinit(&p.server);
    tls_ctx_drop(ctx);
}

static void test_alpn_of_others_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *offer;
        bool taken;
    } rows[] = {{"\002h2\010http/1.1", false}, {"\002h2\004smtp", true}};
    for (size_t i = 0; i < 2; i++) {
        struct tls_ctx *ctx = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
        struct plain_client c;
        struct pair p;
        plain_client_init(&c, TLS1_3_VERSION, NULL);
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)rows[i].offer,
                            (unsigned)strlen(rows[i].offer));
        server_only(&p, ctx, ec.key);
        plain_client_run(&c, &p);
        assert_int_equal(tls_stream_state(p.server.tls),
                         rows[i].taken ? AUTH_TLS_OPEN : AUTH_TLS_FAILED);
        plain_client_deinit(&c);
        end_deinit(&p.server);
        tls_ctx_drop(ctx);
    }
}

static void test_not_tls(void **state)
{
    (void)state;
    const struct {
        struct sv bytes;
        const char *fault;
    } rows[] = {
        {SV("GET / HTTP/1.1\r\nHost: mail.example.net\r\n\r\n"), "http request"},
        {SV("EHLO client.example.net\r\n"), "wrong version number"},
        {SV("\x16\x03\x01\x00\x05\x01\x02\x00\x00\x00"), "the ClientHello is too long"},
        {SV("\x16\x03\x01\xff\xff\x01\x00\x00\x10\x00"), "packet length too long"},
        {SV("\x17\x03\x03\x00\x04"
            "data"),
         ""},
        {SV("\x15\x03\x01\x00\x02\x02\x28"), ""},
    };
    struct tls_ctx *ctx = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 100; piece += 98) {
            struct pair p;
            struct sv left = rows[i].bytes;
            server_only(&p, ctx, ec.key);
            while (left.len > 0 && tls_stream_state(p.server.tls) == AUTH_TLS_HANDSHAKE)
                left = sv_skip(
                    left, tls_stream_feed(p.server.tls, sv_first(left, piece), &p.server.plain));
            assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_FAILED);
            if (*rows[i].fault)
                assert_non_null(strstr(tls_stream_fault(p.server.tls), rows[i].fault));
            assert_int_equal(tls_stream_feed(p.server.tls, SV("more"), &p.server.plain), 0);
            assert_int_equal(tls_stream_write(p.server.tls, SV("data")), 0);
            end_deinit(&p.server);
        }
    tls_ctx_drop(ctx);
}

/* Every byte of a good conversation changed, one at a time: never open with other data. */
static void test_damaged_bytes(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    for (size_t at = 0;; at++) {
        struct pair p;
        pair_init(&p, server, client, &anyone, ec.key);
        run(&p, 0, false);
        assert_int_equal(tls_stream_write(p.client.tls, SV("MAIL FROM:<a@example.net>\r\n")), 27);
        size_t len = buf_len(&p.client.out);
        if (at < len)
            p.client.out.data[p.client.out.start + at] ^= 0x40;
        run(&p, 0, false);
        if (at < len)
            assert_int_equal(buf_len(&p.server.plain), 0);
        else
            assert_int_equal(buf_len(&p.server.plain), 27);
        pair_deinit(&p);
        if (at >= len)
            break;
    }
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

static void test_random_garbage(void **state)
{
    (void)state;
    struct tls_ctx *ctx = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    srand(1);
    for (int round = 0; round < 300; round++) {
        struct pair p;
        char bytes[600];
        server_only(&p, ctx, ec.key);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rand();
        /* half of them with a true record and message header, so that the parser is reached */
        if (round % 2)
            memcpy(bytes, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        tls_stream_feed(p.server.tls, (struct sv){bytes, sizeof bytes}, &p.server.plain);
        assert_int_not_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
        assert_int_equal(buf_len(&p.server.plain), 0);
        end_deinit(&p.server);
    }
    tls_ctx_drop(ctx);
}

static void test_close_notify(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct pair p;
    pair_init(&p, server, client, &anyone, ec.key);
    run(&p, 0, false);
    assert_int_equal(tls_stream_write(p.client.tls, SV("last words")), 10);
    tls_stream_close(p.client.tls);
    tls_stream_close(p.client.tls);
    size_t before = buf_len(&p.client.out);
    assert_int_equal(buf_append(&p.client.out, "trailing bytes", 14), 0);
    carry(&p.client, &p.server, 0, false);
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_CLOSED);
    assert_true(sv_eq(buf_view(&p.server.plain), SV("last words")));
    assert_int_equal(buf_len(&p.client.out), 14);
    assert_true(before > 14);
    /* the other direction still works */
    buf_reset(&p.client.plain);
    assert_int_equal(tls_stream_write(p.server.tls, SV("221 2.0.0 bye\r\n")), 15);
    tls_stream_close(p.server.tls);
    carry(&p.server, &p.client, 0, false);
    assert_true(sv_eq(buf_view(&p.client.plain), SV("221 2.0.0 bye\r\n")));
    assert_int_equal(tls_stream_state(p.client.tls), AUTH_TLS_CLOSED);
    pair_deinit(&p);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

/* A connection that ends in the middle is never CLOSED. */
static void test_truncated(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct pair p;
    pair_init(&p, server, client, &anyone, ec.key);
    size_t hello = buf_len(&p.client.out);
    tls_stream_feed(p.server.tls, sv_first(buf_view(&p.client.out), hello - 1), &p.server.plain);
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_HANDSHAKE);
    assert_int_equal(buf_len(&p.server.out), 0);
    pair_deinit(&p);
    pair_init(&p, server, client, &anyone, ec.key);
    run(&p, 0, false);
    assert_int_equal(tls_stream_write(p.client.tls, SV("cut off here")), 12);
    buf_truncate(&p.client.out, buf_len(&p.client.out) - 1);
    carry(&p.client, &p.server, 0, false);
    assert_int_equal(tls_stream_state(p.server.tls), AUTH_TLS_OPEN);
    assert_int_equal(buf_len(&p.server.plain), 0);
    pair_deinit(&p);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

/* A reader without room takes no more than it can hold, and loses nothing. */
static void test_small_reader(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct pair p;
    static char text[70000];
    struct buf all;
    memset(text, 'x', sizeof text - 1);
    pair_init(&p, server, client, &anyone, ec.key);
    run(&p, 0, false);
    buf_init(&all, sizeof text, 0);
    buf_deinit(&p.server.plain);
    buf_init(&p.server.plain, 1000, 0);
    assert_int_equal(tls_stream_write(p.client.tls, (struct sv){text, sizeof text}), sizeof text);
    while (buf_len(&p.client.out) > 0 || tls_stream_has_plain(p.server.tls)) {
        size_t n = tls_stream_feed(p.server.tls, buf_view(&p.client.out), &p.server.plain);
        buf_consume(&p.client.out, n);
        assert_true(buf_len(&p.server.plain) <= 1000);
        assert_true(n > 0 || buf_len(&p.server.plain) > 0);
        assert_int_equal(buf_put(&all, buf_view(&p.server.plain)), 0);
        buf_reset(&p.server.plain);
    }
    assert_int_equal(buf_len(&all), sizeof text);
    assert_memory_equal(buf_view(&all).ptr, text, sizeof text);
    buf_deinit(&all);
    pair_deinit(&p);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

/* A full out buffer takes less, and fails nothing. */
static void test_full_writer(void **state)
{
    (void)state;
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct pair p;
    static char text[100000];
    pair_init(&p, server, client, &anyone, ec.key);
    run(&p, 0, false);
    p.client.out.max = AUTH_TLS_OUT_MIN;
    struct sv left = {text, sizeof text};
    while (left.len > 0) {
        size_t n = tls_stream_write(p.client.tls, left);
        assert_true(n > 0);
        left = sv_skip(left, n);
        assert_true(buf_len(&p.client.out) <= AUTH_TLS_OUT_MIN);
        carry(&p.client, &p.server, 0, false);
    }
    assert_int_equal(buf_len(&p.server.plain), sizeof text);
    assert_open(&p);
    pair_deinit(&p);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

#ifndef MSA_SANITIZED
#include <malloc.h>

#define IDLE_COUNT 200
#define IDLE_BYTES (20 * 1024)

static void test_idle_memory(void **state)
{
    (void)state;
    static struct pair pairs[IDLE_COUNT];
    struct tls_ctx *server = server_ctx(&ec, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    for (int i = 0; i < IDLE_COUNT; i++) {
        pair_init(&pairs[i], server, client, &anyone, ec.key);
        run(&pairs[i], 0, false);
        if (i % 2) { /* the others are idle since their handshake */
            send_and_check(&pairs[i], &pairs[i].client, &pairs[i].server, 500, 0, false);
            send_and_check(&pairs[i], &pairs[i].server, &pairs[i].client, 500, 0, false);
        }
        end_deinit(&pairs[i].client);
    }
    size_t with = mallinfo2().uordblks;
    for (int i = 0; i < IDLE_COUNT; i++)
        tls_stream_free(pairs[i].server.tls);
    size_t each = (with - mallinfo2().uordblks) / IDLE_COUNT;
    print_message("%zu bytes for each idle server stream\n", each);
    assert_true(each > 1000);
    assert_true(each < IDLE_BYTES);
    for (int i = 0; i < IDLE_COUNT; i++) {
        buf_deinit(&pairs[i].server.out);
        buf_deinit(&pairs[i].server.plain);
    }
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_in_any_pieces),
        cmocka_unit_test(test_versions_and_suites),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_alpn_of_others_is_refused),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_random_garbage),
        cmocka_unit_test(test_close_notify),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_small_reader),
        cmocka_unit_test(test_full_writer),
#ifndef MSA_SANITIZED
        cmocka_unit_test(test_idle_memory),
#endif
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
