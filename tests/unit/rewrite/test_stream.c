/* What comes out of a message, and why one is refused: the same in pieces of any size. */
#include "tests/unit/rewrite/stream_world.h"

#define MID "Message-ID: <qid@m.example>\r\n"
#define NO_COLON(line) \
    "5.6.0 Header line " line " has no colon; an empty line must end the header section"
#define BAD_NAME(line)                                                                         \
    "5.6.0 Header line " line " has a bad field name: only octets 33 to 126 may stand before " \
    "the colon"
#define BARE(line) "5.6.0 Header line " line " holds a bare CR, a bare LF or a NUL"
#define DATE       "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n"

static const struct rewrite_options accept = {.hide_client = true,
                                              .header_errors = REWRITE_ERRORS_ACCEPT};

static const struct {
    const char *label;
    const struct rewrite_options *options;
    struct sv in;
    const char *out; /* NULL: refused */
    int code;
    const char *text;
} rows[] = {
    {"complete", &all,
     SV("Date: 1 Jan 26 00:00 UT\r\nMESSAGE-ID: <m@y>\r\nFrom: x@y.example\r\n\r\nhi\r\n"),
     TRACE "Date: 1 Jan 26 00:00 UT\r\nMESSAGE-ID: <m@y>\r\nFrom: x@y.example\r\n\r\nhi\r\n", 0,
     NULL},
    {"all missing", &all, SV("From: x@y.example\r\n\r\nhi\r\n.\r\n"),
     TRACE MID DATE "From: x@y.example\r\n\r\nhi\r\n.\r\n", 0, NULL},
    {"nothing to be added", &none, SV("From: x@y.example\r\n\r\nhi\r\n"),
     TRACE "From: x@y.example\r\n\r\nhi\r\n", 0, NULL},
    {"date only in the body", &all, SV("Message-ID: <m@y>\r\n\r\nDate: body\r\n"),
     TRACE DATE "Message-ID: <m@y>\r\n\r\nDate: body\r\n", 0, NULL},
    {"date only in a folded line", &all, SV("Message-ID: <m@y>\r\nX: a\r\n Date: b\r\n\r\n"),
     TRACE DATE "Message-ID: <m@y>\r\nX: a\r\n Date: b\r\n\r\n", 0, NULL},
    {"no header fields", &none, SV("\r\nhi\r\n"), TRACE "\r\nhi\r\n", 0, NULL},
    {"empty", &all, SV(""), TRACE MID DATE "\r\n", 0, NULL},
    {"no separator", &none, SV("From: x@y.example\r\n"), TRACE "From: x@y.example\r\n\r\n", 0,
     NULL},
    {"no separator, no line end", &none, SV("From: x@y.example"), TRACE "From: x@y.example\r\n\r\n",
     0, NULL},
    {"body without line end", &none, SV("From: x@y.example\r\n\r\nhi"),
     TRACE "From: x@y.example\r\n\r\nhi", 0, NULL},
    {"odd bytes untouched", &none, SV("X:\t \177\303\274\r\n \r\n\r\n\n\t\r\n"),
     TRACE "X:\t \177\303\274\r\n \r\n\r\n\n\t\r\n", 0, NULL},
    {"3 hops", &none, SV("Received: a\r\nReceived: b\r\nrEceived : c\r\n\r\n"),
     TRACE "Received: a\r\nReceived: b\r\nrEceived : c\r\n\r\n", 0, NULL},
    {"4 hops", &none, SV("Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\n\r\nx\r\n"),
     NULL, 554, "5.4.6 Too many Received fields: this message is in a loop"},
    {"text without header", &all, SV("hello\r\nworld\r\n"), NULL, 554, NO_COLON("1")},
    {"text without header or line end", &all, SV("hello"), NULL, 554, NO_COLON("1")},
    {"bad third line", &all, SV("A: b\r\n c\r\nnot a field\r\n\r\n"), NULL, 554, NO_COLON("3")},
    {"folded first line", &all, SV(" A: b\r\n\r\n"), NULL, 554,
     "5.6.0 The first header line begins with white space"},
    {"first line of white space", &all, SV(" \r\nA: b\r\n\r\n"), NULL, 554,
     "5.6.0 The first header line begins with white space"},
    {"name with a space", &accept, SV("A: b\r\nC d: e\r\n\r\n"), NULL, 554, BAD_NAME("2")},
    {"no name", &accept, SV(": b\r\n\r\n"), NULL, 554, BAD_NAME("1")},
    {"mbox line", &accept, SV("From a@b.example Tue Jul 28 10:11:12 2026\r\n\r\n"), NULL, 554,
     BAD_NAME("1")},
    {"no colon, accepting", &accept, SV("A: b\r\nc\r\n\r\n"), NULL, 554, NO_COLON("2")},
    {"bad address", &none, SV("From: a@b.example\r\nTo: Bob <bob@>\r\n\r\nbody\r\n"), NULL, 554,
     "5.6.0 Header field To: an address without a domain at Bob <bob@>"},
    {"bad address, last line without end", &none, SV("From: a@b.example\r\nTo: bob"), NULL, 554,
     "5.6.0 Header field To: words that are no address at bob"},
    {"bad addresses, accepted", &accept, SV("From: <>\r\nFrom: a@@b\r\nTo: bob@sales\r\n\r\nx"),
     TRACE "From: <>\r\nFrom: a@@b\r\nTo: bob@sales\r\n\r\nx", 0, NULL},
    {"bad address in the body", &none, SV("A: b\r\n\r\nTo: a@@b\r\n"),
     TRACE "A: b\r\n\r\nTo: a@@b\r\n", 0, NULL},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct rewrite_stream_config c = config_of(rows[i].options);
            struct outcome o;
            run(&c, rows[i].in, piece, &o);
            if (o.refused != rows[i].code || (o.refused && strcmp(o.text, rows[i].text) != 0) ||
                (!o.refused && !sv_eq(buf_view(&o.out), sv_of(rows[i].out))))
                fail_msg("%s (pieces %u): %d %s\n%.*s", rows[i].label, piece, o.refused, o.text,
                         SV_ARG(buf_view(&o.out)));
            outcome_free(&o);
        }
}

