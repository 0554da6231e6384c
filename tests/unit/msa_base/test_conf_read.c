#include "conf_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

struct run {
    struct arena arena;
    struct conf_faults faults;
    struct conf_source src;
    struct all v;
    bool ok;
    char *printed;
};

static void start_bytes(struct run *r, struct sv text)
{
    struct buf out;
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    conf_faults_init(&r->faults, &r->arena);
    r->ok = conf_read(all_rows, "x.conf", text, &r->arena, &r->v, &r->faults, &r->src);
    buf_init(&out, 1 << 20, 0);
    conf_faults_print(&r->faults, &out);
    r->printed = buf_take(&out, NULL);
}

static void start(struct run *r, const char *text)
{
    start_bytes(r, sv_of(text));
}

static void stop(struct run *r)
{
    free(r->printed);
    arena_deinit(&r->arena);
}

static void an_empty_file_gives_the_defaults(void **state)
{
    struct run r;
    (void)state;
    start(&r, "");
    assert_true(r.ok);
    assert_string_equal(r.printed, "");
    assert_string_equal(r.v.state, "/var/lib/x");
    assert_true(r.v.on);
    assert_string_equal(r.v.host, "");
    assert_int_equal(r.v.mode, 1);
    assert_string_equal(r.v.path, "/var/lib/x/db");
    assert_int_equal(r.v.names.count, 2);
    assert_string_equal(r.v.names.items[1], "b");
    assert_int_equal(r.v.retry.count, 2);
    assert_int_equal(r.v.retry.items[1], 3600);
    assert_int_equal(r.v.ports.count, 2);
    assert_int_equal(r.v.ports.items[1], 26);
    assert_int_equal(r.v.limits.connections, 10);
    assert_int_equal(r.v.limits.size, 50 << 20);
    assert_int_equal(r.v.limits.memory, -25);
    assert_int_equal(r.v.limits.wait, 300);
    assert_int_equal(r.v.entries.count, 2);
    assert_int_equal(CONF_ITEM(r.v.entries, 0, struct entry)->port, 1);
    assert_string_equal(CONF_ITEM(r.v.entries, 1, struct entry)->name, "two");
    assert_int_equal(CONF_ITEM(r.v.entries, 1, struct entry)->port, 25);
    assert_int_equal(r.v.extra.count, 0);
    stop(&r);
}

static void every_type_is_read(void **state)
{
    struct run r;
    (void)state;
    start(&r,
          "/* all */ state = \"/srv/y/\"; on = FALSE; host : \"a\" \"b\" // joined\n"
          "mode = \"fast\"; path = \"<state>/q/<state>\"; secret = \"s\\\"\\\\\";\n"
          "names = ( \"n\" ); retry = \"12h\"; ports = 0x19\n"
          "limits = { connections = 0x1F; message_size = 4096; memory = \"1G\"; wait = \"1h\" }\n"
          "entries = ( ); extra = { name = \"e\"; tags = \"t\" };\n");
    assert_string_equal(r.printed, "");
    assert_true(r.ok);
    assert_false(r.v.on);
    assert_string_equal(r.v.host, "ab");
    assert_int_equal(r.v.mode, 0);
    assert_string_equal(r.v.path, "/srv/y/q//srv/y");
    assert_string_equal(r.v.secret, "s\"\\");
    assert_int_equal(r.v.names.count, 1);
    assert_int_equal(r.v.retry.count, 1);
    assert_int_equal(r.v.retry.items[0], 43200);
    assert_int_equal(r.v.ports.count, 1);
    assert_int_equal(r.v.ports.items[0], 25);
    assert_int_equal(r.v.limits.connections, 31);
    assert_int_equal(r.v.limits.size, 4096);
    assert_int_equal(r.v.limits.memory, 1 << 30);
    assert_int_equal(r.v.entries.count, 2); /* an empty list of groups is the default */
    assert_int_equal(r.v.extra.count, 1);
    assert_string_equal(CONF_ITEM(r.v.extra, 0, struct entry)->tags.items[0], "t");
    stop(&r);
}

static void an_empty_array_is_empty(void **state)
{
    struct run r;
    (void)state;
    start(&r, "names = [ ]; retry = ( ); ports = [ ];");
    assert_true(r.ok);
    assert_int_equal(r.v.names.count, 0);
    assert_int_equal(r.v.retry.count, 0);
    assert_int_equal(r.v.ports.count, 0);
    stop(&r);
}

