#include "rewrite/smime_set.h"

#include "msa/base/mem.h"
#include "rewrite/smime_trust.h"

#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define KEY_MAX   64  /* of an option */
#define WRONG_MAX 512 /* of what is told */

enum match_form { MATCH_NONE, MATCH_ALL, MATCH_ADDRESS, MATCH_DOMAIN, MATCH_BELOW };

struct match {
    enum match_form form;
    char key[SMTP_PATH_MAX + 1];
};

struct signer {
    struct match from;
    char *login;
    struct rewrite_smime_cert **chain; /* the signer's own first */
    size_t count;
    bool require;
};

struct rule {
    struct match to;
    enum rewrite_smime_policy policy;
};

/* One certificate of an address. */
struct listed {
    const struct rewrite_smime_cert *cert;
    struct listed *next;
};
struct recipient {
    char *key;
    struct listed *certs;
    UT_hash_handle hh;
};

struct rewrite_smime {
    atomic_uint refs;
    struct signer *signers;
    size_t nsigners;
    struct rule *rules;
    size_t nrules;
    struct rewrite_smime_cert **certs; /* of recipients */
    size_t ncerts;
    struct recipient *recipients;
    struct rewrite_smime_trust *trust; /* NULL: any authority will do */
    bool has_directory;
};

/* ---- patterns ---- */

static bool set_domain(struct match *m, enum match_form form, struct sv domain)
{
    char address[SMTP_PATH_MAX + 2], text[SMTP_PATH_MAX];
    int n = snprintf(address, sizeof address, "a@%.*s", SV_ARG(domain));
    struct sv key = SV_NONE;
    if (n > 0 && (size_t)n < sizeof address)
        key = rewrite_smime_key_domain(rewrite_smime_key(sv_of(address), text));
    m->form = key.len ? form : MATCH_NONE;
    snprintf(m->key, sizeof m->key, "%.*s", SV_ARG(key));
    return key.len > 0;
}

static bool match_parse(struct match *m, struct sv text)
{
    char key_text[SMTP_PATH_MAX];
    *m = (struct match){.form = MATCH_NONE};
    if (sv_eq(text, SV("*"))) {
        m->form = MATCH_ALL;
        return true;
    }
    if (sv_starts(text, SV("@*.")))
        return set_domain(m, MATCH_BELOW, sv_skip(text, 3));
    if (sv_starts(text, SV("@")))
        return set_domain(m, MATCH_DOMAIN, sv_skip(text, 1));
    struct sv key = rewrite_smime_key(text, key_text);
    m->form = key.len ? MATCH_ADDRESS : MATCH_NONE;
    snprintf(m->key, sizeof m->key, "%.*s", SV_ARG(key));
    return key.len > 0;
}

static bool matches(const struct match *m, struct sv address)
{
    struct sv key = sv_of(m->key), domain = rewrite_smime_key_domain(address);
    switch (m->form) {
    case MATCH_NONE:
        return false;
    case MATCH_ALL:
        return true;
    case MATCH_ADDRESS:
        return sv_eq(key, address);
    case MATCH_DOMAIN:
        return sv_eq(key, domain);
    case MATCH_BELOW:
        return domain.len > key.len + 1 && sv_iends(domain, key) &&
               domain.ptr[domain.len - key.len - 1] == '.';
    }
    return false;
}

/* ---- what is told ---- */

struct making {
    struct rewrite_smime *set;
    const struct rewrite_smime_config *c;
};

static void tell(const struct making *m, bool warning, const char *key, const char *right,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);
static void tell(const struct making *m, bool warning, const char *key, const char *right,
                 const char *fmt, ...)
{
    char wrong[WRONG_MAX];
    va_list args;
    if (!m->c->fault)
        return;
    va_start(args, fmt);
    vsnprintf(wrong, sizeof wrong, fmt, args);
    va_end(args);
    m->c->fault(m->c->arg, warning, key, right, wrong);
}

#define PATTERN_RIGHT "\"alice@example.net\", \"@example.net\", \"@*.example.net\" or \"*\""

/* ---- signers ---- */

static bool fits(const struct signer *s, struct sv from)
{
    const struct rewrite_smime_cert *cert = s->chain[0];
    if (rewrite_smime_cert_has(cert, from))
        return true;
    return s->from.form != MATCH_ADDRESS &&
           rewrite_smime_cert_has_domain(cert, rewrite_smime_key_domain(from));
}

