/*
 * Connections of a job: the slot's idle one, or those of the plan's attempts as the walk chooses
 * them (walk.h).
 *
 * An idle connection that dies before it took anything is no attempt: the plan starts at its
 * beginning. A server may close between transactions as it likes (QMTP): after one that has served
 * the same attempt is opened again, so that each connection brings the job forward. One that ends
 * while it waits for a form of ours is opened again with the form. A TLS handshake that fails where
 * TLS is opportunistic is tried once more in clear, over a connection that serves no other job.
 */
#include "relay/job.h"

#include <string.h>

void relay_job_drop_conn(struct relay_job *j)
{
    relay_conn_quit(j->conn);
    j->conn = NULL;
}

/* ---- opening ---- */

void relay_job_open(struct relay_job *j)
{
    const struct route_attempt *a = &j->walk.attempts[j->walk.at];
    size_t race = j->clear_text ? 1 : relay_walk_race(&j->walk);
    j->race_at = j->walk.at;
    j->race = race < RELAY_DIAL_MAX ? race : RELAY_DIAL_MAX;
    struct relay_conn_config config = {
        .loop = j->config->loop,
        .all = relay_worker_conns(j->run->worker),
        .tls = j->run->settings->tls,
        .auth = j->config->auth,
        .hostname = sv_of(j->run->settings->hostname),
        .attempts = a,
        .nattempts = j->race,
        .level = relay_needs_level(&j->needs, a),
        .must_verify = j->needs.requires_tls,
        .families = relay_worker_families(j->run->worker),
        .bind = &j->run->settings->relay->bind,
        .secret = a->credentials < 0 ? SV_NONE
                                     : sv_of(arena_printf(&j->arena, RELAY_SECRET_NAME,
                                                          a->credentials, a->generation)),
        .exts_off = j->run->settings->exts_off,
        .clear_text = j->clear_text,
        .queue_id = j->batch->message->id,
        .qmtp_memory = relay_worker_qmtp_memory(j->run->worker),
        .qmtp_recipients = (uint32_t)j->run->settings->relay->qmtp_recipients};
    j->reused = false;
    j->part_max = 0;
    j->has_served = false;
    j->tls_told = false;
    j->began_ms = relay_job_now(j);
    j->conn = relay_conn_open(&config, &relay_job_conn_ops, j);
}

void relay_job_stand(struct relay_job *j)
{
    if (j->race == 0)
        return;
    relay_walk_stand(&j->walk, j->race_at + relay_conn_index(j->conn));
    for (size_t i = 0; i < j->race; i++)
        if (relay_conn_failed(j->conn) >> i & 1)
            relay_walk_tried(&j->walk, j->race_at + i);
}

/* What no attempt could ever take. */
static void decide_barred(struct relay_job *j)
{
    for (size_t i = 0; i < j->batch->nrows; i++) {
        if (j->rows[i].state != RELAY_WALK_OPEN || !relay_walk_is_barred(&j->walk, i))
            continue;
        struct relay_outcome o = relay_walk_barred(&j->arena, &j->walk);
        struct smtp_client_result r = {.phase = SMTP_PHASE_CONNECT};
        relay_job_decide(j, i, NULL, &o);
        relay_job_log(j, relay_job_recipients(j, 1, i), "", &r, &o);
    }
}

/* QMTP that could not be connected to a short while ago: SMTP is to be had there instead. */
static void skip_known_dead(struct relay_job *j)
{
    for (size_t i = 0; i < j->walk.nattempts; i++) {
        const struct route_attempt *a = &j->walk.attempts[i];
        if (a->protocol == ROUTE_QMTP && a->via == ROUTE_VIA_MX &&
            relay_qmtp_memory_is_failed(relay_worker_qmtp_memory(j->run->worker), &a->to,
                                        relay_job_now(j)))
            relay_walk_skip(&j->walk, i);
    }
}

static bool is_in_time(const struct relay_job *j)
{
    return !j->given_up && relay_job_now(j) < j->run->job->deadline_ms;
}

/* What the last host put off is open again for the next one; the last one's word stays. */
void relay_job_next(struct relay_job *j)
{
    j->clear_text = false; /* TLS is tried at any other host */
    if (is_in_time(j) && relay_walk_next(&j->walk)) {
        relay_job_open(j);
        return;
    }
    if (!j->given_up) {
        struct relay_outcome o =
            j->last_backs_off.text && j->last_backs_off.verdict == RELAY_DEFERRED
                ? j->last_backs_off
                : relay_outcome_of_failure(&j->arena, RELAY_FAILURE_NO_HOST, 0, SV_NONE);
        relay_job_decide_open(j, &o);
    }
    relay_job_finish(j);
}

/* ---- the end of a connection ---- */

void relay_job_tls_worked(struct relay_job *j, const char *host)
{
    for (size_t i = 0; i < j->walk.nattempts; i++) {
        const struct route_attempt *a = &j->walk.attempts[i];
        if (a->via != ROUTE_VIA_STATIC && strcmp(a->host, host) == 0)
            j->tls_worked |= (uint64_t)1 << i;
    }
}

static bool must_have_tls(const struct relay_job *j)
{
    return !j->needs.waives_tls && (j->tls_worked >> j->walk.at & 1);
}

