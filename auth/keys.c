/*
 * keys.c - private keys and signatures.
 */
#include "auth/keys.h"

#include "auth/dkim_key.h"
#include "auth/smime_key.h"
#include "auth/tls/key.h"
#include "auth/tls/pem.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

struct key {
    enum keeper_purpose purpose;
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    EVP_PKEY *pkey;
    STACK_OF(X509) * chain; /* of KEEPER_SMIME; else NULL */
};

struct auth_keys {
    struct key *at;
    size_t count;
};

struct auth_keys *auth_keys_new(void)
{
    return NEW(struct auth_keys);
}

void auth_keys_free(struct auth_keys *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        EVP_PKEY_free(set->at[i].pkey);
        sk_X509_pop_free(set->at[i].chain, X509_free);
    }
    free(set->at);
    free(set);
}

static const struct key *find(const struct auth_keys *set, enum keeper_purpose purpose,
                              struct sv id)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->at[i].purpose == purpose && sv_eq(sv_of(set->at[i].id), id))
            return &set->at[i];
    }
    return NULL;
}

static bool serves_another(const struct auth_keys *set, const struct key *key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->at[i].purpose != key->purpose && EVP_PKEY_eq(set->at[i].pkey, key->pkey) == 1)
            return true;
    }
    ERR_clear_error(); /* of keys of two kinds */
    return false;
}

/* Takes it over; the same key twice for one purpose is one key. */
static int keep(struct auth_keys *set, const struct key *key, struct buf *why)
{
    if (serves_another(set, key)) {
        EVP_PKEY_free(key->pkey);
        sk_X509_pop_free(key->chain, X509_free);
        return buf_printf(why, "the same key serves another purpose; each needs its own") < 0
                   ? ERR_FULL
                   : ERR_SYNTAX;
    }
    if (find(set, key->purpose, sv_of(key->id)) != NULL) {
        EVP_PKEY_free(key->pkey);
        sk_X509_pop_free(key->chain, X509_free);
        return 0;
    }
    set->at = mem_resize(set->at, set->count + 1, sizeof(*set->at));
    set->at[set->count++] = *key;
    return 0;
}

int auth_keys_add_smime(struct auth_keys *set, struct sv pem, struct sv chain_pem, struct buf *why)
{
    struct key key = {.purpose = KEEPER_SMIME};

    if (tls_pem_key(pem, &key.pkey, why) < 0)
        return ERR_SYNTAX;
    if (auth_smime_chain(chain_pem, key.pkey, &key.chain, key.id, why) < 0) {
        EVP_PKEY_free(key.pkey);
        return ERR_SYNTAX;
    }
    return keep(set, &key, why);
}

int auth_keys_add(struct auth_keys *set, enum keeper_purpose purpose, struct sv pem,
                  struct buf *why)
{
    struct key key = {.purpose = purpose};

    if (tls_pem_key(pem, &key.pkey, why) < 0)
        return ERR_SYNTAX;
    if (purpose == KEEPER_DKIM && auth_dkim_key_check(key.pkey, why) < 0) {
        EVP_PKEY_free(key.pkey);
        return ERR_SYNTAX;
    }
    tls_key_id(key.pkey, key.id);
    return keep(set, &key, why);
}

