#include "rewrite/date.h"

#include "msa/base/require.h"

#include <stdio.h>
#include <time.h>

/* The range of four-digit years that RFC 5322 3.3 allows. */
#define EARLIEST_S (-2208988800LL) /* 1900-01-01 */
#define LATEST_S   253402300799LL  /* 9999-12-31 23:59:59 */

/* gmtime_r needs no locale and no zone file; names come from here, not from strftime, because a
 * field must never be in the operator's language. */
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *rewrite_date_write(char out[REWRITE_DATE_MAX], int64_t wall_s)
{
    time_t t = wall_s < EARLIEST_S ? EARLIEST_S : wall_s > LATEST_S ? LATEST_S : wall_s;
    struct tm tm;
    REQUIRE(gmtime_r(&t, &tm));
    int len = snprintf(out, REWRITE_DATE_MAX, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday],
                       tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
    REQUIRE(len > 0 && len < REWRITE_DATE_MAX);
    return out;
}
