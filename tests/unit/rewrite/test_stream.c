#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/stream.h"

#include "msa/base/mem.h"
#include "tests/bench/header_message.h"

#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

#define TRACE                                                             \
    "Received: from m.example by m.example\r\n\twith ESMTPSA id qid;\r\n" \
    "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"
#define MID "Message-ID: <qid@m.example>\r\n"
#define NO_COLON(line) \
    "5.6.0 Header line " line " has no colon; an empty line must end the header section"
#define BAD_NAME(line)                                                                         \
    "5.6.0 Header line " line " has a bad field name: only octets 33 to 126 may stand before " \
    "the colon"
#define BARE(line) "5.6.0 Header line " line " holds a bare CR, a bare LF or a NUL"
#define DATE       "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n"

static const struct rewrite_options all = {
    .add_date = true, .add_message_id = true, .hide_client = true};
static const struct rewrite_options none = {.hide_client = true};
static const struct rewrite_options accept = {.hide_client = true,
                                              .header_errors = REWRITE_ERRORS_ACCEPT};

static struct rewrite_stream_config config_of(const struct rewrite_options *options)
{
    return (struct rewrite_stream_config){
        .options = options,
        .received = {.helo = SV("secret"),
                     .address = SV("192.0.2.7"),
                     .by = SV("m.example"),
                     .protocol = SV("ESMTPSA"),
                     .id = SV("qid"),
                     .wall_s = 1785233472},
        .header_size = 4096,
        .received_hops = 3,
    };
}

struct outcome {
    struct buf out;
    int refused; /* reply code, 0: accepted */
    char text[200];
    struct rewrite_facts facts;
    uint64_t walked;
    struct buf asked; /* names */
    bool pending;     /* a name waits for this answer */
    bool alias;       /* it is an alias */
    struct sv canonical;
    enum rewrite_name_answer answer;
};

/* "yes", "no" and "unknown" names, by their first label; others do not exist */
static enum rewrite_name_answer answer_of(struct sv name)
{
    return sv_istarts(name, SV("unknown."))                                  ? REWRITE_NAME_UNKNOWN
           : sv_eq(name, SV("sales.b.example")) || sv_istarts(name, SV("x")) ? REWRITE_NAME_YES
                                                                             : REWRITE_NAME_NO;
}

static void drain(struct rewrite_stream *s, struct outcome *o, bool *done)
{
    struct rewrite_action a;
    while (rewrite_stream_next(s, &a)) {
        assert_false(*done);
        if (a.kind == REWRITE_RESOLVE) {
            assert_int_equal(buf_len(&o->out), 0);
            assert_int_equal(buf_printf(&o->asked, "%.*s ", SV_ARG(a.name)), 0);
            o->pending = true;
            o->answer = answer_of(a.name);
            assert_false(rewrite_stream_next(s, &a));
        } else if (a.kind == REWRITE_ALIAS) {
            assert_int_equal(buf_printf(&o->asked, "%.*s? ", SV_ARG(a.name)), 0);
            o->pending = o->alias = true;
            o->answer = sv_istarts(a.name, SV("unknown.")) ? REWRITE_NAME_UNKNOWN
                        : sv_istarts(a.name, SV("no."))    ? REWRITE_NAME_NO
                                                           : REWRITE_NAME_YES;
            o->canonical = sv_istarts(a.name, SV("alias")) ? SV("Real.Example")
                           : sv_istarts(a.name, SV("odd")) ? SV("no domain")
                                                           : SV_NONE;
            assert_false(rewrite_stream_next(s, &a));
        } else if (a.kind == REWRITE_EMIT) {
            assert_true(a.bytes.len > 0);
            assert_int_equal(o->refused, 0);
            assert_int_equal(buf_put(&o->out, a.bytes), 0);
        } else if (a.kind == REWRITE_REFUSE) {
            assert_int_equal(o->refused, 0);
            o->refused = a.refusal->code;
            snprintf(o->text, sizeof(o->text), "%s %s", a.refusal->status, a.refusal->text);
        } else {
            *done = true;
        }
    }
}

/* Answers what is pending, and what is asked then. */
static void answer(struct rewrite_stream *s, struct outcome *o, bool *done)
{
    while (o->pending) {
        o->pending = false;
        if (o->alias)
            rewrite_stream_aliased(s, o->answer, o->canonical);
        else
            rewrite_stream_resolved(s, o->answer);
        o->alias = false;
        drain(s, o, done);
    }
}

