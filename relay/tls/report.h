/*
 * report.h - the text of a TLS report.
 *
 * RFC 8460 4.4 (JSON), 5.1 (file name), 5.2 (gzip). Pure. Ownership: the caller's. Any thread.
 * Errors: ERR_FULL.
 */
#ifndef RELAY_TLS_REPORT_H
#define RELAY_TLS_REPORT_H

#include "msa/base/buf.h"

#include <jansson.h>

#define TLS_REPORT_MAX      (4u << 20)
#define TLS_REPORT_TIME_MAX 32

struct tls_report {
    const char *organization; /* whose report it is */
    const char *contact;      /* mailbox */
    const char *id;           /* unique; letters and digits */
    const char *domain;       /* about whose hosts */
    int64_t day;              /* UTC, since 1970 */
    json_t *policies;         /* of results.h */
};

int tls_report_json(const struct tls_report *r, struct buf *out) MUST_CHECK;
int tls_report_gzip(struct sv text, struct buf *out) MUST_CHECK;
/* Domain of the contact address. */
const char *tls_report_submitter(const struct tls_report *r);
/* "submitter!domain!begin!end!id.json.gz" */
int tls_report_file_name(const struct tls_report *r, struct buf *out) MUST_CHECK;

#endif
