/*
 * dkim_record.h - the TXT record by which a key is published: written, and compared with a key.
 *
 * RFC 6376 3.6.1, 3.6.2.2; RFC 8463 4. Any thread.
 */
#ifndef REWRITE_DKIM_RECORD_H
#define REWRITE_DKIM_RECORD_H

#include "msa/base/buf.h"
#include "rewrite/dkim_keys.h"

#define REWRITE_DKIM_STRING_MAX 255 /* bytes of one string of a TXT record, RFC 1035 3.3 */

/* name, word for listings */
#define REWRITE_DKIM_VERDICTS(XX) \
    XX(OK, "ok")                  \
    XX(DIFFERS, "differs")        \
    XX(REVOKED, "revoked")

enum rewrite_dkim_verdict {
#define REWRITE_DKIM_VERDICT_ENUM(name, word) REWRITE_DKIM_RECORD_##name,
    REWRITE_DKIM_VERDICTS(REWRITE_DKIM_VERDICT_ENUM)
#undef REWRITE_DKIM_VERDICT_ENUM
};
const char *rewrite_dkim_verdict_word(enum rewrite_dkim_verdict v);

/* Appends "v=DKIM1; k=rsa; p=..."; public_half: base64. ERR_FULL. */
int rewrite_dkim_record_write(struct buf *out, enum rewrite_dkim_algorithm algorithm,
                              struct sv public_half) MUST_CHECK;
/* Whether receivers that find this record accept what the key signs. why_out: words for a person,
 * "" where nothing is to be said. */
enum rewrite_dkim_verdict rewrite_dkim_record_judge(struct sv record,
                                                    enum rewrite_dkim_algorithm algorithm,
                                                    struct sv public_half, const char **why_out);

#endif
