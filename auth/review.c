/*
 * review.c - a look at the databases for the operator.
 */
#include "auth/review.h"

#include "auth/cyrus.h"
#include "msa/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int auth_review_usable(struct auth_accounts *accounts, const struct auth_name *name,
                       const struct auth_secret *secret, const char *mechanism)
{
    uint8_t main[AUTH_MAIN_BYTES];
    enum auth_scram_hash hash;
    struct auth_scram v;
    int err;

    if (strcmp(mechanism, "CRAM-MD5") == 0)
        return secret->kind == AUTH_SECRET_CLEARTEXT;
    if (strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0)
        return secret->kind != AUTH_SECRET_NONE && secret->kind != AUTH_SECRET_UNUSABLE &&
               secret->kind != AUTH_SECRET_LOCKED;
    if (!auth_scram_hash_of(sv_of(mechanism), &hash))
        return ERR_NOT_FOUND;
    if (secret->kind == AUTH_SECRET_CLEARTEXT)
        return 1;
    if (secret->kind != AUTH_SECRET_VERIFIER || hash == secret->verifier.hash)
        return secret->kind == AUTH_SECRET_VERIFIER;
    auth_accounts_main(&secret->verifier, main);
    err = auth_accounts_verifier(accounts, auth_name_view(name), hash, main, &v);
    mem_wipe(&v, sizeof(v));
    return err == ERR_NOT_FOUND ? 0 : err < 0 ? err : 1;
}

/* One mechanism under review. */
struct counting {
    const struct auth_options *options;
    struct auth_accounts *accounts;
    const char *mechanism;
    size_t lacking;
    char example[AUTH_NAME_MAX + 1];
    int err;
};

static void count_user(void *arg, const struct auth_users_entry *entry)
{
    struct counting *c = arg;
    struct auth_secret secret;
    struct auth_name name;
    int usable;

    if (c->err < 0 || auth_name_parse(&c->options->realms, entry->login, &name) != AUTH_NAME_OK)
        return; /* of a realm that is not ours */
    c->err = auth_users_secret(c->options->path, &name, &secret);
    usable = c->err < 0 ? 1 : auth_review_usable(c->accounts, &name, &secret, c->mechanism);
    mem_wipe(&secret, sizeof(secret));
    if (usable < 0)
        c->err = usable == ERR_NOT_FOUND ? 0 : usable;
    if (usable == 0 && c->lacking++ == 0)
        snprintf(c->example, sizeof(c->example), "%s", name.text);
}

/* Those for which something beyond the user database is needed. */
static bool is_further(const char *mechanism)
{
    enum auth_scram_hash hash;

    return strcmp(mechanism, "CRAM-MD5") == 0 ||
           (auth_scram_hash_of(sv_of(mechanism), &hash) && hash != AUTH_SCRAM_SHA256);
}

typedef void on_fault(void *arg, const char *key, const char *wrong, const char *right);

static void review_mechanism(struct counting *c, size_t index, on_fault *each, void *arg)
{
    char key[64], wrong[512], right[320];
    int err = auth_users_list(c->options->path, count_user, c);

    if (err < 0 || c->err < 0 || c->lacking == 0)
        return; /* faults have been told */
    snprintf(key, sizeof(key), "auth.mechanisms[%zu]", index);
    snprintf(wrong, sizeof(wrong), "%zu %s cannot use %s: nothing is stored for it", c->lacking,
             c->lacking == 1 ? "login" : "logins", c->mechanism);
    snprintf(right, sizeof(right), "a new password: msactl user passwd %s%s", c->example,
             c->lacking == 1 ? "" : ", and so on");
    each(arg, key, wrong, right);
}

static void nothing(void *arg, const struct auth_users_entry *entry)
{
    (void)arg;
    (void)entry;
}

/* What others keep is asked as the keeper would ask it. */
static void review_foreign(const struct auth_options *o, const struct auth_foreign_files *files,
                           on_fault *each, void *arg)
{
    char text[1024];
    struct buf why;
    int err;

    if (auth_database_missing(o) != NULL || auth_cyrus_init() < 0)
        return; /* has been told */
    buf_init(&why, 1024, 0);
    err = auth_database_start(o, files, &why);
    if (err == 0) {
        err = auth_database_probe(o);
        if (err < 0)
            each(arg, "auth.database", auth_database_fault(o, err, text),
                 "until then nobody can log in whom it decides about");
    } else if (buf_len(&why) > 0 && buf_append(&why, "", 1) == 0) {
        each(arg, "auth.database", buf_view(&why).ptr, "");
    }
    auth_foreign_stop();
    auth_cyrus_done();
    buf_deinit(&why);
}

/* 0 if both can be read. */
static int review_files(const struct auth_options *o, struct auth_accounts *accounts,
                        on_fault *each, void *arg)
{
    struct auth_account account;
    char text[1024];
    int err = auth_database_is_foreign(o) ? 0 : auth_users_list(o->path, nothing, NULL);

    if (err < 0 && err != -EACCES)
        each(arg, "auth.path", err_text(err), "a database of Cyrus SASL; restore it");
    if (err < 0)
        return err;
    err = auth_accounts_get(accounts, SV("nobody"), &account);
    if (err < 0 && err != -EACCES)
        each(arg, "state", auth_accounts_fault(o->accounts_path, err, text),
             "until then nobody can log in");
    return err;
}

void auth_review(const struct auth_options *o, const struct auth_foreign_files *files,
                 on_fault *each, void *arg)
{
    struct auth_accounts *accounts = auth_accounts_new(o->accounts_path, AUTH_CHANGE_WAIT_MS);
    int err = review_files(o, accounts, each, arg);

    if (auth_database_is_foreign(o))
        review_foreign(o, files, each, arg);
    for (size_t i = 0; err == 0 && !auth_database_is_foreign(o) && i < o->mechanisms.count; i++) {
        struct counting c = {
            .options = o, .accounts = accounts, .mechanism = o->mechanisms.items[i]};

        if (is_further(c.mechanism))
            review_mechanism(&c, i, each, arg);
    }
    auth_accounts_free(accounts);
}
