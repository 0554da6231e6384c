/*
 * log.h - one line for each event, as text or JSON.
 *
 * Purpose: events with named fields; control characters and non-ASCII bytes are escaped, so that
 * no peer can forge a line. Nobody waits for the log: the sink must not block (msa/loop/logring.h
 * gives the server's; until one is set, lines are written to standard error at once).
 * Ownership: nothing is kept after a call returns. Any thread. Secrets are never passed here.
 *
 *     log_event(LOG_INFO, "accepted", &(struct log_ctx){.session = s->id, .queue = id},
 *               "%zu recipients, %llu bytes", n, size);
 */
#ifndef MSA_BASE_LOG_H
#define MSA_BASE_LOG_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* Who an event is about; empty fields are left out. In a line what a peer can choose comes last, so
 * that a login cannot pass for another client's address. */
struct log_ctx {
    struct sv session;   /* id of the session */
    struct sv queue;     /* queue id */
    struct sv client;    /* address of the peer */
    struct sv mechanism; /* of SASL */
    struct sv login;     /* in "login-failed" the name that was tried */
};

#define LOG_LINE_MAX 2048 /* bytes of one line, its line end included; longer ones are cut */

/* Called with one whole line, line end included. Must not block or log. */
typedef void log_sink(void *arg, const char *line, size_t len);

/* At start or at a reload, from one thread. process: "master", "keeper", "server" or "msactl". */
void log_setup(const char *process, enum log_format format, enum log_level level);
void log_set_sink(log_sink *sink, void *arg); /* NULL: standard error */
/* Wall time in milliseconds since 1970, for the time stamp; NULL: the system's. */
void log_set_clock(int64_t (*wall_ms)(void));
bool log_enabled(enum log_level level);
/* event: a short fixed word ("accepted", "login-failed"). ctx may be NULL. */
void log_event(enum log_level level, const char *event, const struct log_ctx *ctx, const char *fmt,
               ...) PRINTF_LIKE(4, 5);

#endif
