#include "auth/jwt.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#define ES256_BYTES 64 /* r and s */

const char *auth_token_fault_text(enum auth_token_fault fault)
{
    static const char *const texts[AUTH_TOKEN_FAULTS] = {
        [AUTH_TOKEN_GOOD] = "good",
        [AUTH_TOKEN_MALFORMED] = "the token is malformed",
        [AUTH_TOKEN_ALGORITHM] = "the token's algorithm is none of ours, or not its key's",
        [AUTH_TOKEN_KEY] = "no key has the token's kid",
        [AUTH_TOKEN_SIGNATURE] = "the token's signature is wrong",
        [AUTH_TOKEN_ISSUER] = "the token is another issuer's (auth.oauth.issuer)",
        [AUTH_TOKEN_AUDIENCE] = "the token is for another service (auth.oauth.audience)",
        [AUTH_TOKEN_EXPIRED] = "the token has expired",
        [AUTH_TOKEN_EARLY] = "the token is not valid yet; look at the clocks",
        [AUTH_TOKEN_SCOPE] = "the token does not grant auth.oauth.scope",
        [AUTH_TOKEN_LOGIN] = "the token names no login (auth.oauth.login_claim)",
        [AUTH_TOKEN_INACTIVE] = "the issuer says that the token is not active",
    };

    return texts[fault];
}

/* --- signature --- */

static const struct algorithm {
    const char *name;
    enum auth_jwk_kind kind;
    bool pss;
} algorithms[] = {
    {"RS256", AUTH_JWK_RSA, false},
    {"PS256", AUTH_JWK_RSA, true},
    {"ES256", AUTH_JWK_EC, false},
    {"EdDSA", AUTH_JWK_ED25519, false},
};

static const struct algorithm *algorithm_of(const char *name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (name != NULL && strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    }
    return NULL;
}

/* RFC 7518 3.4: r and s side by side; OpenSSL wants them in DER. */
static int ecdsa_der(struct sv raw, unsigned char **der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    int len = -1;

    if (raw.len == ES256_BYTES &&
        ECDSA_SIG_set0(sig, BN_bin2bn((const uint8_t *)raw.ptr, 32, NULL),
                       BN_bin2bn((const uint8_t *)raw.ptr + 32, 32, NULL)) == 1)
        len = i2d_ECDSA_SIG(sig, der);
    ECDSA_SIG_free(sig);
    return len;
}

static bool verifies(const struct auth_jwk *jwk, const struct algorithm *alg, struct sv signed_part,
                     struct sv signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL;
    unsigned char *der = NULL;
    const unsigned char *bytes = (const unsigned char *)signature.ptr;
    size_t len = signature.len;
    bool good = EVP_DigestVerifyInit(ctx, &key, alg->kind == AUTH_JWK_ED25519 ? NULL : EVP_sha256(),
                                     NULL, jwk->key) == 1;

    if (good && alg->pss)
        good = EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) == 1;
    if (good && alg->kind == AUTH_JWK_EC) {
        int der_len = ecdsa_der(signature, &der);

        good = der_len > 0;
        bytes = der;
        len = good ? (size_t)der_len : 0;
    }
    good = good && EVP_DigestVerify(ctx, bytes, len, (const unsigned char *)signed_part.ptr,
                                    signed_part.len) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

/* A key of the right kind, and with the token's kid where it has one; else each is tried. */
static enum auth_token_fault check_signature(const struct auth_jwks *keys,
                                             const struct algorithm *alg, const char *kid,
                                             struct sv signed_part, struct sv signature)
{
    bool has_kid = false, fits = false;

