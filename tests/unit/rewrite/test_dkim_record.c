#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/dkim_record.h"

#include <string.h>

static const struct {
    const char *record;
    enum rewrite_dkim_algorithm algorithm;
    const char *verdict, *why;
} rows[] = {
    {"v=DKIM1; k=rsa; p=QUJD", REWRITE_DKIM_RSA, "ok", ""},
    {"p=QUJD", REWRITE_DKIM_RSA, "ok", ""},
    {" v = DKIM1 ;\tk=RSA; p = QU JD ;", REWRITE_DKIM_RSA, "ok", ""},
    {"v=DKIM1; k=ed25519; p=QUJD", REWRITE_DKIM_ED25519, "ok", ""},
    {"v=DKIM1; h=sha1:sha256; s=*; t=s; n=note; p=QUJD", REWRITE_DKIM_RSA, "ok", ""},
    {"v=DKIM1; s=tlsrpt : email; t=y:s; p=QUJD", REWRITE_DKIM_RSA, "ok",
     "its t=y says that the domain is only testing"},
    {"v=DKIM1; p=", REWRITE_DKIM_RSA, "revoked", "its p= is empty"},
    {"v=DKIM1; k=ed25519; p=QUJD", REWRITE_DKIM_RSA, "differs", "its k= names another kind of key"},
    {"v=DKIM1; p=QUJD", REWRITE_DKIM_ED25519, "differs", "its k= names another kind of key"},
    {"v=DKIM1; p=QUJE", REWRITE_DKIM_RSA, "differs", "its p= is another key"},
    {"v=DKIM1; p=QUJ", REWRITE_DKIM_RSA, "differs", "its p= is another key"},
    {"v=DKIM1; p=QUJDx", REWRITE_DKIM_RSA, "differs", "its p= is another key"},
    {"v=DKIM1; h=sha1; p=QUJD", REWRITE_DKIM_RSA, "differs", "its h= leaves sha256 out"},
    {"v=DKIM1; s=other; p=QUJD", REWRITE_DKIM_RSA, "differs", "its s= leaves email out"},
    {"v=spf1 -all", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM2; p=QUJD", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1; nonsense; p=QUJD", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1; p=QUJD; junk", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1;; p=QUJD", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1; p=QUJD;;", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1; =x; p=QUJD", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
    {"v=DKIM1; p=QUJD; ", REWRITE_DKIM_RSA, "ok", ""},
    {"p=QUJD; v=DKIM1", REWRITE_DKIM_RSA, "differs", "its v= does not stand first"},
    {"v=DKIM1; p=QUJD; p=QUJD", REWRITE_DKIM_RSA, "differs", "it has a tag twice"},
    {"v=DKIM1; n=a; p=QUJD; n=b", REWRITE_DKIM_RSA, "differs", "it has a tag twice"},
    {"v=DKIM1; v=DKIM1; p=QUJD", REWRITE_DKIM_RSA, "differs", "it has a tag twice"},
    {"", REWRITE_DKIM_RSA, "differs", "it is no record of a DKIM key"},
};

static void test_judge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why;
        enum rewrite_dkim_verdict v =
            rewrite_dkim_record_judge(sv_of(rows[i].record), rows[i].algorithm, SV("QUJD"), &why);
        if (strcmp(rewrite_dkim_verdict_word(v), rows[i].verdict) != 0 ||
            strcmp(why, rows[i].why) != 0)
            fail_msg("%s: %s, %s", rows[i].record, rewrite_dkim_verdict_word(v), why);
    }
}

static void test_write(void **state)
{
    struct buf out;
    const char *why;
    (void)state;
    buf_init(&out, 100, 0);
    for (unsigned a = 0; a < REWRITE_DKIM_ALGORITHM_COUNT; a++) {
        buf_reset(&out);
        assert_int_equal(rewrite_dkim_record_write(&out, a, SV("QUJD")), 0);
        assert_int_equal(rewrite_dkim_record_judge(buf_view(&out), a, SV("QUJD"), &why),
                         REWRITE_DKIM_RECORD_OK);
    }
    assert_true(sv_eq(buf_view(&out), SV("v=DKIM1; k=ed25519; p=QUJD")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
