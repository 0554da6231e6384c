/*
 * digest.h - once a day, a message to the postmaster about clients that had trouble the day before.
 *
 * Draft 5.2. The misfits (misfits.h) of a day, UTC, are told the day after, at the first look at or
 * after DIGEST_HOUR; a day without any is not told. Which days were told stands with the misfits,
 * so that a clock that is set, either way, makes no day be told twice; whatever it does, an hour
 * lies between two messages. What could not be put into the queue is tried again. After a restart
 * the day before is forgotten, with the misfits.
 * Order: digest_new, digest_set at each generation, digest_stop before the store is closed, and
 * digest_free when no answer of it can be under way. Thread: main.
 */
#ifndef MSA_SERVER_DIGEST_H
#define MSA_SERVER_DIGEST_H

#include "msa/server/misfits.h"
#include "msa/smtp/path.h"
#include "relay/notice.h"
#include "relay/queue/store.h"

#define DIGEST_HOUR        6 /* UTC */
#define DIGEST_CLIENTS_MAX 100

struct digest;
struct digest *digest_new(struct loop *l, struct mailbox *reply, struct store *store,
                          struct misfits *misfits);
/* Kept by view. on: log.digest. */
void digest_set(struct digest *d, bool on, const char *hostname, const char *postmaster,
                struct relay_notice_signer signer);
void digest_stop(struct digest *d);
void digest_free(struct digest *d); /* NULL is allowed */

/* The message; false: nothing happened on the day before now_ms that was not told. */
bool digest_write(const struct misfits *m, int64_t now_ms, const char *hostname,
                  const char *postmaster, const char *id, struct buf *out);

#endif
