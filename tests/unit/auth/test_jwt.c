/* Tokens, good and bad: whatever is not our issuer's, for us, now, is refused for its own reason.
 */
#include "auth/jwt.h"
#include "msa/base/b64.h"

#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW    1800000000
#define CLAIMS "\"iss\":\"https://i.example\",\"aud\":\"mail\",\"exp\":1800000600"
#define LOGIN  ",\"email\":\"alice@example.net\""

static const char *audience[] = {"mail", "smtp"};
static struct auth_token_rules rules = {.issuer = "https://i.example",
                                        .audience = {audience, 2},
                                        .claim = "email",
                                        .scope = "",
                                        .skew_s = 60};

static EVP_PKEY *rsa, *other_rsa, *small_rsa, *ec, *p384, *ed;
static struct auth_jwks *keys;

static void put_url(struct buf *out, struct sv bytes)
{
    struct buf plain;

    buf_init(&plain, 60000, 0);
    assert_int_equal(b64_encode(&plain, bytes), 0);
    for (size_t i = 0; i < buf_len(&plain); i++) {
        char c = buf_view(&plain).ptr[i];

        c = c == '+' ? '-' : c == '/' ? '_' : c;
        if (c != '=')
            assert_int_equal(buf_append(out, &c, 1), 0);
    }
    buf_deinit(&plain);
}

/* Appends a JWK of the key, with these members more. */
static void put_jwk(struct buf *out, EVP_PKEY *key, const char *more)
{
    BIGNUM *n = NULL, *e = NULL, *x = NULL, *y = NULL;
    unsigned char bytes[1024];
    size_t len = sizeof(bytes);

    if (EVP_PKEY_is_a(key, "RSA")) {
        EVP_PKEY_get_bn_param(key, "n", &n);
        EVP_PKEY_get_bn_param(key, "e", &e);
        assert_int_equal(buf_printf(out, "{\"kty\":\"RSA\",\"n\":\""), 0);
        put_url(out, (struct sv){(char *)bytes, (size_t)BN_bn2bin(n, bytes)});
        assert_int_equal(buf_printf(out, "\",\"e\":\""), 0);
        put_url(out, (struct sv){(char *)bytes, (size_t)BN_bn2bin(e, bytes)});
    } else if (EVP_PKEY_is_a(key, "EC")) {
        int width = EVP_PKEY_get_bits(key) / 8;

        EVP_PKEY_get_bn_param(key, "qx", &x);
        EVP_PKEY_get_bn_param(key, "qy", &y);
        assert_int_equal(buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"", width * 8),
                         0);
        put_url(out, (struct sv){(char *)bytes, (size_t)BN_bn2binpad(x, bytes, width)});
        assert_int_equal(buf_printf(out, "\",\"y\":\""), 0);
        put_url(out, (struct sv){(char *)bytes, (size_t)BN_bn2binpad(y, bytes, width)});
    } else {
        EVP_PKEY_get_raw_public_key(key, bytes, &len);
        assert_int_equal(buf_printf(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""), 0);
        put_url(out, (struct sv){(char *)bytes, len});
    }
    assert_int_equal(buf_printf(out, "\"%s}", more), 0);
    BN_free(n);
    BN_free(e);
    BN_free(x);
    BN_free(y);
}

enum how { BY_NAME, AS_PKCS1, AS_PSS, AS_DER, HMAC_OF_PEM, EMPTY };