struct bad {
    const char *text;
    const char *printed; /* all faults */
};

static const struct bad bad[] = {
    /* types */
    {"on = 1;", "x.conf:1: on: a number cannot stand here; true or false\n"},
    {"on = \"true\";", "x.conf:1: on: \"true\" is text; true or false, without quotes\n"},
    {"\nhost = 5;", "x.conf:2: host: a number cannot stand here; text in quotes\n"},
    {"host = { };", "x.conf:1: host: a group { } cannot stand here; text in quotes\n"},
    {"host = [ \"a\" ];", "x.conf:1: host: an array [ ] cannot stand here; text in quotes\n"},
    {"limits = 5;", "x.conf:1: limits: a number cannot stand here; a group { ... }\n"},
    {"limits = ( );", "x.conf:1: limits: a list ( ) cannot stand here; a group { ... }\n"},
    {"entries = \"a\";",
     "x.conf:1: entries[0]: text cannot stand here; a list of groups ( { ... }, { ... } )\n"},
    {"entries = ( { name = \"a\" },\n 5 );",
     "x.conf:2: entries[1]: a number cannot stand here; a list of groups ( { ... }, { ... } )\n"},
    {"names = [ 1,\n2 ];",
     "x.conf:1: names[0]: a number cannot stand here; text in quotes, or an array such as "
     "[ \"a\", \"b\" ]\n"
     "x.conf:2: names[1]: a number cannot stand here; text in quotes, or an array such as "
     "[ \"a\", \"b\" ]\n"},
    {"names = { };",
     "x.conf:1: names: a group { } cannot stand here; text in quotes, or an array such as "
     "[ \"a\", \"b\" ]\n"},
    {"limits = { connections = 1.5 };",
     "x.conf:1: limits.connections: a fraction cannot stand here; a whole number, 1 to 100\n"},
    {"limits = { connections = \"5\" };",
     "x.conf:1: limits.connections: text cannot stand here; a whole number, 1 to 100\n"},
    /* ranges, and what libconfig would cut to 32 or 64 bits */
    {"limits = { connections = 0 };", "x.conf:1: limits.connections: 0 is too small; 1 to 100\n"},
    {"limits = { connections = 101 };",
     "x.conf:1: limits.connections: 101 is too large; 1 to 100\n"},
    {"limits = { connections = -1 };", "x.conf:1: limits.connections: -1 is too small; 1 to 100\n"},
    {"limits = { connections = 4294967297 };",
     "x.conf:1: limits.connections: 4294967297 is too large; 1 to 100\n"},
    {"limits = { connections = 0x100000001 };",
     "x.conf:1: limits.connections: 4294967297 is too large; 1 to 100\n"},
    {"limits = { connections = 18446744073709551617 };",
     "x.conf:1: limits.connections: the number is too large; 1 to 100\n"},
    {"limits = { connections = 18446744073709551617L };",
     "x.conf:1: limits.connections: the number is too large; 1 to 100\n"},
    {"limits = { connections = -99999999999999999999 };",
     "x.conf:1: limits.connections: the number is too small; 1 to 100\n"},
    {"limits = { connections = 0x10000000000000001 };",
     "x.conf:1: limits.connections: the number is too large; 1 to 100\n"},
    {"limits = { message_size = 99999999999999999999 };",
     "x.conf:1: limits.message_size: the number is too large; 1K to 16G\n"},
    {"limits = { message_size = -5 };",
     "x.conf:1: limits.message_size: a negative size is too small; 1K to 16G\n"},
    {"limits = { message_size = \"32G\" };",
     "x.conf:1: limits.message_size: 32G is too large; 1K to 16G\n"},
    {"limits = { wait = \"2d\" };", "x.conf:1: limits.wait: 2d is too large; 1s to 1d\n"},
    {"limits = { wait = \"0s\" };", "x.conf:1: limits.wait: 0s is too small; 1s to 1d\n"},
    {"ports = [ 25,\n0 ];", "x.conf:2: ports[1]: 0 is too small; 1 to 65535\n"},
    {"ports = [ 65536 ];", "x.conf:1: ports[0]: 65536 is too large; 1 to 65535\n"},
    {"ports = \"25\";", "x.conf:1: ports: text cannot stand here; whole numbers such as [ 1, 2 ], "
                        "each 1 to 65535\n"},
    {"retry = [ \"1m\",\n\"0s\" ];", "x.conf:2: retry[1]: 0s is too small; 1s to 1d\n"},
    /* units */
    {"limits = { wait = 300 };",
     "x.conf:1: limits.wait: a time needs a unit (s, m, h, d or w); \"300s\" if seconds are "
     "meant\n"},
    {"limits = { wait = \"5x\" };",
     "x.conf:1: limits.wait: \"5x\" is no time; a time such as \"30s\", \"5m\", \"2h\", \"5d\" or "
     "\"1w\"\n"},
    {"limits = { message_size = \"50MB\" };",
     "x.conf:1: limits.message_size: \"50MB\" is no size; a size such as \"50M\"\n"},
    {"limits = { message_size = \"25%\" };",
     "x.conf:1: limits.message_size: \"25%\" is no size; a size such as \"50M\"\n"},
    {"limits = { memory = \"101%\" };",
     "x.conf:1: limits.memory: \"101%\" is no usable percentage; 1% to 100%\n"},
    {"limits = { memory = \"0%\" };",
     "x.conf:1: limits.memory: \"0%\" is no usable percentage; 1% to 100%\n"},
    {"limits = { memory = \"%\" };",
     "x.conf:1: limits.memory: \"%\" is no usable percentage; 1% to 100%\n"},
    /* text */
    {"mode = \"slow\";", "x.conf:1: mode: \"slow\" is not known; \"fast\" or \"safe\"\n"},
    {"path = \"db\";",
     "x.conf:1: path: \"db\" is not absolute; a path that begins with / or <state>\n"},
    {"path = \"\";", "x.conf:1: path: the value is empty; an absolute path in quotes\n"},
    {"state = \"<state>/a\";",
     "x.conf:1: state: <state> cannot stand in itself; an absolute path in quotes\n"},
    {"host = \"a b\";", "x.conf:1: host: \"a b\" has a space; a name\n"},
    {"host = \"a\\nb\";",
     "x.conf:1: host: a control character stands in the value; printable text\n"},
    {"host = \"a\\x00b\";", "x.conf:1: host: \\x00 (NUL) cannot stand in a value; leave it out\n"},
    {"names = [ \"a\",\n \"\",\n \"c d\" ];",
     "x.conf:2: names[1]: the value is empty; leave it out\n"
     "x.conf:3: names[2]: \"c d\" has a space; a name\n"},
    {"names = \"c d\";", "x.conf:1: names: \"c d\" has a space; a name\n"},
    {"extra = { };", "x.conf:1: extra[0].name: is missing; name = \"x\";\n"},
    {"extra = ( { name = \"\" } );",
     "x.conf:1: extra[0].name: the value is empty; text in quotes\n"},
    /* unknown keys */
    {"hots = \"a\";", "x.conf:1: hots: unknown key; the nearest known key is host\n"},
    {"HOST = \"a\";", "x.conf:1: HOST: unknown key; the nearest known key is host\n"},
    {"limits = {\n message-size = 5000;\n conections = 5;\n};",
     "x.conf:2: limits.message-size: unknown key; the nearest known key is limits.message_size\n"
     "x.conf:3: limits.conections: unknown key; the nearest known key is limits.connections\n"},
    {"connections = 5;",
     "x.conf:1: connections: unknown key; the nearest known key is limits.connections\n"},
    {"gibberish = 5;", "x.conf:1: gibberish: unknown key; known keys: msad --help\n"},
    {"extra = ( { name = \"a\"; prot = 5; } );",
     "x.conf:1: extra[0].prot: unknown key; the nearest known key is extra[0].port\n"},
    /* keys written twice, and what stands behind them */
    {"on = true;\nhost = \"a\";\non = false;\nhots = 1;",
     "x.conf:3: on: written twice, first in line 1; write it once\n"
     "x.conf:4: hots: unknown key; the nearest known key is host\n"},
    {"limits = { wait = \"1m\"; wait = \"2m\" };",
     "x.conf:1: limits.wait: written twice, first in line 1; write it once\n"},
    {"extra = ( { name = \"a\" }, { name = \"b\" } );", ""},
    /* quotes */
    {"limits = {\n wait = 5m;\n memory = 25%;\n message_size = 50M; };",
     "x.conf:2: limits.wait: 5m must stand in quotes; \"5m\"\n"
     "x.conf:3: limits.memory: 25% must stand in quotes; \"25%\"\n"
     "x.conf:4: limits.message_size: 50M must stand in quotes; \"50M\"\n"},
    {"host = mail.example.net;\nmode = fast;\nhots = 1;",
     "x.conf:1: host: mail.example.net must stand in quotes; \"mail.example.net\"\n"
     "x.conf:2: mode: fast must stand in quotes; \"fast\"\n"
     "x.conf:3: hots: unknown key; the nearest known key is host\n"},
    {"names = [ a, 192.0.2.1 ];",
     "x.conf:1: names[0]: a must stand in quotes; \"a\"\n"
     "x.conf:1: names[1]: 192.0.2.1 must stand in quotes; \"192.0.2.1\"\n"},
    /* syntax */
    {"on = true;\nlimits = {\n wait = \"5m\";\n",
     "x.conf:2: limits: the { of this line is not closed; its closing bracket\n"},
    {"on = true;\n}", "x.conf:2: } without { before it\n"},
    {"names = [ \"a\"\n);", "x.conf:2: ) closes the [ of line 1\n"},
    {"host = \"a;\non = true;\n",
     "x.conf:1: host: the string that begins here does not end; \" at its end\n"},
    {"on = true; /* a\n\n", "x.conf:1: the comment that begins here does not end; */\n"},
    {"names = [ \"a\",\n \"b\",\n];\nhots = 1;",
     "x.conf:3: names: a comma stands before ]; no comma behind the last element\n"
     "x.conf:4: hots: unknown key; the nearest known key is host\n"},
    {"on true;\n", "x.conf:1: syntax error; key = value; with text in quotes and every bracket "
                   "closed\n"},
    {"\n\non = = 5;\n", "x.conf:3: syntax error; key = value; with text in quotes and every "
                        "bracket closed\n"},
    {"names = [ \"a\", 5 ];",
     "x.conf:1: the array mixes types; values of one type, all in quotes or none\n"},
    {"on = true;\n@include \"/etc/passwd\"\nhots = 1;",
     "x.conf:2: @include is not supported; all options in one file\n"
     "x.conf:3: hots: unknown key; the nearest known key is host\n"},
    {"names = ((((((((((((((((((\"a\"))))))))))))))))));",
     "x.conf:1: names[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested more than 15 deep\n"},
};

