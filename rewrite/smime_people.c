#include "rewrite/smime_people.h"

#include "msa/base/mem.h"
#include "rewrite/address.h"
#include "rewrite/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#define NAMED_MAX 10000 /* addresses that are looked at in one field; further ones are hidden */

struct named {
    char key[SMTP_PATH_MAX];
    size_t len;
    UT_hash_handle hh;
};

static struct sv key_of(struct sv section, const struct rewrite_address *a, char out[SMTP_PATH_MAX])
{
    char text[2 * SMTP_PATH_MAX];
    int n = snprintf(text, sizeof text, "%.*s@%.*s",
                     SV_ARG(sv_range(section.ptr + a->local, section.ptr + a->local_end)),
                     SV_ARG(sv_range(section.ptr + a->domain, section.ptr + a->domain_end)));
    if (n <= 0 || (size_t)n >= sizeof text)
        return SV_NONE;
    return rewrite_smime_key(sv_of(text), out);
}

struct sv rewrite_smime_author(struct sv section, char out[SMTP_PATH_MAX])
{
    struct rewrite_field f;
    size_t at = 0;
    while (rewrite_fields_next(section, &at, &f)) {
        struct rewrite_addresses w;
        struct rewrite_address a;
        if (f.kind != REWRITE_FIELD_FROM)
            continue;
        rewrite_addresses_init(&w, section, f.value, f.end, 1);
        if (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX)
            return key_of(section, &a, out);
        break;
    }
    return SV_NONE;
}

/* ---- who is named ---- */

static void add_named(struct named **all, struct sv section, const struct rewrite_address *a)
{
    struct named *n = NEW(struct named), *twin = NULL;
    n->len = key_of(section, a, n->key).len;
    if (n->len)
        HASH_FIND(hh, *all, n->key, n->len, twin);
    if (!n->len || twin)
        free(n);
    else
        HASH_ADD_KEYPTR(hh, *all, n->key, n->len, n);
}

static struct named *read_named(struct sv section)
{
    struct named *all = NULL;
    struct rewrite_field f;
    size_t at = 0;
    while (rewrite_fields_next(section, &at, &f)) {
        struct rewrite_addresses w;
        struct rewrite_address a;
        if (f.kind != REWRITE_FIELD_TO && f.kind != REWRITE_FIELD_CC &&
            f.kind != REWRITE_FIELD_RESENT_TO && f.kind != REWRITE_FIELD_RESENT_CC)
            continue;
        rewrite_addresses_init(&w, section, f.value, f.end, NAMED_MAX);
        while (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX)
            add_named(&all, section, &a);
    }
    return all;
}

static void free_named(struct named *all)
{
    struct named *n, *next;
    HASH_ITER(hh, all, n, next)
    {
        HASH_DEL(all, n);
        free(n);
    }
}

/* ---- shares ---- */

/* False: it has to be encrypted, and cannot. */
static bool share_of(const struct rewrite_smime *set, struct named *all, struct sv key,
                     const struct rewrite_smime_found *found, int64_t now_s,
                     struct rewrite_smime_share *out)
{
    struct named *twin;
    *out = (struct rewrite_smime_share){.kind = REWRITE_SMIME_SHARE_PLAIN};
    enum rewrite_smime_policy policy = rewrite_smime_policy_of(set, key, &out->row);
    if (policy == REWRITE_SMIME_NEVER)
        return true;
    out->cert = rewrite_smime_certificate(set, key, now_s, &out->fault);
    if (!out->cert && found) {
        out->cert = found->cert;
        out->fault = found->fault ? found->fault : out->fault;
    }
    if (!out->cert)
        return policy != REWRITE_SMIME_REQUIRE;
    HASH_FIND(hh, all, key.ptr, key.len, twin);
    out->kind = twin ? REWRITE_SMIME_SHARE_NAMED : REWRITE_SMIME_SHARE_HIDDEN;
    return true;
}

bool rewrite_smime_share_out(const struct rewrite_smime *set, struct sv section,
                             const struct sv *addresses, const struct rewrite_smime_found *found,
                             size_t count, int64_t now_s, struct rewrite_smime_share *out,
                             size_t *lacking_out)
{
    struct named *all = read_named(section);
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        char text[SMTP_PATH_MAX];
        good = share_of(set, all, rewrite_smime_key(addresses[i], text), found ? &found[i] : NULL,
                        now_s, &out[i]);
        *lacking_out = i;
    }
    free_named(all);
    return good;
}
