/*
 * change.c - changes of users in both databases.
 */
#include "auth/change.h"

#include "auth/database.h"
#include "auth/lock.h"
#include "auth/users.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void auth_change_begin(struct auth_change *c, const struct auth_options *o)
{
    *c = (struct auth_change){.options = o,
                              .accounts = auth_accounts_new(o->accounts_path, AUTH_CHANGE_WAIT_MS),
                              .lock_fd = -1};
}

void auth_change_end(struct auth_change *c)
{
    auth_accounts_free(c->accounts);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
}

static int lock(struct auth_change *c)
{
    int err = c->lock_fd < 0 ? auth_lock_take(c->options->accounts_path, &c->lock_fd) : 0;

    c->in_lock = err < 0;
    return err;
}

/* Ours is asked under the lock, which keeps the answer true; that of others before it. */
static int lock_ours(struct auth_change *c)
{
    return auth_database_is_foreign(c->options) ? 0 : lock(c);
}

/* Whether there is such a user in our own database, to be changed. */
static int own_exists(struct auth_change *c, const struct auth_name *name, bool *exists)
{
    int err = auth_database_is_foreign(c->options) ? -EROFS : lock(c);

    return err < 0 ? err : auth_users_exists(c->options->path, name, exists);
}

/* Remembers whose error it is. */
static int of_accounts(struct auth_change *c, int err)
{
    c->in_accounts = err < 0;
    return err;
}

/* The hashes of the SCRAM mechanisms that are offered. */
static size_t hashes(const struct auth_options *o, bool with_main,
                     enum auth_scram_hash out[AUTH_SCRAM_HASHES])
{
    bool wanted[AUTH_SCRAM_HASHES] = {false};
    enum auth_scram_hash hash;
    size_t count = 0;

    for (size_t i = 0; i < o->mechanisms.count; i++) {
        if (auth_scram_hash_of(sv_of(o->mechanisms.items[i]), &hash))
            wanted[hash] = true;
    }
    for (unsigned h = 0; h < AUTH_SCRAM_HASHES; h++) {
        if (wanted[h] && (with_main || h != AUTH_SCRAM_SHA256))
            out[count++] = (enum auth_scram_hash)h;
    }
    return count;
}

/* What is stored for a password: the main verifier and those of further mechanisms. */
struct made {
    struct auth_scram main, more[AUTH_SCRAM_HASHES];
    size_t count;
    uint8_t id[AUTH_MAIN_BYTES];
};

static void make(const struct auth_options *o, struct sv password, struct made *m)
{
    enum auth_scram_hash list[AUTH_SCRAM_HASHES];

    REQUIRE(auth_password_fault(password) == NULL);
    auth_scram_new(&m->main, AUTH_SCRAM_SHA256, password);
    auth_accounts_main(&m->main, m->id);
    m->count = hashes(o, false, list);
    for (size_t i = 0; i < m->count; i++)
        auth_scram_new(&m->more[i], list[i], password);
}

static int put_more(struct auth_change *c, const struct auth_name *name, const struct made *m)
{
    if (m->count == 0)
        return 0;
    return of_accounts(c, auth_accounts_put_verifiers(c->accounts, auth_name_view(name), m->id,
                                                      m->more, m->count));
}

static struct sv kept(const struct auth_change *c, struct sv password)
{
    return c->options->store_cleartext ? password : SV_NONE;
}

int auth_change_add(struct auth_change *c, const struct auth_name *name, struct sv password)
{
    struct made m;
    bool exists;
    int err = own_exists(c, name, &exists);

    if (err < 0 || exists)
        return err < 0 ? err : ERR_EXISTS;
    make(c->options, password, &m);
    err = of_accounts(c, auth_accounts_forget(c->accounts, auth_name_view(name)));
    if (err == 0)
        err = put_more(c, name, &m);
    if (err == 0)
        err = auth_users_add(c->options->path, name, &m.main, kept(c, password));
    mem_wipe(&m, sizeof(m));
    return err;
}

int auth_change_passwd(struct auth_change *c, const struct auth_name *name, struct sv password)
{
    struct made m;
    bool exists;
    int left, err = own_exists(c, name, &exists);

    if (err < 0 || !exists)
        return err < 0 ? err : ERR_NOT_FOUND;
    make(c->options, password, &m);
    err = put_more(c, name, &m);
    if (err == 0)
        err = auth_users_passwd(c->options->path, name, &m.main, kept(c, password));
    if (err == 0) {
        left = auth_accounts_settle(c->accounts, auth_name_view(name), m.id);
        if (left < 0) /* they count no longer; the next change drops them */
            log_event(LOG_WARNING, "old-verifiers", NULL, "%s: %s", c->options->accounts_path,
                      err_text(left));
    }
    mem_wipe(&m, sizeof(m));
    return err;
}

/* Whom others keep must be gone there first: with what is kept of him here his being disabled would
 * go, too. */
