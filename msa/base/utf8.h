/*
 * utf8.h - UTF-8, one character at a time.
 *
 * RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF. Any thread.
 *
 *     while (text.len && (n = utf8_length(text)) > 0)
 *         text = sv_skip(text, n);
 */
#ifndef MSA_BASE_UTF8_H
#define MSA_BASE_UTF8_H

#include "msa/base/sv.h"

#define UTF8_MAX 4 /* octets of one character */

/* Octets of the character at the front of text, 1 for ASCII; 0 if text is empty or not UTF-8. */
size_t utf8_length(struct sv text);
/* The same for a character beyond ASCII that is no control character (C1, U+0080 to U+009F), the
 * UTF8-non-ascii that mail may hold; 0 for everything else. */
size_t utf8_non_ascii(struct sv text);
/* No octet above 127. */
bool utf8_is_ascii(struct sv text);
/* UTF-8 throughout, without control characters (C0, DEL, C1). */
bool utf8_is_printable(struct sv text);
/* The code point of the character at the front, which utf8_length() says is good. */
uint32_t utf8_point(struct sv text);
/* Writes a code point and returns its octets; 0 (nothing written) for what is none. */
size_t utf8_write(char out[UTF8_MAX], uint32_t point);

#endif
