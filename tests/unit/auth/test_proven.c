/* The cache of proven credentials. */
#include "auth/proven.h"
#include "tests/unit/auth/database.h"

static const struct auth_proven_at db = {{1, 2, 3, 4, 5}, {6, 7, 8}};

static bool has(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                struct sv password, uint64_t now_ms)
{
    return auth_proven_has(p, at, name, password, now_ms, NULL);
}

static void put(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                struct sv password, uint64_t now_ms)
{
    auth_proven_put(p, at, name, password, now_ms, &(struct auth_app){0});
}

static void hit_and_miss(void **state)
{
    struct auth_proven *p = auth_proven_new();

    (void)state;
    assert_false(has(p, &db, SV("a@r"), SV("pw"), 1000));
    put(p, &db, SV("a@r"), SV("pw"), 1000);
    assert_true(has(p, &db, SV("a@r"), SV("pw"), 1000));
    assert_true(has(p, &db, SV("a@r"), SV("pw"), 1000 + AUTH_PROVEN_MS - 1));
    assert_false(has(p, &db, SV("a@r"), SV("pw"), 1000 + AUTH_PROVEN_MS));
    assert_false(has(p, &db, SV("a@r"), SV("pW"), 1000));
    assert_false(has(p, &db, SV("b@r"), SV("pw"), 1000));
    assert_false(has(p, &db, SV("a@"), SV("rpw"), 1000));
    assert_false(has(p, &db, SV("a@r"), SV(""), 1000));
    auth_proven_free(p);
}

/* Each part of the identity counts, and a proof against the old file does not get in. */
static void drop(void **state)
{
    static const struct auth_proven_at others[] = {
        {{9, 2, 3, 4, 5}, {6, 7, 8}}, {{1, 9, 3, 4, 5}, {6, 7, 8}}, {{1, 2, 9, 4, 5}, {6, 7, 8}},
        {{1, 2, 3, 9, 5}, {6, 7, 8}}, {{1, 2, 3, 4, 9}, {6, 7, 8}}, {{1, 2, 3, 4, 5}, {9, 7, 8}},
        {{1, 2, 3, 4, 5}, {6, 9, 8}}, {{1, 2, 3, 4, 5}, {6, 7, 9}}};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct auth_proven *p = auth_proven_new();

        assert_false(has(p, &db, SV("a@r"), SV("pw"), 1));
        put(p, &db, SV("a@r"), SV("pw"), 1);
        assert_false(has(p, &others[i], SV("a@r"), SV("pw"), 1));
        assert_false(has(p, &db, SV("a@r"), SV("pw"), 1)); /* gone for good */
        assert_false(has(p, &others[i], SV("a@r"), SV("pw"), 1));
        put(p, &db, SV("a@r"), SV("pw"), 1);
        assert_false(has(p, &others[i], SV("a@r"), SV("pw"), 1));
        auth_proven_free(p);
    }
}

/* Which app password it was is kept with each. */
static void which_app(void **state)
{
    struct auth_proven *p = auth_proven_new();
    struct auth_app phone = {7, "phone"}, got = {0};

    (void)state;
    assert_false(has(p, &db, SV("a@r"), SV("pw"), 1));
    auth_proven_put(p, &db, SV("a@r"), SV("secret"), 1, &phone);
    put(p, &db, SV("a@r"), SV("pw"), 1);
    assert_true(auth_proven_has(p, &db, SV("a@r"), SV("secret"), 1, &got));
    assert_int_equal(got.id, 7);
    assert_string_equal(got.label, "phone");
    assert_true(auth_proven_has(p, &db, SV("a@r"), SV("pw"), 1, &got));
    assert_int_equal(got.id, 0);
    assert_string_equal(got.label, "");
    auth_proven_free(p);
}

/* More than fit: the newest is there, the number is bounded, nothing wrong is found. */
static void bounded(void **state)
{
    struct auth_proven *p = auth_proven_new();
    unsigned kept = 0;
    char login[32];

    (void)state;
    assert_false(has(p, &db, SV("a@r"), SV("pw"), 1));
    for (unsigned i = 0; i < 3 * AUTH_PROVEN_ENTRIES; i++) {
        snprintf(login, sizeof(login), "u%u@r", i);
        put(p, &db, sv_of(login), SV("pw"), 1 + i);
        assert_true(has(p, &db, sv_of(login), SV("pw"), 1 + i));
    }
    for (unsigned i = 0; i < 3 * AUTH_PROVEN_ENTRIES; i++) {
        snprintf(login, sizeof(login), "u%u@r", i);
        kept += has(p, &db, sv_of(login), SV("pw"), 3 * AUTH_PROVEN_ENTRIES);
    }
    assert_true(kept > AUTH_PROVEN_ENTRIES / 2 && kept <= AUTH_PROVEN_ENTRIES);
    auth_proven_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hit_and_miss),
        cmocka_unit_test(drop),
        cmocka_unit_test(which_app),
        cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
