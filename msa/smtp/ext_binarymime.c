/*
 * BINARYMIME, RFC 3030 3: BODY=BINARYMIME, read by the rule of BODY (ext_8bitmime.c); such content
 * comes by BDAT only and keeps every octet. A message declared so whose content is lines all the
 * same goes to any next hop; one that is not, and one with lines over 998 octets however it came,
 * needs a hop with BINARYMIME, CHUNKING and 8BITMIME, or is re-encoded.
 */
#include "msa/smtp/ext_list.h"

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    if (e->values[SMTP_MAIL_BODY].number == SMTP_BODY_BINARYMIME &&
        (o->config.off & SMTP_EXT_BIT(SMTP_EXT_BINARYMIME)))
        return SMTP_REPLY_SETTING(501, 5, 5, 4, "BODY=BINARYMIME is not spoken here",
                                  "extensions.off");
    return SMTP_REPLY_NONE;
}

static bool takes_binary(const struct smtp_hop *h)
{
    return smtp_hop_has(h, SMTP_EXT_BINARYMIME) && smtp_hop_has(h, SMTP_EXT_CHUNKING) &&
           smtp_hop_has(h, SMTP_EXT_8BITMIME);
}

static unsigned convert_mail(const struct smtp_hop *h)
{
    return h->binary && !takes_binary(h) ? SMTP_CONVERT_LINES : 0;
}

static struct smtp_reply refuse_mail(const struct smtp_hop *h)
{
    if (h->binary && !takes_binary(h))
        return SMTP_REPLY(554, 5, 6, 3,
                          "the content is binary, and the next hop takes only lines of text");
    return SMTP_REPLY_NONE;
}

const struct smtp_ext smtp_ext_binarymime = {
    .id = SMTP_EXT_BINARYMIME,
    .keyword = {"BINARYMIME", 10},
    .rfc = "RFC 3030",
    .draft = SMTP_EXT_MAY,
    .lacking = "binary content and long lines are re-encoded; refused 5.6.3 where they cannot be",
    .needs = SMTP_EXT_BIT(SMTP_EXT_CHUNKING) | SMTP_EXT_BIT(SMTP_EXT_8BITMIME),
    .check_mail = check_mail,
    .refuse_mail = refuse_mail,
    .convert_mail = convert_mail,
};