static size_t der_bytes(const struct signer *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->count; i++)
        bytes += (size_t)i2d_X509(s->chain[i]->x509, NULL);
    return bytes;
}

/* What the operator ought to know of a certificate that signs. */
static void judge_signer(const struct making *m, const struct signer *s, const char *key)
{
    const struct rewrite_smime_cert *cert = s->chain[0];
    enum rewrite_smime_fault fault =
        rewrite_smime_cert_fault(cert, REWRITE_SMIME_SIGN, m->c->now_s);
    struct sv from = sv_of(s->from.key);
    if (fault)
        tell(m, true, key, "another certificate; this one never signs", "the certificate %s",
             rewrite_smime_fault_words(fault));
    else if ((s->from.form == MATCH_ADDRESS && !rewrite_smime_cert_has(cert, from)) ||
             (s->from.form == MATCH_DOMAIN && !rewrite_smime_cert_has_domain(cert, from)))
        tell(m, true, key, "a certificate for that address; this one never signs",
             "the certificate does not name %s%s but %s", s->from.form == MATCH_DOMAIN ? "@" : "",
             s->from.key, cert->addresses[0]);
    else if (der_bytes(s) > REWRITE_SMIME_CHAIN_MAX)
        tell(m, false, key, "without the root and what is not needed to reach it",
             "the chain has more than %u bytes", REWRITE_SMIME_CHAIN_MAX);
}

static void add_signer(struct making *m, size_t row)
{
    const struct rewrite_smime_options *o =
        CONF_ITEM(m->c->options->smime, row, struct rewrite_smime_options);
    struct signer *s = &m->set->signers[row];
    char key[KEY_MAX];
    struct buf why;
    s->login = mem_str(o->login);
    s->require = o->require;
    snprintf(key, sizeof key, "rewrite.smime[%zu].from", row);
    if (!match_parse(&s->from, sv_of(o->from)))
        tell(m, false, key, PATTERN_RIGHT, "\"%s\" is none of these", o->from);
    if (m->c->chains[row].len == 0)
        return; /* the file is missing, which has been said */
    snprintf(key, sizeof key, "rewrite.smime[%zu].certificate", row);
    buf_init(&why, WRONG_MAX, 0);
    if (rewrite_smime_certs_read(m->c->chains[row], &s->chain, &s->count, &why) < 0)
        tell(m, false, key, "a PEM certificate with its chain", "%.*s", SV_ARG(buf_view(&why)));
    else
        judge_signer(m, s, key);
    buf_deinit(&why);
}

static bool row_fits(const struct signer *s, struct sv from, struct sv login)
{
    return (!*s->login || sv_ieq(sv_of(s->login), login)) && matches(&s->from, from);
}

static const char *signer_fault(const struct signer *s, struct sv from, int64_t now_s)
{
    if (s->count == 0)
        return "is missing";
    enum rewrite_smime_fault fault =
        rewrite_smime_cert_fault(s->chain[0], REWRITE_SMIME_SIGN, now_s);
    if (fault)
        return rewrite_smime_fault_words(fault);
    return fits(s, from) ? NULL : "does not name the author";
}

bool rewrite_smime_signer(const struct rewrite_smime *set, struct sv from, struct sv login,
                          int64_t now_s, struct rewrite_smime_signer *out, const char **fault_out)
{
    bool found = false;
    for (size_t i = 0; i < set->nsigners; i++) {
        const struct signer *s = &set->signers[i];
        if (!row_fits(s, from, login))
            continue;
        const char *fault = signer_fault(s, from, now_s);
        if (found && fault)
            continue;
        *out = (struct rewrite_smime_signer){fault ? NULL : s->chain[0], i, s->require};
        *fault_out = fault;
        found = true;
        if (!fault)
            break;
    }
    return found;
}

bool rewrite_smime_signs(const struct rewrite_smime *set)
{
    return set && set->nsigners > 0;
}

bool rewrite_smime_signs_login(const struct rewrite_smime *set, struct sv login)
{
    for (size_t i = 0; set && i < set->nsigners; i++)
        if (!*set->signers[i].login || sv_ieq(sv_of(set->signers[i].login), login))
            return true;
    return false;
}

/* ---- recipients ---- */

