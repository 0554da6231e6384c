/*
 * MTRK, RFC 3885: MTRK=certifier[:seconds], the certifier being base64 of a SHA-1 hash without its
 * padding: 27 characters. It goes only with an ENVID of the form local@host. A next hop is told the
 * seconds that are left; none, or a hop without MTRK: the parameter ends here (ENVID and ORCPT stay
 * with DSN).
 */
#include "msa/smtp/ext_list.h"
#include "msa/smtp/xtext.h"

#include <inttypes.h>

#define CERTIFIER_LEN 27 /* base64 of 20 octets, less "=" */

static bool is_base64(struct sv text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_alpha(text.ptr[i]) && !ascii_digit(text.ptr[i]) && text.ptr[i] != '+' &&
            text.ptr[i] != '/')
            return false;
    return true;
}

/* The number is the time-out in seconds; 0 also where none was named. */
static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    struct sv rest = value;
    struct sv certifier = sv_split(&rest, ':');
    bool has_timeout = certifier.len < value.len;
    uint64_t seconds = 0;
    if (!has_value || certifier.len != CERTIFIER_LEN || !is_base64(certifier))
        return false;
    if (has_timeout && (rest.len > 9 || !sv_u64(rest, UINT64_MAX, &seconds)))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = seconds};
    return true;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    struct buf id;
    (void)o;
    if (!smtp_envelope_has(e, SMTP_MAIL_MTRK))
        return SMTP_REPLY_NONE;
    buf_init(&id, 256, 0);
    bool good = smtp_xtext_decode(&id, e->values[SMTP_MAIL_ENVID].text) == 0;
    struct sv host = buf_view(&id);
    struct sv local = sv_split(&host, '@');
    good = good && local.len && host.len && sv_find(host, '@') == host.len;
    buf_deinit(&id);
    return good ? SMTP_REPLY_NONE
                : SMTP_REPLY(501, 5, 5, 4, "MTRK needs ENVID=local@host (RFC 3885 3.1)");
}

static int hop(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    struct sv rest = v->text;
    struct sv certifier = sv_split(&rest, ':');
    int64_t left = (int64_t)v->number - (h->now_s - h->received_s);
    if (certifier.len == v->text.len)
        return smtp_ext_hop_same(h, v, out);
    if (left <= 0)
        return 0;
    int err = buf_printf(out, "%.*s:%" PRId64, SV_ARG(certifier), left);
    return err < 0 ? err : 1;
}

static const struct smtp_param_rule mail_params[] = {
    {{"MTRK", 4}, SMTP_MAIL_MTRK, parse, hop, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_mtrk = {
    .id = SMTP_EXT_MTRK,
    .keyword = {"MTRK", 4},
    .rfc = "RFC 3885",
    .draft = SMTP_EXT_MAY,
    .lacking = "dropped",
    .needs = SMTP_EXT_BIT(SMTP_EXT_DSN),
    .check_mail = check_mail,
    .mail_params = mail_params,
};
