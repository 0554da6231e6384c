#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/dkim_fields.h"

#include <string.h>

static void put_name(void *arg, struct sv name)
{
    assert_int_equal(buf_printf(arg, "%.*s:", SV_ARG(name)), 0);
}

static void put(void *arg, struct sv run)
{
    assert_int_equal(buf_put(arg, run), 0);
}

#define ALWAYS(from, to, cc)                                                              \
    from "Reply-To:" to cc "Subject:Date:Message-ID:In-Reply-To:References:MIME-Version:" \
         "Content-Type:Content-Transfer-Encoding:"

static const struct {
    const char *label, *section, *names, *hashed;
} rows[] = {
    {"nothing there: all that nobody may add", "\r\n", ALWAYS("From:", "To:", "Cc:"), ""},
    {"once more than there are", "From: a\r\nTO : b\r\n\r\n", ALWAYS("From:From:", "To:To:", "Cc:"),
     "from:a\r\nto:b\r\n"},
    {"from the last one up", "To: 1\r\nFrom: a\r\nto: 2\r\nTo:\t3\r\n\r\n",
     ALWAYS("From:From:", "To:To:To:To:", "Cc:"), "from:a\r\nto:3\r\nto:2\r\nto:1\r\n"},
    {"what others add or change is not signed",
     "Received: x\r\nReturn-Path: <a>\r\nDKIM-Signature: v=1\r\nAuthentication-Results: h\r\n"
     "X-Spam: no\r\nComments: c\r\nKeywords: k\r\nBcc: z\r\nFrom: a\r\n\r\n",
     ALWAYS("From:From:", "To:", "Cc:"), "from:a\r\n"},
    {"a list's fields, where there are some",
     "From: a\r\nSender: s\r\nList-Id: <l>\r\nList-Unsubscribe: <u>\r\n\r\n",
     ALWAYS("From:From:Sender:Sender:", "To:",
            "Cc:") "List-Id:List-Id:List-Unsubscribe:List-Unsubscribe:",
     "from:a\r\nsender:s\r\nlist-id:<l>\r\nlist-unsubscribe:<u>\r\n"},
    {"who resends puts his own fields before ours",
     "Resent-From: r\r\nResent-Date: d\r\nFrom: a\r\n\r\n",
     ALWAYS("From:From:", "To:", "Cc:") "Resent-From:Resent-Date:",
     "from:a\r\nresent-from:r\r\nresent-date:d\r\n"},
};

static void test_rows(void **state)
{
    struct buf out;
    struct rewrite_dkim_fields f;
    (void)state;
    buf_init(&out, 10000, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rewrite_dkim_fields_find(&f, sv_of(rows[i].section));
        buf_reset(&out);
        rewrite_dkim_fields_names(&f, put_name, &out);
        if (!sv_eq(buf_view(&out), sv_of(rows[i].names)))
            fail_msg("%s: h=%.*s", rows[i].label, SV_ARG(buf_view(&out)));
        buf_reset(&out);
        rewrite_dkim_fields_hash(&f, REWRITE_DKIM_RELAXED, put, &out);
        if (!sv_eq(buf_view(&out), sv_of(rows[i].hashed)))
            fail_msg("%s: %.*s", rows[i].label, SV_ARG(buf_view(&out)));
    }
    buf_deinit(&out);
}

/* Of too many the last ones are signed, and h= stays short. */
static void test_flood(void **state)
{
    struct buf section, out;
    struct rewrite_dkim_fields f;
    char want[200] = "";
    (void)state;
    buf_init(&section, 1u << 21, 0);
    buf_init(&out, REWRITE_DKIM_NAMES_MAX, 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buf_printf(&section, "To: %d\r\n", i), 0);
    rewrite_dkim_fields_find(&f, buf_view(&section));
    rewrite_dkim_fields_names(&f, put_name, &out);
    for (int i = 0; i < REWRITE_DKIM_SAME_MAX; i++)
        strcat(want, "To:");
    assert_non_null(memmem(buf_view(&out).ptr, buf_len(&out), want, strlen(want)));
    assert_null(memmem(buf_view(&out).ptr, buf_len(&out), "To:Cc:To:", 9));
    size_t names = 0;
    for (size_t i = 0; i + 3 <= buf_len(&out); i++)
        names += memcmp(buf_view(&out).ptr + i, ":To:", 4) == 0;
    assert_int_equal(names, REWRITE_DKIM_SAME_MAX);
    buf_reset(&out);
    rewrite_dkim_fields_hash(&f, REWRITE_DKIM_SIMPLE, put, &out);
    assert_true(sv_starts(buf_view(&out), SV("To: 99999\r\nTo: 99998\r\n")));
    assert_true(sv_iends(buf_view(&out), SV("To: 99984\r\n")));
    buf_deinit(&section);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
