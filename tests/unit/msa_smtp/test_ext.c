#include "msa/smtp/ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void offers(void **state)
{
    static const struct {
        struct smtp_ext_offer offer;
        const char *lines;
    } rows[] = {
        {{.starttls = true, .config.hold_max_s = 86400, .now_s = 1795842000},
         "\nPIPELINING\nSIZE 0\n8BITMIME\nSTARTTLS\nENHANCEDSTATUSCODES\nDSN\nCHUNKING\nBINARYMIME"
         "\nSMTPUTF8\nCHECKPOINT\nNO-SOLICITING\nMTRK\nFUTURERELEASE 86400 2026-11-29T05:00:00Z"
         "\nDELIVERBY\nMT-PRIORITY\nRRVS"},
        {{.tls = true,
          .mechanisms = {"PLAIN LOGIN", 11},
          .message_size = 52428800,
          .config = {.hold_max_s = 1,
                     .no_soliciting = {"net.example:ADV", 15},
                     .messages = 5,
                     .recipients = 100}},
         "\nPIPELINING\nSIZE 52428800\n8BITMIME\nAUTH PLAIN LOGIN\nENHANCEDSTATUSCODES\nDSN"
         "\nCHUNKING\nBINARYMIME\nSMTPUTF8\nCHECKPOINT\nNO-SOLICITING net.example:ADV\nMTRK"
         "\nFUTURERELEASE 1 1970-01-01T00:00:01Z\nDELIVERBY\nMT-PRIORITY\nREQUIRETLS"
         "\nLIMITS MAILMAX=5 RCPTMAX=100\nRRVS\nXRETURN"},
        {{.config.off = SMTP_EXT_ALL << SMTP_EXT_ENHANCEDSTATUSCODES, .message_size = 7},
         "\nPIPELINING\nSIZE 7\n8BITMIME"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 1000, 0);
        assert_int_equal(smtp_ext_write_ehlo(&rows[i].offer, &b), 0);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].lines)));
        buf_deinit(&b);
    }
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        assert_int_equal(smtp_exts[i]->id, i);
}

