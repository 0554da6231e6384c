/*
 * facts.h - what the content of a message tells to others: relay, trace, policy.
 *
 * RFC 8689 3 (TLS-Required), RFC 3865 2.5 (Solicitation), RFC 5322 3.6.1 (Date) and
 * 3.6.4 (Message-ID). Fields are
 * given one by one in their order; the rest is filled by the completer (stream.h). Plain memory,
 * nothing allocated; views into the section are not kept. Any thread.
 */
#ifndef REWRITE_FACTS_H
#define REWRITE_FACTS_H

#include "msa/smtp/solicit.h"
#include "rewrite/fields.h"

#define REWRITE_MESSAGE_ID_MAX 256 /* bytes with NUL, of the copy in facts */

struct rewrite_facts {
    bool has_date, has_message_id, has_from, has_sender;
    bool date_readable;       /* one of them */
    bool message_id_readable; /* the first holds something of the form <...@...> */
    /* exactly one TLS-Required field, and it says "No"; counts only without REQUIRETLS (8689 4.1)
     */
    bool tls_required_no;
    size_t tls_required_fields;
    bool eight_bit_header, eight_bit_body;
    size_t received_fields;
    /* for trace: the Message-ID's text, unfolded, cut where it is longer; ours if it was added */
    char message_id[REWRITE_MESSAGE_ID_MAX];
    /* keywords of the first Solicitation field, separated by commas, as the SOLICIT parameter has
     * them; empty if there is none, or if they are malformed or over the length of RFC 3865 2.2 */
    char solicitation[SMTP_SOLICIT_MAX + 1];
    bool has_solicitation; /* the field is there, good or not */
    uint64_t lines;        /* as submitted; of a binary message: of its header */
    uint64_t bytes_out;
};

/* Everything but received_fields, which the completer counts while the header still comes in. */
void rewrite_facts_note(struct rewrite_facts *f, struct sv section,
                        const struct rewrite_field *field);

#endif
