/*
 * uses.c - a batch thread in front of auth_accounts_used().
 */
#include "auth/uses.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/loop/thread.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define PRUNE_EACH_MS (3600 * 1000)
#define LOG_EACH_MS   60000

/* What makes two uses the same. */
struct key {
    char login[AUTH_NAME_MAX + 1];
    char client[IP_TEXT_MAX];
    char mechanism[32];
    int64_t app;
};

struct entry {
    struct task task; /* first */
    struct auth_use use;
    struct key key; /* padded with zeros */
    UT_hash_handle hh;
};

struct auth_uses {
    struct auth_accounts *accounts;
    struct batch *batch;
    uint64_t pruned_ms, logged_ms; /* of the batch's thread */
};

/* Adds the entries up into *out, and frees them. */
static size_t gather(struct task *list, struct auth_use **out)
{
    struct entry *sums = NULL, *e, *same, *next;
    size_t count = 0;

    for (struct task *t = list; t != NULL;) {
        e = (struct entry *)t;
        t = t->next;
        same = NULL;
        HASH_FIND(hh, sums, &e->key, sizeof(e->key), same);
        if (same == NULL) {
            HASH_ADD(hh, sums, key, sizeof(e->key), e);
            continue;
        }
        same->use.count += e->use.count;
        if (e->use.last_ms > same->use.last_ms)
            same->use.last_ms = e->use.last_ms;
        free(e);
    }
    *out = mem_new(HASH_COUNT(sums), sizeof(**out));
    HASH_ITER(hh, sums, e, next)
    {
        HASH_DEL(sums, e);
        (*out)[count++] = e->use;
        free(e);
    }
    return count;
}

static void tell(struct auth_uses *u, int err)
{
    uint64_t now = clock_mono_ms();

    if (err == 0 || (u->logged_ms != 0 && now - u->logged_ms < LOG_EACH_MS))
        return;
    u->logged_ms = now;
    log_event(LOG_WARNING, "last-logins", NULL, "they cannot be written to users.db: %s",
              err_text(err));
}

static void turn(void *arg, struct task *list)
{
    struct auth_uses *u = arg;
    struct auth_use *uses;
    size_t count = gather(list, &uses);
    uint64_t now = clock_mono_ms();

    tell(u, auth_accounts_used(u->accounts, uses, count));
    free(uses);
    if (u->pruned_ms == 0 || now - u->pruned_ms > PRUNE_EACH_MS) {
        u->pruned_ms = now;
        tell(u, auth_accounts_prune(u->accounts, clock_wall_ms()));
    }
    batch_collect(u->batch, AUTH_USES_EACH_MS);
}

struct auth_uses *auth_uses_start(const char *path)
{
    struct auth_uses *u = NEW(struct auth_uses);

    u->accounts = auth_accounts_new(path, AUTH_CHANGE_WAIT_MS);
    u->batch = batch_start("uses", turn, u);
    return u;
}

void auth_uses_stop(struct auth_uses *u)
{
    if (u == NULL)
        return;
    batch_stop(u->batch);
    auth_accounts_free(u->accounts);
    free(u);
}

void auth_uses_add(struct auth_uses *u, const struct auth_use *use)
{
    struct entry *e;

    if (batch_waiting(u->batch) >= AUTH_USES_MAX)
        return;
    e = NEW(struct entry);
    e->use = *use;
    e->use.last_ms = clock_wall_ms();
    e->use.count = 1;
    strcpy(e->key.login, use->login);
    strcpy(e->key.client, use->client);
    strcpy(e->key.mechanism, use->mechanism);
    e->key.app = use->app.id;
    batch_post(u->batch, &e->task);
}
