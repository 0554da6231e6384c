#include "msa/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdint.h>
#include <string.h>

/* Sizes around and beyond a chunk's; each piece zeroed, aligned, its own. */
static void pieces_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 400 };
    static unsigned char *at[N];
    static size_t len[N];
    struct arena a;
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        size_t asked = 0;
        for (size_t i = 0; i < N; i++) {
            len[i] = i % 7 == 0 ? i * 13 : i % 29;
            at[i] = arena_alloc(&a, len[i]);
            asked += len[i];
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            for (size_t k = 0; k < len[i]; k++)
                assert_int_equal(at[i][k], 0);
            if (len[i])
                memset(at[i], (int)(i % 251) + 1, len[i]);
        }
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < len[i]; k++)
                assert_int_equal(at[i][k], i % 251 + 1);
        assert_in_range(a.used_bytes, asked, asked + N * 16);
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    arena_deinit(&a);
}

static void copies(void **state)
{
    (void)state;
    char text[] = "hello";
    struct arena a;
    arena_init(&a);
    struct sv view = arena_sv(&a, sv_first(sv_of(text), 4));
    char *str = arena_str(&a, sv_of(text));
    char *made = arena_printf(&a, "%s-%d-%0300d", "x", 5, 7);
    memset(text, '!', 5);
    assert_true(sv_eq(view, SV("hell")));
    assert_int_equal(view.ptr[4], '\0');
    assert_string_equal(str, "hello");
    assert_int_equal(strlen(made), 304);
    assert_int_equal(strncmp(made, "x-5-000", 7), 0);
    assert_string_equal(arena_str(&a, SV_NONE), "");
    arena_deinit(&a);
    assert_null(a.chunks);
}

/* A large piece must not close the chunk that small ones are taken from. */
static void large_pieces_waste_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *first = arena_alloc(&a, 16);
    (void)arena_alloc(&a, 5000);
    assert_ptr_equal(arena_alloc(&a, 16), first + 16);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(copies),
        cmocka_unit_test(large_pieces_waste_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
