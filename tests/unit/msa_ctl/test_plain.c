#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/ctl/plain.h"

static const struct {
    const char *text, *want;
} rows[] = {
    {"", ""},
    {"plain\ttext ~", "plain\ttext ~"},
    {"J\xC3\xBCrgen \xE2\x82\xAC \xF0\x9F\x99\x82", "J\xC3\xBCrgen \xE2\x82\xAC \xF0\x9F\x99\x82"},
    {"\x1B[31m\x7F\r\nb", "?[31m?  b"},
    {"\xC2\x9B"
     "31m \xC2\x80\xC2\x9F\xC2\xA0",
     "?31m ??\xC2\xA0"},              /* C1 as UTF-8 */
    {"\x9B\x32J \xFF\xC3", "?2J ??"}, /* C1 as one byte, and what is no UTF-8 */
    {"a\xE2\x80\xAE"
     "b\xE2\x81\xA6"
     "c\xE2\x81\xA9\xE2\x80\x8F\xD8\x9C",
     "a?b?c???"}, /* direction */
};

static void nothing_moves_the_terminal(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(plain_copy(&a, rows[i].text), rows[i].want);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_moves_the_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
