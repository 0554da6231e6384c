/*
 * The order of attempts for one domain.
 *
 *     static route? ---- its targets: addresses of each ------------------------.
 *     address literal? - itself -------------------------------------------------|
 *     MX --- NXDOMAIN: failed 5.1.2; null MX: failed 5.1.10; error: deferred     |
 *        |-- records: sorted, equal ones shuffled, addresses of each host -------|
 *        `-- none: the domain itself, preference 0 (implicit MX) ----------------|
 *                                                                                `-- finish()
 * finish() cuts the list at ourselves, filters, and orders. All addresses are asked for at once.
 * Nothing is decided before all have come, so that the order of answers changes nothing.
 */
#include "relay/route/route.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMTP_PORT     25
#define TTL_MIN_S     60
#define TTL_MAX_S     3600
#define TTL_DEFER_S   30 /* how long a failed look-up is believed */
#define STEPS_MAX     200
#define QUESTIONS_MAX (1 + 2 * ROUTE_HOSTS_MAX)

struct host {
    const char *name;
    struct ip ip; /* named by address: no question */
    uint16_t preference, port;
    enum route_protocol protocol;
    bool implicit_tls;
    enum route_tls tls;
    bool error;  /* a look-up failed */
    bool exists; /* it has an address, be it one that we may not use */
    struct ip *addresses;
    size_t naddresses;
};

struct question {
    struct route_question q;
    struct host *host; /* NULL: the MX question */
    bool asked, answered;
};

struct route {
    struct arena arena;
    struct route_input input;
    struct host hosts[ROUTE_HOSTS_MAX];
    size_t nhosts;
    struct question questions[QUESTIONS_MAX];
    size_t nquestions, nanswered;
    bool done;
    uint64_t seed;
    struct route_step steps[STEPS_MAX];
    struct route_plan plan;
};

