/*
 * line.h - command lines out of a stream of bytes.
 *
 * RFC 5321 2.3.8, 4.5.3.1.4. A line ends at CRLF and nowhere else: a bare CR, a bare LF or a NUL
 * spoils the whole line up to the next CRLF, so that two commands never come out of one line.
 * A line inside the bytes given is not copied; memory is held only while a part of one waits.
 * Ownership: the view of a line is valid until smtp_line_release(), which must come before the next
 * feed, and while the bytes given are.
 * What is held is wiped when released: lines may be credentials. One thread at a time.
 */
#ifndef MSA_SMTP_LINE_H
#define MSA_SMTP_LINE_H

#include "msa/base/buf.h"

#define SMTP_LINE_PLAIN  512   /* octets with CRLF: commands without parameters */
#define SMTP_LINE_PARAMS 4096  /* MAIL, RCPT and everything else before its verb is known */
#define SMTP_LINE_AUTH   12288 /* AUTH and its responses, RFC 4954 4 */
#define SMTP_LINE_SKIP   65536 /* a longer line is not waited for */

enum smtp_line_event {
    SMTP_LINE_MORE,     /* everything was taken, the line is not complete */
    SMTP_LINE_READY,    /* *line_out is a whole line without CRLF */
    SMTP_LINE_BAD,      /* a bare CR or LF, or a NUL: refuse; the rest of the line is skipped */
    SMTP_LINE_TOO_LONG, /* longer than the limit, up to its CRLF */
    SMTP_LINE_ENDLESS   /* longer than SMTP_LINE_SKIP: close */
};

struct smtp_line {
    struct buf part;
    uint32_t length; /* octets of the current line, also of what was not kept */
    uint8_t state;
    bool last_cr; /* the last octet was a CR */
};

void smtp_line_init(struct smtp_line *l);
void smtp_line_deinit(struct smtp_line *l);
/* Takes bytes up to and with the end of a line. auth: a response of an exchange is expected, so
 * that the long limit holds; else it holds for lines that begin with AUTH. */
enum smtp_line_event smtp_line_feed(struct smtp_line *l, struct sv in, bool auth, size_t *taken_out,
                                    struct sv *line_out);

/* The line returned is not needed any more: wipes and releases what was held for it. */
void smtp_line_release(struct smtp_line *l);

#endif
