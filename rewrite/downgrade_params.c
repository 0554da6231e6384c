/*
 * Design: parameters beyond ASCII are written anew in the form of RFC 2231 4; all else is copied
 * around them. One that comes in pieces is gathered and written as a whole, with its character set,
 * unless its pieces are out of order or have a character set already.
 */
#include "rewrite/downgrade_writer.h"

#include "msa/base/utf8.h"
#include "rewrite/mime_type.h"
#include "rewrite/words.h"

#include <stdio.h>
#include <string.h>

#define PERCENT_PIECE 60 /* bytes of a parameter's value in one piece */
#define TWINS_MAX     8  /* parameters whose other form is looked for */
#define PARAM_MAX     64 /* bytes of a parameter's name, which is written with each piece */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void put_percent(struct rewrite_downgrade_writer *w, struct sv text, bool escaped)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (ascii_alpha((char)c) || ascii_digit((char)c) || (c && strchr("!#$&+-.^_`{}~", c)) ||
            (escaped && (c == '%' || c == '\''))) {
            rewrite_downgrade_put(w, (struct sv){text.ptr + i, 1});
            continue;
        }
        static const char hex[] = "0123456789ABCDEF";
        rewrite_downgrade_put(w, (struct sv){(char[]){'%', hex[c >> 4], hex[c & 15]}, 3});
    }
}

/* A value beyond ASCII in the form of RFC 2231 4, in pieces where it is long. */
static void put_value(struct rewrite_downgrade_writer *w, struct sv name, struct sv value)
{
    const char *charset = rewrite_words_charset(value);
    bool is_utf8 = strcmp(charset, "utf-8") == 0;
    char number[24];
    for (size_t piece = 0; value.len; piece++) {
        size_t len = 0, cost = 0;
        while (len < value.len) {
            size_t n = is_utf8 ? utf8_length(sv_skip(value, len)) : 1;
            if (cost + 3 * n > PERCENT_PIECE)
                break;
            cost += 3 * n;
            len += n;
        }
        bool whole = !piece && len == value.len;
        rewrite_downgrade_put(w, piece ? SV(";\r\n ")
                                 : w->column + name.len + cost > REWRITE_DOWNGRADE_LINE
                                     ? SV("\r\n ")
                                     : SV(" "));
        rewrite_downgrade_put(w, name);
        if (!whole) {
            snprintf(number, sizeof number, "*%zu", piece);
            rewrite_downgrade_put(w, sv_of(number));
        }
        rewrite_downgrade_put(w, SV("*="));
        if (!piece) {
            rewrite_downgrade_put(w, sv_of(charset));
            rewrite_downgrade_put(w, SV("''"));
        }
        put_percent(w, sv_first(value, len), false);
        value = sv_skip(value, len);
    }
}

/* Whether the same parameter is there in the form of RFC 2231, too. */
static bool has_twin(struct sv value, struct sv name)
{
    struct rewrite_mime_param p;
    size_t at = 0;
    while (rewrite_mime_param_next(value, &at, &p))
        if (p.name.len > name.len && p.name.ptr[name.len] == '*' &&
            sv_ieq(sv_first(p.name, name.len), name))
            return true;
    return false;
}

/* name*0="..." and the like: the encoded form of a piece ends its name with "*". */
static void put_piece(struct rewrite_downgrade_writer *w, struct sv name, struct sv value)
{
    bool is_encoded = name.ptr[name.len - 1] == '*';
    rewrite_downgrade_put(w, SV(" "));
    rewrite_downgrade_put(w, name);
    rewrite_downgrade_put(w, is_encoded ? SV("=") : SV("*="));
    if (!is_encoded && sv_iends(name, SV("*0"))) {
        rewrite_downgrade_put(w, sv_of(rewrite_words_charset(value)));
        rewrite_downgrade_put(w, SV("''"));
    }
    put_percent(w, value, is_encoded);
}

/* Of a boundary only what readers take for it: behind a space there is none. It must stay what it
 * is, and unusable if it was. */
static bool is_usable_boundary(const struct rewrite_mime_param *p, struct sv raw)
{
    size_t n = 0;
    while (n < raw.len && (p->is_quoted || (!is_space(raw.ptr[n]) && raw.ptr[n] != '(')))
        n++;
    return sv_istarts(p->name, SV("boundary")) && utf8_is_ascii(sv_first(raw, n));
}