static void each_fault_is_told_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct run r;
        start(&r, bad[i].text);
        if (strcmp(r.printed, bad[i].printed) != 0)
            fail_msg("%s\nwant %sgot  %s", bad[i].text, bad[i].printed, r.printed);
        assert_int_equal(r.ok, bad[i].printed[0] == '\0');
        stop(&r);
    }
}

static void a_nul_byte_is_a_fault(void **state)
{
    struct run r;
    (void)state;
    start_bytes(&r, SV("on = true;\n\0on = 5;"));
    assert_false(r.ok);
    assert_string_equal(r.printed, "x.conf:2: a NUL byte; a text file\n");
    stop(&r);
}

static void editors_may_leave_their_marks(void **state)
{
    struct run r;
    (void)state;
    start(&r, "\xef\xbb\xbfon = false;\r\n# comment\r\nhost = \"a\";\r\n\r\nhots = 1;\r\n");
    assert_string_equal(r.printed, "x.conf:5: hots: unknown key; the nearest known key is host\n");
    assert_false(r.v.on);
    assert_string_equal(r.v.host, "a");
    stop(&r);
}

static void a_huge_file_is_refused(void **state)
{
    struct run r;
    size_t len = (size_t)9 << 20;
    char *text = malloc(len);
    (void)state;
    assert_non_null(text);
    memset(text, ' ', len);
    start_bytes(&r, (struct sv){text, len});
    assert_false(r.ok);
    assert_string_equal(r.printed, "x.conf: the file is too large; at most 8M\n");
    assert_int_equal(r.v.limits.connections, 10);
    stop(&r);
    free(text);
}

