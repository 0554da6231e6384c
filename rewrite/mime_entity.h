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

#endif
