/*
 * RRVS, RFC 7293: RCPT takes RRVS=date[;C|R]: the recipient must have been the same person since
 * then. Only who delivers can tell: the value is passed on; a hop without RRVS is not used, unless
 * the author said that it may be (C).
 */
#include "msa/smtp/ext_list.h"
#include "msa/smtp/timestamp.h"

enum { RRVS_REJECT = 1, RRVS_CONTINUE };

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    struct sv action = value;
    struct sv date = sv_split(&action, ';');
    int64_t since_s;
    bool none = date.len == value.len, goes_on = sv_ieq(action, SV("C"));
    if (!has_value || !smtp_timestamp_parse(date, &since_s) ||
        (!none && !goes_on && !sv_ieq(action, SV("R"))))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value),
                               .number = goes_on && !none ? RRVS_CONTINUE : RRVS_REJECT};
    return true;
}

static struct smtp_reply refuse_rcpt(const struct smtp_hop *h, const struct smtp_recipient *r)
{
    if (r->values[SMTP_RCPT_RRVS].number != RRVS_REJECT || smtp_hop_has(h, SMTP_EXT_RRVS))
        return SMTP_REPLY_NONE;
    return SMTP_REPLY(550, 5, 7, 19,
                      "the next hop does not offer RRVS, so that nobody can tell whether the "
                      "recipient is the person meant");
}

static const struct smtp_param_rule rcpt_params[] = {
    {{"RRVS", 4}, SMTP_RCPT_RRVS, parse, smtp_ext_hop_same, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_rrvs = {
    .id = SMTP_EXT_RRVS,
    .keyword = {"RRVS", 4},
    .rfc = "RFC 7293",
    .lacking = "refused 5.7.19; with ;C dropped",
    .rcpt_params = rcpt_params,
    .refuse_rcpt = refuse_rcpt,
};
