/*
 * S/MIME of a whole server: who gets which form, what is refused, what happens while the keeper
 * cannot or will not sign, and how it ends in the middle. What arrives is read by libcrypto.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/smime.h"
#include "rewrite/smime_sign.h"
#include "tests/unit/msa_server/sim_milter.h"
#include "tests/unit/msa_server/sim_world.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <errno.h>
#include <openssl/cms.h>
#include <stdio.h>

#define ROUTE                                                                           \
    "relay = { routes = ( { domain = \"*\"; to = [ \"smtp://127.0.0.1:2525\" ]; tls = " \
    "\"none\"; } ); };\n"
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
static struct sim_peer *sink;
static unsigned asked;
static bool denies;

/* As the keeper does it; for DKIM the hash stands for the signature. */
static enum auth_verdict sign_cms(struct sv key, enum auth_sign form, struct sv bytes,
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

static void add_files(struct generation *g)
{
    static const char *const paths[] = {NULL, "/certs/a", "/certs/b", "/certs/c"};
    generation_add_file(g, "rewrite.smime[0].certificate", "/u.pem", sv_of(people[U].pem), false);
    for (int i = A; i <= C; i++)
        generation_add_file(g, GENERATION_CERTIFICATE, paths[i], sv_of(people[i].pem), false);
}

static void expect_idle(void)
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

static struct got *got_of(struct sim_peer_conn *c)
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

static void forget_all(void)
{
    while (all) {
        struct got *g = all;
        all = g->next;
        buf_deinit(&g->rcpts);
        buf_deinit(&g->text);
        free(g);
    }
}

static void on_line(struct sim_peer_conn *c, struct sv line)
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

static void on_read(void *arg, struct sv bytes)
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

static void on_accept(void *arg, struct stream *stream)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    struct sim_peer_conn *c = peer_conn(arg, stream);
    stream_set_ops(stream, &ops, c);
    stream_read_start(stream);
    peer_write(c, "220 sink\r\n", 10);
}

/* The newest message for exactly these recipients. */
static struct sv received(const char *rcpts)
{
    for (struct got *g = all; g; g = g->next)
        if (g->whole && sv_eq(buf_view(&g->rcpts), sv_of(rcpts)))
            return buf_view(&g->text);
    fail_msg("nothing for %s", rcpts);
    return SV_NONE;
}

static void start(const char *lines)
{
    asked = 0;
    denies = false;
    world_files = add_files;
    world_start(lines);
    sim_auth_signer(sign_cms);
    sink = peer_new(SINK_PORT, on_accept);
}

static void stop(struct sim_client *c)
{
    if (c)
        client_free(c);
    peer_close(sink);
    world_stop(1000);
    peer_free(sink);
    world_files = NULL;
    forget_all();
}

static void expect_signed(struct sv text, const char *entity)
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
static bool decrypts(struct sv text, int who, struct buf *inside)
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

/* ---- tests ---- */

static void test_signed(void **state)
{
    (void)state;
    start(SIGNED);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("z") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 1); /* one signature, whatever the number of recipients */
    expect_signed(received("az"), ENTITY);
    peer_expect(sink, "Subject: x\r\n");
    assert_false(peer_was_told(sink, "BODY=8BITMIME"));
    client_free(c);
    expect_idle();
    stop(NULL);
}

