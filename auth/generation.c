/*
 * generation.c - what the keeper holds of one generation.
 */
#include "auth/generation.h"

#include "auth/copy.h"
#include "auth/database.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct sv copy(struct sv text)
{
    return (struct sv){sv_dup(text), text.len};
}

static void drop(struct sv text)
{
    char *bytes = (char *)(uintptr_t)text.ptr;

    mem_wipe(bytes, text.len);
    free(bytes);
}

static int add_key(struct auth_keys *set, const struct keeper_key *k, struct buf *why)
{
    if (k->purpose == KEEPER_SMIME)
        return auth_keys_add_smime(set, k->pem, k->certificate, why);
    return auth_keys_add(set, k->purpose, k->pem, why);
}

static int add_keys(struct auth_generation *g, const struct keeper_material *m, struct buf *why)
{
    int err = 0;

    for (size_t i = 0; i < m->nkeys; i++) {
        struct buf fault;

        buf_init(&fault, 512, 0);
        if (add_key(g->keys, &m->keys[i], &fault) < 0) {
            err = ERR_SYNTAX;
            if (buf_printf(why, "%.*s: %.*s\n", SV_ARG(m->keys[i].name), SV_ARG(buf_view(&fault))) <
                0)
                i = m->nkeys - 1; /* enough was said */
        }
        buf_deinit(&fault);
    }
    return err;
}

static void add_secrets(struct auth_generation *g, const struct keeper_material *m,
                        struct auth_grants *grants)
{
    g->secrets = mem_new(m->nsecrets + 1, sizeof(*g->secrets));
    g->nsecrets = m->nsecrets;
    for (size_t i = 0; i < m->nsecrets; i++) {
        const struct keeper_secret *s = &m->secrets[i];

        g->secrets[i] = (struct auth_route_secret){
            .name = copy(s->name), .user = copy(s->user), .password = copy(s->password)};
        if (s->issuer.url.len > 0)
            g->secrets[i].grant =
                auth_grant_get(grants, m->options->accounts_path, s->user, &s->issuer);
    }
}

static void add_guard_rules(struct auth_generation *g, const struct auth_options *o)
{
    struct ip_net *nets = mem_new(o->exempt_networks.count + 1, sizeof(*nets));
    size_t count = 0;

    for (size_t i = 0; i < o->exempt_networks.count; i++)
        count += ip_net_parse(sv_of(o->exempt_networks.items[i]), &nets[count]);
    g->guard_rules = (struct guard_rules){.failures = (uint32_t)o->block.failures,
                                          .window_ms = (uint64_t)o->block.window_s * 1000,
                                          .time_ms = (uint64_t)o->block.time_s * 1000,
                                          .exempt = nets,
                                          .exempt_count = count};
}

static int add_oauth(struct auth_generation *g, const struct keeper_material *m, struct buf *why)
{
    struct auth_oauth *oauth;
    int err;

    if (m->options->oauth.issuer == NULL || *m->options->oauth.issuer == '\0')
        return 0;
    err = auth_oauth_new(&m->options->oauth, &m->oauth, &oauth, why);
    if (err == 0)
        auth_sasl_use_oauth(g->sasl, oauth);
    return err;
}

#define CA_COPY              "directory-ca.pem"
#define CERTIFICATES_CA_COPY "certificates-ca.pem"

static void add_directory(struct auth_generation *g, const struct keeper_material *m)
{
    struct auth_directory_config c = m->directory;
    char path[PATH_MAX] = "";

    g->directory_ca = copy(m->directory_ca);
    if (m->directory_ca.len > 0)
        auth_copy_path(m->options->accounts_path, "", CERTIFICATES_CA_COPY, path);
    c.ca_path = path;
    g->directory = auth_directory_new(&c);
}

/* Without them we were let in by others, or would believe any server. */
static int need_file(const struct auth_options *o, const char *key, const char *path,
                     struct sv bytes, struct buf *why)
{
    if (*path == '\0' || bytes.len > 0)
        return 0;
    return buf_printf(why, "auth.%s.%s: %s is empty, or did not come with the settings\n",
                      auth_options_database(o), key, path) < 0
               ? ERR_FULL
               : ERR_SYNTAX;
}

