/*
 * tls_handshakes - what a TLS connection costs: CPU of each party for a handshake, memory of an
 * idle and of a waiting stream. Build type release, an otherwise idle machine; one thread plays all
 * parties, each on its own clock. Rates are for one core that does nothing else.
 *
 *     build/tls_handshakes [handshakes]
 */
#include "auth/tls/inside.h"
#include "tests/unit/auth_tls/fixture.h"

#include <malloc.h>
#include <stdio.h>

#define IDLE_COUNT 1000

struct cost {
    double server_us, keeper_us, client_us;
};

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* run() of the fixture, with a clock for each party. */
static void timed_run(struct pair *p, struct cost *cost)
{
    struct tls_sign_request r;
    uint8_t signature[1024];
    while (buf_len(&p->client.out) + buf_len(&p->server.out) > 0) {
        size_t len;
        double at = cpu_us();
        carry(&p->client, &p->server, 0, false);
        cost->server_us += cpu_us() - at;
        if (tls_stream_wants(p->server.tls, &r)) {
            at = cpu_us();
            REQUIRE(sign_with(p->key, &r, signature, &len) == 0);
            cost->keeper_us += cpu_us() - at;
            at = cpu_us();
            tls_stream_signed(p->server.tls, 0, (struct sv){(char *)signature, len});
            cost->server_us += cpu_us() - at;
        }
        at = cpu_us();
        carry(&p->server, &p->client, 0, false);
        cost->client_us += cpu_us() - at;
    }
    REQUIRE(tls_stream_state(p->server.tls) == AUTH_TLS_OPEN);
    REQUIRE(tls_stream_state(p->client.tls) == AUTH_TLS_OPEN);
}

static void one(struct tls_ctx *server, struct tls_ctx *client, const struct tls_stream_peer *peer,
                EVP_PKEY *key, struct cost *cost)
{
    struct pair p = {.key = key};
    buf_init(&p.client.out, 1 << 20, 0);
    buf_init(&p.client.plain, 1 << 20, 0);
    buf_init(&p.server.out, 1 << 20, 0);
    buf_init(&p.server.plain, 1 << 20, 0);
    double at = cpu_us();
    p.client.tls = tls_stream_client(client, peer, &p.client.out);
    cost->client_us += cpu_us() - at;
    at = cpu_us();
    p.server.tls = tls_stream_server(server, &p.server.out);
    cost->server_us += cpu_us() - at;
    timed_run(&p, cost);
    at = cpu_us();
    tls_stream_free(p.server.tls);
    cost->server_us += cpu_us() - at;
    p.server.tls = NULL;
    pair_deinit(&p);
}

static void handshakes(const char *what, const struct cert *cert, int version, bool resume,
                       unsigned count)
{
    struct tls_ctx *server = server_ctx(cert, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, resume ? 1 : 0);
    struct tls_stream_peer peer = {.name = SV("mail.example.net"), .session_key = SV("k")};
    struct cost warm = {0}, cost = {0};
    SSL_CTX_set_max_proto_version(client->ssl, version);
    for (unsigned i = 0; i < 20; i++)
        one(server, client, &peer, cert->key, &warm);
    for (unsigned i = 0; i < count; i++)
        one(server, client, &peer, cert->key, &cost);
    printf("%-26s %6.0f/s  server %6.1f us  keeper %6.1f us  client %6.1f us\n", what,
           1e6 * count / cost.server_us, cost.server_us / count, cost.keeper_us / count,
           cost.client_us / count);
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

/* key NULL: the streams wait for their signature. */
static void memory(const char *what, const struct cert *cert, int version, EVP_PKEY *key)
{
    static struct pair pairs[IDLE_COUNT];
    struct tls_ctx *server = server_ctx(cert, AUTH_TLS_MINIMUM_1_2, &test_tickets);
    struct tls_ctx *client = client_ctx(NULL, 0);
    struct tls_stream_peer peer = {.name = SV("mail.example.net")};
    SSL_CTX_set_max_proto_version(client->ssl, version);
    for (size_t i = 0; i < IDLE_COUNT; i++) {
        pair_init(&pairs[i], server, client, &peer, key);
        run(&pairs[i], 0, false);
        end_deinit(&pairs[i].client);
    }
    size_t with = mallinfo2().uordblks;
    for (size_t i = 0; i < IDLE_COUNT; i++)
        tls_stream_free(pairs[i].server.tls);
    if (!key) { /* stacks are kept for the next */
        tls_key_thread_stop();
        tls_key_thread_start(IDLE_COUNT);
    }
    double each = (double)(with - mallinfo2().uordblks) / IDLE_COUNT;
    printf("%-26s %6.1f KiB for %s stream\n", what, each / 1024, key ? "an idle" : "a waiting");
    for (size_t i = 0; i < IDLE_COUNT; i++) {
        pairs[i].server.tls = NULL;
        end_deinit(&pairs[i].server);
    }
    tls_ctx_drop(server);
    tls_ctx_drop(client);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
    struct cert ec = ec_cert("DNS:mail.example.net", NULL);
    struct cert rsa = rsa_cert("DNS:mail.example.net", NULL);
    tls_key_thread_start(IDLE_COUNT);
    handshakes("EC P-256, TLS 1.3", &ec, TLS1_3_VERSION, false, count);
    handshakes("EC P-256, TLS 1.2", &ec, TLS1_2_VERSION, false, count);
    handshakes("RSA 2048, TLS 1.3", &rsa, TLS1_3_VERSION, false, count);
    handshakes("RSA 2048, TLS 1.2", &rsa, TLS1_2_VERSION, false, count);
    handshakes("resumed, TLS 1.3", &ec, TLS1_3_VERSION, true, count);
    handshakes("resumed, TLS 1.2", &ec, TLS1_2_VERSION, true, count);
    memory("TLS 1.3", &ec, TLS1_3_VERSION, ec.key);
    memory("TLS 1.2", &ec, TLS1_2_VERSION, ec.key);
    memory("TLS 1.3", &ec, TLS1_3_VERSION, NULL);
    tls_key_thread_stop();
    free_cert(&ec);
    free_cert(&rsa);
    return 0;
}
