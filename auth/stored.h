/*
 * stored.h - what a database that msad does not write has of a user, and passwords against it.
 *
 * One value is: a SCRAM verifier (auth/scram.h; RFC 5803), a hash of crypt(5) ("$6$...", also after
 * "{CRYPT}" or a name that ends in "-CRYPT}"), a digest of RFC 2307 or its like ("{SSHA}...",
 * base64 of digest and salt), or a password after "{PLAIN}" or "{CLEARTEXT}". All else is no
 * password, else whoever sees a hash, or knows how accounts are locked, could log in with it:
 * behind another "{NAME}" it is one of a kind that cannot be checked; a bare value, an empty one
 * and a locked one ("!...", "*...", "x", also behind a name) is none at all. Only where the caller
 * says so a bare value of no other form is a password, unless it is locked. Pure but for one memory
 * of the process, below. Any thread.
 */
#ifndef AUTH_STORED_H
#define AUTH_STORED_H

#include "auth/users.h"

/* Takes a value into *secret, if it is better there than what is: for SCRAM with this hash its own
 * verifier, then a password, then what only a password can be checked against. AUTH_SCRAM_HASHES
 * as the hash: a password comes first. *secret begins as zeros; the caller wipes it. */
void auth_stored_take(struct auth_secret *secret, struct sv value, enum auth_scram_hash hash,
                      bool bare_is_cleartext);

/* Whether a password is the one of an AUTH_SECRET_HASHED. Where hashes of crypt have been compared
 * in this process, every call without one costs as much as the costliest of them; so that the time
 * does not tell whether there is a user. */
bool auth_stored_matches(const struct auth_secret *secret, struct sv password);
/* What is remembered for that (method, rounds and salt of one hash) is wiped. */
void auth_stored_forget(void);

#endif
