#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/refusal.h"

#include <string.h>

static void test_make(void **state)
{
    (void)state;
    struct rewrite_refusal r;
    rewrite_refusal_make(&r, REWRITE_REFUSAL_HEADER_SIZE, SV("unused"));
    assert_int_equal(r.kind, REWRITE_REFUSAL_HEADER_SIZE);
    assert_int_equal(r.code, 552);
    assert_string_equal(r.status, "5.3.4");
    assert_string_equal(r.text, "The header section is larger than this server accepts");
    assert_string_equal(r.setting, "limits.header_size");

    rewrite_refusal_make(&r, REWRITE_REFUSAL_HEADER_LINE, SV("12"));
    assert_int_equal(r.code, 554);
    assert_string_equal(r.status, "5.6.0");
    assert_string_equal(r.text, "Header line 12 is longer than 998 octets");
    assert_string_equal(r.setting, "");
}

/* No byte of a message can end the reply line, and a long subject is cut. */
static void test_filtered(void **state)
{
    (void)state;
    struct rewrite_refusal r;
    static char x[1000];
    rewrite_refusal_make(&r, REWRITE_REFUSAL_ADDRESS, SV("To: a\r\n250 b\303\274\177\0c"));
    assert_string_equal(r.text, "Header field To: a??250 b???");
    memset(x, 'x', sizeof(x));
    rewrite_refusal_make(&r, REWRITE_REFUSAL_ADDRESS, (struct sv){x, sizeof(x)});
    assert_int_equal(strlen(r.text), sizeof(r.text) - 1);
    assert_string_equal(r.setting, "rewrite.header_errors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make),
                                       cmocka_unit_test(test_filtered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
