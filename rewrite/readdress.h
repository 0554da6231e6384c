/*
 * readdress.h - what becomes of the addresses in a header section: single labels completed, aliases
 * resolved, rules applied, each as an edit of the address's own bytes.
 *
 * Draft 4.2, 8.7 and 8.8. Senders are From, Sender, Reply-To and their Resent- forms; recipients
 * are To, Cc, Bcc and theirs. Senders are also Disposition-Notification-To and Return-Receipt-To,
 * in which nothing is completed. Display names, comments, routes, quoted text elsewhere and folding
 * stay. An address with comments in its midst keeps them, behind the part they stood in; white
 * space and folding there go. What cannot be read, and what stands behind it in its field, stays as
 * it is. The rule is found for the completed address, its alias resolved; one edit then says all.
 *
 * Ownership: what is given lives until the edits are read; they are the caller's. The fields are
 * given in the order of the section. Time is linear, nothing is allocated for an address that is
 * plain ASCII without quotes and comments in it. One thread at a time.
 */
#ifndef REWRITE_READDRESS_H
#define REWRITE_READDRESS_H

#include "rewrite/cnames.h"
#include "rewrite/complete.h"
#include "rewrite/edits.h"
#include "rewrite/rules.h"

#define REWRITE_READDRESS_MAX 10000 /* mailboxes in a section */
/* most bytes of all its edits, comments not counted */
#define REWRITE_READDRESS_BYTES (REWRITE_READDRESS_MAX * SMTP_PATH_MAX)

struct rewrite_readdress {
    const struct rewrite_complete *complete;
    const struct rewrite_rules *rules;   /* NULL: none */
    const struct rewrite_cnames *cnames; /* NULL: none */
    struct sv section;
    struct rewrite_edits *edits;
    uint64_t walked; /* bytes looked at */
    /* private */
    size_t uses; /* labels seen; those that were not noted lie behind them and stay */
    size_t mailboxes;
};

/* Whether there is anything to do for the section. */
bool rewrite_readdress_wanted(const struct rewrite_readdress *r);
/* False: the message is to be refused. */
bool rewrite_readdress_field(struct rewrite_readdress *r, const struct rewrite_field *f,
                             struct rewrite_refusal *refusal_out);
/* Notes the domains of a field that may be aliases; not those within domains. */
void rewrite_readdress_collect(struct rewrite_readdress *r, const struct rewrite_field *f,
                               const struct sv *domains, size_t count,
                               struct rewrite_cnames *cnames);
/* An address that is added to the header as a sender, after the rules, by which it may become too
 * long for a path; it may be a view of out. */
struct sv rewrite_readdress_text(const struct rewrite_rules *rules, struct sv address,
                                 char out[REWRITE_RULES_TEXT]);
/* Refuses an address that becomes too long; gives false. */
bool rewrite_readdress_refuse(enum rewrite_field_kind field, struct sv address,
                              struct rewrite_refusal *out);

#endif
