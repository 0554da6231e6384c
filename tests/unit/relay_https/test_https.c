/*
 * The real client against a small HTTPS server of our own, on loopback: what it sends, and all that
 * a hostile server may do to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/https/https.h"
#include "tests/unit/auth_tls/fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "mta-sts.d.test"

/* ---- server ---- */

enum manner {
    NORMAL,
    DRIBBLE, /* octet by octet, slowly */
    CUT,     /* closes within the answer */
    NO_TLS,  /* clear text in place of a handshake */
    SILENT,  /* accepts, and says nothing */
    OLD_TLS, /* speaks TLS 1.1 at most */
};

static struct {
    int fd;
    uint16_t port;
    pthread_t thread;
    const struct cert *cert;
    struct sv reply;
    enum manner manner;
    char request[8192]; /* the last */
    atomic_uint connections, ended;
    atomic_bool stop;
} server;

static void read_request(SSL *ssl)
{
    size_t len = 0;
    const char *end = NULL;
    unsigned long body = 0;
    while (len < sizeof server.request - 1) {
        int n = SSL_read(ssl, server.request + len, (int)(sizeof server.request - 1 - len));
        if (n <= 0)
            break;
        len += (size_t)n;
        server.request[len] = '\0';
        end = strstr(server.request, "\r\n\r\n");
        const char *length = strstr(server.request, "Content-Length: ");
        body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - server.request) + body)
            break;
    }
}

static void send_reply(SSL *ssl)
{
    size_t len = server.manner == CUT ? server.reply.len / 2 : server.reply.len;
    if (server.manner != DRIBBLE) {
        for (size_t done = 0; done < len;) {
            int n = SSL_write(ssl, server.reply.ptr + done, (int)(len - done));
            if (n <= 0)
                return;
            done += (size_t)n;
        }
        return;
    }
    for (size_t i = 0; i < len && SSL_write(ssl, server.reply.ptr + i, 1) == 1; i++)
        usleep(50000);
}

static void serve(int fd)
{
    if (server.manner == NO_TLS) {
        ssize_t n = write(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
        (void)n;
        return;
    }
    if (server.manner == SILENT) {
        char piece[512];
        while (read(fd, piece, sizeof piece) > 0)
            ;
        return;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, server.cert->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, server.cert->key), 1);
    if (server.manner == OLD_TLS) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    }
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        assert_string_equal(name ? name : "", HOST);
        read_request(ssl);
        send_reply(ssl);
        if (server.manner != CUT)
            SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void *run_server(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0 || atomic_load(&server.stop)) {
            close(fd);
            return NULL;
        }
        atomic_fetch_add(&server.connections, 1);
        serve(fd);
        close(fd);
        atomic_fetch_add(&server.ended, 1);
    }
}

/* ---- client ---- */

static struct cert ca, stranger, good, expired, other_name, wildcard, name_in_cn, foreign;
static struct loop *loop;
static struct https *https;
static struct tls_ctx *trust;
static struct timer watchdog;

static struct {
    bool came;
    enum https_end end;
    unsigned status;
    char type[100], text[300], body[70000];
    size_t len;
} got;

static void on_late(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void on_done(void *arg, const struct https_answer *a)
{
    (void)arg;
    assert_false(got.came);
    got.came = true;
    got.end = a->end;
    got.status = a->status;
    got.len = a->body.len;
    assert_true(a->body.len < sizeof got.body);
    memcpy(got.body, a->body.ptr ? a->body.ptr : "", a->body.len);
    got.body[a->body.len] = '\0';
    snprintf(got.type, sizeof got.type, "%s", a->content_type);
    snprintf(got.text, sizeof got.text, "%s", a->text);
    assert_null(strchr(got.text, '\n'));
    loop_stop(loop);
}

static const struct ip localhost = {.family = IP_V4, .bytes = {127, 0, 0, 1}};

static struct https_request *start(uint64_t deadline_ms, const char *post_type, struct sv post)
{
    memset(&got, 0, sizeof got);
    struct ip addresses[] = {{.family = IP_V6, .bytes = {[15] = 1}}, localhost};
    return https_start(https,
                       &(struct https_ask){.host = HOST,
                                           .port = server.port,
                                           .target = "/.well-known/mta-sts.txt",
                                           .addresses = addresses,
                                           .naddresses = 2,
                                           .trust = trust,
                                           .post_type = post_type,
                                           .post = post,
                                           .max_bytes = 65536,
                                           .deadline_ms = deadline_ms},
                       on_done, NULL);
}

/* The server may still be writing what the client did not want. */
static void wait_for_server(void)
{
    while (atomic_load(&server.ended) != atomic_load(&server.connections))
        usleep(1000);
}

static enum https_end fetch(struct sv reply, enum manner manner, const struct cert *cert)
{
    server.reply = reply;
    server.manner = manner;
    server.cert = cert;
    start(manner == DRIBBLE || manner == SILENT ? 700 : 20000, NULL, SV_NONE);
    assert_false(got.came);
    timer_start(&watchdog, 30000);
    loop_run(loop);
    timer_stop(&watchdog);
    assert_true(got.came);
    wait_for_server();
    return got.end;
}

static int group_setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    (void)state;
    ca = ec_cert(NULL, NULL);
    stranger = ec_cert(NULL, NULL);
    good = ec_cert("DNS:" HOST, &ca);
    wildcard = ec_cert("DNS:*.d.test", &ca);
    other_name = ec_cert("DNS:mta-sts.e.test,DNS:d.test", &ca);
    foreign = ec_cert("DNS:" HOST, &stranger);
    expired = make_cert(EVP_EC_gen("P-256"), "DNS:" HOST, -2 * DAY_S, -DAY_S, &ca);
    name_in_cn = ec_cert(NULL, &ca);
    X509_NAME *subject = X509_get_subject_name(name_in_cn.x509);
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)HOST, -1, -1, 0);
    X509_sign(name_in_cn.x509, ca.key, EVP_sha256());
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server.fd, 64), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
    server.port = ntohs(at.sin_port);
    assert_int_equal(https_library(), 0);
    loop = loop_new();
    https = https_new(loop);
    trust = client_ctx(ca.pem, 0);
    timer_init(&watchdog, loop, on_late, NULL);
    return pthread_create(&server.thread, NULL, run_server, NULL);
}

