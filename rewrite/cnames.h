/*
 * cnames.h - the domains of a header section that may be aliases (CNAME), and what they stand for.
 *
 * Draft 8.7. Which are is asked of the caller, each distinct domain once. Domains are in lower case
 * with A-labels. At most REWRITE_CNAMES_MAX are asked about; further ones stay as they are.
 * Ownership: texts lie in the arena; a name given out is valid as long as that. Calls: init; note;
 * { next, answer }... until next gives false; find. One thread at a time.
 */
#ifndef REWRITE_CNAMES_H
#define REWRITE_CNAMES_H

#include "msa/base/arena.h"
#include "rewrite/fields.h"

#define REWRITE_CNAMES_MAX 100

struct rewrite_cname {
    struct sv name;
    struct sv canonical;           /* empty: it is no alias, or not known yet */
    enum rewrite_field_kind field; /* where it stood first */
};

struct rewrite_cnames {
    struct arena *arena;
    struct rewrite_cname *list; /* NULL until there is one */
    size_t count, answered;
};

void rewrite_cnames_init(struct rewrite_cnames *c, struct arena *arena);
void rewrite_cnames_note(struct rewrite_cnames *c, enum rewrite_field_kind field, struct sv domain);
/* The same one again until it was answered; false: all are. */
bool rewrite_cnames_next(const struct rewrite_cnames *c, const struct rewrite_cname **out);
/* canonical: in any case; empty: it is no alias. */
void rewrite_cnames_answer(struct rewrite_cnames *c, struct sv canonical);
/* What a domain stands for; empty: itself. */
struct sv rewrite_cnames_find(const struct rewrite_cnames *c, struct sv domain);

#endif
