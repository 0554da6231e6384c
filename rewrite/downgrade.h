/*
 * downgrade.h - one header field with bytes above 127, written in ASCII.
 *
 * RFC 6409 6.5 (what a submission server may do for a next hop without SMTPUTF8), RFC 2047 5 (where
 * encoded words stand: text, comments, phrases), RFC 2231 4 (parameters), RFC 5890 (A-labels).
 *
 *     text of unstructured fields, comments, display names   encoded words
 *     domains of addresses                                   A-labels
 *     parameters of Content-Type and Content-Disposition     name*=utf-8''...
 *     a local part                                           cannot be: the fault ADDRESS
 *     identifiers, traces, signatures beyond their comments,  renamed "Downgraded-", the value as
 *     and what cannot be read                                 text (the form of RFC 6857 3.1.10);
 *                                                             From and Date: the fault FIELD
 *
 * Lines with an encoded word are folded at 76 bytes where there is a space (RFC 2047 2). Words that
 * are ASCII stay as they are, in their order; bytes that are no UTF-8 are named unknown-8bit. Time
 * is linear. Pure; any thread.
 */
#ifndef REWRITE_DOWNGRADE_H
#define REWRITE_DOWNGRADE_H

#include "msa/base/buf.h"

enum rewrite_downgrade {
    REWRITE_DOWNGRADE_OK,
    REWRITE_DOWNGRADE_ADDRESS, /* a local part cannot be written in ASCII */
    REWRITE_DOWNGRADE_FIELD,   /* nor a field that every message must have */
};

/* Appends the field, given as a whole with its line end, as whole lines. keep: renamed in place of
 * a fault (of a message inside another, whose addresses nobody sends to). out: room for
 * REWRITE_DOWNGRADE_GROWTH times the field; on a fault it is as before. */
#define REWRITE_DOWNGRADE_GROWTH(len) (32 * (len) + 256)
enum rewrite_downgrade rewrite_downgrade_field(struct sv field, bool keep, struct buf *out);
/* A "?" in place of each byte above 127 from that offset on: of what has no meaning to be lost. */
void rewrite_downgrade_blot(struct buf *out, size_t from);

#endif
