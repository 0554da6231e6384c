/*
 * 8BITMIME, RFC 6152. What the client declares is only passed on: 8-bit octets without BODY are
 * daily practice, so whether a message needs the extension is seen from its content (relay).
 */
#include "msa/smtp/ext_list.h"

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    bool eight = sv_ieq(value, SV("8BITMIME"));
    if (!has_value || (!eight && !sv_ieq(value, SV("7BIT"))))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, eight ? SV("8BITMIME") : SV("7BIT")),
                               .number = eight ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT};
    return true;
}

static bool required_by(const struct smtp_envelope *e)
{
    return e->values[SMTP_MAIL_BODY].text.ptr &&
           e->values[SMTP_MAIL_BODY].number == SMTP_BODY_8BITMIME;
}

static const struct smtp_param_rule mail_params[] = {
    {{"BODY", 4}, SMTP_MAIL_BODY, parse},
    {{NULL, 0}, 0, NULL},
};

const struct smtp_ext smtp_ext_8bitmime = {
    .id = SMTP_EXT_8BITMIME,
    .keyword = {"8BITMIME", 8},
    .mail_params = mail_params,
    .required_by = required_by,
};
