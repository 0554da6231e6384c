/*
 * The message before the milters: read back from where it was taken to, told to each, then written
 * anew if any has changed it.
 *
 *     [header read] -> part: fields, end of header, body piece by piece, end
 *                        -> its changes, kept -> its answer: applied -> next part
 *     no part left -> nothing changed: ended
 *                  -> header + body into other content -> ended
 *
 * Header fields are in memory, a list that each part changes. The body is read from the content it
 * stands in: the message's own at first, then the one that a milter has put in its place, which is
 * content of a message that is never put. A part that fails halfway has changed nothing.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/server/filter_pass.h"
#include "msa/server/reject.h"
#include "rewrite/provenance.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES MILTER_CHUNK_MAX
/* What a header may have beyond limits.header_size: our own fields, and those of milters. */
#define HEADER_ROOM  (64u << 10)
#define CHANGES_ROOM (256u << 10)

void filter_storage_failed(struct filter *f, int err)
{
    struct log_ctx ctx = filter_ctx(f);
    struct smtp_reply r = reject_storage(err);
    log_event(LOG_ERROR, "filter-failed", &ctx, "the message, before the milters: %s",
              err_text(err));
    filter_pass_end(f, FILTER_REFUSE, &r);
}

/* ---- reading ---- */

static void read_at(struct filter *f, struct queue_message *m, uint64_t offset,
                    void (*done)(struct store_read *r))
{
    struct filter_pass *p = f->pass;
    p->read = store_read_new(m, offset, PIECE_BYTES, f->worker->mailbox, done, f);
    store_read_start(filter_store(f), p->read);
}

/* True: r is ours to look at, and free. */
static bool take_read(struct store_read *r)
{
    struct filter *f = r->arg;
    if (atomic_load(&r->canceled)) {
        store_read_free(r);
        return false;
    }
    f->pass->read = NULL;
    if (r->err == 0)
        return true;
    int err = r->err;
    store_read_free(r);
    filter_storage_failed(f, err);
    return false;
}

/* What this party has changed since the last time. */
static void note_layer(struct filter_pass *p, enum rewrite_source by, struct sv name, bool body)
{
    struct rewrite_provenance *told = p->target.provenance;
    struct header_change c;
    size_t at = 0;
    bool begun = body;
    if (body)
        rewrite_provenance_layer(told, by, name, true);
    while (header_next_change(&p->header, &at, &c)) {
        struct buf text;
        buf_init(&text, SIZE_MAX / 2, 0);
        int err = 0;
        for (size_t i = c.first; i < c.end && err == 0; i++)
            err = buf_put(&text, p->header.fields[i].raw);
        REQUIRE(err == 0);
        if (!begun)
            rewrite_provenance_layer(told, by, name, false);
        begun = true;
        rewrite_provenance_edit(told, c.from, c.to, buf_view(&text), REWRITE_NO_WHY, 0);
        buf_deinit(&text);
    }
    header_mark(&p->header);
}

static void parse_header(struct filter *f, size_t section)
{
    struct filter_pass *p = f->pass;
    p->header_read = true;
    header_parse(&p->header, sv_first(buf_view(&p->text), section),
                 (size_t)filter_limits(f)->header_size_bytes + HEADER_ROOM, true);
    for (const struct prepend *x = f->prepends; x; x = x->next)
        if (!header_insert(&p->header, 0, x->name, x->value, false)) {
            struct log_ctx ctx = filter_ctx(f);
            log_event(LOG_WARNING, "policy-service", &ctx,
                      "a header field that it prepends is malformed, and was left out");
        }
    note_layer(p, REWRITE_BY_SERVICE, SV_NONE, false);
}

static void on_header(struct store_read *r)
{
    struct filter *f = r->arg;
    if (!take_read(r))
        return;
    struct filter_pass *p = f->pass;
    size_t got = buf_len(&r->bytes), before = buf_len(&p->text);
    int err = buf_put(&p->text, buf_view(&r->bytes));
    store_read_free(r);
    if (err < 0) {
        filter_storage_failed(f, ERR_CORRUPT); /* no header of ours is so long */
        return;
    }
    struct sv text = buf_view(&p->text);
    size_t from = before > 3 ? before - 3 : 0;
    const char *end = text.len ? memmem(text.ptr + from, text.len - from, "\r\n\r\n", 4) : NULL;
    if (!end && got) {
        read_at(f, p->target.message, buf_len(&p->text), on_header);
        return;
    }
    size_t section = end ? (size_t)(end - text.ptr) + 2 : text.len;
    p->body_at = end ? section + 2 : section;
    buf_truncate(&p->text, section);
    parse_header(f, section);
    filter_start_parts(f);
}

