/*
 * grant.h - the access token by which a route logs in at its smarthost: fetched when it is needed,
 * kept until shortly before it ends, renewed ahead.
 *
 * RFC 6749. One thread at a time fetches for a grant; others take the token that is still good, or
 * wait. A failure is remembered for AUTH_GRANT_RETRY_S. Grants of one refresh token share what the
 * issuer hands out in its place, and fetch one after the other (refresh.h). Grants live as long as
 * a generation names them, so a reload that changes nothing of a route keeps its token.
 *
 * Ownership: auth_grant_get() gives a reference, auth_grant_drop() takes it back; _get, _drop, _new
 * and _free on the loop's thread, the rest on any thread that knows of a reference.
 * auth_grant_take() may block for twice AUTH_FETCH_MAX_MS, where others share its refresh token for
 * that time each.
 */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "auth/token.h"
#include "auth/tokens.h"

#define AUTH_GRANT_RETRY_S   10 /* after a failure, and before a token that is refused is renewed */
#define AUTH_GRANT_AHEAD_S   300 /* renewed so long before its end, or a quarter of its life */
#define AUTH_GRANT_MARGIN_S  30  /* not used any more so long before, or a tenth */
#define AUTH_GRANT_WORDS_MAX 200

struct auth_grants; /* all of a keeper */
struct auth_grant;

struct auth_grants *auth_grants_new(void);
void auth_grants_free(struct auth_grants *s); /* all references have been dropped */
/* Waits until nobody fetches: what an issuer has handed out is not lost. No grant may be taken from
 * then on. */
void auth_grants_settle(struct auth_grants *s);

/* Appends how each stands. */
void auth_grants_tell(struct auth_grants *s, struct auth_tokens *out);

/* All is copied. accounts_path names the folder of what is kept. */
struct auth_grant *auth_grant_get(struct auth_grants *s, const char *accounts_path, struct sv user,
                                  const struct auth_token_issuer *issuer);
void auth_grant_drop(struct auth_grant *g); /* NULL is allowed */

/* Whether auth_grant_take() will not ask the issuer. */
bool auth_grant_is_ready(struct auth_grant *g, bool refused);
/* Appends the token to out. refused: the server did not take the last one, which is forgotten
 * unless it is newer than that. Negative: none can be had now; words in why. */
int auth_grant_take(struct auth_grant *g, bool refused, struct buf *out,
                    struct buf *why) MUST_CHECK;

#endif
