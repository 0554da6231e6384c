/*
 * oauth.c - keys and how old they are. One thread fetches at a time; others that have keys to go on
 * with do, and those that have none wait for it: without keys there is nothing else to do.
 */
#include "auth/oauth.h"

#include "auth/fetch.h"
#include "msa/base/arena.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX  65536 /* bytes of what introspection says */
#define WAITERS_MAX (AUTH_OAUTH_THREADS - 2)

/* Keys that a check may use after others have come. */
struct keys {
    atomic_uint refs;
    struct auth_jwks *jwks;
};

struct auth_oauth {
    struct arena arena;
    struct auth_oauth_options options;
    struct auth_token_rules rules;
    struct sv ca;
    const char *secret;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t fetched;
    struct keys *keys; /* NULL: none yet */
    bool is_fetching;
    unsigned waiters;          /* for a key that is missed */
    uint64_t tried_ms, got_ms; /* monotonic; 0: never */
};

static struct keys *keys_new(struct auth_jwks *jwks)
{
    struct keys *k = NEW(struct keys);

    atomic_init(&k->refs, 1);
    k->jwks = jwks;
    return k;
}

static void keys_drop(struct keys *k)
{
    if (k == NULL || atomic_fetch_sub(&k->refs, 1) > 1)
        return;
    auth_jwks_free(k->jwks);
    free(k);
}

static void copy_options(struct auth_oauth *a, const struct auth_oauth_options *o)
{
    struct arena *m = &a->arena;
    struct conf_strings audience = {arena_alloc(m, (o->audience.count + 1) * sizeof(char *)),
                                    o->audience.count};

    for (size_t i = 0; i < o->audience.count; i++)
        audience.items[i] = arena_str(m, sv_of(o->audience.items[i]));
    a->options = (struct auth_oauth_options){
        .issuer = arena_str(m, sv_of(o->issuer)),
        .audience = audience,
        .keys_url = arena_str(m, sv_of(o->keys_url)),
        .introspection_url = arena_str(m, sv_of(o->introspection_url)),
        .client_id = arena_str(m, sv_of(o->client_id)),
        .login_claim = arena_str(m, sv_of(o->login_claim)),
        .scope = arena_str(m, sv_of(o->scope)),
        .discovery_url = arena_str(m, sv_of(o->discovery_url)),
        .clock_skew_s = o->clock_skew_s,
    };
    a->rules = (struct auth_token_rules){.issuer = a->options.issuer,
                                         .audience = audience,
                                         .claim = a->options.login_claim,
                                         .scope = a->options.scope,
                                         .skew_s = o->clock_skew_s};
}

/* The first line of a file. */
static struct sv first_line(struct sv text)
{
    text = sv_first(text, sv_find(text, '\n'));
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

int auth_oauth_new(const struct auth_oauth_options *o, const struct auth_oauth_files *files,
                   struct auth_oauth **out, struct buf *why)
{
    struct auth_oauth *a = NEW(struct auth_oauth);
    struct auth_jwks *jwks = NULL;
    struct buf fault;
    int err = 0;

    arena_init(&a->arena);
    copy_options(a, o);
    a->ca = arena_sv(&a->arena, files->ca);
    a->secret = arena_str(&a->arena, first_line(files->secret));
    REQUIRE(pthread_mutex_init(&a->lock, NULL) == 0 && pthread_cond_init(&a->fetched, NULL) == 0);
    buf_init(&fault, 512, 0);
    if (files->keys.len > 0)
        err = auth_jwks_new(files->keys, &jwks, &fault);
    if (err == 0 && jwks != NULL)
        a->keys = keys_new(jwks);
    if (err < 0 && buf_printf(why, "auth.oauth.keys: %.*s\n", SV_ARG(buf_view(&fault))) < 0)
        err = ERR_FULL;
    buf_deinit(&fault);
    if (err < 0)
        auth_oauth_free(a);
    else
        *out = a;
    return err;
}

void auth_oauth_free(struct auth_oauth *a)
{
    if (a == NULL)
        return;
    keys_drop(a->keys);
    pthread_cond_destroy(&a->fetched);
    pthread_mutex_destroy(&a->lock);
    mem_wipe((void *)(uintptr_t)a->secret, strlen(a->secret));
    arena_deinit(&a->arena);
    free(a);
}

const struct auth_oauth_options *auth_oauth_options(const struct auth_oauth *a)
{
    return &a->options;
}

static void log_fault(const char *url, struct buf *why)
{
    log_event(LOG_ERROR, "oauth-issuer", NULL, "%s: %.*s", url, SV_ARG(buf_view(why)));
}

/* --- keys --- */

/* NULL if there is none; logged. */
static struct keys *fetch(struct auth_oauth *a)
{
    struct auth_fetch f = {.url = a->options.keys_url, .ca_pem = a->ca};
    struct auth_jwks *jwks = NULL;
    struct buf text, why;
    int err;