static void put_signature(struct buf *out, EVP_PKEY *key, const char *alg, enum how how)
{
    struct sv text = buf_view(out);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pk = NULL;
    unsigned char bytes[2048];
    size_t len = sizeof(bytes);
    struct buf copy;

    buf_init(&copy, 60000, 0);
    assert_int_equal(buf_put(&copy, text), 0);
    if (how == HMAC_OF_PEM) { /* the public key taken for a shared secret */
        BIO *bio = BIO_new(BIO_s_mem());
        unsigned mac_len = 0;
        char *pem;
        long pem_len;

        PEM_write_bio_PUBKEY(bio, key);
        pem_len = BIO_get_mem_data(bio, &pem);
        HMAC(EVP_sha256(), pem, (int)pem_len, (const unsigned char *)buf_view(&copy).ptr,
             buf_len(&copy), bytes, &mac_len);
        len = mac_len;
        BIO_free(bio);
    } else {
        assert_int_equal(EVP_DigestSignInit(ctx, &pk,
                                            EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256(),
                                            NULL, key),
                         1);
        if (how == AS_PSS || (how == BY_NAME && strcmp(alg, "PS256") == 0)) {
            EVP_PKEY_CTX_set_rsa_padding(pk, RSA_PKCS1_PSS_PADDING);
            EVP_PKEY_CTX_set_rsa_pss_saltlen(pk, RSA_PSS_SALTLEN_DIGEST);
        }
        assert_int_equal(EVP_DigestSign(ctx, bytes, &len,
                                        (const unsigned char *)buf_view(&copy).ptr, buf_len(&copy)),
                         1);
    }
    if (how != AS_DER && how != HMAC_OF_PEM && EVP_PKEY_is_a(key, "EC")) {
        const unsigned char *at = bytes;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);

        len = 2 * (size_t)EVP_PKEY_get_bits(key) / 8;
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), bytes, (int)len / 2);
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), bytes + len / 2, (int)len / 2);
        ECDSA_SIG_free(sig);
    }
    assert_int_equal(buf_append(out, ".", 1), 0);
    if (how != EMPTY)
        put_url(out, (struct sv){(char *)bytes, len});
    EVP_MD_CTX_free(ctx);
    buf_deinit(&copy);
}

/* header has "ALG" in the place of the algorithm. */
static void make(struct buf *out, EVP_PKEY *key, const char *alg, const char *header,
                 const char *claims, enum how how)
{
    char text[20000];

    buf_init(out, 60000, 0);
    snprintf(text, sizeof(text), "{\"alg\":\"%s\"%s}", alg, header);
    put_url(out, sv_of(text));
    assert_int_equal(buf_append(out, ".", 1), 0);
    snprintf(text, sizeof(text), "{%s}", claims);
    put_url(out, sv_of(text));
    put_signature(out, key, alg, how);
}

static enum auth_token_fault check_at(struct sv token, int64_t now_s, char login[300])
{
    struct buf claim;
    enum auth_token_fault fault;

    buf_init(&claim, 255, 0);
    fault = auth_jwt_check(keys, &rules, token, now_s, &claim);
    snprintf(login, 300, "%.*s", SV_ARG(buf_view(&claim)));
    buf_deinit(&claim);
    return fault;
}

