#include "relay/qmtp/lf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    const char *content, *lines;
} rows[] = {
    {"", ""},
    {"a", "a"},
    {"\r\n", "\n"},
    {"Subject: hi\r\n\r\nbody\r\n", "Subject: hi\n\nbody\n"},
    {"a\r\n\r\n\r\nb", "a\n\n\nb"},
    {"\r", "\r"},
    {"a\rb\r\n", "a\rb\n"},
    {"a\r\r\nb", "a\r\nb"},
    {"\r\r\r", "\r\r\r"},
    {"a\n", "a\n"},
    {"\r\n\r", "\n\r"},
};

/* Whole, byte by byte and split at random it is the same, and as long as was counted. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned seed = 0; seed < 30; seed++) {
            struct sv in = sv_of(rows[i].content), run;
            struct qmtp_lf l = {0}, counting = {0};
            char out[100];
            size_t len = 0;
            uint64_t counted = 0;
            srand(seed);
            while (in.len) {
                struct sv part = sv_first(in, seed == 0   ? in.len
                                              : seed == 1 ? 1
                                                          : 1 + (size_t)rand() % 4);
                in = sv_skip(in, part.len);
                char *copy = malloc(part.len);
                memcpy(copy, part.ptr, part.len);
                counted += qmtp_lf_count(&counting, (struct sv){copy, part.len});
                for (struct sv rest = {copy, part.len}; rest.len;) {
                    size_t used = qmtp_lf_next(&l, rest, &run);
                    assert_true(used || run.len);
                    memcpy(out + len, run.len ? run.ptr : "", run.len);
                    len += run.len;
                    rest = sv_skip(rest, used);
                }
                free(copy);
            }
            run = qmtp_lf_end(&l);
            memcpy(out + len, run.len ? run.ptr : "", run.len);
            len += run.len;
            counted += qmtp_lf_end(&counting).len;
            assert_true(sv_eq((struct sv){out, len}, sv_of(rows[i].lines)));
            assert_int_equal(counted, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
