/* Requests to an issuer of tokens, and what of its answers is taken. */
#include "auth/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void forms(void **state)
{
    static const struct {
        struct auth_token_issuer issuer;
        const char *refresh, *form;
    } rows[] = {
        {{.client_id = SV("msad"), .client_secret = SV("s&c=r t"), .scope = SV("mail send")},
         "",
         "grant_type=client_credentials&scope=mail%20send&client_id=msad&"
         "client_secret=s%26c%3Dr%20t"},
        {{.client_id = SV("m/1")},
         "1//r+t",
         "grant_type=refresh_token&refresh_token=1%2F%2Fr%2Bt&client_id=m%2F1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;

        buf_init(&out, 1000, BUF_SECRET);
        assert_int_equal(auth_token_form(&out, &rows[i].issuer, sv_of(rows[i].refresh)), 0);
        assert_string_equal(buf_view(&out).ptr, rows[i].form);
        buf_deinit(&out);
        buf_init(&out, strlen(rows[i].form) - 1, BUF_SECRET);
        assert_true(auth_token_form(&out, &rows[i].issuer, sv_of(rows[i].refresh)) < 0);
        buf_deinit(&out);
    }
}

static void answers(void **state)
{
    static const struct {
        const char *json, *access, *refresh;
        uint32_t life_s;
        const char *wrong;
    } rows[] = {
        {"{\"access_token\":\"a.B-c_d~+/==\",\"token_type\":\"bearer\",\"expires_in\":3599,"
         "\"refresh_token\":\"r 1\",\"id_token\":{}}",
         "a.B-c_d~+/==", "r 1", 3599, ""},
        {"{\"access_token\":\"a\"}", "a", "", AUTH_TOKEN_LIFE_S, ""},
        {"{\"access_token\":\"a\",\"expires_in\":\"60\",\"refresh_token\":null}", "a", "", 60, ""},
        {"{\"access_token\":\"a\",\"expires_in\":-5}", "a", "", AUTH_TOKEN_LIFE_S, ""},
        {"{\"access_token\":\"a\",\"expires_in\":\"6e1\"}", "a", "", AUTH_TOKEN_LIFE_S, ""},
        {"{\"access_token\":\"a\",\"expires_in\":9223372036854775807}", "a", "",
         AUTH_TOKEN_LIFE_MAX_S, ""},
        {"", NULL, NULL, 0, "it is no JSON object"},
        {"[\"a\"]", NULL, NULL, 0, "it is no JSON object"},
        {"{\"access_token\":\"a\"} x", NULL, NULL, 0, "it is no JSON object"},
        {"{\"access_token\":\"a\",\"access_token\":\"b\"}", NULL, NULL, 0, "it is no JSON object"},
        {"{\"error\":\"x\"}", NULL, NULL, 0, "it has no access_token"},
        {"{\"access_token\":7}", NULL, NULL, 0, "it has no access_token"},
        {"{\"access_token\":\"a\\u0001auth=\"}", NULL, NULL, 0,
         "its access_token has characters that a token may not have"},
        {"{\"access_token\":\"a b\"}", NULL, NULL, 0,
         "its access_token has characters that a token may not have"},
        {"{\"access_token\":\"a\",\"token_type\":\"mac\"}", NULL, NULL, 0,
         "its token_type is not Bearer"},
        {"{\"access_token\":\"a\",\"refresh_token\":\"b\\nc\"}", NULL, NULL, 0,
         "its refresh_token is none"},
        {"{\"access_token\":\"a\",\"refresh_token\":[]}", NULL, NULL, 0,
         "its refresh_token is none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_token t;
        struct buf why;
        int err;

        auth_token_init(&t);
        buf_init(&why, 200, 0);
        err = auth_token_read(sv_of(rows[i].json), &t, &why);
        if ((err < 0) != (*rows[i].wrong != '\0') ||
            (err < 0 && !sv_iends(buf_view(&why), sv_of(rows[i].wrong))))
            fail_msg("row %zu: %d %.*s", i, err, SV_ARG(buf_view(&why)));
        if (!sv_eq(buf_view(&t.access), sv_of(rows[i].access)) ||
            !sv_eq(buf_view(&t.refresh), sv_of(rows[i].refresh)))
            fail_msg("row %zu: %.*s %.*s", i, SV_ARG(buf_view(&t.access)),
                     SV_ARG(buf_view(&t.refresh)));
        if (err == 0)
            assert_int_equal(t.life_s, rows[i].life_s);
        auth_token_deinit(&t);
        buf_deinit(&why);
    }
}

static void long_tokens(void **state)
{
    static char json[AUTH_TOKEN_ACCESS_MAX + 100];
    struct auth_token t;
    struct buf why;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t len = AUTH_TOKEN_ACCESS_MAX + more;

        memcpy(json, "{\"access_token\":\"", 17);
        memset(json + 17, 'a', len);
        memcpy(json + 17 + len, "\"}", 3);
        auth_token_init(&t);
        buf_init(&why, 200, 0);
        assert_int_equal(auth_token_read(sv_of(json), &t, &why) < 0, more);
        assert_int_equal(buf_len(&t.access), more ? 0 : len);
        auth_token_deinit(&t);
        buf_deinit(&why);
    }
}

#define HUNDRED                                                                           \
    "..................................................................................." \
    "................."

static void refusals(void **state)
{
    static const struct {
        const char *json, *words;
    } rows[] = {
        {"{\"error\":\"invalid_grant\"}", "invalid_grant"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS700082: it "
         "expired.\\r\\nTrace "
         "ID: 1\"}",
         "invalid_grant (AADSTS700082: it expired.)"},
        {"{\"error\":\"invalid_client\",\"error_description\":\"bad secret s3cret\"}",
         "invalid_client"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"no r3f/resh here\"}",
         "invalid_grant"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"\\u001b[2J\"}", "invalid_grant"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"" HUNDRED HUNDRED HUNDRED "no\"}",
         "invalid_grant (" HUNDRED HUNDRED HUNDRED ")"},
        /* a secret across the cut, one behind it, one of our form */
        {"{\"error\":\"invalid_grant\",\"error_description\":\"..." HUNDRED HUNDRED
         "...................................................................................."
         "..........r3f/resh\"}",
         "invalid_grant"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"no r3f/\\nresh s3cret\"}",
         "invalid_grant"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"refresh_token=r3f%2Fresh\"}",
         "invalid_grant"},
        {"{\"error\":\"a b\"}", ""},
        {"{\"error\":{}}", ""},
        {"<html>", ""},
        {"", ""},
    };
    static const struct auth_token_issuer issuer = {.client_secret = SV("s3cret")};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf why;

        buf_init(&why, 500, 0);
        auth_token_refusal(sv_of(rows[i].json), &issuer, SV("r3f/resh"), &why);
        if (!sv_eq(buf_view(&why), sv_of(rows[i].words)))
            fail_msg("row %zu: %.*s", i, SV_ARG(buf_view(&why)));
        buf_deinit(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(answers),
                                       cmocka_unit_test(long_tokens), cmocka_unit_test(refusals)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
