/*
 * SMTPUTF8, RFC 6531. The parameter is only a permission: what needs the extension is a local part
 * or a header section with UTF-8 in it (domains are A-labels in an envelope), and only for these
 * is it asked of the next hop.
 */
#include "msa/smtp/ext_list.h"

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    (void)value;
    *out = (struct smtp_value){.text = arena_sv(a, SV(""))};
    return !has_value;
}

/* Every recipient of the transaction counts: the parameter belongs to it as a whole. */
bool smtp_hop_needs_utf8(const struct smtp_hop *h)
{
    bool needed = h->utf8_header || h->envelope->reverse.utf8;
    for (uint32_t i = 0; i < h->envelope->count && !needed; i++)
        needed = h->envelope->recipients[i].path.utf8;
    return needed;
}

static int hop(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    (void)v;
    (void)out;
    return smtp_hop_needs_utf8(h);
}

static struct smtp_reply refuse_mail(const struct smtp_hop *h)
{
    if (smtp_hop_has(h, SMTP_EXT_SMTPUTF8) || (!h->utf8_header && !h->envelope->reverse.utf8))
        return SMTP_REPLY_NONE;
    if (h->utf8_header)
        return SMTP_REPLY(550, 5, 6, 7,
                          "the header holds UTF-8, and the next hop does not offer SMTPUTF8");
    return SMTP_REPLY(550, 5, 6, 7,
                      "the author's address holds UTF-8, and the next hop does not offer SMTPUTF8");
}

/* A header can be written in ASCII (RFC 6409 6.5), an author's address cannot. */
static unsigned convert_mail(const struct smtp_hop *h)
{
    return h->utf8_header && !smtp_hop_has(h, SMTP_EXT_SMTPUTF8) ? SMTP_CONVERT_ASCII_HEADER : 0;
}

static struct smtp_reply refuse_rcpt(const struct smtp_hop *h, const struct smtp_recipient *r)
{
    if (smtp_hop_has(h, SMTP_EXT_SMTPUTF8) || !r->path.utf8)
        return SMTP_REPLY_NONE;
    return SMTP_REPLY(553, 5, 6, 7,
                      "the address holds UTF-8, and the next hop does not offer SMTPUTF8");
}

static const struct smtp_param_rule mail_params[] = {
    {{"SMTPUTF8", 8}, SMTP_MAIL_SMTPUTF8, parse, hop, true},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_smtputf8 = {
    .id = SMTP_EXT_SMTPUTF8,
    .keyword = {"SMTPUTF8", 8},
    .rfc = "RFC 6531",
    .lacking = "the header is written in ASCII; refused 5.6.7 where an address needs it",
    .needs = SMTP_EXT_BIT(SMTP_EXT_8BITMIME),
    .mail_params = mail_params,
    .refuse_mail = refuse_mail,
    .refuse_rcpt = refuse_rcpt,
    .convert_mail = convert_mail,
};