    buf_init(&text, AUTH_JWKS_BYTES_MAX, 0);
    buf_init(&why, 1024, 0);
    err = auth_fetch(&f, &text, &why);
    if (err == 0)
        err = auth_jwks_new(buf_view(&text), &jwks, &why);
    if (err < 0)
        log_fault(f.url, &why);
    buf_deinit(&text);
    buf_deinit(&why);
    return jwks != NULL ? keys_new(jwks) : NULL;
}

/* Under the lock, which it gives away while it fetches. */
static void fetch_keys(struct auth_oauth *a)
{
    struct keys *fresh;

    a->is_fetching = true;
    pthread_mutex_unlock(&a->lock);
    fresh = fetch(a);
    pthread_mutex_lock(&a->lock);
    a->is_fetching = false;
    a->tried_ms = clock_mono_ms();
    if (fresh != NULL) {
        keys_drop(a->keys);
        a->keys = fresh;
        a->got_ms = clock_mono_ms();
    }
    pthread_cond_broadcast(&a->fetched);
}

static bool is_older(uint64_t then_ms, uint64_t seconds)
{
    return then_ms == 0 || clock_mono_ms() - then_ms > seconds * 1000;
}

/* missed: those at hand lack a token's key. NULL: there are none, or too many wait for that one.
 * The caller drops them. */
static struct keys *keys_of(struct auth_oauth *a, bool missed)
{
    bool is_remote = *a->options.keys_url != '\0';
    struct keys *k;

    pthread_mutex_lock(&a->lock);
    if (is_remote && a->keys != NULL && is_older(a->got_ms, AUTH_OAUTH_STALE_S)) {
        keys_drop(a->keys);
        a->keys = NULL;
    }
    if (missed && a->is_fetching && a->waiters >= WAITERS_MAX) {
        pthread_mutex_unlock(&a->lock);
        return NULL;
    }
    a->waiters += missed;
    while (a->is_fetching && (a->keys == NULL || missed))
        pthread_cond_wait(&a->fetched, &a->lock);
    a->waiters -= missed;
    if (is_remote && !a->is_fetching &&
        is_older(a->tried_ms, a->keys != NULL ? AUTH_OAUTH_AGAIN_S : AUTH_OAUTH_RETRY_S) &&
        (missed || a->keys == NULL || is_older(a->got_ms, AUTH_OAUTH_FRESH_S)))
        fetch_keys(a);
    k = a->keys;
    if (k != NULL)
        atomic_fetch_add(&k->refs, 1);
    pthread_mutex_unlock(&a->lock);
    return k;
}

static int check_signed(struct auth_oauth *a, struct sv token, struct buf *login_out,
                        enum auth_token_fault *fault_out)
{
    bool missed = false;

    for (;;) {
        struct keys *k = keys_of(a, missed);

        if (k == NULL)
            return ERR_NOT_FOUND;
        *fault_out = auth_jwt_check(k->jwks, &a->rules, token, clock_wall_s(), login_out);
        keys_drop(k);
        if (missed || *fault_out != AUTH_TOKEN_KEY || *a->options.keys_url == '\0')
            return *fault_out == AUTH_TOKEN_GOOD;
        missed = true; /* the issuer may have a new key */
    }
}

/* --- introspection --- */

static int check_asked(struct auth_oauth *a, struct sv token, struct buf *login_out,
                       enum auth_token_fault *fault_out)
{
    struct auth_fetch f = {.url = a->options.introspection_url,
                           .ca_pem = a->ca,
                           .user = a->options.client_id,
                           .password = a->secret};
    struct buf form, answer, why;
    int err;

    buf_init(&form, 64 + 3 * token.len, BUF_SECRET);
    buf_init(&answer, ANSWER_MAX, BUF_SECRET);
    buf_init(&why, 1024, 0);
    err = buf_put(&form, SV("token_type_hint=access_token&token="));
    auth_fetch_encode(&form, token);
    if (err == 0)
        err = buf_append(&form, "", 1);
    f.form = buf_view(&form).ptr;
    if (err == 0)
        err = auth_fetch(&f, &answer, &why);
    if (err < 0)
        log_fault(f.url, &why);
    else
        *fault_out = auth_claims_check(&a->rules, buf_view(&answer), clock_wall_s(), login_out);
    if (err == 0 && *fault_out == AUTH_TOKEN_MALFORMED) {
        log_event(LOG_ERROR, "oauth-issuer", NULL, "%s: the answer is not that of RFC 7662", f.url);
        err = ERR_SYNTAX;
    }
    buf_deinit(&form);
    buf_deinit(&answer);
    buf_deinit(&why);
    return err < 0 ? err : *fault_out == AUTH_TOKEN_GOOD;
}

int auth_oauth_check(struct auth_oauth *a, struct sv token, struct buf *login_out,
                     enum auth_token_fault *fault_out)
{
    *fault_out = AUTH_TOKEN_MALFORMED;
    if (token.len == 0 || token.len > AUTH_TOKEN_MAX)
        return 0;
    return *a->options.introspection_url != '\0' ? check_asked(a, token, login_out, fault_out)
                                                 : check_signed(a, token, login_out, fault_out);
}
