#include "msa/base/b64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* RFC 4648 section 10, and values with every digit. */
static void vectors(void **state)
{
    (void)state;
    static const struct {
        struct sv bytes;
        const char *text;
    } rows[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"fooba", 5}, "Zm9vYmE="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\0user\0pass", 10}, "AHVzZXIAcGFzcw=="},
        {{"\xff\xef\xbe\xfb\xff", 5}, "/++++/8="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        buf_init(&b, 100, 0);
        assert_int_equal(b64_encode(&b, rows[i].bytes), 0);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].text)));
        buf_reset(&b);
        assert_int_equal(b64_decode(&b, sv_of(rows[i].text)), 0);
        assert_true(sv_eq(buf_view(&b), rows[i].bytes));
        buf_deinit(&b);
    }
}

static void all_pairs_round_trip(void **state)
{
    (void)state;
    struct buf text, bytes;
    buf_init(&text, 100, 0);
    buf_init(&bytes, 100, 0);
    for (unsigned v = 0; v < 65536; v++) {
        char in[2] = {(char)(v >> 8), (char)v};
        buf_reset(&text);
        buf_reset(&bytes);
        assert_int_equal(b64_encode(&text, (struct sv){in, 2}), 0);
        assert_int_equal(b64_decode(&bytes, buf_view(&text)), 0);
        assert_true(sv_eq(buf_view(&bytes), (struct sv){in, 2}));
    }
    buf_deinit(&text);
    buf_deinit(&bytes);
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"Z",
                                       "Zg",
                                       "Zg=",
                                       "====",
                                       "Z===",
                                       "Zh==",
                                       "Zm9=",
                                       "Zg==Zg==",
                                       "=g==",
                                       "Zm9v\n",
                                       "Zm 9",
                                       "Zm-_",
                                       "Zg=A",
                                       "Zm9v====",
                                       "Zm9vY",
                                       "\xc3\xa4"
                                       "AA"};
    struct buf b;
    buf_init(&b, 100, 0);
    assert_int_equal(buf_put(&b, SV("kept")), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(b64_decode(&b, sv_of(rows[i])), ERR_SYNTAX);
        assert_true(sv_eq(buf_view(&b), SV("kept")));
    }
    buf_deinit(&b);
}

static void maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3, 0);
    assert_int_equal(b64_encode(&b, SV("a")), ERR_FULL);
    assert_int_equal(b64_decode(&b, SV("Zm9vYg==")), ERR_FULL);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(b64_decode(&b, SV("Zm9v")), 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(all_pairs_round_trip),
        cmocka_unit_test(refused),
        cmocka_unit_test(maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
