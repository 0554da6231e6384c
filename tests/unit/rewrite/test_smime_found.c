/* Certificates out of a directory's answer, and the authorities that vouch for them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/pack.h"
#include "rewrite/smime_people.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <string.h>

enum { BOB, NEWER, LATER, OLD, OTHER, SERVER, PEOPLE };
static struct person people[PEOPLE];

static int set_up(void **state)
{
    static const struct person_plan plans[PEOPLE] = {
        [BOB] = {.emails = "email:bob@example.org", .from_s = -9 * DAY_S},
        [NEWER] = {.emails = "email:x@example.org,email:bob@example.org", .from_s = -2 * DAY_S},
        [LATER] = {.emails = "email:bob@example.org", .from_s = DAY_S},
        [OLD] = {.emails = "email:bob@example.org", .from_s = -9 * DAY_S, .until_s = -1},
        [OTHER] = {.emails = "email:carol@example.org", .from_s = -DAY_S},
        [SERVER] = {.emails = "email:bob@example.org", .purpose = "serverAuth", .from_s = -DAY_S},
    };
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++)
        people[i] = person_new(&plans[i]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++)
        person_free(&people[i]);
    return 0;
}

static struct rewrite_smime *set_of(struct sv authorities)
{
    static struct rewrite_encrypt_options rules[] = {{"*", REWRITE_SMIME_REQUIRE}};
    static const char *paths[] = {"ldaps://x/"};
    struct rewrite_options o = {.encrypt = {rules, 1}, .certificates = {paths, 1}};
    struct rewrite_smime *set = rewrite_smime_new(
        &(struct rewrite_smime_config){.options = &o, .authorities = authorities, .now_s = NOW_S});
    assert_true(rewrite_smime_has_directory(set));
    return set;
}

/* who: people, -1: bytes that are none; ends with PEOPLE. */
static void pack(struct buf *out, const int *who)
{
    buf_init(out, 1u << 20, 0);
    for (; *who != PEOPLE; who++) {
        unsigned char *der = NULL;
        int len = *who < 0 ? 0 : i2d_X509(people[*who].x509, &der);
        pack_sv(out, *who < 0 ? SV("0\x82no") : (struct sv){(const char *)der, (size_t)len});
        OPENSSL_free(der);
    }
}

static const struct {
    const char *label;
    int who[5], best; /* best: PEOPLE: none */
    enum rewrite_smime_fault fault;
} rows[] = {
    {"nothing", {PEOPLE}, PEOPLE, REWRITE_SMIME_USABLE},
    {"one", {BOB, PEOPLE}, BOB, REWRITE_SMIME_USABLE},
    {"the newest first", {NEWER, BOB, PEOPLE}, NEWER, REWRITE_SMIME_USABLE},
    {"the newest last", {BOB, NEWER, PEOPLE}, NEWER, REWRITE_SMIME_USABLE},
    {"one to come", {BOB, LATER, PEOPLE}, BOB, REWRITE_SMIME_EARLY},
    {"expired", {OLD, PEOPLE}, PEOPLE, REWRITE_SMIME_EXPIRED},
    {"of another", {OTHER, PEOPLE}, PEOPLE, REWRITE_SMIME_OTHER},
    {"for servers", {SERVER, PEOPLE}, PEOPLE, REWRITE_SMIME_PURPOSE},
    {"damaged", {-1, PEOPLE}, PEOPLE, REWRITE_SMIME_DAMAGED},
    {"all bad but one", {-1, OTHER, NEWER, OLD, PEOPLE}, NEWER, REWRITE_SMIME_EXPIRED},
};

static void test_best(void **state)
{
    struct rewrite_smime *set = set_of(SV_NONE);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_smime_found f;
        struct buf packed;
        pack(&packed, rows[i].who);
        rewrite_smime_found_read(set, buf_view(&packed), SV("bob@example.org"), NOW_S, &f);
        bool right = rows[i].best == PEOPLE
                         ? !f.cert
                         : f.cert && X509_cmp(f.cert->x509, people[rows[i].best].x509) == 0;
        if (!right || f.fault != rows[i].fault)
            fail_msg("%s: fault %d", rows[i].label, f.fault);
        rewrite_smime_found_free(&f);
        /* cut anywhere it is read as far as it goes */
        for (size_t n = 0; n < buf_len(&packed); n += 7) {
            char *cut = mem_dup(buf_view(&packed).ptr, n);
            rewrite_smime_found_read(set, (struct sv){cut, n}, SV("bob@example.org"), NOW_S, &f);
            rewrite_smime_found_free(&f);
            free(cut);
        }
        buf_deinit(&packed);
    }
    rewrite_smime_drop(set);
}

/* What a directory has counts where no file has one, and of faults the directory's is told. */
static void test_shares(void **state)
{
    const struct sv address[] = {SV("bob@example.org")};
    struct rewrite_smime *set = set_of(SV_NONE);
    struct rewrite_smime_found found[2] = {{.fault = REWRITE_SMIME_EXPIRED}, {.cert = NULL}};
    struct rewrite_smime_share share;
    struct buf packed;
    size_t lacking;
    (void)state;
    assert_false(rewrite_smime_share_out(set, SV("To: bob@example.org\r\n\r\n"), address, found, 1,
                                         NOW_S, &share, &lacking));
    assert_int_equal(share.fault, REWRITE_SMIME_EXPIRED);
    pack(&packed, (const int[]){BOB, PEOPLE});
    rewrite_smime_found_read(set, buf_view(&packed), address[0], NOW_S, &found[0]);
    assert_true(rewrite_smime_share_out(set, SV("To: bob@example.org\r\n\r\n"), address, found, 1,
                                        NOW_S, &share, &lacking));
    assert_int_equal(share.kind, REWRITE_SMIME_SHARE_NAMED);
    assert_ptr_equal(share.cert, found[0].cert);
    rewrite_smime_found_free(&found[0]);
    buf_deinit(&packed);
    rewrite_smime_drop(set);
}

static void test_authorities(void **state)
{
    struct rewrite_smime *set = set_of(sv_of(people[BOB].pem));
    struct rewrite_smime_found f;
    struct buf packed;
    (void)state;
    pack(&packed, (const int[]){BOB, NEWER, PEOPLE});
    rewrite_smime_found_read(set, buf_view(&packed), SV("bob@example.org"), NOW_S, &f);
    assert_non_null(f.cert);
    assert_int_equal(X509_cmp(f.cert->x509, people[BOB].x509), 0);
    assert_int_equal(f.fault, REWRITE_SMIME_UNTRUSTED);
    assert_int_equal(rewrite_smime_recipient_fault(set, f.cert, NOW_S), REWRITE_SMIME_USABLE);
    assert_int_equal(rewrite_smime_recipient_fault(set, f.cert, NOW_S + 99 * DAY_S),
                     REWRITE_SMIME_EXPIRED);
    rewrite_smime_found_free(&f);
    buf_deinit(&packed);
    rewrite_smime_drop(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_authorities),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
