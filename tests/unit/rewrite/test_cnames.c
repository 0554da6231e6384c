#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/cnames.h"

#include <stdio.h>

static void test_order(void **state)
{
    (void)state;
    struct arena a;
    struct rewrite_cnames c;
    const struct rewrite_cname *next = NULL;
    arena_init(&a);
    rewrite_cnames_init(&c, &a);
    assert_false(rewrite_cnames_next(&c, &next));
    assert_int_equal(rewrite_cnames_find(&c, SV("a.test")).len, 0);
    rewrite_cnames_note(&c, REWRITE_FIELD_TO, SV("a.test"));
    rewrite_cnames_note(&c, REWRITE_FIELD_CC, SV("b.test"));
    rewrite_cnames_note(&c, REWRITE_FIELD_CC, SV("a.test"));
    assert_true(rewrite_cnames_next(&c, &next));
    assert_true(sv_eq(next->name, SV("a.test")) && next->field == REWRITE_FIELD_TO);
    assert_true(rewrite_cnames_next(&c, &next)); /* the same */
    assert_true(sv_eq(next->name, SV("a.test")));
    rewrite_cnames_answer(&c, SV("Real.Test"));
    assert_true(rewrite_cnames_next(&c, &next));
    assert_true(sv_eq(next->name, SV("b.test")) && next->field == REWRITE_FIELD_CC);
    rewrite_cnames_answer(&c, SV_NONE);
    assert_false(rewrite_cnames_next(&c, &next));
    assert_true(sv_eq(rewrite_cnames_find(&c, SV("a.test")), SV("real.test")));
    assert_int_equal(rewrite_cnames_find(&c, SV("b.test")).len, 0);
    assert_int_equal(rewrite_cnames_find(&c, SV("c.test")).len, 0);
    arena_deinit(&a);
}

static void test_limit(void **state)
{
    (void)state;
    struct arena a;
    struct rewrite_cnames c;
    arena_init(&a);
    rewrite_cnames_init(&c, &a);
    for (int i = 0; i < REWRITE_CNAMES_MAX + 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%d.test", i);
        rewrite_cnames_note(&c, REWRITE_FIELD_TO, sv_of(name));
    }
    assert_int_equal(c.count, REWRITE_CNAMES_MAX);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
