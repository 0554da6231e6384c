#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/changes.h"

#include <stdio.h>
#include <string.h>

#define TRACE                                                             \
    "Received: from m.example by m.example\r\n\twith ESMTPSA id qid;\r\n" \
    "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"
#define MID  "Message-ID: <qid@m.example>\r\n"
#define DATE "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n"

/* options of a row */
enum {
    ADD_DATE = 1,
    ADD_ID = 2,
    DROP = 4,
    FORGED = 8,
    GATEWAY = 16,
    SENDER = 32,
    FROM = 64,
    SALES = 128,
    LONG = 256 /* the added addresses; rules make them too long */
};
#define ALL (ADD_DATE | ADD_ID | DROP | FORGED)

static const char *dropped[] = {"Bcc", "Resent-Bcc", "X-Originating-IP"};

/* out: behind TRACE; why: that of each edit behind the trace field's, as letters */
static const struct {
    const char *label;
    unsigned on;
    const char *in, *out, *why;
} rows[] = {
    {"nothing to do", ALL, "Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <a@b>\r\n\r\n",
     "Date: 1 Jan 26 00:00 UT\r\nMessage-ID: <a@b>\r\n\r\n", ""},
    {"nothing may be done", 0,
     "Date: x\r\nMessage-ID: y\r\nBcc: z\r\nAuthentication-Results: m.example; none\r\n\r\n",
     "Date: x\r\nMessage-ID: y\r\nBcc: z\r\nAuthentication-Results: m.example; none\r\n\r\n", ""},
    {"a gateway's", ALL | GATEWAY,
     "Date: x\r\nMessage-ID: y\r\nBcc: z\r\nAuthentication-Results: m.example; none\r\n\r\n",
     "Date: x\r\nMessage-ID: y\r\nBcc: z\r\nAuthentication-Results: m.example; none\r\n\r\n", ""},
    {"a gateway's without", ALL | GATEWAY, "Bcc: z\r\n\r\n", MID DATE "Bcc: z\r\n\r\n", "md"},

    /* 8.2 */
    {"no Date", ADD_DATE, "A: b\r\n\r\n", DATE "A: b\r\n\r\n", "d"},
    {"no Date, none wanted", ADD_ID, "Message-ID: <a@b>\r\n\r\n", "Message-ID: <a@b>\r\n\r\n", ""},
    {"a bad Date", ADD_DATE, "A: b\r\nDate: now\r\n\r\n",
     DATE "A: b\r\nX-Original-Date: now\r\n\r\n", "DD"},
    {"a bad Date, folded, in another case", ADD_DATE, "date \t:\r\n soon (x)\r\n\r\n",
     DATE "X-Original-date \t:\r\n soon (x)\r\n\r\n", "DD"},
    {"an empty Date", ADD_DATE, "Date:\r\n\r\n", DATE "X-Original-Date:\r\n\r\n", "DD"},
    {"two bad ones", ADD_DATE, "Date: a\r\nX: y\r\nDate: b\r\n\r\n",
     DATE "X-Original-Date: a\r\nX: y\r\nX-Original-Date: b\r\n\r\n", "DDD"},
    {"a good one behind a bad one", ADD_DATE, "Date: a\r\nDate: 1 Jan 2026 00:00 +0000\r\n\r\n",
     "Date: a\r\nDate: 1 Jan 2026 00:00 +0000\r\n\r\n", ""},
    {"Resent-Date is no Date", ADD_DATE, "Resent-Date: a\r\n\r\n", DATE "Resent-Date: a\r\n\r\n",
     "d"},

    /* 8.3 */
    {"no Message-ID", ADD_ID, "A: b\r\n\r\n", MID "A: b\r\n\r\n", "m"},
    {"a bad one", ADD_ID, "A: b\r\nMessage-Id: 1234\r\nC: d\r\n\r\n",
     "A: b\r\nMessage-Id: <qid@m.example>\r\nC: d\r\n\r\n", "M"},
    {"an empty one", ADD_ID, "message-id:\r\n\r\n", "message-id: <qid@m.example>\r\n\r\n", "M"},
    {"folded", ADD_ID, "Message-ID:\r\n <x>\r\n\r\n", "Message-ID: <qid@m.example>\r\n\r\n", "M"},
    {"readable all the same", ADD_ID, "Message-ID:\r\n (c) < a b @c > d\r\n\r\n",
     "Message-ID:\r\n (c) < a b @c > d\r\n\r\n", ""},
    {"nothing before the @", ADD_ID, "Message-ID: <@c>\r\n\r\n",
     "Message-ID: <qid@m.example>\r\n\r\n", "M"},
    {"nothing behind it", ADD_ID, "Message-ID: <c@>\r\n\r\n", "Message-ID: <qid@m.example>\r\n\r\n",
     "M"},
    {"no end", ADD_ID, "Message-ID: <a@c\r\n\r\n", "Message-ID: <qid@m.example>\r\n\r\n", "M"},
    {"no begin", ADD_ID, "Message-ID: a@c>\r\n\r\n", "Message-ID: <qid@m.example>\r\n\r\n", "M"},
    {"the second stays", ADD_ID, "Message-ID: a\r\nMessage-ID: b\r\n\r\n",
     "Message-ID: <qid@m.example>\r\nMessage-ID: b\r\n\r\n", "M"},
    {"the last line has no end", ADD_ID, "Message-ID: x", "Message-ID: <qid@m.example>\r\n\r\n",
     "ME"},

    /* drop */
    {"dropped", DROP, "A: b\r\nBcc: x\r\n y\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n", "x"},
    {"in any case and form", DROP, "BCC : x\r\nresent-bcc:y\r\nx-originating-ip: [1]\r\n\r\n",
     "\r\n", "xxx"},
    {"all that begins alike", DROP, "Bc: x\r\nBccc: y\r\nX-Bcc: z\r\n\r\n",
     "Bc: x\r\nBccc: y\r\nX-Bcc: z\r\n\r\n", ""},
    {"in the body", DROP, "A: b\r\n\r\nBcc: x\r\n", "A: b\r\n\r\nBcc: x\r\n", ""},
    {"the only field", DROP, "Bcc: x\r\n\r\n", "\r\n", "x"},
    {"the last line has no end and goes", DROP, "A: b\r\nBcc: x", "A: b\r\n\r\n", "xE"},
    {"no separator", DROP, "A: b\r\nBcc: x\r\n", "A: b\r\n\r\n", "xE"},

    /* RFC 8601 5 */
    {"forged", FORGED, "A: b\r\nAuthentication-Results: m.example; none\r\n\r\n", "A: b\r\n\r\n",
     "f"},
    {"forged in our domain", FORGED,
     "authentication-results:\r\n (c) X.Our.Example 1;\r\n spf=pass\r\n\r\n", "\r\n", "f"},
    {"of others", FORGED, "Authentication-Results: our.example.org; none\r\n\r\n",
     "Authentication-Results: our.example.org; none\r\n\r\n", ""},
    {"ARC is none of it", FORGED, "ARC-Authentication-Results: i=1; m.example; none\r\n\r\n",
     "ARC-Authentication-Results: i=1; m.example; none\r\n\r\n", ""},

    /* 8.1 */
    {"Sender", SENDER, "A: b\r\n\r\n", "Sender: <s@x.example>\r\nA: b\r\n\r\n", "s"},
    {"another Sender", SENDER, "A: b\r\nSender: y\r\n z\r\nC: d\r\n\r\n",
     "A: b\r\nSender: <s@x.example>\r\nC: d\r\n\r\n", "S"},
    {"another Sender, completed no more", SENDER | SALES, "Sender:a@sales\r\nTo:b@sales\r\n\r\n",
     "Sender: <s@x.example>\r\nTo:b@sales.our.example\r\n\r\n", "Sc"},
    {"dropped, completed no more", DROP | SALES, "Bcc:a@sales\r\nTo:b@sales\r\n\r\n",
     "To:b@sales.our.example\r\n\r\n", "xc"},
    {"From", FROM, "A: b\r\n\r\n", "From: <f@x.example>\r\nA: b\r\n\r\n", "F"},
    {"everything on top", ALL | SENDER | FROM, "A: b\r\n\r\n",
     MID DATE "From: <f@x.example>\r\nSender: <s@x.example>\r\nA: b\r\n\r\n", "mdFs"},
    {"a bad Date at the top, and From", ADD_DATE | FROM, "Date: x\r\n\r\n",
     DATE "From: <f@x.example>\r\nX-Original-Date: x\r\n\r\n", "DFD"},
    {"everything", ALL | SENDER,
     "Date: x\r\nMessage-ID: y\r\nBcc: z\r\nAuthentication-Results: m.example\r\nSender: q\r\n\r\n",
     DATE "X-Original-Date: x\r\nMessage-ID: <qid@m.example>\r\nSender: <s@x.example>\r\n\r\n",
     "DDMxfS"},
};

