/*
 * state.h - the state folder, for commands that need it before msad ever ran.
 */
#ifndef MSA_CTL_STATE_H
#define MSA_CTL_STATE_H

#include "msa/server/options.h"

/* <state> and its folders, with their owners. False: why has been printed. */
bool state_make(const struct msa_options *o);

#endif
