/*
 * buf.h - a growable byte buffer with a maximum fixed at its start.
 *
 * Ownership: the struct belongs to the caller, its bytes to the buffer. Appending beyond the
 * maximum gives ERR_FULL and changes nothing, so that what a peer can make us hold is bounded.
 * Taking from the front is cheap (an offset). BUF_SECRET wipes bytes before they are released.
 * A view into the buffer is valid until the next call on it. One thread at a time.
 *
 *     struct buf b;
 *     buf_init(&b, 4096, 0);
 *     if (buf_append(&b, data, len) < 0) ...
 *     use(buf_view(&b)); buf_consume(&b, n); buf_deinit(&b);
 */
#ifndef MSA_BASE_BUF_H
#define MSA_BASE_BUF_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#include <stdarg.h>

#define BUF_SECRET 1u

struct buf {
    char *data;
    size_t start, end; /* content is data[start..end) */
    size_t cap;        /* bytes allocated */
    size_t max;        /* most bytes of content ever held */
    unsigned flags;
};

void buf_init(struct buf *b, size_t max_bytes, unsigned flags);
void buf_deinit(struct buf *b);
/* Forgets the content, keeps the memory (wiped when secret). */
void buf_reset(struct buf *b);
/* Forgets the content and gives the memory back; the buffer stays usable. */
void buf_release(struct buf *b);
size_t buf_len(const struct buf *b);
size_t buf_room(const struct buf *b); /* bytes that can still be appended */
struct sv buf_view(const struct buf *b);
int buf_append(struct buf *b, const void *bytes, size_t len) MUST_CHECK;
int buf_put(struct buf *b, struct sv text) MUST_CHECK;
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
int buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0) MUST_CHECK;
/* Room for at least len more bytes, then *at points to it; buf_added() makes them content. */
int buf_reserve(struct buf *b, size_t len, char **at_out) MUST_CHECK;
void buf_added(struct buf *b, size_t len);
void buf_consume(struct buf *b, size_t len);  /* drops len bytes at the front */
void buf_truncate(struct buf *b, size_t len); /* keeps the first len bytes */
/* Moves the content out as a heap string with a NUL behind it; the buffer is empty afterwards. */
char *buf_take(struct buf *b, size_t *len_out);

#endif
