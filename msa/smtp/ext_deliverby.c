/*
 * DELIVERBY, RFC 2852: BY=seconds;R|N[T]. R: returned when it is not delivered by then, and never
 * given to a hop that does not promise the same. N: the author is told that it is late, and it goes
 * on. T: each relay is reported. A next hop is told the seconds that are left.
 */
#include "msa/smtp/ext_list.h"

#include <inttypes.h>

/* ["+" / "-"] 1*9DIGIT ";" ("N" / "R") ["T"] */
static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    struct sv mode = value;
    struct sv digits = sv_split(&mode, ';');
    bool minus = digits.len && digits.ptr[0] == '-';
    uint64_t seconds;
    if (digits.len && (minus || digits.ptr[0] == '+'))
        digits = sv_skip(digits, 1);
    if (!has_value || digits.len > 9 || !sv_u64(digits, UINT64_MAX, &seconds))
        return false;
    bool returns = sv_ieq(mode, SV("R")) || sv_ieq(mode, SV("RT"));
    if (!returns && !sv_ieq(mode, SV("N")) && !sv_ieq(mode, SV("NT")))
        return false;
    if (returns && (minus || seconds == 0))
        return false;
    int64_t signed_s = minus ? -(int64_t)seconds : (int64_t)seconds;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = (uint64_t)signed_s};
    return true;
}

static int64_t left_s(const struct smtp_hop *h, const struct smtp_deliver_by *by)
{
    return h->received_s + by->seconds - h->now_s;
}

static int hop(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    struct smtp_deliver_by by;
    (void)v;
    if (!smtp_envelope_deliver_by(h->envelope, &by))
        return 0;
    int64_t left = left_s(h, &by);
    if (left < -999999999)
        left = -999999999;
    int err =
        buf_printf(out, "%" PRId64 ";%s%s", left, by.returns ? "R" : "N", by.trace ? "T" : "");
    return err < 0 ? err : 1;
}

static void parse_args(struct smtp_peer *p, struct sv args)
{
    uint64_t least;
    p->by_min_s = sv_u64(sv_split(&args, ','), 999999999, &least) ? (int64_t)least : 0;
}

static struct smtp_reply refuse_mail(const struct smtp_hop *h)
{
    struct smtp_deliver_by by;
    if (!smtp_envelope_deliver_by(h->envelope, &by) || !by.returns)
        return SMTP_REPLY_NONE;
    if (left_s(h, &by) <= 0)
        return SMTP_REPLY(550, 5, 4, 7, "delivery time expired (BY)");
    if (!smtp_hop_has(h, SMTP_EXT_DELIVERBY))
        return SMTP_REPLY(550, 5, 3, 3,
                          "the next hop does not offer DELIVERBY, so that the time set (BY) cannot "
                          "be kept");
    if (left_s(h, &by) < h->peer->by_min_s)
        return SMTP_REPLY(550, 5, 3, 3,
                          "the next hop needs more time than is left of the time set (BY)");
    return SMTP_REPLY_NONE;
}

static const struct smtp_param_rule mail_params[] = {
    {{"BY", 2}, SMTP_MAIL_BY, parse, hop, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_deliverby = {
    .id = SMTP_EXT_DELIVERBY,
    .keyword = {"DELIVERBY", 9},
    .rfc = "RFC 2852",
    .lacking = "mode R: refused 5.3.3; mode N: dropped, and reported as relayed",
    .mail_params = mail_params,
    .parse_args = parse_args,
    .refuse_mail = refuse_mail,
};
