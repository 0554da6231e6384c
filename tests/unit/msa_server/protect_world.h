/*
 * protect_world.h - a whole server with S/MIME in the simulated world: people with certificates, a
 * keeper that signs for one of them, and a next hop. What arrives is read by libcrypto. What the
 * tests of its themes share; set_up and tear_down are of the group, for the people.
 */
#ifndef TESTS_UNIT_MSA_SERVER_PROTECT_WORLD_H
#define TESTS_UNIT_MSA_SERVER_PROTECT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/smime.h"
#include "rewrite/smime_sign.h"
#include "tests/unit/msa_server/signing_world.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <openssl/cms.h>
#include <stdio.h>

#define SIGNS(more)                                                                           \
    "smime = ( { from = \"u@example.net\"; certificate = \"/u.pem\"; key = \"/u.key\"; " more \
    " } ); "
#define ENCRYPTS                                                         \
    "encrypt = ( { to = \"must@example.org\"; policy = \"require\"; }, " \
    "{ to = \"@example.org\"; } ); certificates = [ \"/certs\" ]; "
#define BOTH   ROUTE "rewrite = { " SIGNS("") ENCRYPTS "};\n"
#define SIGNED ROUTE "rewrite = { " SIGNS("") "};\n"
#define HAS_TO ROUTE "rewrite = { " SIGNS("require = true;") "};\n"

#define HEADER  "From: u@example.net\r\nTo: a@example.org\r\nCc: b@example.org\r\nSubject: x\r\n"
#define MESSAGE HEADER "\r\nbody\r\n..dot\r\n"
#define ENTITY  "Content-Type: text/plain\r\n\r\nbody\r\n.dot\r\n"
#define MAIL    "MAIL FROM:<u@example.net>\r\n"
#define TO(x)   "RCPT TO:<" x "@example.org>\r\n"
#define DATA(m) "DATA\r\n" m ".\r\n"

enum { U, A, B, C, OTHER, PEOPLE };
static struct person people[PEOPLE];
static bool denies;

/* As the keeper does it; for DKIM the hash stands for the signature. */
UNUSED static enum auth_verdict sign_cms(struct sv key, enum auth_sign form, struct sv bytes,
                                         struct buf *out)
{
    unsigned char *der = NULL;
    if (form == AUTH_SIGN_DKIM && sv_eq(key, SV("gone")))
        return AUTH_DENIED;
    if (form == AUTH_SIGN_DKIM)
        return buf_put(out, bytes) < 0 ? AUTH_DENIED : AUTH_OK;
    asked++;
    assert_int_equal(form, AUTH_SIGN_CMS);
    assert_int_equal(key.len, REWRITE_SMIME_ID_LEN);
    assert_int_equal(bytes.len, REWRITE_SMIME_HASH_BYTES);
    if (denies)
        return AUTH_DENIED;
    CMS_ContentInfo *cms =
        CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_DETACHED | CMS_BINARY);
    CMS_SignerInfo *si =
        CMS_add1_signer(cms, people[U].x509, people[U].key, EVP_sha256(), CMS_PARTIAL);
    assert_int_equal(CMS_signed_add1_attr_by_NID(si, NID_pkcs9_contentType, V_ASN1_OBJECT,
                                                 OBJ_nid2obj(NID_pkcs7_data), -1),
                     1);
    assert_int_equal(CMS_signed_add1_attr_by_NID(si, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING,
                                                 bytes.ptr, (int)bytes.len),
                     1);
    assert_int_equal(CMS_SignerInfo_sign(si), 1);
    int len = i2d_CMS_ContentInfo(cms, &der);
    assert_int_equal(buf_append(out, der, (size_t)len), 0);
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    return AUTH_OK;
}

UNUSED static void add_files(struct generation *g)
{
    static const char *const paths[] = {NULL, "/certs/a", "/certs/b", "/certs/c"};
    generation_add_file(g, "rewrite.smime[0].certificate", "/u.pem", sv_of(people[U].pem), false);
    for (int i = A; i <= C; i++)
        generation_add_file(g, GENERATION_CERTIFICATE, paths[i], sv_of(people[i].pem), false);
}

UNUSED static void expect_idle(void)
{
    sim_run_for(1000);
    world_assert_idle();
}

/* ---- what arrived ---- */

/* One message for each envelope; connections are many, and their lines mixed. */
struct got {
    struct sim_peer_conn *conn;
    struct buf rcpts, text; /* letters of the recipients; content, unstuffed */
    struct got *next;
    bool data, whole;
};
static struct got *all;

UNUSED static struct got *got_of(struct sim_peer_conn *c)
{
    struct got *g = all;
    while (g && (g->conn != c || g->whole))
        g = g->next;
    if (g)
        return g;
    g = NEW(struct got);
    g->conn = c;
    g->next = all;
    all = g;
    buf_init(&g->rcpts, 1000, 0);
    buf_init(&g->text, 16u << 20, 0);
    return g;
}

