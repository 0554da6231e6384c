/*
 * Making one form: the content is read twice from the store, first for the survey, then for the
 * encoder, whose output goes into content that is never put.
 *
 *     read -> survey -> ... plan --(nothing to do, or not possible)--> over
 *                         `-> read -> encode -> append [wait for room] -> finish -> take
 *                             -> sign -> over
 */
#include "relay/internal.h"

#include "msa/base/crashring.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/signing.h"
#include "rewrite/changes.h"
#include "rewrite/encode.h"

#include <stdlib.h>
#include <utlist.h>

#define PIECE_BYTES (128u << 10)

struct relay_form_work {
    struct rewrite_survey survey;
    struct rewrite_plan plan;
    struct rewrite_encode encode;
    bool is_encoding, encode_begun;
    uint64_t offset;
    struct store_read *read; /* under way */
    struct content_writer *writer;
    struct queue_message *made;
    bool waits_for_room;
    struct rewrite_dkim dkim;
    bool dkim_begun;
    struct relay_signing *signing;
};

static const struct relay_worker_config *config_of(const struct relay_form_build *b)
{
    return relay_worker_config(b->worker);
}

/* Most bytes of a header section of ours. */
static size_t header_max(const struct relay_form_build *b)
{
    return REWRITE_CHANGED_MAX(b->settings->header_size);
}

/* ---- end ---- */

static void free_work(struct relay_form_work *k)
{
    if (k->read)
        k->read->canceled = true;
    if (k->writer)
        content_free(k->writer);
    relay_signing_cancel(k->signing);
    if (k->dkim_begun)
        rewrite_dkim_deinit(&k->dkim);
    if (k->encode_begun)
        rewrite_encode_deinit(&k->encode);
    rewrite_survey_deinit(&k->survey);
    rewrite_plan_deinit(&k->plan);
    queue_message_drop(k->made);
    free(k);
}

static void end(struct relay_form_build *b, int err)
{
    const struct relay_worker_config *config = config_of(b);
    b->answer.err = err;
    free_work(b->work);
    b->work = NULL;
    DL_DELETE(*relay_worker_builds(b->worker), b);
    b->task.run = b->over;
    mailbox_post(config->main, &b->task);
}

void relay_form_stop(struct relay_worker *w)
{
    struct relay_form_build *b, *next;
    DL_FOREACH_SAFE(*relay_worker_builds(w), b, next)
    {
        end(b, ERR_CANCELED);
    }
}

/* ---- reading ---- */

static void next_piece(struct relay_form_build *b);

static void on_room(void *arg)
{
    struct relay_form_build *b = arg;
    if (!b->work->waits_for_room)
        return;
    b->work->waits_for_room = false;
    next_piece(b);
}

/* ---- signing: what signed the message does not hold for its form ---- */

static void on_signed(void *arg)
{
    struct relay_form_build *b = arg;
    struct relay_form_work *k = b->work;
    struct queue_message *m = k->made;
    struct buf fields;
    bool required;
    k->signing = NULL;
    b->lacks_signature = rewrite_dkim_lacks(&k->dkim, &required);
    if (!relay_signing_judge(&k->dkim, &(struct log_ctx){.queue = sv_of(b->message->id)})) {
        content_give_up(config_of(b)->store, m);
        b->answer.is_unsigned = true;
        end(b, ERR_KEEPER);
        return;
    }
    buf_init(&fields, REWRITE_DKIM_FIELDS_MAX, 0);
    rewrite_dkim_fields(&k->dkim, &fields);
    m->prefix = arena_str(&m->arena, buf_view(&fields));
    buf_deinit(&fields);
    b->answer.content = m;
    k->made = NULL;
    end(b, 0);
}

