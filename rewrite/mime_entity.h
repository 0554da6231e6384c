/*
 * mime_entity.h - what the MIME fields of one header section say.
 *
 * RFC 2045 5, 6 (Content-Type, Content-Transfer-Encoding), RFC 2231 3 (a boundary in pieces). Read
 * as mail programs do: the first field of a name counts, parameters may lack their quotes, words
 * that are no encoding but mean none ("8-bit", "none") mean none. Linear. Any thread.
 */
#ifndef REWRITE_MIME_ENTITY_H
#define REWRITE_MIME_ENTITY_H

#include "rewrite/mime.h"

/* Reads all but is_message and has_end. in_digest: of a multipart/digest, whose parts are messages
 * where nothing is said (RFC 2046 5.1.5). */
void rewrite_mime_entity_read(struct sv section, bool in_digest, struct rewrite_mime_entity *out);

/* Offset of the first field: behind a line "From ..." as mailbox files have it, and its folds. */
size_t rewrite_mime_first_field(struct sv section);

/* Offset behind the type of a Content-Type's value: parameters may be put in there. */
size_t rewrite_mime_type_end(struct sv value);

/* A parameter of a structured field, as byte ranges of text. */
struct rewrite_mime_param {
    size_t start, end; /* the semicolon before it, to the end of the value */
    struct sv name;    /* with the marks of RFC 2231 */
    size_t value, value_end;
    bool is_quoted; /* the range has the quotes */
};
/* The next parameter of a field's value from *at on; false: no more. */
bool rewrite_mime_param_next(struct sv text, size_t *at, struct rewrite_mime_param *out);
/* Offset behind white space, folding and comments. */
size_t rewrite_mime_skip_space(struct sv text, size_t at);

#endif
