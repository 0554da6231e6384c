/*
 * lf.h - a message's content in the form that QMTP carries: lines that end with LF.
 *
 * cr.yp.to/proto/qmtp.txt, encoding #2; this is without its first byte, the LF that announces it.
 * Each CRLF becomes LF; a CR by itself is data. A LF by itself cannot be told from a line end in
 * this form: content that has one does not go by QMTP (its sender sees to that).
 * Ownership: the caller's struct; runs are views of the bytes given, or static. Any thread.
 *
 *     struct qmtp_lf l = {0};
 *     while (in.len) {
 *         in = sv_skip(in, qmtp_lf_next(&l, in, &run));
 *         use(run);                                        // may be empty
 *     }
 *     use(qmtp_lf_end(&l));                                // when all has been given
 */
#ifndef RELAY_QMTP_LF_H
#define RELAY_QMTP_LF_H

#include "msa/base/sv.h"

struct qmtp_lf {
    bool had_cr; /* the last byte; what it means shows the next one */
};

/* Takes bytes from the front of in, returns how many; none if *run is a CR that was held back. */
size_t qmtp_lf_next(struct qmtp_lf *l, struct sv in, struct sv *run);
/* A CR that is the very last byte. */
struct sv qmtp_lf_end(struct qmtp_lf *l);
/* How many bytes come of these, by the same rules. */
uint64_t qmtp_lf_count(struct qmtp_lf *l, struct sv in);

#endif
