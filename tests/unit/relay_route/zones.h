/*
 * zones.h - what the planner makes of a zone, as one line of text.
 *
 * A zone is lines of "name TYPE data". Data "!" is a failed look-up, "bogus" one, "-" no such
 * record, "~" no answer ever; names that do not stand there do not exist. CNAME is followed. Types
 * that are no DNS: STS ("enforce mx.test *.x.test", "unknown", of a domain), WORKED (TLS did, at a
 * host).
 *
 * The plan: "deliver", or its verdict and status, "unsure" where it is, and the attempts in order,
 * each [mx6:][qmtp:]host=address:port[/level:rule][+secure][+testing[+unlisted]], level and rule
 * only where they are not opportunistic and none.
 */
#ifndef TESTS_UNIT_RELAY_ROUTE_ZONES_H
#define TESTS_UNIT_RELAY_ROUTE_ZONES_H

#include "relay/route/route.h"

#include "msa/base/mem.h"

#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ZONE_PLAN_MAX 2048

struct zone {
    const char *const *lines;        /* NULL at the end */
    const char *const *signed_names; /* these and what is below them; NULL at the end, or none */
};

static const uint16_t zone_mx6_ports[] = {25, 2525};

/* The rest of the n-th line for name and type; NULL: there is none. */
static inline const char *zone_line(const struct zone *z, struct sv name, const char *type,
                                    size_t n)
{
    for (const char *const *line = z->lines; *line; line++) {
        struct sv rest = sv_of(*line);
        if (sv_eq(sv_split(&rest, ' '), name) && sv_eq(sv_split(&rest, ' '), sv_of(type)) &&
            n-- == 0)
            return rest.ptr;
    }
    return NULL;
}

static inline bool zone_has_name(const struct zone *z, struct sv name)
{
    for (const char *const *line = z->lines; *line; line++)
        if (sv_eq(sv_first(sv_of(*line), sv_find(sv_of(*line), ' ')), name))
            return true;
    return false;
}

static inline bool zone_is_signed(const struct zone *z, struct sv name)
{
    for (const char *const *s = z->signed_names; s && *s; s++) {
        struct sv suffix = sv_of(*s);
        if (sv_eq(name, suffix) || (name.len > suffix.len && sv_iends(name, suffix) &&
                                    name.ptr[name.len - suffix.len - 1] == '.'))
            return true;
    }
    return false;
}

static inline struct sv zone_der(bool is_key, struct arena *a)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    unsigned char *der = NULL;
    assert_true(key && x && X509_set_pubkey(x, key));
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    int len = is_key ? i2d_PUBKEY(key, &der) : i2d_X509(x, &der);
    assert_true(len > 0);
    struct sv data = arena_sv(a, (struct sv){(const char *)der, (size_t)len});
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
    return data;
}

static inline uint16_t zone_number(struct sv *rest)
{
    uint64_t number = 0;
    assert_true(sv_u64(sv_split(rest, ' '), 65535, &number));
    return (uint16_t)number;
}

/* A length; "der" and a length: of an ASN.1 sequence; "key": a public key; "certificate". */
static inline struct sv zone_data(struct sv *rest, struct arena *a)
{
    struct sv kind = sv_split(rest, ' ');
    uint64_t len;
    if (sv_eq(kind, SV("key")) || sv_eq(kind, SV("certificate")))
        return zone_der(kind.ptr[0] == 'k', a);
    bool is_der = sv_eq(kind, SV("der"));
    assert_true(sv_u64(is_der ? *rest : kind, 65535, &len));
    uint8_t *data = arena_alloc(a, len + 1);
    if (is_der) {
        assert_true(len >= 4);
        data[0] = 0x30;
        data[1] = 0x82;
        data[2] = (uint8_t)((len - 4) >> 8);
        data[3] = (uint8_t)(len - 4);
    }
    return (struct sv){(char *)data, len};
}

