/*
 * signing.h - asks the keeper for the DKIM signatures of one form of a message.
 *
 * RFC 6376, draft 8.5. What is signed, and by whom, is rewrite/dkim.h's; here its SIGN requests go
 * to the keeper (auth/client), all at once, and the answers come back. One signer a thread; many
 * messages wait in it at the same time, each with its own deadline. A keeper that restarts within
 * it is asked again.
 *
 * Whoever writes a form of a message that nobody has signed yet (content as submitted, as milters
 * have changed it, as it was encoded anew for a next hop) does this:
 *
 *     rewrite_dkim_init(&d, settings->dkim, header_size, clock_wall_s());
 *     rewrite_dkim_feed(&d, piece);                    // all that will be sent, header first
 *     rewrite_dkim_end(&d);
 *     signing = relay_signing_start(signer, &d, wait_ms, on_signed, arg);
 *     if (!signing) on_signed(arg);                    // nothing to ask for
 *
 *     on_signed(arg): if (!relay_signing_judge(&d, &ctx)) the form must not be sent now: 4.7.0
 *                     else rewrite_dkim_fields(&d, &out), which is sent before the form;
 *                     rewrite_dkim_deinit(&d)
 *
 * A form that is made of a message with a prefix (queue_message.prefix) replaces those fields by
 * its own: the old ones do not hold any more. Ownership: the caller's struct rewrite_dkim stays
 * where it is until on_signed, or until relay_signing_cancel(). on_signed never runs from inside
 * relay_signing_start(), and ends the signing. Thread: the signer's loop.
 */
#ifndef RELAY_SIGNING_H
#define RELAY_SIGNING_H

#include "msa/base/log.h"
#include "msa/loop/loop.h"
#include "rewrite/dkim.h"

#define RELAY_SIGNING_MS 10000u /* a good wait_ms: longer than the keeper needs to be restarted */

struct auth_client;
struct relay_signer;
struct relay_signing;

struct relay_signer *relay_signer_new(struct loop *l, struct auth_client *auth);
/* What waits goes on without its signatures, from inside this call; and so will what comes. */
void relay_signer_stop(struct relay_signer *s);
void relay_signer_free(struct relay_signer *s); /* NULL is allowed; nothing waits any more */

/* d has ended. NULL: there is nothing to ask for. */
struct relay_signing *relay_signing_start(struct relay_signer *s, struct rewrite_dkim *d,
                                          uint64_t wait_ms, void (*on_signed)(void *arg),
                                          void *arg);
void relay_signing_cancel(struct relay_signing *g); /* on_signed does not come; NULL is allowed */

/* Whether the form may be sent: false if a signature that a row requires is not there. What is
 * lacking is logged, once a minute. */
bool relay_signing_judge(const struct rewrite_dkim *d, const struct log_ctx *ctx);

#endif
