#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/policy/changes.h"

#include <string.h>

static bool add(struct changes *c, enum milter_change kind, uint32_t index, const char *name,
                const char *value)
{
    struct milter_event e = {.kind = MILTER_CHANGE,
                             .change = kind,
                             .index = index,
                             .name = sv_of(name),
                             .value = sv_of(value)};
    return changes_add(c, &e);
}

static void expect(const struct header *h, const char *want)
{
    struct buf out;
    buf_init(&out, 8192, 0);
    assert_int_equal(header_write(h, &out), 0);
    assert_int_equal(buf_len(&out), strlen(want));
    assert_memory_equal(buf_view(&out).ptr, want, strlen(want));
    buf_deinit(&out);
}

/* In the order in which they were said; one that is malformed undoes all. */
static void test_apply(void **state)
{
    (void)state;
    struct changes c;
    struct header h;
    changes_init(&c, 4096);
    header_parse(&h, SV("A: 1\r\nB: 2\r\n"), 4096, false);
    assert_true(add(&c, MILTER_ADD_HEADER, 0, "C", "3"));
    assert_true(add(&c, MILTER_ADD_RCPT, 0, "a@b", ""));
    assert_true(add(&c, MILTER_CHANGE_HEADER, 1, "C", "4"));
    assert_true(add(&c, MILTER_INSERT_HEADER, 1, "D", "5"));
    assert_true(add(&c, MILTER_CHANGE_HEADER, 1, "B", ""));
    assert_true(changes_to_header(&c, &h, false));
    expect(&h, "A: 1\r\nD: 5\r\nC: 4\r\n");
    changes_reset(&c);
    assert_true(add(&c, MILTER_CHANGE_HEADER, 1, "A", ""));
    assert_true(add(&c, MILTER_ADD_HEADER, 0, "E", "6"));
    assert_true(add(&c, MILTER_ADD_HEADER, 0, "F", "7\nG: 8"));
    assert_false(changes_to_header(&c, &h, false));
    expect(&h, "A: 1\r\nD: 5\r\nC: 4\r\n");
    assert_true(header_add(&h, SV("Z"), SV("9"), false));
    header_deinit(&h);
    changes_deinit(&c);
}

static void test_bound(void **state)
{
    (void)state;
    struct changes c;
    size_t n = 0;
    changes_init(&c, 4096);
    while (add(&c, MILTER_ADD_RCPT, 0, "a@b", ""))
        n++;
    assert_true(n > 10 && n < 4096 / sizeof(struct change));
    assert_false(add(&c, MILTER_ADD_RCPT, 0, "a@b", ""));
    changes_reset(&c);
    assert_true(add(&c, MILTER_ADD_RCPT, 0, "a@b", ""));
    changes_deinit(&c);
}

static const struct {
    const char *in, *out;
} bodies[] = {
    {"", ""},
    {"a\r\nb\r\n", "a\r\nb\r\n"},
    {"a\nb", "a\r\nb"},
    {"a\rb", "a b"},
    {"\r\r\n", " \r\n"},
    {"\n\n", "\r\n\r\n"},
    {"a\r", "a\r\n"},
    {"\r\n.\r\n", "\r\n.\r\n"},
    {"x\n.\n", "x\r\n.\r\n"},
    {"\r\r\r", "  \r\n"},
    {"a\n\rb", "a\r\n b"},
};

/* Whole, and octet by octet. */
static void test_body_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (size_t piece = 1; piece < 9; piece += 7) {
            struct body_lines l = {0};
            struct buf out;
            struct sv in = sv_of(bodies[i].in);
            buf_init(&out, 100, 0);
            while (in.len) {
                assert_true(body_lines_feed(&l, sv_first(in, piece), &out));
                in = sv_skip(in, piece);
            }
            body_lines_end(&l, &out);
            if (!sv_eq(buf_view(&out), sv_of(bodies[i].out)))
                print_error("case %zu by %zu: %.*s\n", i, piece, SV_ARG(buf_view(&out)));
            assert_true(sv_eq(buf_view(&out), sv_of(bodies[i].out)));
            buf_deinit(&out);
        }
    struct body_lines l = {0};
    struct buf out;
    buf_init(&out, 100, 0);
    assert_false(body_lines_feed(&l, (struct sv){"a\0b", 3}, &out));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_body_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
