/* Names and passwords. */
#include "tests/unit/auth/database.h"

static void names(void **state)
{
    static const struct {
        struct sv text;
        enum auth_name_fault fault;
        const char *name;
    } rows[] = {
        {{"alice", 5}, AUTH_NAME_OK, "alice@example.net"},
        {{"alice@example.net", 17}, AUTH_NAME_OK, "alice@example.net"},
        {{"alice@EXAMPLE.Net", 17}, AUTH_NAME_OK, "alice@example.net"},
        {{"a@sales.example.net", 19}, AUTH_NAME_OK, "a@sales.example.net"},
        {{"Alice", 5}, AUTH_NAME_OK, "Alice@example.net"},
        {{"j\xc3\xbcrgen", 7}, AUTH_NAME_OK, "j\xc3\xbcrgen@example.net"},
        {{"a,b=c+d", 7}, AUTH_NAME_OK, "a,b=c+d@example.net"},
        {{"", 0}, AUTH_NAME_EMPTY, NULL},
        {{"@example.net", 12}, AUTH_NAME_EMPTY, NULL},
        {{"alice@", 6}, AUTH_NAME_REALM, NULL},
        {{"alice@other.example", 19}, AUTH_NAME_REALM, NULL},
        {{"alice@example.ne", 16}, AUTH_NAME_REALM, NULL},
        {{"alice@xexample.net", 18}, AUTH_NAME_REALM, NULL},
        {{"a@b@example.net", 15}, AUTH_NAME_CHARACTER, NULL},
        {{"al ice", 6}, AUTH_NAME_CHARACTER, NULL},
        {{"alice\n", 6}, AUTH_NAME_CHARACTER, NULL},
        {{"al\0ice", 6}, AUTH_NAME_CHARACTER, NULL},
        {{"alice@example.net\0x", 19}, AUTH_NAME_CHARACTER, NULL},
        {{"al\x7fice", 6}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xc2\x85", 4}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xff", 3}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xc0\xaf", 4}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xe0\x80\xaf", 5}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xed\xa0\x80", 5}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xf4\x90\x80\x80", 6}, AUTH_NAME_CHARACTER, NULL},
        {{"al\xc3", 3}, AUTH_NAME_CHARACTER, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_name name;
        enum auth_name_fault fault = auth_name_parse(&database_realm_list, rows[i].text, &name);

        if (fault != rows[i].fault)
            fail_msg("row %zu: %s", i, auth_name_fault_text(fault));
        if (fault == AUTH_NAME_OK)
            assert_string_equal(name.text, rows[i].name);
    }
}

static void lengths(void **state)
{
    char text[300];
    struct auth_name name;

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t len = 1; len < sizeof(text); len++) {
        bool fits = len + sizeof("@example.net") - 1 <= AUTH_NAME_MAX;

        assert_int_equal(auth_name_parse(&database_realm_list, (struct sv){text, len}, &name),
                         fits ? AUTH_NAME_OK : AUTH_NAME_LONG);
        if (fits) {
            assert_int_equal(auth_name_user(&name).len, len);
            assert_true(sv_eq(auth_name_realm(&name), SV("example.net")));
        }
    }
}

static void passwords(void **state)
{
    char big[AUTH_PASSWORD_MAX + 1];

    (void)state;
    memset(big, 'x', sizeof(big));
    assert_null(auth_password_fault(SV("correct horse")));
    assert_null(auth_password_fault(SV("p\xc3\xa4sswort")));
    assert_null(auth_password_fault((struct sv){big, AUTH_PASSWORD_MAX}));
    assert_non_null(auth_password_fault((struct sv){big, AUTH_PASSWORD_MAX + 1}));
    assert_non_null(auth_password_fault(SV("")));
    assert_non_null(auth_password_fault((struct sv){"a\0b", 3}));
    assert_non_null(auth_password_fault(SV("a\r")));
    assert_non_null(auth_password_fault(SV("a\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(lengths),
        cmocka_unit_test(passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
