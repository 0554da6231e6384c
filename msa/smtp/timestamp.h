/*
 * timestamp.h - dates as extension parameters write them.
 *
 * RFC 3339 "2026-11-28T05:00:00Z", as FUTURERELEASE (RFC 4865) and RRVS (RFC 7293) take it: no
 * fractions of a second, an offset in hours and minutes or "Z". Pure. Any thread.
 */
#ifndef MSA_SMTP_TIMESTAMP_H
#define MSA_SMTP_TIMESTAMP_H

#include "msa/base/sv.h"

#define SMTP_TIMESTAMP_MAX 24 /* bytes with NUL */

/* The whole text as seconds since 1970. False: no such form, or no such day. A leap second counts
 * as the second behind it. */
bool smtp_timestamp_parse(struct sv text, int64_t *wall_s_out);
/* In UTC with "Z"; out is returned. Times outside the years 0000 to 9999 become the nearer end. */
const char *smtp_timestamp_write(char out[SMTP_TIMESTAMP_MAX], int64_t wall_s);

#endif
