/*
 * judge.h - whether the address fields of a submitted header section may leave as they are.
 *
 * Draft 4.2 (domains fully qualified), 5.1 and 6.3 (syntax), RFC 5322 3.6.2, 3.6.3, 3.6.6. Judged
 * are From, Sender, Reply-To, To, Cc, Bcc and their Resent- forms. Refused: an address that cannot
 * be read even by the obsolete grammar (address.h), a domain that is not fully qualified, a From
 * without any mailbox, a second From or Sender, several mailboxes in Sender or Resent-Sender. Left
 * alone: obsolete forms, other repeated fields, empty groups and empty fields but in From, 8-bit
 * bytes in phrases and comments; with options->header_errors "accept" everything.
 * Where single labels may be completed they are noted (complete.h) and not refused here.
 *
 * The state is that of one header section, whose fields are given in their order; nothing is
 * allocated. Time is linear. Limits: REWRITE_ADDRESSES_MAX mailboxes in one section. Any thread.
 */
#ifndef REWRITE_JUDGE_H
#define REWRITE_JUDGE_H

#include "rewrite/complete.h"
#include "rewrite/fields.h"
#include "rewrite/options.h"
#include "rewrite/refusal.h"

#define REWRITE_ADDRESSES_MAX 10000

struct rewrite_judge {
    const struct rewrite_options *options;
    struct rewrite_complete *complete; /* NULL: nothing is completed */
    size_t from_fields, sender_fields;
    size_t mailboxes_left;
    uint64_t walked; /* bytes looked at */
};

void rewrite_judge_init(struct rewrite_judge *j, const struct rewrite_options *options,
                        struct rewrite_complete *complete);
/* False: the message is to be refused, for the reason written to refusal_out. */
bool rewrite_judge_field(struct rewrite_judge *j, struct sv section, const struct rewrite_field *f,
                         struct rewrite_refusal *refusal_out);

#endif
