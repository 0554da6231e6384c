#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMMON                                                                                  \
    "domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; }; listen = { tls = \"none\"; };" \
    "auth = { require_tls = false; };\n"

struct table {
    struct generation *g;
    struct arena arena;
    struct rights *rights;
};

static void table_start(struct table *t, const char *permissions)
{
    struct conf_faults faults;
    struct buf out;
    struct buf text;
    t->g = generation_new(1);
    arena_init(&t->arena);
    conf_faults_init(&faults, &t->arena);
    buf_init(&text, 64 << 20, 0);
    assert_int_equal(buf_printf(&text, "%s", COMMON), 0);
    assert_int_equal(buf_put(&text, sv_of(permissions)), 0);
    if (!options_read("m", buf_view(&text), "mail.example.net", &t->g->arena, &t->g->options,
                      &faults, NULL)) {
        buf_init(&out, 1 << 20, 0);
        conf_faults_print(&faults, &out);
        fail_msg("%.*s", SV_ARG(buf_view(&out)));
    }
    buf_deinit(&text);
    generation_add_file(
        t->g, "file:/aliases", "/aliases",
        SV("alice: file@example.net\nfiled: a@example.net, b+*@example.net, @c.test\n"
           "filed@example.net: d@example.net\n"),
        false);
    t->rights = rights_new(t->g, &t->arena);
}

static void table_stop(struct table *t)
{
    rights_free(t->rights);
    arena_deinit(&t->arena);
    generation_drop(t->g);
}

static const char rows_text[] =
    "permissions = ("
    "{ login = \"alice\"; may_send_as = [ \"%u\", \"@sales.example.net\", \"boss@example.org\","
    "    \"alice+*@example.net\", \"\\\"a b\\\"@example.net\" ];"
    "  may_send_to = [ \"@example.net\", \"@*.example.net\" ]; },"
    "{ login = \"admin\"; may_send_as = \"*\"; },"
    "{ login = \"sub\"; may_send_as = [ \"%u+*\" ]; },"
    "{ login = \"below\"; may_send_as = [ \"@*.example.net\" ]; },"
    "{ login = \"none\"; may_send_as = [ ]; may_send_to = [ ]; },"
    "{ login = \"deep\"; may_send_as = [ \"a+b+*@example.net\" ]; },"
    "{ login = \"filed\"; may_send_as = [ \"%u\", \"file:/aliases\", \"x@example.org\" ]; "
    "  may_send_to = \"file:/aliases\"; },"
    "{ login = \"unfiled\"; may_send_as = [ \"file:/aliases\" ]; },"
    "{ login = \"idn\"; may_send_as = [ \"@bücher.example\" ]; },"
    "{ login = \"@trusted\"; may_send_as = \"printer@example.net\"; may_send_to = "
    "\"@example.net\"; } );";

