/*
 * smime_trust.h - the authorities that vouch for recipients' certificates (rewrite.certificate_ca).
 *
 * RFC 8550 4.4, RFC 5280 6. A certificate holds where a chain leads from it, over others of the
 * file, to one of the file, at the time, each fit for encryption of mail. Revocation is not looked
 * at. Ownership: new/free; immutable, any thread.
 */
#ifndef REWRITE_SMIME_TRUST_H
#define REWRITE_SMIME_TRUST_H

#include "rewrite/smime_cert.h"

struct rewrite_smime_trust;

/* NULL with one sentence appended to why: there is no certificate in pem, or one is damaged. */
struct rewrite_smime_trust *rewrite_smime_trust_new(struct sv pem, struct buf *why);
void rewrite_smime_trust_free(struct rewrite_smime_trust *t); /* NULL is allowed */
bool rewrite_smime_trust_holds(const struct rewrite_smime_trust *t,
                               const struct rewrite_smime_cert *c, int64_t now_s);

#endif