static void test_shared_out(void **state)
{
    struct buf inside;
    (void)state;
    start(BOTH);
    buf_init(&inside, 1u << 20, 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") TO("b") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 1);
    expect_signed(received("z"), ENTITY);
    for (int i = 0; i < 2; i++) {
        struct sv form = received(i ? "c" : "ab");
        assert_int_equal(decrypts(form, A, &inside), !i);
        assert_int_equal(decrypts(form, B, &inside), !i);
        assert_int_equal(decrypts(form, C, &inside), i);
        assert_true(decrypts(form, i ? C : A, &inside));
        expect_signed(buf_view(&inside), ENTITY);
    }
    assert_int_equal(world_log_count("encrypted"), 2);
    assert_true(world_logged("recipients=4 size="));
    assert_int_equal(world_stats().store.messages, 0);
    /* nobody is left without: the message itself is one of the forms */
    client_say(c, MAIL TO("c") TO("a") DATA(HEADER "\r\nagain\r\n"));
    sim_run_for(20000);
    assert_true(decrypts(received("a"), A, &inside));
    client_free(c);
    expect_idle();
    buf_deinit(&inside);
    stop(NULL);
}

/* Messages in spool files, each form too, with a small window to the disk. */
static void test_large(void **state)
{
    struct buf inside, body;
    (void)state;
    start(BOTH);
    buf_init(&inside, 16u << 20, 0);
    buf_init(&body, 4u << 20, 0);
    assert_int_equal(buf_printf(&body, "Content-Type: text/plain\r\n\r\n"), 0);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n");
    client_put(c, SV(HEADER "\r\n"));
    for (int i = 0; i < 20000; i++) {
        char line[80];
        snprintf(line, sizeof line, "%070d\r\n", i);
        client_put(c, sv_of(line));
        assert_int_equal(buf_put(&body, sv_of(line)), 0);
    }
    client_say(c, ".\r\n");
    sim_run_for(60000);
    client_expect(c, "250 2.0.0 Queued");
    char *entity = buf_take(&body, NULL);
    expect_signed(received("z"), entity);
    assert_true(decrypts(received("c"), C, &inside));
    expect_signed(buf_view(&inside), entity);
    client_free(c);
    expect_idle();
    free(entity);
    buf_deinit(&inside);
    buf_deinit(&body);
    stop(NULL);
}

/* More recipients than one message may have keys for: as many messages as it takes. */
static struct person crowd[2];

static void add_crowd(struct generation *g)
{
    for (int i = 0; i < 2; i++)
        generation_add_file(g, GENERATION_CERTIFICATE, "/crowd", sv_of(crowd[i].pem), false);
}

static void test_crowd(void **state)
{
    enum { EACH = 75 };
    struct buf emails, to, rcpt;
    (void)state;
    start(ROUTE "rewrite = { " ENCRYPTS "};\n");
    buf_init(&to, 1u << 16, 0);
    buf_init(&rcpt, 1u << 16, 0);
    assert_int_equal(buf_printf(&to, "From: u@example.net\r\nTo: x@example.net"), 0);
    for (int i = 0; i < 2; i++) {
        buf_init(&emails, 1u << 16, 0);
        for (int k = 0; k < EACH; k++) {
            assert_int_equal(buf_printf(&emails, "%semail:p%d.%d@example.org", k ? "," : "", i, k),
                             0);
            assert_int_equal(buf_printf(&to, ",\r\n p%d.%d@example.org", i, k), 0);
            assert_int_equal(buf_printf(&rcpt, "RCPT TO:<p%d.%d@example.org>\r\n", i, k), 0);
        }
        char *text = buf_take(&emails, NULL);
        crowd[i] = person_new(&(struct person_plan){
            .emails = text, .from_s = -3650L * DAY_S, .until_s = 3650L * DAY_S});
        free(text);
        buf_deinit(&emails);
    }
    world_files = add_crowd;
    world_reload(2, ROUTE "rewrite = { " ENCRYPTS "};\n");
    sim_run_for(1000);
    struct sim_client *c = client_ready();
    client_say(c, MAIL);
    client_put(c, buf_view(&rcpt));
    client_say(c, "DATA\r\n");
    assert_int_equal(buf_printf(&to, "\r\n\r\nbody\r\n.\r\n"), 0);
    client_put(c, buf_view(&to));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_log_count("encrypted"), 2);
    assert_true(world_logged("recipients=100 ") && world_logged("recipients=50 "));
    size_t messages = 0, recipients = 0;
    for (struct got *g = all; g; g = g->next) {
        messages += g->whole;
        recipients += g->whole ? buf_len(&g->rcpts) : 0;
    }
    assert_int_equal(messages, 2);
    assert_int_equal(recipients, 2 * EACH);
    buf_deinit(&to);
    buf_deinit(&rcpt);
    client_free(c);
    expect_idle();
    stop(NULL);
    person_free(&crowd[0]);
    person_free(&crowd[1]);
}

#define FROM "From: u@example.net\r\nMIME-Version: 1.0\r\n"
#define PGP                                                                                        \
    FROM                                                                                           \
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; "              \
        "boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"   \
        "--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" \
        "aa==\r\n-----END PGP MESSAGE-----\r\n--b--\r\n"
