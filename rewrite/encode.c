#include "rewrite/encode.h"

#include "msa/base/require.h"
#include "rewrite/mime_header.h"

void rewrite_encode_init(struct rewrite_encode *e, const struct rewrite_plan *plan,
                         size_t header_max)
{
    REQUIRE(plan->unfit == REWRITE_UNFIT_NONE);
    *e = (struct rewrite_encode){.plan = plan};
    rewrite_mime_init(&e->walk, header_max);
    buf_init(&e->out, SIZE_MAX, 0); /* bounded by what is fed at once */
}

void rewrite_encode_deinit(struct rewrite_encode *e)
{
    rewrite_mime_deinit(&e->walk);
    buf_deinit(&e->out);
}

static void put(struct rewrite_encode *e, struct sv text)
{
    int err = text.len ? buf_put(&e->out, text) : 0;
    REQUIRE(!err);
}

/* ---- header sections ---- */

static const char *charset_of(unsigned entry)
{
    if (entry & REWRITE_PLAN_UTF8)
        return "utf-8";
    if (entry & REWRITE_PLAN_UNKNOWN)
        return "unknown-8bit";
    return entry & REWRITE_PLAN_RETYPE ? "us-ascii" : NULL;
}

/* What may still be said of content that is not encoded. */
static const char *relabel(const struct rewrite_encode *e, const struct rewrite_mime_entity *what)
{
    if (!(e->plan->form & REWRITE_FORM_LINES))
        return NULL;
    if (e->plan->form & REWRITE_FORM_7BIT)
        return what->encoding == REWRITE_MIME_8BIT || what->encoding == REWRITE_MIME_BINARY ? "7bit"
                                                                                            : NULL;
    return what->encoding == REWRITE_MIME_BINARY ? "8bit" : NULL;
}

static void put_header(struct rewrite_encode *e, const struct rewrite_mime_event *event)
{
    static const char *const names[] = {
        [REWRITE_TRANSFER_QUOTED_PRINTABLE] = "quoted-printable",
        [REWRITE_TRANSFER_BASE64] = "base64",
        [REWRITE_PLAN_FORM] = NULL,
    };
    unsigned entry = e->plan->entities[event->entity];
    const struct rewrite_mime_entity *what = event->what;
    struct rewrite_mime_change change = {
        .encoding = names[entry & REWRITE_PLAN_FORM],
        .charset = charset_of(entry),
        .retype = entry & REWRITE_PLAN_RETYPE,
        .ascii = e->plan->form & REWRITE_FORM_ASCII_HEADER,
        .inner = event->entity > 0,
        /* what was no field could become one */
        .ends = entry && !what->has_end,
    };
    if (!change.encoding)
        change.encoding = relabel(e, what);
    change.version = what->is_message && !what->has_version && (entry & REWRITE_PLAN_VERSION);
    if (!change.encoding && !change.charset && !change.version && !change.ends &&
        rewrite_mime_header_fits(event->bytes, change.ascii)) {
        put(e, event->bytes);
        return;
    }
    enum rewrite_mime_header result = rewrite_mime_header_write(event->bytes, &change, &e->out);
    REQUIRE(result == REWRITE_MIME_HEADER_OK); /* the survey tried it */
}

/* ---- content ---- */

static enum rewrite_transfer_form between_form(const struct rewrite_encode *e)
{
    if (!(e->plan->form & REWRITE_FORM_LINES))
        return REWRITE_TRANSFER_KEEP;
    return e->plan->form & REWRITE_FORM_7BIT ? REWRITE_TRANSFER_PLAIN : REWRITE_TRANSFER_PLAIN_8BIT;
}

static void put_content(struct rewrite_encode *e, const struct rewrite_mime_event *event)
{
    if (!e->in_transfer) {
        unsigned form = e->plan->entities[event->entity] & REWRITE_PLAN_FORM;
        if (event->kind == REWRITE_MIME_EVENT_BETWEEN && form == REWRITE_TRANSFER_KEEP)
            form = between_form(e);
        rewrite_transfer_init(&e->transfer, (enum rewrite_transfer_form)form);
        e->in_transfer = true;
    }
    rewrite_transfer_feed(&e->transfer, event->bytes, &e->out);
}

/* is_last: the message ends here. */
static void end_content(struct rewrite_encode *e, bool is_last)
{
    if (e->in_transfer)
        rewrite_transfer_end(&e->transfer, is_last, &e->out);
    e->in_transfer = false;
}

/* Its own line and the line end before it, with CRLF. */
static void put_delimiter(struct rewrite_encode *e, struct sv bytes)
{
    while (bytes.len) {
        size_t lf = sv_find(bytes, '\n'), len = lf;
        if (lf < bytes.len && len && bytes.ptr[len - 1] == '\r')
            len--;
        put(e, sv_first(bytes, len));
        if (lf == bytes.len)
            break;
        put(e, SV("\r\n"));
        bytes = sv_skip(bytes, lf + 1);
    }
}

static void drain(struct rewrite_encode *e)
{
    struct rewrite_mime_event event;
    while (rewrite_mime_next(&e->walk, &event)) {
        switch (event.kind) {
        case REWRITE_MIME_EVENT_HEADER:
            put_header(e, &event);
            break;
        case REWRITE_MIME_EVENT_CONTENT:
        case REWRITE_MIME_EVENT_BETWEEN:
            put_content(e, &event);
            break;
        case REWRITE_MIME_EVENT_DELIMITER:
            if (e->plan->entities[event.entity] & REWRITE_PLAN_FORM) {
                put_content(e, &event); /* a multipart without parts, which is text now */
                break;
            }
            end_content(e, false);
            put_delimiter(e, event.bytes);
            break;
        case REWRITE_MIME_EVENT_END:
            end_content(e, rewrite_mime_at_end(&e->walk));
            break;
        }
    }
}

struct sv rewrite_encode_feed(struct rewrite_encode *e, struct sv bytes)
{
    buf_reset(&e->out);
    if (!e->plan->changes)
        return bytes;
    while (bytes.len) {
        bytes = sv_skip(bytes, rewrite_mime_feed(&e->walk, bytes));
        drain(e);
    }
    return buf_view(&e->out);
}

struct sv rewrite_encode_end(struct rewrite_encode *e)
{
    buf_reset(&e->out);
    if (!e->plan->changes)
        return SV_NONE;
    rewrite_mime_end(&e->walk);
    drain(e);
    return buf_view(&e->out);
}
