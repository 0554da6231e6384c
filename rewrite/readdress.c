/*
 * Design: places are not kept from the first reading. The address fields are read a second time,
 * which costs no memory and finds the same ranges.
 */
#include "rewrite/readdress.h"

#include "msa/base/require.h"
#include "rewrite/address.h"
#include "rewrite/cfws.h"
#include "rewrite/domain.h"

#include <stdio.h>
#include <string.h>

/* What an address becomes. */
struct outcome {
    struct sv local;  /* empty: it stays */
    struct sv domain; /* likewise */
    struct sv added;  /* what completes the domain, which stays else; empty: nothing */
    enum rewrite_why why;
    uint16_t row;
};

bool rewrite_readdress_wanted(const struct rewrite_readdress *r)
{
    return r->complete->count > 0 || (r->cnames && r->cnames->count) ||
           rewrite_rules_has(r->rules, REWRITE_IN_HEADER | REWRITE_OF_SENDER) ||
           rewrite_rules_has(r->rules, REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT);
}

static struct sv range(const struct rewrite_readdress *r, size_t from, size_t to)
{
    return sv_range(r->section.ptr + from, r->section.ptr + to);
}

static unsigned place_of(enum rewrite_field_kind kind)
{
    switch (kind) {
    case REWRITE_FIELD_FROM:
    case REWRITE_FIELD_SENDER:
    case REWRITE_FIELD_REPLY_TO:
    case REWRITE_FIELD_RESENT_FROM:
    case REWRITE_FIELD_RESENT_SENDER:
    case REWRITE_FIELD_RESENT_REPLY_TO:
    case REWRITE_FIELD_DISPOSITION_NOTIFICATION_TO:
    case REWRITE_FIELD_RETURN_RECEIPT_TO:
        return REWRITE_IN_HEADER | REWRITE_OF_SENDER;
    default:
        return REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT;
    }
}

static bool is_receipt(enum rewrite_field_kind kind)
{
    return kind == REWRITE_FIELD_DISPOSITION_NOTIFICATION_TO ||
           kind == REWRITE_FIELD_RETURN_RECEIPT_TO;
}

static bool has_addresses(enum rewrite_field_kind kind)
{
    return rewrite_fields_is_address(kind) || is_receipt(kind);
}

/* ---- the address as a path ---- */

/* A local part without what the grammar overlooks, whose words are one quoted string if any is; its
 * length, 0: it is too long. */
static size_t copy_local(struct sv written, char out[SMTP_PATH_MAX])
{
    size_t n = 1, to = 1;
    out[0] = '"';
    if (!rewrite_cfws_strip(written, out, SMTP_PATH_MAX, &n))
        return 0;
    if (!memchr(out + 1, '"', n - 1)) {
        memmove(out, out + 1, n - 1);
        return n - 1;
    }
    for (size_t from = 1; from < n; from++) {
        if (out[from] == '"')
            continue;
        if (out[from] == '\\' && from + 1 < n)
            out[to++] = out[from++];
        out[to++] = out[from];
    }
    out[to++] = '"';
    return to;
}

/* Plain: in the form of a path already, but for case. */
static bool is_plain(struct sv local, struct sv domain, bool has_cfws)
{
    unsigned bits = 0;
    bool quoted = false;
    for (size_t i = 0; i < local.len; i++) {
        bits |= (unsigned char)local.ptr[i];
        quoted |= local.ptr[i] == '"';
    }
    for (size_t i = 0; i < domain.len; i++)
        bits |= (unsigned char)domain.ptr[i];
    return !has_cfws && bits < 0x80 && !quoted && domain.ptr[0] != '[';
}

static size_t copy_lower(struct sv text, char *out)
{
    for (size_t i = 0; i < text.len; i++)
        out[i] = ascii_lower(text.ptr[i]);
    return text.len;
}

/* Puts the domain behind a local part of n bytes in text, and gives them the form of a key; its
 * length, 0: they are no path. */
static size_t end_key(char text[SMTP_PATH_MAX], size_t n, struct sv domain, struct sv added,
                      char key[SMTP_PATH_MAX], size_t *local_len)
{
    struct arena scratch;
    struct smtp_path path;
    if (!n || n + 1 > SMTP_PATH_MAX)
        return 0;
    text[n++] = '@';
    if (!rewrite_cfws_strip(domain, text, SMTP_PATH_MAX, &n) || n + 1 + added.len > SMTP_PATH_MAX)
        return 0;
    if (added.len) {
        text[n] = '.';
        memcpy(text + n + 1, added.ptr, added.len);
        n += 1 + added.len;
    }
    arena_init(&scratch);
    bool good = smtp_path_parse_address(&scratch, (struct sv){text, n}, SMTP_PATH_FORWARD, &path) ==
                SMTP_PATH_OK;
    n = good ? rewrite_rules_key(&path, key, local_len).len : 0;
    arena_deinit(&scratch);
    return n;
}

/* An address that is not plain. A local part that no path has is left out: what matches the domain
 * counts for it all the same. */
