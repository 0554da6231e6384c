/*
 * What became of a request: the guard is told, and says whether the answer is told and when. What
 * it delays is held as the answer's bytes; an exchange that is over has given its memory back then.
 */
#include "auth/asker_inside.h"
#include "auth/claim.h"
#include "msa/base/log.h"

#include <stdio.h>
#include <stdlib.h>

/* The name that the mechanism has read, or the one that stood in the client's message. */
static struct sv tried(const struct talk *t)
{
    struct sv name = t->server != NULL ? auth_exchange_tried(t->server) : SV_NONE;

    return name.len > 0 ? name : sv_of(t->claimed);
}

/* The server cannot know which name was tried; it logs the failure, within its limits. */
static void tell_tried(struct job *j)
{
    const char *why = j->talk->server != NULL ? auth_exchange_why(j->talk->server) : "";
    char client[IP_TEXT_MAX];
    struct log_ctx ctx = {.client = sv_of(ip_text(&j->talk->client, client)),
                          .mechanism = sv_of(j->talk->mechanism)};

    ctx.login = j->answer_name = tried(j->talk);
    if (*why && !auth_gate_may_log(j->talk->asker->host.gate))
        return;
    if (*why) /* what only the keeper knows: the client is told nothing of it */
        log_event(LOG_WARNING, "login-disabled", &ctx, "%s", why);
    else
        log_event(LOG_DEBUG, "auth-failed", &ctx, "wrong name or password");
}

/* Between the look at the secret and now the user may have been disabled, or his password changed:
 * those who are to end his sessions have been told already. */
static void judge_again(struct job *j)
{
    if (!auth_exchange_is_outdated(j->talk->server))
        return;
    j->verdict = AUTH_TEMPORARY;
    j->answer_name = j->answer_data = j->answer_extra = SV_NONE;
}

static void tell_login(const struct job *j)
{
    const struct auth_asker *a = j->asker;
    struct auth_use use = {.app = *auth_exchange_app(j->talk->server)};

    snprintf(use.login, sizeof(use.login), "%.*s", SV_ARG(j->answer_name));
    snprintf(use.mechanism, sizeof(use.mechanism), "%s", j->talk->mechanism);
    ip_text(&j->talk->client, use.client);
    a->host.on_login(a->host.arg, &use);
}

struct auth_gate_try asker_try(const struct talk *t, const struct auth_generation *g)
{
    return (struct auth_gate_try){.generation = g, .client = t->client, .name = tried(t)};
}

/* Whether a secret has now been right or wrong. SCRAM tells its client so before it is at its end.
 */
static bool is_decided(const struct job *j)
{
    const struct talk *t = j->talk;
    struct sv mechanism = sv_of(t->mechanism);

    if (t->is_concluded || !auth_claim_is_guessable(mechanism))
        return false;
    return j->verdict == AUTH_DENIED || j->verdict == AUTH_OK ||
           (j->verdict == AUTH_CONTINUE && auth_claim_is_proof(mechanism, t->responses));
}

static bool is_right(const struct job *j)
{
    const struct talk *t = j->talk;

    return j->verdict == AUTH_OK ||
           (j->verdict == AUTH_CONTINUE && auth_claim_is_proof(sv_of(t->mechanism), t->responses));
}

/* Whether the mechanism came as far as to ask for the secret of the name that it has read. What
 * breaks off before is no guess at anybody's. */
static bool has_looked(const struct talk *t)
{
    return t->server != NULL && auth_exchange_tried(t->server).len > 0;
}

/* Tells the guard and follows it. Returns by how much the answer is delayed. */
static uint64_t conclude(struct job *j)
{
    struct talk *t = j->talk;
    struct auth_gate_try try = asker_try(t, j->now);
    struct guard_end end;

    if (!has_looked(t))
        try.name = SV_NONE;
    end = auth_gate_conclude(t->asker->host.gate, &try, is_right(j));
    t->is_concluded = true;
    if (end.blocked) {
        j->verdict = AUTH_BLOCKED;
        j->answer_name = tried(t);
        j->answer_data = j->answer_extra = SV_NONE;
    }
    return end.delay_ms;
}

void asker_on_delay_over(void *arg)
{
    struct talk *t = arg;

    t->is_held = false;
    asker_send_payload(t->asker, AUTH_WIRE_ANSWER, buf_view(&t->held));
    buf_release(&t->held);
    if (t->is_over)
        asker_talk_free(t);
}

void asker_withdraw(struct talk *t, struct sv login, struct sv app)
{
    struct auth_wire m;

    if (!t->is_held || auth_wire_read(AUTH_WIRE_ANSWER, buf_view(&t->held), &m) < 0 ||
        m.code != AUTH_OK || !sv_eq(m.name, login) || (app.len > 0 && !sv_eq(m.extra, app)))
        return;
    m = (struct auth_wire){.type = AUTH_WIRE_ANSWER, .id = m.id, .code = AUTH_TEMPORARY};
    buf_reset(&t->held);
    auth_wire_write(&t->held, &m);
}

static void answer(struct job *j, uint64_t delay_ms)
{
    struct auth_wire m = {.type = AUTH_WIRE_ANSWER,
                          .id = j->id,
                          .code = j->verdict,
                          .name = j->answer_name,
                          .data = j->answer_data,
                          .extra = j->answer_extra};

    if (delay_ms == 0) {
        asker_send(j->asker, &m);
        return;
    }
    auth_wire_write(&j->talk->held, &m);
    j->talk->is_held = true;
    if (j->verdict != AUTH_CONTINUE)
        asker_talk_end(j->talk);
    timer_start(&j->talk->timer, delay_ms);
}

static void job_free(struct job *j)
{
    auth_generation_unref(j->now);
    for (size_t i = 0; i < AUTH_EARLIER_MAX; i++)
        auth_generation_unref(j->earlier[i]);
    buf_deinit(&j->payload);
    buf_deinit(&j->signature);
    free(j);
}

void asker_done(struct auth_work_job *work, bool has_run)
{
    struct job *j = (struct job *)work;
    struct auth_asker *a = j->asker;
    struct talk *t = j->talk;
    bool canceled = t != NULL && t->canceled;
    uint64_t delay_ms = 0;

    if (!has_run)
        j->verdict = AUTH_TEMPORARY;
    if (has_run && t != NULL && !t->is_login) {
        if (j->verdict == AUTH_DENIED)
            tell_tried(j);
        if (is_decided(j))
            delay_ms = conclude(j);
        if (j->verdict == AUTH_OK)
            judge_again(j);
        if (j->verdict == AUTH_OK && !canceled)
            tell_login(j);
    }
    if (j->type == AUTH_WIRE_LOCK && j->verdict == AUTH_OK)
        a->host.on_locked(a->host.arg, j->name);
    if (!canceled && a->chan != NULL)
        answer(j, delay_ms);
    if (t != NULL) {
        t->in_job = false;
        if (canceled || a->chan == NULL || (j->verdict != AUTH_CONTINUE && !t->is_held))
            asker_talk_free(t);
    }
    job_free(j);
    a->jobs--;
    asker_free_if_over(a);
}
