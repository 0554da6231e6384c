/*
 * diff.h - how a header came to be what it is, as a diff for people or as JSON lines.
 */
#ifndef MSA_CTL_DIFF_H
#define MSA_CTL_DIFF_H

#include "msa/base/sv.h"

/* A record (rewrite/provenance.h); false: it is damaged, and nothing was printed. */
bool diff_show(struct sv record, bool json);
/* The same, in base64. */
bool diff_show_text(const char *base64, bool json);

#endif