#define CMS(base64)                                                                                \
    FROM                                                                                           \
        "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" base64 \
        "\r\n"

/* The client's message is the end of what arrived. */
static void expect_left(struct sv text, const char *message)
{
    const char *body = strstr(message, "\r\n\r\n");
    assert_non_null(memmem(text.ptr, text.len, body, strlen(body)));
}

/* What only says that it is signed or encrypted is signed, and encrypted. */
static void test_only_says_so(void **state)
{
    static const char *const messages[] = {
        "From: u@example.net\r\nContent-Type: multipart/encrypted\r\n\r\nthe secret\r\n",
        "From: u@example.net\r\nContent-Type: multipart/signed\r\n\r\nthe secret\r\n",
        "From: u@example.net\r\nContent-Type: application/pkcs7-mime\r\n\r\nthe secret\r\n",
    };
    struct buf inside;
    (void)state;
    start(ROUTE
          "rewrite = { " SIGNS("require = true;") "encrypt = ( { to = \"*\"; policy = \"require\"; "
                                                  "} ); certificates = [ \"/certs\" ]; };\n");
    buf_init(&inside, 1u << 20, 0);
    struct sim_client *c = client_ready();
    for (unsigned i = 0; i < 3; i++) {
        client_put(c, SV(MAIL TO("a") "DATA\r\n"));
        client_put(c, sv_of(messages[i]));
        client_say(c, ".\r\n");
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        assert_int_equal(asked, i + 1);
        assert_true(decrypts(received("a"), A, &inside));
        assert_true(sv_istarts(buf_view(&inside), SV("Content-Type: multipart/signed")));
        assert_int_equal(world_log_count("smime-unproven"), i + 1);
    }
    /* signed by CMS, and readable for everybody */
    client_say(c, MAIL TO("a") DATA(CMS("MIAGCSqGSIb3DQEHAqCAMIACAQEx")));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 3);
    assert_true(decrypts(received("a"), A, &inside));
    assert_true(sv_istarts(buf_view(&inside), SV("Content-Type: application/pkcs7-mime")));
    client_say(c, MAIL TO("x") DATA("From: u@example.net\r\nContent-Type: multipart/encrypted\r\n"
                                    "\r\nthe secret\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 Mail to <x@example.org> has to be encrypted (S/MIME)");
    buf_deinit(&inside);
    client_free(c);
    expect_idle();
    stop(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    start(BOTH);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("must") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 Mail to <must@example.org> has to be encrypted (S/MIME), and there "
                     "is no certificate for this address (rewrite.encrypt)");
    assert_int_equal(world_stats().store.messages, 0);
    /* what is encrypted already may go */
    client_say(c, MAIL TO("must") DATA(PGP));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    expect_left(received("m"), PGP);
    client_say(c, MAIL TO("must") DATA(CMS("MIAGCSqGSIb3DQEHA6CAMIACAQAx")));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 0);
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* Unsigned with a warning, once a minute, or refused. */
static void test_keeper_refuses(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? HAS_TO : SIGNED);
        struct sim_client *c = client_ready();
        denies = true;
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(5000);
        client_expect(c, require ? "451 4.7.0 This message has to be signed (S/MIME), and cannot "
                                   "be: the keeper of the key does not sign (rewrite.smime)"
                                 : "250 2.0.0 Queued");
        assert_int_equal(world_log_count(" unsigned "), !require);
        assert_int_equal(peer_was_told(sink, "Subject: x\r\n\r\nbody\r\n..dot\r\n.\r\n"), !require);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(1000);
        assert_int_equal(world_log_count(" unsigned "), !require);
        sim_run_for(60000);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(1000);
        assert_int_equal(world_log_count(" unsigned "), require ? 0 : 2);
        denies = false;
        buf_reset(&c->said);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        peer_expect(sink, "Content-Type: multipart/signed");
        client_free(c);
        expect_idle();
        stop(NULL);
    }
}

