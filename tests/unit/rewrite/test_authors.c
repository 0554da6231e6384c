#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/authors.h"

#include <stdio.h>
#include <string.h>

/* section, what is told: for each author "Field address" or "Field: fault", with "^" before it in
 * the topmost Resent block and "~" where it is shown only; then S or R for Sender and Resent-From.
 */
static const struct {
    struct sv section;
    const char *want;
} rows[] = {
    {SV(""), ""},
    {SV("To: a@b.example\r\nCc: a@b.example\r\nReply-To: a@b.example\r\n"), ""},
    {SV("From: a@B.example\r\n"), "From a@b.example;"},
    {SV("From: \"A\" <\"a\"@b.example>, c@[192.0.2.01]\r\n"),
     "From a@b.example;From c@[192.0.2.1];"},
    {SV("From: x@y.example <a@b.example>\r\n"), "From: cannot be read;"},
    {SV("From: \"x@y.example\" <a@b.example>\r\n"), "~From x@y.example;From a@b.example;"},
    {SV("From: a@b.example (x@y.example)\r\n"), "From a@b.example;~From x@y.example;"},
    {SV("From: a@b.example"), "From a@b.example;"},
    {SV("From: a@b.example\r\nFrom: c@d.example\r\n"),
     "From a@b.example;From: stands there twice;From c@d.example;"},
    {SV("From:\r\n"), ""},
    {SV("Sender: a@b.example\r\n"), "Sender a@b.example;S"},
    {SV("Sender:\r\n"), ""},
    {SV("From : a@b.example\r\n"), "From: has space before its colon;From a@b.example;"},
    {SV("From:a@b.example\r\n"), "From a@b.example;"},
    {SV("From: A\r\n \r\n <a@b.example>\r\n"),
     "From: has a line of nothing but space;From a@b.example;"},
    {SV("From: \r\n <a@b.example>\r\n"), "From a@b.example;"},
    {SV("From: G: a@b.example;\r\n"),
     "From: holds a group, which cannot be an author;From: holds a group, which cannot be an "
     "author;"},
    {SV("From: G:;\r\n"), "From: holds a group, which cannot be an author;"},
    {SV("From: ,a@b.example\r\n"), "From a@b.example;From: has a comma with no address before it;"},
    {SV("From: <@r.example:a@b.example>\r\n"), "From: holds an address with a route;"},
    {SV("From: a(c)@b.example\r\n"), "From: has space or a comment inside of an address;"},
    {SV("From: a@b\r\n"), "From: holds an address whose domain is not fully qualified;"},
    {SV("From: a@sales\r\n"), "From a@sales.ours.example;"},
    {SV("From: =?a?q?b?=@c.example\r\n"), "From: has an encoded word in an address;"},
    {SV("From: \"a@b\"@c.example\r\n"),
     "From: holds an address that mail programs read in different ways;"},
    {SV("From: a@b_c.example\r\n"),
     "From: holds an address that mail programs read in different ways;"},
    {SV("From: \"\x01\" <a@b.example>\r\n"),
     "From: has a name with characters that hide others;From a@b.example;"},
    {SV("From: =?utf-7?q?a?= <a@b.example>\r\n"),
     "From: has a name in a character set that cannot be read;From a@b.example;"},

    /* blocks */
    {SV("Resent-From: a@b.example\r\nFrom: c@d.example\r\n"),
     "^Resent-From a@b.example;From c@d.example;R"},
    {SV("From: c@d.example\r\nResent-From: a@b.example\r\n"),
     "From c@d.example;^Resent-From a@b.example;R"},
    {SV("Resent-To: x@y.example\r\nResent-Date: x\r\nResent-From: a@b.example\r\nResent-Sender: "
        "e@f.example\r\n"),
     "^Resent-From a@b.example;^Resent-Sender e@f.example;R"},
    {SV("Resent-From: a@b.example\r\nReceived: x\r\nResent-From: c@d.example\r\n"),
     "^Resent-From a@b.example;Resent-From c@d.example;R"},
    {SV("Resent-From: a@b.example\r\nResent-From: c@d.example\r\nResent-Sender: e@f.example\r\n"),
     "^Resent-From a@b.example;Resent-From c@d.example;Resent-Sender e@f.example;R"},
    {SV("Resent-To: a@b.example\r\nReceived: x\r\nResent-From: c@d.example\r\n"),
     "Resent-From c@d.example;"},
    {SV("Received: x\r\nResent-From: a@b.example\r\n"), "^Resent-From a@b.example;R"},
    {SV("Resent-From:\r\n"), ""},
};

static void told(void **state)
{
    (void)state;
    static const struct sv domains[] = {SV("ours.example")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rewrite_authors a;
        struct rewrite_complete complete;
        struct rewrite_refusal refusal;
        struct rewrite_field f;
        struct sv name;
        struct arena scratch;
        const char *got = "";
        arena_init(&scratch);
        rewrite_complete_init(&complete, domains, 1, true);
        assert_true(rewrite_complete_note(&complete, REWRITE_FIELD_FROM, SV("sales"), &refusal));
        assert_int_equal(rewrite_complete_next(&complete, &name, &refusal), REWRITE_COMPLETE_ASK);
        assert_true(rewrite_complete_answer(&complete, REWRITE_NAME_YES, &refusal));
        rewrite_authors_init(&a);
        for (size_t at = 0; rewrite_fields_next(rows[i].section, &at, &f);)
            rewrite_authors_note(&a, rows[i].section, &f);
        rewrite_authors_finish(&a, &complete);
        for (size_t k = 0; k < a.count; k++) {
            const struct rewrite_author *author = &a.list[k];
            got =
                arena_printf(&scratch, "%s%s%s%s%s%s%.*s;", got, author->topmost ? "^" : "",
                             author->shown ? "~" : "", rewrite_fields_name(author->field),
                             author->fault ? ": " : " ",
                             author->fault ? rewrite_author_words(author->fault) : "",
                             author->fault ? 0 : (int)author->path.text.len, author->path.text.ptr);
        }
        got = arena_printf(&scratch, "%s%s%s", got, a.has_sender ? "S" : "",
                           a.has_resent_from ? "R" : "");
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: %.*s gives %s", i, SV_ARG(rows[i].section), got);
        rewrite_authors_deinit(&a);
        arena_deinit(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
