#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/rewriting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "hostname = \"mail.example.net\"; domains = [ \"example.net\", \"xn--bcher-kva.example\" ];\n" \
    "dns = { dnssec = \"off\"; }; listen = { tls = \"none\"; }; auth = { require_tls = false; "    \
    "};\n"                                                                                         \
    "rewrite = {\n"
#define MINE "is none of our addresses: a rule for recipients may match those of domains only"

static bool read(const char *rewrite, struct arena *a, struct msa_options *o, struct buf *said)
{
    struct conf_faults faults;
    const char *text = arena_printf(a, HEAD "%s };\n", rewrite);
    conf_faults_init(&faults, a);
    bool good = options_read("m", sv_of(text), "mail.example.net", a, o, &faults, NULL);
    conf_faults_print(&faults, said);
    return good;
}

/* said: all that is said, without "m:5: rewrite."; NULL: nothing */
static const struct {
    const char *rewrite, *said;
} rows[] = {
    {"rules = { match = \"*@*.example.net\"; replace = \"*@example.net\"; };", NULL},
    {"rules = { match = \"a@sub.example.net\"; replace = \"b@other.test\"; of = \"recipient\"; };",
     NULL},
    {"rules = { match = \"*@b\303\274cher.example\"; replace = \"*@example.net\"; };", NULL},
    {"rules = { match = \"*@other.test\"; replace = \"*@example.net\"; of = \"sender\"; };", NULL},
    {"rules = { map = \"file:/m\"; in = \"header\"; };", NULL},
    {"rules = ( { match = \"a@example.net\"; replace = \"b@example.net\"; in = \"header\"; }, { "
     "match "
     "= \"a@example.net\"; replace = \"c@example.net\"; in = \"envelope\"; } );",
     NULL},
    /* nobody else's recipients */
    {"rules = { match = \"*@other.test\"; replace = \"*@example.net\"; };",
     "rules[0].match: \"*@other.test\" " MINE "; of = \"sender\"; or a domain of domains"},
    {"rules = { match = \"a@example.net.test\"; replace = \"*@example.net\"; of = \"recipient\"; "
     "};",
     "rules[0].match: \"a@example.net.test\" " MINE "; of = \"sender\"; or a domain of domains"},
    {"rules = { match = \"*@xexample.net\"; replace = \"*@example.net\"; };",
     "rules[0].match: \"*@xexample.net\" " MINE "; of = \"sender\"; or a domain of domains"},
    {"rules = { match = \"a@[192.0.2.1]\"; replace = \"*@example.net\"; };",
     "rules[0].match: \"a@[192.0.2.1]\" " MINE "; of = \"sender\"; or a domain of domains"},
    /* everything */
    {"rules = { match = \"*\"; replace = \"*@example.net\"; of = \"sender\"; };",
     "rules[0].match: \"*\" would match everything: a rule names a domain or an address; "
     "\"jru@example.net\", \"*@example.net\", or \"*@*.example.net\" for the domains below it"},
    {"rules = ( { match = \"a@example.net\"; replace = \"b@example.net\"; }, { match = "
     "\"*@*.net\"; "
     "replace = \"*@example.net\"; of = \"sender\"; } );",
     "rules[1].match: \"*@*.net\" would match everything: a rule names a domain or an address; "
     "\"jru@example.net\", \"*@example.net\", or \"*@*.example.net\" for the domains below it"},
    /* forms */
    {"rules = { match = \"a@example.net\"; replace = \"b\"; };",
     "rules[0].replace: \"b\" is no address, and no domain that could stand there; "
     "\"Random.User@example.net\", or \"*@example.net\" to keep the local part"},
    {"rules = { match = \"a@example.net\"; };",
     "rules[0].replace: is missing; \"*@example.net\" or an address"},
    {"rules = { replace = \"a@example.net\"; };",
     "rules[0].match: is missing; match and replace, or map"},
    {"rules = { of = \"sender\"; };", "rules[0].match: is missing; match and replace, or map"},
    {"rules = { match = \"a@example.net\"; map = \"file:/m\"; };",
     "rules[0].map: stands beside match or replace; match and replace, or map"},
    {"rules = { map = \"/m\"; };",
     "rules[0].map: \"/m\" is no \"file:\" with an absolute path; for example "
     "\"file:/etc/msa/addresses\""},
    {"rules = { map = \"file:m\"; };",
     "rules[0].map: \"file:m\" is no \"file:\" with an absolute path; for example "
     "\"file:/etc/msa/addresses\""},
    {"rules = { map = \"file:/m\"; in = \"body\"; };",
     "rules[0].in: \"body\" is not known; \"envelope\" or \"header\""},
    {"rules = { map = \"file:/m\"; of = [ \"sender\", \"all\" ]; };",
     "rules[0].of[1]: \"all\" is not known; \"sender\" or \"recipient\""},
    {"rules = { map = \"file:/m\"; in = [ ]; };",
     "rules[0].in: the rule counts nowhere; \"envelope\", \"header\", or both"},
    {"rules = { map = \"file:/m\"; of = [ ]; };",
     "rules[0].of: the rule counts for nobody; \"sender\", \"recipient\", or both"},
    {"rules = ( { match = \"a@example.net\"; replace = \"b@example.net\"; }, { match = "
     "\"A@Example.net\"; replace = \"c@example.net\"; in = \"header\"; } );",
     "rules[1].match: warning: never taken: rows before match all of it; leave the row out"},
    {"rules = ( { match = \"*@example.net\"; replace = \"*@x.test\"; }, { match = "
     "\"a@example.net\"; replace = \"c@example.net\"; } );",
     "rules[1].match: warning: never taken: rows before match all of it; leave the row out"},
    /* drop */
    {"drop = [ \"Bcc\", \"X-Mailer\" ];", NULL},
    {"drop = [ ];", NULL},
    {"drop = \"content-type\";",
     "drop: Content-Type is needed by whoever reads the message; leave it out"},
    {"drop = [ \"Bcc\", \"from\" ];",
     "drop[1]: From is needed by whoever reads the message; leave it out"},
    {"drop = \"sender\";", "drop: Sender is needed by whoever reads the message; leave it out"},
    {"drop = [ \"Bcc:\" ];", "drop[0]: \"Bcc:\" is no field name; the name alone, such as \"Bcc\""},
    {"drop = [ \"X Y\" ];", "drop[0]: \"X Y\" is no field name; the name alone, such as \"Bcc\""},
};

