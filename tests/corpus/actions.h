/*
 * actions.h - every action on header fields, each with the fields that call for it, and what has to
 * come of a message: written down here, octet by octet, without the code that is tested.
 *
 * A message of the corpus is prepared for a set of actions: what one of them would add is taken
 * out, fields that each acts on are put on top. What is expected is the trace field, what is added,
 * the fields on top as they have to become, and then the message as it was, but for addresses of
 * its own that a rule or an alias changes.
 */
#ifndef TESTS_CORPUS_ACTIONS_H
#define TESTS_CORPUS_ACTIONS_H

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "rewrite/provenance.h"
#include "rewrite/stream.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIONS_HEADER_MAX (64u << 10)

#define ACTIONS_TRACE                                                     \
    "Received: from m.example by m.example\r\n\twith ESMTPSA id qid;\r\n" \
    "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"

/* name, what is taken out before, what is put on top, what becomes of that, what is added, reasons;
 * those of one field exclude each other and stand side by side; added fields come in this order */
#define ACTIONS(XX)                                                                                \
    XX(ADD_MESSAGE_ID, "Message-ID", "", "", "Message-ID: <qid@m.example>\r\n",                    \
       1u << REWRITE_WHY_MESSAGE_ID_ADDED)                                                         \
    XX(REPLACE_MESSAGE_ID, "Message-ID", "message-id:what\r\n", "message-id: <qid@m.example>\r\n", \
       "", 1u << REWRITE_WHY_MESSAGE_ID_REPLACED)                                                  \
    XX(ADD_DATE, "Date", "", "", "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n",                      \
       1u << REWRITE_WHY_DATE_ADDED)                                                               \
    XX(REPLACE_DATE, "Date", "Date: yester\r\n day\r\n", "X-Original-Date: yester\r\n day\r\n",    \
       "Date: Tue, 28 Jul 2026 10:11:12 +0000\r\n", 1u << REWRITE_WHY_DATE_REPLACED)               \
    XX(ADD_FROM, "From", "", "", "From: <f@login.test>\r\n", 1u << REWRITE_WHY_FROM_ADDED)         \
    XX(ADD_SENDER, "Sender", "", "", "Sender: <s@login.test>\r\n", 1u << REWRITE_WHY_SENDER_ADDED) \
    XX(REPLACE_SENDER, "Sender", "SENDER:\"s@login.test\" <x@y.example> (c)\r\n",                  \
       "SENDER: <s@login.test>\r\n", "", 1u << REWRITE_WHY_SENDER_REPLACED)                        \
    XX(DROP, "",                                                                                   \
       "bcc: a@b.example,\r\n\tc@d.example\r\nX-Bcc: a@b.example\r\n"                              \
       "X-ORIGINATING-IP: [192.0.2.1]\r\nBccs: x\r\n",                                             \
       "X-Bcc: a@b.example\r\nBccs: x\r\n", "", 1u << REWRITE_WHY_DROPPED)                         \
    XX(FORGED_RESULTS, "",                                                                         \
       "Authentication-Results: (m.example) other.example; spf=pass\r\n"                           \
       "Authentication-Results: mx.our.example 1;\r\n dkim=pass\r\n"                               \
       "authentication-results:m.example; none\r\nX-Authentication-Results: m.example; none\r\n",  \
       "Authentication-Results: (m.example) other.example; spf=pass\r\n"                           \
       "X-Authentication-Results: m.example; none\r\n",                                            \
       "", 1u << REWRITE_WHY_FORGED_RESULTS)                                                       \
    XX(RULES, "",                                                                                  \
       "Reply-To: \"x@example.org\" <x@example.org> (y@example.org),\r\n\tz@Example.ORG\r\n"       \
       "Cc: G: jru@our.example, r@example.org;\r\nX-Note: jru@our.example\r\n",                    \
       "Reply-To: \"x@example.org\" <x@author.test> (y@example.org),\r\n\tz@author.test\r\n"       \
       "Cc: G: J.R.U@our.example, r@example.org;\r\nX-Note: jru@our.example\r\n",                  \
       "", 1u << REWRITE_WHY_RULE)                                                                 \
    XX(COMPLETE, "", "Cc: a@sales, sales <b@sales>(c@sales),\r\n d@none\r\nX-Cc: a@sales\r\n",     \
       "Cc: a@sales.our.example, sales <b@sales.our.example>(c@sales),\r\n d@none\r\n"             \
       "X-Cc: a@sales\r\n",                                                                        \
       "", 1u << REWRITE_WHY_COMPLETED)                                                            \
    XX(ALIASES, "", "Cc: \"alias.test\" <a@alias.test>, b (alias.test) @ alias.test\r\n",          \
       "Cc: \"alias.test\" <a@real.test>, b (alias.test) @ real.test\r\n", "",                     \
       1u << REWRITE_WHY_ALIAS)