    for (size_t i = 0; i < keys->count; i++) {
        const struct auth_jwk *jwk = &keys->keys[i];

        if (kid != NULL && *jwk->kid != '\0' && strcmp(jwk->kid, kid) != 0)
            continue;
        has_kid = true;
        if (jwk->kind != alg->kind || (*jwk->alg != '\0' && strcmp(jwk->alg, alg->name) != 0))
            continue;
        fits = true;
        if (verifies(jwk, alg, signed_part, signature))
            return AUTH_TOKEN_GOOD;
    }
    return !has_kid ? AUTH_TOKEN_KEY : fits ? AUTH_TOKEN_SIGNATURE : AUTH_TOKEN_ALGORITHM;
}

/* --- claims --- */

static bool is_one_of(json_t *value, const struct conf_strings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *text = json_string_value(value);

        if (text != NULL && strcmp(text, list->items[i]) == 0)
            return true;
    }
    return false;
}

static bool has_audience(json_t *aud, const struct conf_strings *list)
{
    json_t *one;
    size_t i;

    if (!json_is_array(aud))
        return is_one_of(aud, list);
    json_array_foreach(aud, i, one)
    {
        if (is_one_of(one, list))
            return true;
    }
    return false;
}

static bool has_word(const char *words, const char *word)
{
    struct sv rest = sv_of(words);

    while (rest.len > 0) {
        if (sv_eq(sv_split(&rest, ' '), sv_of(word)))
            return true;
    }
    return false;
}

/* "scope" of RFC 8693 4.2, or "scp" as some issuers write it. */
static bool has_scope(json_t *claims, const char *scope)
{
    json_t *value = json_object_get(claims, "scope"), *one;
    size_t i;

    if (*scope == '\0')
        return true;
    if (value == NULL)
        value = json_object_get(claims, "scp");
    if (json_is_string(value))
        return has_word(json_string_value(value), scope);
    json_array_foreach(value, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), scope) == 0)
            return true;
    }
    return false;
}

/* Seconds; false if it is there and no number. */
static bool get_time(json_t *claims, const char *name, bool *has_out, double *out)
{
    json_t *value = json_object_get(claims, name);

    *has_out = value != NULL;
    *out = json_number_value(value);
    return value == NULL || json_is_number(value);
}

static enum auth_token_fault check_times(json_t *claims, const struct auth_token_rules *r,
                                         int64_t now_s, bool needs_exp)
{
    bool has_exp, has_nbf, has_iat;
    double exp, nbf, iat, now = (double)now_s, skew = (double)r->skew_s;

    if (!get_time(claims, "exp", &has_exp, &exp) || !get_time(claims, "nbf", &has_nbf, &nbf) ||
        !get_time(claims, "iat", &has_iat, &iat))
        return AUTH_TOKEN_MALFORMED;
    if ((needs_exp && !has_exp) || (has_exp && now >= exp + skew))
        return AUTH_TOKEN_EXPIRED;
    if ((has_nbf && now < nbf - skew) || (has_iat && now < iat - skew))
        return AUTH_TOKEN_EARLY;
    return AUTH_TOKEN_GOOD;
}

static enum auth_token_fault check_claims(json_t *claims, const struct auth_token_rules *r,
                                          int64_t now_s, bool is_whole, struct buf *login_out)
{
    json_t *iss = json_object_get(claims, "iss"), *aud = json_object_get(claims, "aud");
    json_t *login = json_object_get(claims, r->claim);
    json_t *verified = json_object_get(claims, "email_verified");
    enum auth_token_fault fault = check_times(claims, r, now_s, is_whole);

    if ((iss != NULL || is_whole) &&
        (!json_is_string(iss) || strcmp(json_string_value(iss), r->issuer) != 0))
        return AUTH_TOKEN_ISSUER;
    if ((aud != NULL || is_whole) && !has_audience(aud, &r->audience))
        return AUTH_TOKEN_AUDIENCE;
    if (fault != AUTH_TOKEN_GOOD)
        return fault;
    if (!has_scope(claims, r->scope))
        return AUTH_TOKEN_SCOPE;
    /* an issuer may let anybody write any address into his profile */
    if (strcmp(r->claim, "email") == 0 && verified != NULL && !json_is_true(verified))
        return AUTH_TOKEN_LOGIN;
    if (!json_is_string(login) || json_string_length(login) == 0 ||
        buf_append(login_out, json_string_value(login), json_string_length(login)) < 0)
        return AUTH_TOKEN_LOGIN;
    return AUTH_TOKEN_GOOD;
}

