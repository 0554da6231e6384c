#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/sha256.h"

#include <stdio.h>
#include <string.h>

/* FIPS 180-4, NIST's examples */
static const struct {
    const char *text, *want;
} rows[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void assert_sum(struct rewrite_sha256 *h, const char *want)
{
    uint8_t sum[REWRITE_SHA256_BYTES];
    char text[2 * REWRITE_SHA256_BYTES + 1];
    rewrite_sha256_finish(h, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    assert_string_equal(text, want);
}

static void test_sums(void **state)
{
    struct rewrite_sha256 h = {NULL};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rewrite_sha256_init(&h); /* again, on the same struct */
        rewrite_sha256_add(&h, sv_first(sv_of(rows[i].text), 1));
        rewrite_sha256_add(&h, SV_NONE);
        rewrite_sha256_add(&h, sv_skip(sv_of(rows[i].text), 1));
        assert_sum(&h, rows[i].want);
    }
    rewrite_sha256_deinit(&h);
    rewrite_sha256_deinit(&h);
}

static void test_copy(void **state)
{
    struct rewrite_sha256 a = {NULL}, b = {NULL};
    (void)state;
    rewrite_sha256_init(&a);
    rewrite_sha256_add(&a, SV("ab"));
    rewrite_sha256_copy(&b, &a);
    rewrite_sha256_add(&a, SV("x"));
    rewrite_sha256_add(&b, SV("c"));
    assert_sum(&b, rows[1].want);
    rewrite_sha256_deinit(&a);
    rewrite_sha256_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
