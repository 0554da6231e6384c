#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/edits.h"

#define SECTION "0123456789"

static const struct {
    const char *label;
    struct {
        size_t from, to;
        const char *text;
    } edits[4];
    size_t count;
    const char *want;
    size_t runs;
} rows[] = {
    {"none", {{0}}, 0, SECTION, 1},
    {"insert in front, in order", {{0, 0, "ab"}, {0, 0, "cd"}}, 2, "abcd" SECTION, 2},
    {"insert behind", {{10, 10, "z"}}, 1, SECTION "z", 2},
    {"remove", {{2, 5, ""}}, 1, "0156789", 2},
    {"replace", {{2, 5, "xy"}}, 1, "01xy56789", 3},
    {"replace what an insert stands before",
     {{0, 0, "a"}, {0, 3, "b"}, {3, 3, "c"}},
     3,
     "abc3456789",
     2},
    {"remove everything", {{0, 10, ""}}, 1, "", 0},
    {"apart", {{1, 2, "A"}, {2, 2, ""}, {8, 9, "B"}}, 3, "0A234567B9", 5},
    {"in any order", {{8, 9, "B"}, {2, 2, "x"}, {1, 2, "A"}, {2, 2, "y"}}, 4, "0Axy234567B9", 7},
    {"what is dropped takes with it what lies inside",
     {{4, 4, "in"}, {7, 7, "behind"}, {3, 7, ""}, {3, 3, "before"}},
     4,
     "012beforebehind789",
     4},
    {"of two replacements the first", {{5, 6, "a"}, {5, 6, "b"}, {0, 0, "c"}}, 3, "c01234a6789", 4},
};

static void test_edits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rewrite_edits e;
        rewrite_edits_init(&e, 100);
        for (size_t k = 0; k < rows[i].count; k++)
            assert_int_equal(rewrite_edits_put(&e, rows[i].edits[k].from, rows[i].edits[k].to,
                                               sv_of(rows[i].edits[k].text), REWRITE_WHY_COMPLETED,
                                               0),
                             0);
        rewrite_edits_seal(&e);
        struct buf out;
        buf_init(&out, 200, 0);
        struct rewrite_edits_cursor c = {0};
        struct sv run;
        size_t runs = 0;
        while (rewrite_edits_next(&e, SV(SECTION), &c, &run)) {
            assert_true(run.len > 0);
            assert_int_equal(buf_put(&out, run), 0);
            runs++;
        }
        if (!sv_eq(buf_view(&out), sv_of(rows[i].want)) || runs != rows[i].runs)
            fail_msg("%s: %zu runs, %.*s", rows[i].label, runs, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
        rewrite_edits_deinit(&e);
    }
}

static void test_full(void **state)
{
    (void)state;
    struct rewrite_edits e;
    rewrite_edits_init(&e, 4);
    assert_int_equal(rewrite_edits_put(&e, 0, 0, SV("1234"), REWRITE_WHY_END, 0), 0);
    assert_int_equal(rewrite_edits_put(&e, 0, 0, SV("5"), REWRITE_WHY_END, 0), ERR_FULL);
    assert_int_equal(e.count, 1);
    rewrite_edits_deinit(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edits), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
