/*
 * stream_world.h - one message through the rewriting, in pieces of any size, by a caller who
 * answers what is asked about names; and what came of it.
 */
#ifndef TESTS_UNIT_REWRITE_STREAM_WORLD_H
#define TESTS_UNIT_REWRITE_STREAM_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/stream.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#define TRACE                                                             \
    "Received: from m.example by m.example\r\n\twith ESMTPSA id qid;\r\n" \
    "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"

static const struct rewrite_options all = {
    .add_date = true, .add_message_id = true, .hide_client = true};
static const struct rewrite_options none = {.hide_client = true};

static inline struct rewrite_stream_config config_of(const struct rewrite_options *options)
{
    return (struct rewrite_stream_config){
        .options = options,
        .received = {.helo = SV("secret"),
                     .address = SV("192.0.2.7"),
                     .by = SV("m.example"),
                     .protocol = SV("ESMTPSA"),
                     .id = SV("qid"),
                     .wall_s = 1785233472},
        .header_size = 4096,
        .received_hops = 3,
    };
}

struct outcome {
    struct buf out;
    int refused; /* reply code, 0: accepted */
    char text[200];
    struct rewrite_facts facts;
    uint64_t walked;
    struct buf asked; /* names */
    bool pending;     /* a name waits for this answer */
    bool alias;       /* it is an alias */
    struct sv canonical;
    enum rewrite_name_answer answer;
};

/* "yes", "no" and "unknown" names, by their first label; others do not exist */
static inline enum rewrite_name_answer answer_of(struct sv name)
{
    return sv_istarts(name, SV("unknown."))                                  ? REWRITE_NAME_UNKNOWN
           : sv_eq(name, SV("sales.b.example")) || sv_istarts(name, SV("x")) ? REWRITE_NAME_YES
                                                                             : REWRITE_NAME_NO;
}

static inline void drain(struct rewrite_stream *s, struct outcome *o, bool *done)
{
    struct rewrite_action a;
    while (rewrite_stream_next(s, &a)) {
        assert_false(*done);
        if (a.kind == REWRITE_RESOLVE) {
            assert_int_equal(buf_len(&o->out), 0);
            assert_int_equal(buf_printf(&o->asked, "%.*s ", SV_ARG(a.name)), 0);
            o->pending = true;
            o->answer = answer_of(a.name);
            assert_false(rewrite_stream_next(s, &a));
        } else if (a.kind == REWRITE_ALIAS) {
            assert_int_equal(buf_printf(&o->asked, "%.*s? ", SV_ARG(a.name)), 0);
            o->pending = o->alias = true;
            o->answer = sv_istarts(a.name, SV("unknown.")) ? REWRITE_NAME_UNKNOWN
                        : sv_istarts(a.name, SV("no."))    ? REWRITE_NAME_NO
                                                           : REWRITE_NAME_YES;
            o->canonical = sv_istarts(a.name, SV("alias")) ? SV("Real.Example")
                           : sv_istarts(a.name, SV("odd")) ? SV("no domain")
                                                           : SV_NONE;
            assert_false(rewrite_stream_next(s, &a));
        } else if (a.kind == REWRITE_EMIT) {
            assert_true(a.bytes.len > 0);
            assert_int_equal(o->refused, 0);
            assert_int_equal(buf_put(&o->out, a.bytes), 0);
        } else if (a.kind == REWRITE_REFUSE) {
            assert_int_equal(o->refused, 0);
            o->refused = a.refusal->code;
            snprintf(o->text, sizeof(o->text), "%s %s", a.refusal->status, a.refusal->text);
        } else {
            *done = true;
        }
    }
}

/* Answers what is pending, and what is asked then. */
static inline void answer(struct rewrite_stream *s, struct outcome *o, bool *done)
{
    while (o->pending) {
        o->pending = false;
        if (o->alias)
            rewrite_stream_aliased(s, o->answer, o->canonical);
        else
            rewrite_stream_resolved(s, o->answer);
        o->alias = false;
        drain(s, o, done);
    }
}

static inline void outcome_free(struct outcome *o)
{
    buf_deinit(&o->out);
    buf_deinit(&o->asked);
}

/* piece 0: whole; 1: byte by byte; else random pieces from that seed. Each piece is given in
 * memory of its own, which is gone afterwards: a view kept too long is found by the sanitizers. */
static inline void run(struct rewrite_stream_config *c, struct sv in, unsigned piece,
                       struct outcome *o)
{
    struct rewrite_stream s;
    bool done = false;
    *o = (struct outcome){0};
    buf_init(&o->out, 1u << 26, 0);
    buf_init(&o->asked, 1u << 20, 0);
    rewrite_stream_init(&s, c);
    srand(piece);
    while (in.len) {
        size_t n = piece == 0 ? in.len : piece == 1 ? 1 : 1 + (size_t)rand() % 50;
        struct sv part = sv_first(in, n);
        char *copy = mem_dup(part.ptr, part.len);
        rewrite_stream_feed(&s, (struct sv){copy, part.len});
        drain(&s, o, &done);
        free(copy);
        in = sv_skip(in, n);
        if (in.len) /* else the end comes before the answer */
            answer(&s, o, &done);
    }
    rewrite_stream_end(&s);
    drain(&s, o, &done);
    answer(&s, o, &done);
    assert_int_equal(done, o->refused == 0);
    if (done)
        assert_int_equal(s.facts.bytes_out, buf_len(&o->out));
    o->facts = s.facts;
    o->walked = s.walked;
    rewrite_stream_deinit(&s);
}

#endif
