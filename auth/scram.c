/*
 * scram.c - SCRAM verifiers. RFC 5802 3: SaltedPassword = PBKDF2(password), ClientKey and
 * ServerKey are HMACs under it, StoredKey is the hash of ClientKey.
 */
#include "auth/scram.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define PLUS "-PLUS"

/* What differs from one SCRAM to the other. The name is also the scheme of the text form. */
static const struct {
    const char *name;
    const EVP_MD *(*digest)(void);
    size_t key_bytes;
} hashes[AUTH_SCRAM_HASHES] = {
    [AUTH_SCRAM_SHA256] = {"SCRAM-SHA-256", EVP_sha256, 32},
    [AUTH_SCRAM_SHA1] = {"SCRAM-SHA-1", EVP_sha1, 20},
    [AUTH_SCRAM_SHA512] = {"SCRAM-SHA-512", EVP_sha512, 64},
};

static atomic_uint_fast64_t derivations;

const char *auth_scram_name(enum auth_scram_hash hash)
{
    REQUIRE(hash < AUTH_SCRAM_HASHES);
    return hashes[hash].name;
}

size_t auth_scram_key_bytes(enum auth_scram_hash hash)
{
    REQUIRE(hash < AUTH_SCRAM_HASHES);
    return hashes[hash].key_bytes;
}

bool auth_scram_hash_of(struct sv mechanism, enum auth_scram_hash *out)
{
    if (sv_iends(mechanism, SV(PLUS)))
        mechanism.len -= sizeof(PLUS) - 1;
    for (unsigned i = 0; i < AUTH_SCRAM_HASHES; i++) {
        if (sv_ieq(mechanism, sv_of(hashes[i].name))) {
            *out = (enum auth_scram_hash)i;
            return true;
        }
    }
    return false;
}

static void hmac(enum auth_scram_hash hash, const uint8_t key[AUTH_SCRAM_KEY_MAX], const char *text,
                 uint8_t out[AUTH_SCRAM_KEY_MAX])
{
    unsigned len = 0;

    REQUIRE(HMAC(hashes[hash].digest(), key, (int)hashes[hash].key_bytes,
                 (const unsigned char *)text, strlen(text), out, &len) != NULL);
    REQUIRE(len == hashes[hash].key_bytes);
}

void auth_scram_derive(struct auth_scram *v, struct sv password)
{
    uint8_t salted[AUTH_SCRAM_KEY_MAX], client[AUTH_SCRAM_KEY_MAX];
    const EVP_MD *digest;

    REQUIRE(v->hash < AUTH_SCRAM_HASHES && password.len <= INT32_MAX &&
            v->salt_len <= AUTH_SCRAM_SALT_MAX);
    digest = hashes[v->hash].digest();
    atomic_fetch_add_explicit(&derivations, 1, memory_order_relaxed);
    REQUIRE(PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len, v->salt,
                              (int)v->salt_len, (int)v->iterations, digest,
                              (int)hashes[v->hash].key_bytes, salted) == 1);
    hmac(v->hash, salted, "Client Key", client);
    hmac(v->hash, salted, "Server Key", v->server_key);
    REQUIRE(EVP_Digest(client, hashes[v->hash].key_bytes, v->stored_key, NULL, digest, NULL) == 1);
    mem_wipe(salted, sizeof(salted));
    mem_wipe(client, sizeof(client));
}

void auth_scram_new(struct auth_scram *v, enum auth_scram_hash hash, struct sv password)
{
    *v = (struct auth_scram){
        .hash = hash, .iterations = AUTH_SCRAM_ITERATIONS, .salt_len = AUTH_SCRAM_SALT_BYTES};
    random_fill(v->salt, v->salt_len);
    auth_scram_derive(v, password);
}

bool auth_scram_matches(const struct auth_scram *v, struct sv password)
{
    struct auth_scram tried = *v;
    bool same;

    auth_scram_derive(&tried, password);
    same = mem_equal_ct(tried.stored_key, v->stored_key, auth_scram_key_bytes(v->hash)) != 0;
    mem_wipe(&tried, sizeof(tried));
    return same;
}

static void put_b64(struct buf *out, const void *bytes, size_t len)
{
    REQUIRE(b64_encode(out, (struct sv){bytes, len}) == 0);
}

void auth_scram_write(const struct auth_scram *v, char out[AUTH_SCRAM_TEXT_MAX])
{
    size_t key_bytes = auth_scram_key_bytes(v->hash);
    struct buf text;

    buf_init(&text, AUTH_SCRAM_TEXT_MAX - 1, BUF_SECRET);
    REQUIRE(buf_printf(&text, "%s$%u:", hashes[v->hash].name, v->iterations) == 0);
    put_b64(&text, v->salt, v->salt_len);
    REQUIRE(buf_append(&text, "$", 1) == 0);
    put_b64(&text, v->stored_key, key_bytes);
    REQUIRE(buf_append(&text, ":", 1) == 0);
    put_b64(&text, v->server_key, key_bytes);
    memcpy(out, buf_view(&text).ptr, buf_len(&text));
    out[buf_len(&text)] = '\0';
    buf_deinit(&text);
}

/* Decodes base64 into at most max bytes at out. */
static int get_b64(struct sv text, uint8_t *out, size_t max, size_t *len_out)
{
    struct buf bytes;
    int err;

    buf_init(&bytes, max, BUF_SECRET);
    err = b64_decode(&bytes, text) < 0 ? ERR_SYNTAX : 0;
    if (err == 0) {
        *len_out = buf_len(&bytes);
        memcpy(out, buf_view(&bytes).ptr ? buf_view(&bytes).ptr : "", *len_out);
    }
    buf_deinit(&bytes);
    return err;
}

static int get_key(struct sv text, size_t key_bytes, uint8_t out[AUTH_SCRAM_KEY_MAX])
{
    size_t len = 0;

    return get_b64(text, out, key_bytes, &len) < 0 || len != key_bytes ? ERR_SYNTAX : 0;
}

/* The name as it stands before the first '$', in one spelling only. */
static bool scheme_of(struct sv scheme, enum auth_scram_hash *out)
{
    return auth_scram_hash_of(scheme, out) && sv_eq(scheme, sv_of(hashes[*out].name));
}

int auth_scram_read(struct sv text, struct auth_scram *out)
{
    struct auth_scram v = {0};
    uint64_t iterations;
    struct sv rest = text;
    size_t key_bytes;

    if (!scheme_of(sv_split(&rest, '$'), &v.hash))
        return ERR_SYNTAX;
    key_bytes = auth_scram_key_bytes(v.hash);
    if (!sv_u64(sv_split(&rest, ':'), AUTH_SCRAM_ITERATIONS_MAX, &iterations) || iterations == 0)
        return ERR_SYNTAX;
    v.iterations = (uint32_t)iterations;
    if (get_b64(sv_split(&rest, '$'), v.salt, AUTH_SCRAM_SALT_MAX, &v.salt_len) < 0 ||
        v.salt_len == 0)
        return ERR_SYNTAX;
    if (get_key(sv_split(&rest, ':'), key_bytes, v.stored_key) < 0 ||
        get_key(rest, key_bytes, v.server_key) < 0)
        return ERR_SYNTAX;
    *out = v;
    return 0;
}

uint64_t auth_scram_derivations(void)
{
    return atomic_load_explicit(&derivations, memory_order_relaxed);
}
