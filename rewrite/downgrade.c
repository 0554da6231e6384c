/*
 * Design: a field's name chooses how its value is cut into text. put_text() writes a run of text of
 * which neighbouring words beyond ASCII, with the space between them, become one sequence of
 * encoded words; all other syntax is copied around these runs.
 */
#include "rewrite/downgrade_writer.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/idn.h"
#include "rewrite/address.h"
#include "rewrite/fields.h"
#include "rewrite/mime_entity.h"
#include "rewrite/words.h"

#include <stdio.h>
#include <string.h>

#define MAILBOXES_MAX 100000

enum shape { SHAPE_TEXT, SHAPE_ADDRESSES, SHAPE_PHRASES, SHAPE_PARAMS, SHAPE_BARE, SHAPE_OTHER };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- output ---- */

void rewrite_downgrade_put(struct rewrite_downgrade_writer *w, struct sv text)
{
    int err = text.len ? buf_put(w->out, text) : 0;
    REQUIRE(!err); /* REWRITE_DOWNGRADE_GROWTH is enough */
    size_t lf = sv_rfind(text, '\n');
    w->column = lf < text.len ? text.len - lf - 1 : w->column + text.len;
}

static char last_byte(const struct rewrite_downgrade_writer *w)
{
    struct sv all = buf_view(w->out);
    return all.len ? all.ptr[all.len - 1] : '\n';
}

/* Encoded words for text; the space before them may become a fold. */
static void put_words(struct rewrite_downgrade_writer *w, struct sv space, struct sv text)
{
    size_t need = text.len < 30 ? 20 + text.len / 3 * 4 : 60; /* of the first word, about */
    if (space.len && sv_find(space, '\n') == space.len &&
        w->column + space.len + need > REWRITE_DOWNGRADE_LINE)
        rewrite_downgrade_put(w, SV("\r\n"));
    rewrite_downgrade_put(w, space);
    int err = rewrite_words_put(w->out, &w->column, text);
    REQUIRE(!err);
    w->after_word = true;
}

/* ---- text ---- */

static struct sv take_space(struct sv *text)
{
    size_t n = 0;
    while (n < text->len && is_space(text->ptr[n]))
        n++;
    struct sv space = sv_first(*text, n);
    *text = sv_skip(*text, n);
    return space;
}

static struct sv take_word(struct sv *text)
{
    size_t n = 0;
    while (n < text->len && !is_space(text->ptr[n]))
        n++;
    struct sv word = sv_first(*text, n);
    *text = sv_skip(*text, n);
    return word;
}

/* Adds what text means to plain: without folds, and without quoting if it has it. */
static void add_plain(struct buf *plain, struct sv text, bool quoted)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n')
            continue;
        if (quoted && text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        int err = buf_append(plain, text.ptr + i, 1);
        REQUIRE(!err);
    }
}

/* A run of words and space; quoted: with quoted pairs, as in a comment. */
static void put_text(struct rewrite_downgrade_writer *w, struct sv text, bool quoted)
{
    struct buf plain;
    buf_init(&plain, text.len + 2, 0);
    while (text.len) {
        struct sv space = take_space(&text), word = take_word(&text);
        if (utf8_is_ascii(word)) {
            rewrite_downgrade_put(w, space);
            rewrite_downgrade_put(w, word);
            w->after_word = word.len ? rewrite_words_is_encoded(word) : w->after_word;
            continue;
        }
        buf_reset(&plain);
        if (w->after_word) /* RFC 2047 6.2: space between encoded words is not shown */
            add_plain(&plain, SV(" "), false);
        add_plain(&plain, word, quoted);
        for (;;) {
            struct sv rest = text, gap = take_space(&rest), next = take_word(&rest);
            if (next.len && rewrite_words_is_encoded(next))
                add_plain(&plain, SV(" "), false);
            if (utf8_is_ascii(next))
                break;
            add_plain(&plain, gap, false);
            add_plain(&plain, next, quoted);
            text = rest;
        }
        put_words(w, space, buf_view(&plain));
    }
    buf_deinit(&plain);
}

