#include "auth/jwks.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define NUMBER_MAX   (RSA_BITS_MAX / 8)
#define EXPONENT_MAX 8 /* bytes; a long one only makes a check slow */
#define P256_BYTES   32

static int say(struct buf *why, const char *what)
{
    int cut = buf_printf(why, "%s", what);

    (void)cut; /* a sentence that does not fit is still a fault */
    return ERR_SYNTAX;
}

int auth_base64url(struct buf *out, struct sv text)
{
    struct buf plain;
    int err = 0;

    buf_init(&plain, text.len + 4, 0);
    for (size_t i = 0; i < text.len && err == 0; i++) {
        char c = text.ptr[i];

        c = c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' || c == '=' ? '!' : c;
        err = buf_append(&plain, &c, 1);
    }
    for (size_t i = text.len; i % 4 != 0 && err == 0; i++)
        err = buf_append(&plain, "=", 1);
    if (err == 0)
        err = b64_decode(out, buf_view(&plain));
    buf_deinit(&plain);
    return err < 0 ? ERR_SYNTAX : 0;
}

/* The member as bytes; empty if it is missing or no base64url. */
static void get_bytes(json_t *jwk, const char *name, size_t max, struct buf *out)
{
    json_t *value = json_object_get(jwk, name);

    buf_init(out, max, 0);
    if (!json_is_string(value) ||
        auth_base64url(out, (struct sv){json_string_value(value), json_string_length(value)}) < 0)
        buf_reset(out);
}

static EVP_PKEY *from_data(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY *key = NULL;

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *read_rsa(json_t *jwk)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = NULL, *e = NULL;
    EVP_PKEY *key = NULL;
    struct buf modulus, exponent;

    get_bytes(jwk, "n", NUMBER_MAX + 1, &modulus);
    get_bytes(jwk, "e", EXPONENT_MAX, &exponent);
    if (buf_len(&modulus) > 0 && buf_len(&exponent) > 0) {
        n = BN_bin2bn((const uint8_t *)buf_view(&modulus).ptr, (int)buf_len(&modulus), NULL);
        e = BN_bin2bn((const uint8_t *)buf_view(&exponent).ptr, (int)buf_len(&exponent), NULL);
        if (n != NULL && e != NULL && BN_is_odd(e) && !BN_is_one(e) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
            key = from_data("RSA", build);
    }
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(build);
    buf_deinit(&modulus);
    buf_deinit(&exponent);
    return key;
}

static bool has_text(json_t *jwk, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(jwk, name));

    return value != NULL && strcmp(value, text) == 0;
}

static EVP_PKEY *read_ec(json_t *jwk)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *key = NULL;
    struct buf x, y;

    get_bytes(jwk, "x", P256_BYTES, &x);
    get_bytes(jwk, "y", P256_BYTES, &y);
    if (has_text(jwk, "crv", "P-256") && buf_len(&x) == P256_BYTES && buf_len(&y) == P256_BYTES) {
        memcpy(point + 1, buf_view(&x).ptr, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, buf_view(&y).ptr, P256_BYTES);
        if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             sizeof(point)) == 1)
            key = from_data("EC", build);
    }
    OSSL_PARAM_BLD_free(build);
    buf_deinit(&x);
    buf_deinit(&y);
    return key;
}

static EVP_PKEY *read_okp(json_t *jwk)
{
    EVP_PKEY *key = NULL;
    struct buf x;

    get_bytes(jwk, "x", 32, &x);
    if (has_text(jwk, "crv", "Ed25519") && buf_len(&x) == 32)
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)buf_view(&x).ptr,
                                          32);
    buf_deinit(&x);
    return key;
}

/* By what the key itself is, whatever the set says of it. */
static bool kind_of(const EVP_PKEY *key, enum auth_jwk_kind *out)
{
    char group[32] = "";
    size_t len = 0;

    if (EVP_PKEY_is_a(key, "RSA")) {
        *out = AUTH_JWK_RSA;
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        *out = AUTH_JWK_EC;
        return EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
               strcmp(group, "prime256v1") == 0;
    }
    *out = AUTH_JWK_ED25519;
    return EVP_PKEY_is_a(key, "ED25519");
}

