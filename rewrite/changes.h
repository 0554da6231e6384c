/*
 * changes.h - what changes in the header section of a message, and why: every edit is decided here.
 *
 * Draft 8.1 (Sender), 8.2 (Date), 8.3 (Message-ID), 4.2 and 8.8 (addresses: readdress.h), RFC
 * 5321 4.4 (Received), RFC 5322 3.6.2 (From), RFC 8601 5 (Authentication-Results in our name). The
 * paramount rule of the draft's section 8 holds: each edit is the remedy of one matter that an
 * option names, and all bytes but those of its range stay. Of a gateway's message nothing changes
 * but that Received and a missing Date and Message-ID are added.
 *
 * Ownership: what is given lives until finish; edits and facts are the caller's. Calls: init; note
 * for each field, in their order; finish once. Nothing is allocated for a field. Time is linear.
 * One thread at a time.
 */
#ifndef REWRITE_CHANGES_H
#define REWRITE_CHANGES_H

#include "rewrite/edits.h"
#include "rewrite/facts.h"
#include "rewrite/options.h"
#include "rewrite/readdress.h"
#include "rewrite/received.h"

#define REWRITE_LINE_MAX 998 /* bytes without CRLF */
/* most bytes of all fields that are added; those of other edits are less than four for each byte of
 * the section, or counted where they are decided (readdress.h) */
#define REWRITE_CHANGES_BYTES (4 * REWRITE_RECEIVED_MAX)
/* most bytes of a section when all edits are made */
#define REWRITE_CHANGED_MAX(header_size) \
    (5 * (header_size) + REWRITE_CHANGES_BYTES + REWRITE_READDRESS_BYTES)

struct rewrite_changes {
    const struct rewrite_options *options;
    const struct rewrite_received *received;
    bool gateway;
    const struct sv *domains; /* the option */
    size_t domain_count;
    const struct rewrite_rules *rules; /* NULL: none */
    struct rewrite_edits *edits;
    uint64_t walked; /* bytes looked at */
    /* private */
    uint64_t drop_lengths; /* of the names in options->drop: a bit each, by length modulo 64 */
    size_t gone_to;        /* end of the last field that was removed */
    size_t top_fields;     /* that were put */
};

/* Who is named as author by us; empty: nobody. Addresses without brackets. */
struct rewrite_named {
    struct sv from;   /* of a From field that is added */
    struct sv sender; /* of a Sender field that is added, or takes the place of the one there */
};

/* The section as a whole. */
struct rewrite_changes_end {
    struct sv section;
    struct sv end_text; /* what its end lacks: a line end, or two */
    struct rewrite_named named;
    const struct rewrite_complete *complete;
    const struct rewrite_cnames *cnames; /* NULL: none */
    struct rewrite_facts *facts; /* complete; message_id and eight_bit_header are set here */
};

/* The members above "private" are set by the caller. */
void rewrite_changes_init(struct rewrite_changes *c);
/* True: the field is removed. */
bool rewrite_changes_note(struct rewrite_changes *c, struct sv section,
                          const struct rewrite_field *f);
/* Puts all edits that are left, and seals them. False: the message is to be refused. */
bool rewrite_changes_finish(struct rewrite_changes *c, const struct rewrite_changes_end *end,
                            struct rewrite_refusal *refusal_out);

#endif