/* Ten thousand entries are read in a moment: nothing in the engine is quadratic in the file. */
static void a_long_list_is_read_quickly(void **state)
{
    struct run r;
    struct buf text;
    (void)state;
    buf_init(&text, (size_t)4 << 20, 0);
    assert_int_equal(buf_put(&text, SV("extra = (\n")), 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf_printf(&text, "%s{ name = \"n%d\"; port = 5; }\n", i ? "," : "", i),
                         0);
    assert_int_equal(buf_put(&text, SV(");\nhots = 1;")), 0);
    start_bytes(&r, buf_view(&text));
    assert_string_equal(r.printed,
                        "x.conf:10003: hots: unknown key; the nearest known key is host\n");
    assert_int_equal(r.v.extra.count, 10000);
    assert_string_equal(CONF_ITEM(r.v.extra, 9999, struct entry)->name, "n9999");
    stop(&r);
    buf_deinit(&text);
}

static void a_fault_leaves_the_default(void **state)
{
    struct run r;
    (void)state;
    start(&r, "limits = { connections = 5000; wait = \"1m\" }; names = [ \"a b\", \"c\" ];");
    assert_false(r.ok);
    assert_int_equal(r.faults.errors, 2);
    assert_int_equal(r.v.limits.connections, 10);
    assert_int_equal(r.v.limits.wait, 60);
    assert_int_equal(r.v.names.count, 1);
    assert_string_equal(r.v.names.items[0], "c");
    stop(&r);
}

