/*
 * Design: the header section is scanned line by line as it arrives, each byte once. A section that
 * is whole in the first piece is used where it lies; otherwise pieces are gathered in a buffer that
 * holds at most header_size bytes. When the empty line is seen, the fields are judged one by one in
 * a second pass, the edits are made, and the state goes HEADER -> EMITTING -> BODY -> DONE; REFUSED
 * is reached from HEADER and BODY and is final.
 */
#include "rewrite/stream.h"

#include "msa/base/require.h"
#include "rewrite/date.h"
#include "rewrite/fields.h"

#include <stdio.h>
#include <string.h>

/* Of all fields that are added: Received, Message-ID and Date are each far below this. */
#define ADDED_MAX (4 * REWRITE_RECEIVED_MAX)

void rewrite_stream_init(struct rewrite_stream *s, const struct rewrite_stream_config *config)
{
    *s = (struct rewrite_stream){.config = *config};
    s->config.received.hide_client = config->options->hide_client;
    buf_init(&s->header, config->header_size, 0);
    rewrite_edits_init(&s->edits, ADDED_MAX);
    rewrite_judge_init(&s->judge, config->options);
}

void rewrite_stream_deinit(struct rewrite_stream *s)
{
    buf_deinit(&s->header);
    rewrite_edits_deinit(&s->edits);
}

static void end_refused(struct rewrite_stream *s)
{
    s->state = REWRITE_STREAM_REFUSED;
    s->run = SV_NONE;
    buf_release(&s->header);
}

/* For what is wrong with the line at hand. */
static void refuse(struct rewrite_stream *s, enum rewrite_refusal_kind kind)
{
    char line[24];
    snprintf(line, sizeof(line), "%llu", (unsigned long long)s->facts.lines + 1);
    rewrite_refusal_make(&s->refusal, kind, sv_of(line));
    end_refused(s);
}

static bool has_eight_bit(struct sv bytes)
{
    size_t i = 0;
    for (; i + 8 <= bytes.len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + i, 8);
        if (word & 0x8080808080808080u)
            return true;
    }
    for (; i < bytes.len; i++)
        if (bytes.ptr[i] & 0x80)
            return true;
    return false;
}

/* ---- header section ---- */

/* One complete header line, without CRLF. True if it ended the section; may refuse. */
static bool judge_line(struct rewrite_stream *s, struct sv line)
{
    struct sv name;
    if (line.len > REWRITE_LINE_MAX) {
        refuse(s, REWRITE_REFUSAL_HEADER_LINE);
        return false;
    }
    switch (rewrite_fields_line(line, &name)) {
    case REWRITE_LINE_END:
        s->facts.lines++;
        return true;
    case REWRITE_LINE_FIELD:
        if (rewrite_fields_kind(name) == REWRITE_FIELD_RECEIVED &&
            ++s->facts.received_fields > s->config.received_hops)
            refuse(s, REWRITE_REFUSAL_HOPS);
        break;
    case REWRITE_LINE_FOLD:
        if (!s->line_start) /* nothing above that it could go on with */
            refuse(s, REWRITE_REFUSAL_FIRST_LINE);
        break;
    case REWRITE_LINE_NO_COLON:
        refuse(s, REWRITE_REFUSAL_NO_COLON);
        break;
    case REWRITE_LINE_BAD_NAME:
        refuse(s, REWRITE_REFUSAL_FIELD_NAME);
        break;
    }
    if (s->state != REWRITE_STREAM_REFUSED)
        s->facts.lines++;
    return false;
}

/* Binary content: a line of the header, given without its LF, ends with the only CR and has no NUL.
 */
static bool is_line(struct sv raw)
{
    return raw.len && sv_find(raw, '\r') == raw.len - 1 && sv_find(raw, '\0') == raw.len;
}

/* Reads lines of all, whose first known bytes hold no line end behind line_start. True: the empty
 * line was found and line_start is behind it. */
