/*
 * address.h - the mailboxes of an address field, as byte ranges of the header section.
 *
 * RFC 5322 3.4 (mailbox, group, their lists) over the tokens of 3.2 (atoms, quoted strings,
 * comments, folding); the obsolete forms that every reader must take: 4.1 (dots in phrases, control
 * characters), 4.4 (routes, space and comments between the parts of an address, quoted strings and
 * atoms mixed in a local part, empty list elements). RFC 6532 3.2: atoms, quoted strings, comments
 * and literals may hold UTF-8. RFC 6854: a group may stand in any field. Encoded words (RFC 2047)
 * are atoms of a phrase and never decoded. What lies outside of this grammar has no reading: it is
 * a fault, with its place and words.
 * 8-bit bytes must be UTF-8 in an address; in phrases and comments any byte passes.
 *
 * Nothing is copied, allocated or changed; time is linear in the field (walked tells the bytes that
 * were looked at). Limits: comments nest REWRITE_COMMENT_DEPTH deep; the caller says how many
 * mailboxes there may be. An offset given out stays good as long as the section's bytes do.
 * Calls: init, next until it is not REWRITE_ADDRESS_MAILBOX. Any thread.
 *
 *     struct rewrite_addresses w;
 *     struct rewrite_address a;
 *     enum rewrite_address_step step;
 *     rewrite_addresses_init(&w, section, field.value, field.end, 10000);
 *     while ((step = rewrite_addresses_next(&w, &a)) == REWRITE_ADDRESS_MAILBOX)
 *         use(a.domain, a.domain_end);
 *     if (step == REWRITE_ADDRESS_FAULT) say(rewrite_address_words(w.fault), w.fault_at);
 */
#ifndef REWRITE_ADDRESS_H
#define REWRITE_ADDRESS_H

#include "msa/base/sv.h"

#define REWRITE_COMMENT_DEPTH 64

/* name, words for a reply */
#define REWRITE_ADDRESS_FAULTS(XX)                                         \
    XX(NO_DOMAIN, "an address without a domain")                           \
    XX(NO_LOCAL, "an address without a local part")                        \
    XX(EMPTY, "an empty address")                                          \
    XX(WORDS, "words that are no address")                                 \
    XX(NAME, "a name before an address without < >")                       \
    XX(APART, "two words in an address without a dot between them")        \
    XX(BEHIND, "an address must end here, or a comma is missing")          \
    XX(SECOND_AT, "a second @ in one address")                             \
    XX(DOTS, "a dot at the edge of a name, or two in a row")               \
    XX(SEMICOLON, "a semicolon outside of a group")                        \
    XX(GROUP_NAME, "a group without a name")                               \
    XX(GROUP_NESTED, "a group inside a group")                             \
    XX(GROUP_OPEN, "a group without its semicolon")                        \
    XX(ANGLE_OPEN, "a < without its >")                                    \
    XX(QUOTE_OPEN, "a quoted string without its end")                      \
    XX(COMMENT_OPEN, "a comment without its end")                          \
    XX(COMMENT_DEPTH, "comments nested too deeply")                        \
    XX(LITERAL_OPEN, "a [ without its ]")                                  \
    XX(ROUTE, "a route that cannot be read")                               \
    XX(CHARACTER, "a character that cannot stand here, or only in quotes") \
    XX(NOT_UTF8, "an address that is neither ASCII nor UTF-8")             \
    XX(TOO_MANY, "more addresses than this server accepts")

enum rewrite_address_fault {
    REWRITE_ADDRESS_OK,
#define REWRITE_ADDRESS_ENUM(name, words) REWRITE_ADDRESS_##name,
    REWRITE_ADDRESS_FAULTS(REWRITE_ADDRESS_ENUM)
#undef REWRITE_ADDRESS_ENUM
        REWRITE_ADDRESS_FAULT_COUNT
};

enum rewrite_domain_kind { /* as msa/smtp/path.h judges the envelope's */
                           REWRITE_DOMAIN_QUALIFIED,
                           REWRITE_DOMAIN_LABEL,  /* not qualified: a single label */
                           REWRITE_DOMAIN_DIGITS, /* not qualified: several labels, the last of
                                                     digits only */
                           REWRITE_DOMAIN_LITERAL /* in brackets, which belong to its range */
};

/* Ranges of one mailbox, from first to last byte of the part; in the obsolete forms comments and
 * folding may lie inside. local_end <= domain. */
struct rewrite_address {
    size_t local, local_end; /* with its quotes */
    size_t domain, domain_end;
    enum rewrite_domain_kind domain_kind;
    bool in_group;
    bool has_cfws;  /* folding, comments or space outside of quotes lie inside */
    bool has_route; /* a source route stood before it */
};

enum rewrite_address_step {
    REWRITE_ADDRESS_END, /* nothing more; the whole field was read */
    REWRITE_ADDRESS_MAILBOX,
    REWRITE_ADDRESS_FAULT /* fault and fault_at say what and where; final */
};

struct rewrite_addresses {
    struct sv section;
    size_t at, end;  /* what is left of the field's value */
    size_t left;     /* mailboxes that may still come */
    size_t element;  /* where the list element at hand begins */
    size_t group;    /* where the group at hand begins */
    uint64_t walked; /* bytes looked at, each look counted */
    bool in_group, has_cfws;
    bool has_group, has_empty; /* so far: a group; a list element of nothing */
    enum rewrite_address_fault fault;
    size_t fault_at;
};

/* The value lies at [from, to) of the section; its last line end may belong to the range. */
void rewrite_addresses_init(struct rewrite_addresses *w, struct sv section, size_t from, size_t to,
                            size_t max_mailboxes);
enum rewrite_address_step rewrite_addresses_next(struct rewrite_addresses *w,
                                                 struct rewrite_address *out);
const char *rewrite_address_words(enum rewrite_address_fault fault); /* static */

#endif
