/*
 * admin_tell.c - what is told of users: all of them in a line each, or one with everything.
 */
#include "auth/admin_inside.h"

#include "auth/check.h"
#include "auth/review.h"
#include "msa/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An array in the answer's memory that grows. */
static void *grow(struct arena *mem, void *items, size_t count, size_t *room, size_t bytes)
{
    size_t more = *room ? *room * 2 : 16;
    void *grown;

    if (count < *room)
        return items;
    grown = arena_alloc(mem, more * bytes);
    if (count > 0)
        memcpy(grown, items, count * bytes);
    *room = more;
    return grown;
}

/* --- LIST --- */

struct listing {
    struct auth_admin_answer *out;
    size_t room, at; /* at: the next user to whom a row of users.db may belong */
};

static void list_user(void *arg, const struct auth_users_entry *entry)
{
    struct listing *l = arg;
    struct auth_admin_answer *out = l->out;

    out->users = grow(&out->mem, out->users, out->nusers, &l->room, sizeof(*out->users));
    out->users[out->nusers++] = (struct auth_admin_user){
        .login = arena_str(&out->mem, entry->login), .cleartext = entry->cleartext, .reason = ""};
}

/* Both lists are sorted; a row without a user is left over from somebody. */
static void list_account(void *arg, const struct auth_account_row *row)
{
    struct listing *l = arg;
    struct auth_admin_user *users = l->out->users;

    while (l->at < l->out->nusers) {
        struct sv login = sv_of(users[l->at].login);
        size_t both = login.len < row->login.len ? login.len : row->login.len;
        int order = memcmp(login.ptr, row->login.ptr, both);

        if (order > 0 || (order == 0 && login.len > row->login.len))
            return;
        if (sv_eq(login, row->login)) {
            users[l->at].state = row->state;
            users[l->at].admin = row->admin;
            return;
        }
        l->at++;
    }
}

/* What is kept here of the users that others keep, and of whom that may have been. */
static void list_known(void *arg, const struct auth_account_row *row)
{
    struct listing *l = arg;
    struct auth_admin_answer *out = l->out;

    list_user(l, &(struct auth_users_entry){.login = row->login});
    out->users[out->nusers - 1].state = row->state;
    out->users[out->nusers - 1].admin = row->admin;
}

static void tell_known(const struct auth_options *o, struct auth_accounts *accounts,
                       struct auth_admin_answer *out)
{
    struct listing l = {.out = out};
    int err = auth_accounts_each(accounts, list_known, &l);

    if (err < 0) {
        out->nusers = 0;
        admin_say_fault(out, err, o, true);
    }
}

void admin_tell_all(const struct auth_options *o, struct auth_admin_answer *out)
{
    struct auth_accounts *accounts = auth_accounts_new(o->accounts_path, AUTH_LOGIN_WAIT_MS);
    struct listing l = {.out = out};
    int err = 0;

    if (auth_database_is_foreign(o)) {
        tell_known(o, accounts, out);
        auth_accounts_free(accounts);
        return;
    }
    err = auth_users_list(o->path, list_user, &l);
    if (err < 0) {
        admin_say_fault(out, err, o, false);
    } else {
        err = auth_accounts_each(accounts, list_account, &l);
        if (err < 0)
            admin_say_fault(out, err, o, true);
    }
    if (err < 0)
        out->nusers = 0; /* states that are not known must not read as enabled */
    auth_accounts_free(accounts);
}

/* --- PROBE --- */

void admin_tell_health(const struct auth_options *o, struct auth_admin_answer *out)
{
    struct auth_sources sources = {
        .options = o, .accounts = auth_accounts_new(o->accounts_path, AUTH_LOGIN_WAIT_MS)};
    char why[1024];
    int err = auth_check_probe(&sources, why);

    admin_say(out, err, "", err < 0 ? why : "readable");
    auth_accounts_free(sources.accounts);
}

/* --- SHOW, APP_LIST --- */

struct telling {
    struct auth_admin_answer *out;
    size_t app_room, place_room;
};

static void tell_app(void *arg, const struct auth_app_row *row)
{
    struct telling *t = arg;
    struct auth_admin_answer *out = t->out;

    out->apps = grow(&out->mem, out->apps, out->napps, &t->app_room, sizeof(*out->apps));
    out->apps[out->napps++] =
        (struct auth_admin_app){.label = arena_str(&out->mem, row->label),
                                .used_from = arena_str(&out->mem, row->used_from),
                                .created_ms = row->created_ms,
                                .used_ms = row->used_ms,
                                .revoked_ms = row->revoked_ms};
}

