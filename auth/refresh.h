/*
 * refresh.h - the refresh token that counts now (RFC 6749 6), where an issuer hands out others in
 * place of the configured one.
 *
 * There is one for each configured token of an issuer, client and user, whatever else their grants
 * differ in (another generation's scope or secret): the issuer knows one as well, and ends all that
 * it has given out where an old one comes again. What came last is kept beside users.db, 0600, and
 * is preferred to the configured one as long as that is unchanged.
 *
 *     token = auth_refresh_begin(r);      waits until nobody else asks by it
 *     ask by token;
 *     auth_refresh_end(r, came);          "": none came, and the token goes on to count
 *
 * Ownership: auth_refresh_get() gives a reference, auth_refresh_drop() takes it back, both on one
 * thread; begin and end, in turns, on any thread that knows of a reference. The view that begin
 * gives lasts until end.
 */
#ifndef AUTH_REFRESH_H
#define AUTH_REFRESH_H

#include "auth/token.h"

struct auth_refresh;

/* all: the list that it is looked for in, and put into. accounts_path names the folder of what is
 * kept. issuer->refresh_token is not empty. */
struct auth_refresh *auth_refresh_get(struct auth_refresh **all, const char *accounts_path,
                                      struct sv user, const struct auth_token_issuer *issuer);
void auth_refresh_drop(struct auth_refresh **all, struct auth_refresh *r);

struct sv auth_refresh_begin(struct auth_refresh *r);
void auth_refresh_end(struct auth_refresh *r, struct sv came);

#endif
