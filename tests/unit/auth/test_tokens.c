/* The list of logins by token on its way to msactl. */
#include "auth/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
    static const struct auth_tokens_entry rows[] = {
        {"u@x.test", "https://i.test/token", 3599, ""},
        {"v", "https://j.test/", 0, "no answer in time"},
    };
    struct auth_tokens list, back;
    struct buf b;

    (void)state;
    auth_tokens_init(&list);
    buf_init(&b, 100000, 0);
    for (size_t i = 0; i < 2; i++)
        auth_tokens_add(&list, &rows[i]);
    auth_tokens_write(&b, &list);
    auth_tokens_init(&back);
    assert_int_equal(auth_tokens_read(buf_view(&b), &back), 0);
    assert_int_equal(back.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(back.entries[i].user, rows[i].user);
        assert_string_equal(back.entries[i].url, rows[i].url);
        assert_int_equal(back.entries[i].left_s, rows[i].left_s);
        assert_string_equal(back.entries[i].fault, rows[i].fault);
    }
    auth_tokens_deinit(&back);
    for (size_t len = 0; len < buf_len(&b); len++) {
        auth_tokens_init(&back);
        assert_int_equal(auth_tokens_read(sv_first(buf_view(&b), len), &back), ERR_SYNTAX);
        auth_tokens_deinit(&back);
    }
    auth_tokens_deinit(&list);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
