/*
 * NO-SOLICITING, RFC 3865. No class is refused by default (section 2.8): the bare keyword then only
 * says that SOLICIT is understood. A refusal echoes the classes that are refused (2.4).
 */
#include "msa/smtp/ext_list.h"
#include "msa/smtp/solicit.h"

static int ehlo_args(const struct smtp_ext_offer *o, struct buf *out)
{
    struct sv words = o->config.no_soliciting;
    return words.len ? buf_printf(out, " %.*s", SV_ARG(words)) : 0;
}

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    if (!has_value || !smtp_solicit_valid(value))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value)};
    return true;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    struct sv said = e->values[SMTP_MAIL_SOLICIT].text;
    if (smtp_solicit_common(said, o->config.no_soliciting).len == 0)
        return SMTP_REPLY_NONE;
    struct smtp_reply r = SMTP_REPLY_SETTING(550, 5, 7, 1, "", "extensions.no_soliciting");
    r.text = sv_of(arena_printf(e->arena, "Mail of this class is not taken: SOLICIT=%.*s",
                                SV_ARG(o->config.no_soliciting)));
    return r;
}

static const struct smtp_param_rule mail_params[] = {
    {{"SOLICIT", 7}, SMTP_MAIL_SOLICIT, parse, smtp_ext_hop_same, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_no_soliciting = {
    .id = SMTP_EXT_NO_SOLICITING,
    .keyword = {"NO-SOLICITING", 13},
    .rfc = "RFC 3865",
    .draft = SMTP_EXT_MAY,
    .lacking = "dropped; the header field and the Received field keep saying it",
    .ehlo_args = ehlo_args,
    .check_mail = check_mail,
    .mail_params = mail_params,
};
