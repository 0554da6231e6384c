#include "auth/kerberos.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEYTAB "krb5.keytab"
#define REPLAY "krb5.rcache"

/* A file beside users.db, behind prefix. */
static void beside(const char *accounts_path, const char *prefix, const char *name,
                   char out[PATH_MAX])
{
    size_t folder = sv_rfind(sv_of(accounts_path), '/');

    snprintf(out, PATH_MAX, "%s%.*s/%s", prefix, (int)folder, accounts_path, name);
}

void auth_kerberos_start(const char *accounts_path)
{
    char path[PATH_MAX];

    beside(accounts_path, "FILE:", KEYTAB, path);
    setenv("KRB5_KTNAME", path, 1);
    /* tickets that were seen, in a folder that is nobody else's */
    beside(accounts_path, "file2:", REPLAY, path);
    setenv("KRB5RCACHENAME", path, 1);
}

static int write_all(int fd, struct sv bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0)
            return -errno;
        bytes = sv_skip(bytes, (size_t)n);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int auth_kerberos_follow(const char *accounts_path, struct sv keytab)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    int fd, err;

    beside(accounts_path, "", KEYTAB, path);
    beside(accounts_path, "", KEYTAB ".new", fresh);
    if (keytab.len == 0)
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    err = write_all(fd, keytab);
    close(fd);
    if (err == 0 && rename(fresh, path) < 0)
        err = -errno;
    if (err < 0)
        unlink(fresh);
    return err;
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
