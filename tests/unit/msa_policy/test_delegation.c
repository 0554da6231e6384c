#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/policy/delegation.h"

#include <string.h>

static const struct {
    const char *text;
    enum delegation_progress progress;
    enum delegation_action action;
    const char *words;
} answers[] = {
    {"action=DUNNO\n\n", DELEGATION_DONE, DELEGATION_PASS, ""},
    {"action=dunno\r\n\r\n", DELEGATION_DONE, DELEGATION_PASS, ""},
    {"action=OK\n\n", DELEGATION_DONE, DELEGATION_PASS, ""},
    {"x=y\nACTION = no\naction=permit\n\n", DELEGATION_DONE, DELEGATION_PASS, ""},
    {"action=REJECT\n\n", DELEGATION_DONE, DELEGATION_REFUSE, ""},
    {"action=reject 5.7.1 not you\n\n", DELEGATION_DONE, DELEGATION_REFUSE, "5.7.1 not you"},
    {"action=DEFER later\n\n", DELEGATION_DONE, DELEGATION_DEFER, "later"},
    {"action=DEFER_IF_PERMIT greylisted\n\n", DELEGATION_DONE, DELEGATION_DEFER, "greylisted"},
    {"action=DEFER_IF_REJECT x\n\n", DELEGATION_DONE, DELEGATION_PASS, "x"},
    {"action=450 4.7.1 wait\n\n", DELEGATION_DONE, DELEGATION_REPLY, "450 4.7.1 wait"},
    {"action=554\n\n", DELEGATION_DONE, DELEGATION_REPLY, "554"},
    {"action=250 fine\n\n", DELEGATION_DONE, DELEGATION_UNKNOWN, "250 fine"},
    {"action=HOLD why\n\n", DELEGATION_DONE, DELEGATION_HOLD, "why"},
    {"action=DISCARD\n\n", DELEGATION_DONE, DELEGATION_DISCARD, ""},
    {"action=PREPEND X-A: b\n\n", DELEGATION_DONE, DELEGATION_PREPEND, "X-A: b"},
    {"action=WARN x\n\n", DELEGATION_DONE, DELEGATION_NOTE, "x"},
    {"action=FILTER smtp:x\n\n", DELEGATION_DONE, DELEGATION_UNKNOWN, "FILTER smtp:x"},
    {"action=\n\n", DELEGATION_DONE, DELEGATION_UNKNOWN, ""},
    {"action=OK\naction=REJECT\n\n", DELEGATION_DONE, DELEGATION_PASS, ""},
    {"action=OK\n", DELEGATION_MORE, DELEGATION_PASS, ""},
    {"", DELEGATION_MORE, DELEGATION_PASS, ""},
    {"\n", DELEGATION_BAD, DELEGATION_PASS, ""},
    {"reaction=OK\n\n", DELEGATION_BAD, DELEGATION_PASS, ""},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct delegation_answer a;
        struct sv text = sv_of(answers[i].text);
        enum delegation_progress p = delegation_parse(text, &a);
        if (p != answers[i].progress)
            print_error("case %zu\n", i);
        assert_int_equal(p, answers[i].progress);
        if (p != DELEGATION_DONE)
            continue;
        assert_int_equal(a.action, answers[i].action);
        assert_true(sv_eq(a.text, sv_of(answers[i].words)));
        assert_int_equal(a.bytes, text.len);
        for (size_t n = 0; n < text.len; n++)
            assert_int_equal(delegation_parse(sv_first(text, n), &a), DELEGATION_MORE);
    }
}

static void test_endless(void **state)
{
    (void)state;
    static char text[DELEGATION_ANSWER_MAX];
    struct delegation_answer a;
    memset(text, 'x', sizeof text);
    assert_int_equal(delegation_parse((struct sv){text, sizeof text - 1}, &a), DELEGATION_MORE);
    assert_int_equal(delegation_parse((struct sv){text, sizeof text}, &a), DELEGATION_BAD);
}

static void test_request(void **state)
{
    (void)state;
    struct buf out;
    struct delegation_request r = {.state = SV("RCPT"),
                                   .sender = SV("a@b\nrecipient=c@d"),
                                   .login = SV("u"),
                                   .size = 1234,
                                   .recipient_count = 2};
    buf_init(&out, 4096, 0);
    assert_int_equal(delegation_write(&r, &out), 0);
    struct sv all = buf_view(&out);
    assert_true(sv_starts(all, SV("request=smtpd_access_policy\nprotocol_state=RCPT\n")));
    assert_non_null(memmem(all.ptr, all.len, "\nsender=a@b?recipient=c@d\nrecipient=\n", 37));
    assert_non_null(memmem(all.ptr, all.len, "\nsasl_username=u\n", 17));
    assert_non_null(memmem(all.ptr, all.len, "\nrecipient_count=2\nsize=1234\n", 29));
    assert_true(sv_iends(all, SV("\n\n")));
    buf_deinit(&out);
    buf_init(&out, 100, 0);
    assert_int_equal(delegation_write(&r, &out), ERR_FULL);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
