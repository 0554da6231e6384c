/* What the history is told of a refusal; whether it is told is in test_conn.c and test_admin.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/refused.h"

#include <string.h>

static void text_on_one_line(void **state)
{
    static char many[5000];
    char out[REFUSED_TEXT_MAX];
    struct smtp_reply r = SMTP_REPLY(550, 5, 7, 1, "No\nreally\x1b[2J");
    (void)state;
    assert_string_equal(refused_text(out, &r, SV("a.b"), SV("k3f9")),
                        "550 5.7.1 No really [2J (a.b) [k3f9]");
    assert_string_equal(refused_text(out, &r, SV_NONE, SV_NONE), "550 5.7.1 No really [2J");
    r = SMTP_REPLY_PLAIN(421, SV("Bye"));
    assert_string_equal(refused_text(out, &r, SV_NONE, SV("x")), "421 Bye [x]");
    memset(many, 'x', sizeof many);
    r.text = (struct sv){many, sizeof many};
    refused_text(out, &r, (struct sv){many, sizeof many}, SV("id"));
    assert_true(strlen(out) < REFUSED_TEXT_MAX);
    assert_string_equal(out + strlen(out) - 4, "[id]"); /* the end is what one looks for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_on_one_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
