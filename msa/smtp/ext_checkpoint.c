/*
 * CHECKPOINT, RFC 1845: MAIL takes TRANSID=<local@domain>, by which an interrupted message is taken
 * up again. Never used towards next hops: what we send is on our own disk, and a message cut off is
 * simply sent again.
 */
#include "msa/smtp/ext_list.h"

#include <string.h>

#define TRANSID_MAX 80 /* octets with the brackets, RFC 1845 4.1 */

/* An atom's characters there: no tspecials of RFC 1521, no controls, no spaces. */
static bool is_atom(struct sv text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || strchr("()<>@,;:\\\"/[]?=", text.ptr[i]))
            return false;
    return text.len > 0;
}

/* Atoms joined by dots. */
static bool is_token(struct sv text)
{
    while (text.len) {
        struct sv atom = sv_first(text, sv_find(text, '.'));
        if (!is_atom(atom))
            return false;
        text = sv_skip(text, atom.len);
        if (text.len == 0)
            return true;
        text = sv_skip(text, 1);
    }
    return false;
}

static bool parse(struct arena *a, struct sv value, bool has_value, struct smtp_value *out)
{
    if (!has_value || value.len > TRANSID_MAX || value.len < 2 || value.ptr[0] != '<' ||
        value.ptr[value.len - 1] != '>')
        return false;
    struct sv domain = sv_skip(sv_first(value, value.len - 1), 1);
    struct sv local = sv_split(&domain, '@');
    if (!is_token(local) || !is_token(domain))
        return false;
    *out = (struct smtp_value){.text = arena_sv(a, value)};
    return true;
}

static const struct smtp_param_rule mail_params[] = {
    {{"TRANSID", 7}, SMTP_MAIL_TRANSID, parse, NULL, false},
    {{NULL, 0}, 0, NULL, NULL, false},
};

const struct smtp_ext smtp_ext_checkpoint = {
    .id = SMTP_EXT_CHECKPOINT,
    .keyword = {"CHECKPOINT", 10},
    .rfc = "RFC 1845",
    .draft = SMTP_EXT_MAY,
    .lacking = "not passed on: between client and this server only",
    .mail_params = mail_params,
};
