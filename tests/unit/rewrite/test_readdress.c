#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/readdress.h"

#include <stdio.h>
#include <string.h>

#define EVERYWHERE \
    (REWRITE_IN_ENVELOPE | REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT)

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

static const struct sv domains[] = {SV("our.example")};

static const struct {
    const char *match, *replace;
    unsigned where;
} list[] = {
    {"jru@our.example", "J.Random.User@our.example", EVERYWHERE},
    {"keep@a.our.example", "keep@a.our.example", EVERYWHERE},
    {"*@*.our.example", "*@our.example", EVERYWHERE},
    {"sender@x.example", "s@x.example", REWRITE_IN_HEADER | REWRITE_OF_SENDER},
    {"rcpt@our.example", "r@our.example", REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT},
    {"env@x.example", "e@x.example", REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER},
    {"\"a b\"@our.example", "a.b@our.example", EVERYWHERE},
    {"*@b\303\274cher.example", "*@books.example", EVERYWHERE},
    {"jr.u@x.example", "J.R.U@x.example", EVERYWHERE},
    {"*@old.example", "*@new.example", EVERYWHERE},
};

/* The label "sales" is completed, "other" is noted and stays. out NULL: as in. */
static const struct {
    const char *in, *out;
} rows[] = {
    {"From: jru@our.example\r\n", "From: J.Random.User@our.example\r\n"},
    {"From: <jru@our.example>\r\n", "From: <J.Random.User@our.example>\r\n"},
    {"From: JRU <JRU@Our.Example>\r\n", "From: JRU <J.Random.User@Our.Example>\r\n"},
    {"To: a@mx.our.example\r\n", "To: a@our.example\r\n"},
    {"To: a@b.c.OUR.example, B <b@d.our.example>\r\n", "To: a@our.example, B <b@our.example>\r\n"},
    {"To: a@mx.our.example,\r\n\tb@mx.our.example\r\n",
     "To: a@our.example,\r\n\tb@our.example\r\n"},
    /* names, comments, quoted text and routes */
    {"From: \"jru@our.example\" <jru@our.example>\r\n",
     "From: \"jru@our.example\" <J.Random.User@our.example>\r\n"},
    {"From: jru@our.example (jru@our.example)\r\n",
     "From: J.Random.User@our.example (jru@our.example)\r\n"},
    {"From: (jru@our.example) jru@our.example\r\n",
     "From: (jru@our.example) J.Random.User@our.example\r\n"},
    {"From: =?utf-8?Q?jru=40our.example?= <jru@our.example>\r\n",
     "From: =?utf-8?Q?jru=40our.example?= <J.Random.User@our.example>\r\n"},
    {"To: <@mx.our.example:a@mx.our.example>\r\n", "To: <@mx.our.example:a@our.example>\r\n"},
    {"To: jru@our.example: jru@our.example;\r\n", NULL}, /* cannot be read */
    {"To: G: jru@our.example, x@y.example;, a@m.our.example\r\n",
     "To: G: J.Random.User@our.example, x@y.example;, a@our.example\r\n"},
    {"Subject: jru@our.example\r\n", NULL},
    {"X-From: jru@our.example\r\nReferences: <jru@our.example>\r\n", NULL},
    /* comments and space inside */
    {"To: jru (a) @ (b) our.example\r\n", "To: J.Random.User (a) @ (b) our.example\r\n"},
    {"To: a @ mx . our . example\r\n", "To: a @ our.example\r\n"},
    {"To: a@mx(1).our(2 \\) (3)).example(4)\r\n", "To: a@our.example (1) (2 \\) (3))(4)\r\n"},
    {"To: a@mx.\r\n our.\r\n example, x@y.example\r\n", "To: a@our.example, x@y.example\r\n"},
    {"To: <jru\r\n @our.example>\r\n", "To: <J.Random.User\r\n @our.example>\r\n"},
    {"To: \"a\\ b\"@our.example\r\n", "To: a.b@our.example\r\n"},
    {"To: \"a b\"@our.example\r\n", "To: a.b@our.example\r\n"},
    {"To: \"a\r\n b\"@our.example\r\n", "To: a.b@our.example\r\n"},
    {"To: \"jru\"@our.example\r\n", "To: J.Random.User@our.example\r\n"},
    {"To: j.\"ru\"@our.example\r\n", NULL},
    {"To: jr.\"u\"@x.example\r\n", "To: J.R.U@x.example\r\n"},
    {"To: \"j\\r\" (c) . u@x.example\r\n", "To: J.R.U (c)@x.example\r\n"},
    {"To: \"john\".doe@old.example\r\n", "To: \"john\".doe@new.example\r\n"},
    {"To: \"j\\\"(\".\"\\\\\"@old.example\r\n", "To: \"j\\\"(\".\"\\\\\"@new.example\r\n"},
    /* a local part that no path has */
    {"To: \"\"@old.example\r\n", "To: \"\"@new.example\r\n"},
    {"To: \"" LONG "\"@old.example\r\n", "To: \"" LONG "\"@new.example\r\n"},
    {"To: \"" LONG LONG LONG LONG "\" @ old.example (c)\r\n",
     "To: \"" LONG LONG LONG LONG "\" @ new.example (c)\r\n"},
    {"To: \"\"@[192.0.2.1], \"\"@our.example\r\n", NULL},
    {"To: \"x y\"@m.our.example\r\n", "To: \"x y\"@our.example\r\n"},
    {"To: a.\"b c\".d@m.our.example\r\n", "To: a.\"b c\".d@our.example\r\n"},
    /* which side */
    {"Sender: sender@x.example\r\n", "Sender: s@x.example\r\n"},
    {"Reply-To: sender@x.example\r\n", "Reply-To: s@x.example\r\n"},
    {"Resent-From: sender@x.example\r\n", "Resent-From: s@x.example\r\n"},
    {"Resent-Sender: sender@x.example\r\n", "Resent-Sender: s@x.example\r\n"},
    {"Resent-Reply-To: sender@x.example\r\n", "Resent-Reply-To: s@x.example\r\n"},
    {"Disposition-Notification-To: <a@m.our.example>\r\nReturn-Receipt-To: sender@x.example\r\n",
     "Disposition-Notification-To: <a@our.example>\r\nReturn-Receipt-To: s@x.example\r\n"},
    {"Return-Receipt-To: rcpt@our.example\r\n", NULL},
    {"Disposition-Notification-To: a@sales, a@@b\r\nTo: b@sales, c@sales, d@sales\r\n",
     "Disposition-Notification-To: a@sales, a@@b\r\n"
     "To: b@our.example, c@our.example, d@our.example\r\n"},
    {"To: sender@x.example\r\nCc: sender@x.example\r\n", NULL},
    {"To: rcpt@our.example\r\nCc: rcpt@our.example\r\n",
     "To: r@our.example\r\nCc: r@our.example\r\n"},
    {"Bcc: rcpt@our.example\r\n", "Bcc: r@our.example\r\n"},
    {"Resent-To: rcpt@our.example\r\n", "Resent-To: r@our.example\r\n"},
    {"Resent-Cc: rcpt@our.example\r\n", "Resent-Cc: r@our.example\r\n"},
    {"Resent-Bcc: rcpt@our.example\r\n", "Resent-Bcc: r@our.example\r\n"},
    {"From: rcpt@our.example\r\nReply-To: rcpt@our.example\r\n", NULL},
    {"From: env@x.example\r\nTo: env@x.example\r\n", NULL},
    /* UTF-8 */
    {"To: a@b\303\274cher.example\r\n", "To: a@books.example\r\n"},
    {"To: a@xn--bcher-kva.example\r\n", "To: a@books.example\r\n"},
    {"To: j\303\266rg@m.our.example\r\n", "To: j\303\266rg@our.example\r\n"},
    {"To: J\xfcrgen <a@m.our.example>\r\n", "To: J\xfcrgen <a@our.example>\r\n"},
    /* completed, and then perhaps ruled */
    {"To: a@sales\r\n", "To: a@our.example\r\n"},
    {"To: keep@sales\r\n", "To: keep@our.example\r\n"},
    {"To: a@other, b@none\r\n", NULL},
    {"To: a@sales (c)\r\nCc: b @ sales\r\n", "To: a@our.example (c)\r\nCc: b @ our.example\r\n"},
    /* nothing to do */
    {"To: keep@a.our.example\r\n", NULL},
    {"To: a@our.example\r\n", NULL},
    {"To: a@our.example.test, b@notour.example\r\n", NULL},
    {"To: a@[192.0.2.1], x@[our.example]\r\n", NULL},
    {"To: <>, a@@b, jru@our.example\r\n", NULL},
    {"To: jru@our.example, a@@b\r\n", "To: J.Random.User@our.example, a@@b\r\n"},
    {"To:\r\n", NULL},
};

