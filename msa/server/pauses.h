/*
 * pauses.h - the names of what the operator has stopped: "submission", "relay", "site PATTERN".
 *
 * The list belongs to its owner, zeroed at first. One thread.
 */
#ifndef MSA_SERVER_PAUSES_H
#define MSA_SERVER_PAUSES_H

#include <stdbool.h>
#include <stddef.h>

#define PAUSES_SUBMISSION "submission"
#define PAUSES_RELAY      "relay"
#define PAUSES_SITE       "site " /* and the pattern of a host's name behind it */

struct pauses {
    char **names;
    size_t count;
};

/* False: it was so already. */
bool pauses_set(struct pauses *p, const char *what, bool paused);
bool pauses_has(const struct pauses *p, const char *what);
void pauses_deinit(struct pauses *p);

#endif
