#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/pattern.h"

#include <string.h>

static const struct row {
    const char *text;
    int form; /* -1: none */
    const char *key;
} rows[] = {
    {"*", PATTERN_ALL, ""},
    {"%u", PATTERN_OWN, ""},
    {"%u+*", PATTERN_OWN_SUB, ""},
    {"bob@example.net", PATTERN_ADDRESS, "bob@example.net"},
    {"Bob@Example.NET", PATTERN_ADDRESS, "bob@example.net"},
    {"\"bob\"@example.net", PATTERN_ADDRESS, "bob@example.net"},
    {"\"b b\"@example.net", PATTERN_ADDRESS, "\"b b\"@example.net"},
    {"bob+shop@example.net", PATTERN_ADDRESS, "bob+shop@example.net"},
    {"bob@bücher.example", PATTERN_ADDRESS, "bob@xn--bcher-kva.example"},
    {"jo\xcc\x88rg@example.net", PATTERN_ADDRESS, "j\xc3\xb6rg@example.net"},
    {"jo\xcc\x88rg+*@example.net", PATTERN_SUB, "j\xc3\xb6rg@example.net"},
    {"bob@[192.0.2.1]", PATTERN_ADDRESS, "bob@[192.0.2.1]"},
    {"bob+*@example.net", PATTERN_SUB, "bob@example.net"},
    {"Bob+x+*@Example.net", PATTERN_SUB, "bob+x@example.net"},
    {"@example.net", PATTERN_DOMAIN, "example.net"},
    {"@Bücher.Example", PATTERN_DOMAIN, "xn--bcher-kva.example"},
    {"@*.example.net", PATTERN_BELOW, "example.net"},
    {"file:/etc/msa/aliases", PATTERN_FILE, "file:/etc/msa/aliases"},
    {"sqlite:/d?SELECT a, b FROM c", PATTERN_FILE, "sqlite:/d?SELECT a, b FROM c"},
    {"sqlite:/d?select a, b from c where d like '%?%'", PATTERN_FILE,
     "sqlite:/d?select a, b from c where d like '%?%'"},
    {"sqlite:/d", -1, ""},
    {"sqlite:/d?", -1, ""},
    {"sqlite:d?SELECT a, b FROM c", -1, ""},
    {"sqlite:/d?DELETE FROM c", -1, ""},
    {"", -1, ""},
    {"bob", -1, ""},
    {"bob@", -1, ""},
    {"@", -1, ""},
    {"@net", -1, ""},
    {"@*", -1, ""},
    {"@*.", -1, ""},
    {"@*example.net", -1, ""},
    {"@a.*.net", -1, ""},
    {"@[192.0.2.1]", -1, ""},
    {"*@example.net", -1, ""},
    {"*@*.example.net", -1, ""},
    {"b*b@example.net", -1, ""},
    {"bob@*.example.net", -1, ""},
    {"+*@example.net", -1, ""},
    {"\"b b\"+*@example.net", -1, ""},
    {"<bob@example.net>", -1, ""},
    {"bob@sales", -1, ""},
    {"bob@@example.net", -1, ""},
    {"bob @example.net", -1, ""},
    {"%u@example.net", -1, ""},
    {"%user", -1, ""},
    {"file:aliases", -1, ""},
    {"file:", -1, ""},
    {"@аpple.example", -1, ""}, /* Cyrillic a */
    {"bob@аpple.example", -1, ""},
    {"bоb@example.net", -1, ""}, /* Cyrillic o */
    {"@example.net.", -1, ""},
};

static void forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct pattern p;
        const char *wrong = NULL, *right = NULL;
        arena_init(&a);
        bool good = pattern_parse(&a, sv_of(rows[i].text), &p, &wrong, &right);
        if (good != (rows[i].form >= 0) || (good && (int)p.form != rows[i].form) ||
            (good && !sv_eq(p.key, sv_of(rows[i].key))))
            fail_msg("\"%s\": %d, form %d, key %.*s", rows[i].text, good, (int)p.form,
                     SV_ARG(p.key));
        if (!good) {
            assert_true(wrong && *wrong);
            assert_true(right && *right);
        }
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