static void tokens(void **state)
{
    const struct {
        EVP_PKEY *key;
        const char *alg, *header, *claims;
        enum how how;
        enum auth_token_fault fault;
    } rows[] = {
        {rsa, "RS256", "", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        {rsa, "RS256", ",\"kid\":\"r\",\"typ\":\"JWT\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        {rsa, "PS256", ",\"kid\":\"r\",\"typ\":\"at+jwt\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        {ec, "ES256", ",\"kid\":\"e\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        {ed, "EdDSA", ",\"kid\":\"d\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        /* algorithms, and keys taken for what they are not */
        {rsa, "none", "", CLAIMS LOGIN, EMPTY, AUTH_TOKEN_ALGORITHM},
        {rsa, "None", ",\"kid\":\"r\"", CLAIMS LOGIN, EMPTY, AUTH_TOKEN_ALGORITHM},
        {rsa, "", "", CLAIMS LOGIN, EMPTY, AUTH_TOKEN_ALGORITHM},
        {rsa, "HS256", "", CLAIMS LOGIN, HMAC_OF_PEM, AUTH_TOKEN_ALGORITHM},
        {rsa, "RS256", "", CLAIMS LOGIN, HMAC_OF_PEM, AUTH_TOKEN_SIGNATURE},
        {rsa, "RS256", "", CLAIMS LOGIN, EMPTY, AUTH_TOKEN_SIGNATURE},
        {rsa, "RS256", "", CLAIMS LOGIN, AS_PSS, AUTH_TOKEN_SIGNATURE},
        {rsa, "PS256", "", CLAIMS LOGIN, AS_PKCS1, AUTH_TOKEN_SIGNATURE},
        {rsa, "RS512", "", CLAIMS LOGIN, AS_PKCS1, AUTH_TOKEN_ALGORITHM},
        {rsa, "rs256", "", CLAIMS LOGIN, AS_PKCS1, AUTH_TOKEN_ALGORITHM},
        {rsa, "ES256", ",\"kid\":\"r\"", CLAIMS LOGIN, AS_PKCS1, AUTH_TOKEN_ALGORITHM},
        {ec, "RS256", ",\"kid\":\"e\"", CLAIMS LOGIN, AS_DER, AUTH_TOKEN_ALGORITHM},
        {ec, "ES256", ",\"kid\":\"e\"", CLAIMS LOGIN, AS_DER, AUTH_TOKEN_SIGNATURE},
        {ec, "EdDSA", ",\"kid\":\"e\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_ALGORITHM},
        {p384, "ES256", "", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_SIGNATURE},
        {other_rsa, "RS256", "", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_SIGNATURE},
        {other_rsa, "RS256", ",\"kid\":\"r\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_SIGNATURE},
        {small_rsa, "RS256", "", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_SIGNATURE}, /* not taken in */
        {rsa, "RS256", ",\"kid\":\"x\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_KEY},
        {rsa, "RS256", ",\"kid\":\"e\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_ALGORITHM},
        {rsa, "PS256", ",\"kid\":\"only\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_ALGORITHM},
        {rsa, "RS256", ",\"kid\":\"enc\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_KEY},
        {rsa, "RS256", ",\"jwk\":{},\"jku\":\"https://evil.example\"", CLAIMS LOGIN, BY_NAME,
         AUTH_TOKEN_GOOD}, /* what it says of keys is not read */
        /* headers */
        {rsa, "RS256", ",\"crit\":[\"exp\"]", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", ",\"typ\":\"secevent+jwt\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", ",\"typ\":7", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", ",\"kid\":7", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", ",\"alg\":\"none\"", CLAIMS LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        /* claims */
        {rsa, "RS256", "", "\"aud\":\"mail\",\"exp\":1800000600" LOGIN, BY_NAME, AUTH_TOKEN_ISSUER},
        {rsa, "RS256", "", CLAIMS ",\"iss\":\"https://i.example\"" LOGIN, BY_NAME,
         AUTH_TOKEN_MALFORMED}, /* twice */
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example/\",\"aud\":\"mail\",\"exp\":1800000600" LOGIN, BY_NAME,
         AUTH_TOKEN_ISSUER},
        {rsa, "RS256", "",
         "\"iss\":[\"https://i.example\"],\"aud\":\"mail\",\"exp\":1800000600" LOGIN, BY_NAME,
         AUTH_TOKEN_ISSUER},
        {rsa, "RS256", "", "\"iss\":\"https://i.example\",\"exp\":1800000600" LOGIN, BY_NAME,
         AUTH_TOKEN_AUDIENCE},
        {rsa, "RS256", "", "\"iss\":\"https://i.example\",\"aud\":\"web\",\"exp\":1800000600" LOGIN,
         BY_NAME, AUTH_TOKEN_AUDIENCE},
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example\",\"aud\":\"mailx\",\"exp\":1800000600" LOGIN, BY_NAME,
         AUTH_TOKEN_AUDIENCE},
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example\",\"aud\":[\"web\",7,\"smtp\"],\"exp\":1800000600" LOGIN,
         BY_NAME, AUTH_TOKEN_GOOD},
        {rsa, "RS256", "", "\"iss\":\"https://i.example\",\"aud\":[],\"exp\":1800000600" LOGIN,
         BY_NAME, AUTH_TOKEN_AUDIENCE},
        {rsa, "RS256", "", "\"iss\":\"https://i.example\",\"aud\":\"mail\"" LOGIN, BY_NAME,
         AUTH_TOKEN_EXPIRED},
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example\",\"aud\":\"mail\",\"exp\":1799999940" LOGIN, BY_NAME,
         AUTH_TOKEN_EXPIRED},
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example\",\"aud\":\"mail\",\"exp\":1799999941" LOGIN, BY_NAME,
         AUTH_TOKEN_GOOD},
        {rsa, "RS256", "",
         "\"iss\":\"https://i.example\",\"aud\":\"mail\",\"exp\":\"1800000600\"" LOGIN, BY_NAME,
         AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", "", CLAIMS ",\"nbf\":1800000061" LOGIN, BY_NAME, AUTH_TOKEN_EARLY},
        {rsa, "RS256", "", CLAIMS ",\"nbf\":1800000060,\"iat\":1800000060" LOGIN, BY_NAME,
         AUTH_TOKEN_GOOD},
        {rsa, "RS256", "", CLAIMS ",\"iat\":1800000061" LOGIN, BY_NAME, AUTH_TOKEN_EARLY},
        {rsa, "RS256", "", CLAIMS ",\"nbf\":null" LOGIN, BY_NAME, AUTH_TOKEN_MALFORMED},
        {rsa, "RS256", "", CLAIMS, BY_NAME, AUTH_TOKEN_LOGIN},
        {rsa, "RS256", "", CLAIMS ",\"email\":\"\"", BY_NAME, AUTH_TOKEN_LOGIN},
        {rsa, "RS256", "", CLAIMS ",\"email\":[\"alice@example.net\"]", BY_NAME, AUTH_TOKEN_LOGIN},
        {rsa, "RS256", "", CLAIMS ",\"email_verified\":false" LOGIN, BY_NAME, AUTH_TOKEN_LOGIN},
        {rsa, "RS256", "", CLAIMS ",\"email_verified\":\"true\"" LOGIN, BY_NAME, AUTH_TOKEN_LOGIN},
        {rsa, "RS256", "", CLAIMS ",\"email_verified\":true" LOGIN, BY_NAME, AUTH_TOKEN_GOOD},
        {rsa, "RS256", "", "", BY_NAME, AUTH_TOKEN_ISSUER},
    };
    char login[300];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf token;
        enum auth_token_fault fault;

        make(&token, rows[i].key, rows[i].alg, rows[i].header, rows[i].claims, rows[i].how);
        fault = check_at(buf_view(&token), NOW, login);
        if (fault != rows[i].fault)
            fail_msg("row %zu: %s", i, auth_token_fault_text(fault));
        assert_string_equal(login, fault == AUTH_TOKEN_GOOD ? "alice@example.net" : "");
        buf_deinit(&token);
    }
}

/* One good token with any octet changed, cut or added is a bad one. */
static void damaged(void **state)
{
    struct buf token, bad;
    char login[300];

    (void)state;
    make(&token, ed, "EdDSA", ",\"kid\":\"d\"", CLAIMS LOGIN, BY_NAME);
    assert_int_equal(check_at(buf_view(&token), NOW, login), AUTH_TOKEN_GOOD);
    for (size_t i = 0; i < buf_len(&token); i++) {
        char copy[2000];

        memcpy(copy, buf_view(&token).ptr, buf_len(&token));
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(check_at((struct sv){copy, buf_len(&token)}, NOW, login),
                             AUTH_TOKEN_GOOD);
        assert_int_not_equal(check_at((struct sv){copy, i}, NOW, login), AUTH_TOKEN_GOOD);
    }
    buf_init(&bad, 60000, 0);
    for (const char *c = "A.=+/ \001"; *c != '\0'; c++) {
        buf_reset(&bad);
        assert_int_equal(buf_put(&bad, buf_view(&token)) + buf_append(&bad, c, 1), 0);
        assert_int_not_equal(check_at(buf_view(&bad), NOW, login), AUTH_TOKEN_GOOD);
    }
    buf_reset(&bad);
    while (buf_len(&bad) <= AUTH_TOKEN_MAX)
        assert_int_equal(buf_put(&bad, SV("AAAA")), 0);
    assert_int_equal(check_at(buf_view(&bad), NOW, login), AUTH_TOKEN_MALFORMED);
    assert_int_equal(check_at(SV(""), NOW, login), AUTH_TOKEN_MALFORMED);
    assert_int_equal(check_at(SV(".."), NOW, login), AUTH_TOKEN_MALFORMED);
    buf_deinit(&bad);
    buf_deinit(&token);
}

static void scopes(void **state)
{
    static const struct {
        const char *claims;
        enum auth_token_fault fault;
    } rows[] = {
        {CLAIMS LOGIN ",\"scope\":\"openid mail.send\"", AUTH_TOKEN_GOOD},
        {CLAIMS LOGIN ",\"scp\":[\"x\",\"mail.send\"]", AUTH_TOKEN_GOOD},
        {CLAIMS LOGIN ",\"scp\":\"mail.send\"", AUTH_TOKEN_GOOD},
        {CLAIMS LOGIN ",\"scope\":\"mail.sender mail\"", AUTH_TOKEN_SCOPE},
        {CLAIMS LOGIN ",\"scope\":7", AUTH_TOKEN_SCOPE},
        {CLAIMS LOGIN, AUTH_TOKEN_SCOPE},
    };
    char login[300];

    (void)state;
    rules.scope = "mail.send";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf token;

        make(&token, ed, "EdDSA", "", rows[i].claims, BY_NAME);
        assert_int_equal(check_at(buf_view(&token), NOW, login), rows[i].fault);
        buf_deinit(&token);
    }
    rules.scope = "";
}

/* What an issuer answers about a token. */
static void introspected(void **state)
{
    static const struct {
        const char *json;
        enum auth_token_fault fault;
    } rows[] = {
        {"{\"active\":true" LOGIN "}", AUTH_TOKEN_GOOD},
        {"{\"active\":true," CLAIMS LOGIN "}", AUTH_TOKEN_GOOD},
        {"{\"active\":false," CLAIMS LOGIN "}", AUTH_TOKEN_INACTIVE},
        {"{\"active\":\"true\"" LOGIN "}", AUTH_TOKEN_MALFORMED},
        {"{\"active\":true,\"iss\":\"x\"" LOGIN "}", AUTH_TOKEN_ISSUER},
        {"{\"active\":true,\"aud\":\"web\"" LOGIN "}", AUTH_TOKEN_AUDIENCE},
        {"{\"active\":true,\"exp\":1700000000" LOGIN "}", AUTH_TOKEN_EXPIRED},
        {"{\"active\":true}", AUTH_TOKEN_LOGIN},
        {"{\"active\":false,\"active\":true" LOGIN "}", AUTH_TOKEN_MALFORMED},
        {"[]", AUTH_TOKEN_MALFORMED},
        {"", AUTH_TOKEN_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf login;
        enum auth_token_fault fault;

        buf_init(&login, 255, 0);
        fault = auth_claims_check(&rules, sv_of(rows[i].json), NOW, &login);
        if (fault != rows[i].fault)
            fail_msg("row %zu: %s", i, auth_token_fault_text(fault));
        buf_deinit(&login);
    }
}

static void bad_sets(void **state)
{
    static char huge[AUTH_JWKS_BYTES_MAX + 1];
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "no JSON Web Key Set"},
        {"{}", "no JSON Web Key Set"},
        {"{\"keys\":7}", "no JSON Web Key Set"},
        {"{\"keys\":[]}", "no RSA"},
        {"{\"keys\":[7,{},{\"kty\":\"RSA\"},{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "no RSA"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}]}", "no RSA"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}", "no RSA"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
         "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
         "no RSA"}, /* not on the curve */
        {"{\"keys\":[],\"keys\":[]}", "no JSON Web Key Set"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no RSA"},
        {huge, "longer than"},
    };

    (void)state;
    memset(huge, ' ', sizeof(huge));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sv text = {rows[i].text, rows[i].text == huge ? sizeof(huge) : strlen(rows[i].text)};
        struct auth_jwks *k;
        struct buf why;

        buf_init(&why, 512, 0);
        assert_int_equal(auth_jwks_new(text, &k, &why), ERR_SYNTAX);
        assert_int_equal(buf_append(&why, "", 1), 0);
        if (strstr(buf_view(&why).ptr, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, buf_view(&why).ptr);
        buf_deinit(&why);
    }
}

/* PEM has no kid: its keys are tried for any. */
static void by_pem(void **state)
{
    struct auth_jwks *kept = keys;
    BIO *bio = BIO_new(BIO_s_mem());
    struct buf token, why;
    char *pem, login[300];
    long len;

    (void)state;
    PEM_write_bio_PUBKEY(bio, ec);
    PEM_write_bio_PUBKEY(bio, rsa);
    len = BIO_get_mem_data(bio, &pem);
    buf_init(&why, 512, 0);
    assert_int_equal(auth_jwks_new((struct sv){pem, (size_t)len}, &keys, &why), 0);
    assert_int_equal(keys->count, 2);
    make(&token, rsa, "RS256", ",\"kid\":\"any\"", CLAIMS LOGIN, BY_NAME);
    assert_int_equal(check_at(buf_view(&token), NOW, login), AUTH_TOKEN_GOOD);
    buf_deinit(&token);
    make(&token, rsa, "HS256", "", CLAIMS LOGIN, HMAC_OF_PEM);
    assert_int_equal(check_at(buf_view(&token), NOW, login), AUTH_TOKEN_ALGORITHM);
    buf_deinit(&token);
    buf_deinit(&why);
    BIO_free(bio);
    auth_jwks_free(keys);
    keys = kept;
}

static int start(void **state)
{
    struct buf set, why;

    (void)state;
    rsa = EVP_RSA_gen(2048);
    other_rsa = EVP_RSA_gen(2048);
    small_rsa = EVP_RSA_gen(1024);
    ec = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    buf_init(&set, 60000, 0);
    buf_init(&why, 512, 0);
    if (buf_printf(&set, "{\"keys\":[") < 0)
        return -1;
    put_jwk(&set, rsa, ",\"kid\":\"r\",\"use\":\"sig\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, ec, ",\"kid\":\"e\",\"alg\":\"ES256\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, ed, ",\"kid\":\"d\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, rsa, ",\"kid\":\"only\",\"alg\":\"RS256\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, rsa, ",\"kid\":\"enc\",\"use\":\"enc\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, small_rsa, ",\"kid\":\"small\"");
    assert_int_equal(buf_append(&set, ",", 1), 0);
    put_jwk(&set, p384, ",\"kid\":\"p384\"");
    assert_int_equal(buf_printf(&set, ",{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"o\"}]}"), 0);
    assert_int_equal(auth_jwks_new(buf_view(&set), &keys, &why), 0);
    assert_int_equal(keys->count, 4);
    buf_deinit(&set);
    buf_deinit(&why);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    auth_jwks_free(keys);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other_rsa);
    EVP_PKEY_free(small_rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),       cmocka_unit_test(damaged),  cmocka_unit_test(scopes),
        cmocka_unit_test(introspected), cmocka_unit_test(bad_sets), cmocka_unit_test(by_pem),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
