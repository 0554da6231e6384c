#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/policy/header.h"

#include <stdlib.h>
#include <string.h>

#define SECTION                                                                          \
    "Received: by us\r\n\tid 1\r\nFrom: a@b\r\nno field\r\nX : 1\r\nX: 2\r\n folded\r\n" \
    "To:\r\n"

enum op { ADD, INSERT, CHANGE };

/* One change to SECTION, and what it is then; NULL: refused. */
static const struct {
    enum op op;
    uint32_t index;
    const char *name, *value;
    bool spaced;
    const char *result;
} cases[] = {
    {ADD, 0, "Y", "z", false, SECTION "Y: z\r\n"},
    {ADD, 0, "Y", " z", true, SECTION "Y: z\r\n"},
    {ADD, 0, "Y", "z", true, SECTION "Y:z\r\n"},
    {ADD, 0, "Y", "", false, SECTION "Y: \r\n"},
    {ADD, 0, "Y", "z\n", false, SECTION "Y: z\r\n"},
    {ADD, 0, "Y", "z\r\n\r\n", false, SECTION "Y: z\r\n"},
    {ADD, 0, "Y", "1\n\t2\r\n 3", false, SECTION "Y: 1\r\n\t2\r\n 3\r\n"},
    {ADD, 0, "Y", "1\n2", false, NULL},
    {ADD, 0, "Y", "1\n\n 2", false, NULL},
    {ADD, 0, "Y", "1\nBcc: x", false, NULL},
    {ADD, 0, "Y", "1\r2", false, NULL},
    {ADD, 0, "Y", "1\r\r\n 2", false, NULL},
    {ADD, 0, "", "z", false, NULL},
    {ADD, 0, "Y ", "z", false, NULL},
    {ADD, 0, "Y:", "z", false, NULL},
    {ADD, 0, "Y\r\nZ", "z", false, NULL},
    {ADD, 0, "\303\244", "z", false, NULL},
    {INSERT, 0, "Y", "z", false,
     "Received: by us\r\n\tid 1\r\nY: z\r\nFrom: a@b\r\nno field\r\nX : 1\r\nX: 2\r\n folded\r\n"
     "To:\r\n"},
    {INSERT, 2, "Y", "z", false,
     "Received: by us\r\n\tid 1\r\nFrom: a@b\r\nno field\r\nX : 1\r\nY: z\r\nX: 2\r\n folded\r\n"
     "To:\r\n"},
    {INSERT, 4, "Y", "z", false, SECTION "Y: z\r\n"},
    {INSERT, 4000000000u, "Y", "z", false, SECTION "Y: z\r\n"},
    {CHANGE, 1, "x", "new", false,
     "Received: by us\r\n\tid 1\r\nFrom: a@b\r\nno field\r\nx: new\r\nX: 2\r\n folded\r\nTo:\r\n"},
    {CHANGE, 2, "X", "", false,
     "Received: by us\r\n\tid 1\r\nFrom: a@b\r\nno field\r\nX : 1\r\nTo:\r\n"},
    {CHANGE, 0, "From", "c", false,
     "Received: by us\r\n\tid 1\r\nFrom: c\r\nno field\r\nX : 1\r\nX: 2\r\n folded\r\nTo:\r\n"},
    {CHANGE, 3, "X", "", false, SECTION},
    {CHANGE, 3, "X", "3", false, SECTION "X: 3\r\n"},
    {CHANGE, 1, "Received", "", false, SECTION}, /* ours is not theirs */
    {CHANGE, 1, "X", "1\n2", false, NULL},
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct header h;
        struct buf out;
        struct sv name = sv_of(cases[i].name), value = sv_of(cases[i].value);
        header_parse(&h, SV(SECTION), 4096, true);
        bool good = cases[i].op == ADD ? header_add(&h, name, value, cases[i].spaced)
                    : cases[i].op == INSERT
                        ? header_insert(&h, cases[i].index, name, value, cases[i].spaced)
                        : header_change(&h, cases[i].index, name, value, cases[i].spaced);
        if (good != (cases[i].result != NULL))
            print_error("case %zu\n", i);
        assert_int_equal(good, cases[i].result != NULL);
        buf_init(&out, 8192, 0);
        assert_int_equal(header_write(&h, &out), 0);
        const char *want = cases[i].result ? cases[i].result : SECTION;
        assert_int_equal(buf_len(&out), strlen(want));
        assert_memory_equal(buf_view(&out).ptr, want, strlen(want));
        assert_int_equal(h.bytes, strlen(want));
        assert_int_equal(h.changed, strcmp(want, SECTION) != 0);
        buf_deinit(&out);
        header_deinit(&h);
    }
}

