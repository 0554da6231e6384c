/*
 * Design: two passes. The first takes off what marks text as a comment, a quoted string or an
 * encoded word; the second goes over the result by characters. Neither judges syntax: the field has
 * been read before (address.h), or is refused.
 */
#include "rewrite/shown.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"

#include <string.h>

#define ESCAPE   0x1B
#define WORD_MAX 1000 /* octets of an encoded word: a line; RFC 2047 has 75 */

struct reader {
    struct sv raw;
    struct buf *out;
    enum rewrite_shown fault;
};

static void put(struct reader *r, char c)
{
    int err = buf_append(r->out, &c, 1);
    REQUIRE(err == 0); /* nothing becomes longer */
}

/* ---- encoded words ---- */

struct word {
    struct sv charset, text;
    bool base64;
    size_t len; /* of the whole word */
};

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* =?charset?B?text?= or =?charset*language?Q?text?= */
static bool find_word(struct sv raw, struct word *out)
{
    struct sv rest = sv_first(sv_skip(raw, 2), WORD_MAX);
    if (!sv_starts(raw, SV("=?")))
        return false;
    size_t charset = sv_find(rest, '?');
    if (charset + 2 >= rest.len || rest.ptr[charset + 2] != '?')
        return false;
    char encoding = ascii_lower(rest.ptr[charset + 1]);
    out->charset = sv_first(rest, charset);
    out->charset.len = sv_find(out->charset, '*');
    out->base64 = encoding == 'b';
    out->text = sv_skip(rest, charset + 3);
    for (size_t i = 0; i + 1 < out->text.len; i++) {
        if (out->text.ptr[i] != '?' || out->text.ptr[i + 1] != '=')
            continue;
        out->text.len = i;
        out->len = 2 + charset + 3 + i + 2;
        return encoding == 'b' || encoding == 'q';
    }
    return false;
}