static size_t make_path(struct sv local, struct sv domain, struct sv added, char key[SMTP_PATH_MAX],
                        size_t *local_len)
{
    char text[SMTP_PATH_MAX];
    size_t n = end_key(text, copy_local(local, text), domain, added, key, local_len);
    if (n)
        return n;
    text[0] = 'x';
    n = end_key(text, 1, domain, added, key, local_len);
    if (n)
        memmove(key, key + 1, --n);
    *local_len = 0;
    return n;
}

/* local@domain as a key of rules, with the domain completed; its length, 0: no rule has such. */
static size_t make_key(const struct rewrite_readdress *r, const struct rewrite_address *a,
                       struct sv added, char key[SMTP_PATH_MAX], size_t *local_len)
{
    struct sv local = range(r, a->local, a->local_end), domain = range(r, a->domain, a->domain_end);
    if (!is_plain(local, domain, a->has_cfws))
        return make_path(local, domain, added, key, local_len);
    if (local.len + domain.len + added.len + 2 > SMTP_PATH_MAX)
        return 0;
    size_t n = copy_lower(local, key);
    *local_len = n;
    key[n++] = '@';
    n += copy_lower(domain, key + n);
    if (added.len) {
        key[n++] = '.';
        n += copy_lower(added, key + n);
    }
    return n;
}

/* ---- edits ---- */

static void put(struct rewrite_readdress *r, size_t from, size_t to, struct sv text,
                const struct outcome *o)
{
    int err = rewrite_edits_put(r->edits, from, to, text, o->why, o->row);
    REQUIRE(!err); /* mailboxes are bounded, and so is each text */
}

/* The comments of a part, each with a space before it. */
static void copy_comments(struct sv part, struct buf *out)
{
    bool quoted = false;
    while (part.len) {
        char c = part.ptr[0];
        struct sv rest = part;
        if (!quoted && c == '(') {
            rewrite_cfws_skip(&rest);
            struct sv comment = sv_trim(sv_range(part.ptr, rest.ptr));
            while (comment.len &&
                   (comment.ptr[comment.len - 1] == '\n' || comment.ptr[comment.len - 1] == '\r'))
                comment = sv_trim(sv_first(comment, comment.len - 1));
            int err = buf_printf(out, " %.*s", SV_ARG(comment));
            REQUIRE(!err);
            part = rest;
            continue;
        }
        if (c == '"')
            quoted = !quoted;
        part = sv_skip(part, quoted && c == '\\' ? 2 : 1);
    }
}

static void put_part(struct rewrite_readdress *r, size_t from, size_t to, struct sv text,
                     const struct outcome *o, bool has_cfws)
{
    struct buf with;
    if (!has_cfws) {
        put(r, from, to, text, o);
        return;
    }
    buf_init(&with, text.len + 2 * (to - from), 0);
    int err = buf_put(&with, text);
    REQUIRE(!err);
    copy_comments(range(r, from, to), &with);
    put(r, from, to, buf_view(&with), o);
    r->walked += to - from;
    buf_deinit(&with);
}

static void put_outcome(struct rewrite_readdress *r, const struct rewrite_address *a,
                        const struct outcome *o)
{
    char text[SMTP_DOMAIN_MAX + 2];
    if (o->local.len)
        put_part(r, a->local, a->local_end, o->local, o, a->has_cfws);
    if (o->domain.len) {
        put_part(r, a->domain, a->domain_end, o->domain, o, a->has_cfws);
    } else if (o->added.len) {
        int len = snprintf(text, sizeof text, ".%.*s", SV_ARG(o->added));
        put(r, a->domain_end, a->domain_end, (struct sv){text, (size_t)len}, o);
    }
}

/* ---- mailboxes ---- */

static bool wants_key(const struct rewrite_readdress *r, const struct rewrite_field *f)
{
    return (r->cnames && r->cnames->count) || rewrite_rules_has(r->rules, place_of(f->kind));
}

/* A label that was noted has its domain by now, or stays. */
static struct sv completion_of(struct rewrite_readdress *r, const struct rewrite_address *a)
{
    struct sv label = range(r, a->domain, a->domain_end);
    if (a->domain_kind != REWRITE_DOMAIN_LABEL || r->uses >= r->complete->uses ||
        !rewrite_complete_has(r->complete, label))
        return SV_NONE;
    r->uses++;
    return rewrite_complete_domain(r->complete, label);
}

bool rewrite_readdress_refuse(enum rewrite_field_kind field, struct sv address,
                              struct rewrite_refusal *out)
{
    char subject[128];
    snprintf(subject, sizeof subject, "%s: the address %.*s", rewrite_fields_name(field),
             SV_ARG(sv_first(address, 80)));
    rewrite_refusal_make(out, REWRITE_REFUSAL_REWRITTEN_LONG, sv_of(subject));
    return false;
}

/* The domain of a key gives way to the name that it is an alias of; false: it becomes too long. */
static bool resolve(struct rewrite_readdress *r, struct outcome *o, char key[SMTP_PATH_MAX],
                    size_t *len, size_t local_len)
{
    struct sv domain = sv_skip((struct sv){key, *len}, local_len + 1);
    struct sv canonical = r->cnames ? rewrite_cnames_find(r->cnames, domain) : SV_NONE;
    if (!canonical.len || sv_eq(canonical, domain))
        return true;
    if (local_len + 1 + canonical.len + 2 > SMTP_PATH_MAX)
        return false;
    memcpy(key + local_len + 1, canonical.ptr, canonical.len);
    *len = local_len + 1 + canonical.len;
    o->domain = canonical;
    o->why = REWRITE_WHY_ALIAS;
    return true;
}

