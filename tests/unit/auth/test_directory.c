/* Directories of certificates: their URLs, how much of an answer counts, and one that does not
 * answer. What slapd says is in tests/e2e/test_smime_directory.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/directory.h"
#include "msa/base/pack.h"
#include "msa/loop/clock.h"

#include <string.h>

#define URL "ldap://127.0.0.1:1/dc=x?userCertificate;binary?sub?(mail=%s)"

static void test_addresses(void **state)
{
    static const struct {
        struct sv address;
        const char *in_filter;
    } rows[] = {
        {SV("a.b-c_d~1@x.example"), "a.b-c_d~1@x.example"},
        {SV("*@x"), "%5C2a@x"},
        {SV("a)(mail=*@x"), "a%5C29%5C28mail%5C3d%5C2a@x"},
        {SV("a\\2a@x"), "a%5C5c2a@x"},
        {SV("%2a%s@x"), "%5C252a%5C25s@x"},
        {SV("a?b#c&d|e!f@x"), "a%5C3fb%5C23c%5C26d%5C7ce%5C21f@x"},
        {SV("a b\"@x"), "a%5C20b%5C22@x"},
        {SV("a\0\r\n@x"), "a%5C00%5C0d%5C0a@x"},
        {SV("\xc3\xbc@x"), "%5Cc3%5Cbc@x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out, wanted;

        buf_init(&out, 4096, 0);
        buf_init(&wanted, 4096, 0);
        assert_int_equal(auth_directory_url(&out, SV(URL), rows[i].address), 0);
        assert_int_equal(buf_printf(&wanted,
                                    "ldap://127.0.0.1:1/dc=x?userCertificate;binary?sub?(mail=%s)",
                                    rows[i].in_filter),
                         0);
        if (!sv_eq(buf_view(&out), buf_view(&wanted)))
            fail_msg("%.*s, not %.*s", SV_ARG(buf_view(&out)), SV_ARG(buf_view(&wanted)));
        buf_deinit(&out);
        buf_deinit(&wanted);
    }
}

static void test_faults(void **state)
{
    static const struct {
        const char *url, *fault; /* NULL: none */
        bool open;
    } rows[] = {
        {URL, NULL, false},
        {"ldap://[::1]:3/dc=x?a?sub?(mail=%s)", NULL, false},
        {"LDAP://localhost/?a?one?(mail=%s)", NULL, false},
        {"ldap://x.example/dc=x?a?sub?(&(a=b)(mail=%s))", NULL, true},
        {"ldap://127.0.0.1.example/dc=x?a?sub?(mail=%s)", NULL, true},
        {"ldaps://x.example/dc=x?a?sub?(mail=%s)", NULL, false},
        {"ldaps:///dc=x?a?sub?(mail=%s)", "it names no host", false},
        {"ldaps://x/dc=x?a?sub?(mail=x)", "its filter", false},
        {"ldaps://x/dc=x?a?sub", "its filter", false},
        {"ldaps://x/dc=x?a?sub?(|(a=%s)(b=%s))", "its filter", false},
        {"ldaps://x/dc=%s?a?sub?(mail=%s)", "its %s", false},
        {"ldaps://x/dc=x?%s?sub?(mail=%s)", "its %s", false},
        {"ldaps://u@x/dc=x?a?sub?(mail=%s)", "it has a user", false},
        {"ldaps://u:p@x/dc=x?a?sub?(mail=%s)", "it has a user", false},
        {"ldaps://x/dc=a b?a?sub?(mail=%s)", "it has characters", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *right = NULL;
        const char *fault = auth_directory_fault(sv_of(rows[i].url), &right);

        if (!fault != !rows[i].fault || (fault && strstr(fault, rows[i].fault) != fault))
            fail_msg("%s: %s", rows[i].url, fault ? fault : "no fault");
        assert_non_null(right);
        assert_true(auth_directory_is(sv_of(rows[i].url)));
        if (!fault)
            assert_int_equal(auth_directory_is_open(sv_of(rows[i].url)), rows[i].open);
    }
    assert_false(auth_directory_is(SV("/ldap://")));
    assert_false(auth_directory_is(SV("ldapi:///")));
}

/* What is too much is left out, and what fits behind it is not. */
static void test_limit(void **state)
{
    static char large[AUTH_DIRECTORY_BYTES];
    struct buf out;
    struct unpack u;

    (void)state;
    buf_init(&out, AUTH_DIRECTORY_BYTES, 0);
    auth_directory_put(&out, SV("one"));
    auth_directory_put(&out, SV_NONE);
    auth_directory_put(&out, (struct sv){large, sizeof large});
    auth_directory_put(&out, SV("two"));
    u = unpack_start(buf_view(&out));
    assert_true(sv_eq(unpack_sv(&u), SV("one")) && sv_eq(unpack_sv(&u), SV("two")));
    assert_true(unpack_ok(&u));
    buf_deinit(&out);
}

/* Nobody listens: no answer, which is neither kept nor asked for again at once. */
static void test_silence(void **state)
{
    static const char *urls[] = {URL, URL};
    struct auth_directory *d = auth_directory_new(
        &(struct auth_directory_config){.urls = urls, .count = 2, .user = "", .ca_path = ""});
    struct buf out;
    (void)state;
    buf_init(&out, AUTH_DIRECTORY_BYTES, 0);
    assert_true(auth_directory_find(d, SV("a@x.example"), &out) < 0);
    assert_false(auth_directory_kept(d, SV("a@x.example")));
    assert_int_equal(auth_directory_find(d, SV("b@x.example"), &out), ERR_TIMEOUT);
    assert_int_equal(auth_directory_find(d, SV_NONE, &out), 0);
    assert_int_equal(buf_len(&out), 0);
    buf_deinit(&out);
    auth_directory_free(d);
    assert_null(auth_directory_new(&(struct auth_directory_config){.count = 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
