/*
 * header.h - the header section of a message as a list of fields, and the changes that milters
 * make.
 *
 * Fields are counted as milters count them: the first of all (our own Received) is hidden from them
 * (as Sendmail and Postfix do), so is what is no field. What was not changed is written byte for
 * byte. What is added is checked: a name of printable ASCII, no NUL, no bare CR, every further line
 * begins with a space or a tab: nothing can be smuggled into the header or out of it.
 * Ownership: the caller's struct; header_parse() keeps views of its text, added text is copied.
 * Memory: max_bytes of fields, and all that was ever added. One thread at a time.
 */
#ifndef MSA_POLICY_HEADER_H
#define MSA_POLICY_HEADER_H

#include "msa/base/arena.h"
#include "msa/base/buf.h"

struct header_field {
    struct sv raw;   /* with its CRLF */
    struct sv name;  /* empty: no field */
    struct sv value; /* behind the colon, without the last CRLF */
    bool hidden;
    size_t was_at; /* offset in the section as it was at header_mark(); private */
};

struct header {
    struct arena arena; /* of the added text */
    struct header_field *fields;
    size_t count, cap;
    size_t bytes, max_bytes;
    size_t marked_bytes; /* of the section as it was at header_mark() */
    bool changed;
};

/* text: the section without the empty line. hide_first: the first field is our own. */
void header_parse(struct header *h, struct sv text, size_t max_bytes, bool hide_first);
void header_deinit(struct header *h);

/* Each: false, and nothing is changed, where name or value is malformed or max_bytes would be
 * passed. value: lines separated by LF or CRLF; spaced: it begins with the space behind the colon,
 * else one is put there. */
bool header_add(struct header *h, struct sv name, struct sv value, bool spaced);
/* Before the visible field of that index (from 0), or at the end. */
bool header_insert(struct header *h, uint32_t index, struct sv name, struct sv value, bool spaced);
/* The index-th visible field of that name (from 1; 0 is 1, too). An empty value deletes it; where
 * there is none, it is added. */
bool header_change(struct header *h, uint32_t index, struct sv name, struct sv value, bool spaced);
/* What is changed from here on is told by header_next_change(). header_parse() marks, too. */
void header_mark(struct header *h);
/* A difference to the section as it was: bytes [from, to) of it became fields [first, end). */
struct header_change {
    size_t from, to;
    size_t first, end;
};
/* The next one, in order; *at: the field to go on with, 0 at first. False behind the last. */
bool header_next_change(const struct header *h, size_t *at, struct header_change *out);
bool header_has_eight_bit(const struct header *h);
int header_write(const struct header *h, struct buf *out) MUST_CHECK; /* without the empty line */

#endif
