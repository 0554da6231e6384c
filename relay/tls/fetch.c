#include "relay/tls/fetch.h"

#include "msa/base/arena.h"
#include "msa/base/mem.h"

#include <stdlib.h>

enum { V4, V6, FAMILIES };

struct fetch {
    struct fetch_world world;
    struct https_ask ask;
    struct dns_query *queries[FAMILIES];
    struct https_request *request;
    struct ip addresses[HTTPS_ADDRESSES_MAX];
    struct arena arena;
    const char *trouble; /* of a look-up, or NULL */
    bool filtered;       /* an address was left out */
    void (*on_done)(void *arg, const struct https_answer *answer);
    void *arg;
};

void fetch_cancel(struct fetch *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < FAMILIES; i++)
        if (f->queries[i])
            dns_cancel(f->queries[i]);
    if (f->request)
        https_cancel(f->request);
    tls_ctx_drop(f->ask.trust);
    arena_deinit(&f->arena);
    free(f);
}

static void finish(struct fetch *f, const struct https_answer *answer)
{
    f->request = NULL;
    f->on_done(f->arg, answer);
    fetch_cancel(f);
}

static void on_answered(void *arg, const struct https_answer *answer)
{
    finish(arg, answer);
}

static void connect_to(struct fetch *f)
{
    struct https_answer none = {.end = HTTPS_FAILED, .content_type = ""};
    if (f->ask.naddresses) {
        f->request = https_start(f->world.https, &f->ask, on_answered, f);
        return;
    }
    none.text = arena_printf(&f->arena, "%s: %s", f->ask.host,
                             f->trouble    ? f->trouble
                             : f->filtered ? "none of its addresses may be connected to"
                                           : "it has no address");
    finish(f, &none);
}

/* In the order of the answers: libcurl tries the other family soon by itself. */
static void add_addresses(struct fetch *f, const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->nrecords && f->ask.naddresses < HTTPS_ADDRESSES_MAX; i++) {
        const struct ip *ip = &answer->records[i].ip;
        if (!f->world.allow_loopback && ip_is_forbidden_target(ip))
            f->filtered = true;
        else
            f->addresses[f->ask.naddresses++] = *ip;
    }
}

static void take(struct fetch *f, size_t family, const struct dns_answer *answer)
{
    f->queries[family] = NULL;
    if (answer->status == DNS_OK)
        add_addresses(f, answer);
    else if (answer->status == DNS_TEMPFAIL || answer->status == DNS_BOGUS)
        f->trouble = arena_str(&f->arena, sv_of(answer->text));
    if (!f->queries[V4] && !f->queries[V6])
        connect_to(f);
}

static void on_v4(void *arg, const struct dns_answer *answer)
{
    take(arg, V4, answer);
}

static void on_v6(void *arg, const struct dns_answer *answer)
{
    take(arg, V6, answer);
}

struct fetch *fetch_start(const struct fetch_world *w, const struct https_ask *ask,
                          void (*on_done)(void *arg, const struct https_answer *answer), void *arg)
{
    struct fetch *f = NEW(struct fetch);
    arena_init(&f->arena);
    f->world = *w;
    f->ask = *ask;
    f->ask.host = arena_str(&f->arena, sv_of(ask->host));
    f->ask.target = arena_str(&f->arena, sv_of(ask->target));
    f->ask.post_type = ask->post_type ? arena_str(&f->arena, sv_of(ask->post_type)) : NULL;
    f->ask.post = arena_sv(&f->arena, ask->post);
    f->ask.addresses = f->addresses;
    f->ask.naddresses = 0;
    f->ask.trust = tls_ctx_keep(w->trust);
    f->on_done = on_done;
    f->arg = arg;
    f->queries[V4] = dns_query(w->dns, f->ask.host, DNS_A, w->dns_timeout_ms, on_v4, f);
    if (w->ipv6)
        f->queries[V6] = dns_query(w->dns, f->ask.host, DNS_AAAA, w->dns_timeout_ms, on_v6, f);
    return f;
}
