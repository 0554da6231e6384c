/*
 * How safe a connection to a host has to be, host by host (RFC 7672, RFC 8461).
 *
 * TLSA is asked for only where the way to the host is secure: the MX or SRV records, and the host's
 * addresses. Where the addresses are insecure but the host is an alias in a signed zone, the name
 * itself may still have records (RFC 7672 2.2.2): that costs one question about the alias. The name
 * behind all aliases comes first, then the name itself.
 */
#include "relay/route/internal.h"

#include <string.h>

/* ---- TLSA ---- */

static bool is_way_secure(const struct route_work *w, const struct route_host *h)
{
    return h->via == ROUTE_VIA_MX6 ? w->srv_secure : w->mx_secure;
}

static void ask_at(struct route *r, struct route_host *h, const char *base)
{
    h->dane_base = base;
    route_ask(r, ROUTE_ABOUT_TLSA, h,
              arena_printf(&r->work->arena, "_%u._tcp.%s", (unsigned)h->port, base), DNS_TLSA);
}

void route_ask_tlsa(struct route *r, struct route_host *h)
{
    if (!r->work->input.dane || h->via == ROUTE_VIA_STATIC || h->naddresses == 0)
        return;
    if (!is_way_secure(r->work, h))
        route_step(r, "tlsa", "the records that name the host are insecure: not asked for", "%s",
                   h->name);
    else if (h->secure)
        ask_at(r, h, h->canonical ? h->canonical : h->name);
    else if (h->canonical)
        route_ask(r, ROUTE_ABOUT_ALIAS, h, h->name, DNS_CNAME);
    else
        route_step(r, "tlsa", "its addresses are insecure: not asked for", "%s", h->name);
}

static void fail(struct route *r, struct route_host *h, const struct route_question *q,
                 const struct dns_answer *a)
{
    h->dane = ROUTE_DANE_FAILED;
    h->dane_text = arena_printf(&r->arena, "DANE: look-up of %s %s failed: %s",
                                dns_type_text(q->type), q->name, route_failure(a));
    route_step_dns(r, "tlsa", q, a, "the look-up failed: the host is not used", "%s",
                   route_failure(a));
}

void route_on_alias(struct route *r, struct route_host *h, const struct route_question *q,
                    const struct dns_answer *a)
{
    route_use_ttl(r, a);
    if (route_failed(a)) {
        fail(r, h, q, a);
    } else if (a->secure) {
        route_step_dns(r, "tlsa", q, a, "asked for at the alias", "%s", h->canonical);
        ask_at(r, h, h->name);
    } else {
        route_step_dns(r, "tlsa", q, a, "its addresses are insecure: not asked for", "%s",
                       h->canonical);
    }
}

static void use_records(struct route *r, struct route_host *h, const struct route_question *q,
                        const struct dns_answer *a)
{
    h->tlsa = arena_alloc(&r->arena, ROUTE_TLSA_MAX * sizeof *h->tlsa);
    for (size_t i = 0; i < a->nrecords; i++) {
        const struct dns_record *t = &a->records[i];
        const struct tls_stream_tlsa record = {t->usage, t->selector, t->matching, t->text};
        bool usable = h->ntlsa < ROUTE_TLSA_MAX && tls_tlsa_is_usable(&record);
        route_step_dns(r, "tlsa", q, a, usable ? "must match (DANE)" : "cannot be used",
                       "%u %u %u, %zu bytes", t->usage, t->selector, t->matching, t->text.len);
        if (usable)
            h->tlsa[h->ntlsa++] = (struct tls_stream_tlsa){t->usage, t->selector, t->matching,
                                                           arena_sv(&r->arena, t->text)};
    }
    h->dane = h->ntlsa > 0 ? ROUTE_DANE_USABLE : ROUTE_DANE_UNUSABLE;
}

