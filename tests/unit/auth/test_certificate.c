/* Whom a certificate stands for. */
#include "auth/certificate.h"
#include "tests/unit/auth_tls/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *realms[] = {"example.net", "sales.example.net"};

static EVP_PKEY *key;
static struct auth_client_row rows[2];

/* Subject in the form "CN=a/O=b"; one raw address may have a NUL in it. */
static char *make(const char *subject, const char *san, struct sv raw_email, size_t *len_out)
{
    X509 *x = X509_new();
    char parts[200], *save = NULL;
    unsigned char *der = NULL;
    int len;

    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), DAY_S);
    snprintf(parts, sizeof(parts), "%s", subject);
    for (char *p = strtok_r(parts, "/", &save); p != NULL; p = strtok_r(NULL, "/", &save)) {
        char *value = strchr(p, '=');

        *value++ = '\0';
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), p, MBSTRING_UTF8,
                                                    (unsigned char *)value, -1, -1, 0),
                         1);
    }
    X509_set_pubkey(x, key);
    if (san != NULL)
        add_ext(x, NID_subject_alt_name, san);
    if (raw_email.len > 0) {
        GENERAL_NAMES *names = GENERAL_NAMES_new();
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        ASN1_STRING_set(text, raw_email.ptr, (int)raw_email.len);
        GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
        sk_GENERAL_NAME_push(names, name);
        X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
        GENERAL_NAMES_free(names);
    }
    REQUIRE(X509_sign(x, key, EVP_sha256()));
    len = i2d_X509(x, &der);
    X509_free(x);
    *len_out = (size_t)len;
    return (char *)der;
}

/* Logins separated by spaces. */
static void expect(const struct auth_options *o, const char *subject, const char *san,
                   struct sv raw_email, const char *wanted)
{
    struct auth_name list[AUTH_CERTIFICATE_LOGINS_MAX];
    char text[2000] = "";
    size_t len = 0, at = 0;
    char *der = make(subject, san, raw_email, &len);
    size_t count = auth_certificate_logins(o, (struct sv){der, len}, list);

    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "", list[i].text);
    OPENSSL_free(der);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s %s: \"%s\" and not \"%s\"", subject, san ? san : "", text, wanted);
}

static void by_names(void **state)
{
    struct auth_options o = {.realms = {realms, 2}, .client_name = AUTH_CLIENT_EMAIL};
    char many[1000] = "email:u0@example.net";

    (void)state;
    expect(&o, "CN=x", "email:alice@example.net", SV_NONE, "alice@example.net");
    expect(&o, "CN=x", "DNS:example.net,email:alice@EXAMPLE.net", SV_NONE, "alice@example.net");
    expect(&o, "CN=x", "email:a@other.example,email:b@sales.example.net,email:c@example.net",
           SV_NONE, "b@sales.example.net c@example.net");
    expect(&o, "CN=x", "email:a@example.net,email:a@example.net", SV_NONE, "a@example.net");
    expect(&o, "CN=alice", NULL, SV_NONE, ""); /* a CN is no address */
    expect(&o, "CN=alice@example.net", "DNS:alice.example.net", SV_NONE, "");
    expect(&o, "CN=x/emailAddress=old@example.net", NULL, SV_NONE, "old@example.net");
    expect(&o, "CN=x/emailAddress=old@example.net", "email:new@example.net", SV_NONE,
           "new@example.net old@example.net");
    expect(&o, "CN=x", NULL, SV("alice"), ""); /* no realm is guessed for an address */
    expect(&o, "CN=x", NULL, (struct sv){"alice@example.net\0.evil.example", 31}, "");
    expect(&o, "CN=x", NULL, (struct sv){"alice\0@example.net", 18}, "");
    expect(&o, "CN=x", NULL, SV("alice@example.net "), "");
    expect(&o, "CN=x", NULL, SV("a b@example.net"), "");
    expect(&o, "CN=x", NULL, SV("a@b@example.net"), "");
    for (unsigned i = 1; i < 30; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ",email:u%u@example.net", i);
    expect(&o, "CN=x", many, SV_NONE,
           "u0@example.net u1@example.net u2@example.net u3@example.net u4@example.net "
           "u5@example.net u6@example.net u7@example.net u8@example.net u9@example.net "
           "u10@example.net u11@example.net u12@example.net u13@example.net u14@example.net "
           "u15@example.net");

    o.client_name = AUTH_CLIENT_COMMON_NAME;
    expect(&o, "CN=alice", "email:bob@example.net", SV_NONE, "alice@example.net");
    expect(&o, "O=x/CN=alice@sales.example.net", NULL, SV_NONE, "alice@sales.example.net");
    expect(&o, "CN=Alice Miller", NULL, SV_NONE, "");
    expect(&o, "CN=j\xc3\xb6rg", NULL, SV_NONE, "j\xc3\xb6rg@example.net");
    expect(&o, "O=alice", NULL, SV_NONE, "");

    o.client_name = AUTH_CLIENT_TABLE;
    expect(&o, "CN=alice", "email:alice@example.net", SV_NONE, "");
}