/* What the differences say, put into the section that was marked, gives the section as it is. */
static void check_differences(const struct header *h, struct sv marked)
{
    struct buf told, now;
    struct header_change c;
    size_t at = 0, pos = 0;
    buf_init(&told, 8192, 0);
    buf_init(&now, 8192, 0);
    while (header_next_change(h, &at, &c)) {
        assert_true(c.from >= pos && c.to >= c.from && c.to <= marked.len);
        assert_true(c.from < c.to || c.first < c.end);
        assert_int_equal(buf_append(&told, marked.ptr + pos, c.from - pos), 0);
        for (size_t i = c.first; i < c.end; i++)
            assert_int_equal(buf_put(&told, h->fields[i].raw), 0);
        pos = c.to;
    }
    assert_false(header_next_change(h, &at, &c));
    assert_int_equal(buf_append(&told, marked.ptr + pos, marked.len - pos), 0);
    assert_int_equal(header_write(h, &now), 0);
    assert_true(sv_eq(buf_view(&told), buf_view(&now)));
    buf_deinit(&told);
    buf_deinit(&now);
}

static void test_differences(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 2000; seed++) {
        static const char *const names[] = {"X", "Subject", "New"};
        unsigned r = seed;
        struct header h;
        struct buf marked;
        header_parse(&h, SV(SECTION), 4096, true);
        check_differences(&h, SV(SECTION));
        buf_init(&marked, 8192, 0);
        for (int rounds = 0; rounds < 2; rounds++) {
            header_mark(&h);
            buf_reset(&marked);
            assert_int_equal(header_write(&h, &marked), 0);
            for (int n = rand_r(&r) % 5; n > 0; n--) {
                struct sv name = sv_of(names[rand_r(&r) % 3]);
                uint32_t index = (uint32_t)rand_r(&r) % 4;
                switch (rand_r(&r) % 3) {
                case 0:
                    assert_true(header_insert(&h, index, name, SV("in"), false));
                    break;
                case 1:
                    assert_true(header_change(&h, index, name, SV_NONE, false));
                    break;
                default:
                    assert_true(header_change(&h, index, name, SV("changed"), false));
                }
            }
            check_differences(&h, buf_view(&marked));
        }
        buf_deinit(&marked);
        header_deinit(&h);
    }
}

static void test_bound(void **state)
{
    (void)state;
    struct header h;
    size_t size = strlen(SECTION);
    header_parse(&h, SV(SECTION), size + 6, true);
    assert_false(header_add(&h, SV("Y"), SV("zz"), false));
    assert_true(header_add(&h, SV("Y"), SV("z"), false));
    assert_false(header_add(&h, SV("Y"), SV("z"), false));
    assert_false(header_change(&h, 1, SV("Y"), SV("zz"), false));
    assert_true(header_change(&h, 1, SV("Y"), SV("a"), false));
    assert_int_equal(h.bytes, size + 6);
    header_deinit(&h);
}

static void test_seen(void **state)
{
    (void)state;
    struct header h;
    header_parse(&h, SV(SECTION), 4096, true);
    assert_int_equal(h.count, 6);
    assert_true(h.fields[0].hidden && h.fields[2].hidden);
    assert_true(sv_eq(h.fields[3].name, SV("X")) && sv_eq(h.fields[3].value, SV(" 1")));
    assert_true(sv_eq(h.fields[4].value, SV(" 2\r\n folded")));
    assert_true(sv_eq(h.fields[5].value, SV("")));
    assert_false(header_has_eight_bit(&h));
    assert_true(header_add(&h, SV("Y"), SV("\303\244"), false));
    assert_true(header_has_eight_bit(&h));
    header_deinit(&h);
    header_parse(&h, SV(""), 10, true);
    assert_int_equal(h.count, 0);
    header_deinit(&h);
    header_parse(&h, SV("A: b"), 10, false);
    assert_true(sv_eq(h.fields[0].value, SV(" b")) && !h.fields[0].hidden);
    header_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
