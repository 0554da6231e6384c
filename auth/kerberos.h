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

/* Once, before the first exchange: accounts_path names the folder. */
void auth_kerberos_start(const char *accounts_path);
/* Writes the copy, or removes it where keytab is empty. */
int auth_kerberos_follow(const char *accounts_path, struct sv keytab) MUST_CHECK;

#endif
