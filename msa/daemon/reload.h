/*
 * reload.h - what a new configuration may change while the program runs. Pure.
 */
#ifndef MSA_DAEMON_RELOAD_H
#define MSA_DAEMON_RELOAD_H

#include "msa/server/generation.h"

/* Options without CONF_RELOAD keep the value that counts now: fresh gets it from current,
 * with the file that it names. on_kept is told each key whose new value has to wait for the next
 * start. Returns a generation that depends on neither (fresh is dropped), or NULL with words in
 * error. */
struct generation *reload_merge(const struct generation *current, struct generation *fresh,
                                void (*on_kept)(void *arg, const char *key), void *arg,
                                struct buf *error);

#endif