static uint64_t next_random(struct route *r)
{
    /* splitmix64 */
    uint64_t z = r->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void add_step(struct route *r, const char *step, const char *said, const char *why)
{
    if (r->plan.nsteps == STEPS_MAX)
        return;
    r->steps[r->plan.nsteps++] = (struct route_step){step, said, why};
}

static void finish_with(struct route *r, enum route_verdict verdict, const char *status,
                        const char *text)
{
    r->done = true;
    r->plan.verdict = verdict;
    r->plan.status = status;
    r->plan.text = text;
    if (verdict == ROUTE_DEFERRED)
        r->plan.ttl_s = TTL_DEFER_S;
    else if (r->plan.ttl_s < TTL_MIN_S)
        r->plan.ttl_s = TTL_MIN_S;
    add_step(r, "verdict", arena_printf(&r->arena, "%s %s", status, text),
             verdict == ROUTE_FAILED ? "the message is returned" : "tried again later");
}

static void lower_ttl(struct route *r, const struct dns_answer *a)
{
    if (a->ttl_s < r->plan.ttl_s)
        r->plan.ttl_s = a->ttl_s;
}

/* ---- questions ---- */

static void ask(struct route *r, struct host *host, const char *name, enum dns_type type)
{
    REQUIRE(r->nquestions < QUESTIONS_MAX);
    struct question *q = &r->questions[r->nquestions];
    *q = (struct question){.q = {(uint32_t)r->nquestions, name, type}, .host = host};
    r->nquestions++;
}

static struct host *add_host(struct route *r, const char *name, uint16_t port)
{
    if (r->nhosts == ROUTE_HOSTS_MAX)
        return NULL;
    struct host *h = &r->hosts[r->nhosts++];
    *h = (struct host){.name = name, .port = port, .tls = ROUTE_TLS_OPPORTUNISTIC};
    return h;
}

static void add_address(struct route *r, struct host *h, const struct ip *ip)
{
    struct ip *more = arena_alloc(&r->arena, (h->naddresses + 1) * sizeof *more);
    if (h->naddresses)
        memcpy(more, h->addresses, h->naddresses * sizeof *more);
    more[h->naddresses++] = *ip;
    h->addresses = more;
}

static void finish(struct route *r);

static void ask_addresses(struct route *r)
{
    for (size_t i = 0; i < r->nhosts; i++) {
        struct host *h = &r->hosts[i];
        if (h->ip.family != IP_NONE) {
            h->exists = true;
            add_address(r, h, &h->ip);
            continue;
        }
        if (r->input.ipv6)
            ask(r, h, h->name, DNS_AAAA);
        ask(r, h, h->name, DNS_A);
    }
    if (r->nquestions == r->nanswered)
        finish(r);
}

/* ---- the list of hosts ---- */

static void start_static(struct route *r)
{
    const struct route_input *in = &r->input;
    add_step(r, "static route", in->static_name, "the configuration names the next hop");
    for (size_t i = 0; i < in->ntargets; i++) {
        const struct route_target *t = &in->targets[i];
        struct host *h = add_host(r, t->host, t->port);
        if (!h)
            break;
        h->ip = t->ip;
        h->tls = t->tls;
        h->protocol = t->protocol;
        h->implicit_tls = t->implicit_tls;
    }
    ask_addresses(r);
}

static void start_literal(struct route *r)
{
    struct sv text = sv_of(r->input.domain);
    text = sv_first(sv_skip(text, 1), text.len - 2);
    if (sv_istarts(text, SV("IPv6:")))
        text = sv_skip(text, 5);
    struct ip ip;
    if (!ip_parse(text, &ip)) {
        finish_with(r, ROUTE_FAILED, "5.1.2", "the address literal is none that mail can go to");
        return;
    }
    add_step(r, "address literal", r->input.domain, "names its host itself");
    struct host *h = add_host(r, r->input.domain, SMTP_PORT);
    h->ip = ip;
    ask_addresses(r);
}

static void implicit_mx(struct route *r, const char *said)
{
    add_step(r, "mx", said, "the domain's own addresses are used (implicit MX)");
    add_host(r, r->input.domain, SMTP_PORT);
    ask_addresses(r);
}

static int by_preference(const void *a, const void *b)
{
    const struct dns_record *x = a, *y = b;
    return x->preference < y->preference ? -1 : x->preference > y->preference;
}

/* RFC 5321 5.1: equal preferences in random order. */
static struct dns_record *sorted(struct route *r, const struct dns_answer *a)
{
    struct dns_record *mx = arena_alloc(&r->arena, a->nrecords * sizeof *mx);
    memcpy(mx, a->records, a->nrecords * sizeof *mx);
    for (size_t i = a->nrecords - 1; i > 0; i--) {
        size_t j = (size_t)(next_random(r) % (i + 1));
        struct dns_record swap = mx[i];
        mx[i] = mx[j];
        mx[j] = swap;
    }
    /* insertion keeps the random order of equals, which qsort() need not */
    for (size_t i = 1; i < a->nrecords; i++)
        for (size_t j = i; j > 0 && by_preference(&mx[j - 1], &mx[j]) > 0; j--) {
            struct dns_record swap = mx[j];
            mx[j] = mx[j - 1];
            mx[j - 1] = swap;
        }
    return mx;
}

static bool has_host(const struct route *r, const char *name)
{
    for (size_t i = 0; i < r->nhosts; i++)
        if (strcmp(r->hosts[i].name, name) == 0)
            return true;
    return false;
}

static void use_mx(struct route *r, const struct dns_answer *a)
{
    if (a->nrecords == 1 && a->records[0].name[0] == '\0') {
        add_step(r, "mx", arena_printf(&r->arena, "%u .", a->records[0].preference), "null MX");
        finish_with(r, ROUTE_FAILED, "5.1.10", "the domain accepts no mail (null MX)");
        return;
    }
    struct dns_record *mx = sorted(r, a);
    for (size_t i = 0; i < a->nrecords; i++) {
        char *said =
            arena_printf(&r->arena, "%u %s", mx[i].preference, mx[i].name[0] ? mx[i].name : ".");
        if (mx[i].name[0] == '\0') {
            add_step(r, "mx", said, "not a host (RFC 7505 allows it only alone)");
        } else if (has_host(r, mx[i].name)) {
            add_step(r, "mx", said, "named before");
        } else {
            struct host *h = add_host(r, arena_str(&r->arena, sv_of(mx[i].name)), SMTP_PORT);
            if (!h) {
                add_step(r, "mx", said, "not used, nor are those after it: the list is too long");
                break;
            }
            h->preference = mx[i].preference;
            add_step(r, "mx", said, "its addresses are asked for");
        }
    }
    ask_addresses(r);
}

static void on_mx(struct route *r, const struct dns_answer *a)
{
    lower_ttl(r, a);
    if (a->canonical)
        add_step(r, "cname", arena_str(&r->arena, sv_of(a->canonical)), "followed");
    switch (a->status) {
    case DNS_OK:
        use_mx(r, a);
        return;
    case DNS_NODATA:
        implicit_mx(r, "none");
        return;
    case DNS_NXDOMAIN:
        finish_with(r, ROUTE_FAILED, "5.1.2", "the domain does not exist");
        return;
    case DNS_TEMPFAIL:
    case DNS_BOGUS:
        finish_with(r, ROUTE_DEFERRED, "4.4.3",
                    arena_printf(&r->arena, "look-up of MX for %s failed: %s", r->input.domain,
                                 a->text ? a->text : "no answer"));
        return;
    }
}

static void on_address(struct route *r, struct host *h, enum dns_type type,
                       const struct dns_answer *a)
{
    char text[IP_TEXT_MAX];
    char *what = arena_printf(&r->arena, "%s %s", h->name, dns_type_text(type));
    lower_ttl(r, a);
    if (a->status == DNS_TEMPFAIL || a->status == DNS_BOGUS) {
        h->error = true;
        add_step(r, "address",
                 arena_printf(&r->arena, "%s: %s", what, a->text ? a->text : "no answer"),
                 "the look-up failed");
        return;
    }
    if (a->status != DNS_OK)
        add_step(r, "address", what, a->status == DNS_NODATA ? "none" : "no such host");
    for (size_t i = 0; a->status == DNS_OK && i < a->nrecords; i++) {
        h->exists = true;
        if (h->naddresses < ROUTE_ATTEMPTS_MAX)
            add_address(r, h, &a->records[i].ip);
        add_step(r, "address",
                 arena_printf(&r->arena, "%s %s", what, ip_text(&a->records[i].ip, text)), "");
    }
}

/* ---- the plan ---- */

static bool is_ourselves(const struct route *r, const struct ip *ip, uint16_t port)
{
    const struct route_input *in = &r->input;
    static const uint8_t zero[16];
    for (size_t i = 0; i < in->nlisteners; i++) {
        const struct ip_port *l = &in->listeners[i];
        if (l->port != port)
            continue;
        if (ip_eq(&l->ip, ip))
            return true;
        if (memcmp(l->ip.bytes, zero, sizeof zero) != 0)
            continue;
        if (ip_is_loopback(ip))
            return true;
        for (size_t j = 0; j < in->nown_ips; j++)
            if (ip_eq(&in->own_ips[j], ip))
                return true;
    }
    return false;
}

/* RFC 5321 5.1: the list is cut at the preference where we ourselves stand. */
static bool cut_at_ourselves(struct route *r)
{
    for (size_t i = 0; i < r->nhosts; i++) {
        struct host *h = &r->hosts[i];
        for (size_t j = 0; j < h->naddresses; j++) {
            if (!is_ourselves(r, &h->addresses[j], h->port))
                continue;
            size_t first = i;
            while (first > 0 && r->hosts[first - 1].preference == h->preference)
                first--;
            add_step(r, "loop", h->name,
                     "that is this server: it and what stands behind it are not used");
            r->nhosts = first;
            return true;
        }
    }
    return false;
}

static void add_attempts(struct route *r, struct route_attempt *attempts, size_t *refused)
{
    bool is_static = r->input.ntargets > 0;
    /* of a host, IPv6 before IPv4: RFC 3974 3, step 5 */
    static const uint8_t families[] = {IP_V6, IP_V4};
    for (size_t i = 0; i < r->nhosts; i++) {
        struct host *h = &r->hosts[i];
        for (size_t f = 0; f < 2; f++) {
            for (size_t j = 0; j < h->naddresses; j++) {
                const struct ip *ip = &h->addresses[j];
                char text[IP_TEXT_MAX];
                if (ip->family != families[f] || r->plan.nattempts == ROUTE_ATTEMPTS_MAX)
                    continue;
                if (ip->family == IP_V6 && !r->input.ipv6 && !is_static)
                    continue;
                if (!is_static && !r->input.allow_loopback && ip_is_forbidden_target(ip)) {
                    ++*refused;
                    add_step(r, "filter",
                             arena_printf(&r->arena, "%s %s", h->name, ip_text(ip, text)),
                             "never connected to without relay.allow_loopback");
                    continue;
                }
                attempts[r->plan.nattempts++] =
                    (struct route_attempt){.host = h->name,
                                           .to = {*ip, h->port},
                                           .protocol = h->protocol,
                                           .via = is_static ? ROUTE_VIA_STATIC : ROUTE_VIA_MX,
                                           .host_index = (unsigned)i,
                                           .implicit_tls = h->implicit_tls,
                                           .tls = h->tls,
                                           .rule = is_static ? ROUTE_RULE_STATIC : ROUTE_RULE_NONE,
                                           .names = &h->name,
                                           .nnames = 1,
                                           .secure = is_static,
                                           .credentials = is_static ? r->input.credentials : -1};
            }
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *site_key(struct route *r)
{
    if (r->input.ntargets > 0)
        return arena_printf(&r->arena, "route %s", r->input.static_name);
    const char *names[ROUTE_HOSTS_MAX];
    size_t len = 1;
    for (size_t i = 0; i < r->nhosts; i++) {
        names[i] = r->hosts[i].name;
        len += strlen(names[i]) + 1;
    }
    qsort(names, r->nhosts, sizeof *names, by_text);
    char *key = arena_alloc(&r->arena, len), *at = key;
    for (size_t i = 0; i < r->nhosts; i++)
        at += sprintf(at, i ? ",%s" : "%s", names[i]);
    return key;
}

static const char *protocol_text(const struct route_attempt *a)
{
    if (a->protocol == ROUTE_QMTP)
        return a->implicit_tls ? "QMTP over TLS" : "QMTP, clear text";
    return a->implicit_tls ? "SMTP over TLS" : "SMTP";
}

static void finish(struct route *r)
{
    struct route_attempt *attempts = arena_alloc(&r->arena, ROUTE_ATTEMPTS_MAX * sizeof *attempts);
    bool error = false, exists = false;
    size_t refused = 0;
    for (size_t i = 0; i < r->nhosts; i++) {
        error = error || r->hosts[i].error;
        exists = exists || r->hosts[i].exists;
    }
    bool looped = r->input.ntargets == 0 && cut_at_ourselves(r);
    add_attempts(r, attempts, &refused);
    if (r->plan.nattempts > 0) {
        r->plan.verdict = ROUTE_DELIVER;
        r->plan.attempts = attempts;
        r->plan.site = site_key(r);
        if (r->plan.ttl_s < TTL_MIN_S)
            r->plan.ttl_s = TTL_MIN_S;
        r->done = true;
        for (size_t i = 0; i < r->plan.nattempts; i++) {
            char text[IP_TEXT_MAX];
            add_step(r, "attempt",
                     arena_printf(&r->arena, "%s %s", attempts[i].host,
                                  ip_port_text(&attempts[i].to, text)),
                     protocol_text(&attempts[i]));
        }
    } else if (error) {
        finish_with(r, ROUTE_DEFERRED, "4.4.3", "look-up of an address of the mail hosts failed");
    } else if (looped) {
        finish_with(r, ROUTE_FAILED, "5.4.6", "the mail would loop back to this server");
    } else if (refused > 0) {
        finish_with(r, ROUTE_FAILED, "5.4.4",
                    "all addresses of the domain's mail hosts are refused here "
                    "(relay.allow_loopback)");
    } else if (r->input.ntargets > 0) {
        finish_with(r, ROUTE_DEFERRED, "4.4.4", "no host of the configured route has an address");
    } else {
        finish_with(r, ROUTE_FAILED, "5.4.4",
                    exists ? "no mail host of the domain has an address that can be used"
                           : "no mail host of the domain has an address");
    }
}

/* ---- interface ---- */

static void copy_input(struct route *r, const struct route_input *in)
{
    struct route_target *targets = arena_alloc(&r->arena, (in->ntargets + 1) * sizeof *targets);
    struct ip_port *listeners = arena_alloc(&r->arena, (in->nlisteners + 1) * sizeof *listeners);
    struct ip *own = arena_alloc(&r->arena, (in->nown_ips + 1) * sizeof *own);
    for (size_t i = 0; i < in->ntargets; i++) {
        targets[i] = in->targets[i];
        targets[i].host = arena_str(&r->arena, sv_of(in->targets[i].host));
    }
    if (in->nlisteners)
        memcpy(listeners, in->listeners, in->nlisteners * sizeof *listeners);
    if (in->nown_ips)
        memcpy(own, in->own_ips, in->nown_ips * sizeof *own);
    r->input = *in;
    r->input.targets = targets;
    r->input.listeners = listeners;
    r->input.own_ips = own;
    r->input.domain = arena_str(&r->arena, sv_of(in->domain));
    r->input.static_name = arena_str(&r->arena, sv_of(in->static_name));
}

struct route *route_new(const struct route_input *input)
{
    struct route *r = NEW(struct route);
    arena_init(&r->arena);
    copy_input(r, input);
    r->seed = input->seed;
    r->plan.ttl_s = TTL_MAX_S;
    r->plan.steps = r->steps;
    if (input->ntargets > 0)
        start_static(r);
    else if (input->domain[0] == '[')
        start_literal(r);
    else
        ask(r, NULL, r->input.domain, DNS_MX);
    return r;
}

void route_free(struct route *r)
{
    if (!r)
        return;
    arena_deinit(&r->arena);
    free(r);
}

bool route_next(struct route *r, struct route_question *out)
{
    for (size_t i = 0; i < r->nquestions; i++) {
        if (r->questions[i].asked)
            continue;
        r->questions[i].asked = true;
        *out = r->questions[i].q;
        return true;
    }
    return false;
}

void route_answer(struct route *r, uint32_t id, const struct dns_answer *answer)
{
    REQUIRE(id < r->nquestions && r->questions[id].asked && !r->questions[id].answered);
    struct question *q = &r->questions[id];
    q->answered = true;
    r->nanswered++;
    if (!q->host) {
        on_mx(r, answer);
        return;
    }
    on_address(r, q->host, q->q.type, answer);
    if (r->nanswered == r->nquestions)
        finish(r);
}

bool route_is_done(const struct route *r)
{
    return r->done;
}

const struct route_plan *route_plan(const struct route *r)
{
    REQUIRE(r->done);
    return &r->plan;
}
