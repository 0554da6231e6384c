#include "msa/smtp/xtext.h"

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
