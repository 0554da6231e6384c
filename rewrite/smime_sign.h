/*
 * smime_sign.h - a message made into multipart/signed with a detached CMS signature.
 *
 * RFC 8551 3.5.3, RFC 1847 2.1, RFC 5652 5; draft 8.5. In one pass: what is signed is written and
 * hashed as it comes, the signature follows when somebody has made it of the hash. The signed
 * entity is the body with its Content- fields, byte for byte as given (smime_header.h); it must be
 * 7-bit lines of at most 998 bytes, as a relay that re-encodes it breaks the signature (RFC 8551
 * 3.1.2, 3.1.3): whether it is is known at the end.
 *
 * What is fed is the entity as a message of its own (rewrite_smime_alone(), then the body), perhaps
 * encoded anew to be 7-bit (8.4); the fields that are not signed come of outside, so that they are
 * changed by the edits alone.
 *
 * Ownership: the struct is the caller's; output is appended to out, a little more than what was
 * fed. Memory: header_max. Linear. One thread at a time. The boundary is the caller's, of random
 * characters, so that it stands nowhere in the content.
 * Calls: init, { feed }, end, hash, finish; deinit at any time.
 */
#ifndef REWRITE_SMIME_SIGN_H
#define REWRITE_SMIME_SIGN_H

#include "rewrite/smime_header.h"

#include <openssl/types.h>

#define REWRITE_SMIME_HASH_BYTES     32 /* SHA-256 */
#define REWRITE_SMIME_BOUNDARY_CHARS 40 /* most of them */

struct rewrite_smime_sign {
    struct rewrite_smime_section section;
    char boundary[REWRITE_SMIME_BOUNDARY_CHARS + 1];
    EVP_MD_CTX *md;
    struct sv outside;
    struct rewrite_edits edits; /* of outside, once output has begun */
    bool begun;
    bool is_seven_bit; /* so far */
    size_t line_len;   /* of the unfinished line */
    bool line_cr;
};

/* outside: the fields of the message's header section, valid until deinit. */
void rewrite_smime_sign_init(struct rewrite_smime_sign *s, size_t header_max, struct sv outside,
                             const char *boundary);
void rewrite_smime_sign_deinit(struct rewrite_smime_sign *s);
/* ERR_FULL: a header section over header_max, or no room in out. */
int rewrite_smime_sign_feed(struct rewrite_smime_sign *s, struct sv bytes,
                            struct buf *out) MUST_CHECK;
/* ERR_CORRUPT: the header section has no end. ERR_SYNTAX: what came cannot be signed, as it is not
 * 7-bit. */
int rewrite_smime_sign_end(struct rewrite_smime_sign *s,
                           uint8_t hash_out[REWRITE_SMIME_HASH_BYTES]) MUST_CHECK;
/* der: the CMS SignedData. */
int rewrite_smime_sign_finish(struct rewrite_smime_sign *s, struct sv der,
                              struct buf *out) MUST_CHECK;

#endif
