/*
 * One report under way is a struct sending:
 *
 *     TXT of _smtp._tls.DOMAIN --nobody asks--> dropped
 *       +--> JSON, gzip --> target 1 --taken--> dropped
 *                             +--------refused--> target 2 ... --none left--> again later
 *
 * The message is signed (relay/notice.h) and put; its way back finds the sending by its number,
 * because a reload may have given that up meanwhile.
 */
#include "relay/reports.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/smtp/path.h"
#include "relay/report_mail.h"
#include "relay/tls/tlsrpt_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LOOK_MS    60000
#define AGAIN_MS   UINT64_C(1800000) /* doubled each time */
#define GIVE_UP_MS UINT64_C(86400000)
#define POST_MS    60000
#define ANSWER_MAX 65536
#define MAIL_MAX   (2 * TLS_REPORT_MAX)

struct sending {
    struct relay_reports *reports;
    uint64_t number;
    int64_t day;
    char *domain;
    struct dns_query *query;
    struct fetch *fetch;
    struct arena arena;
    struct tlsrpt_target targets[TLSRPT_TARGETS_MAX];
    size_t ntargets, at;
    struct buf gzip;
    char id[QUEUE_ID_LEN + 1]; /* of the report */
    struct sending *next, *prev;
};

struct relay_reports {
    struct relay_reports_config config;
    struct fetch_world world;
    const char *from, *hostname;
    struct relay_notice_signer signer;
    struct timer timer;
    struct sending *list;
    size_t count;
    uint64_t last_number;
    bool stopped;
    struct relay_reports_stats stats;
};

static uint64_t now_of(const struct relay_reports *r)
{
    return loop_now_ms(r->config.loop);
}

static struct tls_group *group_of(struct sending *s)
{
    return tls_results_find(s->reports->config.results, s->day, s->domain);
}

/* ---- ends ---- */

static void sending_free(struct sending *s)
{
    struct tls_group *g = group_of(s);
    if (g)
        g->sending = false;
    if (s->query)
        dns_cancel(s->query);
    fetch_cancel(s->fetch);
    DL_DELETE(s->reports->list, s);
    s->reports->count--;
    buf_deinit(&s->gzip);
    arena_deinit(&s->arena);
    free(s->domain);
    free(s);
}

static void drop(struct sending *s)
{
    struct tls_group *g = group_of(s);
    if (g)
        tls_results_drop(s->reports->config.results, g);
    sending_free(s);
}

static void taken(struct sending *s, const char *to)
{
    s->reports->stats.sent++;
    log_event(LOG_INFO, "tls-report", NULL, "%s: sent to %s", s->domain, to);
    drop(s);
}

static void again_later(struct sending *s, const char *why)
{
    struct relay_reports *r = s->reports;
    struct tls_group *g = group_of(s);
    if (g && now_of(r) - g->began_ms < GIVE_UP_MS) {
        unsigned tries = g->tries < 5 ? g->tries : 5;
        g->due_ms = now_of(r) + (AGAIN_MS << tries);
        g->tries++;
        sending_free(s);
        return;
    }
    r->stats.failed++;
    log_event(LOG_WARNING, "tls-report", NULL, "%s: given up: %s", s->domain, why);
    drop(s);
}

static void try_target(struct sending *s);

static void refused(struct sending *s, const char *why)
{
    const struct tlsrpt_target *t = &s->targets[s->at++];
    log_event(LOG_INFO, "tls-report", NULL, "%s: not taken by %s: %s", s->domain,
              t->mailbox ? t->mailbox : t->host, why);
    if (s->at < s->ntargets)
        try_target(s);
    else
        again_later(s, why);
}

/* ---- by HTTPS ---- */

static void on_posted(void *arg, const struct https_answer *a)
{
    struct sending *s = arg;
    char why[64];
    s->fetch = NULL;
    if (a->end == HTTPS_ANSWERED && a->status / 100 == 2) {
        taken(s, s->targets[s->at].host);
        return;
    }
    snprintf(why, sizeof why, "the HTTP status is %u", a->status);
    refused(s, a->end == HTTPS_ANSWERED ? why : a->text);
}

static void post(struct sending *s)
{
    const struct tlsrpt_target *t = &s->targets[s->at];
    s->fetch = fetch_start(&s->reports->world,
                           &(struct https_ask){.host = t->host,
                                               .port = t->port,
                                               .target = t->path,
                                               .post_type = "application/tlsrpt+gzip",
                                               .post = buf_view(&s->gzip),
                                               .max_bytes = ANSWER_MAX,
                                               .deadline_ms = POST_MS},
                           on_posted, s);
}

/* ---- by mail ---- */

struct putting {
    struct store_put put; /* first: the store gives it back */
    struct relay_reports *reports;
    uint64_t number;
};

static void on_put(struct store_put *p, int err)
{
    struct putting *u = (struct putting *)(void *)p;
    struct sending *s;
    DL_FOREACH(u->reports->list, s)
    {
        if (s->number == u->number)
            break;
    }
    if (s && err == 0)
        taken(s, s->targets[s->at].mailbox);
    else if (s)
        refused(s, err_text(err));
    free(u);
}

static void on_signed(void *arg)
{
    struct putting *u = arg;
    store_put(u->reports->config.store, &u->put);
}

static struct tls_report report_of(const struct sending *s, json_t *policies)
{
    return (struct tls_report){.organization = s->reports->hostname,
                               .contact = s->reports->from,
                               .id = s->id,
                               .domain = s->domain,
                               .day = s->day,
                               .policies = policies};
}

