/*
 * store_compensate.c - after a transaction that failed.
 *
 * A COMMIT that returned an error may still stand in the write-ahead log as a whole: when only the
 * sync failed, the next opening of the database would revive it, and a message that was refused
 * would be delivered. So nothing is accepted until another transaction has been committed: its
 * frames overwrite those in doubt, which breaks the chain of checksums of what is left of them. It
 * deletes the refused ids, which this connection normally does not see any more, and always
 * changes the row of totals, because a transaction that changes nothing writes no frame.
 *
 *     accepting --failed transaction--> down --compensation committed--> accepting
 *                                        ^--failed again: a second later--'
 *
 * Who put those messages is told after that, or after DOUBT_MS: should the power go before, a
 * client that has no answer may find its message delivered, but not one that was refused.
 */
#include "msa/base/log.h"
#include "msa/loop/clock.h"
#include "relay/queue/store_private.h"

#include <errno.h>
#include <stdlib.h>

#define TRY_EVERY_MS 1000
#define DOUBT_MS     5000

void store_go_down(struct store *s, int err)
{
    s->failed_commits++;
    if (!s->down)
        log_event(LOG_ERROR, "queue-failed", NULL, "nothing is accepted until it works again: %s",
                  err_text(err));
    s->down = true;
    s->down_err = err;
    s->next_try_ms = clock_mono_ms();
    s->doubt_until_ms = s->next_try_ms + DOUBT_MS;
    atomic_store(&s->want_tick, true);
    if (err == -ENOSPC)
        history_pause(s->history);
}

static int delete_refused(struct store *s, const struct store_refused *r)
{
    sqlite3_stmt *st = sql_use(&s->db, STORE_FIND_ID);
    sql_text(st, 1, r->id);
    int found = sql_step(&s->db, st);
    if (found <= 0)
        return found;
    int64_t seq = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    bool ended;
    st = sql_use(&s->db, STORE_END_ROWS);
    sql_int(st, 1, store_key(seq, 0));
    sql_int(st, 2, store_key(seq, QUEUE_ROWS_MAX - 1));
    int err = sql_run(&s->db, st);
    if (err == 0)
        err = store_partial_refused(s, r->id);
    return err < 0 ? err : store_end_message(s, seq, &ended);
}

static int compensate(struct store *s)
{
    int err = sql_run(&s->db, sql_use(&s->db, STORE_BEGIN));
    for (size_t i = 0; i < s->nrefused && err == 0; i++)
        err = delete_refused(s, &s->refused[i]);
    if (err == 0)
        err = sql_run(&s->db, sql_use(&s->db, STORE_COMPENSATE));
    return store_end_transaction(s, err);
}

void store_tell_refused(struct store *s)
{
    for (size_t i = 0; i < s->doubt.count; i++)
        s->doubt.list[i].ops->settle(s, s->doubt.list[i].task, s->down_err);
    s->doubt.count = 0;
}

void store_try_up(struct store *s)
{
    if (!s->down || clock_mono_ms() < s->next_try_ms)
        return;
    int err = compensate(s);
    store_settle_provenance(s, ERR_CANCELED); /* it was never accepted */
    if (err < 0) {
        s->down_err = err;
        s->next_try_ms = clock_mono_ms() + TRY_EVERY_MS;
        if (clock_mono_ms() >= s->doubt_until_ms)
            store_tell_refused(s);
        return;
    }
    s->down = false;
    store_tell_refused(s);
    atomic_store(&s->want_tick, s->may_vacuum);
    for (size_t i = 0; i < s->nrefused; i++)
        if (s->refused[i].spooled)
            store_remove_spool(s, s->refused[i].id);
    s->nrefused = 0;
    log_event(LOG_WARNING, "queue-works", NULL, "the queue accepts mail again");
}
