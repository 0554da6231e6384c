/*
 * plain.h - text of strangers on its way to a terminal: nothing of it can move the cursor, change
 * colours, or turn the order of what is read.
 *
 * Control characters (C0, DEL, and C1, which some terminals obey as they do ESC), bytes that are
 * not UTF-8 and marks of direction become "?"; a tab stays, line ends become spaces. JSON needs
 * none of this. Any thread.
 */
#ifndef MSA_CTL_PLAIN_H
#define MSA_CTL_PLAIN_H

#include "msa/base/arena.h"

void plain_put(struct sv text); /* to standard output */
const char *plain_copy(struct arena *a, const char *text);

#endif
