#include "msa/smtp/timestamp.h"

#include "msa/base/require.h"

#include <stdio.h>
#include <time.h>

#define EARLIEST_S (-62167219200LL) /* 0000-01-01 */
#define LATEST_S   253402300799LL   /* 9999-12-31 23:59:59 */

static const int days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to a day that exists. */
static int64_t days_of(int year, int month, int day)
{
    int64_t past = year; /* leap days of the years before this one, the year 0 included */
    int64_t leaps = past > 0 ? (past - 1) / 4 - (past - 1) / 100 + (past - 1) / 400 + 1 : 0;
    int64_t days = past * 365 + leaps + days_before[month - 1] + (month > 2 && is_leap(year));
    return days + day - 1 - 719528; /* of which so many lie before 1970 */
}

/* The next n digits, which must be followed by separator (0: anything). */
static bool take_number(struct sv *text, size_t n, char separator, int *out)
{
    *out = 0;
    if (text->len < n + (separator != 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!ascii_digit(text->ptr[i]))
            return false;
        *out = *out * 10 + (text->ptr[i] - '0');
    }
    if (separator && ascii_lower(text->ptr[n]) != ascii_lower(separator))
        return false;
    *text = sv_skip(*text, n + (separator != 0));
    return true;
}

/* "Z", "+hh:mm" or "-hh:mm" to seconds east of UTC. */
static bool take_offset(struct sv text, int *out)
{
    int hours, minutes;
    *out = 0;
    if (sv_ieq(text, SV("Z")))
        return true;
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-'))
        return false;
    bool west = text.ptr[0] == '-';
    text = sv_skip(text, 1);
    if (!take_number(&text, 2, ':', &hours) || !take_number(&text, 2, 0, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *out = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

bool smtp_timestamp_parse(struct sv text, int64_t *wall_s_out)
{
    int year, month, day, hour, minute, second, east;
    if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
        !take_number(&text, 2, 'T', &day) || !take_number(&text, 2, ':', &hour) ||
        !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, 0, &second) ||
        !take_offset(text, &east))
        return false;
    if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60)
        return false;
    int length = days_before[month] - days_before[month - 1] + (month == 2 && is_leap(year));
    if (day > length)
        return false;
    *wall_s_out = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - east;
    return true;
}

const char *smtp_timestamp_write(char out[SMTP_TIMESTAMP_MAX], int64_t wall_s)
{
    time_t t = wall_s < EARLIEST_S ? EARLIEST_S : wall_s > LATEST_S ? LATEST_S : wall_s;
    struct tm tm;
    REQUIRE(gmtime_r(&t, &tm));
    int len = snprintf(out, SMTP_TIMESTAMP_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    REQUIRE(len > 0 && len < SMTP_TIMESTAMP_MAX);
    return out;
}
