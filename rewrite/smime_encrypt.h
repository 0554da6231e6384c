/*
 * smime_encrypt.h - a message made into application/pkcs7-mime, encrypted to some certificates.
 *
 * RFC 8551 3.3, RFC 5652 6 (EnvelopedData), RFC 3565 (AES); draft 8.6. AES-256-CBC, as all mail
 * programs that know S/MIME can read it, which is not so of AuthEnvelopedData (RFC 5083); the
 * content key goes to RSA keys by PKCS#1 v1.5 and to EC keys by ECDH (RFC 5753). Whoever gets the
 * message sees the issuers and serial numbers of all certificates it was encrypted to: those that
 * may not know of each other need messages of their own.
 * The encrypted entity is the body with its Content- fields; it may be of any bytes. In one pass,
 * with the CMS structure in its streaming form (BER, indefinite length).
 *
 * Ownership: the struct is the caller's; certificates are used during init alone. Output is
 * appended to out, about 1.4 times what was fed. Memory: header_max and 1 KiB a certificate.
 * Linear. One thread at a time.
 * Calls: init, { feed }, end; deinit at any time.
 */
#ifndef REWRITE_SMIME_ENCRYPT_H
#define REWRITE_SMIME_ENCRYPT_H

#include "rewrite/smime_base64.h"
#include "rewrite/smime_cert.h"
#include "rewrite/smime_header.h"

struct rewrite_smime_encrypt {
    struct rewrite_smime_section section;
    struct rewrite_smime_base64 lines;
    struct CMS_ContentInfo_st *cms;
    struct rewrite_edits edits; /* of the section's fields, once output has begun */
    BIO *plain, *cipher;        /* what is written to the one comes out of the other */
    bool begun;
};

/* ERR_SYNTAX: libcrypto cannot encrypt to one of them; deinit all the same. */
int rewrite_smime_encrypt_init(struct rewrite_smime_encrypt *e, size_t header_max,
                               const struct rewrite_smime_cert *const *to, size_t count) MUST_CHECK;
void rewrite_smime_encrypt_deinit(struct rewrite_smime_encrypt *e);
/* ERR_FULL: a header section over header_max, or no room in out. */
int rewrite_smime_encrypt_feed(struct rewrite_smime_encrypt *e, struct sv bytes,
                               struct buf *out) MUST_CHECK;
/* ERR_CORRUPT: the header section has no end, or libcrypto failed. */
int rewrite_smime_encrypt_end(struct rewrite_smime_encrypt *e, struct buf *out) MUST_CHECK;

#endif
