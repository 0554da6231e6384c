/*
 * why.h - why a byte of the header was changed: the rule behind each edit, for trace and explain.
 *
 * The table is the only place of these words. section: of the draft (RFC 6409 numbers them the
 * same), or of the RFC that asks for it. setting: the option that decides, "" where none does. The
 * number of a reason is kept in the queue: rows are added at the end only.
 */
#ifndef REWRITE_WHY_H
#define REWRITE_WHY_H

#include "msa/base/sv.h"

/* name, section, words, setting */
#define REWRITE_WHYS(XX)                                                                     \
    XX(RECEIVED, "RFC 5321 4.4", "trace field", "")                                          \
    XX(END, "RFC 5322 2.1", "the header section had no end", "")                             \
    XX(MESSAGE_ID_ADDED, "8.3", "Message-ID was missing", "rewrite.add_message_id")          \
    XX(DATE_ADDED, "8.2", "Date was missing", "rewrite.add_date")                            \
    XX(SENDER_ADDED, "8.1", "the login is not the author", "rewrite.add_sender")             \
    XX(COMPLETED, "4.2", "the domain was a single label", "rewrite.complete_domains")        \
    XX(MESSAGE_ID_REPLACED, "8.3", "Message-ID could not be read", "rewrite.add_message_id") \
    XX(DATE_REPLACED, "8.2", "Date could not be read", "rewrite.add_date")                   \
    XX(FROM_ADDED, "RFC 5322 3.6.2", "From was missing", "rewrite.add_from")                 \
    XX(SENDER_REPLACED, "8.1", "Sender was not the login", "rewrite.add_sender")             \
    XX(DROPPED, "8", "a field that does not leave", "rewrite.drop")                          \
    XX(FORGED_RESULTS, "RFC 8601 5", "results in our name that are none of ours",            \
       "rewrite.drop_forged_results")                                                        \
    XX(SMIME_SIGNED, "8.5", "the body was signed (S/MIME)", "rewrite.smime")                 \
    XX(SMIME_ENCRYPTED, "8.6", "the body was encrypted (S/MIME)", "rewrite.encrypt")         \
    XX(RULE, "8.8", "a rule matches the address", "rewrite.rules")                           \
    XX(ALIAS, "8.7", "the domain is an alias", "rewrite.resolve_aliases")                    \
    XX(SIGNED, "8.5", "the domain of From has keys (DKIM)", "rewrite.dkim")

enum rewrite_why {
#define REWRITE_WHY_ENUM(name, section, words, setting) REWRITE_WHY_##name,
    REWRITE_WHYS(REWRITE_WHY_ENUM)
#undef REWRITE_WHY_ENUM
        REWRITE_WHY_COUNT
};

struct rewrite_why_row {
    const char *section, *words, *setting;
};
const struct rewrite_why_row *rewrite_why_row(enum rewrite_why why);

#endif
