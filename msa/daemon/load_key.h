/*
 * load_key.h - what holds of every private key that a configuration names, whatever it is for.
 *
 * A part of load.h: the master's alone.
 */
#ifndef MSA_DAEMON_LOAD_KEY_H
#define MSA_DAEMON_LOAD_KEY_H

#include "msa/server/generation.h"

/* A fault at this key of the configuration where anybody can read the file. */
void load_key_mode(const char *key, const char *path, const struct conf_source *src,
                   struct conf_faults *faults);
/* Is it also a key of tls, of rewrite.dkim? A key has one purpose: for another it would answer
 * what it was not meant for. */
bool load_key_is_tls(const struct generation *g, struct sv pem);
bool load_key_is_dkim(const struct generation *g, struct sv pem);

#endif
