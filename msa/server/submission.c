/*
 *     open -> body* -> commit: end of completer -> content_finish -> on_finished -> store_put
 *                                                                       -> on_put -> on_done
 *
 * With a filter the message goes before the milters between on_finished and store_put.
 * A refusal that is found only at the end (the completer's last line, the disk) goes the same way,
 * to on_done.
 */
#include "msa/server/submission.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/loop/clock.h"
#include "msa/server/policy.h"
#include "msa/server/refused.h"
#include "msa/server/reject.h"
#include "msa/server/rights_header.h"
#include "msa/smtp/dot.h"
#include "msa/smtp/solicit.h"
#include "rewrite/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define PRIORITY_TEXT_MAX 20

struct submission {
    struct task told; /* posts on_done */
    struct worker *worker;
    struct service *service;
    struct queue_message *message;
    struct queue_batch *rows;
    struct content_writer *writer;
    struct spending_ticket *ticket; /* of the login's budget; NULL: none */
    struct partial *partial;        /* its session's, the submission's once that has forgotten it */
    struct rewrite_stream rewrite;
    bool resumable_binary; /* BINARYMIME with TRANSID */
    struct smtp_dot look;  /* at all of it, whichever session it came over */
    void (*on_room)(void *arg);
    void (*on_done)(void *arg, bool accepted, const struct smtp_reply *reply);
    void *arg;
    bool committed, forgotten, abandoned, accepted;
    struct filter *filter;
    struct submission *prev, *next; /* in worker->filtering, while it works */
    bool filtering;
    const char *discarded; /* why; NULL: it was not */
    struct store_put *put; /* under way */
    bool header_judged, requires_tls;
    struct names_query *query; /* of a name in the header */
    bool refused;              /* with reply, which nobody has been told */
    struct sv solicit;         /* of MAIL; empty: none */
    struct rights_holder rights;
    size_t nrows;
    struct smtp_reply reply;
    char reply_text[sizeof(((struct rewrite_refusal *)0)->text)];
    struct sv session; /* in message's arena, as all text kept here */
    uint64_t opened_ms;
    int64_t memory_bytes;
};

const char *submission_id(const struct submission *s)
{
    return s->message->id;
}

static void release(struct submission *s)
{
    if (s->query)
        names_cancel(s->query);
    if (s->ticket && s->accepted && !s->discarded)
        spending_keep(s->ticket);
    else if (s->ticket)
        spending_give_back(s->ticket);
    if (s->writer)
        content_free(s->writer);
    rewrite_stream_deinit(&s->rewrite);
    filter_free(s->filter);
    queue_batch_free(s->rows);
    queue_message_drop(s->message);
    memory_give(&s->worker->shared->memory, s->memory_bytes);
    service_drop(s->service);
    struct worker *w = s->worker;
    free(s);
    w->nsubmissions--;
    worker_on_ended(w);
}

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
static void log_discarded(struct submission *s)
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