static inline struct dns_record zone_record(enum dns_type type, const char *data, struct arena *a)
{
    struct dns_record r = {.name = ""};
    struct sv rest = sv_of(data);
    switch (type) {
    case DNS_SRV:
    case DNS_MX:
        r.preference = zone_number(&rest);
        if (type == DNS_SRV) {
            r.weight = zone_number(&rest);
            r.port = zone_number(&rest);
        }
        r.name = sv_eq(rest, SV(".")) ? "" : arena_str(a, rest);
        break;
    case DNS_CNAME:
        r.name = arena_str(a, rest);
        break;
    case DNS_TLSA:
        r.usage = (uint8_t)zone_number(&rest);
        r.selector = (uint8_t)zone_number(&rest);
        r.matching = (uint8_t)zone_number(&rest);
        r.text = zone_data(&rest, a);
        break;
    default:
        assert_true(ip_parse(rest, &r.ip));
    }
    return r;
}

/* False: no answer comes. */
static inline bool zone_answer(const struct zone *z, const struct route_question *q,
                               struct arena *a, struct dns_answer *out)
{
    struct dns_record *records = arena_alloc(a, 100 * sizeof *records);
    struct sv name = sv_of(q->name);
    const char *data;
    *out = (struct dns_answer){.ttl_s = 300, .records = records, .secure = zone_is_signed(z, name)};
    for (int hops = 0; q->type != DNS_CNAME && hops < 10; hops++) {
        const char *target = zone_line(z, name, "CNAME", 0);
        if (!target)
            break;
        name = sv_of(target);
        out->canonical = target;
        out->secure = out->secure && zone_is_signed(z, name);
    }
    out->status = zone_has_name(z, name) ? DNS_NODATA : DNS_NXDOMAIN;
    for (size_t n = 0; (data = zone_line(z, name, dns_type_text(q->type), n)) != NULL; n++) {
        if (strcmp(data, "-") == 0)
            break;
        if (strcmp(data, "~") == 0)
            return false;
        if (strcmp(data, "!") == 0 || strcmp(data, "bogus") == 0) {
            *out = (struct dns_answer){.status = data[0] == '!' ? DNS_TEMPFAIL : DNS_BOGUS,
                                       .text = data[0] == '!' ? "SERVFAIL" : "bad signature"};
            break;
        }
        out->status = DNS_OK;
        records[out->nrecords++] = zone_record(q->type, data, a);
    }
    return true;
}

static inline struct sts_answer zone_policy(const struct zone *z, const char *domain,
                                            struct arena *a)
{
    const char *line = zone_line(z, sv_of(domain), "STS", 0);
    if (!line)
        return (struct sts_answer){.status = STS_ABSENT, .left_s = 3600, .why = "no record"};
    struct sv rest = sv_of(line);
    if (sv_eq(rest, SV("unknown")))
        return (struct sts_answer){.status = STS_UNKNOWN, .left_s = 1, .why = "being fetched"};
    struct sts_policy *p = arena_alloc(a, sizeof *p);
    const char **mx = arena_alloc(a, 10 * sizeof *mx);
    struct sv mode = sv_split(&rest, ' ');
    p->mode = sv_eq(mode, SV("enforce"))   ? STS_MODE_ENFORCE
              : sv_eq(mode, SV("testing")) ? STS_MODE_TESTING
                                           : STS_MODE_NONE;
    while (rest.len)
        mx[p->nmx++] = arena_str(a, sv_split(&rest, ' '));
    p->mx = mx;
    return (struct sts_answer){STS_PRESENT, p, 3600, "fetched"};
}

static inline bool zone_worked(void *arg, const char *host)
{
    return zone_line(arg, sv_of(host), "WORKED", 0) != NULL;
}

static inline int zone_attempt(const struct route_attempt *t, char *out, size_t room)
{
    static const char *const levels[] = {"none",   "opportunistic", "require",
                                         "verify", "dane",          "barred"};
    static const char *const rules[] = {"none", "static", "dane", "sts", "memory"};
    static const char *const protocols[] = {"", "lmtp:", "qmtp:"};
    char text[IP_TEXT_MAX], level[64] = "";
    if (t->tls != ROUTE_TLS_OPPORTUNISTIC || t->rule != ROUTE_RULE_NONE)
        snprintf(level, sizeof level, "/%s:%s", levels[t->tls], rules[t->rule]);
    assert_true((t->tls == ROUTE_TLS_BARRED) == (t->barred != NULL));
    assert_true((t->tls == ROUTE_TLS_DANE) == (t->ntlsa > 0));
    bool checked = t->tls == ROUTE_TLS_VERIFY || t->tls == ROUTE_TLS_DANE || t->testing;
    /* a static host may be an address, and stands for itself */
    assert_true((checked && t->via != ROUTE_VIA_STATIC) == (t->nnames > 0));
    return snprintf(out, room, " %s%s%s=%s%s%s%s%s", t->via == ROUTE_VIA_MX6 ? "mx6:" : "",
                    protocols[t->protocol], t->host, ip_port_text(&t->to, text), level,
                    t->secure ? "+secure" : "", t->testing ? "+testing" : "",
                    t->unlisted ? "+unlisted" : "");
}

