/*
 * Design: what was fed lies in one buffer until it has been given out. The entities that have begun
 * are a stack; only the innermost has a header section or content at hand:
 *
 *     HEADER -> BODY (content; or between the parts of a multipart)
 *        |        |
 *        |        `-> a delimiter of any level: ENDING (END of all above it), DELIMITER,
 *        |            then HEADER of the next part, or BODY behind the last one
 *        `-> CHILD -> HEADER of the message inside
 *
 * REST stands for HEADER where there is one entity too many.
 *
 * Bytes of a body are given out as they come, without the line end that stands last: it belongs to
 * the delimiter if one follows. A line is looked at as a whole only where it begins with "--", and
 * only as long as a delimiter can be. Boundaries are compared by a hash first: a line costs one
 * look at each byte and one comparison of numbers for each level.
 */
#include "rewrite/mime_entity.h"

#include "msa/base/require.h"
#include "rewrite/fields.h"

#include <string.h>

/* Of a delimiter: line end, "--", boundary, "--", and the space behind it that is read. */
#define LINE_MAX_BYTES (REWRITE_MIME_BOUNDARY + 128)

static uint32_t hash_of(struct sv text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    return hash;
}

void rewrite_mime_init(struct rewrite_mime *w, size_t header_max)
{
    *w = (struct rewrite_mime){.header_max = header_max, .nlevels = 1, .count = 1};
    buf_init(&w->in, header_max + 2 * LINE_MAX_BYTES, 0);
    buf_init(&w->boundaries, (REWRITE_MIME_DEPTH + 1) * REWRITE_MIME_BOUNDARY, 0);
}

void rewrite_mime_deinit(struct rewrite_mime *w)
{
    buf_deinit(&w->in);
    buf_deinit(&w->boundaries);
}

size_t rewrite_mime_feed(struct rewrite_mime *w, struct sv bytes)
{
    REQUIRE(!w->ended);
    buf_consume(&w->in, w->given);
    w->given = 0;
    bytes = sv_first(bytes, buf_room(&w->in));
    int err = bytes.len ? buf_put(&w->in, bytes) : 0;
    REQUIRE(!err);
    return bytes.len;
}

void rewrite_mime_end(struct rewrite_mime *w)
{
    w->ended = true;
}

bool rewrite_mime_at_end(const struct rewrite_mime *w)
{
    return w->pop_to == 0;
}

static struct rewrite_mime_level *top(struct rewrite_mime *w)
{
    return &w->levels[w->nlevels - 1];
}

/* ---- levels ---- */

static void begin_entity(struct rewrite_mime *w)
{
    REQUIRE(w->nlevels <= REWRITE_MIME_DEPTH);
    struct rewrite_mime_level *l = &w->levels[w->nlevels++];
    *l = (struct rewrite_mime_level){.entity = w->count,
                                     .boundary_at = (uint32_t)buf_len(&w->boundaries)};
    w->state = REWRITE_MIME_STATE_HEADER;
    w->scanned = 0;
    if (w->count < REWRITE_MIME_PARTS - 1) {
        w->count++;
        return;
    }
    w->count = REWRITE_MIME_PARTS; /* this one, and all behind it */
    l->entity = REWRITE_MIME_PARTS - 1;
    w->state = REWRITE_MIME_STATE_REST;
}

static void begin_body(struct rewrite_mime *w)
{
    w->state = REWRITE_MIME_STATE_BODY;
    w->line_start = true;
    w->line_end = 0;
}

static void end_entity(struct rewrite_mime *w)
{
    struct rewrite_mime_level *l = top(w);
    if (l->boundary_len)
        w->awaited--;
    buf_truncate(&w->boundaries, l->boundary_at);
    w->nlevels--;
}

/* Delimiters of the top level are awaited from here on. */
static void await(struct rewrite_mime *w, struct sv boundary)
{
    struct rewrite_mime_level *l = top(w);
    l->boundary_len = (uint32_t)boundary.len;
    l->hash = hash_of(boundary);
    int err = buf_put(&w->boundaries, boundary);
    REQUIRE(!err);
    w->awaited++;
}

/* ---- delimiters ---- */

/* The level, counted from 1, whose delimiter the line is, given without its line end; 0: none. */
static size_t find_level(struct rewrite_mime *w, struct sv line, bool *opens)
{
    w->walked += 2 * line.len;
    while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
        line.len--;
    if (line.len < 3 || line.len > REWRITE_MIME_BOUNDARY + 4)
        return 0;
    struct sv name = sv_skip(line, 2), closing = SV_NONE;
    uint32_t hash = hash_of(name), closing_hash = 0;
    if (name.len > 2 && name.ptr[name.len - 1] == '-' && name.ptr[name.len - 2] == '-') {
        closing = sv_first(name, name.len - 2);
        closing_hash = hash_of(closing);
    }
    struct sv all = buf_view(&w->boundaries);
    for (size_t i = w->nlevels; i > 0; i--) {
        const struct rewrite_mime_level *l = &w->levels[i - 1];
        w->walked++;
        if (!l->boundary_len || (l->hash != hash && l->hash != closing_hash))
            continue;
        struct sv boundary = sv_first(sv_skip(all, l->boundary_at), l->boundary_len);
        *opens = sv_eq(boundary, name);
        if (*opens || (closing.len && sv_eq(boundary, closing)))
            return i;
    }
    return 0;
}

