/*
 * policy.h - which paths can be used at all, whoever asks: rules of the envelope. Pure.
 *
 * Who may use which is in rights.h. Any thread.
 */
#ifndef MSA_SERVER_POLICY_H
#define MSA_SERVER_POLICY_H

#include "msa/server/options.h"
#include "msa/smtp/path.h"

/* Whether mail can go back to a reverse-path for sure, without the DNS: null, ours, or where the
 * configuration says so (draft 3.2). */
bool policy_return_is_known(const struct smtp_path *path, const struct msa_options *o);
/* Whether a name that completes a single label is known to exist, without the DNS. */
bool policy_name_is_known(struct sv domain, const struct msa_options *o);
/* Whether a domain is one of ours, or below it. */
bool policy_is_ours(struct sv domain, const struct msa_options *o);
/* Whether this is the postmaster whom anybody may write to. */
bool policy_is_postmaster(const struct smtp_path *path, const struct msa_options *o);
/* Whether mail is sent there; else *reply_out says why not (text in the arena). */
bool policy_forward_path(const struct smtp_path *path, const struct msa_options *o, struct arena *a,
                         struct smtp_reply *reply_out);

#endif