/* RFC 8017 9.2 note 1: what stands before the digest in a DigestInfo. */
static const struct {
    const char *prefix;
    size_t digest_bytes;
} digest_infos[] = {
    {"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 32},
    {"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30", 48},
    {"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40", 64},
};
#define DIGEST_INFO_PREFIX 19
#define DKIM_HASH_BYTES    32

static bool is_digest_info(struct sv bytes)
{
    for (size_t i = 0; i < sizeof(digest_infos) / sizeof(digest_infos[0]); i++) {
        if (bytes.len == DIGEST_INFO_PREFIX + digest_infos[i].digest_bytes &&
            memcmp(bytes.ptr, digest_infos[i].prefix, DIGEST_INFO_PREFIX) == 0)
            return true;
    }
    return false;
}

/* MGF1 of RFC 8017 B.2.1: xors the mask of seed into at. */
static void unmask(const EVP_MD *md, const uint8_t *seed, size_t seed_len, uint8_t *at, size_t len)
{
    uint8_t input[EVP_MAX_MD_SIZE + 4], mask[EVP_MAX_MD_SIZE];
    unsigned mask_len = 0;

    memcpy(input, seed, seed_len);
    for (uint32_t counter = 0; len > 0; counter++) {
        size_t n;

        for (unsigned i = 0; i < 4; i++)
            input[seed_len + i] = (uint8_t)(counter >> (24 - 8 * i));
        REQUIRE(EVP_Digest(input, seed_len + 4, mask, &mask_len, md, NULL) == 1);
        n = len < mask_len ? len : mask_len;
        for (size_t i = 0; i < n; i++)
            at[i] ^= mask[i];
        at += n;
        len -= n;
    }
}

/* EMSA-PSS of RFC 8017 9.1.1 with a salt as long as the digest (RFC 8446 4.2.3): the block is
 * maskedDB | H | 0xbc, and DB is zeros, 0x01, salt. Some 200 bytes of zeros do not come by chance.
 */
static bool is_pss_with(const EVP_MD *md, struct sv block, size_t modulus_bits)
{
    size_t hash = (size_t)EVP_MD_get_size(md);
    size_t db_len = block.len - hash - 1;
    uint8_t db[1024];
    uint8_t top = (uint8_t)(0xff >> (8 * block.len - (modulus_bits - 1)));

    if (block.len > sizeof(db) || block.len < 2 * hash + 2 || ((uint8_t)block.ptr[0] & ~top) != 0)
        return false;
    memcpy(db, block.ptr, db_len);
    unmask(md, (const uint8_t *)block.ptr + db_len, hash, db, db_len);
    db[0] &= top;
    for (size_t i = 0; i < db_len - hash - 1; i++) {
        if (db[i] != 0)
            return false;
    }
    return db[db_len - hash - 1] == 1;
}

static bool is_pss(struct sv block, const EVP_PKEY *pkey)
{
    size_t bits = (size_t)EVP_PKEY_get_bits(pkey);

    /* a modulus of 8n + 1 bits would have a leading octet of zeros before the block */
    if (block.len != (size_t)EVP_PKEY_get_size(pkey) || bits % 8 == 1 ||
        (uint8_t)block.ptr[block.len - 1] != 0xbc)
        return false;
    return is_pss_with(EVP_sha256(), block, bits) || is_pss_with(EVP_sha384(), block, bits) ||
           is_pss_with(EVP_sha512(), block, bits);
}

/* RFC 8463 3: the hash is the message that is signed. */
static enum auth_verdict sign_ed25519(EVP_PKEY *pkey, struct sv hash, struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = (size_t)EVP_PKEY_get_size(pkey);
    enum auth_verdict verdict = AUTH_TEMPORARY;
    char *at;

    if (ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
        buf_reserve(out, len, &at) == 0 &&
        EVP_DigestSign(ctx, (unsigned char *)at, &len, (const unsigned char *)hash.ptr, hash.len) ==
            1) {
        buf_added(out, len);
        verdict = AUTH_OK;
    }
    EVP_MD_CTX_free(ctx);
    return verdict;
}

/* The signature operation of OpenSSL; padding 0: none is set. */
static enum auth_verdict sign_raw(EVP_PKEY *pkey, int padding, struct sv bytes, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    size_t len = (size_t)EVP_PKEY_get_size(pkey);
    enum auth_verdict verdict = AUTH_TEMPORARY;
    char *at;

    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
        (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1) ||
        buf_reserve(out, len, &at) < 0)
        goto out;
    if (EVP_PKEY_sign(ctx, (unsigned char *)at, &len, (const unsigned char *)bytes.ptr,
                      bytes.len) == 1) {
        buf_added(out, len);
        verdict = AUTH_OK;
    }
out:
    EVP_PKEY_CTX_free(ctx);
    return verdict;
}

static enum auth_verdict sign_dkim(EVP_PKEY *pkey, struct sv hash, struct buf *out)
{
    char info[DIGEST_INFO_PREFIX + DKIM_HASH_BYTES];

    if (hash.len != DKIM_HASH_BYTES)
        return AUTH_DENIED;
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519)
        return sign_ed25519(pkey, hash, out);
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
        return AUTH_DENIED;
    memcpy(info, digest_infos[0].prefix, DIGEST_INFO_PREFIX);
    memcpy(info + DIGEST_INFO_PREFIX, hash.ptr, DKIM_HASH_BYTES);
    return sign_raw(pkey, RSA_PKCS1_PADDING, (struct sv){info, sizeof(info)}, out);
}

static enum auth_verdict sign(const struct key *key, enum auth_sign form, struct sv bytes,
                              struct buf *out)
{
    EVP_PKEY *pkey = key->pkey;
    bool is_rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;

    switch (form) {
    case AUTH_SIGN_RSA_PKCS1:
        if (!is_rsa || !is_digest_info(bytes))
            return AUTH_DENIED;
        return sign_raw(pkey, RSA_PKCS1_PADDING, bytes, out);
    case AUTH_SIGN_RSA_BLOCK:
        if (!is_rsa || !is_pss(bytes, pkey))
            return AUTH_DENIED;
        return sign_raw(pkey, RSA_NO_PADDING, bytes, out);
    case AUTH_SIGN_ECDSA:
        if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
            (bytes.len != 32 && bytes.len != 48 && bytes.len != 64))
            return AUTH_DENIED;
        return sign_raw(pkey, 0, bytes, out);
    case AUTH_SIGN_DKIM:
        return sign_dkim(pkey, bytes, out);
    case AUTH_SIGN_CMS:
        return auth_smime_sign(pkey, key->chain, bytes, out);
    case AUTH_SIGNS:
        break;
    }
    return AUTH_DENIED;
}

static enum keeper_purpose purpose_of(enum auth_sign form)
{
    return form == AUTH_SIGN_CMS ? KEEPER_SMIME : form == AUTH_SIGN_DKIM ? KEEPER_DKIM : KEEPER_TLS;
}

bool auth_keys_is_quick(const struct auth_keys *set, enum auth_sign form, struct sv id)
{
    const struct key *key = find(set, purpose_of(form), id);

    return key != NULL && form != AUTH_SIGN_CMS && EVP_PKEY_get_base_id(key->pkey) != EVP_PKEY_RSA;
}

int auth_keys_sign(const struct auth_keys *set, struct sv id, enum auth_sign form, struct sv bytes,
                   struct buf *out, enum auth_verdict *verdict_out)
{
    const struct key *key = find(set, purpose_of(form), id);

    if (key == NULL)
        return ERR_NOT_FOUND;
    *verdict_out = sign(key, form, bytes, out);
    return 0;
}
