/*
 * LIMITS, RFC 9422: how many transactions a session and how many recipients a transaction may have,
 * said before they are met. It has no parameters; what a next hop says is kept to by the client.
 */
#include "msa/smtp/ext_list.h"

#include <inttypes.h>

static bool offered(const struct smtp_ext_offer *o)
{
    return o->config.messages || o->config.recipients;
}

static int ehlo_args(const struct smtp_ext_offer *o, struct buf *out)
{
    int err = 0;
    if (o->config.messages) /* six digits, RFC 9422 4 */
        err = buf_printf(out, " MAILMAX=%" PRIu32,
                         o->config.messages < 1000000 ? o->config.messages : 999999);
    if (err == 0 && o->config.recipients)
        err = buf_printf(out, " RCPTMAX=%" PRIu32, o->config.recipients);
    return err;
}

/* 1*6DIGIT, not 0; anything else says nothing. */
static uint32_t number_of(struct sv text)
{
    uint64_t n;
    return text.len <= 6 && sv_u64(text, UINT32_MAX, &n) ? (uint32_t)n : 0;
}

static void parse_args(struct smtp_peer *p, struct sv args)
{
    p->mail_max = p->rcpt_max = p->rcpt_domain_max = 0;
    while (args.len) {
        struct sv value = sv_split(&args, ' ');
        struct sv name = sv_split(&value, '=');
        if (sv_ieq(name, SV("MAILMAX")))
            p->mail_max = number_of(value);
        else if (sv_ieq(name, SV("RCPTMAX")))
            p->rcpt_max = number_of(value);
        else if (sv_ieq(name, SV("RCPTDOMAINMAX")))
            p->rcpt_domain_max = number_of(value);
    }
}

const struct smtp_ext smtp_ext_limits = {
    .id = SMTP_EXT_LIMITS,
    .keyword = {"LIMITS", 6},
    .rfc = "RFC 9422",
    .lacking = "-",
    .offered = offered,
    .ehlo_args = ehlo_args,
    .parse_args = parse_args,
};