enum action {
#define ACTION_ENUM(name, out, top, top_out, added, whys) ACTION_##name,
    ACTIONS(ACTION_ENUM)
#undef ACTION_ENUM
        ACTION_COUNT
};

static const struct action_row {
    const char *name, *out, *top, *top_out, *added;
    unsigned whys;
} action_rows[] = {
#define ACTION_ROW(name, out, top, top_out, added, whys) {#name, out, top, top_out, added, whys},
    ACTIONS(ACTION_ROW)
#undef ACTION_ROW
};

#define ACTION_BIT(name) (1u << ACTION_##name)
#define ACTIONS_REPLACING \
    (ACTION_BIT(REPLACE_MESSAGE_ID) | ACTION_BIT(REPLACE_DATE) | ACTION_BIT(REPLACE_SENDER))
#define ACTIONS_ADDING  (ACTION_BIT(ADD_MESSAGE_ID) | ACTION_BIT(ADD_DATE) | ACTION_BIT(ADD_SENDER))
#define ACTIONS_ALL     ((1u << ACTION_COUNT) - 1)
#define ACTIONS_GATEWAY (1u << ACTION_COUNT) /* everything on, and it is a gateway's */

/* ---- what is expected ---- */

static inline void actions_put(struct buf *out, struct sv text)
{
    int err = text.len ? buf_put(out, text) : 0;
    REQUIRE(!err);
}

/* The first field of what is left of a section: up to a line end with neither space nor tab behind
 * it. Empty: the section is over. */
static inline struct sv actions_field(struct sv *rest)
{
    size_t n = 0;
    struct sv all = *rest;
    if (sv_starts(all, SV("\r\n")))
        return SV_NONE;
    while (n < all.len) {
        n++;
        if (all.ptr[n - 1] == '\n' && (n == all.len || (all.ptr[n] != ' ' && all.ptr[n] != '\t')))
            break;
    }
    *rest = sv_skip(all, n);
    return sv_first(all, n);
}

