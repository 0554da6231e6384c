/*
 * domain.h - domain names of header fields, as the configuration writes them.
 *
 * RFC 5322 3.4.1, 4.4 (comments and folding inside), RFC 5890 2.3.2.1 (A-labels). Any thread.
 */
#ifndef REWRITE_DOMAIN_H
#define REWRITE_DOMAIN_H

#include "msa/smtp/path.h"

/* Without comments and space, in lower case, U-labels as A-labels. False: it is no domain name. */
bool rewrite_domain_make(struct sv written, char out[SMTP_DOMAIN_MAX + 1]);
/* Whether a name is a domain, or below it; without regard to case. */
bool rewrite_domain_is_within(struct sv name, struct sv domain);

#endif
