#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes, unsigned flags)
{
    *b = (struct buf){.max = max_bytes, .flags = flags};
}

void buf_deinit(struct buf *b)
{
    buf_release(b);
    b->max = 0;
}

void buf_reset(struct buf *b)
{
    /* all of it: content that was moved, cut off or only reserved lies behind end */
    if (b->flags & BUF_SECRET)
        mem_wipe(b->data, b->cap);
    b->start = b->end = 0;
}

void buf_release(struct buf *b)
{
    buf_reset(b);
    free(b->data);
    b->data = NULL;
    b->cap = 0;
}

size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

size_t buf_room(const struct buf *b)
{
    return b->max - buf_len(b);
}

struct sv buf_view(const struct buf *b)
{
    return (struct sv){b->data ? b->data + b->start : "", buf_len(b)};
}

static void make_room(struct buf *b, size_t len)
{
    size_t used = buf_len(b);
    if (b->cap - b->end >= len && b->data)
        return;
    /* moving is cheap when much was consumed, and needed when growing is not allowed */
    if (b->start > 0 && b->cap - used >= len && (b->start >= used || b->cap >= b->max)) {
        memmove(b->data, b->data + b->start, used);
    } else {
        size_t want = b->cap ? b->cap * 2 : 256;
        while (want < used + len)
            want *= 2;
        if (want > b->max && b->max < SIZE_MAX)
            want = b->max + 1; /* room for the NUL of buf_printf and buf_take */
        char *fresh = mem_resize(NULL, want, 1);
        if (used)
            memcpy(fresh, b->data + b->start, used);
        if (b->flags & BUF_SECRET)
            mem_wipe(b->data, b->cap);
        free(b->data);
        b->data = fresh;
        b->cap = want;
    }
    b->start = 0;
    b->end = used;
}

int buf_reserve(struct buf *b, size_t len, char **at_out)
{
    if (len > buf_room(b))
        return ERR_FULL;
    make_room(b, len);
    *at_out = b->data + b->end;
    return 0;
}

void buf_added(struct buf *b, size_t len)
{
    REQUIRE(len <= b->cap - b->end);
    b->end += len;
}

int buf_append(struct buf *b, const void *bytes, size_t len)
{
    char *at;
    if (len == 0)
        return 0;
    int err = buf_reserve(b, len, &at);
    if (err < 0)
        return err;
    memcpy(at, bytes, len);
    buf_added(b, len);
    return 0;
}

int buf_put(struct buf *b, struct sv text)
{
    return buf_append(b, text.ptr, text.len);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    char small[512];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    int err = ERR_FULL;
    REQUIRE(n >= 0);
    if ((size_t)n < sizeof small) {
        err = buf_append(b, small, (size_t)n);
    } else if ((size_t)n <= buf_room(b)) {
        make_room(b, (size_t)n + 1);
        vsnprintf(b->data + b->end, (size_t)n + 1, fmt, again);
        b->end += (size_t)n;
        err = 0;
    }
    va_end(again);
    if (b->flags & BUF_SECRET)
        mem_wipe(small, sizeof small);
    return err;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int err = buf_vprintf(b, fmt, args);
    va_end(args);
    return err;
}

void buf_consume(struct buf *b, size_t len)
{
    REQUIRE(len <= buf_len(b));
    b->start += len;
    if (b->start == b->end)
        buf_reset(b);
}

void buf_truncate(struct buf *b, size_t len)
{
    REQUIRE(len <= buf_len(b));
    b->end = b->start + len;
}

char *buf_take(struct buf *b, size_t *len_out)
{
    size_t len = buf_len(b);
    char *out;
    if (b->start == 0 && b->cap > len) {
        out = b->data;
        out[len] = '\0';
        b->data = NULL;
        b->cap = b->start = b->end = 0;
    } else {
        out = mem_dup(buf_view(b).ptr, len);
        buf_release(b);
    }
    if (len_out)
        *len_out = len;
    return out;
}
