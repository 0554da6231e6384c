/*
 * proven.c - a table of MACs in groups of four. The MAC chooses the group, so that an attacker
 * cannot aim at one; only right credentials ever get in. One mutex: its sections are a few
 * comparisons long.
 */
#include "auth/proven.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES   32
#define GROUP       4u
#define GROUPS      (AUTH_PROVEN_ENTRIES / GROUP)
#define MESSAGE_MAX (AUTH_NAME_MAX + AUTH_PASSWORD_MAX + 1)

struct entry {
    uint8_t mac[MAC_BYTES];
    uint64_t until_ms; /* 0: free */
    struct auth_app app;
};

struct auth_proven {
    pthread_mutex_t lock;
    uint8_t key[MAC_BYTES];
    struct auth_proven_at at; /* what the entries were proved against */
    struct entry entries[AUTH_PROVEN_ENTRIES];
};

struct auth_proven *auth_proven_new(void)
{
    struct auth_proven *p = NEW(struct auth_proven);

    REQUIRE(pthread_mutex_init(&p->lock, NULL) == 0);
    random_fill(p->key, sizeof(p->key));
    return p;
}

void auth_proven_free(struct auth_proven *p)
{
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    mem_wipe(p, sizeof(*p));
    free(p);
}

/* MAC of name NUL password; a name holds no NUL, so the two cannot be mixed up. */
static bool mac_of(const struct auth_proven *p, struct sv name, struct sv password,
                   uint8_t mac[MAC_BYTES])
{
    unsigned char message[MESSAGE_MAX];
    unsigned len = 0;

    if (name.len > AUTH_NAME_MAX || password.len > AUTH_PASSWORD_MAX || password.len == 0)
        return false;
    memcpy(message, name.ptr, name.len);
    message[name.len] = 0;
    memcpy(message + name.len + 1, password.ptr, password.len);
    REQUIRE(HMAC(EVP_sha256(), p->key, sizeof(p->key), message, name.len + 1 + password.len, mac,
                 &len) != NULL);
    mem_wipe(message, sizeof(message));
    return true;
}

static struct entry *group_of(struct auth_proven *p, const uint8_t mac[MAC_BYTES])
{
    size_t group = ((size_t)mac[0] << 8 | mac[1]) % GROUPS;

    return &p->entries[group * GROUP];
}

static bool is_at(const struct auth_proven_at *a, const struct auth_proven_at *b)
{
    return auth_users_identity_eq(&a->users, &b->users) && a->accounts.dev == b->accounts.dev &&
           a->accounts.ino == b->accounts.ino && a->accounts.changes == b->accounts.changes;
}

/* With the lock: entries of other databases are of no use. */
static void follow_databases(struct auth_proven *p, const struct auth_proven_at *at)
{
    if (is_at(&p->at, at))
        return;
    mem_wipe(p->entries, sizeof(p->entries));
    p->at = *at;
}

bool auth_proven_has(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                     struct sv password, uint64_t now_ms, struct auth_app *app_out)
{
    uint8_t mac[MAC_BYTES];
    bool found = false;

    if (!mac_of(p, name, password, mac))
        return false;
    pthread_mutex_lock(&p->lock);
    follow_databases(p, at);
    for (unsigned i = 0; i < GROUP; i++) {
        const struct entry *e = group_of(p, mac) + i;

        if (e->until_ms <= now_ms || mem_equal_ct(e->mac, mac, sizeof(mac)) == 0)
            continue;
        found = true;
        if (app_out != NULL)
            *app_out = e->app;
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

void auth_proven_put(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                     struct sv password, uint64_t now_ms, const struct auth_app *app)
{
    uint8_t mac[MAC_BYTES];
    struct entry *oldest;

    if (!mac_of(p, name, password, mac))
        return;
    pthread_mutex_lock(&p->lock);
    if (is_at(&p->at, at)) {
        oldest = group_of(p, mac);
        for (unsigned i = 0; i < GROUP; i++) {
            struct entry *e = group_of(p, mac) + i;

            if (mem_equal_ct(e->mac, mac, sizeof(mac)) != 0) {
                oldest = e;
                break;
            }
            if (e->until_ms < oldest->until_ms)
                oldest = e;
        }
        memcpy(oldest->mac, mac, sizeof(mac));
        oldest->until_ms = now_ms + AUTH_PROVEN_MS;
        oldest->app = *app;
    }
    pthread_mutex_unlock(&p->lock);
}
