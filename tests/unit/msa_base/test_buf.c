#include "msa/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#define CONTENT(b, text) assert_true(sv_eq(buf_view(b), SV(text)))

static void append_consume_truncate(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 16, 0);
    CONTENT(&b, "");
    assert_non_null(buf_view(&b).ptr);
    assert_int_equal(buf_append(&b, "hello ", 6), 0);
    assert_int_equal(buf_put(&b, SV("world")), 0);
    CONTENT(&b, "hello world");
    assert_int_equal(buf_room(&b), 5);
    buf_consume(&b, 6);
    CONTENT(&b, "world");
    assert_int_equal(buf_room(&b), 11);
    buf_truncate(&b, 2);
    CONTENT(&b, "wo");
    buf_consume(&b, 2);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    buf_deinit(&b);
}

static void maximum_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    char *at;
    buf_init(&b, 8, 0);
    assert_int_equal(buf_put(&b, SV("12345678")), 0);
    assert_int_equal(buf_put(&b, SV("9")), ERR_FULL);
    assert_int_equal(buf_printf(&b, "%d", 9), ERR_FULL);
    assert_int_equal(buf_reserve(&b, 1, &at), ERR_FULL);
    CONTENT(&b, "12345678");
    buf_consume(&b, 3);
    assert_int_equal(buf_put(&b, SV("abcd")), ERR_FULL);
    assert_int_equal(buf_put(&b, SV("abc")), 0);
    CONTENT(&b, "45678abc");
    buf_deinit(&b);
}

/* A reader and a writer in step must not make the memory grow beyond the maximum. */
static void memory_stays_within_the_maximum(void **state)
{
    (void)state;
    struct buf b;
    char chunk[700];
    unsigned char in = 0, out = 0;
    buf_init(&b, 5000, 0);
    for (int round = 0; round < 2000; round++) {
        size_t n = (size_t)(round * 37 % 700);
        for (size_t i = 0; i < n && n <= buf_room(&b); i++)
            chunk[i] = (char)in++;
        int err = buf_append(&b, chunk, n);
        assert_true(err == 0 || n > buf_room(&b));
        size_t take = (size_t)(round * 53 % 700);
        if (take > buf_len(&b))
            take = buf_len(&b);
        for (size_t i = 0; i < take; i++)
            assert_int_equal((unsigned char)buf_view(&b).ptr[i], out++);
        buf_consume(&b, take);
        assert_true(b.cap <= 5001);
    }
    buf_deinit(&b);
}

static void printf_of_every_length(void **state)
{
    (void)state;
    char text[2001];
    memset(text, 'x', sizeof text);
    for (int n = 0; n <= 2000; n += 1 + n / 40) {
        struct buf b;
        buf_init(&b, (size_t)n + 1, 0);
        assert_int_equal(buf_printf(&b, "<%.*s", n, text), 0);
        assert_int_equal(buf_len(&b), n + 1);
        assert_memory_equal(buf_view(&b).ptr + 1, text, (size_t)n);
        assert_int_equal(buf_room(&b), 0);
        buf_deinit(&b);
    }
}

static void reserve_and_added(void **state)
{
    (void)state;
    struct buf b;
    char *at;
    buf_init(&b, 1000, 0);
    assert_int_equal(buf_reserve(&b, 600, &at), 0);
    memcpy(at, "abc", 3);
    assert_int_equal(buf_len(&b), 0);
    buf_added(&b, 3);
    CONTENT(&b, "abc");
    buf_deinit(&b);
}

static void take_moves_the_content_out(void **state)
{
    (void)state;
    static const size_t skips[] = {0, 2};
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        size_t len;
        buf_init(&b, 256, 0);
        assert_int_equal(buf_put(&b, SV("abcdef")), 0);
        buf_consume(&b, skips[i]);
        char *text = buf_take(&b, &len);
        assert_string_equal(text, &"abcdef"[skips[i]]);
        assert_int_equal(len, 6 - skips[i]);
        assert_int_equal(buf_len(&b), 0);
        assert_int_equal(buf_put(&b, SV("again")), 0);
        CONTENT(&b, "again");
        free(text);
        buf_deinit(&b);
    }
}

/* A secret leaves no byte behind, neither where it was moved from nor what was only reserved. */
static void secrets_are_wiped(void **state)
{
    (void)state;
    struct buf b;
    char *at;
    buf_init(&b, 200, BUF_SECRET);
    assert_int_equal(buf_put(&b, SV("padding-padding-padding-password")), 0);
    buf_consume(&b, 24);
    buf_truncate(&b, 4);
    assert_int_equal(buf_reserve(&b, 150, &at), 0);
    memcpy(at, "secret", 6);
    buf_reset(&b);
    for (size_t i = 0; i < b.cap; i++)
        assert_int_equal(b.data[i], 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_consume_truncate),
        cmocka_unit_test(maximum_changes_nothing),
        cmocka_unit_test(memory_stays_within_the_maximum),
        cmocka_unit_test(printf_of_every_length),
        cmocka_unit_test(reserve_and_added),
        cmocka_unit_test(take_moves_the_content_out),
        cmocka_unit_test(secrets_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