bool relay_job_refuses_clear(struct relay_job *j)
{
    if (relay_conn_is_tls(j->conn) || !must_have_tls(j))
        return false;
    if (!j->reused) { /* else it is older than what is known of the host */
        const struct smtp_client_result why = {.end = SMTP_END_NO_TLS, .phase = SMTP_PHASE_EHLO};
        const char *remote = arena_str(&j->arena, sv_of(relay_conn_remote(j->conn)));
        struct relay_outcome o = relay_job_judge(j, &why, remote);
        relay_outcome_name_rule(&j->arena, &o, ROUTE_RULE_MEMORY,
                                j->walk.attempts[j->walk.at].host);
        relay_job_decide_taken(j, &why, &o, remote);
        relay_walk_tried(&j->walk, j->walk.at);
    }
    relay_job_drop_conn(j);
    relay_job_next(j);
    return true;
}

static bool wants_clear_text(const struct relay_job *j, const struct smtp_client_result *why)
{
    const struct route_attempt *a = relay_conn_attempt(j->conn);
    return !j->clear_text && !j->sent && !j->given_up && !must_have_tls(j) &&
           !smtp_envelope_has(&j->all, SMTP_MAIL_REQUIRETLS) && a->tls == ROUTE_TLS_OPPORTUNISTIC &&
           !a->implicit_tls && a->credentials < 0 && /* a login is not shown to who breaks TLS */
           !relay_outcome_is_goodbye(why) &&
           (why->end == SMTP_END_TLS || why->phase == SMTP_PHASE_HANDSHAKE ||
            why->phase == SMTP_PHASE_STARTTLS);
}

/* The connection came to nothing: what that means for those whom the attempt takes. */
static void decide_closed(struct relay_job *j, const struct smtp_client_result *why,
                          const char *remote, bool in_clear)
{
    const struct route_attempt *a = relay_conn_attempt(j->conn);
    struct relay_outcome o = relay_job_judge(j, why, remote);
    if (why->end == SMTP_END_NO_AUTH)
        o.text = arena_printf(&j->arena, "%s; relay.routes sets user for %s", o.text, a->host);
    else if (a->tls > ROUTE_TLS_OPPORTUNISTIC)
        relay_outcome_name_rule(&j->arena, &o, a->rule, a->host);
    j->by_policy = j->by_policy || o.by_policy;
    if (j->needs.requires_tls)
        relay_outcome_require_tls(&o);
    if (in_clear) {
        size_t row, count = relay_job_taken(j, &row);
        relay_job_log(j, relay_job_recipients(j, count, row), remote, why, &o);
        return;
    }
    if (why->phase != SMTP_PHASE_CONNECT && why->phase != SMTP_PHASE_HANDSHAKE)
        relay_walk_reached(&j->walk);
    relay_job_decide_taken(j, why, &o, remote);
}

/* Whom this end is the turn of: a connection that was idle is none. */
static void note_tried(struct relay_job *j, const struct smtp_client_result *why)
{
    bool none_connected = why->phase == SMTP_PHASE_CONNECT && j->race > 0;
    if (j->reused)
        return;
    relay_walk_tried(&j->walk, j->walk.at);
    for (size_t i = 0; i < j->race && none_connected; i++)
        relay_walk_tried(&j->walk, j->race_at + i);
}

void relay_job_on_closed(void *arg, const struct smtp_client_result *why)
{
    struct relay_job *j = arg;
    relay_job_stand(j);
    /* of a host that serves well, but not for long */
    bool again = j->has_served && !j->last_backs_off.text;
    size_t row;
    j->one_each = j->one_each || again;
    if (j->waits_for_form) { /* for us: that says nothing about the host */
        j->conn = NULL;
        if (j->reused)
            (void)relay_walk_next(&j->walk);
        return;
    }
    const char *remote = arena_str(&j->arena, sv_of(relay_conn_remote(j->conn)));
    relay_tell_tls(j, why);
    relay_job_end_left(j, false);
    bool in_clear = wants_clear_text(j, why);
    if (!j->sent && !j->reused && !again)
        decide_closed(j, why, remote, in_clear);
    relay_body_stop(&j->body);
    relay_lf_size_stop(&j->lf);
    j->conn = NULL;
    j->sent = false;
    if (in_clear && is_in_time(j)) {
        j->clear_text = true;
        relay_job_open(j);
        return;
    }
    if (again && is_in_time(j) && relay_job_taken(j, &row) > 0) {
        relay_job_open(j);
        return;
    }
    note_tried(j, why);
    relay_job_next(j);
}

/* ---- an idle connection ---- */

/* A kept connection serves this job only if the job's own plan would have opened it, as safe as it
 * is, for some of its rows. */
static bool fits(struct relay_job *j, const struct relay_conn *conn)
{
    size_t row;
    for (size_t i = 0; i < j->walk.nattempts; i++) {
        const struct route_attempt *a = &j->walk.attempts[i];
        if (!relay_conn_serves(conn, a, relay_needs_level(&j->needs, a), j->needs.requires_tls))
            continue;
        relay_walk_stand(&j->walk, i);
        if (relay_job_taken(j, &row) > 0)
            return true;
    }
    return false;
}

/* ---- beginning ---- */

void relay_job_walk(struct relay_job *j, struct relay_conn *conn)
{
    decide_barred(j);
    relay_tell_barred(j);
    skip_known_dead(j);
    if (conn && (!fits(j, conn) || relay_conn_takes(conn, sv_of(j->run->job->destination)) == 0)) {
        relay_conn_quit(conn);
        conn = NULL;
    }
    if (!conn) {
        relay_job_next(j);
        return;
    }
    j->conn = conn;
    j->reused = true;
    relay_conn_set_ops(conn, &relay_job_conn_ops, j, j->batch->message->id);
    relay_job_send(j);
}