static void log_refused(struct submission *s)
{
    struct queue_message *m = s->message;
    int64_t limit = s->service->generation->options.log.per_client_per_minute;
    struct ip client;
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

static void run_told(struct task *t)
{
    struct submission *s = (struct submission *)t;
    if (s->discarded)
        log_discarded(s);
    else if (!s->accepted)
        log_refused(s);
    if (!s->forgotten)
        s->on_done(s->arg, s->accepted, &s->reply);
    else if (s->partial)
        worker_end_partial(s->worker, s->partial,
                           s->discarded || (!s->accepted && s->reply.code >= 500));
    release(s);
}

static void finish(struct submission *s, bool accepted, struct smtp_reply reply)
{
    s->accepted = accepted;
    s->reply = reply;
    s->told.run = run_told;
    mailbox_post(s->worker->mailbox, &s->told);
}

/* The refusal's words, kept where the session can still read them. */
static struct smtp_reply refusal_reply(struct submission *s, const struct rewrite_refusal *r)
{
    struct smtp_reply reply = {.code = r->code, .setting = sv_of(r->setting)};
    struct sv rest;
    bool good = smtp_status_parse(sv_of(r->status), &reply.enhanced, &rest);
    (void)good; /* from the completer's own table */
    snprintf(s->reply_text, sizeof s->reply_text, "%s", r->text);
    reply.text = sv_of(s->reply_text);
    return reply;
}

static struct smtp_ext_config extensions(const struct submission *s)
{
    return s->service->setups[0].ext; /* what is read of it is the same for all listeners */
}

/* RFC 3865 2.3, 2.5: the parameter says what the field says; classes that are refused are so in
 * either. */
static bool judge_solicitation(struct submission *s, struct smtp_reply *reply_out)
{
    struct smtp_ext_config x = extensions(s);
    struct sv field = sv_of(s->rewrite.facts.solicitation);
    s->header_judged = true;
    if (field.len && s->solicit.len && !sv_ieq(field, s->solicit)) {
        *reply_out = SMTP_REPLY(554, 5, 6, 0,
                                "SOLICIT at MAIL and the Solicitation field differ (RFC 3865 2.3)");
        return false;
    }
    if ((x.off & SMTP_EXT_BIT(SMTP_EXT_NO_SOLICITING)) ||
        smtp_solicit_common(field, x.no_soliciting).len == 0)
        return true;
    snprintf(s->reply_text, sizeof s->reply_text, "Mail of this class is not taken: SOLICIT=%.*s",
             SV_ARG(sv_first(x.no_soliciting, 100)));
    *reply_out = SMTP_REPLY_SETTING(550, 5, 7, 1, "", "extensions.no_soliciting");
    reply_out->text = sv_of(s->reply_text);
    return false;
}

/* The reply's text lives as long as the message. */
static bool judge_authors(struct submission *s, const struct rewrite_authors *authors,
                          struct smtp_reply *reply_out)
{
    struct rights_header header = {.authors = authors,
                                   .reverse_path = sv_of(s->message->reverse_path),
                                   .options = &s->service->generation->options};
    struct sv sender;
    if (rights_header(&s->rights, &header, &s->message->arena, &sender, reply_out)) {
        rewrite_stream_permit(&s->rewrite, sender);
        return true;
    }
    rewrite_stream_refuse(&s->rewrite);
    return false;
}

static bool drain(struct submission *s, struct smtp_reply *reply_out);

/* A name of the header is known, or not: the completer goes on. What is refused now is told with
 * the next piece, or at the end. */
static void on_resolved(void *arg, enum names_answer answer)
{
    static const enum rewrite_name_answer answers[] = {[NAMES_YES] = REWRITE_NAME_YES,
                                                       [NAMES_NO] = REWRITE_NAME_NO,
                                                       [NAMES_NULL_MX] = REWRITE_NAME_YES,
                                                       [NAMES_UNKNOWN] = REWRITE_NAME_UNKNOWN};
    struct submission *s = arg;
    s->query = NULL;
    rewrite_stream_resolved(&s->rewrite, answers[answer]);
    s->refused = !drain(s, &s->reply);
    if (s->query)
        return; /* another name */
    if (!s->committed)
        s->on_room(s->arg);
    else if (s->refused)
        finish(s, false, s->reply);
    else
        content_finish(s->writer);
}

static void resolve(struct submission *s, struct sv name)
{
    struct worker *w = s->worker;
    if (policy_name_is_known(name, &s->service->generation->options))
        rewrite_stream_resolved(&s->rewrite, REWRITE_NAME_YES);
    else
        s->query = names_ask(w->shared->names, w->mailbox, name, on_resolved, s);
}

/* Moves what the completer has to the store, until it must wait for a name. */
static bool drain(struct submission *s, struct smtp_reply *reply_out)
{
    struct rewrite_action a;
    while (rewrite_stream_next(&s->rewrite, &a)) {
        if (a.kind == REWRITE_REFUSE) {
            *reply_out = refusal_reply(s, a.refusal);
            return false;
        }
        if (a.kind == REWRITE_RESOLVE) {
            resolve(s, a.name);
            continue;
        }
        if (a.kind == REWRITE_AUTHORS) {
            if (!judge_authors(s, a.authors, reply_out))
                return false;
            continue;
        }
        if (!s->header_judged && !judge_solicitation(s, reply_out))
            return false;
        if (a.kind == REWRITE_EMIT) {
            int err = content_append(s->writer, a.bytes);
            if (err < 0) {
                *reply_out = reject_storage(err);
                return false;
            }
        }
    }
    return true;
}

static void on_writer_room(void *arg)
{
    struct submission *s = arg;
    if (!s->committed)
        s->on_room(s->arg);
}

static const char *priority_text(const struct queue_message *m, char out[PRIORITY_TEXT_MAX])
{
    out[0] = '\0';
    if (m->priority)
        snprintf(out, PRIORITY_TEXT_MAX, " priority=%d", m->priority);
    return out;
}

static void log_accepted(const struct submission *s)
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

struct smtp_reply submission_queued(const char *id, char text[SUBMISSION_QUEUED_CHARS])
{
    struct smtp_reply reply = SMTP_REPLY(250, 2, 0, 0, "");
    snprintf(text, SUBMISSION_QUEUED_CHARS, "Queued as %s", id);
    reply.text = sv_of(text);
    return reply;
}

static void on_put(struct store_put *p, int err)
{
    struct submission *s = p->arg;
    free(p);
    s->put = NULL;
    if (err < 0 && s->abandoned) {
        finish(s, false, reject_slow());
        return;
    }
    if (err < 0) {
        log_event(LOG_ERROR, "queue-failed",
                  &(struct log_ctx){.session = s->session, .queue = sv_of(s->message->id)}, "%s",
                  err_text(err));
        finish(s, false, reject_storage(err));
        return;
    }
    atomic_fetch_add(&s->worker->shared->accepted_messages, 1);
    atomic_fetch_add(&s->worker->shared->accepted_bytes, s->message->size);
    log_accepted(s);
    finish(s, true, submission_queued(s->message->id, s->reply_text));
}

/* What the header says and the queue has to know. An MSA that finds the field sets the parameter
 * for those behind it (RFC 3865 2.7). */
static void keep_header_facts(struct submission *s)
{
    struct queue_message *m = s->message;
    const struct rewrite_facts *facts = &s->rewrite.facts;
    m->tls_optional = facts->tls_required_no && !s->requires_tls;
    m->smtputf8 = m->smtputf8 && facts->eight_bit_header;
    if (facts->solicitation[0] && !s->solicit.len &&
        !(extensions(s).off & SMTP_EXT_BIT(SMTP_EXT_NO_SOLICITING)))
        m->mail_params =
            arena_printf(&m->arena, "%s SOLICIT=%s", m->mail_params, facts->solicitation);
}

/* What is too much is held. */
static const struct store_spent *spend(struct submission *s)
{
    struct arena *a = &s->message->arena;
    if (spending_is_held(s->ticket)) {
        const char *why = spending_why(s->ticket, a);
        queue_batch_hold(s->rows, why);
        log_event(
            LOG_INFO, "held",
            &(struct log_ctx){.queue = sv_of(s->message->id), .login = sv_of(s->message->login)},
            "%s; \"msactl queue release\" lets it go", why);
    }
    return spending_record(s->ticket, a);
}

static void put(struct submission *s)
{
    struct queue_message *m = s->message;
    m->eight_bit |= s->rewrite.facts.eight_bit_header || s->rewrite.facts.eight_bit_body;
    struct store_put *p = NEW(struct store_put);
    p->reply = s->worker->mailbox;
    p->message = queue_message_keep(m);
    p->rows = s->rows;
    p->partial = s->partial;
    if (s->ticket)
        p->spent = spend(s);
    p->done = on_put;
    p->arg = s;
    s->nrows = s->rows->nrows;
    s->rows = NULL;
    s->put = p;
    store_put(s->worker->shared->store, p);
}

static void end_filter(struct submission *s)
{
    DL_DELETE(s->worker->filtering, s);
    s->filtering = false;
}

/* The reply's words, and why, lie in the filter. */
static void on_filtered(void *arg, enum filter_outcome outcome, const struct smtp_reply *reply,
                        const char *why)
{
    struct submission *s = arg;
    struct arena *a = &s->message->arena;
    end_filter(s);
    if (outcome == FILTER_QUEUE) {
        put(s);
        return;
    }
    content_give_up(s->worker->shared->store, s->message);
    if (outcome == FILTER_DISCARD) {
        s->discarded = arena_str(a, sv_of(why));
        finish(s, true, submission_queued(s->message->id, s->reply_text));
        return;
    }
    struct smtp_reply r = *reply;
    r.text = arena_sv(a, r.text);
    finish(s, false, r);
}

static void stop_filter(struct submission *s)
{
    filter_cancel(s->filter);
    end_filter(s);
    content_give_up(s->worker->shared->store, s->message);
    finish(s, false, reject_slow());
}

void submission_stop_filters(struct worker *w)
{
    struct submission *s, *next;
    DL_FOREACH_SAFE(w->filtering, s, next)
    {
        stop_filter(s);
    }
}

static void on_writer_finished(void *arg, int err)
{
    struct submission *s = arg;
    if (err < 0 || s->abandoned) {
        finish(s, false, s->abandoned ? reject_slow() : reject_storage(err));
        return;
    }
    struct queue_message *m = s->message;
    content_take(s->writer, m);
    content_free(s->writer);
    s->writer = NULL;
    m->message_id = arena_str(&m->arena, sv_of(s->rewrite.facts.message_id));
    keep_header_facts(s);
    if (!s->filter) {
        put(s);
        return;
    }
    s->filtering = true;
    DL_APPEND(s->worker->filtering, s);
    filter_message(s->filter, &(struct filter_target){.message = m, .rows = s->rows}, on_filtered,
                   s);
}

/* RFC 3848; RFC 6531 4.3. */
static struct sv protocol_of(const struct submission_from *f)
{
    if (smtp_envelope_has(f->envelope, SMTP_MAIL_SMTPUTF8)) {
        if (f->tls_cipher.len)
            return f->login.len ? SV("UTF8SMTPSA") : SV("UTF8SMTPS");
        return f->login.len ? SV("UTF8SMTPA") : SV("UTF8SMTP");
    }
    if (!f->esmtp)
        return SV("SMTP");
    if (f->tls_cipher.len)
        return f->login.len ? SV("ESMTPSA") : SV("ESMTPS");
    return f->login.len ? SV("ESMTPA") : SV("ESMTP");
}

static const char *text_form(struct arena *a, struct buf *b)
{
    const char *text = arena_str(a, buf_view(b));
    buf_reset(b);
    return text;
}

struct seen {
    struct sv address;
    UT_hash_handle hh;
};

/* Rows for the recipients; who is named twice gets one copy (the first one's parameters count). */
static void fill_rows(struct submission *s, const struct smtp_envelope *e, struct buf *b)
{
    struct queue_batch *rows = queue_batch_new(s->message, e->count);
    struct seen *list = mem_new(e->count, sizeof *list), *all = NULL, *twin;
    int64_t release_ms =
        smtp_envelope_hold_until_s(e, (s->message->received_ms + 999) / 1000) * 1000;
    if (release_ms && release_ms < s->message->received_ms)
        release_ms = s->message->received_ms;
    rows->nrows = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const struct smtp_recipient *r = &e->recipients[i];
        HASH_FIND(hh, all, r->path.text.ptr, r->path.text.len, twin);
        if (twin)
            continue;
        list[i].address = r->path.text;
        HASH_ADD_KEYPTR(hh, all, list[i].address.ptr, list[i].address.len, &list[i]);
        struct queue_row *row = &rows->rows[rows->nrows++];
        row->address = arena_str(&rows->arena, r->path.text);
        row->domain = arena_str(&rows->arena, smtp_path_domain(&r->path));
        if (smtp_envelope_write_rcpt(r, b) == 0)
            row->rcpt_params = text_form(&rows->arena, b);
        row->due_ms = release_ms ? release_ms : s->message->received_ms;
        row->held_ms = row->due_ms - s->message->received_ms;
    }
    HASH_CLEAR(hh, all);
    free(list);
    s->rows = rows;
}

