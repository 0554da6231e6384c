/*
 * The algorithm is fetched once: OpenSSL 3 looks it up by name each time otherwise, which takes
 * longer than to hash a header section.
 */
#include "rewrite/sha256.h"

#include "msa/base/require.h"

#include <openssl/evp.h>
#include <pthread.h>

static struct {
    pthread_once_t once;
    EVP_MD *md;
} sha256 = {.once = PTHREAD_ONCE_INIT};

static void fetch(void)
{
    sha256.md = EVP_MD_fetch(NULL, "SHA256", NULL);
    REQUIRE(sha256.md);
}

void rewrite_sha256_init(struct rewrite_sha256 *h)
{
    pthread_once(&sha256.once, fetch);
    if (!h->state)
        h->state = EVP_MD_CTX_new();
    REQUIRE(h->state && EVP_DigestInit_ex2(h->state, sha256.md, NULL) == 1);
}

void rewrite_sha256_deinit(struct rewrite_sha256 *h)
{
    EVP_MD_CTX_free(h->state);
    h->state = NULL;
}

void rewrite_sha256_add(struct rewrite_sha256 *h, struct sv bytes)
{
    if (bytes.len)
        REQUIRE(EVP_DigestUpdate(h->state, bytes.ptr, bytes.len) == 1);
}

void rewrite_sha256_copy(struct rewrite_sha256 *h, const struct rewrite_sha256 *from)
{
    if (!h->state)
        h->state = EVP_MD_CTX_new();
    REQUIRE(h->state && EVP_MD_CTX_copy_ex(h->state, from->state) == 1);
}

void rewrite_sha256_finish(struct rewrite_sha256 *h, uint8_t out[REWRITE_SHA256_BYTES])
{
    unsigned len = 0;
    REQUIRE(EVP_DigestFinal_ex(h->state, out, &len) == 1 && len == REWRITE_SHA256_BYTES);
}
