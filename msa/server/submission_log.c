/*
 * What is told of a message on its way in: log lines, and notes for "msactl trace" of what was not
 * accepted.
 */
#include "msa/base/log.h"
#include "msa/loop/clock.h"
#include "msa/server/refused.h"
#include "msa/server/submission_private.h"

#include <stdio.h>

#define PRIORITY_TEXT_MAX 20

/* The session has noted it under its own id; this one is what a search for the queue id finds. */
static void note_refused(struct submission *s, const char *text)
{
    struct queue_message *m = s->message;
    struct sv recipients[REFUSED_RECIPIENTS_MAX];
    size_t count = s->rows ? s->rows->nrows : 0; /* the store has them once it was asked */
    for (size_t i = 0; i < count && i < REFUSED_RECIPIENTS_MAX; i++)
        recipients[i] = sv_of(s->rows->rows[i].address);
    refused_note(s->worker->shared->store, &(struct refused){
                                               .id = sv_of(m->id),
                                               .login = sv_of(m->login),
                                               .client = sv_of(m->client),
                                               .reverse_path = sv_of(m->reverse_path),
                                               .recipients = recipients,
                                               .nrecipients = count,
                                               .status = s->reply.enhanced,
                                               .text = text,
                                               .discarded = s->discarded != NULL,
                                           });
}

/* What a filter threw away, while the client was told yes: nobody else will tell. */
void submission_log_discarded(struct submission *s)
{
    struct queue_message *m = s->message;
    char text[REFUSED_TEXT_MAX];
    snprintf(text, sizeof text, "discarded by %s", s->discarded);
    log_event(LOG_INFO, "discarded",
              &(struct log_ctx){.session = s->session,
                                .queue = sv_of(m->id),
                                .login = sv_of(m->login),
                                .client = sv_of(m->client)},
              "from=<%s> by %s", m->reverse_path, s->discarded);
    note_refused(s, text);
}

void submission_log_refused(struct submission *s)
{
    struct queue_message *m = s->message;
    int64_t limit = s->service->generation->options.log.per_client_per_minute;
    struct ip client;
    if (s->returns > SMTP_RETURN_MESSAGE)
        return; /* nobody wanted to send it */
    atomic_fetch_add(&s->worker->shared->refused_messages, 1);
    if (!ip_parse(sv_of(m->client), &client) ||
        !clientlog_allows(s->worker->clientlog, &client, (uint64_t)limit,
                          loop_now_ms(s->worker->loop)))
        return;
    char text[REFUSED_TEXT_MAX];
    refused_text(text, &s->reply, s->reply.setting, s->session);
    log_event(LOG_INFO, "refused",
              &(struct log_ctx){.session = s->session,
                                .queue = sv_of(m->id),
                                .login = sv_of(m->login),
                                .client = sv_of(m->client)},
              "from=<%s> %s", m->reverse_path, text);
    note_refused(s, text);
}

static const char *priority_text(const struct queue_message *m, char out[PRIORITY_TEXT_MAX])
{
    out[0] = '\0';
    if (m->priority)
        snprintf(out, PRIORITY_TEXT_MAX, " priority=%d", m->priority);
    return out;
}

void submission_log_accepted(const struct submission *s)
{
    const struct queue_message *m = s->message;
    char text[PRIORITY_TEXT_MAX];
    log_event(LOG_INFO, "accepted",
              &(struct log_ctx){.session = s->session,
                                .queue = sv_of(m->id),
                                .login = sv_of(m->login),
                                .client = sv_of(m->client)},
              "from=<%s> recipients=%zu size=%llu message-id=%s ms=%llu%s", m->reverse_path,
              s->nrows, (unsigned long long)m->size, m->message_id,
              (unsigned long long)(clock_mono_ms() - s->opened_ms), priority_text(m, text));
}