/* login "" is a trusted client; use: 'f' MAIL FROM, 't' RCPT TO */
static const struct row {
    const char *login;
    char use;
    const char *path;
    bool allowed;
} rows[] = {
    /* nobody's row: the own address alone */
    {"u@example.net", 'f', "<u@example.net>", true},
    {"u@example.net", 'f', "<U@EXAMPLE.net>", true},
    {"u@example.net", 'f', "<\"u\"@example.net>", true},
    {"u@example.net", 'f', "<\"\\u\"@example.net>", true},
    {"u@example.net", 'f', "<@relay.test:u@example.net>", true}, /* the route is dropped */
    {"u@example.net", 'f', "<>", true},
    {"u@example.net", 'f', "<v@example.net>", false},
    {"u@example.net", 'f', "<u@example.org>", false},
    {"u@example.net", 'f', "<u@sub.example.net>", false},
    {"u@example.net", 'f', "<uu@example.net>", false},
    {"u@example.net", 'f', "<u+x@example.net>", false},
    {"u@example.net", 'f', "<\"u \"@example.net>", false},
    {"u@example.net", 'f', "<u@exаmple.net>", false}, /* Cyrillic a */
    {"u@example.net", 't', "<anybody@example.org>", true},
    {"u", 'f', "<u@example.net>", false}, /* no address at all */
    /* patterns */
    {"alice@example.net", 'f', "<alice@example.net>", true},
    {"alice@example.net", 'f', "<x@sales.example.net>", true},
    {"alice@example.net", 'f', "<x@SALES.example.net>", true},
    {"alice@example.net", 'f', "<x@a.sales.example.net>", false},
    {"alice@example.net", 'f', "<x@sales.example.net.evil.test>", false},
    {"alice@example.net", 'f', "<x@xsales.example.net>", false},
    {"alice@example.net", 'f', "<x@example.net>", false},
    {"alice@example.net", 'f', "<boss@example.org>", true},
    {"alice@example.net", 'f', "<BOSS@example.org>", true},
    {"alice@example.net", 'f', "<boss@example.net>", false},
    {"alice@example.net", 'f', "<alice+x@example.net>", true},
    {"alice@example.net", 'f', "<Alice+X+Y@example.net>", true},
    {"alice@example.net", 'f', "<alice+@example.net>", false},
    {"alice@example.net", 'f', "<alice-x@example.net>", false},
    {"alice@example.net", 'f', "<alicex+y@example.net>", false},
    {"alice@example.net", 'f', "<alice+x@example.org>", false},
    {"alice@example.net", 'f', "<\"alice+x y\"@example.net>", false},
    {"alice@example.net", 'f', "<\"A B\"@example.net>", true},
    {"alice@example.net", 'f', "<x@[192.0.2.1]>", false},
    {"alice@example.net", 't', "<x@example.net>", true},
    {"alice@example.net", 't', "<x@sub.sub.example.net>", true},
    {"alice@example.net", 't', "<x@example.org>", false},
    {"alice@example.net", 't', "<Postmaster>", true},
    {"admin@example.net", 'f', "<x@[192.0.2.1]>", true},
    {"admin@example.net", 'f', "<x@example.org>", true},
    {"sub@example.net", 'f', "<sub+x@example.net>", true},
    {"sub@example.net", 'f', "<sub@example.net>", false},
    {"sub@example.net", 'f', "<sub+@example.net>", false},
    {"sub@example.net", 'f', "<subs+x@example.net>", false},
    {"sub@example.net", 'f', "<sub+x@example.org>", false},
    {"below@example.net", 'f', "<x@a.example.net>", true},
    {"below@example.net", 'f', "<x@a.b.example.net>", true},
    {"below@example.net", 'f', "<x@example.net>", false},
    {"below@example.net", 'f', "<x@aexample.net>", false},
    {"none@example.net", 'f', "<none@example.net>", false},
    {"none@example.net", 'f', "<>", true},
    {"none@example.net", 't', "<none@example.net>", false},
    {"deep@example.net", 'f', "<a+b+c@example.net>", true},
    {"deep@example.net", 'f', "<a+b@example.net>", false},
    {"deep@example.net", 'f', "<a+c+b@example.net>", false},
    {"idn@example.net", 'f', "<x@bücher.example>", true},
    {"idn@example.net", 'f', "<x@xn--bcher-kva.example>", true},
    {"idn@example.net", 'f', "<x@bucher.example>", false},
    /* files of addresses: the login's lines alone */
    {"filed@example.net", 'f', "<filed@example.net>", true},
    {"filed@example.net", 'f', "<A@example.net>", true},
    {"filed@example.net", 'f', "<b+x@example.net>", true},
    {"filed@example.net", 'f', "<x@c.test>", true},
    {"filed@example.net", 'f', "<d@example.net>", true},
    {"filed@example.net", 'f', "<x@example.org>", true},
    {"filed@example.net", 'f', "<b@example.net>", false},
    {"filed@example.net", 'f', "<file@example.net>", false},
    {"filed@example.net", 't', "<d@example.net>", true},
    {"filed@example.net", 't', "<filed@example.net>", false},
    {"unfiled@example.net", 'f', "<a@example.net>", false},
    {"unfiled@example.net", 'f', "<unfiled@example.net>", false},
    {"alice@example.net", 'f', "<file@example.net>", false}, /* her row names no file */
    /* a login in another case has the same row */
    {"Admin@example.net", 'f', "<x@example.org>", true},
    {"NONE@Example.NET", 'f', "<none@example.net>", false},
    {"Filed@example.net", 'f', "<d@example.net>", true},
    /* without a login */
    {"", 'f', "<printer@example.net>", true},
    {"", 'f', "<>", true},
    {"", 'f', "<other@example.net>", false},
    {"", 't', "<x@example.net>", true},
    {"", 't', "<x@example.org>", false},
};

