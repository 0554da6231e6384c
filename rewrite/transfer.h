/*
 * transfer.h - content transfer encodings, written in a stream.
 *
 * RFC 2045 6.7 (quoted-printable), 6.8 (base64); lines of at most 76 bytes.
 * What is written holds no byte above 127, no line over 998 and no CR or LF but
 * CRLF, and no line of it can be taken for a delimiter. Decoded it is what came
 * in, byte for byte. The forms that end with _AGAIN take content that is
 * encoded already and repair what cannot go on the wire, without encoding it
 * twice: what decoders read is the same. PLAIN is text that no reader is to see
 * (RFC 2046 5.1.1, between the parts of a multipart): bytes above 127 become
 * "?".
 *
 * Ownership: the struct is the caller's, it holds no memory. Appends to out,
 * which has room for REWRITE_TRANSFER_GROWTH(fed) bytes at each call. Pure; one
 * thread at a time. Calls: init, feed..., end.
 */
#ifndef REWRITE_TRANSFER_H
#define REWRITE_TRANSFER_H

#include "msa/base/buf.h"

#define REWRITE_TRANSFER_GROWTH(len) (4 * (len) + 128)

enum rewrite_transfer_form {
    REWRITE_TRANSFER_KEEP, /* as it is */
    REWRITE_TRANSFER_QUOTED_PRINTABLE,
    REWRITE_TRANSFER_BASE64,
    REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN,
    REWRITE_TRANSFER_BASE64_AGAIN,
    REWRITE_TRANSFER_PLAIN,
    REWRITE_TRANSFER_PLAIN_8BIT, /* the same where bytes above 127 may stay */
};

struct rewrite_transfer {
    enum rewrite_transfer_form form;
    size_t column;
    char held[57]; /* base64: less than a line; else: a CR or space that waits for
                      what follows */
    size_t nheld;
    char before;     /* the byte before, of the line that is written */
    bool is_dashed;  /* the line begins with "--" */
    bool is_second;  /* a line has been written */
    char *from, *to; /* of one call: what is written */
    unsigned open;   /* quoted-printable: bytes that belong to a "=" so far, with it */
};

void rewrite_transfer_init(struct rewrite_transfer *t, enum rewrite_transfer_form form);
void rewrite_transfer_feed(struct rewrite_transfer *t, struct sv bytes, struct buf *out);
/* The content is over. is_last: nothing follows it, else a line end does. */
void rewrite_transfer_end(struct rewrite_transfer *t, bool is_last, struct buf *out);

#endif
