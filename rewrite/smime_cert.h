/*
 * smime_cert.h - certificates of persons: whose they are, from when to when, and what for.
 *
 * RFC 8550 3 (addresses: subjectAltName rfc822Name, and emailAddress of the subject), 4.4.2
 * (keyUsage), 4.4.4 (extendedKeyUsage). Chains are smime_trust.h's.
 * Ownership: a certificate is immutable and freed by who made it. Any thread.
 */
#ifndef REWRITE_SMIME_CERT_H
#define REWRITE_SMIME_CERT_H

#include "msa/base/buf.h"
#include "msa/smtp/path.h"

#include <openssl/types.h>

#define REWRITE_SMIME_ID_LEN        64
#define REWRITE_SMIME_ADDRESSES_MAX 100 /* of one certificate; further ones do not count */

enum rewrite_smime_use { REWRITE_SMIME_SIGN, REWRITE_SMIME_ENCRYPT };

/* name, words behind "it" or "the certificate" */
#define REWRITE_SMIME_FAULTS(XX)                                                          \
    XX(EXPIRED, "has expired")                                                            \
    XX(EARLY, "is not valid yet")                                                         \
    XX(USAGE, "is not meant for this use (keyUsage)")                                     \
    XX(PURPOSE, "is not meant for mail (extendedKeyUsage without emailProtection)")       \
    XX(KEY, "has a key that is not used here: RSA of 2048 to 8192 bits, or EC on P-256, " \
            "P-384 or P-521")                                                             \
    XX(NOBODY, "names no e-mail address")                                                 \
    XX(OTHER, "does not name the address")                                                \
    XX(UNTRUSTED, "is not vouched for by an authority that is trusted here")              \
    XX(DAMAGED, "cannot be read")

enum rewrite_smime_fault {
    REWRITE_SMIME_USABLE,
#define REWRITE_SMIME_ENUM(name, words) REWRITE_SMIME_##name,
    REWRITE_SMIME_FAULTS(REWRITE_SMIME_ENUM)
#undef REWRITE_SMIME_ENUM
        REWRITE_SMIME_FAULT_COUNT
};

struct rewrite_smime_cert {
    X509 *x509;
    char id[REWRITE_SMIME_ID_LEN + 1]; /* SHA-256 of it in lower-case hexadecimal */
    int64_t from_s, until_s;           /* wall time; both belong to it */
    enum rewrite_smime_fault fault[2]; /* whatever the time; by enum rewrite_smime_use */
    char **addresses;                  /* as rewrite_smime_key() writes them */
    size_t count;
};

/* All certificates of PEM text in their order, each to be freed, and the list with free().
 * ERR_SYNTAX, with one sentence appended to why: there is none, or one is damaged. */
int rewrite_smime_certs_read(struct sv pem, struct rewrite_smime_cert ***list_out,
                             size_t *count_out, struct buf *why) MUST_CHECK;
/* One in DER; NULL: it is damaged. */
struct rewrite_smime_cert *rewrite_smime_cert_decode(struct sv der);
void rewrite_smime_cert_free(struct rewrite_smime_cert *c); /* NULL is allowed */
enum rewrite_smime_fault rewrite_smime_cert_fault(const struct rewrite_smime_cert *c,
                                                  enum rewrite_smime_use use, int64_t now_s);
const char *rewrite_smime_fault_words(enum rewrite_smime_fault fault); /* static */
bool rewrite_smime_cert_has(const struct rewrite_smime_cert *c, struct sv key);
/* Likewise any address at this domain. */
bool rewrite_smime_cert_has_domain(const struct rewrite_smime_cert *c, struct sv domain);

/* The form in which addresses are compared: as a path of the envelope (msa/smtp/path.h), without
 * ASCII case. Empty if it is no address. */
struct sv rewrite_smime_key(struct sv address, char out[SMTP_PATH_MAX]);
struct sv rewrite_smime_key_domain(struct sv key);

#endif
