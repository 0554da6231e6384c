/*
 * What a milter changes: most is kept until it has said that it is done; the new body, which may be
 * large, goes into content of a message that is never put. While the disk takes nothing, nothing
 * more is read of the milter.
 */
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/server/filter_pass.h"

void filter_body_drop(struct filter_pass *p)
{
    if (p->body)
        content_free(p->body);
    queue_message_drop(p->body_message);
    p->body = NULL;
    p->body_message = NULL;
    p->lines = (struct body_lines){0};
    p->body_bytes = 0;
}

void filter_body_forget(struct filter *f)
{
    struct filter_pass *p = f->pass;
    if (p->other)
        content_give_up(filter_store(f), p->other);
    queue_message_drop(p->other);
    p->other = NULL;
}

static void on_body_room(void *arg)
{
    struct filter *f = arg;
    if (f->asking && filter_link_asked(f))
        filter_link_hold(filter_link_asked(f), false);
}

static void on_body_finished(void *arg, int err)
{
    struct filter *f = arg;
    struct filter_pass *p = f->pass;
    if (err < 0) {
        filter_storage_failed(f, err);
        return;
    }
    content_take(p->body, p->body_message);
    content_free(p->body);
    p->body = NULL;
    filter_body_forget(f);
    p->other = p->source = p->body_message;
    p->body_message = NULL;
    p->body_at = 0;
    p->body_changed = true;
    filter_body_drop(p);
    filter_next(f);
}

static void begin_body(struct filter *f)
{
    static const struct content_writer_ops ops = {.on_room = on_body_room,
                                                  .on_finished = on_body_finished};
    struct filter_pass *p = f->pass;
    p->body_message = queue_message_new();
    queue_id_make(p->body_message->id, clock_wall_ms(), random_u64());
    p->body = content_begin(filter_store(f), p->body_message->id, f->worker->mailbox, &ops, f);
}

/* False: the part has failed, or the message. */
static bool append_body(struct filter *f, struct sv piece, bool last)
{
    struct filter_pass *p = f->pass;
    struct buf lines;
    bool good = true, binary = p->target.message->binary;
    buf_init(&lines, 3 * MILTER_PACKET_MAX + 16, 0);
    if (!binary)
        good = body_lines_feed(&p->lines, piece, &lines);
    if (last)
        body_lines_end(&p->lines, &lines);
    struct sv bytes = binary ? piece : buf_view(&lines);
    p->body_bytes += bytes.len;
    bool fits = filter_limits(f)->message_size_bytes == 0 ||
                p->body_bytes + p->header.bytes <= (uint64_t)filter_limits(f)->message_size_bytes;
    int err = good && fits ? content_append(p->body, bytes) : 0;
    buf_deinit(&lines);
    if (err < 0)
        filter_storage_failed(f, err);
    else if (!good)
        filter_part_failed(&f->parts[f->at], "the body it gives has a NUL");
    else if (!fits)
        filter_part_failed(&f->parts[f->at],
                           "the body it gives is too large (limits.message_size)");
    return err == 0 && good && fits;
}

void filter_pass_change(struct filter *f, const struct milter_event *e)
{
    struct filter_pass *p = f->pass;
    struct part *part = &f->parts[f->at];
    if (e->change != MILTER_REPLACE_BODY) {
        if (!changes_add(&p->changes, e))
            filter_part_failed(part, "it changes too much");
        return;
    }
    if (!p->body)
        begin_body(f);
    if (append_body(f, e->value, false) && content_full(p->body))
        filter_link_hold(part->link, true);
}

bool filter_body_conclude(struct filter *f)
{
    struct filter_pass *p = f->pass;
    if (!p->body)
        return false;
    if (append_body(f, SV_NONE, true)) {
        f->asking = false; /* what is late now is the disk */
        content_finish(p->body);
    }
    return true;
}
