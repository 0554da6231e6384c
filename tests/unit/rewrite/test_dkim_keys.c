#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/dkim_keys.h"

#include <stdio.h>
#include <string.h>

#define KEY(d, s, a, t, r)                                                              \
    {                                                                                   \
        .domain = SV(d), .selector = SV(s), .id = SV(s), .algorithm = REWRITE_DKIM_##a, \
        .from_s = (t), .require = (r)                                                   \
    }

static const struct rewrite_dkim_key keys[] = {
    KEY("example.net", "old", RSA, INT64_MIN, false),
    KEY("example.net", "olde", ED25519, INT64_MIN, false),
    KEY("example.net", "new", RSA, 100, false),
    KEY("example.net", "twin", RSA, 100, false),
    KEY("example.net", "newest", RSA, 200, false),
    KEY("late.example.net", "late", RSA, 150, true),
    KEY("a.example.net", "sub", ED25519, 50, false),
    KEY("later.example", "l", RSA, 500, true),
    KEY("z.example", "z1", RSA, 0, false),
};

static const struct {
    const char *domain;
    int64_t now_s;
    const char *want; /* selectors */
    bool require;
} rows[] = {
    {"example.net", 0, "old olde", false},
    {"example.net", 99, "old olde", false},
    {"example.net", 100, "olde new twin", false},
    {"example.net", 199, "olde new twin", false},
    {"example.net", 200, "olde newest", false},
    {"b.example.net", 0, "old olde", false},
    {"x.y.example.net", 0, "old olde", false},
    {"a.example.net", 49, "old olde", false}, /* its own is not active yet */
    {"a.example.net", 50, "sub", false},
    {"x.a.example.net", 50, "sub", false},
    {"late.example.net", 149, "olde new twin", false}, /* signed by the domain above */
    {"late.example.net", 150, "late", false},
    {"later.example", 499, "", true},
    {"sub.later.example", 0, "", true},
    {"later.example", 500, "l", false},
    {"net", 0, "", false},
    {"xexample.net", 0, "", false},
    {"example", 0, "", false},
    {"z.example", 1000, "z1", false},
    {"", 0, "", false},
    {".", 0, "", false},
};

static void test_find(void **state)
{
    struct rewrite_dkim_keys *set = rewrite_dkim_keys_new(keys, sizeof keys / sizeof *keys);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200] = "";
        size_t n = 0;
        struct rewrite_dkim_signers s =
            rewrite_dkim_keys_find(set, sv_of(rows[i].domain), rows[i].now_s);
        for (size_t k = 0; k < s.count; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", k ? " " : "",
                                  SV_ARG(s.keys[k]->selector));
        if (strcmp(text, rows[i].want) != 0 || s.require != rows[i].require)
            fail_msg("%s at %d: %s, require %d", rows[i].domain, (int)rows[i].now_s, text,
                     s.require);
    }
    assert_true(rewrite_dkim_keys_is_active(set, rewrite_dkim_keys_at(set, 1), 1000));
    assert_true(rewrite_dkim_keys_is_active(set, rewrite_dkim_keys_at(set, 2), 150));
    assert_false(rewrite_dkim_keys_is_active(set, rewrite_dkim_keys_at(set, 2), 200));
    assert_false(rewrite_dkim_keys_is_active(set, rewrite_dkim_keys_at(set, 7), 499));
    rewrite_dkim_keys_drop(rewrite_dkim_keys_keep(set));
    rewrite_dkim_keys_drop(set);
}

/* No more than fit into a message's list. */
static void test_many(void **state)
{
    struct rewrite_dkim_key many[REWRITE_DKIM_SIGNERS_MAX + 3];
    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        many[i] = keys[8];
    struct rewrite_dkim_keys *set = rewrite_dkim_keys_new(many, sizeof many / sizeof *many);
    assert_int_equal(rewrite_dkim_keys_find(set, SV("z.example"), 1).count,
                     REWRITE_DKIM_SIGNERS_MAX);
    rewrite_dkim_keys_drop(set);
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(rewrite_dkim_keys_find(NULL, SV("z.example"), 1).count, 0);
    assert_int_equal(rewrite_dkim_keys_count(NULL), 0);
    rewrite_dkim_keys_drop(NULL);
}

static void test_algorithms(void **state)
{
    enum rewrite_dkim_algorithm a;
    (void)state;
    assert_true(rewrite_dkim_algorithm_of(SV("ed25519"), &a));
    assert_string_equal(rewrite_dkim_algorithm_tag(a), "ed25519-sha256");
    assert_true(rewrite_dkim_algorithm_of(SV("rsa"), &a));
    assert_string_equal(rewrite_dkim_algorithm_tag(a), "rsa-sha256");
    assert_string_equal(rewrite_dkim_algorithm_kind(a), "rsa");
    assert_false(rewrite_dkim_algorithm_of(SV("dsa"), &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_algorithms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
