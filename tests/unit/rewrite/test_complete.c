#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/complete.h"

#include <stdio.h>
#include <string.h>

static const struct sv domains[] = {SV("a.example"), SV("b.example")};

static void note(struct rewrite_complete *c, struct sv label)
{
    struct rewrite_refusal r;
    assert_true(rewrite_complete_can(c, label));
    assert_true(rewrite_complete_note(c, REWRITE_FIELD_TO, label, &r));
}

static void assert_asks(struct rewrite_complete *c, const char *name)
{
    struct rewrite_refusal r;
    struct sv got;
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(rewrite_complete_next(c, &got, &r), REWRITE_COMPLETE_ASK);
        assert_true(sv_eq(got, sv_of(name)));
    }
}

static void test_order(void **state)
{
    (void)state;
    struct rewrite_complete c;
    struct rewrite_refusal r;
    struct sv name;
    rewrite_complete_init(&c, domains, 2, false);
    assert_int_equal(rewrite_complete_next(&c, &name, &r), REWRITE_COMPLETE_DONE);
    note(&c, SV("one"));
    note(&c, SV("two"));
    note(&c, SV("ONE"));
    assert_int_equal(c.count, 2);
    assert_int_equal(c.uses, 3);
    assert_asks(&c, "one.a.example");
    assert_true(rewrite_complete_answer(&c, REWRITE_NAME_NO, &r));
    assert_asks(&c, "one.b.example");
    assert_true(rewrite_complete_answer(&c, REWRITE_NAME_YES, &r));
    assert_asks(&c, "two.a.example");
    assert_true(rewrite_complete_answer(&c, REWRITE_NAME_YES, &r));
    assert_int_equal(rewrite_complete_next(&c, &name, &r), REWRITE_COMPLETE_DONE);
    assert_int_equal(c.labels[0].domain, 1);
    assert_int_equal(c.labels[1].domain, 0);
}

static void test_no_and_unknown(void **state)
{
    (void)state;
    struct rewrite_complete c;
    struct rewrite_refusal r;
    struct sv name;
    for (int keep = 0; keep < 2; keep++) {
        rewrite_complete_init(&c, domains, 1, keep);
        note(&c, SV("one"));
        assert_asks(&c, "one.a.example");
        assert_true(rewrite_complete_answer(&c, REWRITE_NAME_NO, &r));
        assert_int_equal(rewrite_complete_next(&c, &name, &r),
                         keep ? REWRITE_COMPLETE_DONE : REWRITE_COMPLETE_REFUSED);
        if (!keep)
            assert_int_equal(r.kind, REWRITE_REFUSAL_UNQUALIFIED);
        rewrite_complete_init(&c, domains, 2, keep);
        note(&c, SV("one"));
        assert_asks(&c, "one.a.example");
        assert_false(rewrite_complete_answer(&c, REWRITE_NAME_UNKNOWN, &r));
        assert_int_equal(r.code, 451);
        assert_string_equal(r.status, "4.4.3");
    }
}

static void test_can(void **state)
{
    (void)state;
    struct rewrite_complete c;
    static char x[64];
    memset(x, 'x', sizeof(x));
    rewrite_complete_init(&c, domains, 2, false);
    assert_true(rewrite_complete_can(&c, SV("a")));
    assert_true(rewrite_complete_can(&c, SV("1-x")));
    assert_true(rewrite_complete_can(&c, (struct sv){x, 63}));
    assert_false(rewrite_complete_can(&c, (struct sv){x, 64}));
    assert_false(rewrite_complete_can(&c, SV("-x")));
    assert_false(rewrite_complete_can(&c, SV("12")));
    assert_false(rewrite_complete_can(&c, SV("")));
    assert_false(rewrite_complete_can(&c, SV("x_y")));
    assert_false(rewrite_complete_can(&c, SV("\303\274")));
    rewrite_complete_init(&c, NULL, 0, false);
    assert_false(rewrite_complete_can(&c, SV("a")));
}

/* A candidate of more than 255 bytes is no name: it is passed over. */
static void test_long_names(void **state)
{
    (void)state;
    static char longest[251];
    memset(longest, 'x', sizeof(longest));
    for (size_t i = 50; i < sizeof(longest); i += 50)
        longest[i] = '.';
    struct sv list[] = {{longest, 250}, SV("b.example")};
    struct rewrite_complete c;
    rewrite_complete_init(&c, list, 2, false);
    note(&c, SV("four")); /* 4 + 1 + 250 */
    note(&c, SV("fifth"));
    struct rewrite_refusal r;
    struct sv name;
    assert_int_equal(rewrite_complete_next(&c, &name, &r), REWRITE_COMPLETE_ASK);
    assert_int_equal(name.len, 255);
    assert_true(rewrite_complete_answer(&c, REWRITE_NAME_YES, &r));
    assert_asks(&c, "fifth.b.example");
}

static void test_limits(void **state)
{
    (void)state;
    struct rewrite_complete c;
    struct rewrite_refusal r;
    char label[20];
    for (int keep = 0; keep < 2; keep++) {
        rewrite_complete_init(&c, domains, 2, keep);
        for (int i = 0; i < REWRITE_LABELS_MAX; i++) {
            snprintf(label, sizeof(label), "l%d", i);
            note(&c, sv_of(label));
        }
        r.kind = 0;
        assert_int_equal(rewrite_complete_note(&c, REWRITE_FIELD_CC, SV("more"), &r), keep);
        assert_int_equal(r.kind, keep ? 0 : REWRITE_REFUSAL_LABELS);
        assert_int_equal(c.uses, REWRITE_LABELS_MAX);
        note(&c, SV("l3"));
        rewrite_complete_init(&c, domains, 2, keep);
        for (int i = 0; i < REWRITE_LABEL_USES_MAX; i++)
            note(&c, SV("same"));
        r.kind = 0;
        assert_int_equal(rewrite_complete_note(&c, REWRITE_FIELD_CC, SV("same"), &r), keep);
        assert_int_equal(r.kind, keep ? 0 : REWRITE_REFUSAL_LABELS);
        assert_int_equal(c.uses, REWRITE_LABEL_USES_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_no_and_unknown),
        cmocka_unit_test(test_can),    cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
