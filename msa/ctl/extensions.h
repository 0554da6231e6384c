/*
 * extensions.h - "msactl extensions": the table of extensions, as the configuration has them.
 *
 * Made from smtp_exts[] and smtp_exts_never[]; the daemon is not asked.
 */
#ifndef MSA_CTL_EXTENSIONS_H
#define MSA_CTL_EXTENSIONS_H

#include "msa/ctl/show.h"
#include "msa/server/options.h"
#include "msa/smtp/ext.h"

enum extension_state {
    EXTENSION_ON,    /* a session on the port offers it, before or after its STARTTLS and AUTH */
    EXTENSION_OFF,   /* extensions.off names it */
    EXTENSION_NEEDS, /* extensions.off names what it needs */
    EXTENSION_IDLE   /* by its own rule: nothing in the configuration gives it anything to offer */
};

/* What clients on one listener are offered. */
enum extension_state extension_state(const struct msa_options *o,
                                     const struct msa_listen_options *l, const struct smtp_ext *x);
/* A line for each extension: keyword, rfc, draft, here ("on", "off", "never"), ports (where it is
 * on), why (it is off, or not on all ports), without (what becomes of mail to a next hop that lacks
 * it). */
void extensions_show(const struct msa_options *o, struct show *show);
void show_extension(struct show *s, json_t *line);

#endif
