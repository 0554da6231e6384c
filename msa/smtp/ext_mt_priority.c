/*
 * MT-PRIORITY, RFC 6710: -9 to 9. Who may raise is policy: what is above extensions.priority_max is
 * lowered to it, and the 250 says so (section 4.1). It orders the queue and is passed on as it was
 * settled.
 */
#include "msa/smtp/ext_list.h"

/* ["-"] ("1" to "9"), or "0"; the number is the priority as a signed one. */
static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    bool minus = value.len == 2 && value.ptr[0] == '-';
    if (!has_value || value.len != (minus ? 2u : 1u))
        return false;
    char digit = value.ptr[minus];
    if (!ascii_digit(digit) || (minus && digit == '0'))
        return false;
    int64_t priority = minus ? -(digit - '0') : digit - '0';
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = (uint64_t)priority};
    return true;
}

static void settle_mail(const struct smtp_ext_offer *o, struct smtp_envelope *e,
                        struct smtp_reply *ok)
{
    struct smtp_value *v = &e->values[SMTP_MAIL_MT_PRIORITY];
    int most = o->config.priority_max;
    if (!v->text.ptr || (int64_t)v->number <= most)
        return;
    *v = (struct smtp_value){.text = sv_of(arena_printf(e->arena, "%d", most)),
                             .number = (uint64_t)(int64_t)most};
    *ok = SMTP_REPLY(250, 2, 3, 6, "");
    ok->text = sv_of(arena_printf(
        e->arena, "%d is the priority, the highest that is allowed (extensions.priority_max)",
        most));
}

static const struct smtp_param_rule mail_params[] = {
    {{"MT-PRIORITY", 11}, SMTP_MAIL_MT_PRIORITY, parse, smtp_ext_hop_same, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_mt_priority = {
    .id = SMTP_EXT_MT_PRIORITY,
    .keyword = {"MT-PRIORITY", 11},
    .rfc = "RFC 6710",
    .lacking = "dropped",
    .settle_mail = settle_mail,
    .mail_params = mail_params,
};