static void keys_are_found_again(void **state)
{
    static const struct {
        const char *key;
        unsigned line;
    } cases[] = {
        {"on", 1},
        {"limits", 2},
        {"limits.wait", 3},
        {"limits.memory", 0},
        {"extra", 5},
        {"extra[0]", 5},
        {"extra[0].name", 6},
        {"extra.name", 6},
        {"entries", 8},
        {"entries[0]", 9},
        {"entries[1]", 10},
        {"entries[1].tags", 11},
        {"entries[1].tags[0]", 11},
        {"entries[1].tags[1]", 12},
        {"entries[2]", 0},
    };
    struct run r;
    (void)state;
    start(&r, "on = true;\n"
              "limits = {\n"
              "  wait = \"1m\";\n"
              "};\n"
              "extra = {\n"
              "  name = \"e\";\n"
              "};\n"
              "entries = (\n"
              "  { name = \"a\" },\n"
              "  { name = \"b\";\n"
              "    tags = [ \"x\",\n"
              "             \"y\" ] } );\n");
    assert_true(r.ok);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct conf_place *p = conf_source_find(&r.src, cases[i].key);
        assert_int_equal(p ? p->line : 0, cases[i].line);
    }
    stop(&r);
}

static void later_faults_find_their_line(void **state)
{
    struct run r;
    struct buf out;
    (void)state;
    start(&r, "limits = {\n  wait = \"1m\";\n};\nmode = \"bad\";\n");
    conf_fault_at(&r.faults, &r.src, true, "limits.wait", "longer", "short");
    conf_fault_at(&r.faults, &r.src, false, "limits.memory", "", "odd"); /* line of its group */
    conf_fault_at(&r.faults, &r.src, false, "mode", "", "not said twice");
    conf_fault_at(&r.faults, &r.src, false, "names", "", "missing");
    buf_init(&out, 1 << 16, 0);
    conf_faults_print(&r.faults, &out);
    char *text = buf_take(&out, NULL);
    assert_string_equal(text, "x.conf: names: missing\n"
                              "x.conf:1: limits.memory: odd\n"
                              "x.conf:2: limits.wait: warning: short; longer\n"
                              "x.conf:4: mode: \"bad\" is not known; \"fast\" or \"safe\"\n");
    assert_int_equal(r.faults.errors, 3);
    assert_int_equal(r.faults.warnings, 1);
    free(text);
    stop(&r);
}

/* As at a reload: the refused values are gone when the faults are told. */
static void faults_outlive_what_was_read(void **state)
{
    struct arena values, kept;
    struct conf_faults faults;
    struct conf_source src;
    struct buf out;
    struct all v = {0};
    (void)state;
    arena_init(&values);
    arena_init(&kept);
    conf_faults_init(&faults, &kept);
    assert_false(conf_read(all_rows, "x.conf", SV("on = 7;\n"), &values, &v, &faults, &src));
    arena_deinit(&values);
    buf_init(&out, 1 << 16, 0);
    conf_faults_print(&faults, &out);
    assert_true(sv_starts(buf_view(&out), SV("x.conf:1: on: ")));
    buf_deinit(&out);
    arena_deinit(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(an_empty_array_is_empty),
        cmocka_unit_test(each_fault_is_told_exactly),
        cmocka_unit_test(a_nul_byte_is_a_fault),
        cmocka_unit_test(editors_may_leave_their_marks),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(a_long_list_is_read_quickly),
        cmocka_unit_test(a_fault_leaves_the_default),
        cmocka_unit_test(keys_are_found_again),
        cmocka_unit_test(later_faults_find_their_line),
        cmocka_unit_test(faults_outlive_what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
