#include "relay/tls/results.h"

#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_MS     60000
#define POLICIES_MAX 8
#define DETAILS_MAX  50
#define REASON_BYTES 200
#define POLICY_BYTES 8192 /* of the text of a policy; the lines beyond are left out */
#define VALUE_BYTES  (1u << 20)

struct tls_results {
    struct timer timer;
    struct keep *keep;
    struct tls_group *groups;
    size_t count;
};

/* ---- groups ---- */

static char *key_of(int64_t day, const char *domain)
{
    size_t size = strlen(domain) + 32;
    char *key = mem_new(size, 1);
    snprintf(key, size, "%lld %s", (long long)day, domain);
    return key;
}

struct tls_group *tls_results_find(struct tls_results *r, int64_t day, const char *domain)
{
    struct tls_group *g;
    char *key = key_of(day, domain);
    HASH_FIND_STR(r->groups, key, g);
    free(key);
    return g;
}

static struct tls_group *add_group(struct tls_results *r, int64_t day, const char *domain)
{
    struct tls_group *g = tls_results_find(r, day, domain);
    if (g || r->count == RESULTS_GROUPS_MAX)
        return g;
    g = NEW(struct tls_group);
    g->day = day;
    g->domain = mem_str(domain);
    g->key = key_of(day, domain);
    g->policies = json_array();
    HASH_ADD_KEYPTR(hh, r->groups, g->key, strlen(g->key), g);
    r->count++;
    return g;
}

static void free_group(struct tls_results *r, struct tls_group *g)
{
    HASH_DEL(r->groups, g);
    r->count--;
    json_decref(g->policies);
    free(g->domain);
    free(g->key);
    free(g);
}

void tls_results_drop(struct tls_results *r, struct tls_group *g)
{
    if (r->keep)
        keep_remove(r->keep, KEEP_RESULT, sv_of(g->key));
    free_group(r, g);
}

void tls_results_clear(struct tls_results *r)
{
    struct tls_group *g, *tmp;
    HASH_ITER(hh, r->groups, g, tmp)
    {
        if (!g->sending)
            tls_results_drop(r, g);
    }
}

void tls_results_each(struct tls_results *r, int64_t day,
                      void (*each)(void *arg, struct tls_group *g), void *arg)
{
    struct tls_group *g, *tmp;
    HASH_ITER(hh, r->groups, g, tmp)
    {
        if (g->day < day)
            each(arg, g);
    }
}

size_t tls_results_count(const struct tls_results *r)
{
    return r->count;
}

/* ---- what is kept ---- */

static void write_changed(struct tls_results *r)
{
    struct tls_group *g, *tmp;
    HASH_ITER(hh, r->groups, g, tmp)
    {
        char *text = g->changed && r->keep ? json_dumps(g->policies, JSON_COMPACT) : NULL;
        if (text && strlen(text) <= VALUE_BYTES)
            keep_put(r->keep, KEEP_RESULT, sv_of(g->key), sv_of(text));
        g->changed = false;
        free(text);
    }
}

static void on_timer(void *arg)
{
    struct tls_results *r = arg;
    write_changed(r);
    timer_start(&r->timer, WRITE_MS);
}

void tls_results_remember(struct tls_results *r, struct sv key, struct sv value)
{
    struct sv domain = key;
    uint64_t day;
    json_t *policies = json_loadb(value.ptr, value.len, 0, NULL);
    if (!json_is_array(policies) || !sv_u64(sv_split(&domain, ' '), INT32_MAX, &day) ||
        domain.len == 0) {
        json_decref(policies);
        return;
    }
    char *name = sv_dup(domain);
    struct tls_group *g = add_group(r, (int64_t)day, name);
    free(name);
    if (!g) {
        json_decref(policies);
        return;
    }
    json_decref(g->policies);
    g->policies = policies;
}

void tls_results_set_keep(struct tls_results *r, struct keep *keep)
{
    r->keep = keep;
}

/* ---- events ---- */

static json_t *text_of(const char *text)
{
    json_t *s = json_string(text);
    return s ? s : json_string("?"); /* not UTF-8 */
}

static json_t *list_of(const char *const *texts, size_t n)
{
    json_t *list = json_array();
    size_t bytes = 0;
    for (size_t i = 0; i < n && bytes < POLICY_BYTES; i++) {
        bytes += strlen(texts[i]);
        json_array_append_new(list, text_of(texts[i]));
    }
    return list;
}

