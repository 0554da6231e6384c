/*
 * database.c - sasldb, or what others keep.
 */
#include "auth/database.h"

#include "auth/auxprop.h"
#include "msa/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOBODY "nobody"

bool auth_database_is_foreign(const struct auth_options *o)
{
    return o->database != AUTH_DATABASE_SASLDB;
}

static const char *plugin_of(const struct auth_options *o)
{
    return o->database == AUTH_DATABASE_SQL      ? "sql"
           : o->database == AUTH_DATABASE_LDAPDB ? "ldapdb"
                                                 : NULL;
}

const char *auth_database_missing(const struct auth_options *o)
{
    const char *plugin = plugin_of(o);

    if (plugin == NULL || auth_auxprop_installed(plugin))
        return NULL;
    return o->database == AUTH_DATABASE_SQL ? "libsasl2-modules-sql" : "libsasl2-modules-ldap";
}

/* --- names --- */

static bool is_plain(char c)
{
    return ascii_digit(c) || ascii_alpha(c) || (c != '\0' && strchr("-._+/", c) != NULL);
}

enum auth_name_fault auth_database_name(const struct auth_options *o, struct sv text,
                                        struct auth_name *out)
{
    enum auth_name_fault fault = auth_name_parse(&o->realms, text, out);

    if (fault != AUTH_NAME_OK || !auth_database_is_foreign(o))
        return fault;
    for (size_t i = 0; i < out->user_len; i++) {
        if (!is_plain(out->text[i]))
            return AUTH_NAME_FOREIGN;
        out->text[i] = ascii_lower(out->text[i]);
    }
    return AUTH_NAME_OK;
}

enum auth_name_fault auth_database_proven(const struct auth_options *o, struct sv text,
                                          struct auth_name *out)
{
    enum auth_name_fault fault = auth_database_name(o, text, out);

    if (fault == AUTH_NAME_OK && !sv_starts(text, auth_name_user(out)))
        return AUTH_NAME_FOREIGN;
    return fault;
}

/* --- asking --- */

int auth_database_start(const struct auth_options *o, const struct auth_foreign_files *files,
                        struct buf *why)
{
    return auth_database_is_foreign(o) ? auth_foreign_start(o, files, why) : 0;
}

int auth_database_secret(const struct auth_options *o, const struct auth_name *name,
                         enum auth_scram_hash hash, struct auth_secret *out)
{
    memset(out, 0, sizeof(*out));
    return auth_database_is_foreign(o) ? auth_foreign_secret(o, name, hash, out)
                                       : auth_users_secret(o->path, name, out);
}

int auth_database_password(const struct auth_options *o, const struct auth_name *name,
                           struct sv password)
{
    return o->database == AUTH_DATABASE_SASLAUTHD ? auth_foreign_password(name, password) : 0;
}

int auth_database_exists(const struct auth_options *o, const struct auth_name *name, bool *out)
{
    struct auth_secret secret;
    int err;

    *out = false;
    if (!auth_database_is_foreign(o))
        return auth_users_exists(o->path, name, out);
    if (o->database == AUTH_DATABASE_SASLAUTHD)
        return -ENOTSUP;
    err = auth_database_secret(o, name, AUTH_SCRAM_HASHES, &secret);
    *out = err == 0 && secret.kind != AUTH_SECRET_NONE;
    mem_wipe(&secret, sizeof(secret));
    return err;
}

int auth_database_identity(const struct auth_options *o, struct auth_users_identity *out)
{
    return auth_database_is_foreign(o) ? auth_foreign_identity(out)
                                       : auth_users_identity(o->path, out);
}

int auth_database_probe(const struct auth_options *o)
{
    struct auth_users_survey all;
    struct auth_name nobody;
    bool any;

    if (!auth_database_is_foreign(o))
        return auth_users_survey(o->path, &all);
    if (auth_database_name(o, SV(NOBODY), &nobody) != AUTH_NAME_OK)
        return 0;
    if (o->database == AUTH_DATABASE_SASLAUTHD) {
        int right = auth_database_password(o, &nobody, SV(NOBODY));

        return right < 0 ? right : 0;
    }
    return auth_database_exists(o, &nobody, &any);
}

const char *auth_database_fault(const struct auth_options *o, int err, char out[1024])
{
    char why[AUTH_FOREIGN_WHY_MAX];

    if (!auth_database_is_foreign(o)) {
        snprintf(out, 1024, "%.900s: %s", o->path, err_text(err));
        return out;
    }
    auth_foreign_why(why);
    snprintf(out, 1024, "auth.database = \"%s\": %s", auth_options_database(o),
             err == ERR_KEEPER ? "only msad itself asks it, and it is not running"
             : err == -ENOTSUP ? "it cannot say who exists"
             : why[0] != '\0'  ? why
                               : err_text(err));
    return out;
}