/* Takes key over. */
static void add(struct auth_jwks *k, EVP_PKEY *key, const char *kid, const char *alg)
{
    enum auth_jwk_kind kind;

    if (key == NULL || k->count == AUTH_JWKS_MAX || !kind_of(key, &kind)) {
        EVP_PKEY_free(key);
        return;
    }
    k->keys[k->count++] = (struct auth_jwk){.kind = kind,
                                            .kid = sv_dup(sv_of(kid ? kid : "")),
                                            .alg = sv_dup(sv_of(alg ? alg : "")),
                                            .key = key};
}

static void add_jwk(struct auth_jwks *k, json_t *jwk)
{
    const char *use = json_string_value(json_object_get(jwk, "use"));
    const char *kid = json_string_value(json_object_get(jwk, "kid"));
    const char *alg = json_string_value(json_object_get(jwk, "alg"));
    EVP_PKEY *key = NULL;

    if (use != NULL && strcmp(use, "sig") != 0)
        return;
    if (has_text(jwk, "kty", "RSA"))
        key = read_rsa(jwk);
    else if (has_text(jwk, "kty", "EC"))
        key = read_ec(jwk);
    else if (has_text(jwk, "kty", "OKP"))
        key = read_okp(jwk);
    add(k, key, kid, alg);
}

static int read_set(struct auth_jwks *k, struct sv text, struct buf *why)
{
    json_error_t fault;
    json_t *set = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &fault);
    json_t *list = json_object_get(set, "keys"), *jwk;
    size_t i;

    if (!json_is_array(list)) {
        json_decref(set);
        return say(why, "it is no JSON Web Key Set ({\"keys\":[...]}), nor PEM");
    }
    json_array_foreach(list, i, jwk)
    {
        add_jwk(k, jwk);
    }
    json_decref(set);
    return 0;
}

static void read_pem(struct auth_jwks *k, struct sv text)
{
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    char *name = NULL, *head = NULL;
    unsigned char *der = NULL;
    long len;

    while (PEM_read_bio(bio, &name, &head, &der, &len) == 1) {
        const unsigned char *at = der;

        if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
            add(k, d2i_PUBKEY(NULL, &at, len), NULL, NULL);
        } else if (strcmp(name, PEM_STRING_X509) == 0) {
            X509 *cert = d2i_X509(NULL, &at, len);

            add(k, cert ? X509_get_pubkey(cert) : NULL, NULL, NULL);
            X509_free(cert);
        }
        OPENSSL_free(name);
        OPENSSL_free(head);
        OPENSSL_free(der);
    }
    BIO_free(bio);
}

int auth_jwks_new(struct sv text, struct auth_jwks **out, struct buf *why)
{
    struct auth_jwks *k;
    int err = 0;

    if (text.len > AUTH_JWKS_BYTES_MAX)
        return say(why, "the key set is longer than 256 KiB");
    k = NEW(struct auth_jwks);
    k->keys = mem_new(AUTH_JWKS_MAX, sizeof(*k->keys));
    if (memmem(text.ptr ? text.ptr : "", text.len, "-----BEGIN ", 11) != NULL)
        read_pem(k, text);
    else
        err = read_set(k, text, why);
    if (err == 0 && k->count == 0)
        err = say(why, "no RSA (2048 bits or more), P-256 or Ed25519 key for signatures is in it");
    ERR_clear_error();
    if (err < 0)
        auth_jwks_free(k);
    else
        *out = k;
    return err;
}

void auth_jwks_free(struct auth_jwks *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++) {
        EVP_PKEY_free(k->keys[i].key);
        free(k->keys[i].kid);
        free(k->keys[i].alg);
    }
    free(k->keys);
    free(k);
}
