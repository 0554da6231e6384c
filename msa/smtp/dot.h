/*
 * dot.h - message content on the wire: end of data, dot-stuffing, line ends.
 *
 * RFC 5321 2.3.8, 4.1.1.4, 4.5.2; RFC 3030 for chunks; the option listen[].bare_newlines.
 * Receiving: only CRLF.CRLF ends data; a stuffed dot is taken away only after a true CRLF. A bare
 * LF becomes CRLF and a bare CR a space (normalize), or both are faults (reject); a NUL is a fault
 * under both. A line over 998 octets is only noted (seen). A lone dot ended by a bare LF is content
 * and stays a dot. Binary content keeps every octet; what makes it more than lines of text is only
 * noted as well.
 * Sending: what goes out has no bare CR, LF or NUL, whatever was given, at any buffer boundary.
 * Ownership: both machines are the caller's structs, hold no memory and point into the bytes
 * given, or to static text. One thread at a time. Content passes in large runs.
 *
 *     struct smtp_dot d;
 *     smtp_dot_init(&d, SMTP_DOT_DATA, false);
 *     while (in.len && !d.ended) {
 *         in = sv_skip(in, smtp_dot_next(&d, in, &piece));
 *         use(piece);                                   // may be empty
 *     }
 *
 * A call takes at least one byte of those given. Static text or the machine's own two bytes stand
 * in for what is changed, so that a piece is valid until the next call only.
 */
#ifndef MSA_SMTP_DOT_H
#define MSA_SMTP_DOT_H

#include "msa/base/sv.h"

#define SMTP_TEXT_LINE_MAX 998 /* octets without CRLF, RFC 5322 2.1.1 */

enum smtp_dot_mode {
    SMTP_DOT_DATA,  /* DATA: dots are transparent, CRLF.CRLF is the end */
    SMTP_DOT_CHUNK, /* BDAT: the length is told outside, dots mean nothing */
    SMTP_DOT_BINARY /* BDAT of BODY=BINARYMIME: the same, and every octet is content */
};

enum smtp_dot_fault {
    SMTP_FAULT_NUL = 1,
    SMTP_FAULT_BARE_CR = 2, /* also set when they are normalized */
    SMTP_FAULT_BARE_LF = 4,
    SMTP_FAULT_LONG_LINE = 8,
    SMTP_FAULT_NO_END = 16 /* binary only: the last line has no CRLF */
};

struct smtp_dot {
    uint8_t mode, state;
    bool reject;         /* bare CR and LF are faults */
    bool ended;          /* CRLF.CRLF was read */
    bool lone_dot;       /* the current line, after a bare LF, is a dot so far */
    bool fake_end;       /* the last line was a dot between line ends that do not count */
    uint8_t seen;        /* enum smtp_dot_fault bits: all that was met */
    uint8_t refused;     /* the first of them that makes the content unacceptable; 0: none */
    uint64_t line;       /* number of the current line, from 1 */
    uint64_t fault_line; /* where the fault in refused was */
    uint64_t bytes;      /* octets of content given out */
    char pair[2];        /* a piece that is not in the input */
    uint64_t column;     /* octets in the current line */
};

void smtp_dot_init(struct smtp_dot *d, enum smtp_dot_mode mode, bool reject_bare_newlines);
/* Takes bytes from the front of in, returns how many; *piece is content, maybe empty. Takes nothing
 * after the end. */
size_t smtp_dot_next(struct smtp_dot *d, struct sv in, struct sv *piece);
/* The last chunk is complete: *piece is what was held back (a CR at the very end). */
void smtp_dot_finish(struct smtp_dot *d, struct sv *piece);

struct smtp_stuff {
    bool dots; /* for DATA; false for BDAT */
    uint8_t state;
    char pair[2];
};

void smtp_stuff_init(struct smtp_stuff *s, bool dots);
/* Takes bytes from the front of in, returns how many; *piece goes to the peer, maybe empty. */
size_t smtp_stuff_next(struct smtp_stuff *s, struct sv in, struct sv *piece);
/* What ends the content: completes the last line and, for DATA, adds the lone dot. Static. */
struct sv smtp_stuff_end(struct smtp_stuff *s);

#endif