void route_on_tlsa(struct route *r, struct route_host *h, const struct route_question *q,
                   const struct dns_answer *a)
{
    route_use_ttl(r, a);
    if (route_failed(a)) {
        fail(r, h, q, a);
    } else if (a->status == DNS_OK && a->secure) {
        use_records(r, h, q, a);
    } else {
        bool again = strcmp(h->dane_base, h->name) != 0;
        route_step_dns(r, "tlsa", q, a, again ? "asked for at the alias" : "no DANE",
                       a->status == DNS_OK ? "not counted" : "none");
        if (again)
            ask_at(r, h, h->name);
    }
}

/* ---- MTA-STS ---- */

void route_ask_policy(struct route *r)
{
    if (r->work->input.mta_sts)
        route_ask(r, ROUTE_ABOUT_POLICY, NULL, r->work->input.domain, DNS_TXT);
}

void route_on_policy(struct route *r, const struct sts_answer *a)
{
    static const char *const meaning[] = {
        [STS_MODE_NONE] = "nothing follows from it",
        [STS_MODE_TESTING] = "what fails is only reported",
        [STS_MODE_ENFORCE] = "a host that DANE does not check must be in it, and prove its name",
    };
    struct route_work *w = r->work;
    if (a->left_s < r->plan.ttl_s)
        r->plan.ttl_s = a->left_s;
    if (a->status != STS_PRESENT) {
        w->unsure = w->unsure || a->status == STS_UNKNOWN;
        route_step(r, "policy", "the domain is treated as without MTA-STS policy",
                   "MTA-STS of %s: %s", w->input.domain, a->why);
        return;
    }
    const struct sts_policy *p = a->policy;
    const char **mx = arena_alloc(&w->arena, (p->nmx + 1) * sizeof *mx);
    for (size_t i = 0; i < p->nmx; i++)
        mx[i] = arena_str(&w->arena, sv_of(p->mx[i]));
    w->sts = (struct sts_policy){.mode = p->mode, .mx = mx, .nmx = p->nmx};
    route_step(r, "policy", meaning[p->mode], "MTA-STS of %s, mode %s: %s", w->input.domain,
               sts_mode_text(p->mode), a->why);
}

static void set_name(struct route *r, const struct route_host *h, struct route_attempt *out)
{
    const char **name = arena_alloc(&r->arena, sizeof *name);
    *name = h->name;
    out->names = name;
    out->nnames = 1;
}

static void set_policy(struct route *r, const struct route_host *h, struct route_attempt *out)
{
    out->rule = ROUTE_RULE_STS;
    if (sts_policy_allows(&r->work->sts, h->name)) {
        out->tls = ROUTE_TLS_VERIFY;
        set_name(r, h, out);
        out->secure = out->secure || h->via == ROUTE_VIA_MX;
        return;
    }
    out->tls = ROUTE_TLS_BARRED;
    out->barred = arena_printf(&r->arena, "MTA-STS: the policy of %s does not name the host %s",
                               r->work->input.domain, h->name);
    route_step(r, "policy", "the policy does not name the host: it is not used", "%s", h->name);
}

/* ---- levels ---- */

/* RFC 7672 3.2.2: the name that the records belong to, and the domain under both of its names; what
 * an insecure answer says is behind the domain anybody may have written. */
static void set_dane_names(struct route *r, const struct route_host *h, struct route_attempt *out)
{
    const struct route_work *w = r->work;
    const char *behind = w->mx_secure ? w->domain_canonical : NULL;
    const char *const all[] = {h->dane_base, w->input.domain, behind};
    const char **names = arena_alloc(&r->arena, 3 * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        bool is_new = all[i] != NULL;
        for (size_t j = 0; j < n && is_new; j++)
            is_new = strcmp(names[j], all[i]) != 0;
        if (is_new)
            names[n++] = all[i];
    }
    out->names = names;
    out->nnames = n;
}

