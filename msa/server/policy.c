#include "msa/server/policy.h"

/* A static route may name any host: it takes what it matches. */
static bool has_route(const struct msa_options *o, struct sv domain)
{
    const struct relay_route_options *r = o->relay.routes.items;
    for (size_t i = 0; i < o->relay.routes.count; i++)
        if (relay_options_match(sv_of(r[i].domain), domain))
            return true;
    return *o->relay.capture != '\0';
}

bool policy_is_ours(struct sv domain, const struct msa_options *o)
{
    for (size_t i = 0; i < o->domains.count; i++) {
        struct sv ours = sv_of(o->domains.items[i]);
        if (sv_ieq(domain, ours) ||
            (sv_iends(domain, ours) && domain.ptr[domain.len - ours.len - 1] == '.'))
            return true;
    }
    return false;
}

bool policy_return_is_known(const struct smtp_path *path, const struct msa_options *o)
{
    struct sv domain = smtp_path_domain(path);
    return path->kind != SMTP_PATH_MAILBOX || policy_is_ours(domain, o) || has_route(o, domain);
}

bool policy_name_is_known(struct sv domain, const struct msa_options *o)
{
    const struct relay_route_options *r = o->relay.routes.items;
    for (size_t i = 0; i < o->domains.count; i++)
        if (sv_ieq(domain, sv_of(o->domains.items[i])))
            return true;
    for (size_t i = 0; i < o->relay.routes.count; i++)
        if (sv_ieq(domain, sv_of(r[i].domain)))
            return true;
    return false;
}

bool policy_is_postmaster(const struct smtp_path *path, const struct msa_options *o)
{
    struct smtp_path own;
    struct arena scratch;
    arena_init(&scratch);
    bool is = path->kind == SMTP_PATH_MAILBOX && policy_is_ours(smtp_path_domain(path), o) &&
              sv_ieq(sv_first(path->text, path->local_len), SV("postmaster"));
    is = is || (smtp_path_parse_address(&scratch, sv_of(o->postmaster), SMTP_PATH_FORWARD, &own) ==
                    SMTP_PATH_OK &&
                smtp_path_same(path, &own));
    arena_deinit(&scratch);
    return is;
}

bool policy_forward_path(const struct smtp_path *path, const struct msa_options *o, struct arena *a,
                         struct smtp_reply *reply_out)
{
    struct ip ip;
    if (path->kind != SMTP_PATH_LITERAL || has_route(o, smtp_path_domain(path)))
        return true;
    if (!smtp_path_ip(path, &ip)) {
        *reply_out = SMTP_REPLY(550, 5, 1, 2, "");
        reply_out->text = sv_of(arena_printf(
            a, "<%.*s>: no mail can be sent to this form of address literal", SV_ARG(path->text)));
        return false;
    }
    if (o->relay.allow_loopback || !ip_is_forbidden_target(&ip))
        return true;
    *reply_out = SMTP_REPLY_SETTING(550, 5, 1, 2, "", "relay.allow_loopback");
    reply_out->text =
        sv_of(arena_printf(a, "<%.*s>: mail to this address is not sent", SV_ARG(path->text)));
    return false;
}