/* The comment at the front of *text, which may nest or be open. */
static void put_comment(struct rewrite_downgrade_writer *w, struct sv *text)
{
    size_t depth = 0, from = 0, i = 0;
    for (; i < text->len; i++) {
        char c = text->ptr[i];
        if (c == '\\' && i + 1 < text->len) {
            i++;
        } else if (c == '(' || c == ')') {
            w->after_word = false;
            put_text(w, (struct sv){text->ptr + from, i - from}, true);
            rewrite_downgrade_put(w, (struct sv){text->ptr + i, 1});
            from = i + 1;
            depth += c == '(' ? 1 : (size_t)-1;
            if (!depth)
                break;
        }
    }
    if (from < text->len && depth)
        put_text(w, sv_skip(*text, from), true);
    w->after_word = false;
    *text = sv_skip(*text, i < text->len ? i + 1 : text->len);
}

/* ---- phrases ---- */

static bool is_special(char c)
{
    return c == ',' || c == ':' || c == ';' || c == '<' || c == '>' || c == '@' || c == ')';
}

/* The atom or quoted string at the front. */
static struct sv take_phrase_word(struct sv *text)
{
    size_t n = 0;
    if (text->ptr[0] == '"') {
        for (n = 1; n < text->len && text->ptr[n] != '"'; n++)
            if (text->ptr[n] == '\\')
                n++;
        n = n < text->len ? n + 1 : text->len;
    } else {
        while (n < text->len && !is_space(text->ptr[n]) && !is_special(text->ptr[n]) &&
               text->ptr[n] != '"' && text->ptr[n] != '(')
            n++;
    }
    struct sv word = sv_first(*text, n);
    *text = sv_skip(*text, n);
    return word;
}

void rewrite_downgrade_add_word(struct buf *plain, struct sv word)
{
    bool quoted = word.ptr[0] == '"';
    if (quoted) {
        word = sv_skip(word, 1);
        if (word.len && word.ptr[word.len - 1] == '"')
            word.len--;
    }
    add_plain(plain, word, quoted);
}

/* A word beyond ASCII and those behind it become one sequence, apart from what surrounds it. */
static void put_phrase_words(struct rewrite_downgrade_writer *w, struct sv space, struct sv word,
                             struct sv *text, struct buf *plain)
{
    buf_reset(plain);
    if (w->after_word)
        add_plain(plain, SV(" "), false);
    rewrite_downgrade_add_word(plain, word);
    for (;;) {
        struct sv rest = *text, gap = take_space(&rest);
        if (!rest.len || is_special(rest.ptr[0]) || rest.ptr[0] == '(')
            break;
        struct sv next = take_phrase_word(&rest);
        if (rewrite_words_is_encoded(next))
            add_plain(plain, SV(" "), false);
        if (utf8_is_ascii(next))
            break;
        add_plain(plain, gap, false);
        rewrite_downgrade_add_word(plain, next);
        *text = rest;
    }
    if (!space.len && !is_space(last_byte(w)) && last_byte(w) != '(')
        space = SV(" ");
    put_words(w, space, buf_view(plain));
    if (text->len && !is_space(text->ptr[0]))
        rewrite_downgrade_put(w, SV(" "));
}

/* Syntax in which only comments can be text: quoted strings and what is in < > stay. */
void rewrite_downgrade_put_bare(struct rewrite_downgrade_writer *w, struct sv text)
{
    while (text.len) {
        size_t n = 0;
        while (n < text.len && text.ptr[n] != '(' && text.ptr[n] != '"')
            n += text.ptr[n] == '<' ? sv_find(sv_skip(text, n), '>') : 1;
        rewrite_downgrade_put(w, sv_first(text, n));
        text = sv_skip(text, n);
        if (!text.len)
            break;
        if (text.ptr[0] == '(')
            put_comment(w, &text);
        else
            rewrite_downgrade_put(w, take_phrase_word(&text));
    }
}

/* Words, comments and what separates them. */
static void put_phrases(struct rewrite_downgrade_writer *w, struct sv text)
{
    struct buf plain;
    buf_init(&plain, text.len + 2, 0);
    while (text.len) {
        struct sv space = take_space(&text);
        if (!text.len || is_special(text.ptr[0])) {
            rewrite_downgrade_put(w, space);
            rewrite_downgrade_put(w, sv_first(text, 1));
            text = sv_skip(text, 1);
            w->after_word = false;
        } else if (text.ptr[0] == '(') {
            rewrite_downgrade_put(w, space);
            put_comment(w, &text);
        } else {
            struct sv word = take_phrase_word(&text);
            if (!utf8_is_ascii(word)) {
                put_phrase_words(w, space, word, &text, &plain);
                continue;
            }
            rewrite_downgrade_put(w, space);
            rewrite_downgrade_put(w, word);
            w->after_word = rewrite_words_is_encoded(word);
        }
    }
    buf_deinit(&plain);
}

