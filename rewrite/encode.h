/*
 * encode.h - second pass over a message: writes it in the form that a plan (survey.h) asks for.
 *
 * RFC 2045 6 (Content-Transfer-Encoding), 4 (MIME-Version), RFC 2049 4 (canonical form), draft 8.4.
 * Contents that the plan does not name leave byte for byte. Where content is encoded the entity's
 * Content-Transfer-Encoding says so, plain text without a charset and a message without MIME fields
 * get them, and what other entities declare, 8bit or binary, is brought down to what is left. With
 * a plan without changes the output is the input.
 *
 * Ownership: the plan is the caller's and fits this content. Runs are valid until the next call of
 * feed or end. Memory: the walker's, and what becomes of what was fed at once. Time linear.
 * Pure; one thread at a time. Calls: init, { feed, take the run }, end, take the run, deinit.
 */
#ifndef REWRITE_ENCODE_H
#define REWRITE_ENCODE_H

#include "rewrite/survey.h"

struct rewrite_encode {
    const struct rewrite_plan *plan;
    struct rewrite_mime walk;
    struct rewrite_transfer transfer; /* of the content at hand */
    struct buf out;
    bool in_transfer;
};

/* header_max: as for the survey. */
void rewrite_encode_init(struct rewrite_encode *e, const struct rewrite_plan *plan,
                         size_t header_max);
void rewrite_encode_deinit(struct rewrite_encode *e);
/* Give what the bytes become. */
struct sv rewrite_encode_feed(struct rewrite_encode *e, struct sv bytes);
struct sv rewrite_encode_end(struct rewrite_encode *e);

#endif
