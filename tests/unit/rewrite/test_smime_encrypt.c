/*
 * What is encrypted, read back by libcrypto's own reader of S/MIME.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_encrypt.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <openssl/cms.h>
#include <string.h>

static struct person people[3]; /* RSA, EC, and somebody else */
static struct rewrite_smime_cert *certs[3];

static int encrypt(struct sv message, size_t step, size_t count, struct buf *out)
{
    struct rewrite_smime_encrypt e;
    int err = rewrite_smime_encrypt_init(&e, 10000, (const struct rewrite_smime_cert *const *)certs,
                                         count);
    while (err == 0 && message.len) {
        err = rewrite_smime_encrypt_feed(&e, sv_first(message, step), out);
        message = sv_skip(message, step);
    }
    if (err == 0)
        err = rewrite_smime_encrypt_end(&e, out);
    rewrite_smime_encrypt_deinit(&e);
    return err;
}

/* How many may read it; false: this person cannot. */
static bool decrypt(struct sv text, const struct person *p, struct buf *inside, int *recipients)
{
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len), *plain = BIO_new(BIO_s_mem());
    char *at;
    CMS_ContentInfo *cms = SMIME_read_CMS(in, NULL);
    assert_non_null(cms);
    *recipients = sk_CMS_RecipientInfo_num(CMS_get0_RecipientInfos(cms));
    bool good = CMS_decrypt(cms, p->key, p->x509, NULL, plain, CMS_BINARY) == 1;
    long len = BIO_get_mem_data(plain, &at);
    assert_int_equal(buf_append(inside, at, (size_t)len), 0);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(plain);
    return good;
}

static void check(struct sv message, struct sv entity, size_t step)
{
    for (size_t count = 1; count <= 2; count++) {
        struct buf out, inside;
        int recipients;
        buf_init(&out, 1u << 20, 0);
        buf_init(&inside, 1u << 20, 0);
        assert_int_equal(encrypt(message, step, count, &out), 0);
        struct sv text = buf_view(&out);
        assert_true(sv_starts(text, SV("From: a@b\r\n")));
        for (size_t i = 0; i < 3; i++) {
            buf_reset(&inside);
            bool good = decrypt(text, &people[i], &inside, &recipients);
            assert_int_equal(recipients, count);
            if (good && !sv_eq(buf_view(&inside), entity))
                fail_msg("%.*s, not %.*s", SV_ARG(buf_view(&inside)), SV_ARG(entity));
            if (good != (i < count))
                fail_msg("person %zu of %zu", i, count);
        }
        for (struct sv rest = text; rest.len;) {
            struct sv line = sv_split(&rest, '\n');
            assert_true(line.len <= 90 && line.ptr[line.len - 1] == '\r');
        }
        buf_deinit(&out);
        buf_deinit(&inside);
    }
}

static void test_decrypts(void **state)
{
    (void)state;
    check(SV("From: a@b\r\n\r\nsecret\r\n"), SV("Content-Type: text/plain\r\n\r\nsecret\r\n"), 5);
    check(SV("From: a@b\r\n\r\n"), SV("Content-Type: text/plain\r\n\r\n"), 100);
    check(SV("From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: x/y\r\n\r\n\0\r\xff\n.\n"),
          SV("Content-Type: x/y\r\n\r\n\0\r\xff\n.\n"), 1);
    /* many blocks, in pieces that fit none */
    struct buf message;
    buf_init(&message, 1u << 20, 0);
    assert_int_equal(buf_printf(&message, "From: a@b\r\nContent-Type: x/y\r\n\r\n%099999d\r\n", 7),
                     0);
    struct sv all = buf_view(&message);
    check(all, sv_skip(all, 11), 4097);
    buf_deinit(&message);
}

/* Memory is that of a piece, not of the message; no plain byte is in the output. */
static void test_streams(void **state)
{
    struct rewrite_smime_encrypt e;
    char piece[65536];
    struct buf out;
    size_t most = 0, all = 0;
    (void)state;
    memset(piece, 'S', sizeof piece);
    buf_init(&out, 1u << 20, 0);
    assert_int_equal(
        rewrite_smime_encrypt_init(&e, 10000, (const struct rewrite_smime_cert *const *)certs, 2),
        0);
    assert_int_equal(rewrite_smime_encrypt_feed(&e, SV("A: 1\r\n\r\n"), &out), 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(rewrite_smime_encrypt_feed(&e, (struct sv){piece, sizeof piece}, &out), 0);
        most = buf_len(&out) > most ? buf_len(&out) : most;
        all += buf_len(&out);
        struct sv text = buf_view(&out);
        assert_null(memmem(text.ptr, text.len, "SSSSSSSSSSSSSSSS", 16));
        buf_reset(&out);
    }
    assert_int_equal(rewrite_smime_encrypt_end(&e, &out), 0);
    assert_true(all > 200 * sizeof piece);
    assert_true(most < 2 * sizeof piece);
    rewrite_smime_encrypt_deinit(&e);
    buf_deinit(&out);
}

static void test_faults(void **state)
{
    struct rewrite_smime_encrypt e;
    struct buf out;
    (void)state;
    buf_init(&out, 1u << 20, 0);
    assert_int_equal(encrypt(SV("A: no end\r\n"), 3, 1, &out), ERR_CORRUPT);
    assert_int_equal(
        rewrite_smime_encrypt_init(&e, 4, (const struct rewrite_smime_cert *const *)certs, 1), 0);
    assert_int_equal(rewrite_smime_encrypt_feed(&e, SV("A: too long\r\n"), &out), ERR_FULL);
    rewrite_smime_encrypt_deinit(&e);
    buf_deinit(&out);
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rewrite_smime_cert **list;
        struct buf why;
        size_t count;
        people[i] = person_of("a@example.net", i == 0 ? 2048 : 0);
        buf_init(&why, 100, 0);
        assert_int_equal(rewrite_smime_certs_read(sv_of(people[i].pem), &list, &count, &why), 0);
        certs[i] = list[0];
        free(list);
        buf_deinit(&why);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        rewrite_smime_cert_free(certs[i]);
        person_free(&people[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decrypts),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
