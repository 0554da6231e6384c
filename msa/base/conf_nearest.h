/*
 * conf_nearest.h - the known key that an unknown one was meant to be; private to conf_*.
 */
#ifndef MSA_BASE_CONF_NEAREST_H
#define MSA_BASE_CONF_NEAREST_H

#include "msa/base/conf.h"

/*
 * Full key (in the arena) of the row in group that is nearest to name; else of a row anywhere
 * under root that has this very name; else NULL. prefix: full key of the group.
 */
const char *conf_nearest(const struct conf_option *root, const struct conf_option *group,
                         const char *prefix, struct sv name, struct arena *a);

#endif
