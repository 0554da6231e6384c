/*
 * FUTURERELEASE, RFC 4865: HOLDFOR=seconds or HOLDUNTIL=date, one of them; the queue holds the
 * message (smtp_envelope_hold_until_s()). For submission only: a next hop is never asked.
 */
#include "msa/smtp/ext_list.h"
#include "msa/smtp/timestamp.h"

#include <inttypes.h>

static int ehlo_args(const struct smtp_ext_offer *o, struct buf *out)
{
    char until[SMTP_TIMESTAMP_MAX];
    int64_t most = o->config.hold_max_s;
    return buf_printf(out, " %" PRId64 " %s", most, smtp_timestamp_write(until, o->now_s + most));
}

/* 1*9DIGIT, the first of which is not 0. */
static bool parse_for(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    uint64_t seconds;
    if (!has_value || value.len > 9 || value.ptr[0] == '0' || !sv_u64(value, UINT64_MAX, &seconds))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = seconds};
    return true;
}

/* In UTC only: RFC 4865 4 */
static bool parse_until(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    int64_t wall_s;
    if (!has_value || value.len == 0 || ascii_lower(value.ptr[value.len - 1]) != 'z' ||
        !smtp_timestamp_parse(value, &wall_s))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = (uint64_t)wall_s};
    return true;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    struct smtp_deliver_by by;
    if (!smtp_envelope_has(e, SMTP_MAIL_HOLDFOR) && !smtp_envelope_has(e, SMTP_MAIL_HOLDUNTIL))
        return SMTP_REPLY_NONE;
    if (smtp_envelope_has(e, SMTP_MAIL_HOLDFOR) && smtp_envelope_has(e, SMTP_MAIL_HOLDUNTIL))
        return SMTP_REPLY(501, 5, 5, 4, "HOLDFOR and HOLDUNTIL exclude each other");
    int64_t hold_s = smtp_envelope_hold_until_s(e, o->now_s) - o->now_s;
    if (hold_s <= 0)
        return SMTP_REPLY(501, 5, 5, 4, "The time to release the message has passed");
    if (hold_s > o->config.hold_max_s)
        return SMTP_REPLY_SETTING(501, 5, 5, 4, "The message would be held for too long",
                                  "extensions.hold_max");
    if (smtp_envelope_deliver_by(e, &by) && by.seconds < hold_s)
        return SMTP_REPLY(501, 5, 5, 4, "The message would be held beyond its BY time");
    return SMTP_REPLY_NONE;
}

/* RFC 4865 6 */
static int report(const struct smtp_envelope *e, int64_t received_s, struct buf *out)
{
    const struct smtp_value *hold = &e->values[SMTP_MAIL_HOLDFOR];
    const struct smtp_value *until = &e->values[SMTP_MAIL_HOLDUNTIL];
    (void)received_s;
    if (hold->text.ptr)
        return buf_printf(out, "Future-Release-Request: for;%.*s\r\n", SV_ARG(hold->text));
    if (until->text.ptr)
        return buf_printf(out, "Future-Release-Request: until;%.*s\r\n", SV_ARG(until->text));
    return 0;
}

static const struct smtp_param_rule mail_params[] = {
    {{"HOLDFOR", 7}, SMTP_MAIL_HOLDFOR, parse_for, NULL, false},
    {{"HOLDUNTIL", 9}, SMTP_MAIL_HOLDUNTIL, parse_until, NULL, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_futurerelease = {
    .id = SMTP_EXT_FUTURERELEASE,
    .keyword = {"FUTURERELEASE", 13},
    .rfc = "RFC 4865",
    .lacking = "not passed on: held in this server's queue",
    .ehlo_args = ehlo_args,
    .check_mail = check_mail,
    .mail_params = mail_params,
    .report = report,
};
