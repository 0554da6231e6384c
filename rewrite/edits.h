/*
 * edits.h - changes to a header section, as a list over exact byte ranges, each with its reason.
 *
 * Whatever modifies a message says so here: bytes [from, to) of the section are replaced by text;
 * from == to inserts. Bytes that no edit names leave untouched. Edits are added in any order;
 * rewrite_edits_seal() brings them into that of the section. Several inserts at one place stand in
 * the order they were added, before what replaces the bytes behind them. What lies inside of a
 * range that another edit replaces goes with it: a field that is dropped need not be asked whether
 * somebody completed an address in it. Ranges that only partly overlap are a fault of the caller.
 *
 * Ownership: the list copies the text of each edit; runs are views into the section or into the
 * list, valid until the list is changed. Reading out is linear. One thread at a time.
 *
 *     rewrite_edits_put(&e, 0, 0, SV("Received: ...\r\n"), REWRITE_WHY_RECEIVED, 0);
 *     rewrite_edits_seal(&e);
 *     struct rewrite_edits_cursor c = {0};
 *     struct sv run;
 *     while (rewrite_edits_next(&e, section, &c, &run))
 *         send(run);
 */
#ifndef REWRITE_EDITS_H
#define REWRITE_EDITS_H

#include "msa/base/buf.h"
#include "rewrite/why.h"

struct rewrite_edit {
    size_t from, to;  /* range of the section */
    size_t text, len; /* in the list's buffer */
    uint16_t why;     /* enum rewrite_why */
    uint16_t rule;    /* index of the row of a list option that decided; else 0 */
    uint32_t order;   /* private: the how-many-eth it was put */
};

struct rewrite_edits {
    struct rewrite_edit *list;
    size_t count, cap;
    struct buf text;
    bool in_order; /* as far as they have been put */
};

struct rewrite_edits_cursor {
    size_t at;   /* offset in the section */
    size_t edit; /* next one to apply */
};

void rewrite_edits_init(struct rewrite_edits *e, size_t max_bytes); /* of all texts together */
void rewrite_edits_deinit(struct rewrite_edits *e);
/* ERR_FULL: the texts are more than max_bytes; nothing changed. */
int rewrite_edits_put(struct rewrite_edits *e, size_t from, size_t to, struct sv text,
                      enum rewrite_why why, uint16_t rule) MUST_CHECK;
/* All are put. */
void rewrite_edits_seal(struct rewrite_edits *e);
struct sv rewrite_edits_text(const struct rewrite_edits *e, const struct rewrite_edit *edit);
/* The next non-empty run of the edited section; false behind the last. */
bool rewrite_edits_next(const struct rewrite_edits *e, struct sv section,
                        struct rewrite_edits_cursor *c, struct sv *run_out);

#endif
