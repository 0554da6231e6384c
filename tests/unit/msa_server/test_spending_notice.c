/* What people are told of budgets: the figures, the commands, and nothing that others could put in.
 */
#include "msa/server/spending_notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static char *written(const struct spending_notice *n)
{
    struct buf out;
    size_t len;
    buf_init(&out, SIZE_MAX / 2, 0);
    spending_notice_write(n, "0mx0", &out);
    assert_int_equal(buf_put(&out, (struct sv){"", 1}), 0);
    return buf_take(&out, &len);
}

static struct spending_notice notice(void)
{
    return (struct spending_notice){
        .hostname = SV("mail.example.net"),
        .postmaster = SV("postmaster@example.net"),
        .to = SV("postmaster@example.net"),
        .login = SV("alice@example.net"),
        .take = {.kind = BUDGET_RECIPIENTS,
                 .used = 501,
                 .limits = {.most = {[BUDGET_RECIPIENTS] = 500}, .hold = true}},
        .held = 17,
        .now_s = 1790000000,
    };
}

static void has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in\n%s", words, text);
}

static void held(void **state)
{
    struct spending_notice n = notice();
    char *text = written(&n);
    (void)state;
    has(text, "To: <postmaster@example.net>\r\n");
    has(text, "Subject: alice@example.net sends too much: its mail is held\r\n");
    has(text, "Auto-Submitted: auto-generated\r\n");
    has(text, "501 recipients in a day, of 500 that are allowed\r\n"
              "(permissions[].recipients_per_day).\r\n");
    has(text, "what it had in the queue: 17 recipients.");
    has(text, "    msactl queue release --user alice@example.net\r\n");
    has(text, "    msactl queue delete --user alice@example.net\r\n");
    free(text);
}

static void refused(void **state)
{
    struct spending_notice n = notice();
    n.take.limits.hold = false;
    char *text = written(&n);
    (void)state;
    has(text, "Subject: alice@example.net sends too much: its mail is refused\r\n");
    has(text, "What it sends now is refused until there is room again.");
    has(text, "    msactl queue release --user alice@example.net\r\n");
    assert_null(strstr(text, "queue delete"));
    free(text);
}

static void warning(void **state)
{
    struct spending_notice n = notice();
    n.take.warns = true;
    n.take.used = 400;
    n.to = SV("alice@example.net");
    char *text = written(&n);
    (void)state;
    has(text, "To: <alice@example.net>\r\n");
    has(text, "Subject: You have sent nearly all that you may (recipients in a day)\r\n");
    has(text, "With your login alice@example.net you have sent\r\n400 recipients in a day, of 500");
    has(text, "ask for it: <postmaster@example.net>.");
    assert_null(strstr(text, "msactl"));
    free(text);
}

static void hostile(void **state)
{
    struct spending_notice n = notice();
    n.login = SV("a\r\nX: y\303\274@example.net");
    char *text = written(&n);
    (void)state;
    assert_null(strstr(text, "\nX: y"));
    for (const char *at = text; *at; at++)
        assert_true((*at >= ' ' && *at < 127) || *at == '\r' || *at == '\n');
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held),
        cmocka_unit_test(refused),
        cmocka_unit_test(warning),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