static bool is_asked(const struct part *p)
{
    return !p->over && !p->accepts_session;
}

bool filter_pass_reads(struct filter *f)
{
    bool wanted = f->prepends != NULL;
    for (size_t i = 0; i < f->nparts; i++)
        wanted |= is_asked(&f->parts[i]);
    if (f->pass->header_read || !wanted)
        return false;
    read_at(f, f->pass->target.message, 0, on_header);
    return true;
}

/* ---- telling ---- */

static void tell_next(struct filter *f);

static void on_body(struct store_read *r)
{
    struct filter *f = r->arg;
    if (!take_read(r))
        return;
    struct filter_pass *p = f->pass;
    size_t got = buf_len(&r->bytes);
    p->offset += got;
    if (got == 0) {
        p->step = PASS_END;
        store_read_free(r);
        tell_next(f);
        return;
    }
    milter_body(filter_link_core(filter_link_asked(f)), buf_view(&r->bytes));
    store_read_free(r);
    filter_link_go(filter_link_asked(f));
}

static void tell_next(struct filter *f)
{
    struct filter_pass *p = f->pass;
    struct milter *core = filter_link_core(filter_link_asked(f));
    while (p->step == PASS_HEADER && p->field < p->header.count &&
           p->header.fields[p->field].hidden)
        p->field++;
    if (p->step == PASS_HEADER && p->field == p->header.count)
        p->step = PASS_EOH;
    if (p->step == PASS_BODY && !milter_wants_body(core))
        p->step = PASS_END;
    switch (p->step) {
    case PASS_HEADER:
        milter_header(core, p->header.fields[p->field].name, p->header.fields[p->field].value);
        p->field++;
        break;
    case PASS_EOH:
        p->step = PASS_BODY;
        milter_eoh(core, &f->macros);
        break;
    case PASS_BODY:
        read_at(f, p->source, p->offset, on_body);
        return;
    case PASS_END:
        milter_end(core, &f->macros);
        break;
    }
    filter_link_go(filter_link_asked(f));
}

void filter_pass_part(struct filter *f)
{
    struct filter_pass *p = f->pass;
    p->step = PASS_HEADER;
    p->field = 0;
    p->offset = p->body_at;
    changes_reset(&p->changes);
    tell_next(f);
}

/* ---- the end of a part ---- */

void filter_pass_failed(struct filter *f)
{
    struct filter_pass *p = f->pass;
    if (p->read)
        atomic_store(&p->read->canceled, true);
    p->read = NULL;
    filter_body_drop(p);
}

static void conclude(struct filter *f)
{
    struct filter_pass *p = f->pass;
    struct part *part = &f->parts[f->at];
    bool spaced = milter_has_leading_space(filter_link_core(part->link));
    part->in_message = false;
    if (!filter_envelope_good(f, &p->changes)) {
        filter_part_failed(part, "it adds an address that mail cannot be sent to, or too many");
        return;
    }
    if (!changes_to_header(&p->changes, &p->header, spaced)) {
        filter_part_failed(part, "a header field it makes is malformed, or too large "
                                 "(limits.header_size)");
        return;
    }
    part->over = true;
    note_layer(p, REWRITE_BY_MILTER, sv_of(part->options->socket), p->body != NULL);
    filter_envelope_apply(f, &p->changes, &p->target);
    if (!filter_body_conclude(f))
        filter_next(f);
}

void filter_pass_answer(struct filter *f, const struct milter_event *e)
{
    struct filter_pass *p = f->pass;
    bool good = e->verdict == MILTER_CONTINUE || e->verdict == MILTER_ACCEPT;
    if (p->step == PASS_END && !good)
        f->parts[f->at].in_message = false;
    if (p->step == PASS_END && good)
        conclude(f);
    else if (e->verdict == MILTER_CONTINUE)
        tell_next(f);
    else
        filter_judge(f, e);
}

/* ---- the end of the message ---- */

