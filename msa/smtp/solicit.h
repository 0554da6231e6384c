/*
 * solicit.h - solicitation class keywords.
 *
 * RFC 3865 2.1: a reversed domain name, a colon, then the class: "org.example:ADV:ADLT"; several
 * are separated by commas. Compared without case. Pure. Any thread.
 */
#ifndef MSA_SMTP_SOLICIT_H
#define MSA_SMTP_SOLICIT_H

#include "msa/base/sv.h"

#define SMTP_SOLICIT_MAX 1000 /* octets of a list, RFC 3865 2.2 */

/* Whether text is a list of keywords: at least one, no spaces. */
bool smtp_solicit_valid(struct sv list);
/* The first keyword of list that stands in other, or an empty view. */
struct sv smtp_solicit_common(struct sv list, struct sv other);

#endif
