/*
 * relay.h - outbound delivery as one object on the main thread.
 *
 * Owns the scheduler, the DNS and the look-ups of routes; posts jobs to the workers' relay parts
 * (relay/worker.h). Nothing here blocks.
 *
 * Order: relay_new() with the workers running; relay_start(); the store's on_queued, on_due
 * and on_wish go to relay_on_queued(), relay_on_due() and relay_on_wish(); relay_set() at a reload;
 * relay_stop(), and after its on_idle relay_free(). Thread: main.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "relay/dns/dns.h"
#include "relay/queue/sched.h"
#include "relay/route/route.h"
#include "relay/security.h"
#include "relay/settings.h"
#include "relay/worker.h"

struct relay;

struct relay_config {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct dns *dns;                 /* owned by the caller, outlives the relay */
    const char *dir;                 /* <state>/queue; NULL: nothing is kept of other sites */
    struct relay_settings *settings; /* a reference is taken */
    struct relay_signer *signer;     /* of reports that are sent; may be NULL */
};

struct relay *relay_new(const struct relay_config *config);
/* Before relay_start(): the arguments of every worker's relay_worker_config, then the workers. */
void relay_on_recorded(void *relay, struct store_record *r, int err);
void relay_on_slot_closed(void *relay, uint32_t slot);
void relay_on_tls(void *relay, struct tls_event *e);
struct relay_forms *relay_forms_of(void *relay);
void relay_set_workers(struct relay *r, struct relay_worker *const *workers, size_t n);
void relay_start(struct relay *r);
void relay_set(struct relay *r, struct relay_settings *settings); /* takes a reference */
/* Another resolver; the old one may be freed afterwards. */
void relay_set_dns(struct relay *r, struct dns *dns);
/* The resolver in use begins to validate, or ends it: plans are made anew. */
void relay_on_validating(struct relay *r);
/* relay/queue/sched.h: sched_pause(), after relay_set_workers(); sched_each_site(). */
void relay_pause(struct relay *r, const char *site, bool paused);
void relay_each_site(struct relay *r, void (*on_site)(void *arg, const struct sched_site_info *i),
                     void *arg);
/* sched_why(), by the rules of now. */
struct sched_why relay_why(struct relay *r, const char *domain, const char *sender,
                           const char *login, const char *id);
/* Which of the destinations go to site S: relay/site_query.h, by the rules of now. */
struct site_query;
struct site_query *relay_site_query(struct relay *r, const char *site);
void relay_stop(struct relay *r, void (*on_idle)(void *arg), void *arg);
void relay_free(struct relay *r);

void relay_on_queued(struct relay *r, struct queue_batch *claimed);
void relay_on_due(struct relay *r, const char *destination, int64_t due_ms);
void relay_on_wish(struct relay *r, const struct store_wish *wish);
void relay_get_stats(const struct relay *r, struct sched_stats *out);
struct relay_security *relay_security_of(struct relay *r);

/* Every step of the route of one address, domain (as RCPT takes them: U-labels too) or URL of a
 * next hop; on_done is called later, with what lives during the call only. False: it is none of
 * these, for the reason in *wrong_out (static), and on_done is not called. */
bool relay_explain(struct relay *r, const char *address, const char *sender, const char *login,
                   void (*on_done)(void *arg, const struct route_plan *plan), void *arg,
                   const char **wrong_out) MUST_CHECK;

#endif
