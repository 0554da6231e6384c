/*
 * aliases.h - a file that says which further addresses each login owns. Pure.
 *
 * What "file:/path" among the patterns of a permission means: the file's line of the login. Its
 * form:
 *
 *     # a comment, alone on its line
 *     alice@example.net: sales@example.net, alice+*@example.net
 *     bob: @bob.example            (bob@ the first realm)
 *
 * Behind the colon stand patterns (pattern.h) but "file:" and those with "%u", separated by commas;
 * several lines of one login add up. A login that has no line owns nothing by the file. Lines may
 * end with CRLF. Time is linear. Any thread.
 */
#ifndef MSA_SERVER_ALIASES_H
#define MSA_SERVER_ALIASES_H

#include "msa/base/conf.h"
#include "msa/server/pattern.h"

/* Calls each() for every pattern, the login with its realm, in lower case; lines with a fault are
 * passed over. Texts lie in the arena. */
void aliases_read(struct sv text, const struct conf_strings *realms, struct arena *a,
                  void (*each)(void *arg, struct sv login, struct sv pattern), void *arg);
/* Names every fault with its line of the file. */
void aliases_check(const char *path, struct sv text, const struct conf_strings *realms,
                   struct conf_faults *faults);

#endif
