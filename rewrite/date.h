/*
 * date.h - the date-time of header fields.
 *
 * RFC 5322 3.3. Written always in UTC ("+0000"): the zone of the server tells nothing about the
 * author. Read are the obsolete forms as well (4.3): comments and folding between all parts, years
 * of two and three digits, zones of letters. So are, beyond the grammar, hours, minutes and seconds
 * of one digit, and parts with nothing between them where that leaves no doubt ("28Jul2026",
 * "10:11:12+0200"). A zone may be any of the grammar's, up to +9959. All else is none. A name of
 * a day that is not that of the date is overlooked. Reading is linear.
 * Time is an argument; nothing here reads a clock. Any thread.
 */
#ifndef REWRITE_DATE_H
#define REWRITE_DATE_H

#include "msa/base/sv.h"

#define REWRITE_DATE_MAX 40 /* bytes with NUL */

/* "Tue, 28 Jul 2026 10:11:12 +0000" for seconds since 1970; out is returned. Times outside the
 * years 1900 to 9999 become the nearer end of that range. */
const char *rewrite_date_write(char out[REWRITE_DATE_MAX], int64_t wall_s);
/* The value of a field, folding and line end with it, in seconds since 1970; false if it is no
 * date-time. */
bool rewrite_date_read(struct sv value, int64_t *wall_s_out);

#endif
