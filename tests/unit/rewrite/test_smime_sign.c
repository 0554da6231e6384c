/*
 * What is signed, checked by libcrypto's own reader of S/MIME.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_sign.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <openssl/cms.h>
#include <string.h>

#define BOUNDARY "=_0123456789abcdef"

static struct person signer;

/* As the keeper does it, but of the hash alone. */
static struct sv make_cms(const uint8_t hash[REWRITE_SMIME_HASH_BYTES], unsigned char **der)
{
    CMS_ContentInfo *cms =
        CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_DETACHED | CMS_BINARY);
    CMS_SignerInfo *si = CMS_add1_signer(cms, signer.x509, signer.key, EVP_sha256(), CMS_PARTIAL);
    ASN1_OBJECT *data = OBJ_nid2obj(NID_pkcs7_data);
    assert_non_null(si);
    assert_int_equal(
        CMS_signed_add1_attr_by_NID(si, NID_pkcs9_contentType, V_ASN1_OBJECT, data, -1), 1);
    assert_int_equal(CMS_signed_add1_attr_by_NID(si, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING,
                                                 hash, REWRITE_SMIME_HASH_BYTES),
                     1);
    assert_int_equal(CMS_SignerInfo_sign(si), 1);
    int len = i2d_CMS_ContentInfo(cms, der);
    CMS_ContentInfo_free(cms);
    assert_true(len > 0);
    return (struct sv){(const char *)*der, (size_t)len};
}

/* In pieces of step bytes; the error of feed and end. */
static int sign(struct sv message, size_t step, struct buf *out)
{
    struct rewrite_smime_sign s;
    uint8_t hash[REWRITE_SMIME_HASH_BYTES];
    unsigned char *der = NULL;
    int err = 0;
    const char *end = memmem(message.ptr, message.len, "\r\n\r\n", 4);
    struct sv outside = end ? sv_range(message.ptr, end + 2) : SV_NONE;
    rewrite_smime_sign_init(&s, 10000, outside, BOUNDARY);
    while (err == 0 && message.len) {
        err = rewrite_smime_sign_feed(&s, sv_first(message, step), out);
        message = sv_skip(message, step);
    }
    if (err == 0)
        err = rewrite_smime_sign_end(&s, hash);
    if (err == 0)
        assert_int_equal(rewrite_smime_sign_finish(&s, make_cms(hash, &der), out), 0);
    OPENSSL_free(der);
    rewrite_smime_sign_deinit(&s);
    return err;
}

static bool has(struct sv text, const char *words)
{
    return memmem(text.ptr, text.len, words, strlen(words)) != NULL;
}

/* Whether the signature holds; what it covers goes to inside. */
static bool verify(struct sv text, struct buf *inside)
{
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len), *content = NULL;
    BIO *plain = BIO_new(BIO_s_mem());
    STACK_OF(X509) *certs = sk_X509_new_null();
    char *at;
    CMS_ContentInfo *cms = SMIME_read_CMS(in, &content);
    assert_non_null(cms);
    assert_non_null(content);
    sk_X509_push(certs, signer.x509);
    bool good =
        CMS_verify(cms, certs, NULL, content, plain, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;
    long len = BIO_get_mem_data(plain, &at);
    assert_int_equal(buf_append(inside, at, (size_t)len), 0);
    sk_X509_free(certs);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(content);
    BIO_free(plain);
    return good;
}

static const struct {
    const char *message, *entity;
} rows[] = {
    {"From: a@b\r\n\r\nbody\r\n", "Content-Type: text/plain\r\n\r\nbody\r\n"},
    {"From: a@b\r\n\r\n", "Content-Type: text/plain\r\n\r\n"},
    {"From: a@b\r\n\r\nno line end", "Content-Type: text/plain\r\n\r\nno line end"},
    {"MIME-Version: 1.0\r\nContent-Type: text/html;\r\n charset=utf-8\r\nFrom: a@b\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n\r\nbl=C3=BC  \r\n\r\n-- \r\n\r\n",
     "Content-Type: text/html;\r\n charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
     "\r\n\r\nbl=C3=BC  \r\n\r\n-- \r\n\r\n"},
};

static void test_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv message = sv_of(rows[i].message);
        for (size_t step = 1; step <= message.len; step++) {
            struct buf out, inside;
            buf_init(&out, 100000, 0);
            buf_init(&inside, 100000, 0);
            assert_int_equal(sign(message, step, &out), 0);
            struct sv text = buf_view(&out);
            assert_true(has(text, "From: a@b\r\n"));
            assert_true(has(text, "micalg=sha-256; boundary=\"" BOUNDARY "\"\r\n"));
            if (!verify(text, &inside) || !sv_eq(buf_view(&inside), sv_of(rows[i].entity)))
                fail_msg("%s in pieces of %zu:\n%.*s", rows[i].message, step, SV_ARG(text));
            /* one byte of the body is another */
            char *at = memmem(text.ptr, text.len, "Content-Type: text/", 19);
            at[14] = 'T';
            buf_reset(&inside);
            assert_false(verify(text, &inside));
            buf_deinit(&out);
            buf_deinit(&inside);
        }
    }
}

static void test_not_seven_bit(void **state)
{
    static const struct sv bodies[] = {
        SV("\xc3\xbc\r\n"), SV("a\0b\r\n"), SV("a\nb\r\n"), SV("a\rb\r\n"), SV("a\r"), SV("\r\r\n"),
    };
    struct buf message, out;
    (void)state;
    buf_init(&message, 10000, 0);
    buf_init(&out, 100000, 0);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        buf_reset(&message);
        assert_int_equal(buf_put(&message, SV("From: a@b\r\n\r\nfirst\r\n")), 0);
        assert_int_equal(buf_put(&message, bodies[i]), 0);
        for (size_t step = 1; step < 40; step++)
            if (sign(buf_view(&message), step, &out) != ERR_SYNTAX)
                fail_msg("body %zu in pieces of %zu", i, step);
    }
    /* a line of 998 bytes, and one of 999 */
    for (int more = 0; more < 2; more++) {
        buf_reset(&message);
        buf_reset(&out);
        assert_int_equal(buf_printf(&message, "From: a@b\r\n\r\n%0*d\r\n", 998 + more, 0), 0);
        assert_int_equal(sign(buf_view(&message), 7, &out), more ? ERR_SYNTAX : 0);
    }
    /* 8 bits outside do not matter, in fields of the body they do */
    buf_reset(&out);
    assert_int_equal(sign(SV("Subject: \xc3\xbc\r\n\r\nx\r\n"), 9, &out), 0);
    assert_int_equal(sign(SV("Content-Description: \xc3\xbc\r\n\r\nx\r\n"), 9, &out), ERR_SYNTAX);
    assert_int_equal(sign(SV("Subject: no end\r\n"), 9, &out), ERR_CORRUPT);
    buf_deinit(&message);
    buf_deinit(&out);
}

static int setup(void **state)
{
    (void)state;
    signer = person_of("a@example.net", 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    person_free(&signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_not_seven_bit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
