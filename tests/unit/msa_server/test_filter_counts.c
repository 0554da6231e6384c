/* Answers of filters, counted by workers and summed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/filter_counts.h"

#include <stdio.h>

static void test_sums(void **state)
{
    struct filter_counts *one = filter_counts_new(), *two = filter_counts_new();
    struct filter_figures f = {.count = 0};
    (void)state;
    struct filter_count *a = filter_counts_of(one, "inet:1@127.0.0.1");
    struct filter_count *b = filter_counts_of(one, "unix:/b");
    assert_ptr_equal(filter_counts_of(one, "inet:1@127.0.0.1"), a);
    assert_ptr_not_equal(a, b);
    filter_counts_note(a, FILTER_ANSWER_PASSED, 10);
    filter_counts_note(a, FILTER_ANSWER_PASSED, 30);
    filter_counts_note(a, FILTER_ANSWER_REFUSED, 5);
    filter_counts_note(filter_counts_of(two, "inet:1@127.0.0.1"), FILTER_ANSWER_FAILED, 20);
    filter_counts_add(one, &f);
    filter_counts_add(two, &f);
    assert_int_equal(f.count, 2);
    size_t i = f.rows[0].name == a->name ? 0 : 1;
    assert_int_equal(f.rows[i].passed, 2);
    assert_int_equal(f.rows[i].refused, 1);
    assert_int_equal(f.rows[i].failed, 1);
    assert_int_equal(f.rows[i].total_ms, 65);
    assert_int_equal(f.rows[i].slowest_ms, 30);
    assert_int_equal(f.rows[1 - i].passed, 0);
    filter_counts_free(one);
    filter_counts_free(two);
}

static void test_more_than_are_told(void **state)
{
    struct filter_counts *c = filter_counts_new();
    struct filter_figures f = {.count = 0};
    char name[32];
    (void)state;
    for (unsigned i = 0; i < FILTER_FIGURES_MAX + 5; i++) {
        snprintf(name, sizeof name, "unix:/%u", i);
        filter_counts_note(filter_counts_of(c, name), FILTER_ANSWER_PASSED, 1);
    }
    filter_counts_add(c, &f);
    filter_counts_add(c, &f);
    assert_int_equal(f.count, FILTER_FIGURES_MAX);
    for (size_t i = 0; i < f.count; i++)
        assert_int_equal(f.rows[i].passed, 2);
    filter_counts_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_more_than_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