static void add_rule(struct making *m, size_t row)
{
    const struct rewrite_encrypt_options *o =
        CONF_ITEM(m->c->options->encrypt, row, struct rewrite_encrypt_options);
    struct rule *r = &m->set->rules[row];
    char key[KEY_MAX];
    r->policy = (enum rewrite_smime_policy)o->policy;
    snprintf(key, sizeof key, "rewrite.encrypt[%zu].to", row);
    if (!match_parse(&r->to, sv_of(o->to)))
        tell(m, false, key, PATTERN_RIGHT, "\"%s\" is none of these", o->to);
}

static void list(struct rewrite_smime *set, struct sv key, const struct rewrite_smime_cert *cert)
{
    struct recipient *r;
    struct listed *l = NEW(struct listed);
    HASH_FIND(hh, set->recipients, key.ptr, key.len, r);
    if (!r) {
        r = NEW(struct recipient);
        r->key = sv_dup(key);
        HASH_ADD_KEYPTR(hh, set->recipients, r->key, key.len, r);
    }
    *l = (struct listed){cert, r->certs};
    r->certs = l;
}

enum rewrite_smime_fault rewrite_smime_recipient_fault(const struct rewrite_smime *set,
                                                       const struct rewrite_smime_cert *c,
                                                       int64_t now_s)
{
    enum rewrite_smime_fault fault = rewrite_smime_cert_fault(c, REWRITE_SMIME_ENCRYPT, now_s);
    if (!fault && set->trust && !rewrite_smime_trust_holds(set->trust, c, now_s))
        fault = REWRITE_SMIME_UNTRUSTED;
    return fault;
}

bool rewrite_smime_has_directory(const struct rewrite_smime *set)
{
    return set->has_directory;
}

/* One certificate of a file, which is the set's from here on. */
static void add_cert(struct making *m, const struct rewrite_smime_file *f,
                     struct rewrite_smime_cert *cert)
{
    struct rewrite_smime *set = m->set;
    enum rewrite_smime_fault fault = rewrite_smime_recipient_fault(set, cert, m->c->now_s);
    char text[SMTP_PATH_MAX];
    struct sv owner = rewrite_smime_key(f->address, text);
    set->certs[set->ncerts++] = cert;
    if (fault)
        tell(m, true, "rewrite.certificates", "a new one; this one is never used",
             "%s: the certificate %s", f->path, rewrite_smime_fault_words(fault));
    if (f->address.len && !rewrite_smime_cert_has(cert, owner)) {
        tell(m, true, "rewrite.certificates", "a file named by an address that it names",
             "%s: the certificate does not name %.*s but %s", f->path, SV_ARG(f->address),
             cert->count ? cert->addresses[0] : "nobody");
        return;
    }
    if (f->address.len)
        list(set, owner, cert);
    for (size_t i = 0; !f->address.len && i < cert->count; i++)
        list(set, sv_of(cert->addresses[i]), cert);
}

static void add_file(struct making *m, const struct rewrite_smime_file *f)
{
    struct rewrite_smime_cert **certs;
    struct buf why;
    size_t count;
    buf_init(&why, WRONG_MAX, 0);
    if (rewrite_smime_certs_read(f->pem, &certs, &count, &why) < 0) {
        tell(m, true, "rewrite.certificates", "a PEM certificate", "%s: %.*s", f->path,
             SV_ARG(buf_view(&why)));
    } else {
        m->set->certs =
            mem_resize(m->set->certs, m->set->ncerts + count, sizeof(struct rewrite_smime_cert *));
        for (size_t i = 0; i < count; i++)
            add_cert(m, f, certs[i]);
        free(certs);
    }
    buf_deinit(&why);
}

bool rewrite_smime_encrypts(const struct rewrite_smime *set)
{
    return set && set->nrules > 0;
}

enum rewrite_smime_policy rewrite_smime_policy_of(const struct rewrite_smime *set,
                                                  struct sv address, size_t *row_out)
{
    for (size_t i = 0; i < set->nrules; i++)
        if (matches(&set->rules[i].to, address)) {
            *row_out = i;
            return set->rules[i].policy;
        }
    return REWRITE_SMIME_NEVER;
}