/* A keeper that hangs is waited for for a while. */
static void test_keeper_hangs(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? HAS_TO : SIGNED);
        struct sim_client *c = client_ready();
        sim_auth_delay(60000);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(8000);
        assert_false(client_heard(c, "Queued") || client_heard(c, "451 "));
        sim_run_for(4000);
        client_expect(c, require ? "451 4.7.0 This message has to be signed (S/MIME), and cannot "
                                   "be: the keeper of the key does not answer"
                                 : "250 2.0.0 Queued");
        client_free(c);
        sim_run_for(60000);
        expect_idle();
        stop(NULL);
    }
}

/* 8 bits are made 7; what cannot be is refused; what is signed already goes as it is. */
static void test_seven_bit(void **state)
{
    (void)state;
    start(HAS_TO);
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") DATA(HEADER "Content-Type: text/plain; charset=utf-8\r\n"
                                           "MIME-Version: 1.0\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    expect_signed(received("a"), "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                 "gr=C3=BC=C3=9F\r\n");
    client_say(c, "MAIL FROM:<u@example.net> BODY=BINARYMIME\r\n" TO("b") "BDAT 73 LAST\r\n");
    client_put(c, (struct sv){"From: u@example.net\r\nContent-Type: image/x\r\nMIME-Version: "
                              "1.0\r\n\r\n\0\n\r\r\n\xff\0\1",
                              73});
    sim_run_for(5000);
    expect_signed(received("b"), "Content-Type: image/x\r\nContent-Transfer-Encoding: "
                                 "base64\r\n\r\nAAoNDQr/AAE=\r\n");
    asked = 0;
    client_say(c, MAIL TO("a") DATA("From: u@example.net\r\nMIME-Version: 1.0\r\nContent-Type: "
                                    "message/partial; id=x\r\n\r\n\xc3\xbc\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 This message has to be signed (S/MIME), and cannot be: a part of "
                     "a message type that allows no encoding");
    client_say(c, MAIL TO("c") DATA("From: u@example.net\r\nContent-Type: multipart/signed\r\n"
                                    "\r\n\xc3\xbc\r\n"));
    sim_run_for(5000);
    client_expect(c, "550 5.7.5 This message has to be signed (S/MIME), and cannot be: a signed "
                     "part would have to be re-encoded");
    client_say(c, MAIL TO("c") DATA("From: u@example.net\r\nContent-Type: multipart/signed; "
                                    "protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n"
                                    "--b\r\n\r\n\xc3\xbc\r\n--b\r\nContent-Type: "
                                    "application/pgp-signature\r\n\r\n"
                                    "-----BEGIN PGP SIGNATURE-----\r\n--b--\r\n"));
    sim_run_for(5000);
    assert_true(received("c").len > 0);
    assert_int_equal(asked, 0);
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* Ends in the middle: the server's, the session's. */
static void test_stopped(void **state)
{
    (void)state;
    start(BOTH);
    struct sim_client *c = client_ready();
    sim_auth_delay(600000);
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(1000);
    assert_int_equal(asked, 1);
    server_stop(world.server, 2000);
    sim_run_for(1000);
    assert_false(client_heard(c, "451 "));
    sim_run_for(2000);
    client_expect(c, "451 4.3.0 ");
    stop(c);
    start(BOTH);
    c = client_ready();
    sim_auth_delay(3000);
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(500);
    client_free(c);
    sim_run_for(20000);
    assert_int_equal(world_stats().accepted_messages, 1); /* its end of data was there */
    expect_idle();
    stop(NULL);
}

/* ---- DKIM, which comes last ---- */

#define DKIM(more)                                                                              \
    "dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; canonicalization = " \
    "\"simple/simple\"; " more " } ); "

/* Each form has a signature, and it is of this form's body. */
static void expect_dkim(struct sv text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char b64[EVP_MAX_MD_SIZE * 2], words[200];
    unsigned len;
    const char *body = memmem(text.ptr, text.len, "\r\n\r\n", 4);
    assert_non_null(body);
    body += 4;
    EVP_Digest(body, (size_t)(text.ptr + text.len - body), digest, &len, EVP_sha256(), NULL);
    EVP_EncodeBlock((unsigned char *)b64, digest, (int)len);
    snprintf(words, sizeof words, "bh=%s", b64);
    assert_true(sv_starts(text, SV("DKIM-Signature: ")));
    if (!memmem(text.ptr, text.len, words, strlen(words)))
        fail_msg("no %s in\n%.*s", words, SV_ARG(text));
}

static void test_dkim(void **state)
{
    (void)state;
    world_dkim = "0 rsa 2048 id QUJD\n";
    start(ROUTE "rewrite = { " SIGNS("") ENCRYPTS DKIM("") "};\n");
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("c") TO("z") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    expect_dkim(received("a"));
    expect_dkim(received("c"));
    expect_dkim(received("z"));
    client_say(c, MAIL TO("a") DATA(MESSAGE));
    sim_run_for(20000);
    expect_dkim(received("a"));
    /* a message that goes unsigned after all, when the other form was hashed already */
    denies = true;
    client_say(c, MAIL TO("y") DATA(MESSAGE));
    sim_run_for(20000);
    expect_dkim(received("y"));
    stop(c);
    /* and where one of the forms cannot be signed, none goes */
    world_dkim = "0 rsa 2048 gone QUJD\n";
    start(ROUTE "rewrite = { " ENCRYPTS DKIM("require = true;") "};\n");
    c = client_ready();
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(20000);
    client_expect(c, "451 4.7.0 ");
    client_free(c);
    assert_int_equal(world_stats().store.messages, 0);
    expect_idle();
    world_dkim = NULL;
    stop(NULL);
}

/* What is too much is held, in all its forms. */
static void test_held(void **state)
{
    (void)state;
    start(BOTH "permissions = ( { login = \"u@example.net\"; messages_per_hour = 1; } );\n");
    struct sim_client *c = client_ready();
    for (int i = 0; i < 2; i++)
        client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(20000);
    assert_int_equal(world_stats().accepted_messages, 2);
    assert_int_equal(world_stats().store.messages, 2); /* both forms of the second */
    assert_int_equal(world_stats().store.rows, 2);
    client_free(c);
    expect_idle();
    stop(NULL);
}

/* The disk fails in each operation: refused for now, and nothing stays, or all is queued. */
static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
}

