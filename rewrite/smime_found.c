#include "rewrite/smime_found.h"

#include "msa/base/pack.h"

static enum rewrite_smime_fault fault_of(const struct rewrite_smime *set,
                                         const struct rewrite_smime_cert *c, struct sv address,
                                         int64_t now_s)
{
    enum rewrite_smime_fault fault = rewrite_smime_recipient_fault(set, c, now_s);
    if (!fault && !rewrite_smime_cert_has(c, address))
        fault = REWRITE_SMIME_OTHER;
    return fault;
}

void rewrite_smime_found_read(const struct rewrite_smime *set, struct sv packed, struct sv address,
                              int64_t now_s, struct rewrite_smime_found *out)
{
    struct unpack u = unpack_start(packed);
    *out = (struct rewrite_smime_found){.cert = NULL};
    while (u.rest.len && !u.bad) {
        struct rewrite_smime_cert *c = rewrite_smime_cert_decode(unpack_sv(&u)), *worse = c;
        enum rewrite_smime_fault fault =
            c ? fault_of(set, c, address, now_s) : REWRITE_SMIME_DAMAGED;
        if (fault) {
            out->fault = fault;
        } else if (!out->cert || c->from_s > out->cert->from_s) {
            worse = out->cert;
            out->cert = c;
        }
        rewrite_smime_cert_free(worse);
    }
}

void rewrite_smime_found_free(struct rewrite_smime_found *f)
{
    rewrite_smime_cert_free(f->cert);
    f->cert = NULL;
}
