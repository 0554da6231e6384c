/*
 * What became of a request: the guard is told, and says whether the answer is told and when. What
 * it delays is held as the answer's bytes; an exchange that is over has given its memory back then.
 */
#include "auth/asker_inside.h"
#include "auth/claim.h"
#include "msa/base/log.h"

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
    char client[IP_TEXT_MAX];

    j->answer_name = tried(j->talk);
    log_event(LOG_DEBUG, "auth-failed",
              &(struct log_ctx){.login = j->answer_name,
                                .client = sv_of(ip_text(&j->talk->client, client))},
              "wrong name or password");
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
    return j->verdict == AUTH_DENIED || ((j->verdict == AUTH_OK || j->verdict == AUTH_CONTINUE) &&
                                         t->responses == auth_claim_deciding(mechanism));
}

/* Tells the guard and follows it. Returns by how much the answer is delayed. */
static uint64_t conclude(struct job *j)
{
    struct talk *t = j->talk;
    struct auth_gate_try try = asker_try(t, j->now);
    struct guard_end end = auth_gate_conclude(t->asker->host.gate, &try, j->verdict != AUTH_DENIED);

    t->is_concluded = true;
    if (end.blocked) {
        j->verdict = AUTH_BLOCKED;
        j->answer_name = try.name;
        j->answer_data = SV_NONE;
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

static void answer(struct job *j, uint64_t delay_ms)
{
    struct auth_wire m = {.type = AUTH_WIRE_ANSWER,
                          .id = j->id,
                          .code = j->verdict,
                          .name = j->answer_name,
                          .data = j->answer_data};

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
    auth_generation_unref(j->before);
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
    }
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