static inline struct sv actions_name(struct sv field)
{
    struct sv name = sv_first(field, sv_find(field, ':'));
    while (name.len && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
    return name;
}

static inline bool actions_is_one_of(struct sv name, const char *names)
{
    struct sv list = sv_of(names);
    while (list.len)
        if (sv_ieq(name, sv_split(&list, ' ')))
            return true;
    return false;
}

/* The end of the header section: behind the first empty line, or of all. */
static inline size_t actions_section_end(struct sv message)
{
    struct sv rest = message;
    while (rest.len && actions_field(&rest).len) {
    }
    return message.len - rest.len + (rest.len ? 2 : 0);
}

/* The message as it is submitted for these actions. */
static inline void actions_prepare(struct sv message, unsigned set, struct buf *out)
{
    struct sv rest = message, field;
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (set >> i & 1)
            actions_put(out, sv_of(action_rows[i].top));
    while (rest.len && (field = actions_field(&rest)).len) {
        bool taken = false;
        for (size_t i = 0; i < ACTION_COUNT && !taken; i++)
            taken = (set >> i & 1) && sv_ieq(actions_name(field), sv_of(action_rows[i].out));
        if (!taken)
            actions_put(out, field);
    }
    actions_put(out, rest);
}

/* In the corpus an address is followed by ">", "," or the end of its line. */
static inline void actions_replaced(struct sv field, const char *domain, const char *by,
                                    struct buf *out)
{
    size_t n = strlen(domain);
    while (field.len) {
        bool ends = field.len > n && strchr(">,; \r", field.ptr[n]);
        if (ends && sv_starts(field, sv_of(domain))) {
            actions_put(out, sv_of(by));
            field = sv_skip(field, n);
        } else {
            actions_put(out, sv_first(field, 1));
            field = sv_skip(field, 1);
        }
    }
}

/* A field that the message had, as it has to be. */
static inline void actions_old_field(struct sv field, unsigned set, struct buf *out)
{
    struct sv name = actions_name(field);
    struct buf ruled;
    buf_init(&ruled, SIZE_MAX, 0);
    if (set & ACTION_BIT(RULES) &&
        actions_is_one_of(name, "From Sender Reply-To Resent-From Disposition-Notification-To"))
        actions_replaced(field, "@example.org", "@author.test", &ruled);
    else
        actions_put(&ruled, field);
    if (set & ACTION_BIT(ALIASES) &&
        actions_is_one_of(name, "From Sender Reply-To To Cc Resent-To Resent-From "
                                "Disposition-Notification-To"))
        actions_replaced(buf_view(&ruled), "@example.net", "@real.test", out);
    else
        actions_put(out, buf_view(&ruled));
    buf_deinit(&ruled);
}

static inline bool actions_has(struct sv message, const char *name)
{
    struct sv rest = message, field;
    while (rest.len && (field = actions_field(&rest)).len)
        if (sv_ieq(actions_name(field), sv_of(name)))
            return true;
    return false;
}

/* Of a gateway nothing is done but that a missing Message-ID and Date are added. */
static inline void actions_expect_gateway(struct sv prepared, struct buf *out)
{
    actions_put(out, SV(ACTIONS_TRACE));
    if (!actions_has(prepared, "Message-ID"))
        actions_put(out, sv_of(action_rows[ACTION_ADD_MESSAGE_ID].added));
    if (!actions_has(prepared, "Date"))
        actions_put(out, sv_of(action_rows[ACTION_ADD_DATE].added));
    actions_put(out, prepared);
}

/* What has to come of the message; prepared: as it was submitted. */
static inline void actions_expect(struct sv message, unsigned set, struct sv prepared,
                                  struct buf *out)
{
    size_t end = actions_section_end(prepared);
    struct sv rest = message, field;
    if (set & ACTIONS_GATEWAY) {
        actions_expect_gateway(prepared, out);
    } else {
        actions_put(out, SV(ACTIONS_TRACE));
        for (size_t i = 0; i < ACTION_COUNT; i++)
            if (set >> i & 1)
                actions_put(out, sv_of(action_rows[i].added));
        for (size_t i = 0; i < ACTION_COUNT; i++)
            if (set >> i & 1)
                actions_put(out, sv_of(action_rows[i].top_out));
        while (rest.len && (field = actions_field(&rest)).len) {
            struct sv name = actions_name(field);
            bool gone = set & ACTION_BIT(DROP) &&
                        actions_is_one_of(name, "Bcc Resent-Bcc Return-Path X-Originating-IP");
            for (size_t i = 0; i < ACTION_COUNT && !gone; i++)
                gone = (set >> i & 1) && sv_ieq(name, sv_of(action_rows[i].out));
            if (!gone)
                actions_old_field(field, set, out);
        }
        actions_put(out, rest);
    }
    if (end == prepared.len && !sv_iends(prepared, SV("\r\n\r\n")) && !sv_eq(prepared, SV("\r\n")))
        actions_put(out,
                    sv_iends(prepared, SV("\r\n")) || !prepared.len ? SV("\r\n") : SV("\r\n\r\n"));
}

/* ---- what comes of it ---- */

static inline struct rewrite_options actions_options(unsigned set)
{
    static const char *drop[] = {"Bcc", "Resent-Bcc", "Return-Path", "X-Originating-IP"};
    if (set & ACTIONS_GATEWAY)
        set = ACTIONS_ALL;
    return (struct rewrite_options){
        .hide_client = true,
        .header_errors = REWRITE_ERRORS_ACCEPT,
        .add_message_id = set & (ACTION_BIT(ADD_MESSAGE_ID) | ACTION_BIT(REPLACE_MESSAGE_ID)),
        .add_date = set & (ACTION_BIT(ADD_DATE) | ACTION_BIT(REPLACE_DATE)),
        .drop = {.items = drop, .count = set & ACTION_BIT(DROP) ? 4 : 0},
        .drop_forged_results = set & ACTION_BIT(FORGED_RESULTS),
        .complete_domains = set & ACTION_BIT(COMPLETE),
        .resolve_aliases = set & ACTION_BIT(ALIASES) ? REWRITE_ALIASES_BOTH : REWRITE_ALIASES_STAY,
    };
}

static inline struct rewrite_rules *actions_rules(struct arena *a)
{
    static const struct {
        struct sv match, replace;
        unsigned of;
    } list[] = {
        {SV("*@example.org"), SV("*@author.test"), REWRITE_OF_SENDER},
        {SV("jru@our.example"), SV("J.R.U@our.example"), REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT},
    };
    struct rewrite_rules *rules = rewrite_rules_new(a);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
        REQUIRE(rewrite_rule_parse(a, list[i].match, list[i].replace, &rule, &fault) &&
                rewrite_rules_add(rules, &rule, REWRITE_IN_HEADER | list[i].of, (uint16_t)i));
    }
    return rules;
}

