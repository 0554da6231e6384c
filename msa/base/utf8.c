#include "msa/base/utf8.h"

#include <string.h>

/* RFC 3629 4: what may follow a first octet is narrower for E0, ED, F0 and F4. */
size_t utf8_length(struct sv text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (text.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (text.len < len)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* no longer form than needed */
    else if (p[0] == 0xed)
        high = 0x9f; /* no surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* nothing above U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t utf8_non_ascii(struct sv text)
{
    size_t len = utf8_length(text);
    return len > 1 && utf8_point(text) > 0x9f ? len : 0;
}

bool utf8_is_ascii(struct sv text)
{
    uint64_t word, seen = 0;
    size_t i = 0;

    for (; i + sizeof(word) <= text.len; i += sizeof(word)) {
        memcpy(&word, text.ptr + i, sizeof(word));
        seen |= word;
    }
    for (; i < text.len; i++)
        seen |= (unsigned char)text.ptr[i];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_is_printable(struct sv text)
{
    while (text.len) {
        bool ascii = text.ptr[0] >= 32 && text.ptr[0] < 127;
        size_t len = ascii ? 1 : utf8_non_ascii(text);
        if (len == 0)
            return false;
        text = sv_skip(text, len);
    }
    return true;
}

uint32_t utf8_point(struct sv text)
{
    static const unsigned char first_bits[UTF8_MAX + 1] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t len = utf8_length(text);
    uint32_t point = len ? (unsigned char)text.ptr[0] & first_bits[len] : 0;
    for (size_t i = 1; i < len; i++)
        point = point << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    return point;
}

size_t utf8_write(char out[UTF8_MAX], uint32_t point)
{
    static const unsigned char first_marks[UTF8_MAX + 1] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(first_marks[len] | point);
    return len;
}