enum look { LOOK_MORE, LOOK_NO, LOOK_DELIMITER };

/* Looks at the line that begins at offset at. At a delimiter ENDING has begun. */
static enum look look_at_line(struct rewrite_mime *w, struct sv in, size_t at)
{
    struct sv rest = sv_skip(in, at);
    if (!w->awaited || (rest.len && rest.ptr[0] != '-') || (rest.len > 1 && rest.ptr[1] != '-'))
        return LOOK_NO;
    struct sv line = sv_first(rest, LINE_MAX_BYTES);
    size_t lf = sv_find(line, '\n');
    if (lf == line.len && rest.len < LINE_MAX_BYTES && !w->ended)
        return LOOK_MORE;
    if (lf == line.len && rest.len >= LINE_MAX_BYTES)
        return LOOK_NO; /* longer than any delimiter */
    size_t whole = lf < line.len ? lf + 1 : line.len;
    line.len = lf;
    if (whole > lf && line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    size_t level = find_level(w, line, &w->opens);
    if (!level)
        return LOOK_NO;
    w->pop_to = level;
    w->delimiter_len = whole;
    return LOOK_DELIMITER;
}

static bool give(struct rewrite_mime *w, enum rewrite_mime_event_kind kind, size_t len,
                 struct rewrite_mime_event *out)
{
    *out = (struct rewrite_mime_event){
        .kind = kind, .entity = top(w)->entity, .bytes = sv_first(buf_view(&w->in), len)};
    w->given = len;
    return true;
}

static void begin_ending(struct rewrite_mime *w, size_t pop_to, size_t delimiter_len)
{
    w->state = REWRITE_MIME_STATE_ENDING;
    w->pop_to = pop_to;
    w->delimiter_len = delimiter_len;
}

static bool next_ending(struct rewrite_mime *w, struct rewrite_mime_event *out)
{
    if (w->nlevels > w->pop_to) {
        give(w, REWRITE_MIME_EVENT_END, 0, out);
        end_entity(w);
        if (!w->nlevels)
            w->state = REWRITE_MIME_STATE_DONE;
        return true;
    }
    give(w, REWRITE_MIME_EVENT_DELIMITER, w->delimiter_len, out);
    if (w->opens) {
        begin_entity(w);
        return true;
    }
    struct rewrite_mime_level *l = top(w); /* the rest of this multipart is no part */
    l->boundary_len = 0;
    w->awaited--;
    begin_body(w);
    return true;
}

/* ---- header sections ---- */

/* The section of len bytes is whole. */
static bool give_header(struct rewrite_mime *w, size_t len, bool has_end,
                        struct rewrite_mime_event *out)
{
    struct rewrite_mime_level *l = top(w), *parent = w->nlevels > 1 ? l - 1 : NULL;
    struct rewrite_mime_entity *e = &w->entity;
    w->walked += 2 * len;
    rewrite_mime_entity_read(sv_first(buf_view(&w->in), len), parent && parent->is_digest, e);
    e->is_message = !parent || parent->kind == REWRITE_MIME_MESSAGE;
    e->has_end = has_end;
    if ((e->kind == REWRITE_MIME_MULTIPART || e->kind == REWRITE_MIME_MESSAGE) &&
        w->nlevels > REWRITE_MIME_DEPTH)
        e->kind = REWRITE_MIME_DEEP;
    l->kind = e->kind;
    l->is_digest = e->is_digest;
    begin_body(w);
    if (e->kind == REWRITE_MIME_MULTIPART)
        await(w, (struct sv){e->boundary, e->boundary_len});
    else if (e->kind == REWRITE_MIME_MESSAGE)
        w->state = REWRITE_MIME_STATE_CHILD;
    give(w, REWRITE_MIME_EVENT_HEADER, len, out);
    out->what = e;
    return true;
}

/* A section over header_max, or one entity too many: content as a whole. */
static bool give_rest(struct rewrite_mime *w, struct rewrite_mime_event *out)
{
    w->entity = (struct rewrite_mime_entity){.kind = REWRITE_MIME_REST};
    top(w)->kind = REWRITE_MIME_REST;
    begin_body(w);
    give(w, REWRITE_MIME_EVENT_HEADER, 0, out);
    out->what = &w->entity;
    return true;
}

static bool next_header(struct rewrite_mime *w, struct rewrite_mime_event *out)
{
    struct sv in = buf_view(&w->in), name;
    for (;;) {
        switch (look_at_line(w, in, w->scanned)) {
        case LOOK_MORE:
            return false;
        case LOOK_DELIMITER: /* a part that is a header section, or nothing at all */
            give_header(w, w->scanned, false, out);
            w->state = REWRITE_MIME_STATE_ENDING;
            return true;
        case LOOK_NO:
            break;
        }
        struct sv rest = sv_skip(in, w->scanned);
        size_t lf = sv_find(rest, '\n');
        w->walked += lf;
        if (lf == rest.len && !w->ended)
            return in.len > w->header_max ? give_rest(w, out) : false;
        struct sv line = sv_first(rest, lf);
        if (lf == rest.len && !rest.len)
            return give_header(w, in.len, false, out);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        size_t behind = w->scanned + (lf < rest.len ? lf + 1 : lf);
        if (behind > w->header_max)
            return give_rest(w, out);
        switch (rewrite_fields_line(line, &name)) {
        case REWRITE_LINE_END:
            return give_header(w, behind, true, out);
        case REWRITE_LINE_FOLD:
            if (w->scanned)
                break;
            return give_header(w, w->scanned, false, out);
        case REWRITE_LINE_NO_COLON:
        case REWRITE_LINE_BAD_NAME:
            if (!w->scanned && sv_starts(line, SV("From "))) /* of a mailbox file */
                break;
            return give_header(w, w->scanned, false, out);
        case REWRITE_LINE_FIELD:
            break;
        }
        w->scanned = behind;
    }
}

/* ---- bodies ---- */

/* How many bytes are no part of a delimiter, and where the next line begins that might be one. */
static size_t find_stop(struct rewrite_mime *w, struct sv in)
{
    size_t at = w->line_end;
    w->line_start = false;
    w->line_end = 0;
    while (at < in.len) {
        const char *lf = memchr(in.ptr + at, '\n', in.len - at);
        if (!lf) {
            w->walked += in.len - at;
            bool cr = in.ptr[in.len - 1] == '\r' && !w->ended;
            return in.len - cr;
        }
        size_t next = (size_t)(lf - in.ptr) + 1;
        w->walked += next - at;
        at = next;
        if (next < in.len &&
            (in.ptr[next] != '-' || (next + 1 < in.len && in.ptr[next + 1] != '-')))
            continue;
        w->line_start = true;
        w->line_end = next > 1 && in.ptr[next - 2] == '\r' ? 2 : 1;
        return next - w->line_end;
    }
    return in.len;
}

static bool next_body(struct rewrite_mime *w, struct rewrite_mime_event *out)
{
    enum rewrite_mime_event_kind kind = top(w)->kind == REWRITE_MIME_MULTIPART
                                            ? REWRITE_MIME_EVENT_BETWEEN
                                            : REWRITE_MIME_EVENT_CONTENT;
    for (;;) {
        struct sv in = buf_view(&w->in);
        if (!in.len) {
            if (!w->ended)
                return false;
            begin_ending(w, 0, 0);
            return next_ending(w, out);
        }
        if (!w->awaited) {
            w->walked += in.len;
            w->line_start = false; /* nobody asks */
            w->line_end = 0;
            return give(w, kind, in.len, out);
        }
        if (w->line_start) {
            switch (look_at_line(w, in, w->line_end)) {
            case LOOK_MORE:
                return false;
            case LOOK_DELIMITER:
                begin_ending(w, w->pop_to, w->line_end + w->delimiter_len);
                return next_ending(w, out);
            case LOOK_NO:
                if (in.len == w->line_end && !w->ended)
                    return false; /* the next line has not come yet */
                break;
            }
        }
        size_t len = find_stop(w, in);
        if (len)
            return give(w, kind, len, out);
        if (!w->line_start)
            return false; /* a CR, which waits for what follows */
    }
}

bool rewrite_mime_next(struct rewrite_mime *w, struct rewrite_mime_event *out)
{
    buf_consume(&w->in, w->given);
    w->given = 0;
    switch (w->state) {
    case REWRITE_MIME_STATE_HEADER:
        return next_header(w, out);
    case REWRITE_MIME_STATE_BODY:
        return next_body(w, out);
    case REWRITE_MIME_STATE_CHILD:
        begin_entity(w);
        return w->state == REWRITE_MIME_STATE_REST ? give_rest(w, out) : next_header(w, out);
    case REWRITE_MIME_STATE_REST:
        return give_rest(w, out);
    case REWRITE_MIME_STATE_ENDING:
        return next_ending(w, out);
    case REWRITE_MIME_STATE_DONE:
        return false;
    }
    return false;
}
