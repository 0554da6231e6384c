/*
 * edits.h - changes to a header section, as a list over exact byte ranges.
 *
 * Whatever modifies a message says so here: bytes [from, to) of the section are replaced by text;
 * from == to inserts. Bytes that no edit names leave untouched. Edits are added in ascending
 * order and do not overlap; several at one place stand in the order they were added.
 *
 * Ownership: the list copies the text of each edit; runs are views into the section or into the
 * list, valid until the list is changed. Reading out is linear. One thread at a time.
 *
 *     rewrite_edits_put(&e, 0, 0, SV("Received: ...\r\n"));
 *     struct rewrite_edits_cursor c = {0};
 *     struct sv run;
 *     while (rewrite_edits_next(&e, section, &c, &run))
 *         send(run);
 */
#ifndef REWRITE_EDITS_H
#define REWRITE_EDITS_H

#include "msa/base/buf.h"

struct rewrite_edit {
    size_t from, to;  /* range of the section */
    size_t text, len; /* in the list's buffer */
};

struct rewrite_edits {
    struct rewrite_edit *list;
    size_t count, cap;
    struct buf text;
};

struct rewrite_edits_cursor {
    size_t at;   /* offset in the section */
    size_t edit; /* next one to apply */
};

void rewrite_edits_init(struct rewrite_edits *e, size_t max_bytes); /* of all texts together */
void rewrite_edits_deinit(struct rewrite_edits *e);
/* ERR_FULL: the texts are more than max_bytes; nothing changed. */
int rewrite_edits_put(struct rewrite_edits *e, size_t from, size_t to, struct sv text) MUST_CHECK;
/* The next non-empty run of the edited section; false behind the last. */
bool rewrite_edits_next(const struct rewrite_edits *e, struct sv section,
                        struct rewrite_edits_cursor *c, struct sv *run_out);

#endif
