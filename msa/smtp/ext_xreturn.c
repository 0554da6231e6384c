/*
 * XRETURN, ours (etc/sign-return.txt): the finished message, completed, rewritten and signed, is
 * given back to the client that submitted it, and is not sent. Announced wherever one can log in;
 * never used towards next hops.
 */
#include "msa/smtp/ext_list.h"

static bool offered(const struct smtp_ext_offer *o)
{
    return o->authenticated || o->mechanisms.len > 0;
}

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = SMTP_RETURN_MESSAGE};
    if (sv_ieq(value, SV("EXPLAIN")))
        out->number = SMTP_RETURN_VERDICT;
    else if (sv_ieq(value, SV("EXPLAIN-MILTERS")))
        out->number = SMTP_RETURN_FILTERED;
    else
        return !has_value;
    return true;
}

/* What is about delivery means nothing here. */
static bool is_alone(const struct smtp_envelope *e)
{
    static const unsigned allowed = 1u << SMTP_MAIL_SIZE | 1u << SMTP_MAIL_BODY |
                                    1u << SMTP_MAIL_AUTH | 1u << SMTP_MAIL_SMTPUTF8 |
                                    1u << SMTP_MAIL_SOLICIT | 1u << SMTP_MAIL_XRETURN;
    for (unsigned slot = 0; slot < SMTP_MAIL_SLOTS; slot++)
        if (e->values[slot].text.ptr && !(allowed & 1u << slot))
            return false;
    return true;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    if (!smtp_envelope_has(e, SMTP_MAIL_XRETURN))
        return o->operated
                   ? SMTP_REPLY(501, 5, 5, 4, "XRETURN is needed: nothing is sent from here")
                   : SMTP_REPLY_NONE;
    if (!o->authenticated)
        return SMTP_REPLY(530, 5, 7, 0, "XRETURN needs a login");
    if (e->values[SMTP_MAIL_XRETURN].number != SMTP_RETURN_MESSAGE && !o->operated)
        return SMTP_REPLY(501, 5, 5, 4, "XRETURN takes no value");
    if (!is_alone(e))
        return SMTP_REPLY(501, 5, 5, 4,
                          "XRETURN goes with SIZE, BODY, AUTH, SMTPUTF8 and SOLICIT only: nothing "
                          "is delivered");
    return SMTP_REPLY_NONE;
}

static const struct smtp_param_rule mail_params[] = {
    {{"XRETURN", 7}, SMTP_MAIL_XRETURN, parse, NULL, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_xreturn = {
    .id = SMTP_EXT_XRETURN,
    .keyword = {"XRETURN", 7},
    .rfc = "ours (sign-return.txt)",
    .lacking = "not passed on: between client and this server only",
    .offered = offered,
    .check_mail = check_mail,
    .mail_params = mail_params,
};
