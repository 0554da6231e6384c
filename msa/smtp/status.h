/*
 * status.h - enhanced status codes: class.subject.detail.
 *
 * RFC 3463 section 2, RFC 2034. A value; class 0 means "none given". Any thread.
 *
 *     struct smtp_status s;
 *     if (smtp_status_parse(SV("5.1.3 no such mailbox"), &s, &rest)) ...
 */
#ifndef MSA_SMTP_STATUS_H
#define MSA_SMTP_STATUS_H

#include "msa/base/sv.h"

struct smtp_status {
    uint8_t class;    /* 2, 4 or 5; 0: none */
    uint16_t subject; /* 0 to 999 */
    uint16_t detail;  /* 0 to 999 */
};

#define SMTP_STATUS(c, s, d) ((struct smtp_status){(c), (s), (d)})
#define SMTP_STATUS_NONE     ((struct smtp_status){0, 0, 0})
#define SMTP_STATUS_TEXT_MAX 16 /* bytes with NUL */

/* Reads a code at the start of text, which must be followed by a space, a tab or nothing. True:
 * *rest_out (may be NULL) is what follows, without leading spaces. False changes nothing. */
bool smtp_status_parse(struct sv text, struct smtp_status *out, struct sv *rest_out);
/* Writes "5.1.3" and returns buf; "" for class 0. */
const char *smtp_status_text(struct smtp_status s, char buf[SMTP_STATUS_TEXT_MAX]);
bool smtp_status_eq(struct smtp_status a, struct smtp_status b);

#endif
