/*
 * tlsrpt_record.h - TLS-RPT: who wants reports about TLS, by the TXT record of _smtp._tls.DOMAIN.
 *
 * RFC 8460 3. Pure. Of the addresses those that cannot be used (another scheme, user names, what
 * breaks the grammar) are left out; the rest of the record has to be good. Ownership: texts are the
 * arena's. Any thread.
 */
#ifndef RELAY_TLS_TLSRPT_RECORD_H
#define RELAY_TLS_TLSRPT_RECORD_H

#include "msa/base/arena.h"

#define TLSRPT_TARGETS_MAX 4 /* more are not looked at */

struct tlsrpt_target {
    const char *mailbox; /* mailto: without <>, not judged further; NULL: https */
    const char *host;    /* https: A-labels */
    uint16_t port;
    const char *path; /* with query, from "/" on */
};

/* Chooses among TXT records. 0: nobody wants any. */
size_t tlsrpt_record_targets(const struct sv *texts, size_t n, struct arena *arena,
                             struct tlsrpt_target out[TLSRPT_TARGETS_MAX]);

#endif