static char letter_of(uint16_t why)
{
    static const char letters[] = {[REWRITE_WHY_END] = 'E',
                                   [REWRITE_WHY_COMPLETED] = 'c',
                                   [REWRITE_WHY_MESSAGE_ID_ADDED] = 'm',
                                   [REWRITE_WHY_MESSAGE_ID_REPLACED] = 'M',
                                   [REWRITE_WHY_DATE_ADDED] = 'd',
                                   [REWRITE_WHY_DATE_REPLACED] = 'D',
                                   [REWRITE_WHY_FROM_ADDED] = 'F',
                                   [REWRITE_WHY_SENDER_ADDED] = 's',
                                   [REWRITE_WHY_SENDER_REPLACED] = 'S',
                                   [REWRITE_WHY_DROPPED] = 'x',
                                   [REWRITE_WHY_FORGED_RESULTS] = 'f'};
    return why < sizeof letters ? letters[why] : '?';
}

/* The section of a message, as the completer finds it. */
static size_t section_of(struct sv in)
{
    const char *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
    return end ? (size_t)(end - in.ptr) + 4 : in.len;
}

#define TEN(x) x x x x x x x x x x

static struct rewrite_rules *long_rules(struct arena *a)
{
    struct rewrite_rules *r = rewrite_rules_new(a);
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    assert_true(rewrite_rule_parse(a, SV("*@long.example"),
                                   SV("*@" TEN("123456789.") TEN("123456789.") "example"), &rule,
                                   &fault));
    assert_true(rewrite_rules_add(r, &rule, REWRITE_IN_HEADER | REWRITE_OF_SENDER, 0));
    return r;
}

