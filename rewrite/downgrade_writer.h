/*
 * downgrade_writer.h - what the files of downgrade.h share: a field that is being written.
 *
 * The writer is the caller's, and so is what it writes to, which has the room that downgrade.h asks
 * for. Any thread.
 */
#ifndef REWRITE_DOWNGRADE_WRITER_H
#define REWRITE_DOWNGRADE_WRITER_H

#include "rewrite/downgrade.h"

#define REWRITE_DOWNGRADE_LINE 76 /* bytes of a line, where they can be had */

struct rewrite_downgrade_writer {
    struct buf *out;
    size_t column;
    bool after_word; /* what was written last is an encoded word, as it is now or was before */
};

void rewrite_downgrade_put(struct rewrite_downgrade_writer *w, struct sv text);
/* Syntax in which only comments can be text: quoted strings and what is in < > stay. */
void rewrite_downgrade_put_bare(struct rewrite_downgrade_writer *w, struct sv text);
/* Appends what an atom or quoted string, of at least a byte, means. */
void rewrite_downgrade_add_word(struct buf *plain, struct sv word);
/* The value of Content-Type or Content-Disposition (RFC 2231). */
void rewrite_downgrade_params(struct rewrite_downgrade_writer *w, struct sv value);

#endif
