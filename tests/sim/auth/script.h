/*
 * script.h - the scripted keeper of a simulation: what auth/client/client.h answers.
 *
 * Users are given by name; PLAIN and LOGIN are understood, other mechanisms are AUTH_NO_MECHANISM.
 * Every answer comes from a timer of the asker's loop after delay_ms of virtual time. Signatures
 * and smarthost passwords come out of the script, too. One script for all askers of a process,
 * which is one thread; sim_auth_reset() before each run.
 */
#ifndef TESTS_SIM_AUTH_SCRIPT_H
#define TESTS_SIM_AUTH_SCRIPT_H

#include "auth/client/client.h"

#define SIM_AUTH_USERS_MAX 64

void sim_auth_reset(void);
/* login: "user@realm"; a client that leaves the realm out gets realm added. */
void sim_auth_realm(const char *realm);
void sim_auth_user(const char *login, const char *password);
/* Its logins are answered AUTH_BLOCKED, whatever the password. */
void sim_auth_block(const char *login);
/* The keeper is away: everything is AUTH_TEMPORARY, exchanges between steps are lost. */
void sim_auth_down(bool down);
void sim_auth_delay(uint64_t delay_ms);
/* NULL: AUTH_DENIED. Appends the signature to out. */
void sim_auth_signer(enum auth_verdict (*sign)(struct sv key, enum auth_sign form, struct sv bytes,
                                               struct buf *out));
/* Certificates of a recipient (auth/directory.h), appended to out. NULL: AUTH_DENIED. */
void sim_auth_directory(enum auth_verdict (*ask)(struct sv address, struct buf *out));
/* Tells every asker that this login's password changed. */
void sim_auth_change(const char *login);

#endif