static bool ask(const struct table *t, const struct row *r, struct arena *a,
                struct smtp_reply *reply)
{
    struct smtp_path path;
    struct sv rest;
    enum smtp_path_use use = r->use == 'f' ? SMTP_PATH_REVERSE : SMTP_PATH_FORWARD;
    struct rights_holder h =
        *r->login ? rights_of_login(t->rights, sv_of(r->login)) : rights_of_trusted(t->rights);
    if (smtp_path_parse(a, sv_of(r->path), use, &path, &rest) != SMTP_PATH_OK)
        fail_msg("%s is no path", r->path);
    return r->use == 'f' ? rights_reverse_path(&h, &path, a, reply)
                         : rights_forward_path(&h, &path, a, reply);
}

static void paths(void **state)
{
    (void)state;
    struct table t;
    table_start(&t, rows_text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct smtp_reply reply = SMTP_REPLY_NONE;
        arena_init(&a);
        if (ask(&t, &rows[i], &a, &reply) != rows[i].allowed)
            fail_msg("%s %c %s", rows[i].login, rows[i].use, rows[i].path);
        if (!rows[i].allowed) {
            assert_int_equal(reply.code, 550);
            assert_int_equal(reply.enhanced.subject, 7);
            assert_int_equal(reply.enhanced.detail, 1);
            assert_true(sv_eq(reply.setting, SV("permissions")));
        }
        arena_deinit(&a);
    }
    table_stop(&t);
}

static void defaults(void **state)
{
    (void)state;
    static const struct row open[] =
        {
            {"", 'f', "<x@example.org>", true},
            {"", 't', "<x@example.org>", true},
            {"u@example.net", 'f', "<x@example.org>", false},
        },
                            star = {"u@example.net", 'f', "<x@example.org>", true};
    struct table t;
    struct arena a;
    struct smtp_reply reply;
    arena_init(&a);
    table_start(&t, "");
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        assert_int_equal(ask(&t, &open[i], &a, &reply), open[i].allowed);
    struct rights_holder anybody = rights_of_anybody(t.rights);
    struct smtp_path path;
    assert_int_equal(smtp_path_parse_address(&a, SV("x@example.org"), SMTP_PATH_REVERSE, &path),
                     SMTP_PATH_OK);
    assert_true(rights_reverse_path(&anybody, &path, &a, &reply));
    table_stop(&t);
    table_start(&t, "permissions = { login = \"*\"; may_send_as = \"@example.org\"; };");
    assert_true(ask(&t, &star, &a, &reply));
    table_stop(&t);
    arena_deinit(&a);
}

