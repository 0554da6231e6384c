/*
 * lookalike.h - domains that look like what they are not.
 *
 * Unicode UTS 39: section 5.2 (restriction levels; "highly restrictive" is what passes here) and 4
 * (confusables). The tables are small: the scripts that labels are written in, and the letters of
 * other scripts that look like those of ASCII. Domains are given with A-labels in lower case, as
 * msa/smtp/path.h makes them; plain ASCII looks like nothing but itself, but for
 * smtp_lookalike_of_loosely(). Any thread.
 */
#ifndef MSA_SMTP_LOOKALIKE_H
#define MSA_SMTP_LOOKALIKE_H

#include "msa/base/sv.h"

/* Whether a label mixes scripts that no language writes together: one script with digits and
 * hyphens passes, and Latin with Chinese, Japanese or Korean. */
bool smtp_lookalike_mixed(struct sv domain);
/* Likewise a word of some text in UTF-8, such as a local part; words end at ASCII that is neither
 * letter nor digit. */
bool smtp_lookalike_mixed_text(struct sv text);
/* Whether domain is another one than ours, or below another one, that a reader would take for it:
 * some letters are of another script, or all of them. */
bool smtp_lookalike_of(struct sv domain, struct sv ours);
/* Likewise where also letters and digits of ASCII are taken for each other: rn for m, vv for w, 0
 * for o, 1 for l. Honest domains may differ by no more: this is for one that nobody has named. */
bool smtp_lookalike_of_loosely(struct sv domain, struct sv ours);

#endif