/* The line about rewrite, without the place before it. */
static struct sv plain(struct sv said)
{
    const char *at = memmem(said.ptr, said.len, "rewrite.", 8);
    struct sv rest = at ? sv_range(at + 8, said.ptr + said.len) : SV_NONE;
    return sv_split(&rest, '\n');
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct msa_options o;
        struct buf said;
        arena_init(&a);
        buf_init(&said, 65536, 0);
        bool good = read(rows[i].rewrite, &a, &o, &said);
        const char *want = rows[i].said ? rows[i].said : "";
        if (!sv_eq(plain(buf_view(&said)), sv_of(want)) ||
            good != (!rows[i].said || strstr(want, "warning")))
            fail_msg("%s\n%.*s", rows[i].rewrite, SV_ARG(buf_view(&said)));
        buf_deinit(&said);
        arena_deinit(&a);
    }
}

static void test_maps(void **state)
{
    (void)state;
    static const struct {
        const char *rewrite, *map, *said;
    } maps[] = {
        {"rules = { map = \"file:/m\"; };", "# names\njru@example.net Random@example.net\n", ""},
        {"rules = { map = \"file:/m\"; of = \"sender\"; };", "a@other.test b@other.test\r\n", ""},
        {"rules = { map = \"file:/m\"; };", "a@example.net b@c.test\na@other.test b@other.test\n",
         "/m:2: \"a@other.test\" " MINE "; of = \"sender\"; or a domain of domains\n"},
        {"rules = ( { map = \"file:/m\"; of = \"sender\"; }, { map = \"file:/m\"; of = "
         "\"recipient\"; "
         "} );",
         "a@other.test b@other.test\n",
         "/m:1: \"a@other.test\" " MINE "; of = \"sender\"; or a domain of domains\n"},
        {"rules = { map = \"file:/m\"; };", "\n\na@example.net\n",
         "/m:3: \"a@example.net\" is no line of two words; old@example.net new@example.net\n"},
        {"rules = { map = \"file:/m\"; };", "a@example.net b c\n",
         "/m:1: \"a@example.net\" is no line of two words; old@example.net new@example.net\n"},
        {"rules = { map = \"file:/m\"; };", "* a@example.net\n",
         "/m:1: \"*\" would match everything: a rule names a domain or an address; "
         "\"jru@example.net\", \"*@example.net\", or \"*@*.example.net\" for the domains below "
         "it\n"},
        {"rules = { map = \"file:/m\"; };", "a@example.net b\n",
         "/m:1: \"b\" is no address, and no domain that could stand there; "
         "\"Random.User@example.net\", or \"*@example.net\" to keep the local part\n"},
        {"rules = { map = \"file:/m\"; };", "*@example.net *@x.test\na@example.net b@x.test\n",
         "/m:2: \"a@example.net\" counts nowhere: lines before match all of it; leave it out\n"},
        {"rules = { map = \"file:/m\"; };", "a@example.net b@x.test\nA@example.net c@x.test\n",
         "/m:2: \"A@example.net\" counts nowhere: lines before match all of it; leave it out\n"},
    };
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct arena a;
        struct msa_options o;
        struct buf said;
        struct conf_faults faults;
        arena_init(&a);
        buf_init(&said, 65536, 0);
        assert_true(read(maps[i].rewrite, &a, &o, &said));
        buf_reset(&said);
        conf_faults_init(&faults, &a);
        rewriting_check_map("map:/m", sv_of(maps[i].map), &o, &faults);
        conf_faults_print(&faults, &said);
        if (!sv_eq(buf_view(&said), sv_of(maps[i].said)))
            fail_msg("%s: %.*s", maps[i].map, SV_ARG(buf_view(&said)));
        assert_int_equal(faults.errors, *maps[i].said != '\0');
        buf_deinit(&said);
        arena_deinit(&a);
    }
}

