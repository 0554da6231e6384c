#include "msa/base/b64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int b64_encode(struct buf *out, struct sv bytes)
{
    char *at;
    size_t need = (bytes.len + 2) / 3 * 4;
    if (need == 0)
        return 0;
    int err = buf_reserve(out, need, &at);
    if (err < 0)
        return err;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)(unsigned char)bytes.ptr[i] << 16;
        if (left > 1)
            v |= (uint32_t)(unsigned char)bytes.ptr[i + 1] << 8;
        if (left > 2)
            v |= (unsigned char)bytes.ptr[i + 2];
        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63];
        *at++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *at++ = left > 2 ? alphabet[v & 63] : '=';
    }
    buf_added(out, need);
    return 0;
}

int b64_decode(struct buf *out, struct sv text)
{
    char *at;
    size_t pad = 0;
    if (text.len % 4 != 0)
        return ERR_SYNTAX;
    if (text.len == 0)
        return 0;
    while (pad < 2 && text.ptr[text.len - 1 - pad] == '=')
        pad++;
    size_t need = text.len / 4 * 3 - pad;
    int err = buf_reserve(out, need, &at);
    if (err < 0)
        return err;
    size_t made = 0;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t v = 0;
        size_t digits = i + 4 == text.len ? 4 - pad : 4;
        for (size_t k = 0; k < 4; k++) {
            int d = k < digits ? value_of(text.ptr[i + k]) : 0;
            if (d < 0)
                return ERR_SYNTAX;
            v = v << 6 | (uint32_t)d;
        }
        /* bits behind the last whole byte must be zero: one text for one value */
        if (digits < 4 && (v & (digits == 3 ? 0xffu : 0xffffu)) != 0)
            return ERR_SYNTAX;
        for (size_t k = 0; k + 1 < digits; k++)
            at[made++] = (char)(v >> (16 - 8 * k));
    }
    buf_added(out, made);
    return 0;
}
