/*
 * Design: what may have to vanish (line ends at the end of a body, white space at the end of a
 * line) is held back as counts. In between, a run goes on as long as canonical form and input
 * agree: over single spaces between words and over line ends with text behind them, so that
 * ordinary text is one run a piece.
 */
#include "rewrite/dkim_canon.h"

#include <string.h>

#define NAME_PIECE 64

/* Bytes that end a run, or have to be looked at; by canonical form. */
static const bool special[REWRITE_DKIM_CANONS][256] = {
    [REWRITE_DKIM_SIMPLE] = {['\r'] = true},
    [REWRITE_DKIM_RELAXED] = {['\r'] = true, [' '] = true, ['\t'] = true},
};

static bool is_special(enum rewrite_dkim_canon canon, char c)
{
    return special[canon][(unsigned char)c];
}

/* How many bytes from a byte that is not special on are their own canonical form. */
static size_t run_length(enum rewrite_dkim_canon canon, struct sv text)
{
    const char *p = text.ptr;
    size_t n = text.len, i = 1;
    while (i < n) {
        if (!is_special(canon, p[i]))
            i++;
        else if (p[i] == ' ' && i + 1 < n && !is_special(canon, p[i + 1]))
            i += 2;
        else if (p[i] == '\r' && i + 2 < n && p[i + 1] == '\n' && !is_special(canon, p[i + 2]))
            i += 3;
        else
            break;
    }
    return i;
}

static void give(struct rewrite_dkim_body *b, struct sv run, rewrite_dkim_sink *sink, void *arg)
{
    b->any = true;
    sink(arg, run);
}

/* Text follows: what was held back counts. */
static void release(struct rewrite_dkim_body *b, rewrite_dkim_sink *sink, void *arg)
{
    static const char line_ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    const uint64_t most = (sizeof line_ends - 1) / 2;
    while (b->line_ends) {
        uint64_t n = b->line_ends < most ? b->line_ends : most;
        give(b, (struct sv){line_ends, (size_t)(2 * n)}, sink, arg);
        b->line_ends -= n;
    }
    if (b->space)
        give(b, SV(" "), sink, arg);
    b->space = false;
}

static void end_line(struct rewrite_dkim_body *b)
{
    b->space = b->cr = false;
    b->line_ends++;
}

void rewrite_dkim_body_feed(struct rewrite_dkim_body *b, struct sv bytes, rewrite_dkim_sink *sink,
                            void *arg)
{
    while (bytes.len) {
        size_t used = 1;
        if (b->cr && bytes.ptr[0] == '\n') {
            end_line(b);
        } else if (b->cr) { /* bare: this byte is looked at again */
            b->cr = false;
            release(b, sink, arg);
            give(b, SV("\r"), sink, arg);
            used = 0;
        } else if (bytes.ptr[0] == '\r') {
            b->cr = true;
        } else if (is_special(b->canon, bytes.ptr[0])) {
            b->space = true;
        } else {
            used = run_length(b->canon, bytes);
            release(b, sink, arg);
            give(b, sv_first(bytes, used), sink, arg);
        }
        bytes = sv_skip(bytes, used);
    }
}

void rewrite_dkim_body_end(struct rewrite_dkim_body *b, rewrite_dkim_sink *sink, void *arg)
{
    if (b->cr) { /* bare */
        release(b, sink, arg);
        give(b, SV("\r"), sink, arg);
    }
    if (b->any || b->canon == REWRITE_DKIM_SIMPLE)
        give(b, SV("\r\n"), sink, arg);
}

/* ---- header fields ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void give_name(struct sv name, rewrite_dkim_sink *sink, void *arg)
{
    char piece[NAME_PIECE];
    while (name.len) {
        size_t n = 0;
        for (; n < sizeof piece && n < name.len; n++)
            piece[n] = ascii_lower(name.ptr[n]);
        sink(arg, (struct sv){piece, n});
        name = sv_skip(name, n);
    }
}

/* Words with one space between them. */
static void give_words(struct sv text, rewrite_dkim_sink *sink, void *arg)
{
    const char *p = text.ptr;
    size_t start = 0, i = 0;
    while (i < text.len) {
        if (!is_space(p[i]) || (p[i] == ' ' && i + 1 < text.len && !is_space(p[i + 1]))) {
            i++;
            continue;
        }
        sink(arg, sv_range(p + start, p + i));
        while (i < text.len && is_space(p[i]))
            i++;
        sink(arg, SV(" "));
        start = i;
    }
    if (start < text.len)
        sink(arg, sv_skip(text, start));
}

static struct sv trim(struct sv text)
{
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    while (text.len && is_space(text.ptr[0]))
        text = sv_skip(text, 1);
    return text;
}

void rewrite_dkim_field(enum rewrite_dkim_canon canon, struct sv field, rewrite_dkim_sink *sink,
                        void *arg)
{
    if (canon == REWRITE_DKIM_SIMPLE) {
        if (field.len >= 2 && memcmp(field.ptr + field.len - 2, "\r\n", 2) == 0)
            field.len -= 2;
        sink(arg, field);
        return;
    }
    size_t colon = sv_find(field, ':');
    give_name(trim(sv_first(field, colon)), sink, arg);
    sink(arg, SV(":"));
    give_words(trim(sv_skip(field, colon + 1)), sink, arg);
}
