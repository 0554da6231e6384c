/*
 * report_mail.h - a TLS report as a message.
 *
 * RFC 8460 5.3: multipart/report with report-type "tlsrpt", the report gzip'ed and in base64,
 * TLS-Report-Domain and TLS-Report-Submitter. "TLS-Required: No" (RFC 8689 5): it goes where TLS
 * fails, too. Pure. ERR_FULL.
 */
#ifndef RELAY_REPORT_MAIL_H
#define RELAY_REPORT_MAIL_H

#include "relay/tls/report.h"

struct relay_report_mail {
    const struct tls_report *report;
    const char *id; /* queue id */
    const char *hostname;
    struct sv to;
    int64_t now_s; /* wall time */
};

/* gzip: of the report. */
int relay_report_mail(const struct relay_report_mail *m, struct sv gzip,
                      struct buf *out) MUST_CHECK;

#endif