/* Character sets in which an ASCII character may be written in other octets. */
static bool hides_ascii(struct sv charset)
{
    static const char *const starts[] = {"utf-7",  "utf7",   "unicode", "csunicode", "utf-16",
                                         "utf16",  "utf-32", "utf32",   "ucs",       "iso-10646",
                                         "hz-",    "ebcdic", "ibm0",    "ibm1",      "cp0",
                                         "cp1047", "cp500",  "x-mac-"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (sv_istarts(charset, sv_of(starts[i])))
            return true;
    return false;
}

/* Character sets with characters of two octets, the second of which may look like ASCII. */
static bool has_pairs(struct sv charset)
{
    static const char *const starts[] = {"shift", "sjis",        "x-sjis", "ms_kanji",
                                         "cp932", "windows-31j", "gb",     "big5",
                                         "euc",   "ks_",         "cp9"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (sv_istarts(charset, sv_of(starts[i])))
            return true;
    return false;
}

static int hex(char c)
{
    char low = ascii_lower(c);
    return ascii_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : ascii_digit(c)       ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* The octets that a word stands for, one by one. */
struct octets {
    struct sv text;
    bool base64;
    uint32_t bits;
    int count;
};

static int next_octet(struct octets *o)
{
    if (!o->text.len)
        return -1;
    if (o->base64) {
        while (o->count < 8 && o->text.len) {
            int value = base64_value(o->text.ptr[0]);
            o->text = sv_skip(o->text, 1);
            if (value < 0)
                continue; /* as lenient readers do */
            o->bits = o->bits << 6 | (uint32_t)value;
            o->count += 6;
        }
        if (o->count < 8)
            return -1;
        o->count -= 8;
        return (int)(o->bits >> o->count & 0xFF);
    }
    char c = o->text.ptr[0];
    size_t used = 1;
    int value = c == '_' ? ' ' : (unsigned char)c;
    if (c == '=' && o->text.len >= 3 && hex(o->text.ptr[1]) >= 0 && hex(o->text.ptr[2]) >= 0) {
        value = hex(o->text.ptr[1]) * 16 + hex(o->text.ptr[2]);
        used = 3;
    }
    o->text = sv_skip(o->text, used);
    return value;
}

static bool is_shift_charset(struct sv charset)
{
    return sv_istarts(charset, SV("iso-2022-")) || sv_istarts(charset, SV("csiso2022"));
}

/* ISO 2022: behind ESC and some of "$()" stands which set follows; of them only ASCII, and JIS
 * Roman that is nearly the same, are read. */
static bool read_shift(struct octets *o)
{
    int c = next_octet(o);
    bool wide = c == '$';
    while (c == '$' || c == '(' || c == ')' || c == '*')
        c = next_octet(o);
    return !wide && (c == 'B' || c == 'J');
}

/* Which octets begin a pair differs by set and reader: an "@" counts on its own as well. */
static void read_pair(struct reader *r, struct octets *o)
{
    int second = next_octet(o);
    put(r, '?');
    if (second == '@')
        put(r, '@');
}

static void read_word(struct reader *r, const struct word *w)
{
    struct octets o = {.text = w->text, .base64 = w->base64};
    bool pairs = has_pairs(w->charset), shifts = is_shift_charset(w->charset), ascii = true;
    if (hides_ascii(w->charset))
        r->fault = REWRITE_SHOWN_CHARSET;
    for (int c; (c = next_octet(&o)) >= 0;) {
        if (shifts && c == ESCAPE)
            ascii = read_shift(&o);
        else if (pairs && c >= 0x80)
            read_pair(r, &o);
        else if (!ascii)
            put(r, '?');
        else
            put(r, (char)c);
    }
}

/* ---- marks ---- */

static size_t skip_white(struct sv text, size_t at)
{
    while (at < text.len && is_white(text.ptr[at]))
        at++;
    return at;
}

/* Space between two encoded words is not seen. */
static size_t read_words(struct reader *r, size_t at)
{
    struct word w;
    while (find_word(sv_skip(r->raw, at), &w)) {
        read_word(r, &w);
        at += w.len;
        size_t next = skip_white(r->raw, at);
        if (!find_word(sv_skip(r->raw, next), &w))
            break;
        at = next;
    }
    return at;
}

static void take_off(struct reader *r)
{
    for (size_t at = 0; at < r->raw.len;) {
        char c = r->raw.ptr[at];
        size_t behind = c == '=' ? read_words(r, at) : at;
        if (behind > at) {
            at = behind;
            continue;
        }
        at++;
        if (c == '\\' && at < r->raw.len)
            c = r->raw.ptr[at++];
        else if (c == '"' || c == '(' || c == ')')
            continue;
        else if (c == '<' || c == '>' || c == ',' || c == ';' || c == ':')
            c = ' ';
        if (c != '\r' && c != '\n')
            put(r, c);
    }
}

/* ---- characters ---- */

static bool is_invisible(uint32_t p)
{
    return p == 0xAD || p == 0x34F || p == 0x61C || p == 0x180E || (p >= 0x200B && p <= 0x200F) ||
           p == 0x202A || p == 0x202B || p == 0x202C || (p >= 0x2060 && p <= 0x206F) ||
           (p >= 0xFE00 && p <= 0xFE0F) || p == 0xFEFF || (p >= 0xE0000 && p <= 0xE0FFF);
}

/* What a character is read as in an address: itself, or the ASCII that it looks like; 0: nothing.
 */
static uint32_t seen_as(uint32_t p)
{
    if (is_invisible(p))
        return 0;
    if (p >= 0xFF01 && p <= 0xFF5E)
        return p - 0xFF01 + '!';
    if (p == 0xFE6B)
        return '@';
    if (p == 0xFE52 || p == 0x3002 || p == 0xFF61 || p == 0x2024)
        return '.';
    if ((p >= 0x2010 && p <= 0x2015) || p == 0x2212 || p == 0xFE63)
        return '-';
    if (p == 0xA0 || p == 0x3000 || (p >= 0x2000 && p <= 0x200A) || p == 0x202F)
        return ' ';
    return p;
}

static bool is_control(uint32_t p)
{
    return (p < 32 && p != '\t') || (p >= 0x7F && p < 0xA0) || p == 0x202D || p == 0x202E;
}

/* In place: nothing becomes longer. */
static void read_characters(struct reader *r, size_t from)
{
    struct sv all = buf_view(r->out);
    char *write = (char *)(uintptr_t)all.ptr + from;
    size_t kept = from;
    for (struct sv rest = sv_skip(all, from); rest.len;) {
        size_t n = utf8_length(rest);
        bool soft = (unsigned char)rest.ptr[0] == 0xAD; /* alone: of a set of single octets */
        uint32_t p = n ? utf8_point(rest) : soft ? 0xAD : 0xFFFD;
        char made[UTF8_MAX];
        if (n && is_control(p) && !r->fault)
            r->fault = REWRITE_SHOWN_CONTROL;
        uint32_t seen = n || soft ? seen_as(p) : p;
        size_t len = seen == p ? (n ? n : 1) : seen ? utf8_write(made, seen) : 0;
        if (len)
            memmove(write, seen == p ? rest.ptr : made, len);
        write += len;
        kept += len;
        rest = sv_skip(rest, n ? n : 1);
    }
    buf_truncate(r->out, kept);
}

enum rewrite_shown rewrite_shown_text(struct sv raw, struct buf *out)
{
    struct reader r = {.raw = raw, .out = out};
    size_t before = buf_len(out);
    take_off(&r);
    read_characters(&r, before);
    return r.fault;
}

/* ---- addresses ---- */

static bool is_high(char c)
{
    return (unsigned char)c >= 128;
}

static bool is_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || is_high(c);
}

static bool is_local(char c)
{
    return is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

static bool parse(struct sv text, size_t from, size_t at, size_t to, struct arena *a,
                  struct smtp_path *out)
{
    while (from < at && !is_alnum(text.ptr[from]))
        from++;
    while (to > at && !is_alnum(text.ptr[to - 1]))
        to--;
    struct sv address = sv_range(text.ptr + from, text.ptr + to);
    return from < at && to > at + 1 &&
           smtp_path_parse_address(a, address, SMTP_PATH_FORWARD, out) == SMTP_PATH_OK &&
           out->kind == SMTP_PATH_MAILBOX;
}

/* The longest run around the "@" that can be an address, or, where characters beyond ASCII make it
 * none, what stands between those; quotes and the like at its edges are none of it. */
static bool read_address(struct sv text, size_t at, struct arena *a, struct smtp_path *out)
{
    size_t from = at, to = at + 1;
    while (from && is_local(text.ptr[from - 1]) && at - from < SMTP_LOCAL_MAX)
        from--;
    while (to < text.len && to - at < SMTP_PATH_MAX &&
           (is_alnum(text.ptr[to]) || text.ptr[to] == '-' || text.ptr[to] == '.'))
        to++;
    if (parse(text, from, at, to, a, out))
        return true;
    size_t inner = at, outer = at + 1;
    while (inner > from && !is_high(text.ptr[inner - 1]))
        inner--;
    while (outer < to && !is_high(text.ptr[outer]))
        outer++;
    return (inner > from || outer < to) && parse(text, inner, at, outer, a, out);
}

bool rewrite_shown_next(struct sv *text, struct arena *a, struct smtp_path *out)
{
    struct sv all = *text;
    for (size_t at = sv_find(all, '@'); at < all.len;
         at += 1 + sv_find(sv_skip(all, at + 1), '@')) {
        if (!read_address(all, at, a, out))
            continue;
        *text = sv_skip(all, at + 1);
        return true;
    }
    *text = SV_NONE;
    return false;
}