struct actions_result {
    struct buf out;
    bool refused;
    struct buf record; /* its provenance */
};

static inline void actions_drain(struct rewrite_stream *s, unsigned set, struct actions_result *r)
{
    struct rewrite_action a;
    while (rewrite_stream_next(s, &a)) {
        switch (a.kind) {
        case REWRITE_EMIT:
            actions_put(&r->out, a.bytes);
            break;
        case REWRITE_RESOLVE:
            rewrite_stream_resolved(s, sv_eq(a.name, SV("sales.our.example")) ? REWRITE_NAME_YES
                                                                              : REWRITE_NAME_NO);
            break;
        case REWRITE_ALIAS:
            rewrite_stream_aliased(s, REWRITE_NAME_YES,
                                   sv_eq(a.name, SV("alias.test")) ||
                                           sv_eq(a.name, SV("example.net"))
                                       ? SV("real.test")
                                       : SV_NONE);
            break;
        case REWRITE_AUTHORS: {
            struct rewrite_named named = {.from = SV_NONE};
            if (set & ACTION_BIT(ADD_FROM))
                named.from = SV("f@login.test");
            if (set & (ACTION_BIT(ADD_SENDER) | ACTION_BIT(REPLACE_SENDER)))
                named.sender = SV("s@login.test");
            rewrite_stream_permit(s, named);
            break;
        }
        case REWRITE_REFUSE:
            r->refused = true;
            break;
        case REWRITE_DONE:
            break;
        }
    }
}

static inline bool actions_is_binary(struct sv text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || (text.ptr[i] == '\n' && (!i || text.ptr[i - 1] != '\r')) ||
            (text.ptr[i] == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n')))
            return true;
    return false;
}

/* piece: bytes at once, of which each run has memory of its own; 0: all. */
static inline void actions_run(struct sv prepared, unsigned set, size_t piece,
                               struct actions_result *r)
{
    static const struct sv domains[] = {SV("our.example")};
    struct rewrite_options options = actions_options(set);
    struct rewrite_provenance p;
    struct rewrite_stream s;
    struct arena arena;
    arena_init(&arena);
    struct rewrite_rules *rules = actions_rules(&arena);
    struct rewrite_stream_config config = {
        .options = &options,
        .received = {.helo = SV("secret"),
                     .address = SV("192.0.2.7"),
                     .by = SV("m.example"),
                     .protocol = SV("ESMTPSA"),
                     .id = SV("qid"),
                     .wall_s = 1785233472},
        .header_size = ACTIONS_HEADER_MAX,
        .received_hops = 100,
        .binary = actions_is_binary(prepared),
        .judge_authors = !(set & ACTIONS_GATEWAY),
        .gateway = set & ACTIONS_GATEWAY,
        .domains = domains,
        .domain_count = 1,
        .rules = set & (ACTION_BIT(RULES) | ACTIONS_GATEWAY) ? rules : NULL,
    };
    struct sv section = sv_first(prepared, actions_section_end(prepared));
    r->refused = false;
    buf_init(&r->out, SIZE_MAX, 0);
    buf_init(&r->record, SIZE_MAX, 0);
    rewrite_stream_init(&s, &config);
    for (struct sv in = prepared; in.len;) {
        size_t n = piece ? piece : in.len;
        struct sv part = sv_first(in, n);
        char *copy = mem_dup(part.ptr, part.len);
        rewrite_stream_feed(&s, (struct sv){copy, part.len});
        actions_drain(&s, set, r);
        free(copy);
        in = sv_skip(in, n);
    }
    rewrite_stream_end(&s);
    actions_drain(&s, set, r);
    rewrite_provenance_init(&p);
    rewrite_provenance_begin(&p, section);
    rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
    if (!r->refused)
        rewrite_provenance_edits(&p, &s.edits);
    actions_put(&r->record, rewrite_provenance_take(&p));
    rewrite_provenance_deinit(&p);
    rewrite_stream_deinit(&s);
    rewrite_rules_free(rules);
    arena_deinit(&arena);
}

static inline void actions_result_free(struct actions_result *r)
{
    buf_deinit(&r->out);
    buf_deinit(&r->record);
}

#endif
