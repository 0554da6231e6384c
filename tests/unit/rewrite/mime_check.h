/*
 * mime_check.h - what must hold of every message and every form of it: for tests and fuzzing.
 *
 * check_mime_message(text) walks the text whole and in pieces, makes each form of it, and REQUIREs
 * that the form keeps its promise and, read again, has the same structure, the same contents and
 * header fields that say the same (mime_fields_check.h).
 */
#ifndef TESTS_MIME_CHECK_H
#define TESTS_MIME_CHECK_H

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "rewrite/encode.h"
#include "rewrite/stream.h"
#include "tests/unit/rewrite/mime_fields_check.h"

#include <stdlib.h>
#include <string.h>

struct check_leaf {
    uint32_t entity;
    enum rewrite_mime_kind kind;
    enum rewrite_mime_encoding encoding;
    bool has_version, lacks_charset;
    struct buf header;
    struct buf raw, plain; /* of a multipart: all but its parts */
    size_t shape;          /* where it begins there */
    bool has_parts;
};

struct check_tree {
    struct check_leaf *list; /* all entities; containers have no content */
    size_t count, depth;
    struct buf all, shape;   /* shape: of the structure, in letters */
    bool header_8bit, opens; /* opens: the delimiter at hand */
    uint64_t walked;
};

/* Without space at ends of lines, which RFC 2045 6.7 says to be lost. */
static void check_decode_qp(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == ' ' || c == '\t') {
            size_t end = i + 1;
            while (end < in.len && (in.ptr[end] == ' ' || in.ptr[end] == '\t'))
                end++;
            bool cr = end + 1 < in.len && in.ptr[end] == '\r';
            if (end == in.len || in.ptr[end + cr] == '\n') {
                i = end - 1;
                continue;
            }
        }
        if (c == '=') {
            size_t end = i + 1;
            while (end < in.len && (in.ptr[end] == ' ' || in.ptr[end] == '\t'))
                end++;
            if (end + 1 < in.len && in.ptr[end] == '\r' && in.ptr[end + 1] == '\n')
                end++;
            if (end < in.len && in.ptr[end] == '\n') {
                i = end;
                continue;
            }
            if (end == in.len)
                break;
            if (i + 2 < in.len && check_hex(in.ptr[i + 1]) >= 0 && check_hex(in.ptr[i + 2]) >= 0) {
                c = (char)(check_hex(in.ptr[i + 1]) * 16 + check_hex(in.ptr[i + 2]));
                i += 2;
            }
        }
        check_put(out, (struct sv){&c, 1});
    }
}

static void check_decode(struct check_leaf *l)
{
    if (l->encoding == REWRITE_MIME_QUOTED_PRINTABLE)
        check_decode_qp(buf_view(&l->raw), &l->plain);
    else if (l->encoding == REWRITE_MIME_BASE64)
        check_decode_base64(buf_view(&l->raw), &l->plain);
    else
        check_put(&l->plain, buf_view(&l->raw));
}

static void check_walk_take(struct check_tree *t, const struct rewrite_mime_event *e)
{
    static const char letters[] = "toMRseftdr"; /* an unreadable multipart may become text */
    check_put(&t->all, e->bytes);
    switch (e->kind) {
    case REWRITE_MIME_EVENT_HEADER:
        if (e->entity == t->count) {
            t->list = mem_resize(t->list, t->count + 1, sizeof *t->list);
            t->list[t->count] = (struct check_leaf){.entity = e->entity,
                                                    .kind = e->what->kind,
                                                    .encoding = e->what->encoding,
                                                    .has_version = e->what->has_version,
                                                    .lacks_charset = e->what->lacks_charset};
            buf_init(&t->list[t->count].header, SIZE_MAX, 0);
            check_put(&t->list[t->count].header, e->bytes);
            buf_init(&t->list[t->count].raw, SIZE_MAX, 0);
            buf_init(&t->list[t->count].plain, SIZE_MAX, 0);
            t->list[t->count].shape = buf_len(&t->shape);
            t->count++;
        }
        t->header_8bit = t->header_8bit || !utf8_is_ascii(e->bytes);
        check_put(&t->shape, SV("("));
        check_put(&t->shape, (struct sv){&letters[e->what->kind], 1});
        REQUIRE(++t->depth <= REWRITE_MIME_DEPTH + 1);
        break;
    case REWRITE_MIME_EVENT_CONTENT:
        REQUIRE(e->entity < t->count && e->bytes.len);
        check_put(&t->list[e->entity].raw, e->bytes);
        break;
    case REWRITE_MIME_EVENT_DELIMITER:
        t->list[e->entity].has_parts |= t->opens;
        /* fall through */
    case REWRITE_MIME_EVENT_BETWEEN:
        REQUIRE(e->bytes.len && t->list[e->entity].kind == REWRITE_MIME_MULTIPART);
        check_put(&t->list[e->entity].raw, e->bytes);
        break;
    case REWRITE_MIME_EVENT_END:
        if (t->list[e->entity].kind == REWRITE_MIME_MULTIPART && !t->list[e->entity].has_parts) {
            buf_truncate(&t->shape, t->list[e->entity].shape);
            check_put(&t->shape, SV("(t"));
        }
        check_put(&t->shape, SV(")"));
        t->depth--;
        break;
    }
}

