/*
 * walk.h - the walk of one message along the attempts of a plan: which attempt is next, and which
 * recipients (rows of the job) it takes. Decided from the plan, from what the message needs
 * (needs.h), and from what has happened.
 *
 * RFC 5321 5.1; MX6 (a host that is reached over IPv6 by _mx6._tcp may ask for IPv4) and MXPS
 * (QMTP, and SMTP at the same address where it cannot be connected to). A row is open, put off (by
 * a host: another may take it) or done. Rows go their ways apart: some are done, others wait for
 * another host.
 *
 *   what a host says                         what follows for the row
 *   delivered, failed, deferred              done
 *   deferred by the host alone               put off: next attempt
 *   login refused                            put off: hosts of another name
 *   lost after the end of data               done: it may have been taken
 *   extension that this host lacks           put off: hosts of another name
 *   MX6, 550 and a code of fallback          marked: IPv4 of the same target, else IPv4 by MX
 *   MX6, any 4yz, or 5yz to the session      put off: next target, then MX (also a code of
 *                                            relay.site_backoff_codes: the site is that of MX)
 *   QMTP cannot be connected to              SMTP at the same address
 *   QMTP connected, whatever comes           never SMTP at that host
 *
 * Order: relay_walk_init(); relay_walk_next(), then of that attempt relay_walk_reached() if it
 * was, relay_walk_result() for rows that it takes, and relay_walk_tried(); relay_walk_next() again.
 * Pure: no I/O, no clock. Ownership: rows, plan and options stay the caller's. One thread.
 */
#ifndef RELAY_WALK_H
#define RELAY_WALK_H

#include "relay/needs.h"
#include "relay/options.h"

enum relay_walk_state { RELAY_WALK_OPEN, RELAY_WALK_PUT_OFF, RELAY_WALK_DONE };

struct relay_walk_row {
    bool v4_only; /* set before init: the mark of the queue; set by the walk: to be kept there */
    enum relay_walk_state state;
    /* Private: sets of attempts, a bit each. might: of use for the row at all; may: still; lacks:
     * their host lacks what the row needs. */
    uint64_t might, may, lacks;
};

struct relay_walk {
    const struct route_plan *plan;
    const struct route_attempt *attempts; /* of plan */
    size_t nattempts;
    const struct relay_needs *needs;
    const struct relay_options *options; /* mx6_fallback_codes, mx6_any_550 */
    struct relay_walk_row *rows;
    size_t nrows;
    size_t at;      /* the attempt that is in use; nattempts: none */
    uint64_t tried; /* private: attempts that have had their turn, a bit each */
};

/* rows: zeroed but for v4_only. The walk stands before the first attempt. */
void relay_walk_init(struct relay_walk *w, const struct route_plan *plan,
                     const struct relay_needs *needs, const struct relay_options *options,
                     struct relay_walk_row *rows, size_t nrows);
/* Nobody goes by this attempt. */
void relay_walk_skip(struct relay_walk *w, size_t attempt);
/* The attempt has had its turn: the walk does not come to it again. In a race that may be another
 * than the first (one that wins leaves others untried). */
void relay_walk_tried(struct relay_walk *w, size_t attempt);
/* Whether an attempt that has not had its turn is of use for a row that is not done. */
bool relay_walk_has_next(const struct relay_walk *w);
/* Goes to the first such attempt; rows that it can take and that were put off are open again.
 * False: there is none. */
bool relay_walk_next(struct relay_walk *w);
/* How many attempts, from the one in use on, may be raced for its rows (route/attempt.h): 1 or
 * more. */
size_t relay_walk_race(const struct relay_walk *w);
/* Stands at this attempt, of a connection that is open already, or that won a race. */
void relay_walk_stand(struct relay_walk *w, size_t index);
/* Whether the attempt in use takes the row now. */
bool relay_walk_takes(const struct relay_walk *w, size_t row);
/* Whether what the attempt in use says may back the site off: it is that of the hosts by MX, or of
 * a static route. What a target of MX6 says sends the row on to them. */
bool relay_walk_is_of_site(const struct relay_walk *w);
/* Whether no attempt was ever of use for the row. */
bool relay_walk_is_barred(const struct relay_walk *w, size_t row);
/* What becomes of such a row. */
struct relay_outcome relay_walk_barred(struct arena *arena, const struct relay_walk *w);
/* The connection of the attempt was made. */
void relay_walk_reached(struct relay_walk *w);
/* The attempt in use, or our own side, has said this of the row. r: NULL where nobody was asked.
 * May change *o: what asks for IPv4 is no failure. */
void relay_walk_result(struct relay_walk *w, size_t row, const struct smtp_client_result *r,
                       struct relay_outcome *o);
/* Whether every host that is of use for the row, or may turn out to be, lacks what it needs. */
bool relay_walk_is_lacked(const struct relay_walk *w, size_t row);

#endif