static void fill_envelope(struct submission *s, const struct submission_from *f)
{
    struct queue_message *m = s->message;
    const struct smtp_envelope *e = f->envelope;
    struct buf b;
    buf_init(&b, 8192, 0);
    m->reverse_path = arena_str(&m->arena, e->reverse.text);
    if (smtp_envelope_write_mail(e, &b) == 0)
        m->mail_params = text_form(&m->arena, &b);
    m->priority = (int8_t)smtp_envelope_priority(e);
    m->smtputf8 = smtp_envelope_has(e, SMTP_MAIL_SMTPUTF8); /* until the header is known */
    s->solicit = arena_sv(&m->arena, e->values[SMTP_MAIL_SOLICIT].text);
    s->requires_tls = smtp_envelope_has(e, SMTP_MAIL_REQUIRETLS);
    m->login = arena_str(&m->arena, f->owner);
    m->client = arena_str(&m->arena, f->client);
    s->session = arena_sv(&m->arena, f->session);
    fill_rows(s, e, &b);
    buf_deinit(&b);
}

static const struct sv *domains_of(const struct msa_options *o, struct arena *a)
{
    struct sv *list = arena_alloc(a, (o->domains.count + 1) * sizeof *list);
    for (size_t i = 0; i < o->domains.count; i++)
        list[i] = sv_of(o->domains.items[i]);
    return list;
}

