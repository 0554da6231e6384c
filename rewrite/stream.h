/*
 * stream.h - the completer: content of one message in, completed content out.
 *
 * RFC 5321 4.4 and 6.3 (trace field, loops), RFC 5322 2.1.1 (998 bytes a header line; longer ones
 * of a body are re-encoded at delivery: survey.h), RFC 6409 4.2, 5.1, 6.3 (address fields:
 * judge.h) and section 8. Pure: no clock, no I/O.
 *
 * The header section is collected (at most header_size bytes), judged, and turned into a list of
 * edits over exact byte ranges (changes.h): our Received field, what is missing, then the submitted
 * bytes, untouched but for what an option names. The body passes through as views of what was fed,
 * without a copy; so does a header section that comes in one piece. Time is linear in the content.
 * What must be asked of somebody else is an action between the collected header and its output:
 * REWRITE_RESOLVE (only with options->complete_domains) asks whether a name exists. It is answered
 * by rewrite_stream_resolved(), at once or later; REWRITE_ALIAS (only with
 * options->resolve_aliases) by rewrite_stream_aliased(). Until then next() gives false and feed
 * must not be called, while end may. Then next() goes on: further names, REFUSE, or the output.
 * What was fed so far is kept, so that the caller's bytes need not wait. REWRITE_AUTHORS (only with
 * judge_authors) follows, and asks whether this user may be the author that the header names
 * (authors.h). It is answered before the next call of next(), by rewrite_stream_permit() or
 * rewrite_stream_refuse(); after the latter no REFUSE is given out.
 *
 * Ownership: the struct is the caller's and stays where it is after init; views in the
 * configuration and options live until deinit.
 * Bytes given to feed stay valid until next() has returned false; bytes in an action are valid
 * until the next call of feed or end. One thread at a time.
 * Calls: init, { feed, next... }, end, next..., deinit; resolved, next... behind each RESOLVE,
 * aliased, next... behind each ALIAS. feed
 * takes bytes only when next() has returned false, and then all of them. After REFUSE it takes and
 * forgets what is left of the content, and end() gives DONE no more. Content: lines end with CRLF
 * and hold no other CR or LF (msa/smtp/dot.h saw to that). Binary content (RFC 3030,
 * BODY=BINARYMIME) is whatever came: its header section must be lines all the same and is refused
 * otherwise, its body is passed on unseen.
 */
#ifndef REWRITE_STREAM_H
#define REWRITE_STREAM_H

#include "rewrite/authors.h"
#include "rewrite/changes.h"
#include "rewrite/judge.h"

enum rewrite_action_kind {
    REWRITE_EMIT,    /* bytes: the next run of the completed content */
    REWRITE_RESOLVE, /* name: is there such a domain name? */
    REWRITE_ALIAS,   /* name: what does this domain stand for? */
    REWRITE_AUTHORS, /* authors: may they be named? */
    REWRITE_REFUSE,  /* refusal: the message must not be accepted */
    REWRITE_DONE,    /* all content is out; facts are final */
};

struct rewrite_action {
    enum rewrite_action_kind kind;
    struct sv bytes;
    struct sv name; /* in lower case */
    const struct rewrite_authors *authors;
    const struct rewrite_refusal *refusal;
};

struct rewrite_stream_config {
    const struct rewrite_options *options;
    /* hide_client is taken from options; without a solicit the header's Solicitation counts */
    struct rewrite_received received;
    size_t header_size;   /* limits.header_size, bytes */
    size_t received_hops; /* limits.received_hops */
    bool binary;          /* BODY=BINARYMIME */
    bool judge_authors;
    /* Of a gateway: address fields are neither judged nor completed. */
    bool gateway;
    /* the option domains: single labels are completed to the first where the name exists */
    const struct sv *domains;
    size_t domain_count;
    const struct rewrite_rules *rules; /* of rewrite.rules; NULL: none */
};

enum rewrite_stream_state {
    REWRITE_STREAM_HEADER,   /* collecting the header section */
    REWRITE_STREAM_ASKING,   /* names are to be resolved */
    REWRITE_STREAM_JUDGING,  /* authors are to be judged */
    REWRITE_STREAM_EMITTING, /* runs of the edited header, then of the body that came with it */
    REWRITE_STREAM_BODY,
    REWRITE_STREAM_DONE,
    REWRITE_STREAM_REFUSED,
};

struct rewrite_stream {
    struct rewrite_stream_config config;
    enum rewrite_stream_state state;
    struct rewrite_facts facts; /* complete at DONE, the header's part once something is emitted */
    struct rewrite_refusal refusal;
    struct rewrite_judge judge;
    struct rewrite_complete complete;
    struct rewrite_cnames cnames;
    struct rewrite_authors authors;
    struct buf header;  /* of a section that comes in pieces, or must wait for answers */
    struct buf held;    /* body bytes that wait with it */
    struct sv section;  /* the whole section, in header or in what was fed */
    struct sv end_text; /* what the section's end lacks */
    struct rewrite_changes changes;
    struct rewrite_edits edits;
    struct rewrite_edits_cursor cursor;
    struct sv run; /* body bytes to emit, or that wait for a judgement */
    struct rewrite_named named;
    size_t line_start; /* header: offset of the unfinished line */
    uint64_t walked;   /* header: bytes looked at, each look counted */
    bool is_pending;   /* a name that was given out, or the authors, wait for the answer */
    bool ended, told;
};

void rewrite_stream_init(struct rewrite_stream *s, const struct rewrite_stream_config *config);
void rewrite_stream_deinit(struct rewrite_stream *s);
void rewrite_stream_feed(struct rewrite_stream *s, struct sv bytes);
void rewrite_stream_end(struct rewrite_stream *s); /* the content is complete */
/* False: feed, or answer the name that is pending. */
bool rewrite_stream_next(struct rewrite_stream *s, struct rewrite_action *out);
/* The answer to the last RESOLVE. */
void rewrite_stream_resolved(struct rewrite_stream *s, enum rewrite_name_answer answer);
/* The answer to the last ALIAS. YES: canonical is the name behind the alias, empty if it is none.
 */
void rewrite_stream_aliased(struct rewrite_stream *s, enum rewrite_name_answer answer,
                            struct sv canonical);
/* The answers to AUTHORS: go on, with fields of these addresses where they are not empty; */
void rewrite_stream_permit(struct rewrite_stream *s, struct rewrite_named named);
/* the caller refuses the message. */
void rewrite_stream_refuse(struct rewrite_stream *s);

#endif