static bool apply(struct rewrite_readdress *r, const struct rewrite_field *f,
                  const struct rewrite_address *a, struct outcome *o, struct sv key,
                  size_t local_len)
{
    uint16_t row;
    const struct rewrite_rule *rule =
        rewrite_rules_has(r->rules, place_of(f->kind))
            ? rewrite_rules_find(r->rules, place_of(f->kind), key, local_len, &row)
            : NULL;
    if (!rule)
        return true;
    bool local = rule->local.len && !sv_eq(rule->local, range(r, a->local, a->local_end));
    bool domain = !sv_eq(rule->domain, sv_skip(key, local_len + 1));
    if (!local && !domain)
        return true; /* it stays as it is */
    if (local)
        o->local = rule->local;
    if (domain)
        o->domain = rule->domain;
    o->why = REWRITE_WHY_RULE;
    o->row = row;
    return (rule->local.len ? rule->local.len : local_len) + 1 + rule->domain.len + 2 <=
           SMTP_PATH_MAX;
}

/* What aliases and rules say of an address; false: it becomes too long. */
static bool find_outcome(struct rewrite_readdress *r, const struct rewrite_field *f,
                         const struct rewrite_address *a, struct outcome *o)
{
    char key[SMTP_PATH_MAX];
    size_t local_len, len;
    if (!wants_key(r, f))
        return true;
    r->walked += a->domain_end - a->local;
    len = make_key(r, a, o->added, key, &local_len);
    return !len || (resolve(r, o, key, &len, local_len) &&
                    apply(r, f, a, o, (struct sv){key, len}, local_len));
}

static bool readdress(struct rewrite_readdress *r, const struct rewrite_field *f,
                      const struct rewrite_address *a, struct rewrite_refusal *refusal_out)
{
    struct outcome o = {.why = REWRITE_WHY_COMPLETED};
    if (!is_receipt(f->kind))
        o.added = completion_of(r, a);
    if (!find_outcome(r, f, a, &o))
        return rewrite_readdress_refuse(f->kind, range(r, a->local, a->domain_end), refusal_out);
    put_outcome(r, a, &o);
    return true;
}

bool rewrite_readdress_field(struct rewrite_readdress *r, const struct rewrite_field *f,
                             struct rewrite_refusal *refusal_out)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    bool good = true;
    if (!has_addresses(f->kind) || (r->uses >= r->complete->uses && !wants_key(r, f)))
        return true;
    rewrite_addresses_init(&w, r->section, f->value, f->end, REWRITE_READDRESS_MAX - r->mailboxes);
    while (good && rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX) {
        r->mailboxes++;
        good = readdress(r, f, &a, refusal_out);
    }
    r->walked += w.walked;
    if (good && w.fault == REWRITE_ADDRESS_TOO_MANY) {
        rewrite_refusal_make(refusal_out, REWRITE_REFUSAL_REWRITTEN_MANY,
                             sv_of(rewrite_fields_name(f->kind)));
        good = false;
    }
    return good;
}

static bool is_ours(struct sv domain, const struct sv *domains, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rewrite_domain_is_within(domain, domains[i]))
            return true;
    return false;
}

void rewrite_readdress_collect(struct rewrite_readdress *r, const struct rewrite_field *f,
                               const struct sv *domains, size_t count,
                               struct rewrite_cnames *cnames)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    char key[SMTP_PATH_MAX];
    size_t local_len, len;
    if (!has_addresses(f->kind))
        return;
    rewrite_addresses_init(&w, r->section, f->value, f->end, REWRITE_READDRESS_MAX);
    while (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX) {
        if (a.domain_kind != REWRITE_DOMAIN_QUALIFIED ||
            !(len = make_key(r, &a, SV_NONE, key, &local_len)))
            continue;
        struct sv domain = sv_skip((struct sv){key, len}, local_len + 1);
        if (!is_ours(domain, domains, count) && smtp_domain_valid(domain))
            rewrite_cnames_note(cnames, f->kind, domain);
    }
    r->walked += w.walked;
}

struct sv rewrite_readdress_text(const struct rewrite_rules *rules, struct sv address,
                                 char out[REWRITE_RULES_TEXT])
{
    struct smtp_path path;
    struct arena scratch;
    struct sv to = SV_NONE;
    uint16_t row;
    if (!address.len || !rewrite_rules_has(rules, REWRITE_IN_HEADER | REWRITE_OF_SENDER))
        return address;
    arena_init(&scratch);
    if (smtp_path_parse_address(&scratch, address, SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK)
        to = rewrite_rules_apply(rules, REWRITE_IN_HEADER | REWRITE_OF_SENDER, &path, out, &row);
    arena_deinit(&scratch);
    return to.len ? to : address;
}
