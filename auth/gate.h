/*
 * gate.h - the keeper's one guard (guard.h) as its askers use it: with the rules of the
 * configuration, the clocks, the log, and names brought to one form.
 *
 * The keeper owns it and not the server: it alone knows the name that was tried and who got in, it
 * serves all workers, and a server that has been taken over cannot guess without limit.
 *
 * Owners outlive it in users.db (uses.h writes down each login), so that nobody is blocked at home
 * after a restart. Counts and blocks do not: an operator who starts msad anew frees everybody who
 * was blocked by mistake, a guesser gains auth.block.failures tries by it, and no flood of blocks
 * is ever written to a disk.
 *
 * Log, for people and for fail2ban (documented in msad(8)): "address-blocked client=ADDRESS" and
 * "name-blocked login=NAME" when a block begins. Thread: the loop's.
 */
#ifndef AUTH_GATE_H
#define AUTH_GATE_H

#include "auth/blocks.h"
#include "auth/generation.h"
#include "auth/guard.h"

struct auth_gate;

struct auth_gate_try {
    const struct auth_generation *generation;
    struct ip client;
    struct sv name; /* as it came; empty: not known */
};

struct auth_gate *auth_gate_new(void);
void auth_gate_free(struct auth_gate *g);
/* Owners of earlier runs; blocking, at the start. */
void auth_gate_load(struct auth_gate *g, struct auth_accounts *accounts);
/* Whether the secret may be looked at. */
bool auth_gate_admits(struct auth_gate *g, const struct auth_gate_try *t);
/* It has been, and was right or wrong. blocked: refuse all the same. */
struct guard_end auth_gate_conclude(struct auth_gate *g, const struct auth_gate_try *t, bool right);
/* Whether one more line may be logged about what anybody can provoke; what is not is counted. */
bool auth_gate_may_log(struct auth_gate *g);
/* "msactl user unlock": what has failed under this name is forgotten, a block of it is over. */
void auth_gate_forgive(struct auth_gate *g, const struct auth_generation *generation,
                       struct sv login);
/* "msactl block": the answer is made at once. */
void auth_gate_serve(struct auth_gate *g, const struct auth_generation *generation,
                     const struct auth_blocks_request *request, struct auth_blocks *answer);

#endif
