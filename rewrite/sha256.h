/*
 * sha256.h - SHA-256 over bytes as they come (FIPS 180-4), by libcrypto.
 *
 * The struct is the caller's; init allocates the library's state, deinit frees it. A sum can be
 * copied in the middle, so that what several hashes begin with is read once.
 * Calls: init, { add }, finish; init again begins anew. One thread at a time.
 */
#ifndef REWRITE_SHA256_H
#define REWRITE_SHA256_H

#include "msa/base/sv.h"

#define REWRITE_SHA256_BYTES 32

struct rewrite_sha256 {
    void *state; /* the library's; NULL before init */
};

void rewrite_sha256_init(struct rewrite_sha256 *h);
void rewrite_sha256_deinit(struct rewrite_sha256 *h); /* also of one that is all zeros */
void rewrite_sha256_add(struct rewrite_sha256 *h, struct sv bytes);
/* h becomes what from is; both go on by themselves. */
void rewrite_sha256_copy(struct rewrite_sha256 *h, const struct rewrite_sha256 *from);
/* The sum; h must be initialised anew before its next use. */
void rewrite_sha256_finish(struct rewrite_sha256 *h, uint8_t out[REWRITE_SHA256_BYTES]);

#endif