/* --- tokens --- */

/* One of the first two parts, base64url of a JSON object; NULL if it is none. */
static json_t *read_part(struct sv part)
{
    struct buf text;
    json_t *value = NULL;

    buf_init(&text, AUTH_TOKEN_MAX, 0);
    if (part.len > 0 && auth_base64url(&text, part) == 0 && buf_len(&text) > 0)
        value = json_loadb(buf_view(&text).ptr, buf_len(&text), JSON_REJECT_DUPLICATES, NULL);
    buf_deinit(&text);
    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* RFC 7515 4.1.11: what it says must be understood, is not. RFC 8725 3.11: another kind of token.
 */
static bool is_plain_header(json_t *header)
{
    json_t *typ = json_object_get(header, "typ");
    struct sv text = sv_of(json_string_value(typ));

    if (sv_istarts(text, SV("application/")))
        text = sv_skip(text, 12);
    return json_object_get(header, "crit") == NULL &&
           (typ == NULL || sv_ieq(text, SV("JWT")) || sv_ieq(text, SV("at+jwt")));
}

static enum auth_token_fault check_parts(const struct auth_jwks *keys,
                                         const struct auth_token_rules *r, json_t *header,
                                         json_t *claims, struct sv signed_part, struct sv signature,
                                         int64_t now_s, struct buf *login_out)
{
    json_t *kid = json_object_get(header, "kid");
    const struct algorithm *alg = algorithm_of(json_string_value(json_object_get(header, "alg")));
    enum auth_token_fault fault;

    if (header == NULL || claims == NULL || !is_plain_header(header) ||
        (kid != NULL && !json_is_string(kid)))
        return AUTH_TOKEN_MALFORMED;
    if (alg == NULL)
        return AUTH_TOKEN_ALGORITHM;
    fault = check_signature(keys, alg, json_string_value(kid), signed_part, signature);
    return fault != AUTH_TOKEN_GOOD ? fault : check_claims(claims, r, now_s, true, login_out);
}

enum auth_token_fault auth_jwt_check(const struct auth_jwks *keys,
                                     const struct auth_token_rules *rules, struct sv token,
                                     int64_t now_s, struct buf *login_out)
{
    struct sv rest = token, header_text = sv_split(&rest, '.'), claims_text = sv_split(&rest, '.');
    struct sv signed_part = sv_first(token, header_text.len + 1 + claims_text.len);
    enum auth_token_fault fault = AUTH_TOKEN_MALFORMED;
    struct buf signature;
    json_t *header, *claims;

    if (token.len > AUTH_TOKEN_MAX || sv_find(rest, '.') < rest.len)
        return AUTH_TOKEN_MALFORMED;
    buf_init(&signature, AUTH_TOKEN_MAX, 0);
    header = read_part(header_text);
    claims = read_part(claims_text);
    if (auth_base64url(&signature, rest) == 0)
        fault = check_parts(keys, rules, header, claims, signed_part, buf_view(&signature), now_s,
                            login_out);
    json_decref(header);
    json_decref(claims);
    buf_deinit(&signature);
    return fault;
}

enum auth_token_fault auth_claims_check(const struct auth_token_rules *rules, struct sv json,
                                        int64_t now_s, struct buf *login_out)
{
    json_t *claims = json_loadb(json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, NULL);
    enum auth_token_fault fault = AUTH_TOKEN_INACTIVE;

    if (json_is_true(json_object_get(claims, "active")))
        fault = check_claims(claims, rules, now_s, false, login_out);
    else if (!json_is_boolean(json_object_get(claims, "active")))
        fault = AUTH_TOKEN_MALFORMED;
    json_decref(claims);
    return fault;
}