static inline void zone_write_plan(const struct route_plan *p, char out[ZONE_PLAN_MAX])
{
    const char *verdict = p->verdict == ROUTE_DELIVER  ? "deliver"
                          : p->verdict == ROUTE_FAILED ? "failed "
                                                       : "deferred ";
    int used = snprintf(out, ZONE_PLAN_MAX, "%s%s%s%s", verdict,
                        p->verdict == ROUTE_DELIVER && p->status ? " but " : "",
                        p->status ? p->status : "", p->unsure ? " unsure" : "");
    for (size_t i = 0; i < p->nattempts; i++)
        used += zone_attempt(&p->attempts[i], out + used, (size_t)(ZONE_PLAN_MAX - used));
    for (size_t i = 0; i < p->nsteps; i++)
        assert_true(p->steps[i].step && p->steps[i].asked && p->steps[i].said &&
                    p->steps[i].dnssec && p->steps[i].why);
}

/* The planner, done with the zone's answers given in order, or the latest question first. */
static inline struct route *zone_route(const struct zone *z, const struct route_input *input,
                                       bool backwards)
{
    struct route_question q[256];
    struct route_input in = *input;
    struct arena a;
    size_t n = 0;
    arena_init(&a);
    in.explain = true;
    in.tls_worked = zone_worked;
    in.arg = (void *)(uintptr_t)z;
    struct route *r = route_new(&in);
    while (!route_is_done(r)) {
        while (route_next(r, &q[n]))
            n++;
        bool told = false;
        for (size_t i = 0; i < n && !told; i++) {
            struct route_question now = q[backwards ? n - 1 - i : i];
            struct dns_answer answer;
            if (!route_is_open(r, now.id))
                continue;
            told = now.kind == ROUTE_ASK_POLICY || zone_answer(z, &now, &a, &answer);
            if (now.kind == ROUTE_ASK_POLICY) {
                struct sts_answer policy = zone_policy(z, now.name, &a);
                route_policy(r, now.id, &policy);
            } else if (told) {
                route_answer(r, now.id, &answer);
            }
        }
        if (!told) {
            assert_true(route_waits_for_mx6(r));
            route_mx6_late(r);
        }
    }
    arena_deinit(&a);
    return r;
}

static inline struct route_input zone_input(const char *domain)
{
    return (struct route_input){.domain = domain,
                                .static_name = "",
                                .credentials = -1,
                                .ipv6 = true,
                                .mx6_ports = zone_mx6_ports,
                                .nmx6_ports = 1,
                                .mxps = true,
                                .dane = true,
                                .mta_sts = true,
                                .seed = 1};
}

/* The plan is the expected one, in whatever order the answers come. */
static inline void zone_check(const struct zone *z, const struct route_input *in, const char *what,
                              const char *expected)
{
    for (int backwards = 0; backwards < 2; backwards++) {
        char got[ZONE_PLAN_MAX];
        struct route *r = zone_route(z, in, backwards);
        zone_write_plan(route_plan(r), got);
        route_free(r);
        if (strcmp(got, expected) != 0)
            fail_msg("%s%s: got \"%s\", not \"%s\"", what, backwards ? ", backwards" : "", got,
                     expected);
    }
}

/* Whether some step says so. */
static inline bool zone_says(const struct zone *z, const struct route_input *in, const char *words)
{
    struct route *r = zone_route(z, in, false);
    const struct route_plan *p = route_plan(r);
    bool found = false;
    for (size_t i = 0; i < p->nsteps && !found; i++)
        found = strstr(p->steps[i].said, words) || strstr(p->steps[i].why, words);
    route_free(r);
    return found;
}

#endif
