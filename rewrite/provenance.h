/*
 * provenance.h - how a header section came to be what it is: a record of the section as submitted
 * and, layer by layer, of the edits applied to it, each with its reason.
 *
 * A layer is what one party did: our completer, the policy service, one milter, our signatures.
 * Applied to the submitted section one after the other, the layers give exactly the section that is
 * sent. A section has its empty line at the end, where it has one. The record is kept with the
 * message in the queue, then in the history: bytes that come from there are checked whole by
 * rewrite_provenance_open() before anything is read.
 *
 * Writing: begin, { layer, { edit in the order of the section } }, take. A record that would be
 * larger than REWRITE_PROVENANCE_MAX, have more layers than REWRITE_PROVENANCE_LAYERS, or that was
 * never begun (there was no memory for the section), is given up: take gives nothing.
 * Ownership: the writer's struct is the caller's; views of the reader are into the record.
 * Time is linear in the record for each layer. Pure; one thread at a time.
 *
 *     rewrite_provenance_begin(&p, section);
 *     rewrite_provenance_layer(&p, REWRITE_BY_COMPLETER, SV_NONE, false);
 *     rewrite_provenance_edits(&p, &stream.edits);
 *     keep(rewrite_provenance_take(&p));
 */
#ifndef REWRITE_PROVENANCE_H
#define REWRITE_PROVENANCE_H

#include "rewrite/edits.h"

#define REWRITE_PROVENANCE_MAX    (512u << 10) /* bytes of a record */
#define REWRITE_PROVENANCE_LAYERS 200u

/* name, words; the number is kept in records: rows are added at the end only */
#define REWRITE_SOURCES(XX)               \
    XX(COMPLETER, "this server")          \
    XX(SERVICE, "policy.service")         \
    XX(MILTER, "milter")                  \
    XX(SIGNER, "this server's signature") \
    XX(SMIME, "this server's S/MIME")

enum rewrite_source {
#define REWRITE_SOURCE_ENUM(name, words) REWRITE_BY_##name,
    REWRITE_SOURCES(REWRITE_SOURCE_ENUM)
#undef REWRITE_SOURCE_ENUM
        REWRITE_SOURCE_COUNT
};
const char *rewrite_source_words(enum rewrite_source by);

/* ---- writing ---- */

struct rewrite_provenance {
    struct buf record;
    size_t before; /* bytes of what it goes on from */
    unsigned layers;
    bool given_up;
};

#define REWRITE_NO_WHY 255u /* the layer's party gave no reason */

void rewrite_provenance_init(struct rewrite_provenance *p);
void rewrite_provenance_deinit(struct rewrite_provenance *p);
/* to, of which nothing was asked yet, goes on where from is now: take gives only what comes behind
 * that, and nothing where the whole was given up; both go on by themselves. */
void rewrite_provenance_go_on(struct rewrite_provenance *to, const struct rewrite_provenance *from);
void rewrite_provenance_begin(struct rewrite_provenance *p, struct sv submitted);
/* name: of a milter; else empty. body: it has put another body in place of the message's. */
void rewrite_provenance_layer(struct rewrite_provenance *p, enum rewrite_source by, struct sv name,
                              bool body);
/* Bytes [from, to) of the section, as it was before the layer, become text. */
void rewrite_provenance_edit(struct rewrite_provenance *p, size_t from, size_t to, struct sv text,
                             unsigned why, unsigned rule);
void rewrite_provenance_edits(struct rewrite_provenance *p, const struct rewrite_edits *sealed);
/* The record so far, valid until the next call; empty: begin was never called, or given up. */
struct sv rewrite_provenance_take(const struct rewrite_provenance *p);

/* ---- reading ---- */

struct rewrite_layer {
    enum rewrite_source by;
    struct sv name;
    bool body;
    struct sv edits; /* for rewrite_layer_next() */
};

struct rewrite_layer_edit {
    size_t from, to;
    struct sv text;
    unsigned why, rule; /* why: a number that this program may not know */
};

struct rewrite_provenance_reader {
    struct sv submitted;
    struct sv layers; /* those that are left */
};

/* False: the record is damaged. */
bool rewrite_provenance_open(struct rewrite_provenance_reader *r, struct sv record);
bool rewrite_provenance_next(struct rewrite_provenance_reader *r, struct rewrite_layer *out);
/* Takes the next edit off the front. */
bool rewrite_layer_next(struct sv *edits, struct rewrite_layer_edit *out);
/* Appends the section as it is after the layer. */
int rewrite_layer_apply(const struct rewrite_layer *layer, struct sv before,
                        struct buf *after) MUST_CHECK;

/* ---- as people read it ---- */

/* Whole lines of the section: unchanged (edits empty, after as before), or changed. */
struct rewrite_hunk {
    struct sv before, after; /* after: valid until the next hunk */
    struct sv edits;         /* for rewrite_layer_next(): the reasons */
};
struct rewrite_hunks {
    struct sv section, edits;
    size_t at;
    struct buf text;
};
/* before: the section, valid and unchanged until the end. */
void rewrite_hunks_init(struct rewrite_hunks *h, const struct rewrite_layer *layer,
                        struct sv before);
bool rewrite_hunks_next(struct rewrite_hunks *h, struct rewrite_hunk *out);
void rewrite_hunks_deinit(struct rewrite_hunks *h);

#endif
