/*
 * changes.h - what one milter wants changed, kept until it has said that it is done.
 *
 * A milter that fails in the middle of its changes has changed nothing. The new body does not go
 * through here: it may be large.
 * Ownership: the caller's struct, texts are copied. Memory: max_bytes. One thread at a time.
 */
#ifndef MSA_POLICY_CHANGES_H
#define MSA_POLICY_CHANGES_H

#include "msa/policy/header.h"
#include "msa/policy/milter.h"

struct change {
    enum milter_change kind;
    uint32_t index;
    struct sv name, value;
};

struct changes {
    struct arena arena;
    struct change *items;
    size_t count, cap, max_bytes;
};

void changes_init(struct changes *c, size_t max_bytes);
void changes_reset(struct changes *c);
void changes_deinit(struct changes *c);
/* False: too much. */
bool changes_add(struct changes *c, const struct milter_event *e);
/* Those to the header. False, and nothing is changed: one of them is malformed, or the header would
 * become too large. */
bool changes_to_header(const struct changes *c, struct header *h, bool spaced);

/* Line ends of a new body, as pieces of it come: what is not CRLF becomes so, and no bare CR stays,
 * for those who read it otherwise than we do. */
struct body_lines {
    bool cr; /* the last octet so far, and not yet written */
};
/* False: NUL, which no mail may hold. */
bool body_lines_feed(struct body_lines *l, struct sv piece, struct buf *out);
void body_lines_end(struct body_lines *l, struct buf *out);

#endif