static void numbers(void **state)
{
    struct smtp_value v[SMTP_MAIL_SLOTS] = {0}, r[SMTP_RCPT_SLOTS] = {0};
    struct arena a;
    (void)state;
    arena_init(&a);
    assert_int_equal(
        smtp_ext_parse_mail(&a, SV(" SIZE=99999999999999999999 BODY=7bit RET=hdrs"), 0, v).code, 0);
    assert_true(v[SMTP_MAIL_SIZE].number == UINT64_MAX);
    assert_int_equal(v[SMTP_MAIL_BODY].number, SMTP_BODY_7BIT);
    assert_int_equal(v[SMTP_MAIL_RET].number, SMTP_RET_HDRS);
    assert_null(v[SMTP_MAIL_ENVID].text.ptr);
    assert_int_equal(smtp_ext_parse_rcpt(&a, SV(" NOTIFY=success,Delay"), 0, r).code, 0);
    assert_int_equal(r[SMTP_RCPT_NOTIFY].number, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_int_equal(
        smtp_ext_parse_rcpt(&a, SV(" ORCPT=UTF-8;\xc3\xa9\\x{20}\\x{E9}@b"), 0, r).code, 0);
    assert_true(sv_eq(r[SMTP_RCPT_ORCPT].text, SV("UTF-8;\xc3\xa9\\x{20}\\x{E9}@b")));
    arena_deinit(&a);
}

static void refusals(void **state)
{
    static const struct {
        bool mail;
        const char *text;
        int code;
    } rows[] = {
        {true, " FOO", 555},
        {true, " NOTIFY=NEVER", 555},
        {true, " SIZE=1 size=2", 501},
        {true, " SIZE=x", 501},
        {true, " SIZE", 501},
        {true, " BODY", 501},
        {true, " RET=", 501},
        {true, " ENVID=a=b", 501},
        {true, " ENVID=a+0D+0Ab", 501},
        {false, " ORCPT=rfc822;a+0Ab", 501},
        {false, " ORCPT=rfc822;a+00", 501},
        {false, " ORCPT=rfc822;+C3+A9", 501},
        {true, " AUTH", 501},
        {false, " RET=FULL", 555},
        {false, " NOTIFY", 501},
        {false, " NOTIFY=,DELAY", 501},
        {false, " NOTIFY=X", 501},
        {false, " ORCPT=rfc822;\xc3\xa9@b.example", 501},
        {false, " ORCPT=utf-8;a+40b.example", 501},
        {false, " ORCPT=utf-8;a\\x{41}", 501},
        {false, " ORCPT=utf-8;a\\x{0A}b", 501},
        {false, " ORCPT=utf-8;\xc3\x28", 501},
        {false, " ORCPT=utf-8;", 501},
        {false, " ORCPT=;x", 501},
        {false, " ORCPT=rfc822;", 501},
        {false, " ORCPT=a b;c", 501},
        {false, " ORCPT=r_f;x", 501},
        {false, " ORCPT=rfc822;+0", 501},
        {false, " NOTIFY=NEVER,NEVER", 501},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_value v[SMTP_MAIL_SLOTS] = {0}, r[SMTP_RCPT_SLOTS] = {0};
        struct arena a;
        arena_init(&a);
        struct smtp_reply reply = rows[i].mail ? smtp_ext_parse_mail(&a, sv_of(rows[i].text), 0, v)
                                               : smtp_ext_parse_rcpt(&a, sv_of(rows[i].text), 0, r);
        if (reply.code != rows[i].code)
            fail_msg("%s: %d", rows[i].text, reply.code);
        assert_true(smtp_status_eq(reply.enhanced, SMTP_STATUS(5, 5, 4)));
        arena_deinit(&a);
    }
}

static void values_with_utf8_where_it_is_off(void **state)
{
    struct smtp_value r[SMTP_RCPT_SLOTS] = {0};
    uint32_t off = SMTP_EXT_BIT(SMTP_EXT_SMTPUTF8);
    struct arena a;
    (void)state;
    arena_init(&a);
    assert_int_equal(smtp_ext_parse_rcpt(&a, SV(" ORCPT=utf-8;é@b"), off, r).code, 501);
    assert_int_equal(smtp_ext_parse_rcpt(&a, SV(" ORCPT=utf-8;\\x{E9}@b"), off, r).code, 0);
    arena_deinit(&a);
}

static void client_side(void **state)
{
    struct smtp_peer p = {0};
    (void)state;
    smtp_ext_read_ehlo(&p, SV("size 1000"));
    smtp_ext_read_ehlo(&p, SV("AUTH=LOGIN"));
    assert_int_equal(p.exts, SMTP_EXT_BIT(SMTP_EXT_SIZE));
    smtp_ext_read_ehlo(&p, SV("AUTH plain  LOGIN "));
    smtp_ext_read_ehlo(&p, SV("X-UNKNOWN a b"));
    smtp_ext_read_ehlo(&p, SV(""));
    assert_int_equal(p.size, 1000);
    assert_string_equal(p.auth, "PLAIN LOGIN");
    assert_true(smtp_mechanism_listed(sv_of(p.auth), SV("login")));
    assert_false(smtp_mechanism_listed(sv_of(p.auth), SV("LOG")));
    assert_false(smtp_mechanism_listed(sv_of(p.auth), SV("")));
}

#define E10 "éééééééééé"
#define E40 E10 E10 E10 E10
#define X5  "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}"
#define X40 X5 X5 X5 X5 X5 X5 X5 X5

/* What the next hop hears of a message: sent 100 s ago, to a hop with these extensions. */
static const struct hop_case {
    const char *mail, *rcpt; /* the queue's form */
    const char *ehlo;        /* keywords and arguments, "|" between lines */
    struct smtp_hop hop;     /* facts of content and connection */
    const char *said;        /* behind MAIL, "|", behind RCPT; or the refusal */
} hop_cases[] = {
    {"<a@a.example> SIZE=9 BODY=8BITMIME RET=FULL ENVID=x",
     "<b@b.example> NOTIFY=DELAY",
     "DSN",
     {0},
     " RET=FULL ENVID=x| NOTIFY=DELAY"},
    {"<a@a.example> RET=FULL ENVID=x", "<b@b.example> NOTIFY=DELAY ORCPT=rfc822;b", "", {0}, "|"},
    {"<a@a.example> BODY=8BITMIME", "<b@b.example>", "8BITMIME", {0}, " BODY=8BITMIME|"},
    {"<a@a.example>", "<b@b.example>", "8BITMIME", {.eight_bit = true}, " BODY=8BITMIME|"},
    {"<a@a.example> BODY=7BIT", "<b@b.example>", "8BITMIME", {0}, "|"},
    {"<a@a.example>", "<b@b.example>", "", {.eight_bit = true}, "mail 5.6.3"},
    {"<a@a.example> BODY=BINARYMIME",
     "<b@b.example>",
     "8BITMIME|CHUNKING",
     {.binary = true},
     "mail 5.6.3"},
    {"<a@a.example> BODY=BINARYMIME",
     "<b@b.example>",
     "BINARYMIME|CHUNKING",
     {.binary = true},
     "mail 5.6.3"},
    {"<a@a.example> BODY=BINARYMIME",
     "<b@b.example>",
     "8BITMIME|BINARYMIME|CHUNKING",
     {.binary = true},
     " BODY=BINARYMIME|"},
    {"<a@a.example> BODY=BINARYMIME", "<b@b.example>", "8BITMIME", {0}, " BODY=8BITMIME|"},
    {"<a@a.example> BODY=BINARYMIME", "<b@b.example>", "", {0}, "|"},
    {"<a@a.example> SMTPUTF8", "<b@b.example>", "SMTPUTF8|8BITMIME", {0}, "|"},
    {"<a@a.example> SMTPUTF8",
     "<b@b.example>",
     "SMTPUTF8|8BITMIME",
     {.utf8_header = true},
     " SMTPUTF8|"},
    {"<a@a.example> SMTPUTF8", "<b@b.example>", "8BITMIME", {.utf8_header = true}, "mail 5.6.7"},
    {"<a@a.example> SMTPUTF8", "<b@b.example>", "8BITMIME", {0}, "|"},
    {"<é@a.example> SMTPUTF8", "<b@b.example>", "8BITMIME", {0}, "mail 5.6.7"},
    {"<é@a.example> SMTPUTF8", "<b@b.example>", "SMTPUTF8|8BITMIME", {0}, " SMTPUTF8|"},
    {"<> SMTPUTF8", "<é@b.example>", "8BITMIME", {0}, "rcpt 5.6.7"},
    {"<>", "<é@b.example>", "SMTPUTF8|8BITMIME", {0}, " SMTPUTF8|"},
    {"<a@a.example>", "<b@b.example> ORCPT=utf-8;é@b", "DSN", {0}, "| ORCPT=utf-8;\\x{E9}@b"},
    {"<a@a.example>",
     "<b@b.example> ORCPT=utf-8;é\\x{20}\\x{E9}@b",
     "DSN",
     {0},
     "| ORCPT=utf-8;\\x{E9}\\x{20}\\x{E9}@b"},
    {"<a@a.example>",
     "<b@b.example> ORCPT=utf-8;é\\x{20}@b",
     "DSN|SMTPUTF8|8BITMIME",
     {0},
     "| ORCPT=utf-8;\\x{E9}\\x{20}@b"},
    {"<a@a.example>",
     "<b@b.example> ORCPT=utf-8;é\\x{20}@b",
     "DSN|SMTPUTF8|8BITMIME",
     {.utf8_header = true},
     " SMTPUTF8| ORCPT=utf-8;é\\x{20}@b"},
    {"<a@a.example>", "<b@b.example> ORCPT=utf-8;\\x{E9}@b", "DSN", {0}, "| ORCPT=utf-8;\\x{E9}@b"},
    {"<a@a.example>",
     "<b@b.example> ORCPT=utf-8;" E40 E40 "ééa",
     "DSN",
     {0},
     "| ORCPT=utf-8;" X40 X40 "\\x{E9}\\x{E9}a"},
    {"<a@a.example>", "<b@b.example> ORCPT=utf-8;" E40 E40 "éééa", "DSN", {0}, "|"}, /* too long */
    {"<a@a.example> AUTH=<>", "<b@b.example>", "AUTH PLAIN", {0}, "|"},
    {"<a@a.example> AUTH=<>", "<b@b.example>", "AUTH PLAIN", {.logged_in = true}, " AUTH=<>|"},
    {"<a@a.example> TRANSID=<1@x>", "<b@b.example>", "CHECKPOINT", {0}, "|"},
    {"<a@a.example> SOLICIT=net.example:ADV",
     "<b@b.example>",
     "NO-SOLICITING",
     {0},
     " SOLICIT=net.example:ADV|"},
    {"<a@a.example> SOLICIT=net.example:ADV", "<b@b.example>", "", {0}, "|"},
    {"<a@a.example> ENVID=1@x MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo:864000",
     "<b@b.example>",
     "MTRK",
     {0},
     " MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo:863900|"},
    {"<a@a.example> MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo:100", "<b@b.example>", "MTRK", {0}, "|"},
    {"<a@a.example> MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo:0", "<b@b.example>", "MTRK", {0}, "|"},
    {"<a@a.example> MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo",
     "<b@b.example>",
     "MTRK",
     {0},
     " MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo|"},
    {"<a@a.example> HOLDFOR=60",
     "<b@b.example>",
     "FUTURERELEASE 100 2030-01-01T00:00:00Z",
     {0},
     "|"},
    {"<a@a.example> BY=500;R", "<b@b.example>", "DELIVERBY", {0}, " BY=400;R|"},
    {"<a@a.example> BY=500;rt", "<b@b.example>", "DELIVERBY 400", {0}, " BY=400;RT|"},
    {"<a@a.example> BY=500;R", "<b@b.example>", "DELIVERBY 401", {0}, "mail 5.3.3"},
    {"<a@a.example> BY=100;R", "<b@b.example>", "DELIVERBY", {0}, "mail 5.4.7"},
    {"<a@a.example> BY=500;R", "<b@b.example>", "", {0}, "mail 5.3.3"},
    {"<a@a.example> BY=50;NT", "<b@b.example>", "DELIVERBY", {0}, " BY=-50;NT|"},
    {"<a@a.example> BY=500;N", "<b@b.example>", "DSN", {0}, "| NOTIFY=FAILURE,DELAY"},
    {"<a@a.example> BY=500;N",
     "<b@b.example> NOTIFY=SUCCESS",
     "DSN",
     {0},
     "| NOTIFY=SUCCESS,DELAY"},
    {"<a@a.example> BY=500;N", "<b@b.example> NOTIFY=NEVER", "DSN", {0}, "| NOTIFY=NEVER"},
    {"<a@a.example> BY=500;N",
     "<b@b.example> NOTIFY=SUCCESS",
     "DSN|DELIVERBY",
     {0},
     " BY=400;N| NOTIFY=SUCCESS"},
    {"<a@a.example> MT-PRIORITY=-3", "<b@b.example>", "MT-PRIORITY MIXER", {0}, " MT-PRIORITY=-3|"},
    {"<a@a.example> MT-PRIORITY=-3", "<b@b.example>", "", {0}, "|"},
    {"<a@a.example> REQUIRETLS", "<b@b.example>", "REQUIRETLS", {.tls = true}, " REQUIRETLS|"},
    {"<a@a.example> REQUIRETLS", "<b@b.example>", "", {.tls = true}, "mail 5.7.30"},
    {"<a@a.example> REQUIRETLS", "<b@b.example>", "REQUIRETLS", {0}, "mail 5.7.10"},
    {"<a@a.example>",
     "<b@b.example> RRVS=2014-04-03T23:01:00Z",
     "RRVS",
     {0},
     "| RRVS=2014-04-03T23:01:00Z"},
    {"<a@a.example>", "<b@b.example> RRVS=2014-04-03T23:01:00Z", "", {0}, "rcpt 5.7.19"},
    {"<a@a.example>", "<b@b.example> RRVS=2014-04-03T23:01:00Z;R", "", {0}, "rcpt 5.7.19"},
    {"<a@a.example>", "<b@b.example> RRVS=2014-04-03T23:01:00Z;C", "", {0}, "|"},
};

static void say_hop(const struct smtp_hop *h, struct buf *out)
{
    char status[SMTP_STATUS_TEXT_MAX];
    const struct smtp_recipient *to = &h->envelope->recipients[0];
    struct smtp_reply mail = smtp_ext_refuse_mail(h), rcpt = smtp_ext_refuse_rcpt(h, to);
    if (mail.code || rcpt.code) {
        assert_int_equal(
            buf_printf(out, "%s %s", mail.code ? "mail" : "rcpt",
                       smtp_status_text(mail.code ? mail.enhanced : rcpt.enhanced, status)),
            0);
        return;
    }
    assert_int_equal(smtp_ext_hop_mail(h, out), 0);
    assert_int_equal(buf_put(out, SV("|")), 0);
    assert_int_equal(smtp_ext_hop_rcpt(h, to, out), 0);
}

/* What of the content must be changed for a hop before it may be sent. */
static void conversions(void **state)
{
    (void)state;
    static const struct {
        const char *mail, *ehlo;
        struct smtp_hop hop;
        unsigned set;
    } rows[] = {
        {"<a@a.example>", "", {0}, 0},
        {"<a@a.example>", "", {.eight_bit = true}, SMTP_CONVERT_7BIT},
        {"<a@a.example>", "8BITMIME", {.eight_bit = true}, 0},
        {"<a@a.example>", "8BITMIME", {.binary = true}, SMTP_CONVERT_LINES},
        {"<a@a.example>", "8BITMIME|BINARYMIME", {.binary = true}, SMTP_CONVERT_LINES},
        {"<a@a.example>", "8BITMIME|BINARYMIME|CHUNKING", {.binary = true}, 0},
        {"<a@a.example>",
         "CHUNKING",
         {.binary = true, .eight_bit = true},
         SMTP_CONVERT_LINES | SMTP_CONVERT_7BIT},
        {"<a@a.example>", "8BITMIME", {.utf8_header = true}, SMTP_CONVERT_ASCII_HEADER},
        {"<a@a.example>", "8BITMIME|SMTPUTF8", {.utf8_header = true}, 0},
        /* nothing that is done to the content could help */
        {"<é@a.example>", "", {.utf8_header = true, .eight_bit = true}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_peer peer = {0};
        struct sv lines = sv_of(rows[i].ehlo);
        struct smtp_envelope e;
        struct arena a;
        arena_init(&a);
        smtp_envelope_init(&e, &a);
        while (lines.len)
            smtp_ext_read_ehlo(&peer, sv_split(&lines, '|'));
        assert_int_equal(smtp_envelope_parse_mail(&e, sv_of(rows[i].mail)), 0);
        struct smtp_hop hop = rows[i].hop;
        hop.peer = &peer;
        hop.envelope = &e;
        assert_int_equal(smtp_ext_convert_mail(&hop), rows[i].set);
        assert_int_equal(rows[i].set != 0 || e.reverse.utf8, smtp_ext_refuse_mail(&hop).code != 0);
        arena_deinit(&a);
    }
}

static void next_hops(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hop_cases / sizeof hop_cases[0]; i++) {
        const struct hop_case *k = &hop_cases[i];
        struct smtp_peer peer = {0};
        struct sv lines = sv_of(k->ehlo);
        struct smtp_envelope e;
        struct arena a;
        struct buf said, stored;
        arena_init(&a);
        buf_init(&said, 1000, 0);
        buf_init(&stored, 1000, 0);
        smtp_envelope_init(&e, &a);
        while (lines.len)
            smtp_ext_read_ehlo(&peer, sv_split(&lines, '|'));
        assert_int_equal(smtp_envelope_parse_mail(&e, sv_of(k->mail)), 0);
        assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(k->rcpt)), 0);
        struct smtp_hop hop = k->hop;
        hop.peer = &peer;
        hop.envelope = &e;
        hop.received_s = 1000;
        hop.now_s = 1100;
        say_hop(&hop, &said);
        if (!sv_eq(buf_view(&said), sv_of(k->said)))
            fail_msg("%s %s to [%s]: got \"%.*s\", want \"%s\"", k->mail, k->rcpt, k->ehlo,
                     SV_ARG(buf_view(&said)), k->said);
        /* what the queue keeps reads back to the same */
        assert_int_equal(smtp_envelope_write_mail(&e, &stored), 0);
        assert_true(sv_ieq(buf_view(&stored), sv_of(k->mail)));
        buf_reset(&stored);
        assert_int_equal(smtp_envelope_write_rcpt(&e.recipients[0], &stored), 0);
        assert_true(sv_eq(buf_view(&stored), sv_of(k->rcpt)));
        buf_deinit(&stored);
        buf_deinit(&said);
        arena_deinit(&a);
    }
}

