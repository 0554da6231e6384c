#include "rewrite/date.h"

#include "msa/base/require.h"
#include "rewrite/cfws.h"

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

/* ---- reading ---- */

struct reader {
    struct sv rest;
};

static bool skip_cfws(struct reader *r)
{
    return rewrite_cfws_skip(&r->rest);
}

static bool take(struct reader *r, char c)
{
    if (!r->rest.len || r->rest.ptr[0] != c)
        return false;
    r->rest = sv_skip(r->rest, 1);
    return true;
}

/* A number of min to max digits, and no further digit behind it. */
static bool take_number(struct reader *r, size_t min, size_t max, int *out, size_t *digits_out)
{
    size_t n = 0;
    int value = 0;
    while (n < r->rest.len && n <= max && ascii_digit(r->rest.ptr[n]))
        value = value * 10 + (r->rest.ptr[n++] - '0');
    r->rest = sv_skip(r->rest, n);
    *out = value;
    if (digits_out)
        *digits_out = n;
    return n >= min && n <= max;
}

static struct sv take_letters(struct reader *r)
{
    size_t n = 0;
    while (n < r->rest.len && ascii_alpha(r->rest.ptr[n]))
        n++;
    struct sv word = sv_first(r->rest, n);
    r->rest = sv_skip(r->rest, n);
    return word;
}

static bool find_name(struct sv word, const char *const *list, int count, int *out)
{
    for (*out = 0; *out < count; ++*out)
        if (sv_ieq(word, sv_of(list[*out])))
            return true;
    return false;
}

/* [ day-of-week "," ]: a comma may stand there behind a name alone. */
static bool skip_day_name(struct reader *r)
{
    int unused;
    struct sv word = take_letters(r);
    return !word.len ||
           (find_name(word, days, 7, &unused) && skip_cfws(r) && take(r, ',') && skip_cfws(r));
}

/* RFC 5322 4.3 */
static bool take_year(struct reader *r, int *out)
{
    size_t digits;
    if (!take_number(r, 2, 4, out, &digits))
        return false;
    if (digits == 2)
        *out += *out < 50 ? 2000 : 1900;
    else if (digits == 3)
        *out += 1900;
    return *out >= 1900;
}

static bool take_date(struct reader *r, int *day, int *month, int *year)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!skip_cfws(r) || !skip_day_name(r) || !take_number(r, 1, 2, day, NULL) || !skip_cfws(r) ||
        !find_name(take_letters(r), months, 12, month) || !skip_cfws(r) || !take_year(r, year))
        return false;
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    return *day >= 1 && *day <= lengths[*month] + (*month == 1 && leap);
}

static bool take_time(struct reader *r, int *hour, int *minute, int *second)
{
    *second = 0;
    if (!skip_cfws(r) || !take_number(r, 1, 2, hour, NULL) || !skip_cfws(r) || !take(r, ':') ||
        !skip_cfws(r) || !take_number(r, 1, 2, minute, NULL) || !skip_cfws(r))
        return false;
    if (take(r, ':') && (!skip_cfws(r) || !take_number(r, 1, 2, second, NULL) || !skip_cfws(r)))
        return false;
    return *hour < 24 && *minute < 60 && *second <= 60; /* a leap second */
}

/* obs-zone. Those of letters that nobody knows count as "-0000", and so do the military ones, which
 * RFC 822 had the wrong way round. */
static bool zone_of(struct sv word, int *minutes)
{
    static const struct {
        struct sv name;
        int hours;
    } zones[] = {{SV("EST"), -5}, {SV("EDT"), -4}, {SV("CST"), -6}, {SV("CDT"), -5},
                 {SV("MST"), -7}, {SV("MDT"), -6}, {SV("PST"), -8}, {SV("PDT"), -7}};
    *minutes = 0;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (sv_ieq(word, zones[i].name))
            *minutes = zones[i].hours * 60;
    return word.len >= 1 && word.len <= 5;
}

static bool take_zone(struct reader *r, int *minutes)
{
    int number;
    bool east = take(r, '+');
    if (!east && !take(r, '-'))
        return zone_of(take_letters(r), minutes);
    if (!take_number(r, 4, 4, &number, NULL) || number % 100 > 59)
        return false;
    *minutes = (number / 100 * 60 + number % 100) * (east ? 1 : -1);
    return true;
}

/* Days since 1970 of a date in the Gregorian calendar, years counted from March. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month < 2 ? year - 1 : year;
    int64_t of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

bool rewrite_date_read(struct sv value, int64_t *wall_s_out)
{
    struct reader r = {value};
    int day, month, year, hour, minute, second, zone;
    if (!take_date(&r, &day, &month, &year) || !take_time(&r, &hour, &minute, &second) ||
        !take_zone(&r, &zone) || !skip_cfws(&r) || r.rest.len)
        return false;
    *wall_s_out =
        ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second;
    return true;
}
