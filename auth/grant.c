/*
 * grant.c - tokens and how old they are.
 *
 *     got ----------------- ahead ------- hard -- end
 *      |  given out as it is  | renewed, or |  not given out: renewed, or nothing
 *                             | given if that fails
 */
#include "auth/grant.h"

#include "auth/fetch.h"
#include "auth/refresh.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct auth_grant {
    struct auth_grants *set;
    struct auth_grant *prev, *next;
    unsigned refs; /* of the loop's thread */
    char *user, *url;
    struct auth_token_issuer issuer; /* copies */
    struct auth_refresh *refresh;    /* NULL: we ask in our own name */
    pthread_mutex_t lock;            /* of what follows */
    pthread_cond_t fetched;
    bool is_fetching;
    struct buf access;        /* empty: none */
    uint64_t got_ms, life_ms; /* monotonic */
    uint64_t retry_ms;        /* not before; 0: at once */
    char fault[AUTH_GRANT_WORDS_MAX + 1];
};

struct auth_grants {
    struct auth_grant *all;
    struct auth_refresh *refreshes;
};

/* ---- the set ---- */

/* The JSON parser has tokens in its memory. */
static void wiping_free(void *memory)
{
    if (memory != NULL)
        mem_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

struct auth_grants *auth_grants_new(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
    return NEW(struct auth_grants);
}

void auth_grants_free(struct auth_grants *s)
{
    REQUIRE(s->all == NULL);
    free(s);
}

void auth_grants_settle(struct auth_grants *s)
{
    struct auth_grant *g;

    DL_FOREACH(s->all, g)
    {
        pthread_mutex_lock(&g->lock);
        while (g->is_fetching)
            pthread_cond_wait(&g->fetched, &g->lock);
        pthread_mutex_unlock(&g->lock);
    }
}

static struct sv copy(struct sv text)
{
    return (struct sv){sv_dup(text), text.len};
}

static void drop(struct sv text)
{
    char *bytes = (char *)(uintptr_t)text.ptr;

    mem_wipe(bytes, text.len);
    free(bytes);
}

static bool is_same(const struct auth_token_issuer *a, const struct auth_token_issuer *b)
{
    return sv_eq(a->url, b->url) && sv_eq(a->client_id, b->client_id) &&
           sv_eq(a->client_secret, b->client_secret) && sv_eq(a->scope, b->scope) &&
           sv_eq(a->refresh_token, b->refresh_token) && sv_eq(a->ca_pem, b->ca_pem);
}

/* ---- one grant ---- */

static struct auth_grant *grant_new(struct auth_grants *s, const char *accounts_path,
                                    struct sv user, const struct auth_token_issuer *issuer)
{
    struct auth_grant *g = NEW(struct auth_grant);

    g->set = s;
    g->user = sv_dup(user);
    g->url = sv_dup(issuer->url);
    g->issuer = (struct auth_token_issuer){.url = sv_of(g->url),
                                           .client_id = copy(issuer->client_id),
                                           .client_secret = copy(issuer->client_secret),
                                           .scope = copy(issuer->scope),
                                           .refresh_token = copy(issuer->refresh_token),
                                           .ca_pem = copy(issuer->ca_pem)};
    REQUIRE(pthread_mutex_init(&g->lock, NULL) == 0 && pthread_cond_init(&g->fetched, NULL) == 0);
    buf_init(&g->access, AUTH_TOKEN_ACCESS_MAX, BUF_SECRET);
    if (issuer->refresh_token.len > 0)
        g->refresh = auth_refresh_get(&s->refreshes, accounts_path, user, issuer);
    DL_APPEND(s->all, g);
    return g;
}

struct auth_grant *auth_grant_get(struct auth_grants *s, const char *accounts_path, struct sv user,
                                  const struct auth_token_issuer *issuer)
{
    struct auth_grant *g;

    DL_FOREACH(s->all, g)
    {
        if (sv_eq(sv_of(g->user), user) && is_same(&g->issuer, issuer))
            break;
    }
    if (g == NULL)
        g = grant_new(s, accounts_path, user, issuer);
    g->refs++;
    return g;
}

void auth_grant_drop(struct auth_grant *g)
{
    if (g == NULL || --g->refs > 0)
        return;
    DL_DELETE(g->set->all, g);
    drop(g->issuer.client_id);
    drop(g->issuer.client_secret);
    drop(g->issuer.scope);
    drop(g->issuer.refresh_token);
    drop(g->issuer.ca_pem);
    buf_deinit(&g->access);
    if (g->refresh != NULL)
        auth_refresh_drop(&g->set->refreshes, g->refresh);
    pthread_cond_destroy(&g->fetched);
    pthread_mutex_destroy(&g->lock);
    free(g->user);
    free(g->url);
    free(g);
}

/* ---- age ---- */

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Under the lock, all of them. */
static bool has_token_before(const struct auth_grant *g, uint64_t end_s, uint64_t part)
{
    uint64_t early_ms = at_most(end_s * 1000, g->life_ms / part);

    return buf_len(&g->access) > 0 && clock_mono_ms() - g->got_ms < g->life_ms - early_ms;
}

static bool is_fresh(const struct auth_grant *g)
{
    return has_token_before(g, AUTH_GRANT_AHEAD_S, 4);
}

static bool is_good(const struct auth_grant *g)
{
    return has_token_before(g, AUTH_GRANT_MARGIN_S, 10);
}

static bool may_ask(const struct auth_grant *g)
{
    return clock_mono_ms() >= g->retry_ms;
}

static bool is_worn(const struct auth_grant *g, bool refused)
{
    return refused && buf_len(&g->access) > 0 &&
           clock_mono_ms() - g->got_ms >= AUTH_GRANT_RETRY_S * 1000u;
}

/* ---- asking ---- */

/* 0: token_out. Else why holds what is logged, and fault what the relay tells. */
static int ask(struct auth_grant *g, struct sv refresh_token, struct auth_token *token_out,
               struct buf *why, struct buf *fault)
{
    struct auth_fetch f = {.url = g->url, .ca_pem = g->issuer.ca_pem, .user = ""};
    struct buf form, answer, refusal;
    int err, cut = 0;

    buf_init(&form, AUTH_TOKEN_FORM_MAX, BUF_SECRET);
    buf_init(&answer, AUTH_TOKEN_ANSWER_MAX, BUF_SECRET);
    buf_init(&refusal, 1024, 0);
    err = auth_token_form(&form, &g->issuer, refresh_token);
    f.form = buf_view(&form).ptr;
    if (err < 0)
        cut = buf_printf(why, "what is to be asked is too long");
    else
        err = auth_fetch(&f, &answer, why);
    if (err == 0)
        err = auth_token_read(buf_view(&answer), token_out, why);
    else if (err == -EPROTO)
        auth_token_refusal(buf_view(&answer), &g->issuer, refresh_token, &refusal);
    if (err < 0 && cut == 0)
        cut = buf_put(fault, buf_view(why));
    if (err < 0 && cut == 0 && buf_len(&refusal) > 0) {
        struct sv words = buf_view(&refusal), word = sv_split(&words, ' ');

        cut = buf_printf(fault, ": %.*s", SV_ARG(word));
        if (cut == 0)
            cut = buf_printf(why, ": %.*s", SV_ARG(buf_view(&refusal)));
    }
    (void)cut; /* a sentence that does not fit is still a reason */
    buf_deinit(&form);
    buf_deinit(&answer);
    buf_deinit(&refusal);
    return err;
}

/* Under the lock, which it gives away while it asks. */
static int fetch(struct auth_grant *g)
{
    struct auth_token token;
    struct sv refresh_token = SV_NONE;
    struct buf why, fault;
    int err;

    auth_token_init(&token);
    buf_init(&why, 2048, 0);
    buf_init(&fault, AUTH_GRANT_WORDS_MAX, 0);
    g->is_fetching = true;
    pthread_mutex_unlock(&g->lock);
    if (g->refresh != NULL)
        refresh_token = auth_refresh_begin(g->refresh);
    err = ask(g, refresh_token, &token, &why, &fault);
    if (g->refresh != NULL)
        auth_refresh_end(g->refresh, err == 0 ? buf_view(&token.refresh) : SV_NONE);
    pthread_mutex_lock(&g->lock);
    g->is_fetching = false;
    snprintf(g->fault, sizeof(g->fault), "%.*s", SV_ARG(buf_view(&fault)));
    g->retry_ms = err < 0 ? clock_mono_ms() + AUTH_GRANT_RETRY_S * 1000u : 0;
    if (err == 0) {
        buf_reset(&g->access);
        REQUIRE(buf_put(&g->access, buf_view(&token.access)) == 0); /* the same maximum */
        g->got_ms = clock_mono_ms();
        g->life_ms = token.life_s * 1000ull;
        log_event(LOG_INFO, "token", NULL, "%s: a token for %lu s from %s", g->user,
                  (unsigned long)token.life_s, g->url);
    } else {
        log_event(LOG_ERROR, "token-issuer", NULL, "%s: no token from %s: %.*s", g->user, g->url,
                  SV_ARG(buf_view(&why)));
    }
    pthread_cond_broadcast(&g->fetched);
    auth_token_deinit(&token);
    buf_deinit(&why);
    buf_deinit(&fault);
    return err;
}

bool auth_grant_is_ready(struct auth_grant *g, bool refused)
{
    bool ready;

    pthread_mutex_lock(&g->lock);
    ready = !is_worn(g, refused) && is_fresh(g);
    pthread_mutex_unlock(&g->lock);
    return ready;
}

int auth_grant_take(struct auth_grant *g, bool refused, struct buf *out, struct buf *why)
{
    int err = 0, cut = 0;
    bool has_asked = false;

    pthread_mutex_lock(&g->lock);
    if (is_worn(g, refused))
        buf_reset(&g->access);
    while (!has_asked && !is_fresh(g)) {
        if (g->is_fetching && !is_good(g)) {
            pthread_cond_wait(&g->fetched, &g->lock);
            continue;
        }
        has_asked = true;
        if (!g->is_fetching && may_ask(g))
            err = fetch(g);
    }
    if (is_good(g)) {
        err = buf_put(out, buf_view(&g->access));
    } else {
        err = err < 0 ? err : ERR_NOT_FOUND;
        cut = buf_printf(why, "the issuer gave no token: %s", g->fault);
    }
    (void)cut;
    pthread_mutex_unlock(&g->lock);
    return err;
}

static void tell(struct auth_grant *g, struct auth_tokens *out)
{
    struct auth_tokens_entry e = {.user = g->user, .url = g->url, .fault = g->fault};
    uint64_t age_ms;

    pthread_mutex_lock(&g->lock);
    age_ms = clock_mono_ms() - g->got_ms;
    if (buf_len(&g->access) > 0 && age_ms < g->life_ms)
        e.left_s = (uint32_t)((g->life_ms - age_ms + 999) / 1000);
    auth_tokens_add(out, &e);
    pthread_mutex_unlock(&g->lock);
}

void auth_grants_tell(struct auth_grants *s, struct auth_tokens *out)
{
    struct auth_grant *g;

    DL_FOREACH(s->all, g)
    {
        tell(g, out);
    }
}