static void on_finished(void *arg, int err)
{
    struct relay_form_build *b = arg;
    struct relay_form_work *k = b->work;
    if (err < 0) {
        end(b, err);
        return;
    }
    content_take(k->writer, k->made);
    rewrite_dkim_end(&k->dkim);
    struct relay_signer *signer = config_of(b)->signer;
    if (signer)
        k->signing = relay_signing_start(signer, &k->dkim, RELAY_SIGNING_MS, on_signed, b);
    if (!k->signing)
        on_signed(b);
}

static void begin_encoding(struct relay_form_build *b)
{
    static const struct content_writer_ops ops = {.on_room = on_room, .on_finished = on_finished};
    struct relay_form_work *k = b->work;
    k->is_encoding = k->encode_begun = true;
    k->offset = 0;
    rewrite_encode_init(&k->encode, &k->plan, header_max(b));
    k->dkim_begun = true;
    rewrite_dkim_init(&k->dkim, b->settings->dkim, header_max(b), clock_wall_s());
    k->made = queue_message_new();
    k->made->received_ms = b->message->received_ms;
    queue_id_make(k->made->id, clock_wall_ms(), random_u64());
    k->writer = content_begin(config_of(b)->store, k->made->id, config_of(b)->mailbox, &ops, b);
    next_piece(b);
}

/* The survey is over. */
static void decide(struct relay_form_build *b)
{
    struct relay_form_work *k = b->work;
    rewrite_survey_end(&k->survey);
    rewrite_survey_take(&k->survey, &k->plan);
    b->answer.unfit = k->plan.unfit;
    if (k->plan.unfit != REWRITE_UNFIT_NONE) {
        end(b, 0);
    } else if (!k->plan.changes) {
        b->answer.content = queue_message_keep(b->message);
        end(b, 0);
    } else {
        begin_encoding(b);
    }
}

static int append(struct relay_form_work *k, struct sv bytes)
{
    if (!bytes.len)
        return 0;
    rewrite_dkim_feed(&k->dkim, bytes);
    return content_append(k->writer, bytes);
}

/* A piece of the content, in the pass at hand. */
static void take(struct relay_form_build *b, struct sv bytes)
{
    struct relay_form_work *k = b->work;
    k->offset += bytes.len;
    bool is_last = k->offset >= b->message->size;
    if (!k->is_encoding) {
        rewrite_survey_feed(&k->survey, bytes);
        if (is_last)
            decide(b);
        else
            next_piece(b);
        return;
    }
    int err = append(k, rewrite_encode_feed(&k->encode, bytes));
    if (err == 0 && is_last)
        err = append(k, rewrite_encode_end(&k->encode));
    if (err < 0)
        end(b, err);
    else if (is_last)
        content_finish(k->writer);
    else if (content_full(k->writer))
        k->waits_for_room = true;
    else
        next_piece(b);
}

static void on_read(struct store_read *r)
{
    struct relay_form_build *b = r->arg;
    if (r->canceled) {
        store_read_free(r);
        return;
    }
    b->work->read = NULL;
    struct sv bytes = buf_view(&r->bytes);
    crashring_hold(b->message->id);
    if (r->err < 0 || (!bytes.len && b->work->offset < b->message->size))
        end(b, r->err < 0 ? r->err : ERR_CORRUPT);
    else
        take(b, bytes);
    crashring_done();
    store_read_free(r);
}

static void next_piece(struct relay_form_build *b)
{
    const struct relay_worker_config *config = config_of(b);
    b->work->read =
        store_read_new(b->message, b->work->offset, PIECE_BYTES, config->mailbox, on_read, b);
    store_read_start(config->store, b->work->read);
}

void relay_form_build_run(struct task *task)
{
    struct relay_form_build *b = (struct relay_form_build *)(void *)task;
    b->work = NEW(struct relay_form_work);
    rewrite_survey_init(&b->work->survey, b->form, header_max(b));
    DL_APPEND(*relay_worker_builds(b->worker), b);
    if (relay_worker_is_stopped(b->worker))
        end(b, ERR_CANCELED);
    else
        next_piece(b);
}
