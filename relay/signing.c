#include "relay/signing.h"

#include "auth/client/client.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/throttle.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <utlist.h>

struct relay_signer {
    struct loop *loop;
    struct auth_client *auth;
    struct relay_signing *list;
    bool stopped;
};

/* One request to the keeper. */
struct asked {
    struct relay_signing *signing;
    uint64_t id; /* 0: answered */
    size_t index;
};

struct relay_signing {
    struct relay_signer *signer;
    struct rewrite_dkim *dkim;
    struct asked asked[REWRITE_DKIM_SIGNERS_MAX];
    size_t count, open;
    void (*on_signed)(void *arg);
    void *arg;
    struct timer timer;
    struct relay_signing *prev, *next;
};

struct relay_signer *relay_signer_new(struct loop *l, struct auth_client *auth)
{
    struct relay_signer *s = NEW(struct relay_signer);
    s->loop = l;
    s->auth = auth;
    return s;
}

void relay_signer_free(struct relay_signer *s)
{
    REQUIRE(!s || !s->list);
    free(s);
}

void relay_signing_cancel(struct relay_signing *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++)
        if (g->asked[i].id)
            auth_client_cancel(g->signer->auth, g->asked[i].id);
    timer_stop(&g->timer);
    DL_DELETE(g->signer->list, g);
    free(g);
}

/* With what is there by now. */
static void conclude(struct relay_signing *g)
{
    void (*on_signed)(void *arg) = g->on_signed;
    void *arg = g->arg;
    relay_signing_cancel(g);
    on_signed(arg);
}

static void on_timer(void *arg)
{
    conclude(arg);
}

static void on_answer(void *arg, uint64_t id, const struct auth_answer *answer)
{
    struct asked *a = arg;
    struct relay_signing *g = a->signing;
    (void)id;
    a->id = 0;
    g->open--;
    if (answer->verdict == AUTH_OK)
        rewrite_dkim_signed(g->dkim, a->index, answer->data);
    if (g->open == 0)
        conclude(g);
}

void relay_signer_stop(struct relay_signer *s)
{
    s->stopped = true;
    while (s->list)
        conclude(s->list);
}

struct relay_signing *relay_signing_start(struct relay_signer *s, struct rewrite_dkim *d,
                                          uint64_t wait_ms, void (*on_signed)(void *arg), void *arg)
{
    struct rewrite_dkim_request r;
    struct relay_signing *g = NULL;
    while (!s->stopped && rewrite_dkim_next(d, &r)) {
        if (!g) {
            g = NEW(struct relay_signing);
            *g = (struct relay_signing){.signer = s, .dkim = d, .on_signed = on_signed, .arg = arg};
            timer_init(&g->timer, s->loop, on_timer, g);
            timer_start(&g->timer, wait_ms);
            DL_APPEND(s->list, g);
        }
        struct asked *a = &g->asked[g->count++];
        a->signing = g;
        a->index = r.index;
        g->open++;
        a->id = auth_client_sign(s->auth, r.key->id, AUTH_SIGN_DKIM, r.hash, on_answer, a);
    }
    return g;
}

bool relay_signing_judge(const struct rewrite_dkim *d, const struct log_ctx *ctx)
{
    static _Atomic uint64_t next_ms;
    bool required;
    if (!rewrite_dkim_lacks(d, &required))
        return true;
    if (throttle_passes(&next_ms, clock_mono_ms()))
        log_event(LOG_WARNING, "dkim-unsigned", ctx,
                  "mail of %s %s: %s; is not told again for a minute",
                  d->domain[0] ? d->domain : "an unknown author",
                  required ? "is not taken" : "goes without a signature",
                  d->lack ? rewrite_dkim_lack_words(d->lack) : "the keeper could not sign");
    return !required;
}
