/*
 * load_aliases.h - the addresses that a pattern names by a file or a query (msa/server/pattern.h),
 * in the form of msa/server/aliases.h.
 *
 * A file is read as it is. Of a query every row is read, login and address; the database is opened
 * for reading alone, nothing but SELECT is let through, and it has LOAD_QUERY_MS. Blocking; the
 * master and msad --check alone.
 */
#ifndef MSA_DAEMON_LOAD_ALIASES_H
#define MSA_DAEMON_LOAD_ALIASES_H

#include "msa/base/buf.h"

#define LOAD_QUERY_MS 5000

/* Appends to out; false with words in why, which has room for 500 bytes. */
bool load_aliases(struct sv pattern, struct buf *out, struct buf *why);

#endif
