/*
 * load_smime.h - rewrite.smime, rewrite.encrypt and rewrite.certificates: files, folders, faults.
 *
 * RFC 8551, draft 8.5, 8.6. A part of load.h: the master's alone. Certificates of recipients become
 * files of the generation (GENERATION_CERTIFICATE).
 */
#ifndef MSA_DAEMON_LOAD_SMIME_H
#define MSA_DAEMON_LOAD_SMIME_H

#include "msa/server/generation.h"

/* The files of rewrite.smime have been read into g. now_s: wall time, for certificates that are not
 * valid then. */
void load_smime(struct generation *g, const struct conf_source *src, struct conf_faults *faults,
                int64_t now_s);

#endif