struct submission *submission_open(const struct submission_from *f, struct smtp_reply *reply_out)
{
    static const struct content_writer_ops ops = {.on_room = on_writer_room,
                                                  .on_finished = on_writer_finished};
    const struct msa_options *o = &f->service->generation->options;
    int64_t memory_bytes = f->partial ? 2 * MEMORY_MESSAGE_BYTES : MEMORY_MESSAGE_BYTES;
    memory_bytes += f->filtered ? MEMORY_FILTER_BYTES : 0;
    if (!memory_take(&f->worker->shared->memory, memory_bytes)) {
        *reply_out = reject_memory();
        return NULL;
    }
    struct submission *s = NEW(struct submission);
    s->worker = f->worker;
    s->memory_bytes = memory_bytes;
    s->partial = f->partial;
    s->ticket = f->ticket;
    s->worker->nsubmissions++;
    s->service = service_keep(f->service);
    s->on_room = f->on_room;
    s->on_done = f->on_done;
    s->arg = f->arg;
    s->opened_ms = clock_mono_ms();
    s->message = queue_message_new();
    s->message->received_ms = clock_wall_ms();
    queue_id_make(s->message->id, s->message->received_ms, random_u64());
    fill_envelope(s, f);
    s->rights = (struct rights_holder){f->rights.rights, f->rights.row, sv_of(s->message->login)};
    if (!f->login.len)
        s->rights.login = SV_NONE;
    struct arena *a = &s->message->arena;
    struct rewrite_stream_config config = {
        .options = &o->rewrite,
        .received = {.helo = arena_sv(a, f->helo),
                     .address = sv_of(s->message->client),
                     .by = sv_of(o->hostname),
                     .protocol = protocol_of(f),
                     .id = sv_of(s->message->id),
                     .tls = arena_sv(a, f->tls_cipher),
                     .for_path = s->rows->nrows == 1 ? sv_of(s->rows->rows[0].address) : SV(""),
                     .solicit = s->solicit,
                     .has_priority = smtp_envelope_has(f->envelope, SMTP_MAIL_MT_PRIORITY),
                     .priority = s->message->priority,
                     .wall_s = s->message->received_ms / 1000},
        .domains = domains_of(o, a),
        .domain_count = o->domains.count,
        .header_size = (size_t)o->limits.header_size_bytes,
        .received_hops = (size_t)o->limits.received_hops,
        .binary = f->envelope->values[SMTP_MAIL_BODY].number == SMTP_BODY_BINARYMIME,
        .gateway = rights_is_gateway(&f->rights),
    };
    config.judge_authors = !config.gateway;
    rewrite_stream_init(&s->rewrite, &config);
    s->resumable_binary = config.binary && s->partial;
    smtp_dot_init(&s->look, SMTP_DOT_BINARY, false);
    s->message->eight_bit = !utf8_is_ascii(config.received.for_path);
    s->writer =
        content_begin(s->worker->shared->store, s->message->id, s->worker->mailbox, &ops, s);
    return s;
}

