/*
 * authors.h - whom a header section names as its author: every mailbox of From, Sender, Resent-From
 * and Resent-Sender, each read in one way, or with what makes that impossible.
 *
 * RFC 5322 3.6.2 and 3.6.6. This module knows nobody's rights: it tells them upward, where they are
 * judged. In these fields less is read than in others (judge.h), as here it counts that every
 * reader finds the same: no groups, no routes, no comments or space inside of an address, no local
 * part that needs quotes for more than a space, no encoded words in an address, no space before the
 * colon, no line of white space alone, one From and one Sender. Addresses in names and comments
 * (shown.h) are told as well.
 * A Resent block is a run of Resent- fields; it ends at a field of another kind that is known, and
 * where one of its fields would stand there twice. Only the topmost block is told apart.
 *
 * Ownership: texts and paths lie in the struct's arena, which is empty until there is an author.
 * Calls: init; note for each field, in their order; finish; read; deinit. At most
 * REWRITE_AUTHORS_MAX are told. Time is linear. One thread at a time.
 */
#ifndef REWRITE_AUTHORS_H
#define REWRITE_AUTHORS_H

#include "rewrite/complete.h"
#include "rewrite/fields.h"

#define REWRITE_AUTHORS_MAX 100

/* name, words behind the field's name in a reply */
#define REWRITE_AUTHOR_FAULTS(XX)                                           \
    XX(TWICE, "stands there twice")                                         \
    XX(COLON, "has space before its colon")                                 \
    XX(BLANK, "has a line of nothing but space")                            \
    XX(UNREADABLE, "cannot be read")                                        \
    XX(GROUP, "holds a group, which cannot be an author")                   \
    XX(EMPTY, "has a comma with no address before it")                      \
    XX(ROUTE, "holds an address with a route")                              \
    XX(INSIDE, "has space or a comment inside of an address")               \
    XX(ENCODED, "has an encoded word in an address")                        \
    XX(FORM, "holds an address that mail programs read in different ways")  \
    XX(UNQUALIFIED, "holds an address whose domain is not fully qualified") \
    XX(CONTROL, "has a name with characters that hide others")              \
    XX(CHARSET, "has a name in a character set that cannot be read")        \
    XX(MANY, "names more authors than this server accepts")

enum rewrite_author_fault {
    REWRITE_AUTHOR_OK,
#define REWRITE_AUTHOR_ENUM(name, words) REWRITE_AUTHOR_##name,
    REWRITE_AUTHOR_FAULTS(REWRITE_AUTHOR_ENUM)
#undef REWRITE_AUTHOR_ENUM
        REWRITE_AUTHOR_FAULT_COUNT
};

struct rewrite_author {
    enum rewrite_field_kind field;
    enum rewrite_author_fault fault;
    bool topmost;            /* in the topmost Resent block */
    bool shown;              /* stands in a name or a comment */
    struct smtp_path path;   /* without a fault */
    struct sv local, domain; /* as they are written, until finish */
};

struct rewrite_authors {
    struct rewrite_author *list; /* in the order of the section */
    size_t count;
    size_t from_fields, sender_fields; /* with an address or without */
    bool has_sender;                   /* a Sender field with an address */
    bool has_resent_from;              /* in the topmost Resent block */
    uint64_t walked;                   /* bytes looked at */
    /* private */
    struct arena arena;
    size_t room;           /* of list */
    unsigned block_fields; /* those of the topmost block, as bits */
    bool block_ended;
};

void rewrite_authors_init(struct rewrite_authors *a);
void rewrite_authors_deinit(struct rewrite_authors *a);
void rewrite_authors_note(struct rewrite_authors *a, struct sv section,
                          const struct rewrite_field *f);
/* complete: single labels have their domains by now; NULL: none is completed. */
void rewrite_authors_finish(struct rewrite_authors *a, const struct rewrite_complete *complete);
const char *rewrite_author_words(enum rewrite_author_fault fault); /* static */

#endif