const struct rewrite_smime_cert *rewrite_smime_certificate(const struct rewrite_smime *set,
                                                           struct sv address, int64_t now_s,
                                                           enum rewrite_smime_fault *fault_out)
{
    const struct rewrite_smime_cert *best = NULL;
    struct recipient *r;
    *fault_out = REWRITE_SMIME_USABLE;
    HASH_FIND(hh, set->recipients, address.ptr, address.len, r);
    for (const struct listed *l = r ? r->certs : NULL; l; l = l->next) {
        enum rewrite_smime_fault fault = rewrite_smime_recipient_fault(set, l->cert, now_s);
        if (fault)
            *fault_out = fault;
        else if (!best || l->cert->from_s > best->from_s)
            best = l->cert;
    }
    return best;
}

/* ---- life ---- */

static void add_authorities(struct making *m)
{
    struct buf why;
    if (!m->c->authorities.len)
        return;
    buf_init(&why, WRONG_MAX, 0);
    m->set->trust = rewrite_smime_trust_new(m->c->authorities, &why);
    if (!m->set->trust)
        tell(m, false, "rewrite.certificate_ca", "PEM certificates of authorities", "%.*s",
             SV_ARG(buf_view(&why)));
    buf_deinit(&why);
}

static void find_directories(struct rewrite_smime *set, const struct rewrite_options *o)
{
    for (size_t i = 0; i < o->certificates.count; i++)
        set->has_directory |= o->certificates.items[i][0] != '/';
}

static bool is_set(const char *value)
{
    return value && *value;
}

static void warn_of_idle(const struct making *m)
{
    const struct rewrite_smime *set = m->set;
    const struct rewrite_options *o = m->c->options;
    if (o->certificates.count && !o->encrypt.count)
        tell(m, true, "rewrite.certificates", "rewrite.encrypt beside it",
             "they count nowhere: rewrite.encrypt is not set");
    if (o->encrypt.count && !o->certificates.count)
        tell(m, true, "rewrite.encrypt", "rewrite.certificates beside it",
             "nobody has a certificate: rewrite.certificates is not set");
    if (is_set(o->certificate_ca) && !o->certificates.count)
        tell(m, true, "rewrite.certificate_ca", "rewrite.certificates beside it",
             "they vouch for nobody: rewrite.certificates is not set");
    if (!set->has_directory && (is_set(o->directory.user) || is_set(o->directory.ca)))
        tell(m, true, "rewrite.directory", "a URL in rewrite.certificates",
             "no directory is asked: rewrite.certificates names none");
}

struct rewrite_smime *rewrite_smime_new(const struct rewrite_smime_config *c)
{
    struct rewrite_smime *set = NEW(struct rewrite_smime);
    struct making m = {set, c};
    atomic_init(&set->refs, 1);
    set->nsigners = c->options->smime.count;
    set->nrules = c->options->encrypt.count;
    set->signers = mem_new(set->nsigners + 1, sizeof *set->signers);
    set->rules = mem_new(set->nrules + 1, sizeof *set->rules);
    for (size_t i = 0; i < set->nsigners; i++)
        add_signer(&m, i);
    for (size_t i = 0; i < set->nrules; i++)
        add_rule(&m, i);
    add_authorities(&m);
    find_directories(set, c->options);
    for (size_t i = 0; i < c->nfiles; i++)
        add_file(&m, &c->files[i]);
    warn_of_idle(&m);
    return set;
}

struct rewrite_smime *rewrite_smime_keep(struct rewrite_smime *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

static void free_recipients(struct rewrite_smime *set)
{
    struct recipient *r, *next;
    HASH_ITER(hh, set->recipients, r, next)
    {
        while (r->certs) {
            struct listed *gone = r->certs;
            r->certs = gone->next;
            free(gone);
        }
        HASH_DEL(set->recipients, r);
        free(r->key);
        free(r);
    }
}

void rewrite_smime_drop(struct rewrite_smime *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->nsigners; i++) {
        for (size_t k = 0; k < set->signers[i].count; k++)
            rewrite_smime_cert_free(set->signers[i].chain[k]);
        free(set->signers[i].chain);
        free(set->signers[i].login);
    }
    free_recipients(set);
    for (size_t i = 0; i < set->ncerts; i++)
        rewrite_smime_cert_free(set->certs[i]);
    free(set->certs);
    rewrite_smime_trust_free(set->trust);
    free(set->rules);
    free(set->signers);
    free(set);
}
