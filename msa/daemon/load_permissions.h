/*
 * load_permissions.h - the part of a generation that lies in further files: rows of permissions in
 * folders that are included, and files of addresses.
 *
 * A row with include is replaced by the rows of the files in its folder, in the order of their
 * names; so a generation is whole, whoever reads it. Each pattern that names a file or a
 * query brings its addresses along. Blocking; the master and msad --check alone.
 */
#ifndef MSA_DAEMON_LOAD_PERMISSIONS_H
#define MSA_DAEMON_LOAD_PERMISSIONS_H

#include "msa/server/generation.h"

#define LOAD_FILE_MAX_BYTES (4u << 20)

/* The options have been read from config_path without an error. Faults name file and line. */
void load_permissions(struct generation *g, const char *config_path, const struct conf_source *src,
                      struct conf_faults *faults);

#endif
