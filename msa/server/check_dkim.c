/*
 * The rows of rewrite.dkim, as far as no key and no clock is needed (msa/daemon/load_dkim.h).
 */
#include "msa/server/check.h"

#include "msa/smtp/path.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX      64  /* bytes of a composed key */
#define DNS_NAME_MAX 253 /* bytes of a name in the DNS */

static const struct rewrite_dkim_options *row_at(const struct msa_options *o, size_t i)
{
    return CONF_ITEM(o->rewrite.dkim, i, struct rewrite_dkim_options);
}

/* Whether name is domain, or below it. */
static bool is_within(struct sv name, struct sv domain)
{
    return sv_iends(name, domain) &&
           (name.len == domain.len || name.ptr[name.len - domain.len - 1] == '.');
}

/* One of domains, below one or above one: some author here may have it. */
static bool is_ours(const struct msa_options *o, struct sv domain)
{
    for (size_t i = 0; i < o->domains.count; i++) {
        struct sv own = sv_of(o->domains.items[i]);
        if (is_within(domain, own) || is_within(own, domain))
            return true;
    }
    return false;
}

static void check_row(const struct msa_options *o, size_t index, const struct conf_source *src,
                      struct conf_faults *faults)
{
    const struct rewrite_dkim_options *r = row_at(o, index);
    struct sv domain = sv_of(r->domain);
    char key[KEY_MAX];
    snprintf(key, sizeof key, "rewrite.dkim[%zu].domain", index);
    if (domain.len == 0)
        return; /* said already */
    if (!smtp_domain_valid(domain) || sv_find(domain, '.') == domain.len)
        conf_fault_at(faults, src, false, key,
                      "for example \"example.net\" (international names as xn--...)",
                      "\"%s\" is no fully qualified domain", r->domain);
    else if (strlen(r->selector) + sizeof "._domainkey." - 1 + domain.len > DNS_NAME_MAX)
        conf_fault_at(faults, src, false, key, "a shorter selector",
                      "with its selector it is too long for the DNS");
    else if (!is_ours(o, domain))
        conf_fault_at(faults, src, true, key, "a domain of domains, or one above or below",
                      "%s is none of domains: who sends as it here?", r->domain);
}

void check_dkim(const struct msa_options *o, const struct conf_source *src,
                struct conf_faults *faults)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < o->rewrite.dkim.count; i++) {
        check_row(o, i, src, faults);
        for (size_t k = 0; k < i; k++) {
            if (!row_at(o, i)->selector[0] ||
                strcmp(row_at(o, i)->domain, row_at(o, k)->domain) != 0 ||
                strcmp(row_at(o, i)->selector, row_at(o, k)->selector) != 0)
                continue;
            snprintf(key, sizeof key, "rewrite.dkim[%zu].selector", i);
            conf_fault_at(faults, src, false, key,
                          "another selector: each names one key (RFC 6376 3.6.1)",
                          "domain and selector are those of rewrite.dkim[%zu]", k);
            break;
        }
    }
}
