/* What refusals, and what clients do wrong without one, leave behind: log, history, misfits. */
#include "msa/server/conn_internal.h"
#include "msa/server/refused.h"

#include <stdio.h>

void conn_misfit(struct conn *c, enum misfit_kind kind, struct sv example)
{
    misfit_sender_tell(c->worker->misfits, &c->client, sv_of(c->login), kind, example);
}

static void count(struct conn *c, const struct smtp_refused *r)
{
    struct smtp_status s = r->status;
    if ((s.class == 4 || s.class == 5) && s.subject < WORKER_SUBJECTS)
        atomic_fetch_add(&c->worker->shared->refused_replies[s.class - 4][s.subject], 1);
}

/* With what was refused, as far as the reply does not say it. */
static void note_misfit(struct conn *c, const struct smtp_refused *r, const char *text)
{
    enum misfit_kind kind;
    char example[REFUSED_TEXT_MAX + 120];
    struct sv about = r->recipient.len ? r->recipient : r->reverse_path;
    if (!misfit_of_reply(r->status, r->reply->setting, &kind))
        return;
    if (c->login_denied)
        snprintf(example, sizeof example, "%.*s by %s: %s", SV_ARG(sv_first(c->tried, 80)),
                 c->mechanism, text);
    else if (about.len)
        snprintf(example, sizeof example, "<%.*s>: %s", SV_ARG(sv_first(about, 80)), text);
    else
        snprintf(example, sizeof example, "%s", text);
    conn_misfit(c, kind, sv_of(example));
}

static void note_refusal(struct conn *c, const struct smtp_refused *r, const char *text)
{
    const struct smtp_envelope *e = r->envelope;
    struct sv recipients[REFUSED_RECIPIENTS_MAX] = {r->recipient};
    size_t count = r->recipient.len ? 1 : e->count;
    for (size_t i = 0; i < count && i < REFUSED_RECIPIENTS_MAX && !r->recipient.len; i++)
        recipients[i] = e->recipients[i].path.text;
    refused_note(c->worker->shared->store, &(struct refused){
                                               .id = sv_of(c->session),
                                               .login = c->tried.len ? c->tried : sv_of(c->login),
                                               .client = sv_of(c->client_text),
                                               .reverse_path = r->reverse_path,
                                               .recipients = recipients,
                                               .nrecipients = count,
                                               .status = r->status,
                                               .text = text,
                                           });
}

/* Each refusal counts, and is a line and an event of the history, within the client's limit. A
 * login that was denied has been logged as login-failed, with what the reply does not say. */
void conn_on_refused(void *arg, const struct smtp_refused *r)
{
    struct conn *c = arg;
    char text[REFUSED_TEXT_MAX];
    if (c->operated)
        return; /* who asks is told, and nobody was refused */
    bool is_login = c->login_denied && (c->login_blocked || smtp_reply_is_permanent(r->reply));
    refused_text(text, r->reply, r->told ? SV_NONE : r->reply->setting, SV_NONE);
    count(c, r);
    note_misfit(c, r, text);
    if (is_login ? !c->login_logged : !conn_may_log(c))
        return;
    struct log_ctx ctx = conn_ctx(c);
    if (!is_login)
        log_event(LOG_INFO, "reply", &ctx, "%s", text);
    note_refusal(c, r, text);
}