UNUSED static void forget_all(void)
{
    while (all) {
        struct got *g = all;
        all = g->next;
        buf_deinit(&g->rcpts);
        buf_deinit(&g->text);
        free(g);
    }
}

UNUSED static void on_line(struct sim_peer_conn *c, struct sv line)
{
    struct got *g = got_of(c);
    note(c->peer, line.ptr, line.len);
    if (g->data) {
        g->whole = sv_eq(line, SV(".\r\n"));
        if (!g->whole)
            assert_int_equal(buf_put(&g->text, sv_skip(line, sv_starts(line, SV(".")))), 0);
        if (g->whole)
            peer_write(c, "250 2.0.0 ok\r\n", 14);
        return;
    }
    g->data = sv_istarts(line, SV("DATA"));
    if (sv_istarts(line, SV("RCPT TO:<")))
        assert_int_equal(buf_append(&g->rcpts, &line.ptr[9], 1), 0);
    const char *reply = g->data                        ? "354 go\r\n"
                        : sv_istarts(line, SV("EHLO")) ? "250-sink\r\n250 8BITMIME\r\n"
                                                       : "250 2.0.0 ok\r\n";
    peer_write(c, reply, strlen(reply));
}

UNUSED static void on_read(void *arg, struct sv bytes)
{
    struct sim_peer_conn *c = arg;
    assert_int_equal(buf_put(&c->in, bytes), 0);
    for (;;) {
        struct sv in = buf_view(&c->in);
        size_t n = sv_find(in, '\n');
        if (n == in.len)
            return;
        on_line(c, sv_first(in, n + 1));
        buf_consume(&c->in, n + 1);
    }
}

UNUSED static void on_accept(void *arg, struct stream *stream)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    struct sim_peer_conn *c = peer_conn(arg, stream);
    stream_set_ops(stream, &ops, c);
    stream_read_start(stream);
    peer_write(c, "220 sink\r\n", 10);
}

/* The newest message for exactly these recipients. */
UNUSED static struct sv received(const char *rcpts)
{
    for (struct got *g = all; g; g = g->next)
        if (g->whole && sv_eq(buf_view(&g->rcpts), sv_of(rcpts)))
            return buf_view(&g->text);
    fail_msg("nothing for %s", rcpts);
    return SV_NONE;
}

UNUSED static void start(const char *lines)
{
    denies = false;
    world_files = add_files;
    signing_start(lines, sign_cms, on_accept);
}

UNUSED static void stop(struct sim_client *c)
{
    signing_stop(c);
    world_files = NULL;
    forget_all();
}

UNUSED static void expect_signed(struct sv text, const char *entity)
{
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len), *content = NULL;
    BIO *plain = BIO_new(BIO_s_mem());
    STACK_OF(X509) *certs = sk_X509_new_null();
    char *at;
    CMS_ContentInfo *cms = SMIME_read_CMS(in, &content);
    assert_non_null(cms);
    sk_X509_push(certs, people[U].x509);
    assert_int_equal(
        CMS_verify(cms, certs, NULL, content, plain, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY), 1);
    long len = BIO_get_mem_data(plain, &at);
    if (!sv_eq((struct sv){at, (size_t)len}, sv_of(entity)))
        fail_msg("%.*s\nnot %s", (int)len, at, entity);
    sk_X509_free(certs);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(content);
    BIO_free(plain);
}

/* True: this person reads it; inside is what is in it. */
UNUSED static bool decrypts(struct sv text, int who, struct buf *inside)
{
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len), *plain = BIO_new(BIO_s_mem());
    char *at;
    CMS_ContentInfo *cms = SMIME_read_CMS(in, NULL);
    assert_non_null(cms);
    bool good = CMS_decrypt(cms, people[who].key, people[who].x509, NULL, plain, CMS_BINARY) == 1;
    long len = BIO_get_mem_data(plain, &at);
    buf_reset(inside);
    assert_int_equal(buf_append(inside, at, (size_t)len), 0);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(plain);
    return good;
}

UNUSED static int set_up(void **state)
{
    static const char *const addresses[PEOPLE] = {"email:u@example.net", "email:a@example.org",
                                                  "email:b@example.org", "email:c@example.org",
                                                  "email:o@example.org"};
    (void)state;
    for (int i = 0; i < PEOPLE; i++)
        people[i] = person_new(&(struct person_plan){
            .emails = addresses[i], .from_s = -3650L * DAY_S, .until_s = 3650L * DAY_S});
    return 0;
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PEOPLE; i++)
        person_free(&people[i]);
    return 0;
}

#endif
