/*
 *     open -> body* -> commit: end of completer -> content_finish -> submission_end.c -> on_done
 *
 * A refusal that is found only at the end (the completer's last line, the disk) goes the same way,
 * to on_done.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/loop/clock.h"
#include "msa/server/policy.h"
#include "msa/server/reject.h"
#include "msa/server/rights_header.h"
#include "msa/server/submission_private.h"
#include "msa/smtp/solicit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVENANCE_FREE_BYTES (32u << 10) /* of a header, within MEMORY_MESSAGE_BYTES */
/* What a header section may have beyond limits.header_size: our own fields, and those of milters.
 */

struct smtp_reply submission_queued(const char *id, char text[SUBMISSION_QUEUED_CHARS])
{
    struct smtp_reply reply = SMTP_REPLY(250, 2, 0, 0, "");
    snprintf(text, SUBMISSION_QUEUED_CHARS, "Queued as %s", id);
    reply.text = sv_of(text);
    return reply;
}

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
    rewrite_provenance_deinit(&s->provenance);
    rewrite_dkim_deinit(&s->dkim);
    if (s->is_returned)
        submission_returned_drop(&s->returned, s->worker->shared->store);
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

static void run_told(struct task *t)
{
    struct submission *s = (struct submission *)t;
    if (s->discarded)
        submission_log_discarded(s);
    else if (!s->accepted)
        submission_log_refused(s);
    if (!s->forgotten)
        s->on_done(s->arg, s->accepted, &s->reply);
    else if (s->partial)
        worker_end_partial(s->worker, s->partial,
                           s->discarded || (!s->accepted && s->reply.code >= 500));
    release(s);
}

void submission_finish(struct submission *s, bool accepted, struct smtp_reply reply)
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

struct smtp_ext_config submission_extensions(const struct submission *s)
{
    return s->service->setups[0].ext; /* what is read of it is the same for all listeners */
}

/* RFC 3865 2.3, 2.5: the parameter says what the field says; classes that are refused are so in
 * either. */
static bool judge_solicitation(struct submission *s, struct smtp_reply *reply_out)
{
    struct smtp_ext_config x = submission_extensions(s);
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
                                   .reverse_path = s->reverse_path,
                                   .options = &s->service->generation->options,
                                   .rules = s->service->rules};
    struct rewrite_named named;
    if (rights_header(&s->rights, &header, &s->message->arena, &named, reply_out)) {
        rewrite_stream_permit(&s->rewrite, named);
        return true;
    }
    rewrite_stream_refuse(&s->rewrite);
    return false;
}

/* The header as it came, and what the completer makes of it. A large one that memory has no room
 * for is not worth refusing mail: how it came to be is then not known. */
static void note_header(struct submission *s)
{
    struct sv section = s->rewrite.section;
    s->header_noted = true;
    if (section.len > PROVENANCE_FREE_BYTES) {
        if (!memory_take(&s->worker->shared->memory, (int64_t)section.len))
            return;
        s->memory_bytes += (int64_t)section.len;
    }
    rewrite_provenance_begin(&s->provenance, section);
    rewrite_provenance_layer(&s->provenance, REWRITE_BY_COMPLETER, SV_NONE, false);
    rewrite_provenance_edits(&s->provenance, &s->rewrite.edits);
}

static bool drain(struct submission *s, struct smtp_reply *reply_out);

static const enum rewrite_name_answer rewrite_answers[] = {[NAMES_YES] = REWRITE_NAME_YES,
                                                           [NAMES_NO] = REWRITE_NAME_NO,
                                                           [NAMES_NULL_MX] = REWRITE_NAME_YES,
                                                           [NAMES_UNKNOWN] = REWRITE_NAME_UNKNOWN};

/* The completer has got its answer. What is refused now is told with the next piece, or at the end.
 */
static void go_on(struct submission *s)
{
    s->refused = !drain(s, &s->reply);
    if (s->query)
        return; /* another name */
    if (!s->committed)
        s->on_room(s->arg);
    else if (s->refused)
        submission_finish(s, false, s->reply);
    else
        content_finish(s->writer);
}

