/* What administration asks the server for: its parts and its figures. */
#include "msa/server/server_internal.h"

struct store *server_store(struct server *s)
{
    return s->store;
}

struct relay *server_relay(struct server *s)
{
    return s->relay;
}

struct misfits *server_misfits(struct server *s)
{
    return s->misfits;
}

struct service *server_service(struct server *s)
{
    return s->service;
}

struct dns *server_dns(struct server *s)
{
    return s->dns;
}

struct loop *server_loop(struct server *s)
{
    return s->loop;
}

const struct rights *server_rights(struct server *s)
{
    return s->service ? s->service->rights : NULL;
}

struct spending *server_spending(struct server *s)
{
    return s->spending;
}

struct mailbox *server_mailbox(struct server *s)
{
    return s->mailbox;
}

void server_get_stats(struct server *s, struct server_stats *out)
{
    *out = (struct server_stats){
        .generation = s->service ? s->service->generation->number : 0,
        .workers = s->nworkers,
        .sessions = atomic_load(&s->shared.sessions),
        .connections = quota_connections(s->quota),
        .accepted_messages = atomic_load(&s->shared.accepted_messages),
        .refused_messages = atomic_load(&s->shared.refused_messages),
        .logins = atomic_load(&s->shared.logins),
        .failed_logins = atomic_load(&s->shared.failed_logins),
        .memory_used_bytes = (uint64_t)atomic_load(&s->shared.memory.used_bytes),
        .memory_max_bytes = (uint64_t)atomic_load(&s->shared.memory.max_bytes),
        .started_ms = s->started_ms,
        .all_sessions = atomic_load(&s->shared.all_sessions),
        .accepted_bytes = atomic_load(&s->shared.accepted_bytes),
        .misfits_dropped = atomic_load(&s->misfits_dropped),
    };
    _Static_assert(SERVER_SUBJECTS == WORKER_SUBJECTS, "one table");
    for (size_t i = 0; i < SERVER_SUBJECTS; i++)
        for (size_t k = 0; k < 2; k++)
            out->refused_replies[k][i] = atomic_load(&s->shared.refused_replies[k][i]);
    if (s->store)
        store_get_stats(s->store, &out->store);
    if (s->relay) {
        relay_get_stats(s->relay, &out->relay);
        relay_security_get_stats(relay_security_of(s->relay), &out->security);
    }
    if (s->dns)
        dns_get_stats(s->dns, &out->dns);
}

void server_get_filters(struct server *s, struct filter_figures *out)
{
    *out = (struct filter_figures){.count = 0};
    for (size_t i = 0; i < s->nworkers && s->workers; i++)
        if (s->workers[i])
            filter_counts_add(s->workers[i]->filter_counts, out);
}
