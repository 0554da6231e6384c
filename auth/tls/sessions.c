#include "auth/tls/sessions.h"
#include "msa/base/mem.h"

#include <openssl/ssl.h>
#include <uthash.h>

#include <pthread.h>
#include <stdlib.h>

struct entry {
    UT_hash_handle hh; /* the table keeps order of use, oldest first */
    SSL_SESSION *session;
    char *peer;
};

struct tls_sessions {
    pthread_mutex_t lock;
    struct entry *table;
    size_t max;
};

struct tls_sessions *tls_sessions_new(size_t max)
{
    struct tls_sessions *c = NEW(struct tls_sessions);
    pthread_mutex_init(&c->lock, NULL);
    c->max = max;
    return c;
}

static void drop(struct tls_sessions *c, struct entry *e)
{
    HASH_DEL(c->table, e);
    SSL_SESSION_free(e->session);
    free(e->peer);
    free(e);
}

void tls_sessions_free(struct tls_sessions *c)
{
    if (!c)
        return;
    while (c->table)
        drop(c, c->table);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct entry *find(struct tls_sessions *c, const char *peer)
{
    struct entry *e;
    HASH_FIND_STR(c->table, peer, e);
    return e;
}

void tls_sessions_put(struct tls_sessions *c, const char *peer, SSL_SESSION *session)
{
    struct entry *fresh = NEW(struct entry);
    fresh->session = session;
    fresh->peer = mem_str(peer);
    pthread_mutex_lock(&c->lock);
    struct entry *old = find(c, peer);
    if (old)
        drop(c, old);
    HASH_ADD_KEYPTR(hh, c->table, fresh->peer, strlen(fresh->peer), fresh);
    if (HASH_COUNT(c->table) > c->max)
        drop(c, c->table);
    pthread_mutex_unlock(&c->lock);
}

SSL_SESSION *tls_sessions_get(struct tls_sessions *c, const char *peer)
{
    SSL_SESSION *session = NULL;
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, peer);
    if (e) {
        HASH_DEL(c->table, e);
        HASH_ADD_KEYPTR(hh, c->table, e->peer, strlen(e->peer), e);
        session = e->session;
        SSL_SESSION_up_ref(session);
    }
    pthread_mutex_unlock(&c->lock);
    return session;
}

void tls_sessions_forget(struct tls_sessions *c, const char *peer)
{
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, peer);
    if (e)
        drop(c, e);
    pthread_mutex_unlock(&c->lock);
}
