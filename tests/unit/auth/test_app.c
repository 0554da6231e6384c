/* App passwords: their form, labels, and names that have one. */
#include "auth/app.h"
#include "tests/unit/auth/database.h"

static void secrets(void **state)
{
    char seen[256] = {0}, secret[AUTH_APP_SECRET_MAX], other[AUTH_APP_SECRET_MAX];
    unsigned kinds = 0;

    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        auth_app_secret(secret);
        assert_int_equal(strlen(secret), 23);
        for (size_t i = 0; i < 23; i++) {
            if (i % 6 == 5) {
                assert_int_equal(secret[i], '-');
                continue;
            }
            assert_true((secret[i] >= 'a' && secret[i] <= 'z') ||
                        (secret[i] >= '2' && secret[i] <= '9'));
            assert_null(strchr("ilo", secret[i]));
            seen[(unsigned char)secret[i]] = 1;
        }
        auth_app_secret(other);
        assert_string_not_equal(secret, other);
        assert_null(auth_password_fault(sv_of(secret)));
    }
    for (unsigned i = 0; i < 256; i++)
        kinds += seen[i];
    assert_int_equal(kinds, 31); /* every letter and digit of the alphabet comes */
}

/* Login and secret cannot be shifted against each other. */
static void digests(void **state)
{
    uint8_t a[AUTH_APP_DIGEST_BYTES], b[AUTH_APP_DIGEST_BYTES];

    (void)state;
    auth_app_digest(SV("alice@example.net"), SV("abcde"), a);
    auth_app_digest(SV("alice@example.net"), SV("abcde"), b);
    assert_memory_equal(a, b, sizeof(a));
    auth_app_digest(SV("alice@example.neta"), SV("bcde"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    auth_app_digest(SV("bob@example.net"), SV("abcde"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    auth_app_digest(SV("alice@example.net"), SV_NONE, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void labels(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"phone", true}, {"Tablet-2.old_one", true},
        {"7", true},     {"", false},
        {"a b", false},  {"a/b", false},
        {"a@b", false},  {"gr\xc3\xbc\xc3\x9f", false},
        {"a\n", false},  {"a,b", false},
        {"..", true},
    };
    char longest[AUTH_LABEL_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((auth_app_label_fault(sv_of(rows[i].text)) == NULL) != rows[i].good)
            fail_msg("%s", rows[i].text);
    }
    memset(longest, 'a', sizeof(longest));
    assert_null(auth_app_label_fault((struct sv){longest, AUTH_LABEL_MAX}));
    assert_non_null(auth_app_label_fault((struct sv){longest, AUTH_LABEL_MAX + 1}));
}

static void names(void **state)
{
    static const struct {
        const char *user, *owner, *label; /* owner NULL: no such form */
    } rows[] = {
        {"alice/phone", "alice", "phone"},
        {"a/b/c", "a/b", "c"},
        {"alice", NULL, NULL},
        {"/phone", NULL, NULL},
        {"alice/", NULL, NULL},
        {"alice/a b", NULL, NULL},
        {"", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sv owner, label;
        bool is = auth_app_split(sv_of(rows[i].user), &owner, &label);

        if (is != (rows[i].owner != NULL) ||
            (is && (!sv_eq(owner, sv_of(rows[i].owner)) || !sv_eq(label, sv_of(rows[i].label)))))
            fail_msg("%s", rows[i].user);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets),
        cmocka_unit_test(digests),
        cmocka_unit_test(labels),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
