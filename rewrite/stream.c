/*
 * Design: the header section is scanned line by line as it arrives, each byte once. A section that
 * is whole in the first piece is used where it lies; otherwise pieces are gathered in a buffer that
 * holds at most header_size bytes. When the empty line is seen, the fields are judged one by one in
 * a second pass, the edits are made, and the state goes HEADER -> EMITTING -> BODY -> DONE, with
 * ASKING behind HEADER where labels are to be completed, and JUDGING behind both where authors are
 * judged; REFUSED is final.
 */
#include "rewrite/stream.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "rewrite/fields.h"

#include <stdio.h>
#include <string.h>

void rewrite_stream_init(struct rewrite_stream *s, const struct rewrite_stream_config *config)
{
    *s = (struct rewrite_stream){.config = *config};
    s->config.received.hide_client = config->options->hide_client;
    buf_init(&s->header, config->header_size, 0);
    buf_init(&s->held, SIZE_MAX, 0); /* one piece of the caller's at most */
    bool completes = config->options->complete_domains && !config->gateway;
    rewrite_edits_init(&s->edits,
                       REWRITE_CHANGES_BYTES + REWRITE_READDRESS_BYTES + 4 * config->header_size);
    s->changes = (struct rewrite_changes){.options = config->options,
                                          .received = &s->config.received,
                                          .gateway = config->gateway,
                                          .domains = config->domains,
                                          .domain_count = config->domain_count,
                                          .rules = config->rules,
                                          .edits = &s->edits};
    rewrite_changes_init(&s->changes);
    rewrite_judge_init(&s->judge, config->options, completes ? &s->complete : NULL);
    rewrite_complete_init(&s->complete, config->domains, config->domain_count,
                          config->options->header_errors == REWRITE_ERRORS_ACCEPT);
    rewrite_authors_init(&s->authors);
    rewrite_cnames_init(&s->cnames, &s->authors.arena);
}

void rewrite_stream_deinit(struct rewrite_stream *s)
{
    buf_deinit(&s->header);
    buf_deinit(&s->held);
    rewrite_edits_deinit(&s->edits);
    rewrite_authors_deinit(&s->authors);
}

static void end_refused(struct rewrite_stream *s)
{
    s->state = REWRITE_STREAM_REFUSED;
    s->run = SV_NONE;
    buf_release(&s->header);
    buf_release(&s->held);
}

