/*
 * rights_header.h - whether a login may name the authors that a message's header names. Pure.
 *
 * RFC 6409 6.3 and 8.1, RFC 5322 3.6.2 and 3.6.6. Every mailbox of From and Sender must be one that
 * the login may send as, and so must those of every Resent-From and Resent-Sender, and addresses in
 * names and comments. With allow_resent a message whose topmost Resent block has a Resent-From is
 * judged by that block alone. A From that the login may send on behalf of only needs a Sender. What
 * cannot be read in one way is refused; so are domains, allowed as they may be, that a reader would
 * take for others. A message without From claims nothing. Any thread.
 */
#ifndef MSA_SERVER_RIGHTS_HEADER_H
#define MSA_SERVER_RIGHTS_HEADER_H

#include "msa/server/rights.h"
#include "rewrite/authors.h"

struct rights_header {
    const struct rewrite_authors *authors; /* finished */
    struct sv reverse_path;                /* of MAIL FROM, which was allowed; may be empty */
    const struct msa_options *options;     /* domains, rewrite.header_errors, rewrite.add_sender */
};

/* True: accepted; *sender_out is the address of the Sender field to be added, or empty (it may be a
 * view of login or reverse-path). False: refused with *reply_out, its text in the arena. */
bool rights_header(const struct rights_holder *h, const struct rights_header *in, struct arena *a,
                   struct sv *sender_out, struct smtp_reply *reply_out);

#endif