static bool scan_header(struct rewrite_stream *s, struct sv all, size_t known)
{
    while (s->state == REWRITE_STREAM_HEADER) {
        size_t from = known > s->line_start ? known : s->line_start;
        const char *lf = from < all.len ? memchr(all.ptr + from, '\n', all.len - from) : NULL;
        s->walked += lf ? (size_t)(lf - all.ptr) + 1 - from : all.len - from;
        if (!lf)
            break;
        struct sv line = sv_range(all.ptr + s->line_start, lf);
        s->walked += line.len;
        if (s->config.binary && !is_line(line)) {
            refuse(s, REWRITE_REFUSAL_BARE_BYTE);
            break;
        }
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        bool is_end = judge_line(s, line);
        s->line_start = (size_t)(lf - all.ptr) + 1;
        if (is_end)
            return true;
    }
    if (s->state == REWRITE_STREAM_HEADER && all.len - s->line_start > REWRITE_LINE_MAX + 1)
        refuse(s, REWRITE_REFUSAL_HEADER_LINE);
    return false;
}

static int put_top_fields(struct rewrite_stream *s, struct buf *text)
{
    const struct rewrite_stream_config *c = &s->config;
    struct rewrite_facts *f = &s->facts;
    struct rewrite_received received = c->received;
    char date[REWRITE_DATE_MAX];
    if (!received.solicit.len)
        received.solicit = sv_of(f->solicitation);
    int err = rewrite_received_write(text, &received);
    if (!err && c->options->add_message_id && !f->has_message_id) {
        snprintf(f->message_id, sizeof(f->message_id), "<%.*s@%.*s>", SV_ARG(received.id),
                 SV_ARG(received.by));
        err = buf_printf(text, "Message-ID: %s\r\n", f->message_id);
    }
    if (!err && c->options->add_date && !f->has_date)
        err = buf_printf(text, "Date: %s\r\n", rewrite_date_write(date, c->received.wall_s));
    return err;
}

/* Looks at each field of the whole section; false: refused. */
static bool read_fields(struct rewrite_stream *s, struct sv section)
{
    struct rewrite_field f;
    size_t at = 0;
    bool good = true;
    while (good && rewrite_fields_next(section, &at, &f)) {
        s->walked += 2 * (f.end - f.start); /* to find it, and what is noted of it */
        rewrite_facts_note(&s->facts, section, &f);
        good = rewrite_judge_field(&s->judge, section, &f, &s->refusal);
    }
    s->walked += s->judge.walked;
    if (!good)
        end_refused(s);
    return good;
}

/* Decides what changes in the section. end_text is what its end lacks. */
static void make_edits(struct rewrite_stream *s, struct sv section, struct sv end_text)
{
    struct buf text;
    s->section = section;
    s->facts.eight_bit_header = has_eight_bit(section);
    buf_init(&text, ADDED_MAX - 8, 0);
    int err = put_top_fields(s, &text);
    if (!err)
        err = rewrite_edits_put(&s->edits, 0, 0, buf_view(&text));
    if (!err && end_text.len)
        err = rewrite_edits_put(&s->edits, section.len, section.len, end_text);
    buf_deinit(&text);
    REQUIRE(!err); /* each field's length is bounded, ADDED_MAX holds them all */
    s->state = REWRITE_STREAM_EMITTING;
}

static void feed_header(struct rewrite_stream *s, struct sv bytes)
{
    size_t known = buf_len(&s->header), limit = s->config.header_size;
    struct sv all = sv_first(bytes, limit);
    if (known) {
        int err = buf_put(&s->header, sv_first(bytes, limit - known));
        REQUIRE(!err);
        all = buf_view(&s->header);
    }
    if (scan_header(s, all, known)) {
        struct sv section = sv_first(all, s->line_start);
        if (!read_fields(s, section))
            return;
        make_edits(s, section, SV_NONE);
        s->run = sv_skip(bytes, s->line_start - known);
    } else if (s->state == REWRITE_STREAM_HEADER && bytes.len > limit - known) {
        refuse(s, REWRITE_REFUSAL_HEADER_SIZE);
    } else if (s->state == REWRITE_STREAM_HEADER && !known) {
        int err = buf_put(&s->header, all);
        REQUIRE(!err);
    }
}