static void outcome_free(struct outcome *o)
{
    buf_deinit(&o->out);
    buf_deinit(&o->asked);
}

/* piece 0: whole; 1: byte by byte; else random pieces from that seed. Each piece is given in
 * memory of its own, which is gone afterwards: a view kept too long is found by the sanitizers. */
static void run(struct rewrite_stream_config *c, struct sv in, unsigned piece, struct outcome *o)
{
    struct rewrite_stream s;
    bool done = false;
    *o = (struct outcome){0};
    buf_init(&o->out, 1u << 26, 0);
    buf_init(&o->asked, 1u << 20, 0);
    rewrite_stream_init(&s, c);
    srand(piece);
    while (in.len) {
        size_t n = piece == 0 ? in.len : piece == 1 ? 1 : 1 + (size_t)rand() % 50;
        struct sv part = sv_first(in, n);
        char *copy = mem_dup(part.ptr, part.len);
        rewrite_stream_feed(&s, (struct sv){copy, part.len});
        drain(&s, o, &done);
        free(copy);
        in = sv_skip(in, n);
        if (in.len) /* else the end comes before the answer */
            answer(&s, o, &done);
    }
    rewrite_stream_end(&s);
    drain(&s, o, &done);
    answer(&s, o, &done);
    assert_int_equal(done, o->refused == 0);
    if (done)
        assert_int_equal(s.facts.bytes_out, buf_len(&o->out));
    o->facts = s.facts;
    o->walked = s.walked;
    rewrite_stream_deinit(&s);
}

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

