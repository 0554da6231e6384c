/* Figures of the running server, for people and scripts. */
#include "msa/admin/request.h"

static json_int_t n(uint64_t value)
{
    return (json_int_t)value;
}

void admin_status(struct request *r)
{
    struct server_stats s;
    server_get_stats(r->admin->server, &s);
    json_t *line =
        json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "process", "server",
                  "generation", (int)s.generation, "workers", (int)s.workers, "sessions",
                  n(s.sessions), "connections", n(s.connections), "accepted_messages",
                  n(s.accepted_messages), "refused_messages", n(s.refused_messages), "logins",
                  n(s.logins), "failed_logins", n(s.failed_logins), "memory_used_bytes",
                  n(s.memory_used_bytes), "memory_max_bytes", n(s.memory_max_bytes));
    json_t *queue =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "messages", n(s.store.messages),
                  "recipients", n(s.store.rows), "delivering", n(s.store.claimed_rows), "commits",
                  n(s.store.commits), "failed_commits", n(s.store.failed_commits), "memory_bytes",
                  n(s.store.memory_bytes), "wal_bytes", n(s.store.wal_bytes), "history_dropped",
                  n(s.store.history_dropped), "accepting", s.store.accepting);
    json_t *relay = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "destinations", n(s.relay.destinations),
        "sites", n(s.relay.sites), "slots", n(s.relay.slots), "jobs", n(s.relay.jobs), "resolving",
        n(s.relay.resolving), "sites_down", n(s.relay.sites_down), "idle_slots",
        n(s.relay.idle_slots), "waiting", n(s.relay.waiting), "late_jobs", n(s.relay.late_jobs));
    json_t *dns = json_pack("{s:I, s:I, s:I, s:b, s:b}", "questions", n(s.dns.questions),
                            "timeouts", n(s.dns.timeouts), "bogus", n(s.dns.bogus), "answering",
                            s.dns.answers, "validating", s.dns.validating);
    json_t *policies =
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "domains", n(s.security.sts.domains), "policies",
                  n(s.security.sts.policies), "fetching", n(s.security.sts.fetching), "fetches",
                  n(s.security.sts.fetches), "failed_fetches", n(s.security.sts.failures));
    json_object_set_new(line, "mta_sts", policies);
    json_object_set_new(line, "paused", admin_paused(r->admin->server));
    json_object_set_new(line, "paused_note", request_string(admin_paused_note(r->admin->server)));
    json_object_set_new(line, "tls",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "hosts", n(s.security.hosts),
                                  "results", n(s.security.results), "reports_sent",
                                  n(s.security.reports.sent), "reports_failed",
                                  n(s.security.reports.failed), "not_kept", n(s.security.dropped)));
    json_object_set_new(line, "queue", queue);
    json_object_set_new(line, "relay", relay);
    json_object_set_new(line, "dns", dns);
    request_line(r, line);
    request_end(r, ADMIN_DONE, NULL);
}
