#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/aliases.h"

#include <string.h>

static const char *realm_items[] = {"example.net", "example.org"};
static const struct conf_strings realms = {realm_items, 2};

/* text; what is read: "login pattern;"; the faults, NULL if there are none */
static const struct {
    const char *text, *read, *faults;
} rows[] = {
    {"", "", NULL},
    {"\n\r\n# comment: x\n  # another\n", "", NULL},
    {"alice: sales@example.net\n", "alice@example.net sales@example.net;", NULL},
    {"alice: sales@example.net", "alice@example.net sales@example.net;", NULL},
    {"alice@EXAMPLE.org : a@example.net ,b+*@example.net,\t@c.example, @*.d.example, *\r\n",
     "alice@example.org a@example.net;alice@example.org b+*@example.net;alice@example.org "
     "@c.example;alice@example.org @*.d.example;alice@example.org *;",
     NULL},
    {"a: x@example.net\nb: y@example.net\na: z@example.net\n",
     "a@example.net x@example.net;b@example.net y@example.net;a@example.net z@example.net;", NULL},
    {"alice:\n", "", NULL},
    {"alice: ,,\n", "", NULL},
    {"Alice: x@example.net\n", "alice@example.net x@example.net;", NULL},
    {"alice: [v6]@x\n", "",
     "/f:1: \"[v6]@x\" is no pattern and no address; \"bob@example.net\", \"bob+*@example.net\", "
     "\"@example.net\", \"@*.example.net\", \"%u\", \"%u+*\", \"*\" or \"file:/path\"\n"},
    {"a: x@example.net, bad, y@example.net\nc\n",
     "a@example.net x@example.net;a@example.net y@example.net;",
     "/f:1: \"bad\" is no pattern and no address; \"bob@example.net\", \"bob+*@example.net\", "
     "\"@example.net\", \"@*.example.net\", \"%u\", \"%u+*\", \"*\" or \"file:/path\"\n"
     "/f:2: \"c\" has no colon; login: address, address\n"},
    {"#\n\na@else.test: x@example.net\n", "",
     "/f:3: \"a@else.test\" is nobody's login: the realm behind the @ is none of auth.realms; one "
     "of auth.realms\n"},
    {": x@example.net\n", "",
     "/f:1: \"\" can be no login; \"alice@example.net\", \"*\" or \"@trusted\"\n"},
    {"*: x@example.net\n", "",
     "/f:1: \"*\" can be no login; \"alice@example.net\", \"*\" or \"@trusted\"\n"},
    {"a: %u, file:/g\n", "",
     "/f:1: \"%u\" cannot stand in a file of addresses; the addresses themselves\n"
     "/f:1: \"file:/g\" cannot stand in a file of addresses; the addresses themselves\n"},
};

struct got {
    struct arena *arena;
    const char *text;
};

static void note(void *arg, struct sv login, struct sv pattern)
{
    struct got *got = arg;
    got->text = arena_printf(got->arena, "%s%.*s %.*s;", got->text, SV_ARG(login), SV_ARG(pattern));
}

static void lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct conf_faults faults;
        struct buf said;
        arena_init(&a);
        buf_init(&said, 4096, 0);
        struct got got = {&a, ""};
        aliases_read(sv_of(rows[i].text), &realms, &a, note, &got);
        assert_string_equal(got.text, rows[i].read);
        conf_faults_init(&faults, &a);
        aliases_check("/f", sv_of(rows[i].text), &realms, &faults);
        conf_faults_print(&faults, &said);
        assert_string_equal(arena_str(&a, buf_view(&said)), rows[i].faults ? rows[i].faults : "");
        buf_deinit(&said);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