static void test_disk(void **state)
{
    static const unsigned ops[] = {DISK_OP_READ, DISK_OP_WRITE, DISK_OP_SYNC, DISK_OP_NAME};
    unsigned refused = 0, accepted = 0;
    (void)state;
    for (size_t k = 0; k < 4; k++)
        for (unsigned skip = 0; skip < 20; skip += k == 3 ? 1 : 2) {
            start(BOTH);
            struct sim_client *c = client_ready();
            client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n" HEADER "\r\n");
            for (size_t i = 0; i < 5000; i++)
                client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
            sim_run_for(2000);
            disk_fail(ops[k], "spool", skip, 1, -ENOSPC);
            client_say(c, ".\r\n");
            sim_run_for(15000);
            disk_fail(0, NULL, 0, 0, 0);
            bool good = client_heard(c, "250 2.0.0 Queued"), full = client_heard(c, "452 4.3.1");
            refused += full;
            accepted += good;
            assert_true(good != full);
            assert_int_equal(world_stats().accepted_messages, good);
            client_say(c, "RSET\r\n" MAIL TO("b") DATA(MESSAGE));
            sim_run_for(20000);
            assert_int_equal(world_stats().accepted_messages, good + 1);
            sim_run_for(400000); /* what could not be read for delivery is tried again */
            if (good) {
                assert_true(received("a").len && received("c").len && received("z").len);
            }
            size_t left = 0;
            assert_int_equal(disk_list("/s/queue/spool", count_name, &left), 0);
            /* a removal that fails is made good at the next start */
            assert_true(left <= world_log_count("spool-left"));
            stop(c);
        }
    assert_true(refused > 10 && accepted > 2);
}

/* A slow disk, and content that ends anywhere in a piece: what is full at the end has room later,
 * when nothing is left to be read. */
static void test_slow_disk(void **state)
{
    (void)state;
    start(BOTH);
    for (size_t i = 0; i < 40; i++) {
        struct sim_client *c = client_ready();
        client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n" HEADER "\r\n");
        sim_thread_delay(30);
        for (size_t n = 0; n < 6000 + 100 * i; n++)
            client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
        client_put(c, SV(".\r\n"));
        sim_run_for(20000);
        client_expect(c, "250 2.0.0 Queued");
        sim_thread_delay(0);
        client_free(c);
    }
    assert_int_equal(world_stats().accepted_messages, 40);
    expect_idle();
    stop(NULL);
}

