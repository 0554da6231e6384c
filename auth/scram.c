/*
 * scram.c - SCRAM-SHA-256 verifiers. RFC 5802 3: SaltedPassword = PBKDF2(password), ClientKey and
 * ServerKey are HMACs under it, StoredKey is the hash of ClientKey.
 */
#include "auth/scram.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SCHEME "SCRAM-SHA-256$"

static atomic_uint_fast64_t derivations;

static void hmac(const uint8_t key[AUTH_SCRAM_KEY_BYTES], const char *text,
                 uint8_t out[AUTH_SCRAM_KEY_BYTES])
{
    unsigned len = 0;

    REQUIRE(HMAC(EVP_sha256(), key, AUTH_SCRAM_KEY_BYTES, (const unsigned char *)text, strlen(text),
                 out, &len) != NULL);
    REQUIRE(len == AUTH_SCRAM_KEY_BYTES);
}

void auth_scram_derive(struct auth_scram *v, struct sv password)
{
    uint8_t salted[AUTH_SCRAM_KEY_BYTES], client[AUTH_SCRAM_KEY_BYTES];

    REQUIRE(password.len <= INT32_MAX && v->salt_len <= AUTH_SCRAM_SALT_MAX);
    atomic_fetch_add_explicit(&derivations, 1, memory_order_relaxed);
    REQUIRE(PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len, v->salt,
                              (int)v->salt_len, (int)v->iterations, EVP_sha256(), sizeof(salted),
                              salted) == 1);
    hmac(salted, "Client Key", client);
    hmac(salted, "Server Key", v->server_key);
    SHA256(client, sizeof(client), v->stored_key);
    mem_wipe(salted, sizeof(salted));
    mem_wipe(client, sizeof(client));
}

void auth_scram_new(struct auth_scram *v, struct sv password)
{
    *v =
        (struct auth_scram){.iterations = AUTH_SCRAM_ITERATIONS, .salt_len = AUTH_SCRAM_SALT_BYTES};
    random_fill(v->salt, v->salt_len);
    auth_scram_derive(v, password);
}

bool auth_scram_matches(const struct auth_scram *v, struct sv password)
{
    struct auth_scram tried = *v;
    bool same;

    auth_scram_derive(&tried, password);
    same = mem_equal_ct(tried.stored_key, v->stored_key, sizeof(v->stored_key)) != 0;
    mem_wipe(&tried, sizeof(tried));
    return same;
}

static void put_b64(struct buf *out, const void *bytes, size_t len)
{
    REQUIRE(b64_encode(out, (struct sv){bytes, len}) == 0);
}

void auth_scram_write(const struct auth_scram *v, char out[AUTH_SCRAM_TEXT_MAX])
{
    struct buf text;

    buf_init(&text, AUTH_SCRAM_TEXT_MAX - 1, BUF_SECRET);
    REQUIRE(buf_printf(&text, SCHEME "%u:", v->iterations) == 0);
    put_b64(&text, v->salt, v->salt_len);
    REQUIRE(buf_append(&text, "$", 1) == 0);
    put_b64(&text, v->stored_key, sizeof(v->stored_key));
    REQUIRE(buf_append(&text, ":", 1) == 0);
    put_b64(&text, v->server_key, sizeof(v->server_key));
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

static int get_key(struct sv text, uint8_t out[AUTH_SCRAM_KEY_BYTES])
{
    size_t len = 0;

    if (get_b64(text, out, AUTH_SCRAM_KEY_BYTES, &len) < 0 || len != AUTH_SCRAM_KEY_BYTES)
        return ERR_SYNTAX;
    return 0;
}

int auth_scram_read(struct sv text, struct auth_scram *out)
{
    struct auth_scram v = {0};
    uint64_t iterations;
    struct sv rest;

    if (!sv_starts(text, SV(SCHEME)))
        return ERR_SYNTAX;
    rest = sv_skip(text, sizeof(SCHEME) - 1);
    if (!sv_u64(sv_split(&rest, ':'), AUTH_SCRAM_ITERATIONS_MAX, &iterations) || iterations == 0)
        return ERR_SYNTAX;
    v.iterations = (uint32_t)iterations;
    if (get_b64(sv_split(&rest, '$'), v.salt, AUTH_SCRAM_SALT_MAX, &v.salt_len) < 0 ||
        v.salt_len == 0)
        return ERR_SYNTAX;
    if (get_key(sv_split(&rest, ':'), v.stored_key) < 0 || get_key(rest, v.server_key) < 0)
        return ERR_SYNTAX;
    *out = v;
    return 0;
}

uint64_t auth_scram_derivations(void)
{
    return atomic_load_explicit(&derivations, memory_order_relaxed);
}
