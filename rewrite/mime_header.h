/*
 * mime_header.h - the header section of an entity in another form.
 *
 * RFC 2045 (its MIME fields), RFC 5322 2.1.1 (998 bytes a line), RFC 6409 6.5 (downgrade.h). Fields
 * that need no change stay byte for byte. Lines that are too long are folded at a space; line ends
 * without CR get one, CR inside of a line becomes a space, NUL a "?" (of binary content, RFC 3030).
 * Time is linear. Pure; any thread.
 */
#ifndef REWRITE_MIME_HEADER_H
#define REWRITE_MIME_HEADER_H

#include "msa/base/buf.h"

struct rewrite_mime_change {
    const char *encoding; /* of Content-Transfer-Encoding; NULL: as it is */
    const char *charset;  /* put into the Content-Type, or with one of text/plain; NULL: none */
    bool retype;          /* Content-Type fields that are there become X-Original-Content-Type */
    bool version;         /* a MIME-Version is put in */
    bool ends;            /* an empty line is put in if there is none */
    bool ascii;           /* no byte above 127 may be left */
    bool inner;           /* of no message that is sent, but of one inside, or a part */
};

enum rewrite_mime_header {
    REWRITE_MIME_HEADER_OK,
    REWRITE_MIME_HEADER_ADDRESS, /* a local part cannot be written in ASCII */
    REWRITE_MIME_HEADER_FIELD,   /* a field that a message must have cannot be */
    REWRITE_MIME_HEADER_LINE,    /* a line over 998 bytes has no space to fold it at */
};

/* Whether a section is good as it is, but for what is put in: no line too long, and only CRLF;
 * and, with ascii, no byte above 127. */
bool rewrite_mime_header_fits(struct sv section, bool ascii);
/* Appends the section; where fields are put in it ends with an empty line. out: room for
 * REWRITE_DOWNGRADE_GROWTH times the section and 1,024 bytes. */
enum rewrite_mime_header rewrite_mime_header_write(struct sv section,
                                                   const struct rewrite_mime_change *change,
                                                   struct buf *out);

#endif