/* For what is wrong with the line at hand. */
static void refuse(struct rewrite_stream *s, enum rewrite_refusal_kind kind)
{
    char line[24];
    snprintf(line, sizeof(line), "%llu", (unsigned long long)s->facts.lines + 1);
    rewrite_refusal_make(&s->refusal, kind, sv_of(line));
    end_refused(s);
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
        if (rewrite_fields_is(name, REWRITE_FIELD_RECEIVED) &&
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

/* Looks at each field of the whole section; false: refused. */
static bool read_fields(struct rewrite_stream *s, struct sv section)
{
    struct rewrite_field f;
    size_t at = 0;
    bool good = true;
    while (good && rewrite_fields_next(section, &at, &f)) {
        s->walked += 2 * (f.end - f.start); /* to find it, and what is noted of it */
        if (!rewrite_changes_note(&s->changes, section, &f))
            rewrite_facts_note(&s->facts, section, &f);
        good = s->config.gateway || rewrite_judge_field(&s->judge, section, &f, &s->refusal);
        if (good && s->config.judge_authors)
            rewrite_authors_note(&s->authors, section, &f);
    }
    s->walked += s->judge.walked + s->authors.walked;
    if (!good)
        end_refused(s);
    return good;
}

/* Decides what changes in the section; false: refused. */
static bool make_edits(struct rewrite_stream *s)
{
    const struct rewrite_changes_end end = {
        .section = s->section,
        .end_text = s->end_text,
        .named = s->named,
        .complete = &s->complete,
        .cnames = &s->cnames,
        .facts = &s->facts,
    };
    bool good = rewrite_changes_finish(&s->changes, &end, &s->refusal);
    s->walked += s->changes.walked;
    if (!good)
        end_refused(s);
    return good;
}

static void take_body(struct rewrite_stream *s, struct sv bytes);

/* The section and the body bytes behind it are ready to go out. */
static void begin_output(struct rewrite_stream *s, struct sv body)
{
    if (!make_edits(s))
        return;
    s->state = REWRITE_STREAM_EMITTING;
    if (body.len)
        take_body(s, body);
}

/* The same, once it is known whether the authors may be named. */
static void begin_judging(struct rewrite_stream *s, struct sv body)
{
    if (!s->config.judge_authors) {
        begin_output(s, body);
        return;
    }
    s->state = REWRITE_STREAM_JUDGING;
    s->run = body;
}

/* Keeps the section and the body bytes behind it until the names are resolved. in_header: it lies
 * in s->header already. */
static void hold(struct rewrite_stream *s, struct sv body, bool in_header)
{
    int err = in_header ? 0 : buf_put(&s->header, s->section);
    if (!err && body.len)
        err = buf_put(&s->held, body);
    REQUIRE(!err); /* the section's size is within the limit */
    s->section = sv_first(buf_view(&s->header), s->section.len);
    s->state = REWRITE_STREAM_ASKING;
}

/* Domains that may be aliases. */
static void find_aliases(struct rewrite_stream *s)
{
    const struct rewrite_stream_config *c = &s->config;
    struct rewrite_readdress r = {.section = s->section};
    struct rewrite_field f;
    if (c->gateway || c->options->resolve_aliases != REWRITE_ALIASES_BOTH)
        return;
    for (size_t at = 0; rewrite_fields_next(s->section, &at, &f);) {
        s->walked += f.end - f.start;
        rewrite_readdress_collect(&r, &f, c->domains, c->domain_count, &s->cnames);
    }
    s->walked += r.walked;
}

/* The section is whole; body: what came behind it; end_text: what its end lacks. */
static void end_section(struct rewrite_stream *s, struct sv section, bool in_header, struct sv body,
                        struct sv end_text)
{
    s->section = section;
    s->end_text = end_text;
    if (!read_fields(s, section))
        return;
    find_aliases(s);
    if (s->complete.count || s->cnames.count)
        hold(s, body, in_header);
    else
        begin_judging(s, body);
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
        end_section(s, sv_first(all, s->line_start), known > 0,
                    sv_skip(bytes, s->line_start - known), SV_NONE);
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
    if (s->state == REWRITE_STREAM_HEADER)
        end_section(s, all, true, SV_NONE, is_cut ? SV("\r\n\r\n") : SV("\r\n"));
}

/* ---- body ---- */

static void count_lines(struct rewrite_stream *s, struct sv bytes)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        s->facts.lines++;
        at++;
    }
}

static void take_body(struct rewrite_stream *s, struct sv bytes)
{
    if (!s->config.binary)
        count_lines(s, bytes);
    if (!s->facts.eight_bit_body)
        s->facts.eight_bit_body = !utf8_is_ascii(bytes);
    s->run = bytes;
}

/* ---- interface ---- */

void rewrite_stream_feed(struct rewrite_stream *s, struct sv bytes)
{
    REQUIRE(!s->ended && !s->run.len && s->state != REWRITE_STREAM_EMITTING &&
            s->state != REWRITE_STREAM_ASKING && s->state != REWRITE_STREAM_JUDGING);
    if (!bytes.len)
        return;
    if (s->state == REWRITE_STREAM_HEADER) {
        feed_header(s, bytes);
    } else if (s->state == REWRITE_STREAM_BODY) {
        buf_release(&s->header);
        buf_release(&s->held);
        take_body(s, bytes);
    }
}