/* before + n times 'x' + after; free() */
static struct sv long_line(const char *before, size_t n, const char *after)
{
    size_t head = strlen(before), tail = strlen(after);
    char *at = mem_new(1, head + n + tail);
    memcpy(at, before, head);
    memset(at + head, 'x', n);
    memcpy(at + head + n, after, tail);
    return (struct sv){at, head + n + tail};
}

static void test_long_lines(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t n;
        const char *after;
        const char *text; /* NULL: accepted */
    } cases[] = {
        {"A: ", 995, "\r\n\r\n", NULL},
        {"A: ", 996, "\r\n\r\n", "5.6.0 Header line 1 is longer than 998 octets"},
        {"A: b\r\n ", 998, "\r\n\r\n", "5.6.0 Header line 2 is longer than 998 octets"},
        {"A: ", 2000, "", "5.6.0 Header line 1 is longer than 998 octets"},
        {"A: b\r\n\r\nc\r\n", 998, "\r\nd\r\n", NULL},
        {"A: b\r\n\r\nc\r\n", 998, "", NULL},
        {"A: b\r\n\r\nc\r\n", 999, "\r\nd\r\n", NULL}, /* re-encoded at delivery */
        {"A: b\r\n\r\n", 100000, "", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 5; piece++) {
            struct rewrite_stream_config c = config_of(&none);
            struct sv in = long_line(cases[i].before, cases[i].n, cases[i].after);
            struct outcome o;
            run(&c, in, piece, &o);
            assert_int_equal(o.refused, cases[i].text ? 554 : 0);
            if (cases[i].text)
                assert_string_equal(o.text, cases[i].text);
            outcome_free(&o);
            free((char *)in.ptr);
        }
}

