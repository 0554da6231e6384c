/*
 * shown.h - addresses that a reader sees where none stands: in display names and comments.
 *
 * RFC 5322 3.2.1 to 3.2.5 (quoted pairs, comments, quoted strings), RFC 2047 and 2231 5 (encoded
 * words). Mail programs show the name of an author and often nothing else; a name that holds an
 * address is taken for that address. The text is read as the most obliging of them would: encoded
 * words are decoded wherever they stand, also in quotes and without space between them, full-width
 * forms become ASCII, and invisible characters vanish. Character sets are not converted: what is
 * ASCII in them is read, and those in which ASCII is written otherwise are a fault. So are control
 * characters, and those that turn the direction of text: they have been used to hide the rest.
 *
 * Ownership: the text lies in the caller's buffer, paths in the arena. Time is linear. Any thread.
 *
 *     if (rewrite_shown_text(raw, &text) == REWRITE_SHOWN_OK)
 *         for (struct sv rest = buf_view(&text); rewrite_shown_next(&rest, a, &path);)
 *             judge(&path);
 */
#ifndef REWRITE_SHOWN_H
#define REWRITE_SHOWN_H

#include "msa/base/buf.h"
#include "msa/smtp/path.h"

enum rewrite_shown {
    REWRITE_SHOWN_OK,
    REWRITE_SHOWN_CONTROL, /* a character that hides others */
    REWRITE_SHOWN_CHARSET, /* an encoded word in a character set that is not read */
};

/* Appends what is seen of raw, which is a part of an address field outside of its addresses, and
 * never longer than raw. out: room for that. */
enum rewrite_shown rewrite_shown_text(struct sv raw, struct buf *out);
/* The next address in *text, which goes on behind it; false if there is none. Taken for one is
 * local@domain with two labels at least. */
bool rewrite_shown_next(struct sv *text, struct arena *a, struct smtp_path *out);

#endif
