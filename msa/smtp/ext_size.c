/* SIZE, RFC 1870. */
#include "msa/smtp/ext_list.h"

#include <inttypes.h>

static int ehlo_args(const struct smtp_ext_offer *o, struct buf *out)
{
    return buf_printf(out, " %" PRIu64, o->message_size);
}

/* 1*20DIGIT: 20 digits can be above 2^64, which is then simply too large. */
static bool read_size(struct sv text, uint64_t *out)
{
    if (text.len == 0 || text.len > 20)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_digit(text.ptr[i]))
            return false;
    if (!sv_u64(text, UINT64_MAX, out))
        *out = UINT64_MAX;
    return true;
}

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    uint64_t size;
    if (!has_value || !read_size(value, &size))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value), .number = size};
    return true;
}

static struct smtp_reply check_mail(const struct smtp_ext_offer *o, const struct smtp_envelope *e)
{
    const struct smtp_value *size = &e->values[SMTP_MAIL_SIZE];
    if (size->text.ptr && o->message_size && size->number > o->message_size)
        return SMTP_REPLY_SETTING(552, 5, 3, 4, "Message is larger than this server takes",
                                  "limits.message_size");
    return SMTP_REPLY_NONE;
}

static void parse_args(struct smtp_peer *p, struct sv args)
{
    uint64_t size;
    p->size = read_size(args, &size) ? size : 0;
}

static const struct smtp_param_rule mail_params[] = {
    {{"SIZE", 4}, SMTP_MAIL_SIZE, parse, NULL, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_size = {
    .id = SMTP_EXT_SIZE,
    .keyword = {"SIZE", 4},
    .rfc = "RFC 1870",
    .draft = SMTP_EXT_MAY,
    .lacking = "not said",
    .ehlo_args = ehlo_args,
    .check_mail = check_mail,
    .mail_params = mail_params,
    .parse_args = parse_args,
};
