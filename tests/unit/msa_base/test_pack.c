#include "msa/base/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

static void write_record(struct buf *b)
{
    buf_init(b, 1000, 0);
    pack_u8(b, 0xfe);
    pack_u32(b, 0x01020304);
    pack_u64(b, UINT64_C(0x1122334455667788));
    pack_sv(b, SV("text"));
    pack_sv(b, SV_NONE);
}

static void reads_back(void **state)
{
    (void)state;
    struct buf b;
    write_record(&b);
    static const char want[] = "\xfe\1\2\3\4\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\4text\0\0\0\0";
    assert_int_equal(buf_len(&b), sizeof want - 1);
    assert_memory_equal(buf_view(&b).ptr, want, sizeof want - 1);
    struct unpack u = unpack_start(buf_view(&b));
    assert_int_equal(unpack_u8(&u), 0xfe);
    assert_int_equal(unpack_u32(&u), 0x01020304);
    assert_true(unpack_u64(&u) == UINT64_C(0x1122334455667788));
    assert_true(sv_eq(unpack_sv(&u), SV("text")));
    assert_false(unpack_ok(&u)); /* something is left */
    assert_int_equal(unpack_sv(&u).len, 0);
    assert_true(unpack_ok(&u));
    assert_int_equal(unpack_u8(&u), 0);
    assert_false(unpack_ok(&u));
    buf_deinit(&b);
}

/* Every cut of a record is bad, and gives zeros from the cut on. */
static void every_cut_is_found(void **state)
{
    (void)state;
    struct buf b;
    write_record(&b);
    for (size_t n = 0; n < buf_len(&b); n++) {
        char *exact = malloc(n + !n); /* its end is watched by the sanitizer */
        memcpy(exact, buf_view(&b).ptr, n);
        struct unpack u = unpack_start((struct sv){exact, n});
        (void)unpack_u8(&u);
        (void)unpack_u32(&u);
        uint64_t number = unpack_u64(&u);
        assert_true(n >= 13 || number == 0);
        (void)unpack_sv(&u);
        struct sv last = unpack_sv(&u);
        assert_int_equal(last.len, 0);
        assert_non_null(last.ptr);
        assert_false(unpack_ok(&u));
        free(exact);
    }
    buf_deinit(&b);
}

static void huge_length_is_bad(void **state)
{
    (void)state;
    struct unpack u = unpack_start(SV("\xff\xff\xff\xff"
                                      "abc"));
    assert_int_equal(unpack_sv(&u).len, 0);
    assert_false(unpack_ok(&u));
    assert_int_equal(unpack_u8(&u), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(huge_length_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