static int group_teardown(void **state)
{
    (void)state;
    atomic_store(&server.stop, true);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    https_free(https);
    tls_ctx_drop(trust);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    struct cert *all[] = {&ca,         &stranger, &good,       &expired,
                          &other_name, &wildcard, &name_in_cn, &foreign};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free_cert(all[i]);
    return 0;
}

#define OK(length, body)                                                \
    SV("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n" \
       "Content-Length: " length "\r\n\r\n" body)

static void test_get(void **state)
{
    (void)state;
    assert_int_equal(fetch(OK("16", "version: STSv1\r\n"), NORMAL, &good), HTTPS_ANSWERED);
    assert_int_equal(got.status, 200);
    assert_string_equal(got.type, "text/plain; charset=utf-8");
    assert_string_equal(got.body, "version: STSv1\r\n");
    assert_non_null(strstr(server.request, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: " HOST));
    assert_null(strstr(server.request, "Accept-Encoding"));
    /* nothing of a connection is used again */
    unsigned before = atomic_load(&server.connections);
    struct sv kept = SV("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_int_equal(fetch(kept, NORMAL, &good), HTTPS_ANSWERED);
    assert_string_equal(got.type, "");
    assert_int_equal(fetch(kept, NORMAL, &wildcard), HTTPS_ANSWERED);
    assert_string_equal(got.body, "hi");
    assert_int_equal(atomic_load(&server.connections), before + 2);
    struct sv chunked = SV("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_int_equal(fetch(chunked, NORMAL, &good), HTTPS_ANSWERED);
    assert_string_equal(got.body, "abcde");
}

static void test_post(void **state)
{
    static char big[3000];
    (void)state;
    memset(big, 'x', sizeof big);
    server.reply = SV("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    server.manner = NORMAL;
    server.cert = &good;
    start(20000, "application/tlsrpt+gzip", (struct sv){big, sizeof big});
    timer_start(&watchdog, 30000);
    loop_run(loop);
    assert_true(got.came);
    assert_int_equal(got.end, HTTPS_ANSWERED);
    assert_int_equal(got.status, 201);
    assert_non_null(strstr(server.request, "POST /.well-known/mta-sts.txt HTTP/1.1"));
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/tlsrpt+gzip\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Length: 3000\r\n"));
    assert_null(strstr(server.request, "Expect"));
    assert_int_equal(strlen(strstr(server.request, "\r\n\r\n")), 4 + sizeof big);
}

static void test_certificates(void **state)
{
    static const struct {
        const struct cert *cert;
        enum https_end end;
    } rows[] = {
        {&good, HTTPS_ANSWERED},        {&wildcard, HTTPS_ANSWERED}, {&expired, HTTPS_UNTRUSTED},
        {&other_name, HTTPS_UNTRUSTED}, {&foreign, HTTPS_UNTRUSTED}, {&stranger, HTTPS_UNTRUSTED},
        {&name_in_cn, HTTPS_UNTRUSTED}, /* RFC 8461 3.3: the DNS-ID alone counts */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%zu\n", i);
        assert_int_equal(fetch(OK("1", "x"), NORMAL, rows[i].cert), rows[i].end);
        assert_true(rows[i].end == HTTPS_ANSWERED || *got.text);
    }
    /* without authorities nothing is trusted */
    struct tls_ctx *all = trust;
    trust = client_ctx("", 0);
    enum https_end end = fetch(OK("1", "x"), NORMAL, &good);
    tls_ctx_drop(trust);
    trust = all;
    assert_int_equal(end, HTTPS_UNTRUSTED);
    assert_int_equal(fetch(OK("1", "x"), NORMAL, &good), HTTPS_ANSWERED);
}

static void test_redirect(void **state)
{
    unsigned before = atomic_load(&server.connections);
    (void)state;
    assert_int_equal(fetch(SV("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\n"
                              "Content-Length: 0\r\n\r\n"),
                           NORMAL, &good),
                     HTTPS_ANSWERED);
    assert_int_equal(got.status, 301);
    assert_int_equal(atomic_load(&server.connections), before + 1);
}

static char *long_reply(const char *head, const char *piece, size_t n)
{
    size_t len = strlen(head), each = strlen(piece);
    char *text = malloc(len + n * each + 1);
    memcpy(text, head, len + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(text + len + i * each, piece, each + 1);
    return text;
}

static void test_hostile(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    (void)state;
    char *text =
        long_reply("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n", "0123456789abcdef", 4096);
    assert_int_equal(fetch(sv_of(text), NORMAL, &good), HTTPS_ANSWERED); /* 64 KiB */
    assert_int_equal(got.len, 65536);
    free(text);
    text = long_reply("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 100000);
    assert_int_equal(fetch(sv_of(text), NORMAL, &good), HTTPS_TOO_LONG);
    free(text);
    assert_int_equal(
        fetch(SV("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx"), NORMAL, &good),
        HTTPS_TOO_LONG);
    text = long_reply(head, "X-Y: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n", 100000);
    assert_int_equal(fetch(sv_of(text), NORMAL, &good), HTTPS_TOO_LONG);
    free(text);
    text = long_reply(head, "zzzzzzzzzzzzzzzzzzzzzzzzz", 100000); /* one line */
    assert_true(fetch(sv_of(text), NORMAL, &good) != HTTPS_ANSWERED);
    free(text);
    text = long_reply("", "HTTP/1.1 100 Continue\r\n\r\n", 100000);
    assert_true(fetch(sv_of(text), NORMAL, &good) != HTTPS_ANSWERED);
    free(text);
    assert_int_equal(fetch(SV("HTTP/1.1 200 OK\r\n\r\n"
                              "01234567890123456789012345678901234567890"),
                           CUT, &good),
                     HTTPS_FAILED);
    assert_int_equal(fetch(SV("HTTP/1.1 200 OK\r\n\r\nwhole?"), NORMAL, &good), HTTPS_FAILED);
    assert_string_equal(got.text,
                        "the length of the answer was not announced: it may have been cut");
    assert_int_equal(fetch(OK("100", "0123456789"), NORMAL, &good), HTTPS_FAILED);
    assert_int_equal(fetch(SV("\0\1\2garbage\r\n\r\n"), NORMAL, &good), HTTPS_FAILED);
    assert_int_equal(fetch(SV(""), NORMAL, &good), HTTPS_FAILED);
    assert_int_equal(fetch(OK("1", "x"), NO_TLS, &good), HTTPS_FAILED);
    assert_int_equal(fetch(OK("1", "x"), OLD_TLS, &good), HTTPS_FAILED);
    assert_int_equal(fetch(OK("10", "0123456789"), DRIBBLE, &good), HTTPS_TIMEOUT);
    assert_int_equal(fetch(OK("1", "x"), SILENT, &good), HTTPS_TIMEOUT);
    assert_int_equal(fetch(OK("3", "a\0b"), NORMAL, &good), HTTPS_ANSWERED);
    assert_int_equal(got.len, 3);
}

static void test_nobody_there(void **state)
{
    uint16_t port = server.port;
    (void)state;
    server.port = 1;
    assert_int_equal(fetch(OK("1", "x"), NORMAL, &good), HTTPS_FAILED);
    assert_true(*got.text);
    server.port = port;
}

/* Canceled at any moment, and freed with requests under way: no callback, nothing leaks. */
static void test_cancel(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 40; ms += 4) {
        server.reply = OK("1", "x");
        server.manner = ms % 8 ? DRIBBLE : NORMAL;
        server.cert = &good;
        struct https_request *r = start(20000, NULL, SV_NONE);
        timer_start(&watchdog, ms);
        loop_run(loop);
        timer_stop(&watchdog);
        if (!got.came)
            https_cancel(r);
        wait_for_server();
    }
    start(20000, NULL, SV_NONE);
    start(20000, NULL, SV_NONE);
    timer_start(&watchdog, 5);
    loop_run(loop);
    https_free(https);
    https = https_new(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),          cmocka_unit_test(test_post),
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_hostile),      cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
