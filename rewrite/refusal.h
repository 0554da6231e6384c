/*
 * refusal.h - why a message's content is not accepted, as a reply that a person can act on.
 *
 * Draft 4.2, 5.1, 6.3 and RFC 6409 the same: 554 for faults of syntax and unqualified domains in
 * the header. The table is the only place of codes; words name the field or line, and where an
 * option decides its name goes along. Text is printable ASCII whatever the message held. Any
 * thread.
 */
#ifndef REWRITE_REFUSAL_H
#define REWRITE_REFUSAL_H

#include "msa/base/sv.h"

/* name, reply code, enhanced status, words, words behind the subject (NULL: it has no subject), the
 * option that decides ("": none) */
#define REWRITE_REFUSALS(XX)                                                                      \
    XX(HEADER_SIZE, 552, "5.3.4", "The header section is larger than this server accepts", NULL,  \
       "limits.header_size")                                                                      \
    XX(HOPS, 554, "5.4.6", "Too many Received fields: this message is in a loop", NULL,           \
       "limits.received_hops")                                                                    \
    XX(HEADER_LINE, 554, "5.6.0", "Header line ", " is longer than 998 octets", "")               \
    XX(FIRST_LINE, 554, "5.6.0", "The first header line begins with white space", NULL, "")       \
    XX(NO_COLON, 554, "5.6.0", "Header line ",                                                    \
       " has no colon; an empty line must end the header section", "")                            \
    XX(FIELD_NAME, 554, "5.6.0", "Header line ",                                                  \
       " has a bad field name: only octets 33 to 126 may stand before the colon", "")             \
    XX(BARE_BYTE, 554, "5.6.0", "Header line ", " holds a bare CR, a bare LF or a NUL", "")       \
    XX(REPEATED, 554, "5.6.0", "Header field ", " stands there twice", "rewrite.header_errors")   \
    XX(NO_AUTHOR, 554, "5.6.0", "Header field ", " holds no address", "rewrite.header_errors")    \
    XX(TWO_SENDERS, 554, "5.6.0", "Header field ", " holds more than one address",                \
       "rewrite.header_errors")                                                                   \
    XX(ADDRESS, 554, "5.6.0", "Header field ", "", "rewrite.header_errors")                       \
    XX(UNQUALIFIED, 554, "5.6.0", "Header field ", " is not fully qualified",                     \
       "rewrite.header_errors")                                                                   \
    XX(UNRESOLVED, 451, "4.4.3", "Header field ", " cannot be looked up now; try again later",    \
       "rewrite.complete_domains")                                                                \
    XX(UNKNOWN_ALIAS, 451, "4.4.3", "Header field ", " cannot be looked up now; try again later", \
       "rewrite.resolve_aliases")                                                                 \
    XX(LABELS, 554, "5.6.0", "Header field ",                                                     \
       " is not fully qualified, and there are too many such to complete them",                   \
       "rewrite.complete_domains")                                                                \
    XX(EDITED_LINE, 554, "5.6.0", "Header field ",                                                \
       " has a line that is longer than 998 octets when the message is completed", "")            \
    XX(REWRITTEN_LONG, 554, "5.6.0", "Header field ", " becomes too long when it is rewritten",   \
       "rewrite.rules")                                                                           \
    XX(REWRITTEN_MANY, 554, "5.6.0", "Header field ",                                             \
       " holds more addresses than this server rewrites", "rewrite.rules")

enum rewrite_refusal_kind {
#define REWRITE_REFUSAL_ENUM(name, code, status, words, behind, setting) REWRITE_REFUSAL_##name,
    REWRITE_REFUSALS(REWRITE_REFUSAL_ENUM)
#undef REWRITE_REFUSAL_ENUM
};

struct rewrite_refusal {
    enum rewrite_refusal_kind kind;
    uint16_t code;
    const char *status;  /* enhanced status */
    const char *setting; /* "limits.header_size"; "" where no option decides */
    char text[192];      /* for the reply */
};

/* subject: the number of a line, or a field and what is wrong in it; bytes that are no printable
 * ASCII become "?". */
void rewrite_refusal_make(struct rewrite_refusal *out, enum rewrite_refusal_kind kind,
                          struct sv subject);

#endif