static void set_dane(struct route *r, const struct route_host *h, struct route_attempt *out)
{
    out->rule = ROUTE_RULE_DANE;
    switch (h->dane) {
    case ROUTE_DANE_USABLE:
        out->tls = ROUTE_TLS_DANE;
        out->tlsa = h->tlsa;
        out->ntlsa = h->ntlsa;
        set_dane_names(r, h, out);
        break;
    case ROUTE_DANE_UNUSABLE:
        out->tls = ROUTE_TLS_REQUIRE;
        break;
    default:
        out->tls = ROUTE_TLS_BARRED;
        out->barred = h->dane_text;
    }
}

/* RFC 8461 2: a policy is not to override DANE that fails. Records that nobody can match are none,
 * and must not switch the policy off. */
static bool is_left_to_policy(const struct route_work *w, const struct route_host *h)
{
    return h->dane == ROUTE_DANE_UNUSABLE && w->sts.mode == STS_MODE_ENFORCE;
}

static bool has_worked(const struct route_input *in, const char *host)
{
    return in->tls_worked && in->tls_worked(in->arg, host);
}

/* RFC 8689 4.2.1: mail with REQUIRETLS fails where no host will do, but not for what a later
 * look-up may find. */
static bool is_unsure(const struct route_work *w, const struct route_host *h, bool secure)
{
    if (h->via == ROUTE_VIA_STATIC)
        return false;
    return secure ? h->dane == ROUTE_DANE_FAILED || (h->error && h->naddresses == 0) : w->unsure;
}

void route_set_tls(struct route *r, const struct route_host *h, struct route_attempt *out)
{
    const struct route_input *in = &r->work->input;
    out->secure = h->via == ROUTE_VIA_STATIC || is_way_secure(r->work, h);
    if (h->via == ROUTE_VIA_STATIC) {
        out->tls = h->static_tls;
        out->rule = ROUTE_RULE_STATIC;
    } else if (h->dane != ROUTE_DANE_NONE && !is_left_to_policy(r->work, h)) {
        set_dane(r, h, out);
    } else if (r->work->sts.mode == STS_MODE_ENFORCE) {
        set_policy(r, h, out);
    } else if (has_worked(in, h->name)) {
        out->tls = ROUTE_TLS_REQUIRE;
        out->rule = ROUTE_RULE_MEMORY;
        route_step(r, "memory", "TLS is required (relay.tls.refuse_downgrade)",
                   "TLS has worked at %s before", h->name);
    } else {
        out->tls = ROUTE_TLS_OPPORTUNISTIC;
    }
    if (r->work->sts.mode == STS_MODE_TESTING && out->rule != ROUTE_RULE_DANE) {
        out->testing = true;
        set_name(r, h, out);
        out->unlisted = !sts_policy_allows(&r->work->sts, h->name);
    }
    r->plan.unsure = r->plan.unsure || is_unsure(r->work, h, out->secure);
}

/* A host that cannot be looked up may be under DANE: nothing is to lead around it. */
static bool is_dane_domain(const struct route_work *w)
{
    for (size_t i = 0; i < w->hosts.count; i++) {
        const struct route_host *h = &w->hosts.items[i];
        if (h->dane != ROUTE_DANE_NONE || (w->input.dane && w->mx_secure && h->error))
            return true;
    }
    return false;
}

bool route_allows_target(struct route *r, const struct route_host *h)
{
    const struct route_work *w = r->work;
    const char *why = NULL;
    if (h->dane == ROUTE_DANE_FAILED)
        why = "left out: the look-up of its TLSA records failed";
    else if (is_dane_domain(w) && !(w->srv_secure && h->dane == ROUTE_DANE_USABLE))
        why = "left out: an MX host is under DANE, and the target is not";
    else if (w->sts.mode == STS_MODE_ENFORCE && !sts_policy_allows(&w->sts, h->name))
        why = "left out: the domain's MTA-STS policy does not name the target";
    if (why)
        route_step(r, "mx6", why, "%s", h->name);
    return !why;
}
