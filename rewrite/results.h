/*
 * results.h - whether an Authentication-Results field claims to be ours.
 *
 * RFC 8601 2.2 (authserv-id: a token or a quoted string, comments and folding before it), 5 (fields
 * that claim to be from within one's own borders, and were not added there, are removed). Domains
 * are compared as A-labels, without case and without dots at the end. A field in which no such name
 * can be read claims nothing. Time is linear. Any thread.
 */
#ifndef REWRITE_RESULTS_H
#define REWRITE_RESULTS_H

#include "msa/base/sv.h"

/* value: behind the colon. Ours are host, each of the domains, and what is below those. */
bool rewrite_results_are_ours(struct sv value, struct sv host, const struct sv *domains,
                              size_t count);

#endif