static void check_walk(struct check_tree *t, struct sv text, size_t piece, size_t header_max)
{
    struct rewrite_mime w;
    struct rewrite_mime_event e;
    *t = (struct check_tree){.count = 0};
    buf_init(&t->all, SIZE_MAX, 0);
    buf_init(&t->shape, SIZE_MAX, 0);
    rewrite_mime_init(&w, header_max);
    for (struct sv rest = text; rest.len;) {
        size_t took = rewrite_mime_feed(&w, sv_first(rest, piece));
        REQUIRE(took);
        rest = sv_skip(rest, took);
        while (rewrite_mime_next(&w, &e)) {
            t->opens = w.opens;
            check_walk_take(t, &e);
        }
    }
    rewrite_mime_end(&w);
    while (rewrite_mime_next(&w, &e)) {
        t->opens = w.opens;
        check_walk_take(t, &e);
    }
    REQUIRE(t->count == w.count && t->count > 0 && !t->depth);
    REQUIRE(sv_eq(buf_view(&t->all), text));
    for (size_t i = 0; i < t->count; i++)
        check_decode(&t->list[i]);
    t->walked = w.walked;
    rewrite_mime_deinit(&w);
}

static void check_tree_free(struct check_tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        buf_deinit(&t->list[i].header);
        buf_deinit(&t->list[i].raw);
        buf_deinit(&t->list[i].plain);
    }
    free(t->list);
    buf_deinit(&t->all);
    buf_deinit(&t->shape);
}

/* The plan, and with a plan that can be carried out the message in that form. */
static void check_make(struct sv text, unsigned form, size_t piece, size_t header_max,
                       struct rewrite_plan *plan, struct buf *out)
{
    struct rewrite_survey s;
    struct rewrite_encode e;
    rewrite_survey_init(&s, form, header_max);
    for (struct sv rest = text; rest.len; rest = sv_skip(rest, piece))
        rewrite_survey_feed(&s, sv_first(rest, piece));
    rewrite_survey_end(&s);
    rewrite_survey_take(&s, plan);
    rewrite_survey_deinit(&s);
    buf_init(out, SIZE_MAX, 0);
    if (plan->unfit != REWRITE_UNFIT_NONE)
        return;
    rewrite_encode_init(&e, plan, header_max);
    for (struct sv rest = text; rest.len; rest = sv_skip(rest, piece))
        check_put(out, rewrite_encode_feed(&e, sv_first(rest, piece)));
    check_put(out, rewrite_encode_end(&e));
    rewrite_encode_deinit(&e);
}

static bool check_is_lines(struct sv text)
{
    while (text.len) {
        size_t lf = sv_find(text, '\n');
        struct sv line = sv_first(text, lf);
        if (lf < text.len && (!lf || line.ptr[lf - 1] != '\r'))
            return false;
        if (lf < text.len)
            line.len--;
        if (line.len > REWRITE_LINE_MAX || sv_find(line, '\r') < line.len ||
            sv_find(line, '\0') < line.len)
            return false;
        text = sv_skip(text, lf + 1);
    }
    return true;
}

/* Space and line ends at the end of lines are gone: repaired content may differ in these. */
static void check_strip(struct buf *b)
{
    size_t n = 0;
    for (size_t i = b->start; i < b->end; i++) {
        char c = b->data[i];
        if (c == '\n')
            while (n && strchr(" \t\r", b->data[b->start + n - 1]) && b->data[b->start + n - 1])
                n--;
        b->data[b->start + n++] = c;
    }
    while (n && strchr(" \t\r\n", b->data[b->start + n - 1]) && b->data[b->start + n - 1])
        n--;
    buf_truncate(b, n);
}

static void check_contents(struct check_tree *in, struct check_tree *out,
                           const struct rewrite_plan *plan)
{
    REQUIRE(in->count == out->count && plan->count == in->count);
    for (size_t i = 0; i < in->count; i++) {
        struct check_leaf *a = &in->list[i], *b = &out->list[i];
        unsigned how = plan->entities[i] & REWRITE_PLAN_FORM;
        if (how == REWRITE_TRANSFER_KEEP && a->kind == REWRITE_MIME_MULTIPART) {
            /* between its parts something may have been blotted out */
            bool is_clean = check_is_lines(buf_view(&a->raw)) && utf8_is_ascii(buf_view(&a->raw));
            REQUIRE(!is_clean || sv_eq(buf_view(&a->raw), buf_view(&b->raw)));
            continue;
        }
        if (how == REWRITE_TRANSFER_KEEP) {
            REQUIRE(sv_eq(buf_view(&a->raw), buf_view(&b->raw)));
            continue;
        }
        if (how == REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN ||
            how == REWRITE_TRANSFER_BASE64_AGAIN) {
            REQUIRE(a->encoding == b->encoding);
            check_strip(&a->plain);
            check_strip(&b->plain);
        } else {
            REQUIRE(a->encoding <= REWRITE_MIME_BINARY);
        }
        REQUIRE(sv_eq(buf_view(&a->plain), buf_view(&b->plain)));
    }
}

