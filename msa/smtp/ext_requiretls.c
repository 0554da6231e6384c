/*
 * REQUIRETLS, RFC 8689: offered under TLS only; the message goes to no hop that does not offer it,
 * under TLS, as well.
 */
#include "msa/smtp/ext_list.h"

static bool offered(const struct smtp_ext_offer *o)
{
    return o->tls;
}

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    (void)value;
    *out = (struct smtp_value){.text = arena_sv(a, SV(""))};
    return !has_value;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    if (smtp_envelope_has(e, SMTP_MAIL_REQUIRETLS) && !o->tls)
        return SMTP_REPLY(530, 5, 7, 10, "REQUIRETLS needs TLS here already: use STARTTLS");
    return SMTP_REPLY_NONE;
}

static struct smtp_reply refuse_mail(const struct smtp_hop *h)
{
    /* a report is not lost for want of it: RFC 8689 5 */
    if (!smtp_envelope_has(h->envelope, SMTP_MAIL_REQUIRETLS) ||
        h->envelope->reverse.kind == SMTP_PATH_NULL)
        return SMTP_REPLY_NONE;
    if (!h->tls)
        return SMTP_REPLY(550, 5, 7, 10, "REQUIRETLS: the next hop was reached without TLS");
    if (!smtp_hop_has(h, SMTP_EXT_REQUIRETLS))
        return SMTP_REPLY(550, 5, 7, 30, "REQUIRETLS: the next hop does not offer it");
    return SMTP_REPLY_NONE;
}

static const struct smtp_param_rule mail_params[] = {
    {{"REQUIRETLS", 10}, SMTP_MAIL_REQUIRETLS, parse, smtp_ext_hop_same, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_requiretls = {
    .id = SMTP_EXT_REQUIRETLS,
    .keyword = {"REQUIRETLS", 10},
    .rfc = "RFC 8689",
    .lacking = "refused 5.7.30, without TLS 5.7.10",
    .offered = offered,
    .check_mail = check_mail,
    .mail_params = mail_params,
    .refuse_mail = refuse_mail,
};