/* ---- addresses ---- */

/* False: a label is none. */
static bool put_domain(struct rewrite_downgrade_writer *w, struct sv domain)
{
    char label[SMTP_LABEL_MAX];
    size_t len;
    while (domain.len) {
        size_t n = 0;
        while (n < domain.len && !is_space(domain.ptr[n]) && domain.ptr[n] != '.' &&
               domain.ptr[n] != '(')
            n++;
        struct sv word = sv_first(domain, n);
        if (!utf8_is_ascii(word)) {
            if (smtp_idn_label(word, label, &len) < 0)
                return false;
            word = (struct sv){label, len};
        }
        rewrite_downgrade_put(w, word);
        domain = sv_skip(domain, n);
        if (domain.len && domain.ptr[0] == '(') {
            put_comment(w, &domain);
        } else {
            rewrite_downgrade_put(w, sv_first(domain, 1));
            domain = sv_skip(domain, 1);
        }
    }
    return true;
}

/* What stands between two addresses. An ancient route beyond ASCII is left out, as RFC 5322 4.4
 * allows. */
static void put_between(struct rewrite_downgrade_writer *w, struct sv text)
{
    size_t angle = sv_rfind(text, '<');
    struct sv route = sv_skip(text, angle + 1);
    if (angle < text.len && !utf8_is_ascii(route)) {
        put_phrases(w, sv_first(text, angle));
        rewrite_downgrade_put(w, SV("<"));
        if (sv_find(route, '@') == route.len)
            put_phrases(w, route);
        return;
    }
    put_phrases(w, text);
}

enum addresses { ADDRESSES_OK, ADDRESSES_LOCAL, ADDRESSES_UNREADABLE };

static enum addresses put_addresses(struct rewrite_downgrade_writer *w, struct sv field,
                                    size_t value)
{
    struct rewrite_addresses walk;
    struct rewrite_address a;
    enum rewrite_address_step step;
    size_t done = value;
    rewrite_addresses_init(&walk, field, value, field.len, MAILBOXES_MAX);
    while ((step = rewrite_addresses_next(&walk, &a)) == REWRITE_ADDRESS_MAILBOX) {
        put_between(w, (struct sv){field.ptr + done, a.local - done});
        size_t local = buf_len(w->out); /* with what stands between it and the "@" */
        rewrite_downgrade_put_bare(w, (struct sv){field.ptr + a.local, a.domain - a.local});
        if (!utf8_is_ascii(sv_skip(buf_view(w->out), local)))
            return ADDRESSES_LOCAL;
        if (!put_domain(w, (struct sv){field.ptr + a.domain, a.domain_end - a.domain}))
            return ADDRESSES_UNREADABLE;
        w->after_word = false;
        done = a.domain_end;
    }
    if (step == REWRITE_ADDRESS_FAULT)
        return ADDRESSES_UNREADABLE;
    put_between(w, sv_skip(field, done));
    return ADDRESSES_OK;
}

/* ---- fields ---- */

