/*
 * words.h - encoded words: text beyond ASCII in header fields, in ASCII.
 *
 * RFC 2047 2, 5, 6.2 (words of at most 75 bytes, a character never in two of them, a fold between),
 * RFC 1428 (unknown-8bit: the character set of bytes that are no UTF-8). Each word is in the Q or
 * the B form, whichever is shorter; Q with the bytes alone that a phrase allows. Pure; any thread.
 */
#ifndef REWRITE_WORDS_H
#define REWRITE_WORDS_H

#include "msa/base/buf.h"

/* Appends text as one word or several with folds between them. column: of the line that is written,
 * before and after. Control characters of text become spaces. */
int rewrite_words_put(struct buf *out, size_t *column, struct sv text) MUST_CHECK;
/* Folds the lines of out from offset from on, which end with CRLF, where they hold an encoded word
 * and are longer than the 76 bytes that are allowed then; has_quotes: not inside of quoted strings.
 */
int rewrite_words_fold(struct buf *out, size_t from, bool has_quotes) MUST_CHECK;
/* Whether a word, which has no space in it, would be read as an encoded one. */
bool rewrite_words_is_encoded(struct sv word);
/* "utf-8", "us-ascii" or "unknown-8bit": what bytes are, as far as can be told. */
const char *rewrite_words_charset(struct sv text);

#endif
