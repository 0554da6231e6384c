/*
 * conf_scan.h - first pass over the text of a configuration, before libconfig; private to conf_*.
 *
 * Finds what libconfig 1.5 does not say or says badly: where each key and element stands, numbers
 * that overflow, keys written twice, values without quotes, brackets and strings left open,
 * @include, NUL bytes. Writes a text that libconfig reads on the same lines, in which comments are
 * gone, each integer carries the suffix L (64 bits), and such faults are mended, so that one run
 * reports all of them.
 */
#ifndef MSA_BASE_CONF_SCAN_H
#define MSA_BASE_CONF_SCAN_H

#include "msa/base/conf.h"

/* The second of two equal keys is renamed to a name that begins so; readers pass over it. */
#define CONF_SCAN_DUPLICATE "*duplicate"

/* False if libconfig could make nothing of the text; the reason stands in faults. src->file is set
 * by the caller; src->places by this call. */
bool conf_scan(struct sv text, struct arena *a, struct conf_faults *faults, struct conf_source *src,
               struct buf *out);

#endif