static void limits_of_a_hop(void **state)
{
    struct smtp_peer p = {0};
    (void)state;
    smtp_ext_read_ehlo(&p, SV("LIMITS MAILMAX=5 RCPTMAX=100 X=2 RCPTDOMAINMAX=1"));
    assert_int_equal(p.mail_max, 5);
    assert_int_equal(p.rcpt_max, 100);
    assert_int_equal(p.rcpt_domain_max, 1);
    smtp_ext_read_ehlo(&p, SV("LIMITS MAILMAX=1000000 RCPTMAX=0"));
    assert_int_equal(p.mail_max, 0);
    assert_int_equal(p.rcpt_max, 0);
    assert_int_equal(p.rcpt_domain_max, 0);
}

static void report_fields(void **state)
{
    struct smtp_envelope e;
    struct arena a;
    struct buf b;
    (void)state;
    arena_init(&a);
    buf_init(&b, 1000, 0);
    smtp_envelope_init(&e, &a);
    assert_int_equal(smtp_envelope_parse_mail(&e, SV("<a@a.example> HOLDFOR=60")), 0);
    assert_int_equal(smtp_ext_report(&e, 0, &b), 0);
    assert_true(sv_eq(buf_view(&b), SV("Future-Release-Request: for;60\r\n")));
    buf_deinit(&b);
    arena_deinit(&a);
}

