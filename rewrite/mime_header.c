#include "rewrite/mime_header.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "rewrite/downgrade.h"
#include "rewrite/fields.h"
#include "rewrite/mime_entity.h"
#include "rewrite/mime_type.h"
#include "rewrite/stream.h"

#include <string.h>

static void put(struct buf *out, struct sv text)
{
    int err = text.len ? buf_put(out, text) : 0;
    REQUIRE(!err); /* the caller's room is enough */
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the line at the front without its end; *whole: with it. */
static size_t line_length(struct sv text, size_t *whole)
{
    size_t lf = sv_find(text, '\n');
    *whole = lf < text.len ? lf + 1 : lf;
    return lf < text.len && lf && text.ptr[lf - 1] == '\r' ? lf - 1 : lf;
}

/* Only CRLF ends lines, and nothing else is CR, LF or NUL. */
static bool is_clean(struct sv text)
{
    if (sv_find(text, '\0') < text.len)
        return false;
    while (text.len) {
        size_t whole, len = line_length(text, &whole);
        if (whole != len + 2 || sv_find(sv_first(text, len), '\r') < len)
            return false;
        text = sv_skip(text, whole);
    }
    return true;
}

static bool has_long_line(struct sv text)
{
    while (text.len) {
        size_t whole;
        if (line_length(text, &whole) > REWRITE_LINE_MAX)
            return true;
        text = sv_skip(text, whole);
    }
    return false;
}

bool rewrite_mime_header_fits(struct sv section, bool ascii)
{
    return is_clean(section) && !has_long_line(section) && (!ascii || utf8_is_ascii(section));
}

static void put_clean(struct buf *out, struct sv text)
{
    while (text.len) {
        size_t whole, len = line_length(text, &whole), from = buf_len(out);
        put(out, sv_first(text, len));
        for (size_t i = out->start + from; i < out->end; i++)
            if (out->data[i] == '\r' || out->data[i] == '\0')
                out->data[i] = out->data[i] ? ' ' : '?'; /* as readers take them */
        put(out, SV("\r\n"));
        text = sv_skip(text, whole);
    }
}

/* Folds lines that are too long; false: there is no place for it. Space at their ends is left out:
 * no line may be of space alone (RFC 5322 3.2.2). */
static bool put_folded(struct buf *out, struct sv text)
{
    while (text.len) {
        size_t whole, len = line_length(text, &whole), at = 0;
        if (len <= REWRITE_LINE_MAX) {
            put(out, sv_first(text, whole));
            text = sv_skip(text, whole);
            continue;
        }
        while (len && is_space(text.ptr[len - 1]))
            len--;
        if (len <= REWRITE_LINE_MAX) {
            put(out, sv_first(text, len));
            if (len)
                put(out, SV("\r\n"));
            text = sv_skip(text, whole);
            continue;
        }
        size_t words = 0;
        while (words < len && is_space(text.ptr[words]))
            words++;
        for (size_t i = REWRITE_LINE_MAX; i > words && !at; i--)
            if (is_space(text.ptr[i]))
                at = i;
        if (!at)
            return false;
        put(out, sv_first(text, at));
        put(out, SV("\r\n"));
        text = sv_skip(text, at);
    }
    return true;
}

/* A field as it is, but for what cannot go on the wire. */
static enum rewrite_mime_header put_field(const struct rewrite_mime_change *c, struct sv field,
                                          struct buf *out)
{
    struct buf clean, ascii;
    enum rewrite_mime_header result = REWRITE_MIME_HEADER_OK;
    if (rewrite_mime_header_fits(field, c->ascii)) {
        put(out, field);
        return result;
    }
    buf_init(&clean, 2 * field.len + 2, 0);
    buf_init(&ascii, REWRITE_DOWNGRADE_GROWTH(2 * field.len + 2), 0);
    put_clean(&clean, field);
    struct sv text = buf_view(&clean);
    if (c->ascii && !utf8_is_ascii(text)) {
        switch (rewrite_downgrade_field(text, c->inner, &ascii)) {
        case REWRITE_DOWNGRADE_OK:
            break;
        case REWRITE_DOWNGRADE_ADDRESS:
            result = REWRITE_MIME_HEADER_ADDRESS;
            break;
        case REWRITE_DOWNGRADE_FIELD:
            result = REWRITE_MIME_HEADER_FIELD;
            break;
        }
        text = buf_view(&ascii);
    }
    if (!put_folded(out, text))
        result = REWRITE_MIME_HEADER_LINE;
    buf_deinit(&clean);
    buf_deinit(&ascii);
    return result;
}

static void put_line(struct buf *out, const char *name, const char *value)
{
    int err = buf_printf(out, "%s: %s\r\n", name, value);
    REQUIRE(!err);
}

/* The type that was there, as text for who wants to see it; nothing if its name is now too much for
 * a line. */
static void put_old_type(const struct rewrite_mime_change *c, struct sv field, struct buf *out)
{
    struct buf renamed;
    size_t before = buf_len(out);
    buf_init(&renamed, field.len + 16, 0);
    put(&renamed, SV("X-Original-"));
    put(&renamed, field);
    if (put_field(c, buf_view(&renamed), out) != REWRITE_MIME_HEADER_OK)
        buf_truncate(out, before);
    buf_deinit(&renamed);
}

/* The type, which has no charset, with it; as it is if it is now too much for a line. */
static enum rewrite_mime_header put_type(const struct rewrite_mime_change *c, struct sv field,
                                         size_t value, struct buf *out)
{
    struct buf added;
    struct sv type, subtype;
    size_t before = buf_len(out);
    size_t end = value + rewrite_mime_type_read(sv_skip(field, value), &type, &subtype);
    buf_init(&added, field.len + 32, 0);
    put(&added, sv_first(field, end));
    put(&added, SV("; charset="));
    put(&added, sv_of(c->charset));
    put(&added, sv_skip(field, end));
    enum rewrite_mime_header result = put_field(c, buf_view(&added), out);
    buf_deinit(&added);
    if (result == REWRITE_MIME_HEADER_OK)
        return result;
    buf_truncate(out, before);
    return put_field(c, field, out);
}

static void put_new_type(const struct rewrite_mime_change *c, struct buf *out)
{
    int err = buf_printf(out, "Content-Type: text/plain; charset=%s\r\n", c->charset);
    REQUIRE(!err);
}

enum rewrite_mime_header rewrite_mime_header_write(struct sv section,
                                                   const struct rewrite_mime_change *change,
                                                   struct buf *out)
{
    struct rewrite_mime_change c = *change;
    struct rewrite_field f;
    bool puts_in = c.encoding || c.charset || c.version || c.ends;
    size_t at = rewrite_mime_first_field(section);
    if (at) { /* not a field, and of no meaning */
        struct sv line = sv_first(section, at);
        struct rewrite_mime_change as_it_is = {.ascii = false};
        size_t from = buf_len(out);
        enum rewrite_mime_header result = put_field(&as_it_is, line, out);
        if (result != REWRITE_MIME_HEADER_OK)
            return result;
        if (c.ascii)
            rewrite_downgrade_blot(out, from);
    }
    while (rewrite_fields_next(section, &at, &f)) {
        struct sv field = {section.ptr + f.start, f.end - f.start};
        enum rewrite_mime_header result = REWRITE_MIME_HEADER_OK;
        if (change->encoding && f.kind == REWRITE_FIELD_CONTENT_ENCODING) {
            /* in its place; a second one would only confuse */
            if (c.encoding)
                put_line(out, "Content-Transfer-Encoding", c.encoding);
            c.encoding = NULL;
        } else if (c.retype && f.kind == REWRITE_FIELD_CONTENT_TYPE) {
            if (c.charset)
                put_new_type(&c, out);
            c.charset = NULL;
            put_old_type(&c, field, out);
        } else if (c.charset && f.kind == REWRITE_FIELD_CONTENT_TYPE) {
            result = put_type(&c, field, f.value - f.start, out);
            c.charset = NULL;
        } else {
            result = put_field(&c, field, out);
        }
        if (result != REWRITE_MIME_HEADER_OK)
            return result;
    }
    REQUIRE(section.len - at <= 2); /* only the empty line is left: nothing is lost */
    if (c.version)
        put_line(out, "MIME-Version", "1.0");
    if (c.charset)
        put_new_type(&c, out);
    if (c.encoding)
        put_line(out, "Content-Transfer-Encoding", c.encoding);
    if (at < section.len || puts_in)
        put(out, SV("\r\n"));
    return REWRITE_MIME_HEADER_OK;
}
