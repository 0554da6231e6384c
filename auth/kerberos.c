#include "auth/kerberos.h"

#include "auth/copy.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYTAB "krb5.keytab"
#define REPLAY "krb5.rcache"

void auth_kerberos_start(const char *accounts_path)
{
    char path[PATH_MAX];

    auth_copy_path(accounts_path, "FILE:", KEYTAB, path);
    setenv("KRB5_KTNAME", path, 1);
    /* tickets that were seen, in a folder that is nobody else's */
    auth_copy_path(accounts_path, "file2:", REPLAY, path);
    setenv("KRB5RCACHENAME", path, 1);
}

int auth_kerberos_follow(const char *accounts_path, struct sv keytab)
{
    return auth_copy_keep(accounts_path, KEYTAB, keytab);
}

void auth_kerberos_default_realm(struct sv conf, char out[AUTH_KERBEROS_REALM_MAX])
{
    bool is_here = false;

    out[0] = '\0';
    while (conf.len > 0 && out[0] == '\0') {
        struct sv value = sv_trim(sv_split(&conf, '\n')), key;

        if (sv_starts(value, SV("["))) {
            is_here = sv_starts(value, SV("[libdefaults]"));
            continue;
        }
        key = sv_trim(sv_split(&value, '='));
        value = sv_trim(value);
        if (is_here && sv_eq(key, SV("default_realm")) && value.len < AUTH_KERBEROS_REALM_MAX)
            snprintf(out, AUTH_KERBEROS_REALM_MAX, "%.*s", SV_ARG(value));
    }
}
