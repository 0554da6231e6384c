/*
 * conn.h - one client's connection: translates between stream, TLS, the SMTP session core, the
 * keeper and submissions.
 *
 * It decides nothing about the protocol (msa/smtp/server.h does) and nothing about rights
 * (policy.h). Ownership: a connection is the worker's list entry and frees itself when its stream
 * is closed. Thread: the worker's.
 */
#ifndef MSA_SERVER_CONN_H
#define MSA_SERVER_CONN_H

#include "msa/server/worker.h"

/* An accepted stream on the listen entry; asks for its quota, then greets. */
void conn_start(struct worker *w, struct stream *s, uint32_t listen);
/* A connection that the operator's tool has asked the master for, in the name of this login. */
void conn_start_operated(struct worker *w, struct stream *s, struct sv login);
/* The main thread's answer for connection number; one that has gone is ignored. */
void conn_quota(struct worker *w, uint64_t number, const struct ip *client, enum quota_verdict v);
/* The server stops: at once if nothing is in hand, else after it; now: whatever is in hand. */
void conn_stop_all(struct worker *w, bool now);
/* Sessions of this login end: its password changed or it is gone. app not empty: only those by the
 * app password of this label. */
void conn_end_login(struct worker *w, struct sv login, struct sv app);

#endif