/* Single labels: which names are asked, and what becomes of them. */
static void test_complete(void **state)
{
    (void)state;
    static const struct rewrite_options on = {.hide_client = true, .complete_domains = true};
    static const struct rewrite_options keep = {
        .hide_client = true, .complete_domains = true, .header_errors = REWRITE_ERRORS_ACCEPT};
    static const struct sv domains[] = {SV("a.example"), SV("b.example")};
    static const struct {
        const struct rewrite_options *options;
        struct sv in;
        const char *asked, *out; /* NULL: refused */
        int code;
        const char *text;
    } cases[] = {
        {&on, SV("To: bob@x\r\n\r\nbody bob@x\r\n"), "x.a.example ",
         "To: bob@x.a.example\r\n\r\nbody bob@x\r\n", 0, NULL},
        {&on, SV("To: bob@Sales\r\n\r\n"), "sales.a.example sales.b.example ",
         "To: bob@Sales.b.example\r\n\r\n", 0, NULL},
        {&on,
         SV("From: A <@route:a (c) . b @ (x) sales (y) >, c@x1\r\nX: bob@x\r\n"
            "Cc: G: d@SALES,\r\n e@y.z;\r\n\r\n"),
         "sales.a.example sales.b.example x1.a.example ",
         "From: A <@route:a (c) . b @ (x) sales.b.example (y) >, c@x1.a.example\r\nX: bob@x\r\n"
         "Cc: G: d@SALES.b.example,\r\n e@y.z;\r\n\r\n",
         0, NULL},
        {&on, SV("To: bob@x\r\n"), "x.a.example ", "To: bob@x.a.example\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@x"), "x.a.example ", "To: bob@x.a.example\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@b.c, d@[x]\r\n\r\n"), "", "To: bob@b.c, d@[x]\r\n\r\n", 0, NULL},
        {&on, SV("To: a@x\r\nCc: bob@nosuch\r\n\r\nbody"),
         "x.a.example nosuch.a.example nosuch.b.example ", NULL, 554,
         "5.6.0 Header field Cc: the domain nosuch is not fully qualified"},
        {&keep, SV("To: a@x, b@nosuch, c@sales\r\n\r\nbody"),
         "x.a.example nosuch.a.example nosuch.b.example sales.a.example sales.b.example ",
         "To: a@x.a.example, b@nosuch, c@sales.b.example\r\n\r\nbody", 0, NULL},
        {&keep, SV("To: a@x, b@@c, d@x\r\nCc: f@x, g@2.1, h@-\r\n\r\n"), "x.a.example ",
         "To: a@x.a.example, b@@c, d@x\r\nCc: f@x.a.example, g@2.1, h@-\r\n\r\n", 0, NULL},
        {&on, SV("To: bob@unknown\r\n\r\n"), "unknown.a.example ", NULL, 451,
         "4.4.3 Header field To: the domain unknown cannot be looked up now; try again later"},
        {&keep, SV("To: bob@unknown\r\n\r\n"), "unknown.a.example ", NULL, 451,
         "4.4.3 Header field To: the domain unknown cannot be looked up now; try again later"},
        /* other faults come first, and nothing is asked */
        {&on, SV("To: bob@x\r\nCc: a@@b\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field Cc: a second @ in one address at a@@b"},
        {&on, SV("To: bob@x.1\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x.1 is not fully qualified"},
        {&on, SV("To: bob@x_y\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x_y is not fully qualified"},
        {&on, SV("To: bob@x\303\274\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x?? is not fully qualified"},
        {&none, SV("To: bob@x\r\n\r\n"), "", NULL, 554,
         "5.6.0 Header field To: the domain x is not fully qualified"},
        {&on, SV("To: bob@x\r\n\r\n0123456789012345678901234567890123456789"), "x.a.example ",
         "To: bob@x.a.example\r\n\r\n0123456789012345678901234567890123456789", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct rewrite_stream_config c = config_of(cases[i].options);
            struct outcome o;
            c.domains = domains;
            c.domain_count = 2;
            run(&c, cases[i].in, piece, &o);
            if (!sv_eq(buf_view(&o.asked), sv_of(cases[i].asked)))
                fail_msg("case %zu: asked %.*s", i, SV_ARG(buf_view(&o.asked)));
            assert_int_equal(o.refused, cases[i].code);
            if (o.refused)
                assert_string_equal(o.text, cases[i].text);
            else if (!sv_eq(sv_skip(buf_view(&o.out), strlen(TRACE)), sv_of(cases[i].out)))
                fail_msg("case %zu: got %.*s", i, SV_ARG(buf_view(&o.out)));
            outcome_free(&o);
        }
}

/* What completion adds is bounded: lines, labels, places; and so is the body that waits with it. */
static void test_complete_bounds(void **state)
{
    (void)state;
    static const struct rewrite_options on = {.hide_client = true, .complete_domains = true};
    static const struct sv domains[] = {SV("a.example")};
    static const struct {
        const char *unit; /* %d: its number */
        int n, refused;
        const char *words;
    } cases[] = {
        {"To: a@x%d\r\n", 20, 0, NULL},
        {"To: a@x%d\r\n", 21, 554, "there are too many"},
        {"To: a@x\r\n", 1000, 0, NULL},
        {"To: a@x\r\n", 1001, 554, "there are too many"},
        {"To:%0979d <a@x>\r\n", 1, 0, NULL}, /* 998 in the end */
        {"To:%0980d <a@x>\r\n", 1, 554, "longer than 998"},
        {"To:%0965d <a@x>, b@x\r\n", 1, 554, "longer than 998"},
        {"To:%0965d <a@x>,\r\n b@x\r\n", 1, 0, NULL},
        {"To: a@b.example,%0960d\r\n  <a@x>\r\n", 1, 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 3; piece++) {
            struct rewrite_stream_config c = config_of(&on);
            struct outcome o;
            struct buf in;
            c.domains = domains;
            c.domain_count = 1;
            c.header_size = 1u << 20;
            buf_init(&in, 2u << 20, 0);
            char *one = mem_new(1, 2000);
            for (int n = 0; n < cases[i].n; n++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(one, 2000, cases[i].unit, n);
#pragma GCC diagnostic pop
                assert_int_equal(buf_put(&in, sv_of(one)), 0);
            }
            free(one);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            for (int n = 0; n < 10000; n++)
                assert_int_equal(buf_put(&in, SV("body line\r\n")), 0);
            run(&c, buf_view(&in), piece, &o);
            if (o.refused != cases[i].refused || (o.refused && !strstr(o.text, cases[i].words)))
                fail_msg("case %zu: %d %s", i, o.refused, o.text);
            if (!o.refused) {
                struct sv rest = buf_view(&o.out);
                while (rest.len)
                    assert_true(sv_split(&rest, '\n').len <= 999);
                size_t uses = (size_t)cases[i].n + (strstr(cases[i].unit, "b@x") != NULL);
                assert_int_equal(buf_len(&o.out),
                                 strlen(TRACE) + buf_len(&in) + uses * strlen(".a.example"));
            }
            assert_true(o.walked <= 12 * buf_len(&in));
            outcome_free(&o);
            buf_deinit(&in);
        }
}

/* Names behind aliases: each distinct domain that is none of ours is asked about once. */
static void test_aliases(void **state)
{
    (void)state;
    static const struct rewrite_options both = {
        .hide_client = true, .complete_domains = true, .resolve_aliases = REWRITE_ALIASES_BOTH};
    static const struct rewrite_options envelope = {.hide_client = true,
                                                    .resolve_aliases = REWRITE_ALIASES_ENVELOPE};
    static const struct sv ours[] = {SV("b.example")};
    static const struct {
        const struct rewrite_options *options;
        bool gateway;
        const char *in, *out, *asked, *refused;
    } cases[] = {
        {&both, false, "To: a@alias.test, B (c) <b@Alias.Test> (a@alias.test)\r\n\r\n",
         "To: a@real.example, B (c) <b@real.example> (a@alias.test)\r\n\r\n", "alias.test? ", NULL},
        {&both, false, "From: a@plain.test\r\nTo: b@alias2.test, c@no.test, d@odd.test\r\n\r\n",
         "From: a@plain.test\r\nTo: b@real.example, c@no.test, d@odd.test\r\n\r\n",
         "plain.test? alias2.test? no.test? odd.test? ", NULL},
        {&both, false, "To: a@sales, x@alias.b.example, b@alias . test\r\n\r\n",
         "To: a@sales.b.example, x@alias.b.example, b@real.example\r\n\r\n",
         "sales.b.example alias.test? ", NULL},
        {&both, false, "To: a@[192.0.2.1]\r\nX: b@alias.test\r\n\r\nTo: a@alias.test\r\n",
         "To: a@[192.0.2.1]\r\nX: b@alias.test\r\n\r\nTo: a@alias.test\r\n", "", NULL},
        {&both, false, "To: a@alias.test\r\nCc: b@unknown.test\r\n\r\n", NULL,
         "alias.test? unknown.test? ",
         "4.4.3 Header field Cc: the domain unknown.test cannot be looked up now; try again later"},
        {&both, true, "To: a@alias.test\r\n\r\n", "To: a@alias.test\r\n\r\n", "", NULL},
        {&envelope, false, "To: a@alias.test\r\n\r\n", "To: a@alias.test\r\n\r\n", "", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 10; piece++) {
            struct rewrite_stream_config c = config_of(cases[i].options);
            struct outcome o;
            char want[1000];
            c.domains = ours;
            c.domain_count = 1;
            c.gateway = cases[i].gateway;
            run(&c, sv_of(cases[i].in), piece, &o);
            snprintf(want, sizeof want, TRACE "%s", cases[i].out ? cases[i].out : "");
            if (!sv_eq(buf_view(&o.asked), sv_of(cases[i].asked)))
                fail_msg("%zu: asked %.*s", i, SV_ARG(buf_view(&o.asked)));
            if (cases[i].refused)
                assert_string_equal(o.text, cases[i].refused);
            else if (!sv_eq(buf_view(&o.out), sv_of(want)))
                fail_msg("%zu: %.*s", i, SV_ARG(buf_view(&o.out)));
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

/* The work is linear in the header section, whatever its lines and pieces are: each byte is looked
 * at a few times. */
static void test_linear(void **state)
{
    (void)state;
    static const struct {
        const char *before, *line;
        int n, refused;
    } cases[] = {
        {"From: x@y.example\r\n", "X-A: b\r\n", 500000, 0},
        {"From: x@y.example\r\n", "A:\r\n", 500000, 0},
        {"A:\r\n", " \r\n", 500000, 0},
        {"To: x@y.example\r\n", " (\r\n )\r\n", 250000, 0},
        {"To:\r\n", " ,,,,,,,,,\r\n", 300000, 0},
        {"To: G:;\r\n", "To: G:;\r\n", 300000, 0},
        {"To: x@y.example\r\n", "To: x@y.example\r\n", 300000, 554},
        {"To: \r\n", " (((((((\r\n", 300000, 554},
        {"To: \"\r\n", " x\r\n", 500000, 554},
        {"To:\r\n", " x.\r\n", 500000, 554},
        {"Received: x\r\n", "X: Received: x\r\n", 200000, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 3; piece += 2) {
            struct rewrite_stream_config c = config_of(&all);
            struct buf in;
            struct outcome o;
            c.header_size = 16u << 20;
            buf_init(&in, c.header_size, 0);
            assert_int_equal(buf_put(&in, sv_of(cases[i].before)), 0);
            for (int n = 0; n < cases[i].n; n++)
                assert_int_equal(buf_put(&in, sv_of(cases[i].line)), 0);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            run(&c, buf_view(&in), piece, &o);
            assert_int_equal(o.refused, cases[i].refused);
            assert_true(o.walked >= buf_len(&in)); /* it does count */
            assert_true(o.walked <= 8 * buf_len(&in));
            if (!o.refused)
                assert_true(o.facts.lines > (uint64_t)cases[i].n);
            outcome_free(&o);
            buf_deinit(&in);
        }
}

/* The same where everything is switched on: n against 4n. */
static void test_linear_changes(void **state)
{
    (void)state;
    static const char *drop[] = {"Bcc", "X-Originating-IP"};
    static const struct rewrite_options full = {.add_date = true,
                                                .add_message_id = true,
                                                .hide_client = true,
                                                .header_errors = REWRITE_ERRORS_ACCEPT,
                                                .drop = {drop, 2},
                                                .drop_forged_results = true};
    static const struct sv ours[] = {SV("b.example")};
    static const struct {
        const char *line;
        int n, refused;
    } cases[] = {
        {"X-A: b\r\n", 100000, 0},
        {"Bcc: a@x.b.example\r\n", 30000, 0},
        {"Date: x\r\n", 30000, 0},
        {"Date: 1 Jan 2026 (((((((((\r\n", 30000, 0},
        {"Message-ID: <<<<<<<<\r\n", 30000, 0},
        {"Authentication-Results: (x) y.b.example\r\n", 20000, 0},
        {"Authentication-Results: ((((((((((\r\n", 20000, 0},
        {"To: a@x.b.example\r\n", 2400, 0},
        {"To: a (x) @ (y) x (z) . b.example\r\n", 2400, 0},
        {"To: \"a b\"@x.b.example, c@b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.example\r\n", 1200, 0},
        {"To: a@x.b.example\r\n", 10001, 554},
        {"Sender: a@x.b.example\r\n", 2400, 0},
    };
    struct arena a;
    arena_init(&a);
    struct rewrite_rules *rules = rewrite_rules_new(&a);
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    assert_true(rewrite_rule_parse(&a, SV("*@*.b.example"), SV("*@b.example"), &rule, &fault));
    assert_true(rewrite_rules_add(rules, &rule,
                                  REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT, 0));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t walked[2];
        for (int four = 0; four < 2; four++) {
            struct rewrite_stream_config c = config_of(&full);
            struct buf in;
            struct outcome o;
            int n = cases[i].refused ? cases[i].n : cases[i].n / (four ? 1 : 4);
            c.header_size = 16u << 20;
            c.domains = ours;
            c.domain_count = 1;
            c.rules = rules;
            buf_init(&in, c.header_size, 0);
            for (int k = 0; k < n; k++)
                assert_int_equal(buf_put(&in, sv_of(cases[i].line)), 0);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            run(&c, buf_view(&in), 0, &o);
            if (o.refused != cases[i].refused)
                fail_msg("%s: %d %s", cases[i].line, o.refused, o.text);
            assert_true(o.walked >= buf_len(&in) && o.walked <= 20 * buf_len(&in) + 1000);
            walked[four] = o.walked;
            outcome_free(&o);
            buf_deinit(&in);
        }
        assert_true(walked[1] <= 5 * walked[0]);
    }
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

/* An ordinary header: 20 us on an idle machine, and five times that on any. */
static void test_speed(void **state)
{
    (void)state;
    double best = 1e9;
    struct rewrite_stream_config c = config_of(&all);
    c.judge_authors = false;
    for (int batch = 0; batch < 20; batch++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < 100; i++) {
            struct rewrite_stream s;
            struct rewrite_action a;
            size_t out = 0;
            rewrite_stream_init(&s, &c);
            rewrite_stream_feed(&s, (struct sv){header_message, sizeof header_message - 1});
            while (rewrite_stream_next(&s, &a))
                out += a.bytes.len;
            assert_true(out > sizeof header_message);
            rewrite_stream_deinit(&s);
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        double us =
            ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 /
            100;
        best = us < best ? us : best;
    }
    print_message("%.1f us for a header\n", best);
#ifndef MSA_SANITIZED
    assert_true(best < 100);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_header_size),    cmocka_unit_test(test_facts),
        cmocka_unit_test(test_hide_client),    cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_linear_changes), cmocka_unit_test(test_speed),
        cmocka_unit_test(test_linear),         cmocka_unit_test(test_message_id),
        cmocka_unit_test(test_solicitation),   cmocka_unit_test(test_binary),
        cmocka_unit_test(test_complete),       cmocka_unit_test(test_complete_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
