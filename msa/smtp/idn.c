#include "msa/smtp/idn.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"

#include <idn2.h>
#include <string.h>

/* Octets of a U-label: its A-label has at least one for each character. */
#define U_LABEL_MAX (UTF8_MAX * (size_t)SMTP_LABEL_MAX)

bool smtp_idn_concerns(struct sv label)
{
    return !utf8_is_ascii(label) || sv_istarts(label, SV("xn--"));
}

static bool is_ldh(struct sv label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_alpha(label.ptr[i]) && !ascii_digit(label.ptr[i]) && label.ptr[i] != '-')
            return false;
    return true;
}

static int check_made(struct sv given, struct sv made)
{
    if (!sv_starts(made, SV("xn--")) || !is_ldh(made))
        return ERR_SYNTAX;
    if (utf8_is_ascii(given) && !sv_eq(given, made))
        return ERR_SYNTAX;
    return made.len > SMTP_LABEL_MAX ? ERR_FULL : 0;
}

int smtp_idn_label(struct sv label, char out[SMTP_LABEL_MAX], size_t *len_out)
{
    char text[U_LABEL_MAX + 1];
    uint8_t *made = NULL;
    if (label.len > (utf8_is_ascii(label) ? (size_t)SMTP_LABEL_MAX : U_LABEL_MAX))
        return ERR_FULL;
    for (size_t i = 0; i < label.len; i++)
        text[i] = ascii_lower(label.ptr[i]);
    text[label.len] = '\0';
    int result =
        idn2_lookup_u8((const uint8_t *)text, &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    REQUIRE(result != IDN2_MALLOC); /* no memory: as everywhere */
    if (result == IDN2_TOO_BIG_LABEL || result == IDN2_TOO_BIG_DOMAIN ||
        result == IDN2_PUNYCODE_BIG_OUTPUT)
        return ERR_FULL;
    if (result != IDN2_OK)
        return ERR_SYNTAX;
    struct sv view = sv_of((const char *)made);
    int err = check_made((struct sv){text, label.len}, view);
    if (err == 0) {
        memcpy(out, view.ptr, view.len);
        *len_out = view.len;
    }
    idn2_free(made);
    return err;
}

int smtp_idn_points(struct sv label, uint32_t out[SMTP_LABEL_MAX], size_t *count_out)
{
    char text[SMTP_LABEL_MAX + 1];
    uint32_t *made = NULL;
    size_t n = 0;
    if (label.len > SMTP_LABEL_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < label.len; i++)
        text[i] = ascii_lower(label.ptr[i]);
    text[label.len] = '\0';
    int result = idn2_to_unicode_8z4z(text, &made, 0);
    REQUIRE(result != IDN2_MALLOC);
    if (result != IDN2_OK)
        return ERR_SYNTAX;
    while (made[n] && n < SMTP_LABEL_MAX) {
        out[n] = made[n];
        n++;
    }
    idn2_free(made);
    *count_out = n;
    return n > 0 ? 0 : ERR_SYNTAX;
}
