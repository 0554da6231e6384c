/*
 * dkim.h - "msactl dkim ...": new keys, and the keys in force beside what the DNS says.
 */
#ifndef MSA_CTL_DKIM_H
#define MSA_CTL_DKIM_H

#include "msa/ctl/show.h"
#include "msa/server/options.h"

/* Makes both keys of a domain under <state>/dkim, an RSA key by the selector and an Ed25519 key by
 * SELECTOR-ed25519, and prints what is to be published and configured. Never writes over a file.
 * Exit code; what is wrong has been printed. */
int dkim_new(const struct msa_options *o, const char *domain, const char *selector, bool json);

void show_dkim(struct show *s, json_t *line);

#endif
