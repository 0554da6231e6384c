/*
 * kerberos.h - the key of this server's Kerberos service, where libkrb5 looks for it.
 *
 * The library takes paths, and the keeper may not open the configured file; so it gets the bytes
 * with each generation and keeps a copy of its own beside users.db, 0600. Thread: the loop's.
 */
#ifndef AUTH_KERBEROS_H
#define AUTH_KERBEROS_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#define AUTH_KERBEROS_REALM_MAX 256

/* Once, before the first exchange: accounts_path names the folder. */
void auth_kerberos_start(const char *accounts_path);
/* Writes the copy, or removes it where keytab is empty. */
int auth_kerberos_follow(const char *accounts_path, struct sv keytab) MUST_CHECK;

/* default_realm in the [libdefaults] of a krb5.conf: users of that realm come without one, so they
 * are taken for those of the first of auth.realms. "" if it does not stand there; what the file
 * includes is not read. Pure, any thread. */
void auth_kerberos_default_realm(struct sv conf, char out[AUTH_KERBEROS_REALM_MAX]);

#endif