#define LONG_LOCAL TEN("long-") "x"

/* Why holds the refusal if there is one. Whether the header section has 8-bit bytes afterwards. */
static bool change(unsigned on, struct sv in, struct buf *out, char why[200])
{
    static const struct sv domains[] = {SV("our.example")};
    struct sv section = sv_first(in, section_of(in)), run;
    struct rewrite_options o = {.add_date = on & ADD_DATE,
                                .add_message_id = on & ADD_ID,
                                .drop_forged_results = on & FORGED};
    struct rewrite_received received = {.hide_client = true,
                                        .by = SV("m.example"),
                                        .protocol = SV("ESMTPSA"),
                                        .id = SV("qid"),
                                        .wall_s = 1785233472};
    struct rewrite_edits edits;
    struct rewrite_complete complete;
    struct rewrite_facts facts = {.has_date = false};
    struct rewrite_refusal refusal;
    struct rewrite_changes c = {.options = &o,
                                .received = &received,
                                .gateway = on & GATEWAY,
                                .domains = domains,
                                .domain_count = 1,
                                .edits = &edits};
    struct arena a;
    arena_init(&a);
    if (on & LONG)
        c.rules = long_rules(&a);
    if (on & DROP)
        o.drop = (struct conf_strings){dropped, 3};
    rewrite_edits_init(&edits, REWRITE_CHANGES_BYTES);
    rewrite_complete_init(&complete, domains, 1, false);
    for (int i = 0; i < 4 && on & SALES; i++) {
        assert_true(rewrite_complete_note(&complete, REWRITE_FIELD_TO, SV("sales"), &refusal));
        complete.labels[0].domain = 0;
    }
    rewrite_changes_init(&c);
    struct rewrite_field f;
    for (size_t at = 0; rewrite_fields_next(section, &at, &f);)
        if (!rewrite_changes_note(&c, section, &f))
            rewrite_facts_note(&facts, section, &f);
    bool is_whole = section.len < in.len || sv_iends(section, SV("\r\n\r\n")) || section.len == 2;
    struct rewrite_changes_end end = {.section = section,
                                      .end_text = is_whole                        ? SV_NONE
                                                  : sv_iends(section, SV("\r\n")) ? SV("\r\n")
                                                                                  : SV("\r\n\r\n"),
                                      .complete = &complete,
                                      .facts = &facts};
    if (on & SENDER)
        end.named.sender = on & LONG ? SV(LONG_LOCAL "@long.example") : SV("s@x.example");
    if (on & FROM)
        end.named.from = on & LONG ? SV(LONG_LOCAL "@long.example") : SV("f@x.example");
    bool good = rewrite_changes_finish(&c, &end, &refusal);
    struct rewrite_edits_cursor cursor = {0};
    while (rewrite_edits_next(&edits, section, &cursor, &run))
        assert_int_equal(buf_put(out, run), 0);
    assert_int_equal(buf_put(out, sv_skip(in, section.len)), 0);
    size_t n = 0;
    assert_int_equal(edits.list[0].why, REWRITE_WHY_RECEIVED);
    for (size_t i = 1; i < edits.count; i++)
        why[n++] = letter_of(edits.list[i].why);
    why[n] = '\0';
    if (!good)
        snprintf(why, 200, "%s", refusal.text);
    if (good && (!facts.has_message_id || (on & ADD_ID && strchr(why, 'M'))))
        assert_string_equal(facts.message_id, on & ADD_ID ? "<qid@m.example>" : "");
    rewrite_edits_deinit(&edits);
    rewrite_rules_free((struct rewrite_rules *)c.rules);
    arena_deinit(&a);
    return facts.eight_bit_header;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        char why[200], want[1000];
        buf_init(&out, 4096, 0);
        change(rows[i].on, sv_of(rows[i].in), &out, why);
        snprintf(want, sizeof want, TRACE "%s", rows[i].out);
        if (!sv_eq(buf_view(&out), sv_of(want)) || strcmp(why, rows[i].why) != 0)
            fail_msg("%s: %s\n%.*s", rows[i].label, why, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
    }
}

