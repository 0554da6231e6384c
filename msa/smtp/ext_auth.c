/*
 * AUTH, RFC 4954. MAIL AUTH= must be understood (section 5); submitters are not trusted to speak
 * for others, so every valid value means "<>".
 */
#include "msa/smtp/ext_list.h"
#include "msa/smtp/xtext.h"

static bool offered(const struct smtp_ext_offer *o)
{
    return o->mechanisms.len > 0;
}

static int ehlo_args(const struct smtp_ext_offer *o, struct buf *out)
{
    return buf_printf(out, " %.*s", SV_ARG(o->mechanisms));
}

static bool parse_submitter(struct arena *a, struct sv value, bool has_value,
                            struct smtp_value *out)
{
    if (!has_value || !smtp_xtext_valid(value))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, SV("<>"))};
    return true;
}

/* RFC 4954 5: to whom we have logged in, who might believe it. */
static int hop_submitter(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out)
{
    return h->logged_in ? smtp_ext_hop_same(h, v, out) : 0;
}

/* Keeps whole names of mechanisms as far as they fit. */
static void parse_args(struct smtp_peer *p, struct sv args)
{
    size_t len = 0;
    while (args.len) {
        struct sv name = sv_split(&args, ' ');
        if (name.len == 0 || len + name.len + 2 > sizeof p->auth)
            continue;
        if (len)
            p->auth[len++] = ' ';
        for (size_t i = 0; i < name.len; i++) {
            char c = name.ptr[i];
            p->auth[len++] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        }
    }
    p->auth[len] = '\0';
}

static const struct smtp_param_rule mail_params[] = {
    {{"AUTH", 4}, SMTP_MAIL_AUTH, parse_submitter, hop_submitter, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_auth = {
    .id = SMTP_EXT_AUTH,
    .keyword = {"AUTH", 4},
    .rfc = "RFC 4954",
    .draft = SMTP_EXT_MUST,
    .lacking = "not used, unless the route names a user: then deferred",
    .always = true,
    .offered = offered,
    .ehlo_args = ehlo_args,
    .mail_params = mail_params,
    .parse_args = parse_args,
};