static int hex_digit(char c)
{
    return ascii_digit(c)                                   ? c - '0'
           : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
                                                            : -1;
}

/* What stands in percents. */
static void decode_percents(struct buf *plain, size_t from)
{
    char *text = plain->data + plain->start;
    size_t to = from, len = buf_len(plain);
    for (size_t i = from; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        text[to++] = low >= 0 ? (char)(high * 16 + low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    buf_truncate(plain, to);
}

/* The value that the pieces of a parameter make. False: they are not in order, or the first names a
 * character set, which those beyond ASCII may not be of. */
static bool gather_pieces(struct sv value, struct sv name, struct buf *plain)
{
    struct rewrite_mime_param p;
    size_t at = 0, pieces = 0;
    uint64_t number;
    buf_reset(plain);
    while (rewrite_mime_param_next(value, &at, &p)) {
        struct sv mark = sv_skip(p.name, name.len);
        if (!mark.len || mark.ptr[0] != '*' || !sv_ieq(sv_first(p.name, name.len), name))
            continue;
        bool is_encoded = mark.ptr[mark.len - 1] == '*';
        mark = sv_first(sv_skip(mark, 1), mark.len - 1 - is_encoded);
        if (!sv_u64(mark, SIZE_MAX, &number) || number != pieces || (is_encoded && !pieces))
            return false;
        pieces++;
        size_t from = buf_len(plain);
        rewrite_downgrade_add_word(plain, (struct sv){value.ptr + p.value, p.value_end - p.value});
        if (is_encoded)
            decode_percents(plain, from);
    }
    return pieces > 0;
}

enum piece {
    PIECE_ALONE,
    PIECE_FIRST,  /* of a value that is written anew as a whole */
    PIECE_WRITTEN /* it has been */
};

struct gathered {
    struct sv names[TWINS_MAX];
    size_t count, tried;
};

/* FIRST: plain is the value. */
static enum piece judge_piece(struct gathered *g, struct sv value, struct sv piece,
                              struct buf *plain)
{
    struct sv name = sv_first(piece, sv_find(piece, '*'));
    for (size_t i = 0; i < g->count; i++)
        if (sv_ieq(g->names[i], name))
            return PIECE_WRITTEN;
    if (!sv_iends(piece, SV("*0")) || !name.len || sv_ieq(name, SV("boundary")) ||
        g->tried++ >= TWINS_MAX || !gather_pieces(value, name, plain) ||
        utf8_is_ascii(buf_view(plain)))
        return PIECE_ALONE;
    g->names[g->count++] = name;
    return PIECE_FIRST;
}

void rewrite_downgrade_params(struct rewrite_downgrade_writer *w, struct sv value)
{
    struct rewrite_mime_param p;
    struct gathered gathered = {.count = 0};
    struct buf plain;
    size_t at = 0, done = 0, twins = 0;
    buf_init(&plain, value.len, 0);
    while (rewrite_mime_param_next(value, &at, &p)) {
        struct sv raw = {value.ptr + p.value, p.value_end - p.value};
        if (!utf8_is_ascii(p.name) || !p.name.len || p.name.len > PARAM_MAX)
            continue; /* what nobody reads */
        bool is_piece = sv_find(p.name, '*') < p.name.len;
        enum piece how = is_piece ? judge_piece(&gathered, value, p.name, &plain) : PIECE_ALONE;
        if (how == PIECE_ALONE && (utf8_is_ascii(raw) || is_usable_boundary(&p, raw)))
            continue;
        rewrite_downgrade_put_bare(w, (struct sv){value.ptr + done, p.start - done});
        done = p.end;
        if (how == PIECE_FIRST) {
            rewrite_downgrade_put(w, SV(";"));
            put_value(w, sv_first(p.name, sv_find(p.name, '*')), buf_view(&plain));
        }
        if (how != PIECE_ALONE)
            continue;
        buf_reset(&plain);
        rewrite_downgrade_add_word(&plain, raw);
        if (!is_piece && twins++ < TWINS_MAX && has_twin(value, p.name))
            continue; /* the better form is there as well */
        rewrite_downgrade_put(w, SV(";"));
        if (is_piece)
            put_piece(w, p.name, buf_view(&plain));
        else
            put_value(w, p.name, buf_view(&plain));
    }
    rewrite_downgrade_put_bare(w, sv_skip(value, done));
    buf_deinit(&plain);
}