static void tell_place(void *arg, const struct auth_place_row *row)
{
    struct telling *t = arg;
    struct auth_admin_answer *out = t->out;

    out->places = grow(&out->mem, out->places, out->nplaces, &t->place_room, sizeof(*out->places));
    out->places[out->nplaces++] =
        (struct auth_admin_place){.client = arena_str(&out->mem, row->client),
                                  .mechanism = arena_str(&out->mem, row->mechanism),
                                  .label = arena_str(&out->mem, row->label),
                                  .last_ms = row->last_ms,
                                  .count = row->count};
}

static int tell_mechanisms(const struct auth_options *o, struct auth_accounts *accounts,
                           const struct auth_name *name, const struct auth_secret *secret,
                           struct auth_admin_answer *out)
{
    out->mechanisms = arena_alloc(&out->mem, o->mechanisms.count * sizeof(*out->mechanisms));
    for (size_t i = 0; i < o->mechanisms.count; i++) {
        int yes = auth_review_usable(accounts, name, secret, o->mechanisms.items[i]);

        if (yes == ERR_NOT_FOUND)
            continue;
        if (yes < 0)
            return yes;
        out->mechanisms[out->nmechanisms++] = (struct auth_admin_mechanism){
            arena_str(&out->mem, sv_of(o->mechanisms.items[i])), yes == 1};
    }
    return 0;
}

/* Rights and budgets of a user are told here, too, as they come. */
static int tell_user(const struct auth_options *o, struct auth_accounts *accounts,
                     const struct auth_name *name, const struct auth_secret *secret,
                     struct telling *t)
{
    struct auth_admin_answer *out = t->out;
    struct auth_account account;
    int err = auth_accounts_get(accounts, auth_name_view(name), &account);

    if (err < 0)
        return err;
    if (secret->kind == AUTH_SECRET_LOCKED && account.state == AUTH_STATE_ENABLED) {
        account.state = AUTH_STATE_DISABLED;
        snprintf(account.reason, sizeof(account.reason),
                 "auth.database has no password of the login, or a locked one");
    }
    out->users = arena_alloc(&out->mem, sizeof(*out->users));
    out->users[0] = (struct auth_admin_user){.login = arena_str(&out->mem, auth_name_view(name)),
                                             .cleartext = secret->kind == AUTH_SECRET_CLEARTEXT,
                                             .state = account.state,
                                             .admin = account.admin,
                                             .since_ms = account.since_ms,
                                             .reason = arena_str(&out->mem, sv_of(account.reason))};
    out->nusers = 1;
    err = tell_mechanisms(o, accounts, name, secret, out);
    return err < 0 ? err : auth_accounts_each_place(accounts, auth_name_view(name), tell_place, t);
}

/* One question to the database, also where it is another's. */
static int find(const struct auth_options *o, const struct auth_name *name,
                struct auth_secret *secret, bool *exists_out)
{
    int err = auth_database_secret(o, name, AUTH_SCRAM_SHA256, secret);

    if (o->database == AUTH_DATABASE_SASLAUTHD) {
        *exists_out = true; /* it cannot say; what is kept here of the login is told all the same */
        return err == ERR_KEEPER ? 0 : err;
    }
    *exists_out = err == 0 && secret->kind != AUTH_SECRET_NONE;
    if (err < 0 || *exists_out || auth_database_is_foreign(o))
        return err;
    return auth_database_exists(o, name, exists_out); /* by a property that we do not read */
}

void admin_tell_one(const struct auth_options *o, const struct auth_name *name, bool apps_only,
                    struct auth_admin_answer *out)
{
    struct auth_accounts *accounts = auth_accounts_new(o->accounts_path, AUTH_LOGIN_WAIT_MS);
    struct telling t = {.out = out};
    struct auth_secret secret = {0};
    bool exists;
    int err = find(o, name, &secret, &exists);

    if (err < 0) {
        admin_say_fault(out, err, o, false);
    } else if (!exists) {
        admin_say(out, ERR_NOT_FOUND, name->text, "there is no such user");
    } else {
        if (!apps_only)
            err = tell_user(o, accounts, name, &secret, &t);
        if (err == 0)
            err = auth_accounts_each_app(accounts, auth_name_view(name), tell_app, &t);
        if (err < 0)
            admin_say_fault(out, err, o, true);
    }
    mem_wipe(&secret, sizeof(secret));
    auth_accounts_free(accounts);
}