/* A name of the header is known, or not. */
static void on_resolved(void *arg, enum names_answer answer)
{
    struct submission *s = arg;
    s->query = NULL;
    rewrite_stream_resolved(&s->rewrite, rewrite_answers[answer]);
    go_on(s);
}

/* Likewise of what a domain stands for. One that does not exist, or takes no mail, stays. */
static void on_alias_known(void *arg, enum names_answer answer)
{
    struct submission *s = arg;
    const char *canonical = names_canonical(s->query);
    s->query = NULL;
    rewrite_stream_aliased(&s->rewrite, rewrite_answers[answer],
                           answer == NAMES_NO ? SV_NONE : sv_of(canonical));
    go_on(s);
}

static void find_alias(struct submission *s, struct sv name)
{
    struct worker *w = s->worker;
    if (policy_name_is_known(name, &s->service->generation->options))
        rewrite_stream_aliased(&s->rewrite, REWRITE_NAME_NO, SV_NONE);
    else
        s->query = names_ask(w->shared->names, w->mailbox, name, on_alias_known, s);
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
        if (a.kind == REWRITE_ALIAS) {
            find_alias(s, a.name);
            continue;
        }
        if (a.kind == REWRITE_AUTHORS) {
            if (!judge_authors(s, a.authors, reply_out))
                return false;
            continue;
        }
        if (!s->header_judged && !judge_solicitation(s, reply_out))
            return false;
        if (!s->header_noted)
            note_header(s);
        if (a.kind == REWRITE_EMIT) {
            int err = content_append(s->writer, a.bytes);
            rewrite_dkim_feed(&s->dkim, a.bytes);
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
                                                  .on_finished = submission_content_finished};
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
    s->returns = (enum smtp_return)f->envelope->values[SMTP_MAIL_XRETURN].number;
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
    submission_fill_envelope(s, f);
    s->rights = (struct rights_holder){f->rights.rights, f->rights.row, sv_of(s->message->login)};
    if (!f->login.len)
        s->rights.login = SV_NONE;
    struct arena *a = &s->message->arena;
    struct rewrite_stream_config config = {
        .options = &o->rewrite,
        .received = {.helo = arena_sv(a, f->helo),
                     .address = sv_of(s->message->client),
                     .by = sv_of(o->hostname),
                     .protocol = submission_protocol(f),
                     .id = sv_of(s->message->id),
                     .tls = arena_sv(a, f->tls_cipher),
                     .for_path = s->rows->nrows == 1 ? sv_of(s->rows->rows[0].address) : SV(""),
                     .solicit = s->solicit,
                     .has_priority = smtp_envelope_has(f->envelope, SMTP_MAIL_MT_PRIORITY),
                     .priority = s->message->priority,
                     .wall_s = s->message->received_ms / 1000},
        .domains = domains_of(o, a),
        .domain_count = o->domains.count,
        .rules = s->service->rules,
        .header_size = (size_t)o->limits.header_size_bytes,
        .received_hops = (size_t)o->limits.received_hops,
        .binary = f->envelope->values[SMTP_MAIL_BODY].number == SMTP_BODY_BINARYMIME,
        .gateway = rights_is_gateway(&f->rights),
    };
    config.judge_authors = !config.gateway;
    rewrite_stream_init(&s->rewrite, &config);
    rewrite_provenance_init(&s->provenance);
    rewrite_dkim_init(&s->dkim, f->service->relay->dkim, REWRITE_CHANGED_MAX(config.header_size),
                      config.received.wall_s);
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
    submission_log_refused(s);
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
        submission_finish(s, false, s->reply);
        return;
    }
    REQUIRE(s->reply.code == 0); /* what was refused aloud is dropped, never committed */
    rewrite_stream_end(&s->rewrite);
    if (!drain(s, &reply))
        submission_finish(s, false, reply);
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
        submission_finish(s, false, reject_slow());
    }
    if (s->waiting)
        submission_stop_waiting(s);
    if (s->put)
        atomic_store(&s->put->canceled, true);
}

void submission_drop(struct submission *s)
{
    release(s);
}