static enum shape shape_of(struct sv name)
{
    static const struct {
        const char *name; /* a "*" at its end: any that begins so */
        enum shape shape;
    } rows[] = {
        {"Disposition-Notification-To", SHAPE_ADDRESSES},
        {"Return-Receipt-To", SHAPE_ADDRESSES},
        {"Mail-Followup-To", SHAPE_ADDRESSES},
        {"Mail-Reply-To", SHAPE_ADDRESSES},
        {"Errors-To", SHAPE_ADDRESSES},
        {"Keywords", SHAPE_PHRASES},
        {"List-Id", SHAPE_PHRASES},
        {"Content-Type", SHAPE_PARAMS},
        {"Content-Disposition", SHAPE_PARAMS},
        {"Content-Transfer-Encoding", SHAPE_PARAMS},
        {"Content-Id", SHAPE_BARE},
        {"Content-Location", SHAPE_OTHER},
        {"MIME-Version", SHAPE_PARAMS},
        {"Date", SHAPE_BARE},
        {"Resent-Date", SHAPE_BARE},
        {"Message-ID", SHAPE_BARE},
        {"Resent-Message-ID", SHAPE_BARE},
        {"In-Reply-To", SHAPE_BARE},
        {"References", SHAPE_BARE},
        {"Return-Path", SHAPE_BARE},
        {"Received*", SHAPE_BARE},
        {"Original-Recipient", SHAPE_OTHER},
        {"DKIM-Signature", SHAPE_OTHER},
        {"ARC-*", SHAPE_OTHER},
        {"Authentication-Results", SHAPE_BARE},
        {"Autocrypt", SHAPE_OTHER},
        {"List-*", SHAPE_BARE},
    };
    if (rewrite_fields_is_address(rewrite_fields_kind(name)))
        return SHAPE_ADDRESSES;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv row = sv_of(rows[i].name);
        bool starts = row.ptr[row.len - 1] == '*';
        if (starts ? sv_istarts(name, sv_first(row, row.len - 1)) : sv_ieq(name, row))
            return rows[i].shape;
    }
    return SHAPE_TEXT;
}

/* RFC 6857 3.1.10: the whole value becomes text of a field that nobody reads as syntax. */
static void put_renamed(struct rewrite_downgrade_writer *w, struct sv name, struct sv value)
{
    struct buf plain;
    buf_init(&plain, value.len, 0);
    rewrite_downgrade_put(w, SV("Downgraded-"));
    rewrite_downgrade_put(w, name);
    rewrite_downgrade_put(w, SV(":"));
    while (value.len && is_space(value.ptr[0]))
        value = sv_skip(value, 1);
    add_plain(&plain, value, false);
    put_words(w, SV(" "), buf_view(&plain));
    buf_deinit(&plain);
}

void rewrite_downgrade_blot(struct buf *out, size_t from)
{
    for (size_t i = out->start + from; i < out->end; i++)
        if ((unsigned char)out->data[i] > 127)
            out->data[i] = '?';
}

enum rewrite_downgrade rewrite_downgrade_field(struct sv field, bool keep, struct buf *out)
{
    struct rewrite_downgrade_writer w = {.out = out};
    size_t before = buf_len(out), value = sv_find(field, ':') + 1;
    struct sv name = sv_first(field, value - 1);
    while (name.len && is_space(name.ptr[name.len - 1]))
        name.len--;
    while (field.len > value &&
           (field.ptr[field.len - 1] == '\n' || field.ptr[field.len - 1] == '\r'))
        field.len--;
    rewrite_downgrade_put(&w, sv_first(field, value));
    enum addresses addresses = ADDRESSES_OK;
    enum shape shape = shape_of(name);
    switch (shape) {
    case SHAPE_TEXT:
        put_text(&w, sv_skip(field, value), false);
        break;
    case SHAPE_PHRASES:
        put_phrases(&w, sv_skip(field, value));
        break;
    case SHAPE_PARAMS:
        rewrite_downgrade_params(&w, sv_skip(field, value));
        rewrite_downgrade_blot(out, before); /* what is left stands between parameters */
        break;
    case SHAPE_ADDRESSES:
        addresses = put_addresses(&w, field, value);
        break;
    case SHAPE_BARE:
        rewrite_downgrade_put_bare(&w, sv_skip(field, value));
        break;
    case SHAPE_OTHER:
        addresses = ADDRESSES_UNREADABLE;
        break;
    }
    if (addresses == ADDRESSES_LOCAL && !keep) {
        buf_truncate(out, before);
        return REWRITE_DOWNGRADE_ADDRESS;
    }
    if (addresses != ADDRESSES_OK || !utf8_is_ascii(sv_skip(buf_view(out), before))) {
        buf_truncate(out, before);
        if (!keep && (sv_ieq(name, SV("From")) || sv_ieq(name, SV("Date"))))
            return REWRITE_DOWNGRADE_FIELD; /* RFC 5322 3.6 */
        w = (struct rewrite_downgrade_writer){.out = out};
        put_renamed(&w, name, sv_skip(field, value));
    }
    rewrite_downgrade_put(&w, SV("\r\n"));
    int err = rewrite_words_fold(out, before, shape != SHAPE_TEXT);
    REQUIRE(!err);
    return REWRITE_DOWNGRADE_OK;
}
