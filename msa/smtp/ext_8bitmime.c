/*
 * 8BITMIME, RFC 6152, and the parameter BODY, which BINARYMIME (RFC 3030) shares. What the client
 * declares is only passed on: 8-bit octets without BODY are daily practice, so whether a message
 * needs the extension is seen from its content.
 */
#include "msa/smtp/ext_list.h"

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    static const struct {
        struct sv word;
        enum smtp_body body;
    } bodies[] = {{{"7BIT", 4}, SMTP_BODY_7BIT},
                  {{"8BITMIME", 8}, SMTP_BODY_8BITMIME},
                  {{"BINARYMIME", 10}, SMTP_BODY_BINARYMIME}};
    for (size_t i = 0; has_value && i < sizeof bodies / sizeof bodies[0]; i++) {
        if (!sv_ieq(value, bodies[i].word))
            continue;
        *out = (struct smtp_value){.text = arena_sv(a, bodies[i].word), .number = bodies[i].body};
        return true;
    }
    return false;
}

/* By what the content is, whatever was declared. */
static int hop(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    if (h->binary)
        return buf_put(out, SV("BINARYMIME")) < 0 ? ERR_FULL : 1;
    if (h->eight_bit || v->number == SMTP_BODY_8BITMIME || v->number == SMTP_BODY_BINARYMIME)
        return buf_put(out, SV("8BITMIME")) < 0 ? ERR_FULL : 1;
    return 0;
}

static struct smtp_reply refuse_mail(const struct smtp_hop *h)
{
    if (h->eight_bit && !smtp_hop_has(h, SMTP_EXT_8BITMIME))
        return SMTP_REPLY(554, 5, 6, 3,
                          "the content holds 8-bit characters, and the next hop does not offer "
                          "8BITMIME");
    return SMTP_REPLY_NONE;
}

static unsigned convert_mail(const struct smtp_hop *h)
{
    return h->eight_bit && !smtp_hop_has(h, SMTP_EXT_8BITMIME) ? SMTP_CONVERT_7BIT : 0;
}

static const struct smtp_param_rule mail_params[] = {
    {{"BODY", 4}, SMTP_MAIL_BODY, parse, hop, true},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_8bitmime = {
    .id = SMTP_EXT_8BITMIME,
    .keyword = {"8BITMIME", 8},
    .rfc = "RFC 6152",
    .draft = SMTP_EXT_SHOULD,
    .lacking = "8-bit content is re-encoded; refused 5.6.3 where it cannot be",
    .mail_params = mail_params,
    .refuse_mail = refuse_mail,
    .convert_mail = convert_mail,
};
