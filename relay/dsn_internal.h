/*
 * dsn_internal.h - what the files of a report share: its writer and the pieces of its text.
 *
 * dsn.c: which reports there are, header, the part for people. dsn_status.c: the part for programs.
 * dsn_content.c: the message that is returned. dsn_text.c: text made harmless.
 */
#ifndef RELAY_DSN_INTERNAL_H
#define RELAY_DSN_INTERNAL_H

#include "relay/dsn.h"

#define DSN_BREAK_AT 900 /* column where text is broken anywhere */

/* The writer's state: the first error sticks, so that the writing reads as a list of lines. */
struct dsn_writer {
    struct buf *out;
    const struct relay_dsn *d;
    bool utf8; /* the report is an SMTPUTF8 message, and may hold bytes above 127 anywhere */
    int err;
};

/* ---- dsn.c ---- */

/* The action that the subject names: the first in the table that occurs. */
enum relay_dsn_action dsn_main_action(const struct relay_dsn *d);
bool dsn_is_utf8(const struct relay_dsn *d); /* whom it goes to takes SMTPUTF8 */

/* ---- dsn_status.c ---- */

/* RFC 6522 3: the report's type is the subtype of its second part. */
struct sv dsn_status_type(const struct dsn_writer *w);
void dsn_put_status_part(struct dsn_writer *w);

/* ---- dsn_content.c ---- */

void dsn_put_content_part(struct dsn_writer *w);

/* ---- dsn_text.c ---- */

void dsn_put(struct dsn_writer *w, struct sv text);
void dsn_put_str(struct dsn_writer *w, const char *text);
void dsn_put_clean(struct dsn_writer *w, struct sv text);
/* An address; it is good UTF-8 already, or is made good. */
void dsn_put_utf8(struct dsn_writer *w, struct sv text);
/* Text of several lines, each continued with indent; empty lines are left out, because a folded
 * field cannot have them. */
void dsn_put_wrapped(struct dsn_writer *w, struct sv text, struct sv indent);
struct sv
dsn_told(struct sv text); /* the front of a reply that a report has; the log has the rest */
void dsn_put_boundary(struct dsn_writer *w, const char *end);
/* What write makes of the report, apart from it. */
void dsn_make_apart(struct dsn_writer *w, struct buf *text, void (*write)(struct dsn_writer *w));
/* Text that is UTF-8, behind the line Content-Type, in the encoding that it needs. */
void dsn_put_encoded(struct dsn_writer *w, struct sv text);

/* Whether this is what a server said, and not words of ours about it. */
bool dsn_is_reply(struct sv text);

#endif
