/*
 * The planner: bytes choose its input, the order in which its questions are answered, and each
 * answer, out of few names so that they meet. Whatever DNS says, it comes to an end within its
 * bounds, connects to nothing that is forbidden, and keeps the order that its header promises.
 */
#include "msa/base/require.h"
#include "relay/route/route.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX 256 /* more questions than a planner can have */

static const char *const names[] = {"a.test", "b.test",  "c.test", "x.b.test",
                                    "d.test", "ab.test", "",       "mx.a.test"};

struct script {
    const uint8_t *at, *end;
};

static unsigned take(struct script *s, unsigned below)
{
    return s->at == s->end ? 0 : *s->at++ % below;
}

static const char *take_name(struct script *s)
{
    return names[take(s, sizeof names / sizeof *names)];
}

static struct ip take_ip(struct script *s, enum ip_family family)
{
    static const char *const v4[] = {"192.0.2.1", "192.0.2.2", "127.0.0.1",
                                     "0.0.0.0",   "224.0.0.1", "169.254.0.1"};
    static const char *const v6[] = {"2001:db8::1", "2001:db8::2", "::1",
                                     "::",          "fe80::1",     "::ffff:192.0.2.1"};
    struct ip ip;
    bool ok = ip_parse(sv_of((family == IP_V4 ? v4 : v6)[take(s, 6)]), &ip);
    REQUIRE(ok);
    return ip;
}

static struct dns_record take_record(struct script *s, enum dns_type type)
{
    static const uint16_t preferences[] = {0, 10, 12801, 12816, 13041, 65535};
    static const uint16_t ports[] = {25, 2525, 0, 209};
    static const char digest[64];
    struct dns_record r = {.name = ""};
    switch (type) {
    case DNS_A:
        r.ip = take_ip(s, IP_V4);
        break;
    case DNS_AAAA:
        r.ip = take_ip(s, IP_V6);
        break;
    case DNS_TLSA:
        r.usage = (uint8_t)take(s, 5);
        r.selector = (uint8_t)take(s, 3);
        r.matching = (uint8_t)take(s, 4);
        r.text = (struct sv){digest, take(s, 3) * 32};
        break;
    default:
        r.preference = preferences[take(s, 6)];
        r.weight = (uint16_t)take(s, 256);
        r.port = ports[take(s, 4)];
        r.name = take_name(s);
    }
    return r;
}

static void answer(struct route *r, const struct route_question *q, struct script *s)
{
    static const enum dns_status statuses[] = {DNS_OK,       DNS_OK,       DNS_OK,   DNS_NODATA,
                                               DNS_NXDOMAIN, DNS_TEMPFAIL, DNS_BOGUS};
    /* what a decoder gives is never more, and never nothing beside DNS_OK */
    struct dns_record *records = calloc(DNS_RECORDS_MAX, sizeof *records);
    REQUIRE(records);
    struct dns_answer a = {.status = statuses[take(s, 7)], .records = records};
    a.secure = take(s, 2);
    a.ttl_s = take(s, 256) * 100;
    a.canonical = take(s, 4) ? NULL : "canonical.test";
    if (a.status == DNS_OK) {
        size_t n = take(s, 40) + 1;
        a.nrecords = n == 40 ? DNS_RECORDS_MAX : n;
        for (size_t i = 0; i < a.nrecords; i++)
            records[i] = take_record(s, q->type);
    }
    route_answer(r, q->id, &a);
    free(records);
}

static void policy(struct route *r, const struct route_question *q, struct script *s)
{
    const char *mx[] = {take_name(s), "*.test"};
    struct sts_policy p = {.mode = (enum sts_mode)take(s, 3), .mx = mx, .nmx = 1 + take(s, 2)};
    struct sts_answer a = {.status = (enum sts_status)take(s, 3), .left_s = 1, .why = "why"};
    if (a.status == STS_PRESENT)
        a.policy = &p;
    route_policy(r, q->id, &a);
}

static bool worked(void *arg, const char *host)
{
    return take(arg, 2) && host[0] == 'a';
}

static void check_attempt(const struct route_input *in, const struct route_attempt *t)
{
    REQUIRE(in->ntargets > 0 || in->allow_loopback || !ip_is_forbidden_target(&t->to.ip));
    REQUIRE(t->via != ROUTE_VIA_STATIC || in->ntargets > 0);
    REQUIRE(in->ipv6 || t->to.ip.family == IP_V4 || in->ntargets > 0);
    REQUIRE((t->tls == ROUTE_TLS_BARRED) == (t->barred != NULL));
    REQUIRE((t->tls == ROUTE_TLS_DANE) == (t->ntlsa > 0));
    REQUIRE(t->rule != ROUTE_RULE_DANE || in->dane);
    REQUIRE(t->rule != ROUTE_RULE_STS || in->mta_sts);
    if (t->protocol == ROUTE_QMTP)
        REQUIRE(in->mxps && t->via == ROUTE_VIA_MX && t->tls == ROUTE_TLS_NONE &&
                t->rule == ROUTE_RULE_NONE && t->to.port == 209);
    if (t->via == ROUTE_VIA_MX6)
        REQUIRE(in->mx6 == ROUTE_MX6_ASK && t->protocol == ROUTE_SMTP &&
                (t->to.port == 25 || t->to.port == 2525));
}

