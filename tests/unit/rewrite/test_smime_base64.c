#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/b64.h"
#include "rewrite/smime_base64.h"

#include <stdlib.h>
#include <string.h>

/* Lines of 76, whatever the pieces. */
static void test_lines(void **state)
{
    char bytes[400];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    srand(1);
    for (size_t len = 0; len < sizeof bytes; len++) {
        struct rewrite_smime_base64 b = {.count = 0};
        struct buf out, joined, back;
        buf_init(&out, 1000, 0);
        buf_init(&joined, 1000, 0);
        buf_init(&back, 1000, 0);
        for (size_t at = 0; at < len;) {
            size_t n = (size_t)rand() % 130;
            n = n < len - at ? n : len - at;
            assert_int_equal(rewrite_smime_base64_feed(&b, (struct sv){bytes + at, n}, &out), 0);
            at += n;
        }
        assert_int_equal(rewrite_smime_base64_end(&b, &out), 0);
        struct sv rest = buf_view(&out);
        while (rest.len) {
            struct sv line = sv_split(&rest, '\n');
            assert_true(line.ptr[line.len - 1] == '\r');
            assert_true(line.len == 77 || (!rest.len && line.len < 77));
            assert_int_equal(buf_put(&joined, sv_first(line, line.len - 1)), 0);
        }
        assert_int_equal(b64_decode(&back, buf_view(&joined)), 0);
        assert_true(sv_eq(buf_view(&back), (struct sv){bytes, len}));
        buf_deinit(&out);
        buf_deinit(&joined);
        buf_deinit(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