/* What needs an extension that is off is off, too. */
static void switched_off(void **state)
{
    (void)state;
    assert_int_equal(smtp_ext_off(0), 0);
    assert_true(smtp_ext_off(SMTP_EXT_BIT(SMTP_EXT_8BITMIME)) & SMTP_EXT_BIT(SMTP_EXT_BINARYMIME));
    assert_int_equal(smtp_ext_off(SMTP_EXT_BIT(SMTP_EXT_CHUNKING)),
                     SMTP_EXT_BIT(SMTP_EXT_CHUNKING) | SMTP_EXT_BIT(SMTP_EXT_BINARYMIME));
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++) {
        assert_true(smtp_exts[i]->needs < SMTP_EXT_BIT(i)); /* they stand before it */
        assert_non_null(smtp_exts[i]->rfc);
        assert_non_null(smtp_exts[i]->lacking);
    }
}

static void long_mechanism_lists_are_cut_at_a_name(void **state)
{
    struct smtp_peer p = {0};
    struct buf b;
    (void)state;
    buf_init(&b, 10000, 0);
    assert_int_equal(buf_put(&b, SV("AUTH")), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_printf(&b, " MECHANISM-%d", i), 0);
    smtp_ext_read_ehlo(&p, buf_view(&b));
    struct sv names = sv_of(p.auth);
    assert_true(names.len < SMTP_PEER_AUTH_MAX && names.len > 200);
    while (names.len)
        assert_true(smtp_mechanism_listed(sv_skip(buf_view(&b), 5), sv_split(&names, ' ')));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(offers),
                                       cmocka_unit_test(numbers),
                                       cmocka_unit_test(refusals),
                                       cmocka_unit_test(values_with_utf8_where_it_is_off),
                                       cmocka_unit_test(client_side),
                                       cmocka_unit_test(next_hops),
                                       cmocka_unit_test(conversions),
                                       cmocka_unit_test(limits_of_a_hop),
                                       cmocka_unit_test(report_fields),
                                       cmocka_unit_test(switched_off),
                                       cmocka_unit_test(long_mechanism_lists_are_cut_at_a_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
