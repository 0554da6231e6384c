/*
 * policy.h - who may use which path: the rules that an envelope has to pass. Pure.
 *
 * RFC 6409 section 6 (submission rights). Any thread.
 */
#ifndef MSA_SERVER_POLICY_H
#define MSA_SERVER_POLICY_H

#include "msa/server/options.h"
#include "msa/smtp/path.h"

/* Ask for each path of the envelope. login: user@realm, or empty where none is needed: its paths
 * are no login's. True: allowed; else *reply_out says which address is refused, by which rule, and
 * which is allowed (text in the arena). */
bool policy_reverse_path(const struct smtp_path *path, struct sv login, struct arena *a,
                         struct smtp_reply *reply_out);
/* Whether mail can go back to a reverse-path for sure, without the DNS: null, ours, or where the
 * configuration says so (draft 3.2). */
bool policy_return_is_known(const struct smtp_path *path, const struct msa_options *o);
/* Whether a name that completes a single label is known to exist, without the DNS. */
bool policy_name_is_known(struct sv domain, const struct msa_options *o);
/* Whether this is the postmaster whom anybody may write to. */
bool policy_is_postmaster(const struct smtp_path *path, const struct msa_options *o);
bool policy_forward_path(const struct smtp_path *path, const struct msa_options *o, struct arena *a,
                         struct smtp_reply *reply_out);

#endif
