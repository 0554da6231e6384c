#include "msa/smtp/xtext.h"

#include "msa/base/utf8.h"

#define HEX_MAX 6 /* digits of a code point */

static bool is_xchar(char c)
{
    return c >= 33 && c <= 126 && c != '+' && c != '=';
}

/* Upper case only: RFC 3461 section 4. */
static int hex_value(char c)
{
    if (ascii_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool smtp_xtext_valid(struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_xchar(text.ptr[i]))
            continue;
        if (text.ptr[i] != '+' || text.len - i < 3 || hex_value(text.ptr[i + 1]) < 0 ||
            hex_value(text.ptr[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

bool smtp_xtext_printable(struct sv text)
{
    if (!smtp_xtext_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '+')
            continue;
        int octet = hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]);
        if (octet < 32 || octet > 126)
            return false;
        i += 2;
    }
    return true;
}

int smtp_xtext_write(struct buf *out, struct sv octets)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t before = buf_len(out);
    int err = 0;
    for (size_t i = 0; i < octets.len && err == 0; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        char form[3] = {'+', digits[c >> 4], digits[c & 15]};
        err = is_xchar(octets.ptr[i]) ? buf_append(out, &octets.ptr[i], 1)
                                      : buf_append(out, form, sizeof form);
    }
    if (err < 0)
        buf_truncate(out, before);
    return err;
}

int smtp_xtext_decode(struct buf *out, struct sv text)
{
    size_t made = 0;
    char *at;
    if (!smtp_xtext_valid(text))
        return ERR_SYNTAX;
    if (text.len == 0)
        return 0;
    int err = buf_reserve(out, text.len, &at);
    if (err < 0)
        return err;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '+') {
            at[made++] = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
            i += 2;
        } else {
            at[made++] = text.ptr[i];
        }
    }
    buf_added(out, made);
    return 0;
}

/* ---- unitext ---- */

/* ASCII that stands for itself: RFC 6533 section 3, QCHAR. */
static bool is_qchar(char c)
{
    return is_xchar(c) && c != '\\';
}

/* HEXPOINT: no more digits than needed, but at least two; of ASCII only what is no QCHAR. */
static bool read_point(struct sv hex, uint32_t *point_out)
{
    uint32_t point = 0;
    if (hex.len < 2 || hex.len > HEX_MAX || (hex.len > 2 && hex.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        bool small = hex.ptr[i] >= 'a' && hex.ptr[i] <= 'f';
        int digit = hex_value(small ? (char)(hex.ptr[i] - 32) : hex.ptr[i]);
        if (digit < 0)
            return false;
        point = point << 4 | (unsigned)digit;
    }
    *point_out = point;
    return point > 127 || !is_qchar((char)point);
}

/* Takes one character, written as itself or as "\x{HEX}", and gives its octets; 0: none. */
static size_t take_char(struct sv *text, char octets[UTF8_MAX])
{
    struct sv rest = *text;
    uint32_t point;
    if (is_qchar(rest.ptr[0])) {
        point = (unsigned char)rest.ptr[0];
        rest = sv_skip(rest, 1);
    } else if (sv_starts(rest, SV("\\x{"))) {
        struct sv hex = sv_skip(rest, 3);
        hex = sv_first(hex, sv_find(hex, '}'));
        rest = sv_skip(rest, 3 + hex.len);
        if (rest.len == 0 || !read_point(hex, &point))
            return 0;
        rest = sv_skip(rest, 1);
    } else {
        point = utf8_point(rest);
        rest = sv_skip(rest, utf8_non_ascii(rest));
    }
    size_t len = rest.len < text->len ? utf8_write(octets, point) : 0;
    *text = rest;
    return utf8_is_printable((struct sv){octets, len}) ? len : 0;
}

bool smtp_unitext_printable(struct sv text)
{
    char octets[UTF8_MAX];
    while (text.len)
        if (take_char(&text, octets) == 0)
            return false;
    return true;
}

int smtp_unitext_decode(struct buf *out, struct sv text)
{
    char octets[UTF8_MAX];
    size_t before = buf_len(out);
    while (text.len) {
        size_t len = take_char(&text, octets);
        int err = len ? buf_append(out, octets, len) : ERR_SYNTAX;
        if (err < 0) {
            buf_truncate(out, before);
            return err;
        }
    }
    return 0;
}

int smtp_unitext_write(struct buf *out, struct sv address)
{
    size_t before = buf_len(out);
    if (!utf8_is_printable(address))
        return ERR_SYNTAX;
    while (address.len) {
        int err = is_qchar(address.ptr[0])
                      ? buf_append(out, address.ptr, 1)
                      : buf_printf(out, "\\x{%02X}", (unsigned)utf8_point(address));
        if (err < 0) {
            buf_truncate(out, before);
            return err;
        }
        address = sv_skip(address, utf8_length(address));
    }
    return 0;
}
