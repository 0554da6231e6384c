#include "relay/report_mail.h"

#include "msa/base/b64.h"
#include "relay/notice.h"

#include <stdio.h>

#define LINE 57 /* bytes that fill a line of base64 (RFC 2045 6.8) */

static int put_head(const struct relay_report_mail *m, struct buf *out)
{
    const struct tls_report *r = m->report;
    const char *submitter = tls_report_submitter(r);
    char subject[900];
    snprintf(subject, sizeof subject, "Report Domain: %s Submitter: %s Report-ID: <%s@%s>",
             r->domain, submitter, r->id, m->hostname);
    struct relay_notice head = {.id = sv_of(m->id),
                                .hostname = sv_of(m->hostname),
                                .postmaster = sv_of(r->contact),
                                .to = m->to,
                                .subject = sv_of(subject),
                                .submitted = SV("auto-generated"),
                                .now_s = m->now_s};
    int err = relay_notice_header(out, &head);
    if (err == 0)
        err = buf_printf(out,
                         "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n"
                         "TLS-Required: No\r\nContent-Type: multipart/report;\r\n"
                         " report-type=\"tlsrpt\"; boundary=\"%s\"\r\n\r\n",
                         r->domain, submitter, m->id);
    return err;
}

static int put_text(const struct relay_report_mail *m, struct buf *out)
{
    return buf_printf(out,
                      "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n"
                      "Content-Transfer-Encoding: 7bit\r\n\r\n"
                      "This is a report about TLS of connections from %s to the\r\n"
                      "mail servers of %s (RFC 8460). You get it because the TXT\r\n"
                      "record of _smtp._tls at that domain asks for it.\r\n\r\n",
                      m->id, m->hostname, m->report->domain);
}

static int put_report(const struct relay_report_mail *m, struct sv gzip, struct buf *out)
{
    int err = buf_printf(out,
                         "--%s\r\nContent-Type: application/tlsrpt+gzip\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment;\r\n filename=\"",
                         m->id);
    if (err == 0)
        err = tls_report_file_name(m->report, out);
    if (err == 0)
        err = buf_put(out, SV("\"\r\n\r\n"));
    for (; gzip.len && err == 0; gzip = sv_skip(gzip, LINE)) {
        err = b64_encode(out, sv_first(gzip, LINE));
        if (err == 0)
            err = buf_put(out, SV("\r\n"));
    }
    return err < 0 ? err : buf_printf(out, "--%s--\r\n", m->id);
}

int relay_report_mail(const struct relay_report_mail *m, struct sv gzip, struct buf *out)
{
    int err = put_head(m, out);
    if (err == 0)
        err = put_text(m, out);
    return err < 0 ? err : put_report(m, gzip, out);
}
