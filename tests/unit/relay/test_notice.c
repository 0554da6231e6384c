/* Messages of the server itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/notice.h"

#include <string.h>

static void header(void **state)
{
    struct buf out;
    struct relay_notice n = {
        .id = SV("0000000000000001"),
        .hostname = SV("mail.example.net"),
        .postmaster = SV("post\r\nmaster@example.net"),
        .to = SV("p\303\244t@example.net"),
        .subject = SV("Sub\njec\303\244t"),
        .submitted = SV("auto-generated"),
        .now_s = 1795842000,
    };
    (void)state;
    buf_init(&out, 4096, 0);
    assert_int_equal(relay_notice_header(&out, &n), 0);
    assert_true(sv_eq(buf_view(&out), SV("From: Mail server <post??master@example.net>\r\n"
                                         "To: <p\303\244t@example.net>\r\n"
                                         "Subject: Sub?jec??t\r\n"
                                         "Date: Sat, 28 Nov 2026 05:00:00 +0000\r\n"
                                         "Message-ID: <0000000000000001@mail.example.net>\r\n"
                                         "Auto-Submitted: auto-generated\r\n"
                                         "MIME-Version: 1.0\r\n")));
    buf_reset(&out);
    n.to = SV("a@b\r\nBcc: all"); /* nobody's address, and no second field */
    assert_int_equal(relay_notice_header(&out, &n), 0);
    assert_null(memmem(buf_view(&out).ptr, buf_len(&out), "\nBcc", 4));
    buf_deinit(&out);
    buf_init(&out, 100, 0);
    assert_int_equal(relay_notice_header(&out, &n), ERR_FULL);
    buf_deinit(&out);
}

static void message(void **state)
{
    struct buf text;
    struct queue_batch *rows;
    (void)state;
    buf_init(&text, 100, 0);
    assert_int_equal(buf_put(&text, SV("Subject: x\r\n\r\nhello\r\n")), 0);
    struct queue_message *m =
        relay_notice_message(&text, "0000000000000001", SV("Post@Example.NET"), &rows);
    assert_string_equal(m->id, "0000000000000001");
    assert_string_equal(m->reverse_path, "");
    assert_string_equal(m->mail_params, "<>");
    assert_string_equal(m->login, "");
    assert_int_equal(m->size, 21);
    assert_false(m->eight_bit || m->smtputf8);
    assert_true(sv_eq(block_view(m->content), SV("Subject: x\r\n\r\nhello\r\n")));
    assert_ptr_equal(rows->message, m);
    assert_int_equal(rows->nrows, 1);
    assert_string_equal(rows->rows[0].address, "Post@Example.NET");
    assert_string_equal(rows->rows[0].domain, "example.net");
    assert_string_equal(rows->rows[0].rcpt_params, "<Post@Example.NET>");
    assert_int_equal(rows->rows[0].due_ms, m->received_ms);
    queue_batch_free(rows);
    queue_message_drop(m);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(header), cmocka_unit_test(message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