/* 8-bit bytes count where they leave. */
static void test_eight_bit(void **state)
{
    (void)state;
    static const struct {
        unsigned on;
        const char *in;
        bool eight_bit;
    } cases[] = {
        {ALL, "Subject: x\r\n\r\n", false},
        {ALL, "Subject: \303\274\r\n\r\n", true},
        {ALL, "Bcc: \303\274@x.example\r\nSubject: x\r\n\r\n", false},
        {0, "Bcc: \303\274@x.example\r\nSubject: x\r\n\r\n", true},
        {ALL, "Message-ID: \303\274\r\n\r\n", false},
        {ALL, "Date: \303\274\r\n\r\n", true}, /* as X-Original-Date */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        char why[200];
        buf_init(&out, 4096, 0);
        if (change(cases[i].on, sv_of(cases[i].in), &out, why) != cases[i].eight_bit)
            fail_msg("%s", cases[i].in);
        buf_deinit(&out);
    }
}

/* What is added must fit a path, too. */
static void test_too_long(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf out;
        char why[200], want[200];
        buf_init(&out, 4096, 0);
        change(LONG | (i ? SENDER : FROM), SV("A: b\r\n\r\n"), &out, why);
        snprintf(want, sizeof want,
                 "Header field %s: the address " LONG_LOCAL "@long.example becomes too long when "
                 "it is rewritten",
                 i ? "Sender" : "From");
        assert_string_equal(why, want);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_eight_bit),
                                       cmocka_unit_test(test_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
