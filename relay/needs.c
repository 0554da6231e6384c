#include "relay/needs.h"

/* ---- QMTP ---- */

/* Parameters that QMTP has no place for; the others it carries, or they end here anyway. */
static bool has_other_params(const struct smtp_envelope *e)
{
    static const enum smtp_mail_slot slots[] = {SMTP_MAIL_SOLICIT, SMTP_MAIL_MTRK, SMTP_MAIL_BY};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (smtp_envelope_has(e, slots[i]))
            return true;
    for (uint32_t i = 0; i < e->count; i++)
        if (e->recipients[i].values[SMTP_RCPT_RRVS].text.ptr)
            return true;
    return false;
}

/* Content or envelope lose by it what SMTP might keep. */
static bool loses_by_qmtp(const struct queue_message *m, const struct smtp_envelope *e)
{
    struct smtp_hop hop = {.envelope = e, .utf8_header = m->smtputf8};
    return m->binary || smtp_hop_needs_utf8(&hop) || has_other_params(e) ||
           smtp_envelope_has(e, SMTP_MAIL_REQUIRETLS);
}

static bool has_only_qmtp(const struct route_plan *plan)
{
    size_t i = 0;
    while (i < plan->nattempts && plan->attempts[i].protocol == ROUTE_QMTP)
        i++;
    return i == plan->nattempts;
}

static bool is_by_qmtp(const struct relay_needs *n, const struct queue_message *m,
                       const struct smtp_envelope *e, uint64_t max_bytes,
                       const struct route_plan *plan, enum relay_failure *why_out)
{
    if (n->requires_tls)
        *why_out = RELAY_FAILURE_QMTP_TLS;
    else if (max_bytes && queue_message_bytes(m) > max_bytes)
        *why_out = RELAY_FAILURE_QMTP_SIZE;
    else if (loses_by_qmtp(m, e) && !has_only_qmtp(plan))
        *why_out = RELAY_FAILURE_QMTP_LOSS;
    else
        return true;
    return false;
}

/* ---- */

struct relay_needs relay_needs_of(const struct queue_message *m, const struct smtp_envelope *e,
                                  uint64_t qmtp_max_bytes, const struct route_plan *plan)
{
    bool required = smtp_envelope_has(e, SMTP_MAIL_REQUIRETLS);
    struct relay_needs n = {
        .requires_tls = required && e->reverse.kind != SMTP_PATH_NULL,
        .waives_tls = m->tls_optional && !required,
    };
    n.by_qmtp = is_by_qmtp(&n, m, e, qmtp_max_bytes, plan, &n.no_qmtp);
    return n;
}

/* What the operator wrote binds every message; the author may waive what others published. */
enum route_tls relay_needs_level(const struct relay_needs *n, const struct route_attempt *a)
{
    if (n->waives_tls && a->rule != ROUTE_RULE_STATIC && a->tls > ROUTE_TLS_OPPORTUNISTIC)
        return ROUTE_TLS_OPPORTUNISTIC;
    if (n->requires_tls && (a->tls == ROUTE_TLS_OPPORTUNISTIC || a->tls == ROUTE_TLS_REQUIRE))
        return ROUTE_TLS_VERIFY;
    return a->tls;
}

bool relay_needs_allow(const struct relay_needs *n, const struct route_attempt *a)
{
    enum route_tls level = relay_needs_level(n, a);
    if (level == ROUTE_TLS_BARRED)
        return false;
    if (n->requires_tls && (!a->secure || level == ROUTE_TLS_NONE))
        return false;
    return a->protocol != ROUTE_QMTP ||
           (n->by_qmtp && (level <= ROUTE_TLS_OPPORTUNISTIC || a->implicit_tls));
}

bool relay_needs_another_plan(const struct relay_needs *n, const struct route_plan *plan)
{
    return n->requires_tls && plan->unsure;
}

static const struct route_attempt *first_barred(const struct relay_needs *n,
                                                const struct route_plan *plan)
{
    for (size_t i = 0; i < plan->nattempts; i++)
        if (relay_needs_level(n, &plan->attempts[i]) == ROUTE_TLS_BARRED)
            return &plan->attempts[i];
    return NULL;
}

struct relay_outcome relay_needs_unmet(struct arena *arena, const struct relay_needs *n,
                                       const struct route_plan *plan)
{
    const struct route_attempt *barred = first_barred(n, plan);
    struct relay_outcome o;
    if (n->requires_tls && has_only_qmtp(plan))
        return relay_outcome_of_failure(arena, RELAY_FAILURE_QMTP_TLS, 0, SV_NONE);
    if (n->requires_tls && !relay_needs_another_plan(n, plan)) {
        o = relay_outcome_of_failure(arena, RELAY_FAILURE_NOT_PROVEN, 0, SV_NONE);
        if (plan->unproven)
            o.text = arena_printf(arena, "%s (%s)", o.text, plan->unproven);
        return o;
    }
    if (n->requires_tls) {
        o = relay_outcome_of_failure(arena, RELAY_FAILURE_UNSURE, 0, SV_NONE);
    } else if (barred) {
        o = relay_outcome_of_failure(arena, RELAY_FAILURE_BARRED, 0, sv_of(barred->host));
        relay_outcome_name_rule(arena, &o, barred->rule, barred->host);
    } else {
        return relay_outcome_of_failure(arena, n->by_qmtp ? RELAY_FAILURE_QMTP_CLEAR : n->no_qmtp,
                                        0, SV_NONE);
    }
    if (barred && barred->barred)
        o.text = arena_printf(arena, "%s (%s)", o.text, barred->barred);
    return o;
}
