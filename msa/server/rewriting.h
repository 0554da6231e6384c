/*
 * rewriting.h - the option rewrite.rules: checked, and made ready with the maps that it names.
 *
 * RFC 6409 8 and 8.8: a rule for recipients may match addresses of our own domains only, as the
 * local parts of others are not ours to change; what would match everything is refused. A map is
 * checked for every row that names it. Contents of maps lie in the generation, under keys of their
 * own (rewriting_map_key). Pure; any thread.
 */
#ifndef MSA_SERVER_REWRITING_H
#define MSA_SERVER_REWRITING_H

#include "msa/server/generation.h"
#include "rewrite/rules.h"

/* Key of a map's contents among the files of a generation, and the path behind it. */
#define REWRITING_MAP_PREFIX "map:"
bool rewriting_is_map_key(const char *key);
const char *rewriting_map_key(struct arena *a, const char *map);
const char *rewriting_map_path(const char *key);

/* Names every fault of the rows, each with row and key. */
void rewriting_check(const struct msa_options *o, const struct conf_source *src,
                     struct conf_faults *faults);
/* Names every fault of a map with its line. key: of the generation. */
void rewriting_check_map(const char *key, struct sv text, const struct msa_options *o,
                         struct conf_faults *faults);
/* All rules; what was not checked before is passed over. rewrite_rules_free() it, before the
 * arena. */
struct rewrite_rules *rewriting_rules(const struct generation *g, struct arena *a);

#endif
