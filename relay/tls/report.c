#include "relay/tls/report.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define DAY_S     86400
#define GZIP_BITS (15 + 16) /* the largest window, and gzip's own header */

/* RFC 3339 5.6. */
static const char *time_text(char out[TLS_REPORT_TIME_MAX], int64_t wall_s)
{
    time_t t = (time_t)wall_s;
    struct tm tm = {0};
    if (!gmtime_r(&t, &tm) || strftime(out, TLS_REPORT_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return "1970-01-01T00:00:00Z";
    return out;
}

int tls_report_json(const struct tls_report *r, struct buf *out)
{
    char begin[TLS_REPORT_TIME_MAX], end[TLS_REPORT_TIME_MAX];
    json_t *o =
        json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:O}", "organization-name", r->organization,
                  "date-range", "start-datetime", time_text(begin, r->day * DAY_S), "end-datetime",
                  time_text(end, (r->day + 1) * DAY_S - 1), "contact-info", r->contact, "report-id",
                  r->id, "policies", r->policies);
    REQUIRE(o);
    char *text = json_dumps(o, JSON_COMPACT);
    REQUIRE(text);
    int err = buf_put(out, sv_of(text));
    free(text);
    json_decref(o);
    return err;
}

int tls_report_gzip(struct sv text, struct buf *out)
{
    z_stream z = {0};
    char *at;
    int rc = deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY);
    REQUIRE(rc == Z_OK);
    size_t most = deflateBound(&z, (uLong)text.len);
    int err = buf_reserve(out, most, &at);
    if (err == 0) {
        z.next_in = (Bytef *)(uintptr_t)text.ptr;
        z.avail_in = (uInt)text.len;
        z.next_out = (Bytef *)at;
        z.avail_out = (uInt)most;
        rc = deflate(&z, Z_FINISH);
        REQUIRE(rc == Z_STREAM_END); /* deflateBound() */
        buf_added(out, z.total_out);
    }
    deflateEnd(&z);
    return err;
}

const char *tls_report_submitter(const struct tls_report *r)
{
    const char *sign = strrchr(r->contact, '@');
    return sign ? sign + 1 : r->contact;
}

int tls_report_file_name(const struct tls_report *r, struct buf *out)
{
    return buf_printf(out, "%s!%s!%lld!%lld!%s.json.gz", tls_report_submitter(r), r->domain,
                      (long long)r->day * DAY_S, (long long)(r->day + 1) * DAY_S - 1, r->id);
}
