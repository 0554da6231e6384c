/*
 * smime_proof.h - whether a body is what its Content-Type says: signed, or encrypted.
 *
 * The field is the author's word; the rules of the operator go by the content. What is looked at:
 * application/pkcs7-mime, the type in its ContentInfo (RFC 5652 3, RFC 5083), whatever smime-type
 * says; multipart/signed (RFC 1847 2.1), the second of two parts: of the protocol's type, and a CMS
 * SignedData or an armored OpenPGP signature; multipart/encrypted (RFC 3156 4), two parts,
 * application/pgp-encrypted and application/octet-stream with an armored OpenPGP message. Anything
 * else counts as plain. Not verified: signatures, and for whom something is encrypted; a client
 * that forges the beginning of a CMS or OpenPGP object is believed.
 * Memory: that of the walker (mime.h). Pure; one thread at a time. Calls: init, feed..., end,
 * deinit.
 */
#ifndef REWRITE_SMIME_PROOF_H
#define REWRITE_SMIME_PROOF_H

#include "rewrite/mime.h"
#include "rewrite/smime_header.h"

#define REWRITE_SMIME_START_MAX 128 /* bytes of an entity's body that tell what it is */

/* What the body at hand has to begin with. */
enum rewrite_smime_start {
    REWRITE_SMIME_START_ANY, /* it is not looked at */
    REWRITE_SMIME_START_CMS,
    REWRITE_SMIME_START_PGP_SIGNATURE,
    REWRITE_SMIME_START_PGP_MESSAGE,
};

struct rewrite_smime_proof {
    struct rewrite_mime walk;
    struct sv protocol;
    bool is_signed, is_encrypted; /* the multipart of this name */
    bool part_begins;             /* the next header section is a part's */
    bool is_fit;                  /* so far the parts are what they have to be */
    unsigned parts;
    uint32_t entity; /* whose body is looked at */
    enum rewrite_smime_start wanted;
    bool is_base64;
    char start[REWRITE_SMIME_START_MAX];
    size_t len;
    enum rewrite_smime_form form; /* that was seen */
};

/* section: with a claim, and valid until deinit. */
void rewrite_smime_proof_init(struct rewrite_smime_proof *p, size_t header_max, struct sv section);
void rewrite_smime_proof_deinit(struct rewrite_smime_proof *p);
/* Of the body. */
void rewrite_smime_proof_feed(struct rewrite_smime_proof *p, struct sv bytes);
enum rewrite_smime_form rewrite_smime_proof_end(struct rewrite_smime_proof *p);

#endif
