/*
 * fixture.h - certificates made on the spot, and two machines that talk to each other.
 */
#ifndef TESTS_UNIT_AUTH_TLS_FIXTURE_H
#define TESTS_UNIT_AUTH_TLS_FIXTURE_H

#include "auth/tls/ctx.h"
#include "auth/tls/key.h"
#include "auth/tls/stream.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S  86400
#define UNUSED __attribute__((unused))

struct cert {
    EVP_PKEY *key;
    X509 *x509;
    char *pem;     /* certificate */
    char *key_pem; /* private key */
};

UNUSED static char *bio_text(BIO *bio)
{
    char *at;
    long len = BIO_get_mem_data(bio, &at);
    char *text = mem_dup(at, (size_t)len);
    BIO_free(bio);
    return text;
}

UNUSED static void add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    REQUIRE(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

/* cn: the subject. san: "DNS:a.example,DNS:b.example" or NULL; issuer NULL: signed by itself, and
 * an authority. */
UNUSED static struct cert make_cert_for(EVP_PKEY *key, const char *cn, const char *san, long from_s,
                                        long to_s, const struct cert *issuer)
{
    static long serial;
    struct cert c = {.key = key, .x509 = X509_new()};
    REQUIRE(key && c.x509);
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(issuer ? issuer->x509 : c.x509));
    X509_gmtime_adj(X509_getm_notBefore(c.x509), from_s);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), to_s);
    X509_set_pubkey(c.x509, key);
    if (!issuer)
        add_ext(c.x509, NID_basic_constraints, "critical,CA:TRUE");
    if (san)
        add_ext(c.x509, NID_subject_alt_name, san);
    EVP_PKEY *signer = issuer ? issuer->key : key;
    REQUIRE(X509_sign(c.x509, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256()));
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, c.x509);
    c.pem = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    c.key_pem = bio_text(bio);
    return c;
}

/* The same under a subject of its own. */
UNUSED static struct cert make_cert(EVP_PKEY *key, const char *san, long from_s, long to_s,
                                    const struct cert *issuer)
{
    static long count;
    char cn[32];
    snprintf(cn, sizeof cn, "test %ld", ++count);
    return make_cert_for(key, cn, san, from_s, to_s, issuer);
}

UNUSED static struct cert ec_cert(const char *san, const struct cert *issuer)
{
    return make_cert(EVP_EC_gen("P-256"), san, -DAY_S, 90 * DAY_S, issuer);
}

UNUSED static struct cert rsa_cert(const char *san, const struct cert *issuer)
{
    return make_cert(EVP_RSA_gen(2048), san, -DAY_S, 90 * DAY_S, issuer);
}

UNUSED static void free_cert(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    free(c->pem);
    free(c->key_pem);
}

/* What the keeper does, without its checks. */
UNUSED static int sign_with(EVP_PKEY *key, const struct tls_sign_request *r, uint8_t out[1024],
                            size_t *len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    REQUIRE(ctx && EVP_PKEY_sign_init(ctx) == 1);
    if (r->form == AUTH_SIGN_RSA_BLOCK)
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
    else if (r->form == AUTH_SIGN_RSA_PKCS1)
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
    *len = 1024;
    int done = EVP_PKEY_sign(ctx, out, len, (const unsigned char *)r->bytes.ptr, r->bytes.len);
    EVP_PKEY_CTX_free(ctx);
    return done == 1 ? 0 : ERR_TLS;
}

UNUSED static const struct tls_ticket_keys test_tickets = {
    .current = "name of current.and its secrets, all of them", .previous = "name of previous"};

UNUSED static struct tls_ctx *server_ctx(const struct cert *c, enum tls_ctx_minimum minimum,
                                         const struct tls_ticket_keys *tickets)
{
    struct tls_ctx *ctx = NULL;
    struct buf why;
    struct tls_ctx_cert entry = {.chain_pem = sv_of(c->pem)};
    struct tls_ctx_server_options o = {
        .certs = &entry, .cert_count = 1, .minimum = minimum, .tickets = *tickets};
    buf_init(&why, 1024, 0);
    REQUIRE(tls_ctx_server_new(&o, &ctx, &why) == 0);
    buf_deinit(&why);
    return ctx;
}

UNUSED static struct tls_ctx *client_ctx(const char *ca_pem, size_t sessions)
{
    struct tls_ctx *ctx = NULL;
    struct buf why;
    struct tls_ctx_client_options o = {.ca_pem = sv_of(ca_pem), .session_count = sessions};
    buf_init(&why, 1024, 0);
    REQUIRE(tls_ctx_client_new(&o, &ctx, &why) == 0);
    buf_deinit(&why);
    return ctx;
}

struct end {
    struct tls_stream *tls;
    struct buf out, plain;
};

struct pair {
    struct end client, server;
    EVP_PKEY *key; /* answers the server's requests; NULL: they are left open */
    unsigned signatures;
};

UNUSED static void pair_init(struct pair *p, struct tls_ctx *server, struct tls_ctx *client,
                             const struct tls_stream_peer *peer, EVP_PKEY *key)
{
    *p = (struct pair){.key = key};
    buf_init(&p->client.out, 1 << 20, 0);
    buf_init(&p->client.plain, 1 << 20, 0);
    buf_init(&p->server.out, 1 << 20, 0);
    buf_init(&p->server.plain, 1 << 20, 0);
    p->server.tls = tls_stream_server(server, &p->server.out);
    p->client.tls = tls_stream_client(client, peer, &p->client.out);
}

UNUSED static void end_deinit(struct end *e)
{
    tls_stream_free(e->tls);
    buf_deinit(&e->out);
    buf_deinit(&e->plain);
}

UNUSED static void pair_deinit(struct pair *p)
{
    end_deinit(&p->client);
    end_deinit(&p->server);
}

/* Carries what is in from's out to the other; returns whether anything moved. most: largest piece,
 * 0: all at once; random: pieces of 1 to most. */
UNUSED static bool carry(struct end *from, struct end *to, size_t most, bool random)
{
    bool moved = false;
    while (buf_len(&from->out) > 0) {
        size_t n = most ? most : buf_len(&from->out);
        if (random)
            n = 1 + (size_t)rand() % most;
        struct sv piece = sv_first(buf_view(&from->out), n);
        n = tls_stream_feed(to->tls, piece, &to->plain);
        if (n == 0)
            return moved;
        buf_consume(&from->out, n);
        moved = true;
    }
    return moved;
}

UNUSED static bool answer(struct pair *p)
{
    struct tls_sign_request r;
    uint8_t signature[1024];
    size_t len = 0;
    if (!p->key || !tls_stream_wants(p->server.tls, &r))
        return false;
    int err = sign_with(p->key, &r, signature, &len);
    p->signatures++;
    tls_stream_signed(p->server.tls, err, (struct sv){(char *)signature, len});
    return true;
}

/* Until nothing moves any more. */
UNUSED static void run(struct pair *p, size_t most, bool random)
{
    bool moved = true;
    while (moved) {
        moved = carry(&p->client, &p->server, most, random);
        moved |= answer(p);
        moved |= carry(&p->server, &p->client, most, random);
    }
}

#endif
