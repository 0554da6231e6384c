/*
 * DSN, RFC 3461 section 4: RET and ENVID at MAIL, NOTIFY and ORCPT at RCPT. Values that decode to
 * control characters are refused: they are written into the header of reports.
 */
#include "msa/base/utf8.h"
#include "msa/smtp/ext_list.h"
#include "msa/smtp/xtext.h"

#define ENVID_MAX 100 /* octets, RFC 3461 4.4 */

static bool parse_ret(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    bool full = sv_ieq(value, SV("FULL"));
    if (!has_value || (!full && !sv_ieq(value, SV("HDRS"))))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, full ? SV("FULL") : SV("HDRS")),
                               .number = full ? SMTP_RET_FULL : SMTP_RET_HDRS};
    return true;
}

static bool parse_envid(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    if (!has_value || value.len > ENVID_MAX || !smtp_xtext_printable(value))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value)};
    return true;
}

static uint32_t notify_bit(struct sv word)
{
    return sv_ieq(word, SV("NEVER"))     ? SMTP_NOTIFY_NEVER
           : sv_ieq(word, SV("SUCCESS")) ? SMTP_NOTIFY_SUCCESS
           : sv_ieq(word, SV("FAILURE")) ? SMTP_NOTIFY_FAILURE
           : sv_ieq(word, SV("DELAY"))   ? SMTP_NOTIFY_DELAY
                                         : 0;
}

/* NEVER alone, or a list of the others. */
static bool parse_notify(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    uint32_t bits = 0;
    struct sv rest = value;
    if (!has_value || value.ptr[value.len - 1] == ',')
        return false;
    while (rest.len) {
        uint32_t bit = notify_bit(sv_split(&rest, ','));
        if (bit == 0 || (bits & bit))
            return false;
        bits |= bit;
    }
    if ((bits & SMTP_NOTIFY_NEVER) && bits != SMTP_NOTIFY_NEVER)
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = bits};
    return true;
}

/* addr-type ";" xtext; an address type is an atom (RFC 3461 4.2). Type utf-8 has its own encoding
 * (RFC 6533 3). */
static bool parse_orcpt(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    struct sv address = value;
    struct sv type = sv_split(&address, ';');
    if (!has_value || value.len > SMTP_ORCPT_MAX || type.len == 0 || address.len == 0 ||
        !(sv_ieq(type, SV("utf-8")) ? smtp_unitext_printable : smtp_xtext_printable)(address))
        return false;
    for (size_t i = 0; i < type.len; i++)
        if (!ascii_alpha(type.ptr[i]) && !ascii_digit(type.ptr[i]) && type.ptr[i] != '-')
            return false;
    *out = (struct smtp_value){.text = arena_sv(a, value)};
    return true;
}

/* As it was given, but that a hop without DELIVERBY is asked to tell of delays where a message has
 * a time to be delivered by (RFC 2852 4.1.4.2). */
static int hop_notify(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    struct smtp_deliver_by by;
    bool late_matters = smtp_envelope_deliver_by(h->envelope, &by) && !by.returns &&
                        !smtp_hop_has(h, SMTP_EXT_DELIVERBY);
    if (!v->text.ptr && !late_matters)
        return 0;
    if (!v->text.ptr)
        return buf_put(out, SV("FAILURE,DELAY")) < 0 ? ERR_FULL : 1;
    if (late_matters && !(v->number & (SMTP_NOTIFY_NEVER | SMTP_NOTIFY_DELAY)))
        return buf_printf(out, "%.*s,DELAY", SV_ARG(v->text)) < 0 ? ERR_FULL : 1;
    return smtp_ext_hop_same(h, v, out);
}

/* An address with UTF-8 goes in its 7-bit form in a transaction without SMTPUTF8 (RFC 6533 3), or
 * not at all if that is too long. */
static int hop_orcpt(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    struct sv rest = v->text;
    bool utf8 = smtp_hop_has(h, SMTP_EXT_SMTPUTF8) && smtp_hop_needs_utf8(h);
    if (utf8 || utf8_is_ascii(v->text))
        return smtp_ext_hop_same(h, v, out);
    struct sv type = sv_split(&rest, ';');
    struct buf plain;
    buf_init(&plain, SMTP_ORCPT_MAX, 0);
    size_t before = buf_len(out);
    int err = buf_printf(out, "%.*s;", SV_ARG(type));
    if (err == 0)
        err = smtp_unitext_decode(&plain, rest);
    if (err == 0)
        err = smtp_unitext_write(out, buf_view(&plain));
    buf_deinit(&plain);
    if (err < 0)
        return err;
    return buf_len(out) - before <= SMTP_ORCPT_MAX;
}

static const struct smtp_param_rule mail_params[] = {
    {{"RET", 3}, SMTP_MAIL_RET, parse_ret, smtp_ext_hop_same, false},
    {{"ENVID", 5}, SMTP_MAIL_ENVID, parse_envid, smtp_ext_hop_same, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

static const struct smtp_param_rule rcpt_params[] = {
    {{"NOTIFY", 6}, SMTP_RCPT_NOTIFY, parse_notify, hop_notify, true},
    {{"ORCPT", 5}, SMTP_RCPT_ORCPT, parse_orcpt, hop_orcpt, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_dsn = {
    .id = SMTP_EXT_DSN,
    .keyword = {"DSN", 3},
    .rfc = "RFC 3461",
    .draft = SMTP_EXT_SHOULD,
    .lacking = "dropped; NOTIFY=SUCCESS is reported as relayed",
    .mail_params = mail_params,
    .rcpt_params = rcpt_params,
};