static void by_table(void **state)
{
    struct auth_options o = {
        .realms = {realms, 2}, .client_name = AUTH_CLIENT_EMAIL, .client_table = {rows, 2}};
    unsigned char digest[EVP_MAX_MD_SIZE];
    char fingerprint[100] = "";
    struct auth_name list[AUTH_CERTIFICATE_LOGINS_MAX];
    size_t len = 0;
    char *der = make("CN=printer 7/O=Example\\, Inc", "email:alice@example.net", SV_NONE, &len);

    (void)state;
    rows[0] = (struct auth_client_row){"", "O=Example\\, Inc,CN=printer 7", "printer7"};
    rows[1] = (struct auth_client_row){
        "0000000000000000000000000000000000000000000000000000000000000000", "", "bob"};
    /* RFC 4514 writes the last part first; "make" takes the backslash as it is */
    expect(&o, "CN=printer 7/O=Example, Inc", "email:alice@example.net", SV_NONE,
           "printer7@example.net");
    expect(&o, "CN=printer 8/O=Example, Inc", "email:alice@example.net", SV_NONE,
           "alice@example.net");
    SHA256((unsigned char *)der, len, digest);
    for (size_t i = 0; i < 32; i++)
        snprintf(fingerprint + 3 * i, 4, "%02X%s", digest[i], i < 31 ? ":" : "");
    rows[1].fingerprint = fingerprint;
    assert_int_equal(auth_certificate_logins(&o, (struct sv){der, len}, list), 1);
    assert_string_equal(list[0].text, "bob@example.net");
    fingerprint[0] = fingerprint[0] == '0' ? '1' : '0';
    assert_int_equal(auth_certificate_logins(&o, (struct sv){der, len}, list), 1);
    assert_string_equal(list[0].text, "alice@example.net");
    fingerprint[90] = '\0'; /* too short is no match of a part */
    assert_int_equal(auth_certificate_logins(&o, (struct sv){der, len}, list), 1);
    OPENSSL_free(der);
    assert_int_equal(auth_certificate_logins(&o, SV("no certificate"), list), 0);
    assert_int_equal(auth_certificate_logins(&o, SV_NONE, list), 0);
}

static void chosen(void **state)
{
    static const struct {
        const char *authzid, *login; /* NULL: refused */
    } cases[] = {
        {"", "alice@example.net"},
        {"alice", "alice@example.net"},
        {"bob@Sales.Example.net", "bob@sales.example.net"},
        {"bob", NULL},
        {"carol@example.net", NULL},
        {"alice@other.example", NULL},
        {"@", NULL},
    };
    struct auth_options o = {.realms = {realms, 2}, .client_name = AUTH_CLIENT_EMAIL};
    size_t len = 0;
    char *der = make("CN=x", "email:alice@example.net,email:bob@sales.example.net", SV_NONE, &len);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct auth_name login;
        bool good =
            auth_certificate_login(&o, (struct sv){der, len}, sv_of(cases[i].authzid), &login);

        if (good != (cases[i].login != NULL) || (good && strcmp(login.text, cases[i].login) != 0))
            fail_msg("authzid \"%s\"", cases[i].authzid);
    }
    OPENSSL_free(der);
}

static int start(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_names), cmocka_unit_test(by_table),
                                       cmocka_unit_test(chosen)};

    return cmocka_run_group_tests(tests, start, stop);
}