static void check_order(const struct route_plan *p, size_t i)
{
    const struct route_attempt *t = &p->attempts[i], *before = i ? t - 1 : NULL;
    if (t->protocol == ROUTE_QMTP) {
        REQUIRE(i + 1 < p->nattempts && t[1].protocol == ROUTE_SMTP && t[1].to.port == 25);
        REQUIRE(ip_eq(&t->to.ip, &t[1].to.ip) && t->host_index == t[1].host_index);
    }
    if (!before)
        return;
    REQUIRE(t->host_index >= before->host_index);
    REQUIRE(t->via != ROUTE_VIA_MX6 || before->via == ROUTE_VIA_MX6);
    if (t->host_index == before->host_index) {
        REQUIRE(strcmp(t->host, before->host) == 0);
        REQUIRE(t->to.ip.family <= before->to.ip.family); /* IPv6 before IPv4 */
    } else if (t->via == ROUTE_VIA_MX6) {
        REQUIRE(t->to.ip.family == IP_V6); /* each target begins with it */
    }
}

static void check_plan(const struct route_input *in, const struct route_plan *p)
{
    REQUIRE(p->nattempts <= ROUTE_ATTEMPTS_MAX);
    REQUIRE((p->verdict == ROUTE_DELIVER) == (p->nattempts > 0));
    REQUIRE((p->verdict == ROUTE_DELIVER) == (p->site != NULL));
    REQUIRE(p->verdict == ROUTE_DELIVER || (p->status && p->text));
    REQUIRE(p->ttl_s >= 30 && p->ttl_s <= 3600);
    REQUIRE(p->nsteps <= 500 && (in->explain || p->nsteps == 0));
    bool usable = false;
    for (size_t i = 0; i < p->nattempts; i++) {
        check_attempt(in, &p->attempts[i]);
        check_order(p, i);
        usable = usable || p->attempts[i].tls != ROUTE_TLS_BARRED;
    }
    if (p->verdict == ROUTE_DELIVER)
        REQUIRE(usable == (p->status == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const domains[] = {"a.test", "[192.0.2.1]", "[127.0.0.1]", "[IPv6:::1]"};
    static const uint16_t ports[] = {25, 2525};
    static const struct ip_port listener = {{.family = IP_V4, .bytes = {192, 0, 2, 2}}, 25};
    struct script s = {data, data + size};
    struct route_question out[OUT_MAX];
    size_t n = 0, asked = 0;
    unsigned flags = take(&s, 256);
    struct route_target target = {.host = "a.test", .port = 25};
    struct route_input in = {.domain = domains[take(&s, 8) % 5 % 4],
                             .targets = &target,
                             .ntargets = take(&s, 8) == 7,
                             .credentials = -1,
                             .static_name = "route",
                             .ipv6 = !(flags & 1),
                             .allow_loopback = flags & 2,
                             .mx6 = (enum route_mx6)(flags >> 2 & 3),
                             .mx6_ports = ports,
                             .nmx6_ports = 2,
                             .mxps = !(flags & 16),
                             .dane = !(flags & 32),
                             .mta_sts = !(flags & 64),
                             .tls_worked = worked,
                             .arg = &s,
                             .listeners = &listener,
                             .nlisteners = 1,
                             .seed = flags,
                             .explain = flags & 128};
    struct route *r = route_new(&in);
    while (!route_is_done(r)) {
        while (route_next(r, &out[n])) {
            n++;
            REQUIRE(++asked < OUT_MAX);
        }
        if (take(&s, 8) == 7 && route_waits_for_mx6(r)) {
            route_mx6_late(r);
            continue;
        }
        REQUIRE(n > 0); /* something is always out */
        size_t i = take(&s, 256) % n;
        struct route_question q = out[i];
        out[i] = out[--n];
        if (!route_is_open(r, q.id))
            continue;
        if (q.kind == ROUTE_ASK_POLICY)
            policy(r, &q, &s);
        else
            answer(r, &q, &s);
    }
    check_plan(&in, route_plan(r));
    route_free(r);
    return 0;
}
