/*
 * asker.h - one asker of the keeper: its channel, its exchanges, its waiting requests.
 *
 * An exchange is known by the id that the asker chose; one step at a time. Whatever an asker sends
 * that the protocol does not allow closes its channel: it is a process that may have been taken
 * over. Before a secret is looked at, and before its outcome is told, the guard is asked (gate.h);
 * an answer that it delays waits here, on a timer and on no thread. Ownership: the keeper's list
 * owns askers; auth_asker_close() frees one as soon as nothing of it is on a pool. Thread: the
 * loop's.
 */
#ifndef AUTH_ASKER_H
#define AUTH_ASKER_H

#include "auth/gate.h"
#include "auth/work.h"

#define AUTH_ASKER_EXCHANGES_MAX 2048  /* at once; each holds about 8 KiB in Cyrus */
#define AUTH_ASKER_TALKS_MAX     16384 /* with those over whose answer is held back */

struct auth_asker;

/* What an asker needs of the keeper. */
#define AUTH_EARLIER_MAX 8 /* generations whose keys still sign, whose secrets log in */

struct auth_asker_host {
    struct loop *loop;
    struct auth_work *sasl, *sign;
    struct auth_work *oauth, *foreign; /* steps that may ask an issuer of tokens, or a foreign
                                          database of users */
    struct auth_work *directory;       /* certificates of recipients */
    struct auth_work *grant;           /* logins that may ask an issuer for a token of ours */
    struct auth_gate *gate;
    void *arg;
    /* current: NULL before the first commit. earlier: newest first; some may be NULL. */
    struct auth_generation *(*current)(void *arg);
    struct auth_generation *const *(*earlier)(void *arg);
    /* Somebody has logged in; last_ms and count are not filled. */
    void (*on_login)(void *arg, const struct auth_use *use);
    /* A login was locked at an asker's wish: its sessions end. */
    void (*on_locked)(void *arg, struct sv login);
    /* Its channel has ended: take it out of the list and close it. */
    void (*on_end)(void *arg, struct auth_asker *a);
};

/* Takes fd over. */
struct auth_asker *auth_asker_new(const struct auth_asker_host *host, int fd);
void auth_asker_close(struct auth_asker *a);
/* Sessions of this login end, or, where app is not empty, those by this app password; also one that
 * is about to begin, its answer being held back. */
void auth_asker_tell_changed(struct auth_asker *a, struct sv login, struct sv app);
/* Ends exchanges that are older than AUTH_EXCHANGE_MAX_MS. */
void auth_asker_sweep(struct auth_asker *a);

#endif