static int need_files(const struct keeper_material *m, struct buf *why)
{
    const struct auth_options *o = m->options;
    bool is_sql = o->database == AUTH_DATABASE_SQL;
    int err;

    if (!is_sql && o->database != AUTH_DATABASE_LDAPDB)
        return 0;
    err = need_file(o, "ca", is_sql ? o->sql.ca : o->ldapdb.ca, m->database_ca, why);
    return err < 0 ? err
                   : need_file(o, "password_file",
                               is_sql ? o->sql.password_file : o->ldapdb.password_file,
                               m->database_password, why);
}

/* The first generation opens it; libraries of databases take the path of a file only, which is
 * there once the generation is the one. */
static int add_database(struct auth_generation *g, const struct keeper_material *m, struct buf *why)
{
    struct auth_foreign_files files = {.password = m->database_password, .ca_path = ""};
    char path[PATH_MAX];
    int err = need_files(m, why);

    if (err < 0)
        return err;
    g->database_ca = copy(m->database_ca);
    auth_copy_path(m->options->accounts_path, "", CA_COPY, path);
    if (m->database_ca.len > 0)
        files.ca_path = path;
    return auth_database_start(m->options, &files, why);
}

void auth_generation_commit(const struct auth_generation *g)
{
    const struct auth_options *o = auth_sasl_options(g->sasl);
    int err =
        auth_database_is_foreign(o) ? auth_copy_keep(o->accounts_path, CA_COPY, g->database_ca) : 0;

    if (err < 0)
        log_event(LOG_ERROR, "auth-database", NULL,
                  "auth.%s.ca: the copy beside %s cannot be written: %s", auth_options_database(o),
                  o->accounts_path, err_text(err));
    err = auth_copy_keep(o->accounts_path, CERTIFICATES_CA_COPY, g->directory_ca);
    if (err < 0)
        log_event(LOG_ERROR, "directory", NULL,
                  "rewrite.directory.ca: the copy beside %s cannot be written: %s",
                  o->accounts_path, err_text(err));
}

int auth_generation_new(const struct keeper_material *m, struct auth_check *check,
                        struct auth_grants *grants, struct buf *why, struct auth_generation **out)
{
    struct auth_generation *g = NEW(struct auth_generation);
    const char *missing;
    int err;

    g->number = m->generation;
    g->refs = 1;
    g->keys = auth_keys_new();
    g->sasl = auth_sasl_new(m->options, m->hostname, check);
    add_guard_rules(g, m->options);
    add_secrets(g, m, grants);
    g->keytab = copy(m->keytab);
    add_directory(g, m);
    err = add_keys(g, m, why);
    missing = auth_sasl_missing(g->sasl);
    if (missing != NULL) {
        err = ERR_SYNTAX;
        if (buf_printf(why, "auth.mechanisms: %s is not installed; package libsasl2-modules%s\n",
                       missing, strcmp(missing, "GSSAPI") == 0 ? "-gssapi-mit" : "") < 0)
            err = ERR_FULL;
    }
    if (add_oauth(g, m, why) < 0 || add_database(g, m, why) < 0)
        err = ERR_SYNTAX;
    if (err < 0)
        auth_generation_unref(g);
    else
        *out = g;
    return err;
}

struct auth_generation *auth_generation_ref(struct auth_generation *g)
{
    g->refs++;
    return g;
}

void auth_generation_unref(struct auth_generation *g)
{
    if (g == NULL || --g->refs > 0)
        return;
    auth_sasl_unref(g->sasl);
    auth_keys_free(g->keys);
    auth_directory_free(g->directory);
    for (size_t i = 0; i < g->nsecrets; i++) {
        drop(g->secrets[i].name);
        drop(g->secrets[i].user);
        drop(g->secrets[i].password);
        auth_grant_drop(g->secrets[i].grant);
    }
    free(g->secrets);
    drop(g->keytab);
    drop(g->database_ca);
    drop(g->directory_ca);
    free((void *)(uintptr_t)g->guard_rules.exempt);
    free(g);
}

const struct auth_route_secret *auth_generation_secret(const struct auth_generation *g,
                                                       struct sv name)
{
    for (size_t i = 0; i < g->nsecrets; i++) {
        if (sv_eq(g->secrets[i].name, name))
            return &g->secrets[i];
    }
    return NULL;
}
