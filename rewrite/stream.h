/*
 * stream.h - the completer: content of one message in, completed content out.
 *
 * RFC 5321 4.4 and 6.3 (trace field, loops), RFC 5322 2.1.1 (998 bytes a line), RFC 6409 4.2, 5.1,
 * 6.3 (address fields: judge.h), 8.2, 8.3 (Date, Message-ID). No line over 998 bytes leaves this
 * server. Pure: no clock, no I/O.
 *
 * The header section is collected (at most header_size bytes), judged, and turned into a list of
 * edits over exact byte ranges (edits.h): our Received field, then a missing Message-ID and Date,
 * then the submitted bytes untouched. The body passes through as views of what was fed, without a
 * copy; so does a header section that comes in one piece. Time is linear in the content.
 * Steps that must ask somebody else (names to resolve, signatures) become further actions between
 * the collected header and its output; while one is pending, feed takes nothing.
 *
 * Ownership: the struct is the caller's; views in the configuration and options live until deinit.
 * Bytes given to feed stay valid until next() has returned false; bytes in an action are valid
 * until the next call of feed or end. One thread at a time.
 * Calls: init, { feed, next... }, end, next..., deinit. feed takes bytes only when next() has
 * returned false, and then all of them. After REFUSE it takes and forgets what is left of the
 * content, and end() gives DONE no more.
 * Content: lines end with CRLF and hold no other CR or LF (msa/smtp/dot.h saw to that). Binary
 * content (RFC 3030, BODY=BINARYMIME) is whatever came: its header section must be lines all the
 * same and is refused otherwise, its body is passed on unseen.
 */
#ifndef REWRITE_STREAM_H
#define REWRITE_STREAM_H

#include "rewrite/edits.h"
#include "rewrite/facts.h"
#include "rewrite/judge.h"
#include "rewrite/received.h"

#define REWRITE_LINE_MAX 998 /* bytes without CRLF */

enum rewrite_action_kind {
    REWRITE_EMIT,   /* bytes: the next run of the completed content */
    REWRITE_REFUSE, /* refusal: the message must not be accepted */
    REWRITE_DONE,   /* all content is out; facts are final */
};

struct rewrite_action {
    enum rewrite_action_kind kind;
    struct sv bytes;
    const struct rewrite_refusal *refusal;
};

struct rewrite_stream_config {
    const struct rewrite_options *options;
    /* hide_client is taken from options; without a solicit the header's Solicitation counts */
    struct rewrite_received received;
    size_t header_size;   /* limits.header_size, bytes */
    size_t received_hops; /* limits.received_hops */
    bool binary;          /* BODY=BINARYMIME */
};

enum rewrite_stream_state {
    REWRITE_STREAM_HEADER,   /* collecting the header section */
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
    struct buf header; /* of a section that comes in pieces */
    struct sv section; /* the whole section, in header or in what was fed */
    struct rewrite_edits edits;
    struct rewrite_edits_cursor cursor;
    struct sv run;     /* body bytes to emit */
    size_t line_start; /* header: offset of the unfinished line */
    size_t line_len;   /* body: bytes of the unfinished line */
    uint64_t walked;   /* header: bytes looked at, each look counted */
    bool line_cr;      /* body: the unfinished line ends with CR so far */
    bool ended, told;
};

void rewrite_stream_init(struct rewrite_stream *s, const struct rewrite_stream_config *config);
void rewrite_stream_deinit(struct rewrite_stream *s);
void rewrite_stream_feed(struct rewrite_stream *s, struct sv bytes);
void rewrite_stream_end(struct rewrite_stream *s); /* the content is complete */
bool rewrite_stream_next(struct rewrite_stream *s, struct rewrite_action *out); /* false: feed */

#endif