void rewrite_stream_end(struct rewrite_stream *s)
{
    REQUIRE(!s->ended && !s->run.len && s->state != REWRITE_STREAM_EMITTING &&
            s->state != REWRITE_STREAM_JUDGING);
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

/* The next name to be resolved, if there is one. */
static bool ask(struct rewrite_stream *s, struct rewrite_action *out)
{
    const struct rewrite_cname *alias;
    struct sv name;
    if (s->is_pending)
        return false;
    switch (rewrite_complete_next(&s->complete, &name, &s->refusal)) {
    case REWRITE_COMPLETE_ASK:
        s->is_pending = true;
        *out = (struct rewrite_action){.kind = REWRITE_RESOLVE, .name = name};
        return true;
    case REWRITE_COMPLETE_DONE:
        if (rewrite_cnames_next(&s->cnames, &alias)) {
            s->is_pending = true;
            *out = (struct rewrite_action){.kind = REWRITE_ALIAS, .name = alias->name};
            return true;
        }
        begin_judging(s, buf_view(&s->held));
        break;
    case REWRITE_COMPLETE_REFUSED:
        end_refused(s);
        break;
    }
    return rewrite_stream_next(s, out);
}

void rewrite_stream_resolved(struct rewrite_stream *s, enum rewrite_name_answer answer)
{
    REQUIRE(s->is_pending);
    s->is_pending = false;
    if (!rewrite_complete_answer(&s->complete, answer, &s->refusal))
        end_refused(s);
}

void rewrite_stream_aliased(struct rewrite_stream *s, enum rewrite_name_answer answer,
                            struct sv canonical)
{
    const struct rewrite_cname *alias;
    char subject[128];
    REQUIRE(s->is_pending && rewrite_cnames_next(&s->cnames, &alias));
    s->is_pending = false;
    if (answer != REWRITE_NAME_UNKNOWN) {
        bool good = answer == REWRITE_NAME_YES && smtp_domain_valid(canonical);
        rewrite_cnames_answer(&s->cnames, good ? canonical : SV_NONE);
        return;
    }
    snprintf(subject, sizeof subject, "%s: the domain %.*s", rewrite_fields_name(alias->field),
             SV_ARG(sv_first(alias->name, 80)));
    rewrite_refusal_make(&s->refusal, REWRITE_REFUSAL_UNKNOWN_ALIAS, sv_of(subject));
    end_refused(s);
}

static bool ask_authors(struct rewrite_stream *s, struct rewrite_action *out)
{
    REQUIRE(!s->is_pending);
    s->is_pending = true;
    rewrite_authors_finish(&s->authors, s->complete.count ? &s->complete : NULL);
    *out = (struct rewrite_action){.kind = REWRITE_AUTHORS, .authors = &s->authors};
    return true;
}

void rewrite_stream_permit(struct rewrite_stream *s, struct rewrite_named named)
{
    REQUIRE(s->state == REWRITE_STREAM_JUDGING && s->is_pending);
    struct sv body = s->run;
    s->is_pending = false;
    s->run = SV_NONE;
    if (named.from.len)
        s->named.from = arena_sv(&s->authors.arena, named.from);
    if (named.sender.len)
        s->named.sender = arena_sv(&s->authors.arena, named.sender);
    begin_output(s, body);
}

void rewrite_stream_refuse(struct rewrite_stream *s)
{
    REQUIRE(s->state == REWRITE_STREAM_JUDGING && s->is_pending);
    s->is_pending = false;
    s->told = true;
    end_refused(s);
}

bool rewrite_stream_next(struct rewrite_stream *s, struct rewrite_action *out)
{
    struct sv run;
    switch (s->state) {
    case REWRITE_STREAM_HEADER:
        return false;
    case REWRITE_STREAM_ASKING:
        return ask(s, out);
    case REWRITE_STREAM_JUDGING:
        return ask_authors(s, out);
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
