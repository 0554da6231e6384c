/*
 * dkim_canon.h - the two canonical forms of DKIM, of header fields and of a body that streams.
 *
 * RFC 6376 3.4.1 to 3.4.4. The canonical text is given out in runs, which are views of what was fed
 * as long as nothing changes in it: nothing is gathered and nothing copied, whatever the body's
 * size. The end of a body counts as the end of a line, as DATA will make it one (3.4.3, 3.4.4).
 * A CR without its LF, or an LF alone, is a byte like any other (binary content).
 *
 * Ownership: the struct is the caller's, plain memory. Runs are valid during the sink's call. Time
 * is linear in the content. One thread at a time.
 *
 *     struct rewrite_dkim_body b = {.canon = REWRITE_DKIM_RELAXED};
 *     rewrite_dkim_body_feed(&b, piece, sink, arg); ...
 *     rewrite_dkim_body_end(&b, sink, arg);
 */
#ifndef REWRITE_DKIM_CANON_H
#define REWRITE_DKIM_CANON_H

#include "msa/base/sv.h"

enum rewrite_dkim_canon { REWRITE_DKIM_SIMPLE, REWRITE_DKIM_RELAXED, REWRITE_DKIM_CANONS };

typedef void rewrite_dkim_sink(void *arg, struct sv run);

struct rewrite_dkim_body {
    enum rewrite_dkim_canon canon;
    /* What is held back until it is known what follows, in this order: */
    uint64_t line_ends;
    bool space; /* relaxed: white space, of any length */
    bool cr;    /* may begin a line end */
    bool any;   /* something was given out */
};

void rewrite_dkim_body_feed(struct rewrite_dkim_body *b, struct sv bytes, rewrite_dkim_sink *sink,
                            void *arg);
void rewrite_dkim_body_end(struct rewrite_dkim_body *b, rewrite_dkim_sink *sink, void *arg);

/* One header field, with or without its last CRLF. The canonical form ends without CRLF. */
void rewrite_dkim_field(enum rewrite_dkim_canon canon, struct sv field, rewrite_dkim_sink *sink,
                        void *arg);

#endif