/* RFC 5322 2.1: a message may end behind its header section; the empty line is made up for it. */
static void end_header(struct rewrite_stream *s)
{
    struct sv all = buf_view(&s->header);
    bool is_cut = s->line_start < all.len; /* BDAT: the last line has no CRLF */
    if (is_cut) {
        struct sv line = sv_skip(all, s->line_start);
        if (s->config.binary && (sv_find(line, '\r') < line.len || sv_find(line, '\0') < line.len))
            refuse(s, REWRITE_REFUSAL_BARE_BYTE);
        else
            judge_line(s, line);
    }
    if (s->state == REWRITE_STREAM_HEADER && read_fields(s, all))
        make_edits(s, all, is_cut ? SV("\r\n\r\n") : SV("\r\n"));
}

/* ---- body ---- */

/* Counts lines and their lengths over pieces. */
static void scan_body(struct rewrite_stream *s, struct sv bytes)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len, *lf;
    while (at < end && (lf = memchr(at, '\n', (size_t)(end - at)))) {
        bool cr = lf > at ? lf[-1] == '\r' : s->line_cr;
        if (s->line_len + (size_t)(lf - at) - cr > REWRITE_LINE_MAX) {
            refuse(s, REWRITE_REFUSAL_BODY_LINE);
            return;
        }
        s->facts.lines++;
        s->line_len = 0;
        s->line_cr = false;
        at = lf + 1;
    }
    if (at == end)
        return;
    s->line_len += (size_t)(end - at);
    s->line_cr = end[-1] == '\r';
    if (s->line_len - s->line_cr > REWRITE_LINE_MAX)
        refuse(s, REWRITE_REFUSAL_BODY_LINE);
}

static void take_body(struct rewrite_stream *s, struct sv bytes)
{
    if (!s->config.binary)
        scan_body(s, bytes);
    if (s->state == REWRITE_STREAM_REFUSED)
        return;
    if (!s->facts.eight_bit_body)
        s->facts.eight_bit_body = has_eight_bit(bytes);
    s->run = bytes;
}

/* ---- interface ---- */

void rewrite_stream_feed(struct rewrite_stream *s, struct sv bytes)
{
    REQUIRE(!s->ended && !s->run.len && s->state != REWRITE_STREAM_EMITTING);
    if (!bytes.len)
        return;
    if (s->state == REWRITE_STREAM_HEADER) {
        feed_header(s, bytes);
        if (s->state == REWRITE_STREAM_EMITTING && s->run.len) {
            struct sv body = s->run;
            s->run = SV_NONE;
            take_body(s, body);
        }
    } else if (s->state == REWRITE_STREAM_BODY) {
        buf_release(&s->header);
        take_body(s, bytes);
    }
}

void rewrite_stream_end(struct rewrite_stream *s)
{
    REQUIRE(!s->ended && !s->run.len && s->state != REWRITE_STREAM_EMITTING);
    s->ended = true;
    if (s->state == REWRITE_STREAM_HEADER)
        end_header(s);
}

static bool emit(struct rewrite_stream *s, struct sv run, struct rewrite_action *out)
{
    s->facts.bytes_out += run.len;
    *out = (struct rewrite_action){.kind = REWRITE_EMIT, .bytes = run};
    return true;
}

static bool tell_once(struct rewrite_stream *s, enum rewrite_action_kind kind,
                      struct rewrite_action *out)
{
    if (s->told)
        return false;
    s->told = true;
    *out = (struct rewrite_action){.kind = kind,
                                   .refusal = kind == REWRITE_REFUSE ? &s->refusal : NULL};
    return true;
}

bool rewrite_stream_next(struct rewrite_stream *s, struct rewrite_action *out)
{
    struct sv run;
    switch (s->state) {
    case REWRITE_STREAM_HEADER:
        return false;
    case REWRITE_STREAM_EMITTING:
        if (rewrite_edits_next(&s->edits, s->section, &s->cursor, &run))
            return emit(s, run, out);
        s->state = REWRITE_STREAM_BODY;
        /* fall through */
    case REWRITE_STREAM_BODY:
        if (s->run.len) {
            run = s->run;
            s->run = SV_NONE;
            return emit(s, run, out);
        }
        if (!s->ended)
            return false;
        s->state = REWRITE_STREAM_DONE;
        /* fall through */
    case REWRITE_STREAM_DONE:
        return tell_once(s, REWRITE_DONE, out);
    case REWRITE_STREAM_REFUSED:
        return tell_once(s, REWRITE_REFUSE, out);
    }
    return false;
}
