/*
 * rights_header.h - whether a login may name the authors that a message's header names. Pure.
 *
 * RFC 6409 6.3 and 8.1, RFC 5322 3.6.2 and 3.6.6. Every mailbox of From and Sender must be one that
 * the login may send as, and so must those of every Resent-From and Resent-Sender, and addresses in
 * names and comments. With allow_resent a message whose topmost Resent block has a Resent-From is
 * judged by that block alone. A From that the login may send on behalf of only needs a Sender;
 * rewrite.add_sender decides who adds one, and where else one is added. A missing From becomes the
 * reverse-path, else the login. What
 * cannot be read in one way is refused; so are domains, allowed as they may be, that a reader would
 * take for others. Any thread.
 */
#ifndef MSA_SERVER_RIGHTS_HEADER_H
#define MSA_SERVER_RIGHTS_HEADER_H

#include "msa/server/rights.h"
#include "rewrite/authors.h"
#include "rewrite/changes.h"

struct rights_header {
    const struct rewrite_authors *authors; /* finished */
    struct sv reverse_path;                /* as submitted, which was allowed; may be empty */
    const struct msa_options *options; /* domains, rewrite.header_errors, .add_sender, .add_from */
    const struct rewrite_rules *rules; /* of rewrite.rules; NULL: none */
};

/* True: accepted; *named_out has the addresses of fields to be added (views of login and
 * reverse-path, or empty). False: refused with *reply_out, its text in the arena. */
bool rights_header(const struct rights_holder *h, const struct rights_header *in, struct arena *a,
                   struct rewrite_named *named_out, struct smtp_reply *reply_out);

#endif