static void end_queued(struct filter *f)
{
    struct filter_pass *p = f->pass;
    struct log_ctx ctx = filter_ctx(f);
    if (p->target.rows->nrows == 0) {
        filter_discard(f, "policy.milters", SV("no recipient is left"));
        return;
    }
    if (f->hold) {
        filter_envelope_hold(f->hold, p->target.rows);
        log_event(LOG_INFO, "held", &ctx, "by %s; \"msactl queue release\" lets it go", f->hold);
    }
    filter_pass_end(f, FILTER_QUEUE, NULL);
}

static void copy_body(struct filter *f);

static void on_copied(struct store_read *r)
{
    struct filter *f = r->arg;
    if (!take_read(r))
        return;
    struct filter_pass *p = f->pass;
    size_t got = buf_len(&r->bytes);
    int err = content_append(p->writer, buf_view(&r->bytes));
    rewrite_dkim_feed(p->target.dkim, buf_view(&r->bytes));
    store_read_free(r);
    p->offset += got;
    if (err < 0)
        filter_storage_failed(f, err);
    else if (got)
        copy_body(f);
    else
        content_finish(p->writer);
}

static void copy_body(struct filter *f)
{
    struct filter_pass *p = f->pass;
    if (!p->read && !content_full(p->writer))
        read_at(f, p->source, p->offset, on_copied);
}

static void on_writer_room(void *arg)
{
    copy_body(arg);
}

static void on_writer_finished(void *arg, int err)
{
    struct filter *f = arg;
    struct filter_pass *p = f->pass;
    struct queue_message *m = p->target.message;
    if (err < 0) {
        filter_storage_failed(f, err);
        return;
    }
    content_take(p->writer, m);
    content_free(p->writer);
    p->writer = NULL;
    m->smtputf8 |= header_has_eight_bit(&p->header);
    end_queued(f);
}

static int write_header(struct filter_pass *p)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2, 0);
    int err = header_write(&p->header, &text);
    err = err ? err : buf_put(&text, SV("\r\n"));
    err = err ? err : content_append(p->writer, buf_view(&text));
    rewrite_dkim_restart(p->target.dkim);
    rewrite_dkim_feed(p->target.dkim, buf_view(&text));
    buf_deinit(&text);
    return err;
}

void filter_pass_apply(struct filter *f)
{
    static const struct content_writer_ops ops = {.on_room = on_writer_room,
                                                  .on_finished = on_writer_finished};
    struct filter_pass *p = f->pass;
    char id[QUEUE_ID_LEN + 1];
    if (!p->header_read || (!p->header.changed && !p->body_changed)) {
        end_queued(f);
        return;
    }
    queue_id_make(id, clock_wall_ms(), random_u64());
    p->writer =
        content_begin_other(filter_store(f), p->target.message, id, f->worker->mailbox, &ops, f);
    p->offset = p->body_at;
    int err = write_header(p);
    if (err < 0)
        filter_storage_failed(f, err);
    else
        copy_body(f);
}

/* ---- life ---- */

void filter_message(struct filter *f, const struct filter_target *t, filter_ended *ended, void *arg)
{
    struct filter_pass *p = NEW(struct filter_pass);
    size_t header_max = (size_t)filter_limits(f)->header_size_bytes;
    REQUIRE(!f->pass);
    f->pass = p;
    p->target = *t;
    p->ended = ended;
    p->arg = arg;
    p->source = t->message;
    buf_init(&p->text, 2 * header_max + HEADER_ROOM + PIECE_BYTES, 0);
    changes_init(&p->changes, header_max + CHANGES_ROOM);
    f->size = t->message->size;
    filter_pass_begin(f);
}

void filter_pass_end(struct filter *f, enum filter_outcome outcome, const struct smtp_reply *reply)
{
    filter_ended *ended = f->pass->ended;
    void *arg = f->pass->arg;
    filter_end_call(f);
    timer_start(&f->timer, FILTER_IDLE_MS);
    filter_pass_free(f);
    ended(arg, outcome, reply, f->discard ? f->discard : "");
}

void filter_pass_free(struct filter *f)
{
    struct filter_pass *p = f->pass;
    if (!p)
        return;
    if (p->read)
        atomic_store(&p->read->canceled, true);
    if (p->writer)
        content_free(p->writer);
    filter_body_drop(p);
    filter_body_forget(f);
    changes_deinit(&p->changes);
    if (p->header_read)
        header_deinit(&p->header);
    buf_deinit(&p->text);
    free(p);
    f->pass = NULL;
}