/* What is said of the contents fits what they are now. */
static void check_headers(struct check_tree *in, struct check_tree *out,
                          const struct rewrite_plan *plan)
{
    bool is_encoded = false;
    for (size_t i = 0; i < in->count; i++) {
        struct check_leaf *a = &in->list[i], *b = &out->list[i];
        unsigned how = plan->entities[i] & REWRITE_PLAN_FORM;
        bool is_new = how == REWRITE_TRANSFER_QUOTED_PRINTABLE || how == REWRITE_TRANSFER_BASE64;
        is_encoded = is_encoded || how != REWRITE_TRANSFER_KEEP;
        check_fields(buf_view(&a->header), buf_view(&b->header), i == 0,
                     plan->form & REWRITE_FORM_ASCII_HEADER);
        if (is_new)
            REQUIRE(b->encoding == (how == REWRITE_TRANSFER_BASE64
                                        ? REWRITE_MIME_BASE64
                                        : REWRITE_MIME_QUOTED_PRINTABLE));
        if (is_new && !utf8_is_ascii(buf_view(&a->raw)))
            REQUIRE(!b->lacks_charset);
        if (how == REWRITE_TRANSFER_KEEP)
            REQUIRE(a->encoding <= REWRITE_MIME_BINARY ? b->encoding <= a->encoding
                                                       : b->encoding == a->encoding);
        if (plan->form & REWRITE_FORM_LINES)
            REQUIRE(b->encoding != REWRITE_MIME_BINARY);
        if ((plan->form & REWRITE_FORM_7BIT) && plan->changes)
            REQUIRE(b->encoding != REWRITE_MIME_8BIT);
    }
    REQUIRE(!is_encoded || out->list[0].has_version);
}

static void check_form(struct sv text, unsigned form, size_t header_max)
{
    struct rewrite_plan plan, again;
    struct buf out, parts;
    struct check_tree before, after;
    check_make(text, form, text.len ? text.len : 1, header_max, &plan, &out);
    size_t piece = 1 + text.len % 61;
    check_make(text, form, piece, header_max, &again, &parts);
    struct sv made = buf_view(&out);
    REQUIRE(again.unfit == plan.unfit && sv_eq(buf_view(&parts), made));
    if (plan.unfit == REWRITE_UNFIT_NONE) {
        if (!plan.changes)
            REQUIRE(sv_eq(made, text));
        check_walk(&before, text, text.len + 1, header_max);
        check_walk(&after, made, made.len + 1, 64 * header_max);
        /* what was too large to be looked into is not when read with more room */
        if (sv_find(buf_view(&before.shape), 'r') == buf_len(&before.shape)) {
            REQUIRE(sv_eq(buf_view(&before.shape), buf_view(&after.shape)));
            check_contents(&before, &after, &plan);
            check_headers(&before, &after, &plan);
        }
        if (form & REWRITE_FORM_7BIT)
            REQUIRE(utf8_is_ascii(made));
        if (form & (REWRITE_FORM_7BIT | REWRITE_FORM_LINES))
            REQUIRE(check_is_lines(made));
        if (form & (REWRITE_FORM_7BIT | REWRITE_FORM_ASCII_HEADER))
            REQUIRE(!after.header_8bit);
        check_tree_free(&before);
        check_tree_free(&after);
    }
    buf_deinit(&out);
    buf_deinit(&parts);
    rewrite_plan_deinit(&plan);
    rewrite_plan_deinit(&again);
}

static void check_mime_message(struct sv text, size_t header_max)
{
    struct check_tree whole, parts;
    check_walk(&whole, text, text.len + 1, header_max);
    REQUIRE(whole.walked <= 40 * text.len + 1000);
    for (size_t piece = 1; piece < 100; piece += 33) {
        check_walk(&parts, text, piece, header_max);
        REQUIRE(sv_eq(buf_view(&whole.shape), buf_view(&parts.shape)));
        for (size_t i = 0; i < whole.count; i++)
            REQUIRE(sv_eq(buf_view(&whole.list[i].raw), buf_view(&parts.list[i].raw)));
        check_tree_free(&parts);
    }
    check_tree_free(&whole);
    check_form(text, REWRITE_FORM_7BIT, header_max);
    check_form(text, REWRITE_FORM_LINES, header_max);
    check_form(text, REWRITE_FORM_ASCII_HEADER, header_max);
    check_form(text, REWRITE_FORM_LINES | REWRITE_FORM_ASCII_HEADER, header_max);
}

#endif