/* RFC 8460 4.4: "policy". */
static json_t *policy_of(const struct tls_event *e, const struct sts_policy *p)
{
    static const char *const types[] = {[TLS_POLICY_NONE] = "no-policy-found",
                                        [TLS_POLICY_STS] = "sts",
                                        [TLS_POLICY_TLSA] = "tlsa"};
    const char *host = e->host;
    json_t *o =
        json_pack("{s:s, s:s}", "policy-type", types[e->policy], "policy-domain", e->domain);
    if (e->policy == TLS_POLICY_STS && p) {
        json_object_set_new(o, "policy-string", list_of(p->lines, p->nlines));
        json_object_set_new(o, "mx-host", list_of(p->mx, p->nmx));
    } else if (e->policy == TLS_POLICY_TLSA) {
        json_object_set_new(o, "policy-string", list_of(e->tlsa, e->ntlsa));
        json_object_set_new(o, "mx-host", list_of(&host, 1));
    }
    return o;
}

static json_t *find_policy(struct tls_group *g, const struct tls_event *e,
                           const struct sts_policy *p)
{
    json_t *policy = policy_of(e, p), *known;
    size_t i;
    json_array_foreach(g->policies, i, known)
    {
        if (!json_equal(json_object_get(known, "policy"), policy))
            continue;
        json_decref(policy);
        return known;
    }
    if (json_array_size(g->policies) == POLICIES_MAX) {
        json_decref(policy);
        return NULL;
    }
    known = json_pack("{s:o, s:{s:i, s:i}}", "policy", policy, "summary",
                      "total-successful-session-count", 0, "total-failure-session-count", 0);
    json_array_append_new(g->policies, known);
    return known;
}

static void count(json_t *object, const char *name)
{
    json_t *n = json_object_get(object, name);
    if (json_is_integer(n))
        json_integer_set(n, json_integer_value(n) + 1);
}

static json_t *detail_of(const struct tls_event *e)
{
    char address[IP_TEXT_MAX], reason[REASON_BYTES];
    json_t *o = json_pack("{s:s}", "result-type", e->result);
    if (e->local.family != IP_NONE)
        json_object_set_new(o, "sending-mta-ip", json_string(ip_text(&e->local, address)));
    if (*e->host)
        json_object_set_new(o, "receiving-mx-hostname", text_of(e->host));
    if (*e->helo)
        json_object_set_new(o, "receiving-mx-helo", text_of(e->helo));
    if (e->remote.family != IP_NONE)
        json_object_set_new(o, "receiving-ip", json_string(ip_text(&e->remote, address)));
    snprintf(reason, sizeof reason, "%s", e->reason);
    if (*reason)
        json_object_set_new(o, "failure-reason-code", text_of(reason));
    return o;
}

/* Equal but for the count. */
static bool is_same(const json_t *detail, json_t *known)
{
    json_t *copy = json_copy(known);
    json_object_del(copy, "failed-session-count");
    bool same = json_equal(copy, detail);
    json_decref(copy);
    return same;
}

static void add_detail(json_t *policy, const struct tls_event *e)
{
    json_t *list = json_object_get(policy, "failure-details"), *detail = detail_of(e), *known;
    size_t i;
    if (!list) {
        list = json_array();
        json_object_set_new(policy, "failure-details", list);
    }
    json_array_foreach(list, i, known)
    {
        if (!is_same(detail, known))
            continue;
        count(known, "failed-session-count");
        json_decref(detail);
        return;
    }
    json_object_set_new(detail, "failed-session-count", json_integer(1));
    if (json_array_size(list) < DETAILS_MAX)
        json_array_append(list, detail);
    json_decref(detail);
}

void tls_results_add(struct tls_results *r, const struct tls_event *e,
                     const struct sts_policy *policy)
{
    struct tls_group *g = add_group(r, clock_wall_s() / RESULTS_DAY_S, e->domain);
    json_t *p = g ? find_policy(g, e, policy) : NULL;
    if (!p)
        return;
    g->changed = true;
    count(json_object_get(p, "summary"),
          e->result ? "total-failure-session-count" : "total-successful-session-count");
    if (e->result)
        add_detail(p, e);
}

/* ---- life ---- */

struct tls_results *tls_results_new(struct loop *loop)
{
    struct tls_results *r = NEW(struct tls_results);
    timer_init(&r->timer, loop, on_timer, r);
    timer_start(&r->timer, WRITE_MS);
    return r;
}

void tls_results_free(struct tls_results *r)
{
    struct tls_group *g, *tmp;
    if (!r)
        return;
    write_changed(r);
    HASH_ITER(hh, r->groups, g, tmp)
    {
        free_group(r, g);
    }
    timer_stop(&r->timer);
    free(r);
}
