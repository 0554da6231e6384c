#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/smime_cert.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <string.h>

static struct rewrite_smime_cert *read_one(const struct person *p)
{
    struct rewrite_smime_cert **list, *cert;
    struct buf why;
    size_t count;
    buf_init(&why, 1000, 0);
    assert_int_equal(rewrite_smime_certs_read(sv_of(p->pem), &list, &count, &why), 0);
    assert_int_equal(count, 1);
    cert = list[0];
    free(list);
    buf_deinit(&why);
    return cert;
}

static const struct {
    const char *label;
    struct person_plan plan;
    enum rewrite_smime_fault sign, encrypt;
} rows[] = {
    {"nothing said", {.emails = "email:a@example.net"}, REWRITE_SMIME_USABLE, REWRITE_SMIME_USABLE},
    {"RSA", {.emails = "email:a@example.net", .rsa_bits = 2048}, 0, 0},
    {"for mail", {.emails = "email:a@example.net", .purpose = "emailProtection"}, 0, 0},
    {"for anything", {.emails = "email:a@example.net", .purpose = "anyExtendedKeyUsage"}, 0, 0},
    {"for servers",
     {.emails = "email:a@example.net", .purpose = "serverAuth"},
     REWRITE_SMIME_PURPOSE,
     REWRITE_SMIME_PURPOSE},
    {"EC signs",
     {.emails = "email:a@example.net", .usage = "digitalSignature"},
     0,
     REWRITE_SMIME_USAGE},
    {"EC agrees",
     {.emails = "email:a@example.net", .usage = "keyAgreement"},
     REWRITE_SMIME_USAGE,
     0},
    {"EC does not encipher keys",
     {.emails = "email:a@example.net", .usage = "keyEncipherment,nonRepudiation"},
     0,
     REWRITE_SMIME_USAGE},
    {"RSA enciphers keys",
     {.emails = "email:a@example.net", .usage = "keyEncipherment", .rsa_bits = 2048},
     REWRITE_SMIME_USAGE,
     0},
    {"an authority's",
     {.emails = "email:a@example.net", .usage = "keyCertSign,cRLSign"},
     REWRITE_SMIME_USAGE,
     REWRITE_SMIME_USAGE},
    {"over",
     {.emails = "email:a@example.net", .from_s = -9 * DAY_S, .until_s = -1},
     REWRITE_SMIME_EXPIRED,
     REWRITE_SMIME_EXPIRED},
    {"its last second", {.emails = "email:a@example.net", .from_s = -9, .until_s = 1}, 0, 0},
    {"early",
     {.emails = "email:a@example.net", .from_s = 1},
     REWRITE_SMIME_EARLY,
     REWRITE_SMIME_EARLY},
    {"nobody's", {.emails = "DNS:mail.example.net"}, REWRITE_SMIME_NOBODY, REWRITE_SMIME_NOBODY},
    {"no address", {.emails = "email:nonsense"}, REWRITE_SMIME_NOBODY, REWRITE_SMIME_NOBODY},
    {"in the subject", {.subject = "a@example.net"}, 0, 0},
    {"short key",
     {.emails = "email:a@example.net", .rsa_bits = 1024},
     REWRITE_SMIME_KEY,
     REWRITE_SMIME_KEY},
    {"other curve",
     {.emails = "email:a@example.net", .curve = "secp256k1"},
     REWRITE_SMIME_KEY,
     REWRITE_SMIME_KEY},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct person p = person_new(&rows[i].plan);
        struct rewrite_smime_cert *c = read_one(&p);
        enum rewrite_smime_fault sign = rewrite_smime_cert_fault(c, REWRITE_SMIME_SIGN, NOW_S);
        enum rewrite_smime_fault encrypt =
            rewrite_smime_cert_fault(c, REWRITE_SMIME_ENCRYPT, NOW_S);
        if (sign != rows[i].sign || encrypt != rows[i].encrypt)
            fail_msg("%s: %d %d", rows[i].label, sign, encrypt);
        if (sign == REWRITE_SMIME_USABLE)
            assert_true(rewrite_smime_cert_has(c, SV("a@example.net")));
        else
            assert_true(strlen(rewrite_smime_fault_words(sign)) > 5);
        rewrite_smime_cert_free(c);
        person_free(&p);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct person p = person_new(&(struct person_plan){
        .emails = "email:Bob@Example.ORG,email:b.o.b@example.org,DNS:example.net,email:bob@"
                  "example.org",
        .subject = "old@example.com"});
    struct rewrite_smime_cert *c = read_one(&p);
    assert_int_equal(c->count, 3);
    assert_true(rewrite_smime_cert_has(c, SV("bob@example.org")));
    assert_true(rewrite_smime_cert_has(c, SV("b.o.b@example.org")));
    assert_true(rewrite_smime_cert_has(c, SV("old@example.com")));
    assert_false(rewrite_smime_cert_has(c, SV("ob@example.org")));
    assert_true(rewrite_smime_cert_has_domain(c, SV("example.com")));
    assert_false(rewrite_smime_cert_has_domain(c, SV("example.net")));
    assert_int_equal(strlen(c->id), REWRITE_SMIME_ID_LEN);
    rewrite_smime_cert_free(c);
    person_free(&p);
}

static void test_keys(void **state)
{
    static const char *const cases[][2] = {
        {"Bob@Example.ORG", "bob@example.org"},
        {"\"bob\"@example.org", "bob@example.org"},
        {"bob@b\xc3\xbc"
         "cher.example",
         "bob@xn--bcher-kva.example"},
        {"bob", ""},
        {"", ""},
        {"<bob@example.org>", ""},
        {"bob@example.org ", ""},
    };
    char text[SMTP_PATH_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!sv_eq(rewrite_smime_key(sv_of(cases[i][0]), text), sv_of(cases[i][1])))
            fail_msg("%s", cases[i][0]);
    assert_true(sv_eq(rewrite_smime_key_domain(SV("\"a@b\"@example.org")), SV("example.org")));
}

static void test_files(void **state)
{
    struct person a = person_of("a@example.net", 0), b = person_of("b@example.net", 0);
    struct rewrite_smime_cert **list;
    struct buf text, why;
    size_t count;
    (void)state;
    buf_init(&text, 1u << 20, 0);
    buf_init(&why, 1000, 0);
    assert_int_equal(buf_printf(&text, "words before\n%s\nbetween\n%s", a.pem, b.pem), 0);
    assert_int_equal(rewrite_smime_certs_read(buf_view(&text), &list, &count, &why), 0);
    assert_int_equal(count, 2);
    assert_string_equal(list[0]->addresses[0], "a@example.net");
    assert_string_equal(list[1]->addresses[0], "b@example.net");
    rewrite_smime_cert_free(list[0]);
    rewrite_smime_cert_free(list[1]);
    free(list);
    assert_int_equal(rewrite_smime_certs_read(sv_first(buf_view(&text), buf_len(&text) - 40), &list,
                                              &count, &why),
                     ERR_SYNTAX);
    assert_true(sv_eq(buf_view(&why), SV("certificate 2 is damaged")));
    buf_reset(&why);
    assert_int_equal(rewrite_smime_certs_read(SV(""), &list, &count, &why), ERR_SYNTAX);
    assert_true(sv_starts(buf_view(&why), SV("no PEM certificate")));
    buf_deinit(&text);
    buf_deinit(&why);
    person_free(&a);
    person_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