static int delete_foreign(struct auth_change *c, const struct auth_name *name)
{
    bool exists;
    int err = auth_database_exists(c->options, name, &exists);

    if (err < 0 || exists)
        return err < 0 && err != -ENOTSUP ? err : -EROFS;
    err = lock(c);
    return err < 0 ? err : of_accounts(c, auth_accounts_forget(c->accounts, auth_name_view(name)));
}

int auth_change_delete(struct auth_change *c, const struct auth_name *name)
{
    int forgotten, err;

    if (auth_database_is_foreign(c->options))
        return delete_foreign(c, name);
    err = lock(c);
    if (err < 0)
        return err;
    err = auth_users_delete(c->options->path, name);
    if (err < 0 && err != ERR_NOT_FOUND)
        return err;
    forgotten = of_accounts(c, auth_accounts_forget(c->accounts, auth_name_view(name)));
    return err < 0 ? err : forgotten;
}

static int must_exist(struct auth_change *c, const struct auth_name *name)
{
    bool exists = false;
    int err = auth_database_exists(c->options, name, &exists);

    return err < 0 || exists ? err : ERR_NOT_FOUND;
}

/* With the lock at the end. Where others keep the users and do not say who exists, or not now, a
 * login can be disabled all the same. */
static int may_exist(struct auth_change *c, const struct auth_name *name)
{
    bool is_foreign = auth_database_is_foreign(c->options);
    int err = lock_ours(c);

    if (err == 0 && !(is_foreign && c->is_known))
        err = must_exist(c, name);
    c->unsure = is_foreign && err < 0 && err != ERR_NOT_FOUND;
    return err == 0 || c->unsure ? lock(c) : err;
}

int auth_change_state(struct auth_change *c, const struct auth_name *name, enum auth_state state,
                      unsigned allowed_from, struct sv reason, struct auth_account *before_out)
{
    struct sv login = auth_name_view(name);
    int err = may_exist(c, name);

    if (err < 0)
        return err;
    err = of_accounts(c, auth_accounts_get(c->accounts, login, before_out));
    if (err < 0 || (allowed_from & 1u << before_out->state) == 0)
        return err;
    return of_accounts(c,
                       auth_accounts_set_state(c->accounts, login, state, reason, clock_wall_ms()));
}

int auth_change_admin(struct auth_change *c, const struct auth_name *name, bool admin)
{
    int err = may_exist(c, name);

    return err < 0
               ? err
               : of_accounts(c, auth_accounts_set_admin(c->accounts, auth_name_view(name), admin));
}

/* A user whose name is what SCRAM would call the app password. */
static int must_be_free(struct auth_change *c, const struct auth_name *name, struct sv label)
{
    char text[2 * AUTH_NAME_MAX];
    struct auth_name whole;
    bool exists;
    int err;

    snprintf(text, sizeof(text), "%.*s/%.*s@%.*s", SV_ARG(auth_name_user(name)), SV_ARG(label),
             SV_ARG(auth_name_realm(name)));
    if (auth_database_name(c->options, sv_of(text), &whole) != AUTH_NAME_OK)
        return ERR_LIMIT; /* too long to log in with */
    err = auth_database_exists(c->options, &whole, &exists);
    return err < 0 ? err : exists ? ERR_EXISTS : 0;
}

int auth_change_app_add(struct auth_change *c, const struct auth_name *name, struct sv label,
                        char secret_out[AUTH_APP_SECRET_MAX])
{
    enum auth_scram_hash list[AUTH_SCRAM_HASHES];
    struct auth_scram verifiers[AUTH_SCRAM_HASHES];
    size_t count = hashes(c->options, true, list);
    uint8_t digest[AUTH_APP_DIGEST_BYTES];
    int err = lock_ours(c);

    secret_out[0] = '\0'; /* nothing of the caller's stack stands for a secret */
    if (err == 0)
        err = must_exist(c, name);
    if (err == 0)
        err = must_be_free(c, name, label);
    if (err == 0)
        err = lock(c);
    if (err < 0)
        return err;
    auth_app_secret(secret_out);
    auth_app_digest(auth_name_view(name), sv_of(secret_out), digest);
    for (size_t i = 0; i < count; i++)
        auth_scram_new(&verifiers[i], list[i], sv_of(secret_out));
    err = of_accounts(c, auth_accounts_app_add(c->accounts, auth_name_view(name), label, digest,
                                               verifiers, count, clock_wall_ms()));
    mem_wipe(verifiers, sizeof(verifiers));
    mem_wipe(digest, sizeof(digest));
    if (err < 0)
        mem_wipe(secret_out, AUTH_APP_SECRET_MAX);
    return err;
}

int auth_change_app_revoke(struct auth_change *c, const struct auth_name *name, struct sv label,
                           bool *known_out)
{
    int err = may_exist(c, name);

    *known_out = err == 0;
    return err < 0 ? err
                   : of_accounts(c, auth_accounts_app_revoke(c->accounts, auth_name_view(name),
                                                             label, clock_wall_ms()));
}