static struct rewrite_rules *make(struct arena *a)
{
    struct rewrite_rules *r = rewrite_rules_new(a);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
        assert_true(
            rewrite_rule_parse(a, sv_of(list[i].match), sv_of(list[i].replace), &rule, &fault));
        assert_true(rewrite_rules_add(r, &rule, list[i].where, (uint16_t)i));
    }
    return r;
}

/* All fields of a section; false: refused. */
static bool readdress(struct rewrite_readdress *r, struct rewrite_refusal *refusal)
{
    struct rewrite_field f;
    bool good = true;
    for (size_t at = 0; good && rewrite_fields_next(r->section, &at, &f);)
        good = rewrite_readdress_field(r, &f, refusal);
    rewrite_edits_seal(r->edits);
    return good;
}

static void read_out(const struct rewrite_readdress *r, struct buf *out)
{
    struct rewrite_edits_cursor cursor = {0};
    struct sv run;
    while (rewrite_edits_next(r->edits, r->section, &cursor, &run))
        assert_int_equal(buf_put(out, run), 0);
}

static void note(struct rewrite_complete *c, struct sv label)
{
    struct rewrite_refusal r;
    assert_true(rewrite_complete_note(c, REWRITE_FIELD_TO, label, &r));
}

static void test_rows(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct rewrite_rules *rules = make(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rewrite_complete c;
        struct rewrite_edits edits;
        struct rewrite_refusal refusal;
        struct buf out;
        struct sv section = sv_of(rows[i].in);
        const char *want = rows[i].out ? rows[i].out : rows[i].in;
        rewrite_complete_init(&c, domains, 1, true);
        for (int n = 0; n < 3; n++) {
            note(&c, SV("sales"));
            note(&c, SV("other"));
        }
        c.labels[0].domain = 0;
        rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
        buf_init(&out, 4000, 0);
        struct rewrite_readdress r = {
            .complete = &c, .rules = rules, .section = section, .edits = &edits};
        assert_true(readdress(&r, &refusal));
        read_out(&r, &out);
        if (!sv_eq(buf_view(&out), sv_of(want)) || (!rows[i].out && edits.count))
            fail_msg("%s-> %.*s", rows[i].in, SV_ARG(buf_view(&out)));
        assert_true(r.walked <= 6 * section.len);
        buf_deinit(&out);
        rewrite_edits_deinit(&edits);
    }
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

/* An edit names its rule, or that it completes. */
static void test_why(void **state)
{
    (void)state;
    struct arena a;
    struct rewrite_complete c;
    struct rewrite_edits edits;
    struct rewrite_refusal refusal;
    arena_init(&a);
    struct rewrite_rules *rules = rewrite_rules_new(&a);
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    assert_true(rewrite_rule_parse(&a, SV("k@sales.our.example"), SV("k@sales.our.example"), &rule,
                                   &fault));
    assert_true(rewrite_rules_add(rules, &rule, EVERYWHERE, 7));
    assert_true(rewrite_rule_parse(&a, SV("a@sales.our.example"), SV("b@sales.our.example"), &rule,
                                   &fault));
    assert_true(rewrite_rules_add(rules, &rule, EVERYWHERE, 8));
    rewrite_complete_init(&c, domains, 1, true);
    note(&c, SV("sales"));
    note(&c, SV("sales"));
    note(&c, SV("sales"));
    c.labels[0].domain = 0;
    rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
    struct rewrite_readdress r = {.complete = &c,
                                  .rules = rules,
                                  .section = SV("To: x@sales, k@sales, a@sales\r\n"),
                                  .edits = &edits};
    assert_true(rewrite_readdress_wanted(&r));
    assert_true(readdress(&r, &refusal));
    static const struct {
        uint16_t why, rule;
        const char *text;
    } want[] = {{REWRITE_WHY_COMPLETED, 0, ".our.example"},
                {REWRITE_WHY_COMPLETED, 0, ".our.example"},
                {REWRITE_WHY_RULE, 8, "b"},
                {REWRITE_WHY_RULE, 8, ".our.example"}};
    assert_int_equal(edits.count, 4);
    for (size_t i = 0; i < edits.count; i++) {
        assert_int_equal(edits.list[i].why, want[i].why);
        assert_int_equal(edits.list[i].rule, want[i].rule);
        assert_true(sv_eq(rewrite_edits_text(&edits, &edits.list[i]), sv_of(want[i].text)));
    }
    rewrite_edits_deinit(&edits);
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

static void test_limits(void **state)
{
    (void)state;
    struct arena a;
    struct buf section;
    arena_init(&a);
    struct rewrite_rules *rules = make(&a);
    buf_init(&section, 1u << 20, 0);
    for (int more = 0; more < 2; more++) {
        struct rewrite_complete c;
        struct rewrite_edits edits;
        struct rewrite_refusal refusal = {.text = ""};
        buf_reset(&section);
        assert_int_equal(buf_put(&section, SV("Cc: x@y.example\r\nTo: x@y.example")), 0);
        for (int i = 2; i < REWRITE_READDRESS_MAX + more; i++)
            assert_int_equal(buf_printf(&section, ",\r\n a%d@mx.our.example", i), 0);
        assert_int_equal(buf_put(&section, SV("\r\n")), 0);
        rewrite_complete_init(&c, domains, 1, true);
        rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
        struct rewrite_readdress r = {
            .complete = &c, .rules = rules, .section = buf_view(&section), .edits = &edits};
        assert_int_equal(readdress(&r, &refusal), !more);
        assert_int_equal(edits.count, REWRITE_READDRESS_MAX - 2);
        assert_string_equal(refusal.text, more ? "Header field To holds more addresses than this "
                                                 "server rewrites"
                                               : "");
        assert_true(r.walked <= 6 * buf_len(&section));
        rewrite_edits_deinit(&edits);
    }
    buf_deinit(&section);

    /* a local part that is kept makes the new address too long */
    struct rewrite_complete c;
    struct rewrite_edits edits;
    struct rewrite_refusal refusal;
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    char domain[400] = "*@", header[200];
    for (int i = 0; i < 24; i++)
        strcat(domain, "123456789.");
    strcat(domain, "example");
    assert_true(rewrite_rule_parse(&a, SV("*@long.example"), sv_of(domain), &rule, &fault));
    assert_true(rewrite_rules_add(rules, &rule, EVERYWHERE, 0));
    for (int n = 6; n < 8; n++) {
        snprintf(header, sizeof header, "To: %0*d@long.example\r\n", n, 0);
        rewrite_complete_init(&c, domains, 1, true);
        rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
        struct rewrite_readdress r = {
            .complete = &c, .rules = rules, .section = sv_of(header), .edits = &edits};
        assert_int_equal(readdress(&r, &refusal), n == 6);
        rewrite_edits_deinit(&edits);
    }
    assert_string_equal(refusal.text, "Header field To: the address 0000000@long.example becomes "
                                      "too long when it is rewritten");
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

static void test_text(void **state)
{
    (void)state;
    struct arena a;
    char out[REWRITE_RULES_TEXT];
    arena_init(&a);
    struct rewrite_rules *rules = make(&a);
    assert_true(sv_eq(rewrite_readdress_text(rules, SV("JRU@our.example"), out),
                      SV("J.Random.User@our.example")));
    assert_true(
        sv_eq(rewrite_readdress_text(rules, SV("rcpt@our.example"), out), SV("rcpt@our.example")));
    assert_true(
        sv_eq(rewrite_readdress_text(NULL, SV("jru@our.example"), out), SV("jru@our.example")));
    assert_int_equal(rewrite_readdress_text(rules, SV_NONE, out).len, 0);
    /* too long for a path */
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    char domain[400] = "*@", want[500];
    for (int i = 0; i < 24; i++)
        strcat(domain, "123456789.");
    strcat(domain, "example");
    assert_true(rewrite_rule_parse(&a, SV("*@long.example"), sv_of(domain), &rule, &fault));
    assert_true(rewrite_rules_add(rules, &rule, EVERYWHERE, 0));
    snprintf(want, sizeof want, "0123456789%s", domain + 1);
    assert_true(
        sv_eq(rewrite_readdress_text(rules, SV("0123456789@long.example"), out), sv_of(want)));
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

/* Kept labels over the limit are no reason to leave out the others. */
static void test_edit_over_the_limit(void **state)
{
    (void)state;
    struct rewrite_complete c;
    struct rewrite_refusal refusal;
    struct rewrite_edits edits;
    struct buf section;
    buf_init(&section, 4000, 0);
    rewrite_complete_init(&c, domains, 1, true);
    assert_int_equal(buf_put(&section, SV("To: a@x0")), 0);
    for (int i = 0; i <= REWRITE_LABELS_MAX; i++)
        assert_int_equal(buf_printf(&section, ",\r\n a@x%d", i), 0);
    assert_int_equal(buf_put(&section, SV(",\r\n a@x1\r\n")), 0);
    note(&c, SV("x0"));
    for (int i = 0; i <= REWRITE_LABELS_MAX; i++) {
        char label[20];
        snprintf(label, sizeof(label), "x%d", i);
        note(&c, sv_of(label));
    }
    note(&c, SV("x1"));
    c.labels[1].domain = 0;
    rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
    struct rewrite_readdress r = {.complete = &c, .section = buf_view(&section), .edits = &edits};
    assert_true(readdress(&r, &refusal));
    assert_int_equal(edits.count, 2);
    rewrite_edits_deinit(&edits);
    buf_deinit(&section);
}

/* Only what was noted is edited: places behind the last one stay. */
static void test_edit(void **state)
{
    (void)state;
    struct rewrite_complete c;
    struct rewrite_refusal refusal;
    struct rewrite_edits edits;
    struct sv section = SV("To: a@one, b@two\r\nX: c@one\r\nCc: d@One, e@one\r\n");
    struct buf out;
    rewrite_complete_init(&c, domains, 1, true);
    note(&c, SV("one"));
    note(&c, SV("one"));
    c.labels[0].domain = 0;
    rewrite_edits_init(&edits, REWRITE_READDRESS_BYTES);
    buf_init(&out, 1000, 0);
    struct rewrite_readdress r = {.complete = &c, .section = section, .edits = &edits};
    assert_true(readdress(&r, &refusal));
    read_out(&r, &out);
    assert_true(sv_eq(buf_view(&out), SV("To: a@one.our.example, b@two\r\nX: c@one\r\n"
                                         "Cc: d@One.our.example, e@one\r\n")));
    assert_true(r.walked > 0);
    rewrite_edits_deinit(&edits);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_why),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_text),
        cmocka_unit_test(test_edit),   cmocka_unit_test(test_edit_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
