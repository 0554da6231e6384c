/*
 * refresh.c - tokens that are shared, and the files in which they outlive us.
 *
 * A file: the digest of the configured token, then the one that came in its place, a line each.
 */
#include "auth/refresh.h"

#include "auth/copy.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define DIGEST_MAX    (2 * SHA256_DIGEST_LENGTH) /* characters */
#define KEPT_NAME_MAX 64
#define KEPT_FILE_MAX (DIGEST_MAX + AUTH_TOKEN_REFRESH_MAX + 3)

struct auth_refresh {
    struct auth_refresh *prev, *next;
    unsigned refs; /* of the thread that gets and drops */
    char *accounts_path, *user;
    char name[KEPT_NAME_MAX]; /* of the file */
    struct buf configured;
    pthread_mutex_t turn; /* of who asks by it */
    struct buf token;     /* under the lock */
};

/* ---- what is kept ---- */

static void digest_of(struct sv bytes, char out[DIGEST_MAX + 1])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)(bytes.ptr ? bytes.ptr : ""), bytes.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void name_of(const struct auth_token_issuer *issuer, struct sv user, char out[KEPT_NAME_MAX])
{
    char digest[DIGEST_MAX + 1];
    struct buf whose;

    buf_init(&whose, 16384, 0);
    if (buf_put(&whose, issuer->url) < 0 || buf_append(&whose, "", 1) < 0 ||
        buf_put(&whose, issuer->client_id) < 0 || buf_append(&whose, "", 1) < 0 ||
        buf_put(&whose, user) < 0)
        buf_reset(&whose);
    digest_of(buf_view(&whose), digest);
    snprintf(out, KEPT_NAME_MAX, "token-%.32s", digest);
    buf_deinit(&whose);
}

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err = 0;
    ssize_t n = 1;

    if (fd < 0)
        return -errno;
    while (err == 0 && n > 0) {
        char *at;

        err = buf_room(out) > 0 ? buf_reserve(out, buf_room(out), &at) : ERR_LIMIT;
        n = err == 0 ? read(fd, at, buf_room(out)) : 0;
        if (n > 0)
            buf_added(out, (size_t)n);
        else if (n < 0)
            err = -errno;
    }
    close(fd);
    return err;
}

static void log_kept(const struct auth_refresh *r, const char *what, int err)
{
    log_event(LOG_ERROR, "token-kept", NULL,
              "%s: the refresh token that came in place of the configured one cannot be %s: %s",
              r->user, what, err_text(err));
}

static void recall(struct auth_refresh *r)
{
    char path[PATH_MAX], digest[DIGEST_MAX + 1];
    struct buf file;
    struct sv rest, token;
    int err;

    auth_copy_path(r->accounts_path, "", r->name, path);
    digest_of(buf_view(&r->configured), digest);
    buf_init(&file, KEPT_FILE_MAX, BUF_SECRET);
    err = read_file(path, &file);
    if (err < 0 && err != -ENOENT)
        log_kept(r, "read", err);
    rest = buf_view(&file);
    if (err == 0 && sv_eq(sv_split(&rest, '\n'), sv_of(digest)) &&
        (token = sv_split(&rest, '\n')).len > 0) {
        buf_reset(&r->token);
        err = buf_put(&r->token, token);
        if (err < 0)
            log_kept(r, "read", err);
    }
    buf_deinit(&file);
}

static void keep(struct auth_refresh *r, struct sv token)
{
    char digest[DIGEST_MAX + 1];
    struct buf file;
    int err;

    buf_reset(&r->token);
    err = buf_put(&r->token, token);
    digest_of(buf_view(&r->configured), digest);
    buf_init(&file, KEPT_FILE_MAX, BUF_SECRET);
    if (err == 0)
        err = buf_printf(&file, "%s\n%.*s\n", digest, SV_ARG(token));
    if (err == 0)
        err = auth_copy_keep(r->accounts_path, r->name, buf_view(&file));
    if (err < 0)
        log_kept(r, "written", err);
    buf_deinit(&file);
}

/* ---- interface ---- */

static struct auth_refresh *refresh_new(const char *accounts_path, struct sv user, const char *name,
                                        struct sv configured)
{
    struct auth_refresh *r = NEW(struct auth_refresh);

    r->accounts_path = sv_dup(sv_of(accounts_path));
    r->user = sv_dup(user);
    snprintf(r->name, sizeof(r->name), "%s", name);
    buf_init(&r->configured, AUTH_TOKEN_REFRESH_MAX, BUF_SECRET);
    buf_init(&r->token, AUTH_TOKEN_REFRESH_MAX, BUF_SECRET);
    REQUIRE(pthread_mutex_init(&r->turn, NULL) == 0);
    /* one that is too long for us is too long to be asked by */
    if (buf_put(&r->configured, configured) == 0 && buf_put(&r->token, configured) == 0)
        recall(r);
    return r;
}

struct auth_refresh *auth_refresh_get(struct auth_refresh **all, const char *accounts_path,
                                      struct sv user, const struct auth_token_issuer *issuer)
{
    char name[KEPT_NAME_MAX];
    struct auth_refresh *r;

    name_of(issuer, user, name);
    DL_FOREACH(*all, r)
    {
        if (strcmp(r->name, name) == 0 && sv_eq(buf_view(&r->configured), issuer->refresh_token))
            break;
    }
    if (r == NULL) {
        r = refresh_new(accounts_path, user, name, issuer->refresh_token);
        DL_APPEND(*all, r);
    }
    r->refs++;
    return r;
}

void auth_refresh_drop(struct auth_refresh **all, struct auth_refresh *r)
{
    if (--r->refs > 0)
        return;
    DL_DELETE(*all, r);
    buf_deinit(&r->configured);
    buf_deinit(&r->token);
    pthread_mutex_destroy(&r->turn);
    free(r->accounts_path);
    free(r->user);
    free(r);
}

struct sv auth_refresh_begin(struct auth_refresh *r)
{
    pthread_mutex_lock(&r->turn);
    return buf_view(&r->token);
}

void auth_refresh_end(struct auth_refresh *r, struct sv came)
{
    if (came.len > 0 && !sv_eq(came, buf_view(&r->token)))
        keep(r, came);
    pthread_mutex_unlock(&r->turn);
}