static void mail(struct sending *s)
{
    struct relay_reports *r = s->reports;
    struct smtp_path to;
    struct buf text;
    char id[QUEUE_ID_LEN + 1];
    if (!r->config.store || smtp_path_parse_address(&s->arena, sv_of(s->targets[s->at].mailbox),
                                                    SMTP_PATH_FORWARD, &to) != SMTP_PATH_OK) {
        refused(s, "it is no address");
        return;
    }
    struct tls_report report = report_of(s, NULL);
    queue_id_make(id, clock_wall_ms(), random_u64());
    buf_init(&text, MAIL_MAX, 0);
    int err = relay_report_mail(&(struct relay_report_mail){.report = &report,
                                                            .id = id,
                                                            .hostname = r->hostname,
                                                            .to = to.text,
                                                            .now_s = clock_wall_s()},
                                buf_view(&s->gzip), &text);
    if (err < 0) {
        buf_deinit(&text);
        refused(s, err_text(err));
        return;
    }
    struct putting *u = NEW(struct putting);
    u->reports = r;
    u->number = s->number;
    u->put.reply = r->config.mailbox;
    u->put.message = relay_notice_message(&text, id, to.text, &u->put.rows);
    u->put.message->tls_optional = true;
    u->put.done = on_put;
    buf_deinit(&text);
    relay_notice_sign(r->signer, u->put.message, on_signed, u);
}

static void try_target(struct sending *s)
{
    if (s->targets[s->at].mailbox)
        mail(s);
    else
        post(s);
}

/* ---- the beginning ---- */

static bool make_report(struct sending *s)
{
    struct tls_group *g = group_of(s);
    struct buf text;
    if (!g)
        return false;
    struct tls_report report = report_of(s, g->policies);
    buf_init(&text, TLS_REPORT_MAX, 0);
    int err = tls_report_json(&report, &text);
    if (err == 0)
        err = tls_report_gzip(buf_view(&text), &s->gzip);
    buf_deinit(&text);
    return err == 0;
}

static void on_record(void *arg, const struct dns_answer *a)
{
    struct sending *s = arg;
    s->query = NULL;
    if (a->status == DNS_TEMPFAIL || a->status == DNS_BOGUS) {
        again_later(s, a->text ? a->text : "no answer from the DNS");
        return;
    }
    struct sv *texts = arena_alloc(&s->arena, (a->nrecords + 1) * sizeof *texts);
    size_t n = a->status == DNS_OK ? a->nrecords : 0;
    for (size_t i = 0; i < n; i++)
        texts[i] = a->records[i].text;
    s->ntargets = tlsrpt_record_targets(texts, n, &s->arena, s->targets);
    if (s->ntargets == 0 || !make_report(s))
        drop(s);
    else
        try_target(s);
}

static void start(struct relay_reports *r, struct tls_group *g)
{
    char name[DNS_NAME_MAX + 16];
    struct sending *s = NEW(struct sending);
    s->reports = r;
    s->number = ++r->last_number;
    s->day = g->day;
    s->domain = mem_str(g->domain);
    arena_init(&s->arena);
    buf_init(&s->gzip, TLS_REPORT_MAX, 0);
    queue_id_make(s->id, clock_wall_ms(), random_u64());
    DL_APPEND(r->list, s);
    r->count++;
    g->sending = true;
    snprintf(name, sizeof name, "_smtp._tls.%s", g->domain);
    s->query = dns_query(r->world.dns, name, DNS_TXT, r->world.dns_timeout_ms, on_record, s);
}

/* RFC 8460 4.1: at a time of its own within some hours, unless it is late already. */
static void look_at(void *arg, struct tls_group *g)
{
    struct relay_reports *r = arg;
    if (!g->began_ms) {
        bool is_late = g->day + 1 < clock_wall_s() / RESULTS_DAY_S;
        g->due_ms = now_of(r) + (is_late ? 0 : random_u64() % (RELAY_REPORTS_SPREAD_S * 1000));
        g->began_ms = g->due_ms;
    }
    if (!g->sending && now_of(r) >= g->due_ms && r->count < RELAY_REPORTS_MAX)
        start(r, g);
}

static void on_timer(void *arg)
{
    struct relay_reports *r = arg;
    tls_results_each(r->config.results, clock_wall_s() / RESULTS_DAY_S, look_at, r);
    timer_start(&r->timer, LOOK_MS);
}

/* ---- life ---- */

struct relay_reports *relay_reports_new(const struct relay_reports_config *config)
{
    struct relay_reports *r = NEW(struct relay_reports);
    r->config = *config;
    timer_init(&r->timer, config->loop, on_timer, r);
    return r;
}

void relay_reports_set(struct relay_reports *r, const struct fetch_world *world, const char *from,
                       const char *hostname, struct relay_notice_signer signer)
{
    while (r->list)
        sending_free(r->list);
    r->world = *world;
    r->from = from;
    r->hostname = hostname;
    r->signer = signer;
    timer_stop(&r->timer);
    if (*from && !r->stopped)
        timer_start(&r->timer, LOOK_MS);
    else if (!*from)
        tls_results_clear(r->config.results);
}

void relay_reports_stop(struct relay_reports *r)
{
    r->stopped = true;
    timer_stop(&r->timer);
    while (r->list)
        sending_free(r->list);
}

void relay_reports_free(struct relay_reports *r)
{
    relay_reports_stop(r);
    free(r);
}

void relay_reports_get_stats(const struct relay_reports *r, struct relay_reports_stats *out)
{
    *out = r->stats;
}
