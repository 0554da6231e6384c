/*
 * reason.h - what an enhanced status code means, in words for a person who wrote a mail.
 *
 * RFC 3463 and the registry of RFC 5248. Class 4 and 5 have the same words: whether it is tried
 * again stands elsewhere in a report. A code that the registry does not know gets the words of its
 * subject. Static text; any thread.
 */
#ifndef RELAY_REASON_H
#define RELAY_REASON_H

#include "msa/smtp/status.h"

/* One or two sentences; NULL: nothing can be said (class 2, subject 0, an unknown subject). */
const char *relay_reason(struct smtp_status s);

#endif