/* Rows and maps in their order. */
static void test_rules(void **state)
{
    (void)state;
    struct buf said;
    struct generation *g = generation_new(1);
    struct arena a;
    arena_init(&a);
    buf_init(&said, 65536, 0);
    if (!read("rules = ( { match = \"first@example.net\"; replace = \"row@example.net\"; },"
              "{ map = \"file:/m\"; of = \"sender\"; },"
              "{ match = \"*@example.net\"; replace = \"*@late.test\"; in = \"header\"; } );",
              &g->arena, &g->options, &said))
        fail_msg("%.*s", SV_ARG(buf_view(&said)));
    assert_true(rewriting_is_map_key("map:/m"));
    assert_false(rewriting_is_map_key("file:/m"));
    assert_string_equal(rewriting_map_key(&a, "file:/m"), "map:/m");
    assert_string_equal(rewriting_map_path("map:/m"), "/m");
    generation_add_file(g, "map:/m", "/m",
                        SV("first@example.net map@example.net\nbad\nsecond@example.net "
                           "two@example.net\n*@other.test *@o.test\n"),
                        false);
    struct rewrite_rules *r = rewriting_rules(g, &a);
    static const struct {
        unsigned where;
        const char *address, *to;
        unsigned row;
    } want[] = {
        {REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER, "first@example.net", "row@example.net", 0},
        {REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER, "second@example.net", "two@example.net", 1},
        {REWRITE_IN_HEADER | REWRITE_OF_SENDER, "second@example.net", "two@example.net", 1},
        {REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT, "second@example.net", "second@late.test", 2},
        {REWRITE_IN_ENVELOPE | REWRITE_OF_RECIPIENT, "second@example.net", "", 0},
        {REWRITE_IN_HEADER | REWRITE_OF_SENDER, "x@other.test", "x@o.test", 1},
        {REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT, "x@other.test", "", 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct smtp_path path;
        char out[REWRITE_RULES_TEXT];
        uint16_t row = 0;
        assert_int_equal(
            smtp_path_parse_address(&a, sv_of(want[i].address), SMTP_PATH_FORWARD, &path),
            SMTP_PATH_OK);
        struct sv to = rewrite_rules_apply(r, want[i].where, &path, out, &row);
        if (!sv_eq(to, sv_of(want[i].to)) || row != want[i].row)
            fail_msg("%zu: %.*s by %u", i, SV_ARG(to), row);
    }
    rewrite_rules_free(r);
    generation_drop(g);
    buf_deinit(&said);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_maps),
                                       cmocka_unit_test(test_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
