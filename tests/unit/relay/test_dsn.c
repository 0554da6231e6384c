#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/utf8.h"
#include "msa/smtp/envelope.h"
#include "relay/dsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHEN 1785233472 /* Tue, 28 Jul 2026 10:11:12 +0000 */
#define F    SMTP_NOTIFY_FAILURE
#define D    SMTP_NOTIFY_DELAY
#define S    SMTP_NOTIFY_SUCCESS

static void test_wanted(void **state)
{
    (void)state;
    static const struct {
        uint32_t notify;
        bool null_reverse, hop_has_dsn;
        bool failed, delayed, relayed, delivered;
    } rows[] = {
        {F | D, false, false, true, true, false, false}, /* not given */
        {F | D | S, false, false, true, true, true, true},
        {F | D | S, false, true, true, true, false, true},
        {S, false, false, false, false, true, true},
        {D, false, false, false, true, false, false},
        {SMTP_NOTIFY_NEVER, false, false, false, false, false, false},
        {F | D | S, true, false, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const bool want[] = {rows[i].failed, rows[i].delayed, rows[i].relayed, rows[i].delivered};
        for (int action = RELAY_DSN_FAILED; action <= RELAY_DSN_DELIVERED; action++)
            assert_int_equal(relay_dsn_wanted((enum relay_dsn_action)action, rows[i].notify,
                                              rows[i].null_reverse, rows[i].hop_has_dsn),
                             want[action]);
    }
}

static struct relay_dsn_recipient failed_b(void)
{
    return (struct relay_dsn_recipient){.action = RELAY_DSN_FAILED,
                                        .address = SV("b@example.org"),
                                        .orcpt = SV("rfc822;B+2Bx@example.org"),
                                        .status = SV("5.1.1"),
                                        .text = SV("550 5.1.1 no such user\nreally not"),
                                        .remote = SV("mx.example.org [192.0.2.1]:25"),
                                        .last_attempt_s = WHEN};
}

static struct relay_dsn report(const struct relay_dsn_recipient *recipients, size_t count)
{
    return (struct relay_dsn){.id = SV("reportid"),
                              .reporting_mta = SV("mail.example.net"),
                              .postmaster = SV("postmaster@example.net"),
                              .to = SV("a@example.net"),
                              .original_id = SV("origid"),
                              .envid = SV("x+20y+0D+0Az"),
                              .arrival_s = WHEN - 3600,
                              .now_s = WHEN,
                              .recipients = recipients,
                              .count = count,
                              .content = SV("Subject: t\303\274\r\n\tfolded\r\n\r\nbody\r\n"),
                              .content_complete = true,
                              .bounce_body = 1000};
}

/* The form that every report has: CRLF only, no controls, lines of at most 998; 7 bits, or where
 * the author's address is not, UTF-8. */
static void check_form(struct sv text, bool utf8)
{
    assert_true(utf8 || utf8_is_ascii(text));
    while (text.len) {
        struct sv line = sv_split(&text, '\n');
        assert_true(line.len >= 1 && line.len <= 999 && line.ptr[line.len - 1] == '\r');
        line.len--;
        while (line.len)
            assert_true(utf8_is_printable(sv_split(&line, '\t')));
    }
}

static char *written(const struct relay_dsn *d)
{
    struct buf out;
    buf_init(&out, 1u << 20, 0);
    assert_int_equal(relay_dsn_write(&out, d), 0);
    check_form(buf_view(&out), !utf8_is_ascii(d->to));
    char *text = buf_take(&out, NULL);
    buf_deinit(&out);
    return text;
}

static void test_whole_text(void **state)
{
    (void)state;
    struct relay_dsn_recipient r = failed_b();
    struct relay_dsn d = report(&r, 1);
    char *text = written(&d);
    assert_string_equal(
        text,
        "From: Mail server <postmaster@example.net>\r\nTo: <a@example.net>\r\n"
        "Subject: Your message could not be delivered\r\n"
        "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\nMessage-ID: <reportid@mail.example.net>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        "\tboundary=\"=_reportid\"\r\n\r\nThis is a delivery report in MIME format.\r\n"
        "\r\n--=_reportid\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is the mail server at mail.example.net.\r\n\r\n"
        "Your message could not be delivered to:\r\n\r\n"
        "    <b@example.org>, in place of <B+x@example.org>\r\n"
        "        There is no such mailbox. Please look whether the address is spelt\r\n"
        "        correctly.\r\n"
        "        mx.example.org [192.0.2.1]:25 said:\r\n        550 5.1.1 no such user\r\n"
        "        really not\r\n\r\n"
        "The message had the queue id origid. For help write to <postmaster@example.net>.\r\n"
        "\r\n--=_reportid\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Original-Envelope-Id: x y??z\r\nReporting-MTA: dns;mail.example.net\r\n"
        "Arrival-Date: Tue, 28 Jul 2026 09:11:12 +0000\r\n\r\n"
        "Original-Recipient: rfc822;B+x@example.org\r\nFinal-Recipient: rfc822;b@example.org\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns;mx.example.org\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n really not\r\n"
        "Last-Attempt-Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n"
        "\r\n--=_reportid\r\nContent-Type: message/global-headers\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Subject: t=C3=BC\r\n\tfolded\r\n\r\n--=_reportid--\r\n");
    free(text);
}

static void test_content(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        bool ret_full, complete;
        enum relay_dsn_action action;
        size_t bounce_body;
        bool eight_bit, whole;
    } rows[] = {
        {"RET=FULL", true, true, RELAY_DSN_FAILED, 1000, false, true},
        {"no RET", false, true, RELAY_DSN_FAILED, 1000, false, false},
        {"not complete", true, false, RELAY_DSN_FAILED, 1000, false, false},
        {"above bounce_body", true, true, RELAY_DSN_FAILED, 10, false, false},
        {"delayed", true, true, RELAY_DSN_DELAYED, 1000, false, false},
        {"delivered", true, true, RELAY_DSN_DELIVERED, 1000, false, false},
        {"8 bits", true, true, RELAY_DSN_FAILED, 1000, true, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct relay_dsn_recipient r = failed_b();
        r.action = rows[i].action;
        struct relay_dsn d = report(&r, 1);
        d.ret_full = rows[i].ret_full;
        d.content_complete = rows[i].complete;
        d.bounce_body = rows[i].bounce_body;
        if (!rows[i].eight_bit)
            d.content = SV("Subject: te\r\n\tfolded\r\n\r\nbody\r\n");
        char *text = written(&d);
        bool is_whole = strstr(text, "Content-Type: message/rfc822\r\n\r\n"
                                     "Subject: te\r\n\tfolded\r\n\r\nbody\r\n") != NULL;
        if (is_whole != rows[i].whole || (strstr(text, "body\r\n") != NULL) != rows[i].whole ||
            (strstr(text, "MIME-Version: 1.0") && !strstr(text, "Subject: t")))
            fail_msg("%s:\n%s", rows[i].label, text);
        free(text);
    }
}

/* RFC 6533: an author with an ASCII address gets a report that every hop takes. */
static void test_utf8_for_ascii_author(void **state)
{
    (void)state;
    struct relay_dsn_recipient r[3] = {failed_b(), failed_b(), failed_b()};
    r[0].address = SV("jörg@xn--bcher-kva.example");
    r[0].orcpt = SV("utf-8;jörg\\x{2B}x@bücher.example");
    r[1].orcpt = SV("UTF-8;\\x{4E2D}@example.org");
    r[2].address = SV("\"é \\\\\"@example.org");
    r[2].orcpt = SV_NONE;
    struct relay_dsn d = report(r, 3);
    d.content = SV("Subject: 中=\r\n\r\nbody\r\n");
    char *text = written(&d);
    assert_non_null(
        strstr(text, "\r\nContent-Type: multipart/report; report-type=delivery-status;"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
    assert_non_null(
        strstr(text, "\r\n    <j=C3=B6rg@xn--bcher-kva.example>, in place of <j=C3=B6rg+x"));
    assert_non_null(strstr(text, "\r\nContent-Type: message/delivery-status\r\n\r\n"));
    assert_non_null(
        strstr(text, "\r\nOriginal-Recipient: utf-8;j\\x{F6}rg\\x{2B}x@b\\x{FC}cher.example\r\n"
                     "Final-Recipient: utf-8;j\\x{F6}rg@xn--bcher-kva.example\r\n"));
    assert_non_null(strstr(text, "\r\nOriginal-Recipient: UTF-8;\\x{4E2D}@example.org\r\n"
                                 "Final-Recipient: rfc822;b@example.org\r\n"));
    assert_non_null(strstr(text, "\r\nFinal-Recipient: utf-8;\"\\x{E9}\\x{20}\\x{5C}\\x{5C}\"@"));
    assert_non_null(strstr(text, "\r\nContent-Type: message/global-headers\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                 "Subject: =E4=B8=AD=3D\r\n\r\n--"));
    free(text);
}

/* Only an author whose own address needs SMTPUTF8 gets a report that does. */
static void test_utf8_for_utf8_author(void **state)
{
    (void)state;
    struct relay_dsn_recipient r[2] = {failed_b(), failed_b()};
    r[0].address = SV("jörg@xn--bcher-kva.example");
    r[0].orcpt = SV("utf-8;j\\x{F6}rg\\x{2B}x@bücher.example");
    struct relay_dsn d = report(r, 2);
    d.to = SV("é@example.net");
    char *text = written(&d);
    assert_non_null(strstr(text, "\r\nTo: <é@example.net>\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: "
                                 "multipart/report; report-type=global-delivery-status;\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n\r\n"));
    assert_non_null(strstr(
        text, "\r\n    <jörg@xn--bcher-kva.example>, in place of <jörg+x@bücher.example>\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: message/global-delivery-status\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n\r\n"));
    assert_non_null(strstr(text, "\r\nOriginal-Recipient: utf-8;jörg+x@bücher.example\r\n"
                                 "Final-Recipient: utf-8;jörg@xn--bcher-kva.example\r\n"));
    assert_non_null(strstr(text, "\r\nOriginal-Recipient: rfc822;B+x@example.org\r\n"
                                 "Final-Recipient: rfc822;b@example.org\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: message/global-headers\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n\r\n"
                                 "Subject: t\303\274\r\n\tfolded\r\n\r\n--"));
    free(text);

    d.count = 1; /* a report on ASCII addresses has ASCII parts */
    d.recipients = &r[1];
    d.content = SV("Subject: t\r\n\r\n");
    text = written(&d);
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: message/global-delivery-status\r\n\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/rfc822-headers\r\n\r\n"));
    free(text);
}

/* What of content with bytes above 127 comes back, and as what. */
static void test_utf8_content(void **state)
{
    (void)state;
    static const struct {
        const char *to, *content, *type, *returned;
    } rows[] = {
        {"a@a.example", "A: é\r\n\r\né\r\n",
         "message/global-headers\r\nContent-Transfer-Encoding: quoted-printable", "A: =C3=A9\r\n"},
        {"a@a.example", "A: e\r\n\r\né\r\n", "text/rfc822-headers", "A: e\r\n"},
        {"a@a.example", "A: \xe9\tb\r\n\r\ne\r\n", "text/rfc822-headers", "A: ?\tb\r\n"},
        {"a@a.example", "A: é\x01\r\n\r\ne\r\n", "text/rfc822-headers", "A: ???\r\n"},
        {"a@a.example", "A: é\r\nB: \xc0\xaf\r\n\r\n", "text/rfc822-headers", "A: ??\r\nB: ??\r\n"},
        {"é@a.example", "A: é\r\n\r\né\r\n", "message/global\r\nContent-Transfer-Encoding: 8bit",
         "A: é\r\n\r\né\r\n"},
        {"é@a.example", "A: e\r\n\r\n\xe9\r\n", "message/rfc822\r\nContent-Transfer-Encoding: 8bit",
         "A: e\r\n\r\n\xe9\r\n"},
        {"é@a.example", "A: \xe9\r\n\r\né\r\n", "text/rfc822-headers", "A: ?\r\n"},
        {"é@a.example", "A: e\r\n\r\ne\r\n", "message/rfc822", "A: e\r\n\r\ne\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct relay_dsn_recipient r = failed_b();
        struct relay_dsn d = report(&r, 1);
        struct buf out;
        char want[300];
        d.to = sv_of(rows[i].to);
        d.content = sv_of(rows[i].content);
        d.ret_full = true;
        buf_init(&out, 1u << 20, 0);
        assert_int_equal(relay_dsn_write(&out, &d), 0);
        snprintf(want, sizeof want, "\r\nContent-Type: %s\r\n\r\n%s\r\n--=_reportid--\r\n",
                 rows[i].type, rows[i].returned);
        if (!sv_iends(buf_view(&out), sv_of(want)))
            fail_msg("row %zu: %.*s", i, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
    }
}

/* Content that cannot go as it is: who has to make a form of it, and when that is returned. Headers
 * alone are the original's. */
static void test_form_of_content(void **state)
{
    (void)state;
    static const char form[] = "A: form\r\n\r\n=C3=A9\r\n";
    static const struct {
        const char *to, *content;
        enum relay_dsn_action action;
        size_t bounce_body;
        bool ret_full, binary, needs_form;
        const char *returned;
    } rows[] = {
        {"a@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_FAILED, 1000, true, false, true, form},
        {"a@a.example", "A: e\r\n\r\né", RELAY_DSN_FAILED, 12, true, false, true, "A: e\r\n"},
        {"a@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_FAILED, 9, true, false, false, "A: e\r\n"},
        {"a@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_DELAYED, 1000, true, false, false,
         "A: e\r\n"},
        {"a@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_RELAYED, 1000, true, false, false,
         "A: e\r\n"},
        {"a@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_FAILED, 1000, false, false, false,
         "A: e\r\n"},
        {"a@a.example", "A: e\r\n\r\ne\r\n", RELAY_DSN_FAILED, 1000, true, false, false,
         "A: e\r\n\r\ne\r\n"},
        {"a@a.example", "A: e\r\n\r\ne\r\n", RELAY_DSN_FAILED, 1000, true, true, true, form},
        {"é@a.example", "A: e\r\n\r\né\r\n", RELAY_DSN_FAILED, 1000, true, false, false,
         "A: e\r\n\r\né\r\n"},
        {"é@a.example", "A: \xe9\r\n\r\né\r\n", RELAY_DSN_FAILED, 1000, true, false, true, form},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct relay_dsn_recipient r = failed_b();
        struct relay_dsn d = report(&r, 1);
        char want[100];
        r.action = rows[i].action;
        d.to = sv_of(rows[i].to);
        d.content = sv_of(rows[i].content);
        d.bounce_body = rows[i].bounce_body;
        d.ret_full = rows[i].ret_full;
        d.binary = rows[i].binary;
        assert_int_equal(relay_dsn_needs_form(&d), rows[i].needs_form);
        d.form = sv_of(form);
        char *text = written(&d);
        snprintf(want, sizeof want, "\r\n\r\n%s\r\n--=_reportid--\r\n", rows[i].returned);
        if (!sv_iends(sv_of(text), sv_of(want)))
            fail_msg("row %zu: %s", i, text);
        free(text);
    }
}

/* RFC 2045 6.7: no line over 76 characters, no white space at its end, nothing lost. */
static void test_quoted_printable(void **state)
{
    (void)state;
    static const char e30[] = "éééééééééééééééééééééééééééééé";
    struct relay_dsn_recipient r = failed_b();
    struct relay_dsn d = report(&r, 1);
    char content[600];
    for (size_t pad = 0; pad < 80; pad++) {
        snprintf(content, sizeof content, "A: %.*s%s =\t \r\n\r\n", (int)pad,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                 e30);
        d.content = sv_of(content);
        char *text = written(&d);
        struct sv rest = sv_of(strstr(text, "quoted-printable\r\n\r\n") + 20);
        struct buf back;
        buf_init(&back, 1000, 0);
        for (struct sv line; (line = sv_split(&rest, '\n')).len > 1;) {
            line.len--;
            assert_true(line.len <= 76 && line.ptr[line.len - 1] != ' ' &&
                        line.ptr[line.len - 1] != '\t');
            bool soft = line.ptr[line.len - 1] == '=';
            for (size_t i = 0; i < line.len - soft; i++) {
                char hex[3] = {line.ptr[i + 1], line.ptr[i + 2], 0};
                char c = line.ptr[i] == '=' ? (char)strtoul(hex, NULL, 16) : line.ptr[i];
                i += line.ptr[i] == '=' ? 2 : 0;
                assert_int_equal(buf_append(&back, &c, 1), 0);
            }
            if (!soft)
                assert_int_equal(buf_put(&back, SV("\r\n")), 0);
        }
        assert_true(sv_eq(buf_view(&back), sv_first(d.content, d.content.len - 2)));
        buf_deinit(&back);
        free(text);
    }
}

static void test_delayed(void **state)
{
    (void)state;
    struct relay_dsn_recipient r[2] = {failed_b(), failed_b()};
    r[0].action = r[1].action = RELAY_DSN_DELAYED;
    r[0].retry_until_s = WHEN + 86400;
    r[1].remote = r[1].orcpt = SV_NONE;
    r[1].text = SV("connection failed: timed out");
    struct relay_dsn d = report(r, 2);
    char *text = written(&d);
    assert_non_null(strstr(text, "Subject: Your message is delayed\r\n"));
    assert_non_null(strstr(text, "Will-Retry-Until: Wed, 29 Jul 2026 10:11:12 +0000\r\n"));
    assert_non_null(strstr(text, "Tried again until Wed, 29 Jul 2026 10:11:12 +0000\r\n"));
    assert_non_null(strstr(text, "Diagnostic-Code: x-local; connection failed: timed out\r\n"));
    assert_null(strstr(strstr(text, "Remote-MTA") + 1, "Remote-MTA"));
    free(text);
}

/* Nothing that was said by others can end a line, a field or a part. */
/* What a QMTP server said is no SMTP reply. */
static void test_said_by_qmtp(void **state)
{
    (void)state;
    struct relay_dsn_recipient r = failed_b();
    r.text = SV("QMTP: Dno such user (#5.1.1)");
    struct relay_dsn d = report(&r, 1);
    char *text = written(&d);
    assert_non_null(strstr(text, "said:\r\n        QMTP: Dno such user (#5.1.1)\r\n"));
    assert_non_null(strstr(text, "Diagnostic-Code: x-qmtp; Dno such user (#5.1.1)\r\n"));
    free(text);
}

/* Our own words are not put into the mouth of the server that they speak of, nor is what the
 * operator does here a rule of the receiver's. */
static void test_own_words(void **state)
{
    (void)state;
    struct relay_dsn_recipient r = failed_b();
    r.orcpt = SV("rfc822;B@example.org"); /* the same address */
    r.text = SV("connection failed after 3 s: timed out");
    struct relay_dsn d = report(&r, 1);
    char *text = written(&d);
    assert_non_null(strstr(text, "    <b@example.org>\r\n"));
    assert_non_null(strstr(text, "        mx.example.org [192.0.2.1]:25:\r\n"
                                 "        connection failed after 3 s: timed out\r\n"));
    assert_null(strstr(text, "said"));
    free(text);
    r.status = SV("5.7.1");
    r.text = SV("the operator of this server has returned the message");
    r.remote = SV_NONE;
    text = written(&d);
    assert_non_null(strstr(text, "    <b@example.org>\r\n        the operator of this server"));
    free(text);
    r.remote = SV("mx.example.org [192.0.2.1]:25");
    r.text = SV("550 5.7.1 no");
    text = written(&d);
    assert_non_null(strstr(text, "The receiving server refuses the message"));
    free(text);
}

static void test_hostile(void **state)
{
    (void)state;
    static char words[6000];
    memset(words, 'w', sizeof(words));
    struct relay_dsn_recipient r[3] = {failed_b(), failed_b(), failed_b()};
    r[0].text = SV("550 a\r\n\r\n--=_reportid--\r\n\r\n\n\nX: y\0z \303\274");
    r[1].text = (struct sv){words, sizeof(words)};
    r[2].orcpt = SV("rfc822;+0D+0AX: y+0D+0A+0D+0A");
    r[2].remote = SV("mx\r\nX: y [192.0.2.1]:25");
    static char line[2000];
    memset(line, 'l', sizeof(line));
    memcpy(line, "Subject: ", 9);
    memcpy(line + sizeof(line) - 4, "\r\n\r\n", 4);
    struct relay_dsn d = report(r, 3);
    d.ret_full = true;
    d.bounce_body = 10000;
    d.content = (struct sv){line, sizeof(line)};
    char *text = written(&d);
    assert_null(strstr(text, "\r\nX: y"));
    const char *end = strstr(text, "\r\n--=_reportid--\r\n");
    assert_non_null(end);
    assert_string_equal(end, "\r\n--=_reportid--\r\n");
    free(text);
}

/* A report does not grow with what servers have to say, and is written in any case. */
static void test_long_replies(void **state)
{
    (void)state;
    static struct relay_dsn_recipient r[100];
    static char lines[4096], words[4096];
    for (size_t i = 0; i < sizeof(lines); i++)
        lines[i] = "x\n"[i % 2];
    memset(words, 'w', sizeof(words));
    for (size_t i = 0; i < 100; i++) {
        r[i] = failed_b();
        r[i].text = i % 2 ? (struct sv){lines, sizeof(lines)} : (struct sv){words, sizeof(words)};
    }
    struct relay_dsn d = report(r, 100);
    char *text = written(&d);
    assert_true(strlen(text) < 300000);
    size_t told = 0;
    for (const char *at = text; (at = strstr(at, "x\r\n ")); at++)
        told++;
    assert_int_equal(told,
                     50 * 2 * 19); /* line ends between 20 lines, for people and for programs */
    free(text);
}

static void test_full(void **state)
{
    (void)state;
    struct relay_dsn_recipient r = failed_b();
    struct relay_dsn d = report(&r, 1);
    struct buf out;
    char *text = written(&d);
    size_t size = strlen(text);
    free(text);
    for (size_t max = 1; max < size + 100; max += 7) {
        buf_init(&out, max, 0);
        assert_int_equal(relay_dsn_write(&out, &d), max < size ? ERR_FULL : 0);
        assert_int_equal(buf_len(&out), max < size ? 0 : size);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said_by_qmtp),
        cmocka_unit_test(test_own_words),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_whole_text),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_delayed),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long_replies),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_utf8_for_ascii_author),
        cmocka_unit_test(test_utf8_for_utf8_author),
        cmocka_unit_test(test_utf8_content),
        cmocka_unit_test(test_form_of_content),
        cmocka_unit_test(test_quoted_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