/* login, path, the text of the refusal */
static const struct {
    const char *login, *path, *text;
} texts[] = {
    {"u@example.net", "<v@example.net>",
     "<v@example.net> is not an address that u@example.net may send as; allowed: u@example.net"},
    {"alice@example.net", "<v@example.net>",
     "<v@example.net> is not an address that alice@example.net may send as; allowed: "
     "alice@example.net, @sales.example.net, boss@example.org, alice+*@example.net, \"a "
     "b\"@example.net"},
    {"sub@example.net", "<v@example.net>",
     "<v@example.net> is not an address that sub@example.net may send as; allowed: "
     "sub+*@example.net"},
    {"none@example.net", "<v@example.net>",
     "<v@example.net> is not an address that none@example.net may send as; allowed: none"},
    {"filed@example.net", "<v@example.net>",
     "<v@example.net> is not an address that filed@example.net may send as; allowed: "
     "filed@example.net, x@example.org, a@example.net, b+*@example.net, @c.test and 1 more"},
    {"unfiled@example.net", "<v@example.net>",
     "<v@example.net> is not an address that unfiled@example.net may send as; allowed: none"},
    {"", "<v@example.net>",
     "<v@example.net> is not an address that a client without a login may send as; allowed: "
     "printer@example.net"},
    {"many@example.net", "<v@example.net>",
     "<v@example.net> is not an address that many@example.net may send as; allowed: "
     "many@example.net, a@example.net, b@example.net, c@example.net, d@example.net and 2 more"},
};

static void words(void **state)
{
    (void)state;
    struct table t;
    char text[4096];
    snprintf(text, sizeof text,
             "%.*s, { login = \"many\"; may_send_as = [ \"%%u\", \"a@example.net\", "
             "\"b@example.net\", \"c@example.net\", \"d@example.net\", \"e@example.net\", "
             "\"f@example.net\" ]; } );",
             (int)strlen(rows_text) - 2, rows_text);
    table_start(&t, text);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct arena a;
        struct smtp_reply reply;
        arena_init(&a);
        struct row r = {texts[i].login, 'f', texts[i].path, false};
        assert_false(ask(&t, &r, &a, &reply));
        assert_string_equal(arena_str(&a, reply.text), texts[i].text);
        arena_deinit(&a);
    }
    table_stop(&t);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A thousand questions; how long. */
static double ask_often(const struct table *t, const char *login)
{
    struct row r = {login, 'f', "<nobody@a.b.c.d.example.org>", false};
    struct arena a;
    struct smtp_reply reply;
    double start = seconds();
    for (int i = 0; i < 1000; i++) {
        arena_init(&a);
        assert_false(ask(t, &r, &a, &reply));
        arena_deinit(&a);
    }
    return seconds() - start;
}

/* Ten thousand rows, and one with ten thousand patterns: a question takes as long as with one. */
static void many(void **state)
{
    (void)state;
    struct buf text;
    struct table few, t;
    buf_init(&text, 8 << 20, 0);
    int err = buf_printf(&text, "permissions = (\n");
    for (int i = 0; i < 10000; i++)
        err |= buf_printf(
            &text, "{ login = \"u%d\"; may_send_as = [ \"%%u\", \"@d%d.test\" ]; },\n", i, i);
    err |= buf_printf(&text, "{ login = \"all\"; may_send_as = [ \"%%u\"");
    for (int i = 0; i < 10000; i++)
        err |= buf_printf(&text, ", \"a%d@d%d.test\"", i, i);
    err |= buf_printf(&text, " ]; } );\n");
    assert_int_equal(err, 0);
    char *all = buf_take(&text, NULL);
    double start = seconds();
    table_start(&t, all);
    double load = seconds() - start;
    free(all);
    table_start(&few, "permissions = { login = \"u5000\"; };");
    double one = ask_often(&few, "u5000@example.net"), row = ask_often(&t, "u5000@example.net"),
           pattern = ask_often(&t, "all@example.net");
    print_message("loaded in %.3f s; 1000 questions: %.4f s of 1 row, %.4f s of 10000, %.4f s of "
                  "10000 patterns\n",
                  load, one, row, pattern);
    assert_true(row < 4 * one + 0.01);
    assert_true(pattern < 4 * one + 0.01);
#ifndef MSA_SANITIZED
    assert_true(load < 1);
#endif
    table_stop(&few);
    table_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(defaults),
                                       cmocka_unit_test(words), cmocka_unit_test(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