bool submission_body(struct submission *s, struct sv bytes, bool normalized,
                     struct smtp_reply *reply_out)
{
    if (s->partial && normalized)
        partial_keep_no_more(s->partial);
    if (s->partial)
        partial_append(s->partial, bytes);
    return submission_kept(s, bytes, reply_out);
}

/* Of binary content the session sees only what came over its own connection. */
static void look_at(struct submission *s, struct sv bytes)
{
    struct sv piece;
    while (s->resumable_binary && bytes.len)
        bytes = sv_skip(bytes, smtp_dot_next(&s->look, bytes, &piece));
}

static bool is_binary_in_all(struct submission *s)
{
    struct sv piece;
    smtp_dot_finish(&s->look, &piece);
    return s->look.seen != 0;
}

bool submission_kept(struct submission *s, struct sv bytes, struct smtp_reply *reply_out)
{
    look_at(s, bytes);
    if (!s->refused) {
        rewrite_stream_feed(&s->rewrite, bytes);
        if (drain(s, reply_out))
            return true;
    } else {
        *reply_out = s->reply;
    }
    s->reply = *reply_out;
    log_refused(s);
    return false;
}

bool submission_full(const struct submission *s)
{
    return s->query || content_full(s->writer) || (s->partial && partial_full(s->partial));
}

struct filter *submission_take_filter(struct submission *s)
{
    struct filter *f = s->filter;
    s->filter = NULL;
    return f;
}

void submission_commit(struct submission *s, bool binary, struct filter *filter)
{
    struct smtp_reply reply;
    s->filter = filter;
    s->committed = true;
    s->message->binary = s->resumable_binary ? is_binary_in_all(s) : binary;
    if (s->refused) {
        finish(s, false, s->reply);
        return;
    }
    REQUIRE(s->reply.code == 0); /* what was refused aloud is dropped, never committed */
    rewrite_stream_end(&s->rewrite);
    if (!drain(s, &reply))
        finish(s, false, reply);
    else if (!s->query)
        content_finish(s->writer);
}

void submission_forget(struct submission *s)
{
    s->forgotten = true;
}

void submission_abandon(struct submission *s)
{
    s->forgotten = s->abandoned = true;
    if (s->query) {
        names_cancel(s->query);
        s->query = NULL;
        finish(s, false, reject_slow());
    }
    if (s->filtering)
        stop_filter(s);
    if (s->put)
        atomic_store(&s->put->canceled, true);
}

void submission_drop(struct submission *s)
{
    release(s);
}