/* Any recipients, sizes, moods of the keeper, faults of the disk and clients that leave: whoever
 * stays is answered, nothing is left, and who has a certificate never gets plain text. */
static void check_got(const struct got *g)
{
    struct sv rcpts = buf_view(&g->rcpts), text = buf_view(&g->text);
    bool plain = memmem(text.ptr, text.len, "the secret", 10) != NULL;
    for (size_t i = 0; i < rcpts.len; i++)
        if (plain == (strchr("abc", rcpts.ptr[i]) != NULL))
            fail_msg("%.*s: %.*s", SV_ARG(rcpts), SV_ARG(text));
}

static void test_by_chance(void **state)
{
    static const char *const to[] = {TO("a"), TO("b"), TO("c"), TO("x"), TO("y")};
    unsigned answered = 0, left = 0;
    size_t names = 0;
    (void)state;
    for (int way = 0; way < 2; way++) {
        start(way ? BOTH : ROUTE "rewrite = { " SIGNS("require = true;") ENCRYPTS "};\n");
        for (int i = 0; i < 120; i++) {
            sim_auth_delay(0);
            struct sim_client *c = client_ready();
            sim_auth_delay(sim_below(3) ? sim_below(300) : sim_below(20000));
            denies = sim_below(5) == 0;
            client_say(c, MAIL);
            for (uint32_t n = 1 + sim_below(5); n > 0; n--)
                client_say(c, to[sim_below(5)]);
            client_say(c, "DATA\r\n");
            if (sim_below(3) == 0)
                disk_fail(sim_below(16), "spool", sim_below(20), 1, -EIO);
            client_put(c, SV(HEADER "\r\nthe secret\r\n"));
            for (uint32_t n = sim_below(2) ? sim_below(9000) : 0; n > 0; n--)
                client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
            buf_reset(&c->said);
            client_put(c, SV(".\r\n"));
            bool leaves = sim_below(4) == 0;
            sim_run_for(leaves ? sim_below(3000) : 40000);
            disk_fail(0, NULL, 0, 0, 0);
            left += leaves;
            if (!leaves) {
                answered++;
                assert_true(client_heard(c, "250 ") || client_heard(c, "451 ") ||
                            client_heard(c, "452 "));
            }
            client_free(c);
        }
        sim_run_for(500000);
        for (const struct got *g = all; g; g = g->next)
            if (g->whole)
                check_got(g);
        expect_idle();
        assert_int_equal(world_stats().store.messages, 0);
        assert_int_equal(disk_list("/s/queue/spool", count_name, &names), 0);
        assert_true(names <= world_log_count("spool-left"));
        assert_true(world_stats().accepted_messages > 30);
        stop(NULL);
    }
    assert_true(answered > 100 && left > 20);
}

/* What a gateway sends is not touched, nor what no row is for. */
static void test_left_alone(void **state)
{
    (void)state;
    start(BOTH "permissions = ( { login = \"u@example.net\"; class = \"gateway\"; may_send_as = "
               "\"*\"; } );\n");
    struct sim_client *c = client_ready();
    client_say(c, MAIL TO("a") TO("must") DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 0);
    peer_expect(sink, "Subject: x\r\n");
    assert_false(peer_was_told(sink, "MIME-Version"));
    stop(c);
    start(ROUTE "rewrite = { " ENCRYPTS "};\n");
    c = client_ready();
    client_say(c, MAIL "RCPT TO:<a@example.com>\r\n" DATA(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_false(peer_was_told(sink, "MIME-Version"));
    stop(c);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < PEOPLE; i++)
        person_free(&people[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),         cmocka_unit_test(test_shared_out),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keeper_refuses), cmocka_unit_test(test_keeper_hangs),
        cmocka_unit_test(test_seven_bit),      cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_left_alone),     cmocka_unit_test(test_dkim),
        cmocka_unit_test(test_held),           cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_disk),           cmocka_unit_test(test_by_chance),
        cmocka_unit_test(test_slow_disk),      cmocka_unit_test(test_only_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
