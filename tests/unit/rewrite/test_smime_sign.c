/*
 * What is signed, checked by libcrypto's own reader of S/MIME.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/encode.h"
#include "rewrite/fields.h"
#include "rewrite/smime_sign.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <dirent.h>
#include <openssl/cms.h>
#include <stdio.h>
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

/* Its entity, as a message of its own; its other fields stand before the first "\r\n\r\n". */
static struct sv alone(struct sv message, struct buf *out, struct sv *fields_out)
{
    const char *end = memmem(message.ptr, message.len, "\r\n\r\n", 4);
    *fields_out = end ? sv_range(message.ptr, end + 2) : SV_NONE;
    if (!end)
        return message;
    buf_reset(out);
    assert_int_equal(rewrite_smime_alone(*fields_out, out), 0);
    assert_int_equal(buf_put(out, sv_skip(message, fields_out->len + 2)), 0);
    return buf_view(out);
}

/* In pieces of step bytes; the error of feed and end. */
static int sign_alone(struct sv message, struct sv outside, size_t step, struct buf *out)
{
    struct rewrite_smime_sign s;
    uint8_t hash[REWRITE_SMIME_HASH_BYTES];
    unsigned char *der = NULL;
    int err = 0;
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

static int sign(struct sv message, size_t step, struct buf *out)
{
    struct sv outside, entity;
    struct buf text;
    buf_init(&text, 1u << 20, 0);
    entity = alone(message, &text, &outside);
    int err = sign_alone(entity, outside, step, out);
    buf_deinit(&text);
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

/* ---- the corpus ---- */

/* As the server does it: what has to be encoded is, then all is signed. False: it cannot be. */
static bool sign_encoded(struct sv message, struct buf *out, struct buf *entity)
{
    struct rewrite_survey survey;
    struct rewrite_encode encode;
    struct rewrite_plan plan;
    struct buf text;
    struct sv outside, single;
    buf_init(&text, 8u << 20, 0);
    single = alone(message, &text, &outside);
    rewrite_survey_init(&survey, REWRITE_FORM_7BIT | REWRITE_FORM_LINES, 1u << 18);
    rewrite_survey_feed(&survey, single);
    rewrite_survey_end(&survey);
    rewrite_survey_take(&survey, &plan);
    rewrite_survey_deinit(&survey);
    bool fit = plan.unfit == REWRITE_UNFIT_NONE;
    if (fit) {
        rewrite_encode_init(&encode, &plan, 1u << 18);
        assert_int_equal(buf_put(entity, rewrite_encode_feed(&encode, single)), 0);
        assert_int_equal(buf_put(entity, rewrite_encode_end(&encode)), 0);
        rewrite_encode_deinit(&encode);
        assert_int_equal(sign_alone(buf_view(entity), outside, 1000, out), 0);
    }
    rewrite_plan_deinit(&plan);
    buf_deinit(&text);
    return fit;
}

/* Every field that does not describe the body leaves as it was, in its place. */
static void check_outside(struct sv message, struct sv text)
{
    struct rewrite_field f;
    size_t at = 0;
    const char *end = memmem(message.ptr, message.len, "\r\n\r\n", 4);
    struct sv fields = sv_range(message.ptr, end + 2), rest = text;
    while (rewrite_fields_next(fields, &at, &f)) {
        struct sv field = sv_range(fields.ptr + f.start, fields.ptr + f.end);
        if (sv_istarts(field, SV("Content-")))
            continue;
        assert_true(sv_starts(rest, field));
        rest = sv_skip(rest, field.len);
    }
}

static void check_file(const char *path, size_t *signed_out)
{
    struct buf file, text, entity, inside;
    char piece[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_init(&file, 8u << 20, 0);
    buf_init(&text, 32u << 20, 0);
    buf_init(&entity, 32u << 20, 0);
    buf_init(&inside, 32u << 20, 0);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        assert_int_equal(buf_append(&file, piece, n), 0);
    fclose(f);
    struct sv message = buf_view(&file);
    const char *end = message.len ? memmem(message.ptr, message.len, "\r\n\r\n", 4) : NULL;
    /* what the completer would refuse, or give another header, is not for us */
    if (end && !sv_starts(message, SV("\r\n")) && sign_encoded(message, &text, &entity)) {
        check_outside(message, buf_view(&text));
        if (!verify(buf_view(&text), &inside))
            fail_msg("%s: the signature does not hold", path);
        ++*signed_out;
    }
    buf_deinit(&file);
    buf_deinit(&text);
    buf_deinit(&entity);
    buf_deinit(&inside);
}

static void test_corpus(void **state)
{
    char folder[1000], path[2000];
    struct dirent *e;
    size_t files = 0, done = 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/tests/corpus", getenv("TEST_SOURCE_DIR"));
    DIR *d = opendir(folder);
    assert_non_null(d);
    while ((e = readdir(d))) {
        if (!sv_iends(sv_of(e->d_name), SV(".eml")))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        files++;
        check_file(path, &done);
    }
    closedir(d);
    print_message("%zu of %zu messages signed\n", done, files);
    assert_true(files > 200 && done > files * 3 / 4);
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
        cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
