#include "msa/policy/header.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX 256      /* bytes of a field's name that is added */
#define NOWHERE  SIZE_MAX /* was_at of a field that was not there */

/* ---- reading ---- */

static void append(struct header *h, size_t at, const struct header_field *f)
{
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 32;
        h->fields = mem_resize(h->fields, h->cap, sizeof *h->fields);
    }
    memmove(h->fields + at + 1, h->fields + at, (h->count - at) * sizeof *h->fields);
    h->fields[at] = *f;
    h->count++;
    h->bytes += f->raw.len;
}

/* Bytes of the first field: to the line end that no space or tab follows. */
static size_t field_len(struct sv text)
{
    size_t at = 0;
    for (;;) {
        size_t n = sv_find(sv_skip(text, at), '\n');
        if (at + n >= text.len)
            return text.len;
        at += n + 1;
        if (at == text.len || (text.ptr[at] != ' ' && text.ptr[at] != '\t'))
            return at;
    }
}

static bool is_name(struct sv name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 33 || name.ptr[i] > 126 || name.ptr[i] == ':')
            return false;
    return name.len > 0;
}

static struct sv without_line_end(struct sv text)
{
    if (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

static void split(struct header_field *f)
{
    size_t colon = sv_find(f->raw, ':');
    struct sv name = sv_trim(sv_first(f->raw, colon)); /* a space before the colon is obsolete */
    f->hidden = colon == f->raw.len || !is_name(name);
    if (f->hidden)
        return;
    f->name = name;
    f->value = without_line_end(sv_skip(f->raw, colon + 1));
}

void header_parse(struct header *h, struct sv text, size_t max_bytes, bool hide_first)
{
    memset(h, 0, sizeof *h);
    arena_init(&h->arena);
    h->max_bytes = max_bytes;
    while (text.len) {
        struct header_field f = {.raw = sv_first(text, field_len(text))};
        split(&f);
        f.hidden |= hide_first && h->count == 0;
        text = sv_skip(text, f.raw.len);
        append(h, h->count, &f);
    }
    header_mark(h);
}

void header_deinit(struct header *h)
{
    arena_deinit(&h->arena);
    free(h->fields);
    h->fields = NULL;
}

/* ---- changing ---- */

/* Milters like to end a value with its line end. */
static struct sv without_line_ends(struct sv value)
{
    for (size_t before = value.len + 1; value.len < before;) {
        before = value.len;
        value = without_line_end(value);
    }
    return value;
}

static bool is_value(struct sv value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool last = i + 1 == value.len;
        if (c == '\0' || (c == '\r' && (last || value.ptr[i + 1] != '\n')))
            return false;
        if (c == '\n' && (last || (value.ptr[i + 1] != ' ' && value.ptr[i + 1] != '\t')))
            return false;
    }
    return true;
}

static bool make(struct header *h, struct sv name, struct sv value, bool spaced,
                 struct header_field *out)
{
    struct buf b;
    value = without_line_ends(value);
    if (name.len > NAME_MAX || !is_name(name) || !is_value(value) || value.len > h->max_bytes)
        return false;
    buf_init(&b, SIZE_MAX / 2, 0);
    int err = buf_put(&b, name);
    err = err ? err : buf_put(&b, spaced ? SV(":") : SV(": "));
    while (value.len && !err) { /* each line ends with CRLF */
        struct sv line = sv_split(&value, '\n');
        err = buf_put(&b, without_line_end(line));
        if (!err && value.len)
            err = buf_put(&b, SV("\r\n"));
    }
    err = err ? err : buf_put(&b, SV("\r\n"));
    *out = (struct header_field){.raw = arena_sv(&h->arena, buf_view(&b)), .was_at = NOWHERE};
    buf_deinit(&b);
    if (err)
        return false;
    split(out);
    return true;
}

static bool put(struct header *h, size_t at, struct sv name, struct sv value, bool spaced)
{
    struct header_field f;
    if (!make(h, name, value, spaced, &f) || h->bytes + f.raw.len > h->max_bytes)
        return false;
    append(h, at, &f);
    h->changed = true;
    return true;
}

bool header_add(struct header *h, struct sv name, struct sv value, bool spaced)
{
    return put(h, h->count, name, value, spaced);
}

bool header_insert(struct header *h, uint32_t index, struct sv name, struct sv value, bool spaced)
{
    size_t at = 0;
    while (at < h->count && (h->fields[at].hidden || index > 0))
        index -= !h->fields[at++].hidden;
    return put(h, at, name, value, spaced);
}

static size_t find(const struct header *h, uint32_t index, struct sv name)
{
    for (size_t i = 0; i < h->count; i++)
        if (!h->fields[i].hidden && sv_ieq(h->fields[i].name, name) && index-- <= 1)
            return i;
    return h->count;
}

static void erase(struct header *h, size_t at)
{
    h->bytes -= h->fields[at].raw.len;
    h->count--;
    memmove(h->fields + at, h->fields + at + 1, (h->count - at) * sizeof *h->fields);
    h->changed = true;
}

bool header_change(struct header *h, uint32_t index, struct sv name, struct sv value, bool spaced)
{
    size_t at = find(h, index, name);
    struct header_field f;
    if (value.len == 0) {
        if (at < h->count)
            erase(h, at);
        return true;
    }
    if (at == h->count)
        return header_add(h, name, value, spaced);
    if (!make(h, name, value, spaced, &f) ||
        h->bytes - h->fields[at].raw.len + f.raw.len > h->max_bytes)
        return false;
    erase(h, at);
    append(h, at, &f);
    return true;
}

/* ---- differences ---- */

void header_mark(struct header *h)
{
    size_t at = 0;
    for (size_t i = 0; i < h->count; i++) {
        h->fields[i].was_at = at;
        at += h->fields[i].raw.len;
    }
    h->marked_bytes = at;
}

/* Fields that stay keep their order: between two of them stands what was put in place of what stood
 * there. */
bool header_next_change(const struct header *h, size_t *at, struct header_change *out)
{
    size_t i = *at, from = 0;
    if (i > h->count)
        return false;
    if (i > 0)
        from = h->fields[i - 1].was_at + h->fields[i - 1].raw.len;
    for (;; i++) {
        size_t first = i;
        while (i < h->count && h->fields[i].was_at == NOWHERE)
            i++;
        size_t to = i < h->count ? h->fields[i].was_at : h->marked_bytes;
        *out = (struct header_change){from, to, first, i};
        if (i > first || to > from) {
            *at = i + 1;
            return true;
        }
        if (i == h->count)
            return false;
        from = to + h->fields[i].raw.len;
    }
}

/* ---- writing ---- */

bool header_has_eight_bit(const struct header *h)
{
    for (size_t i = 0; i < h->count; i++)
        for (size_t k = 0; k < h->fields[i].raw.len; k++)
            if (h->fields[i].raw.ptr[k] & 0x80)
                return true;
    return false;
}

int header_write(const struct header *h, struct buf *out)
{
    int err = 0;
    for (size_t i = 0; i < h->count && err == 0; i++)
        err = buf_put(out, h->fields[i].raw);
    return err;
}
