/*
 * load_maps.h - the maps that rewrite.rules names, read into a generation and checked.
 *
 * Blocking; the master and msad --check alone.
 */
#ifndef MSA_DAEMON_LOAD_MAPS_H
#define MSA_DAEMON_LOAD_MAPS_H

#include "msa/server/generation.h"

#define LOAD_MAP_MAX_BYTES (4u << 20)

/* The options have been read without an error. Faults name the row, or the map's line. */
void load_maps(struct generation *g, const struct conf_source *src, struct conf_faults *faults);

#endif