static void test_header_size(void **state)
{
    (void)state;
    /* header of 4096 bytes with its empty line passes, of 4097 does not */
    for (unsigned piece = 0; piece < 5; piece++)
        for (size_t extra = 0; extra < 2; extra++) {
            struct rewrite_stream_config c = config_of(&none);
            struct buf in;
            struct outcome o;
            buf_init(&in, 10000, 0);
            for (int i = 0; i < 63; i++)
                assert_int_equal(buf_printf(&in, "X: %059d\r\n", i), 0);
            assert_int_equal(buf_printf(&in, "Y: %0*d\r\n\r\n", (int)(57 + extra), 1), 0);
            assert_int_equal(buf_len(&in), 4096 + extra);
            assert_int_equal(buf_put(&in, SV("body\r\n")), 0);
            run(&c, buf_view(&in), piece, &o);
            assert_int_equal(o.refused, extra ? 552 : 0);
            outcome_free(&o);
            buf_deinit(&in);
        }
}

static void test_facts(void **state)
{
    (void)state;
    static const struct {
        struct sv in;
        bool header8, body8;
        uint64_t lines;
    } cases[] = {
        {SV("From: x@y.example\r\n\r\n12345678\r\n"), false, false, 3},
        {SV("Subject: 1234567\303\274\r\n\r\n12345678\r\n"), true, false, 3},
        {SV("From: x@y.example\r\n\r\n123456789012\200\r\n\r\n"), false, true, 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 5; piece++) {
            struct rewrite_stream_config c = config_of(&all);
            struct outcome o;
            run(&c, cases[i].in, piece, &o);
            assert_int_equal(o.facts.eight_bit_header, cases[i].header8);
            assert_int_equal(o.facts.eight_bit_body, cases[i].body8);
            assert_int_equal(o.facts.lines, cases[i].lines);
            outcome_free(&o);
        }
}

/* The Message-ID that a trace is looked up by: the submitted one, unfolded, or ours. */
static void test_message_id(void **state)
{
    (void)state;
    static const struct {
        struct sv in;
        const struct rewrite_options *options;
        const char *id;
    } cases[] = {
        {SV("Message-ID: <a@b>\r\nFrom: x@y.example\r\n\r\nbody\r\n"), &all, "<a@b>"},
        {SV("From: x@y.example\r\nmessage-id:\r\n <a@b>  \r\n\r\nbody\r\n"), &all, "<a@b>"},
        {SV("Message-ID: <1@b>\r\nMessage-ID: <2@b>\r\n\r\n"), &all, "<1@b>"},
        {SV("From: x@y.example\r\n\r\nMessage-ID: <body@b>\r\n"), &all, "<qid@m.example>"},
        {SV("From: x@y.example\r\n\r\nbody\r\n"), &none, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 5; piece++) {
            struct rewrite_stream_config c = config_of(cases[i].options);
            struct outcome o;
            run(&c, cases[i].in, piece, &o);
            assert_string_equal(o.facts.message_id, cases[i].id);
            outcome_free(&o);
        }
}

/* Keywords of the header stand in the trace field, unless the envelope has its own. */
static void test_solicitation(void **state)
{
    (void)state;
    static const struct {
        struct sv envelope, header;
        const char *want;
    } cases[] = {
        {SV_NONE, SV("Solicitation: net.example:ADV\r\n\r\n"),
         "\t(SOLICIT=net.example:ADV)\r\n id"},
        {SV("a.b:c"), SV("Solicitation: net.example:ADV\r\n\r\n"), "\t(SOLICIT=a.b:c)\r\n id"},
        {SV("a.b:c"), SV("\r\n"), "\t(SOLICIT=a.b:c)\r\n id"},
        {SV_NONE, SV("Solicitation: free text\r\n\r\n"), "with ESMTPSA id"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rewrite_stream_config c = config_of(&none);
        struct outcome o;
        c.received.solicit = cases[i].envelope;
        run(&c, cases[i].header, 0, &o);
        assert_int_equal(o.refused, 0);
        struct sv out = buf_view(&o.out);
        assert_non_null(memmem(out.ptr, out.len, cases[i].want, strlen(cases[i].want)));
        outcome_free(&o);
    }
}

/* BODY=BINARYMIME: the header section must be lines, the body is nobody's business. */
static void test_binary(void **state)
{
    (void)state;
    static char body[5000];
    static const struct {
        struct sv header;
        const char *text; /* NULL: accepted */
    } cases[] = {
        {SV("A: b\r\n c\r\n\r\n"), NULL},
        {SV("\r\n"), NULL},
        {SV("A: b\n\r\n"), BARE("1")},
        {SV("A: b\r\nC: d\n\r\n"), BARE("2")},
        {SV("A: b\rC: d\r\n\r\n"), BARE("1")},
        {SV("A: b\r\r\n\r\n"), BARE("1")},
        {SV("A: b\r\n\n"), BARE("2")},
        {SV("\nA: b\r\n\r\n"), BARE("1")},
        {SV("A: b\0\r\n\r\n"), BARE("1")},
        {SV("A: b\r\nTo: a@@b\r\n\r\n"),
         "5.6.0 Header field To: a second @ in one address at a@@b"},
    };
    memset(body, 'x', sizeof(body));
    memcpy(body, "\n\0\r\r\n", 5);
    body[4000] = '\200';
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 5; piece++) {
            struct rewrite_stream_config c = config_of(&none);
            struct outcome o;
            struct buf in;
            c.binary = true;
            buf_init(&in, 10000, 0);
            assert_int_equal(buf_put(&in, cases[i].header), 0);
            assert_int_equal(buf_append(&in, body, sizeof(body)), 0);
            run(&c, buf_view(&in), piece, &o);
            assert_int_equal(o.refused, cases[i].text ? 554 : 0);
            if (cases[i].text) {
                assert_string_equal(o.text, cases[i].text);
            } else {
                struct sv out = sv_skip(buf_view(&o.out), strlen(TRACE));
                assert_true(sv_eq(out, buf_view(&in)));
                assert_true(o.facts.eight_bit_body);
            }
            outcome_free(&o);
            buf_deinit(&in);
        }
    /* no body, the last line cut */
    static const struct {
        struct sv in;
        int code;
    } cut[] = {{SV("A: b"), 0}, {SV("A: b\r"), 554}, {SV("A: b\0"), 554}, {SV("A: b\r\n\r"), 554}};
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
        for (unsigned piece = 0; piece < 2; piece++) {
            struct rewrite_stream_config c = config_of(&none);
            struct outcome o;
            c.binary = true;
            run(&c, cut[i].in, piece, &o);
            assert_int_equal(o.refused, cut[i].code);
            outcome_free(&o);
        }
}

/* The client stays hidden unless the option says otherwise. */
static void test_hide_client(void **state)
{
    (void)state;
    for (int hide = 0; hide < 2; hide++) {
        struct rewrite_options options = {.hide_client = hide};
        struct rewrite_stream_config c = config_of(&options);
        struct outcome o;
        run(&c, SV("From: x@y.example\r\n\r\n"), 0, &o);
        struct sv out = buf_view(&o.out);
        assert_int_equal(!memmem(out.ptr, out.len, "192.0.2.7", 9), hide);
        assert_int_equal(!memmem(out.ptr, out.len, "secret", 6), hide);
        outcome_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_header_size),  cmocka_unit_test(test_facts),
        cmocka_unit_test(test_hide_client),  cmocka_unit_test(test_message_id),
        cmocka_unit_test(test_solicitation), cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
