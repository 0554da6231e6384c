#include "msa/smtp/nfc.h"

#include "msa/base/utf8.h"

#include <stdlib.h>
#include <uninorm.h>

/* The library would read something into what is none. */
static bool is_utf8(struct sv text)
{
    for (size_t n; text.len > 0; text = sv_skip(text, n))
        if ((n = utf8_length(text)) == 0)
            return false;
    return true;
}

struct sv smtp_nfc(struct sv text, char *out, size_t max)
{
    size_t len = max;
    if (utf8_is_ascii(text) || !is_utf8(text))
        return text;
    uint8_t *made =
        u8_normalize(UNINORM_NFC, (const uint8_t *)text.ptr, text.len, (uint8_t *)out, &len);
    if (made == (uint8_t *)out)
        return (struct sv){out, len};
    free(made); /* a buffer of its own: too long */
    return text;
}
