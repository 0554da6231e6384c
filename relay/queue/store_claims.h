/*
 * store_claims.h - which rows are being delivered: the store thread's memory of claims.
 *
 * A row's key is (message sequence << STORE_ROW_BITS | row number), its rowid in the database.
 * For each destination with claimed rows a cursor says how far the index (due, key) is known:
 * every unheld row at or before it is claimed or stands in `returned`, so that looking for the
 * next row never walks over the claimed ones again. Memory follows what is claimed: a destination
 * without claimed rows is forgotten. Store thread only.
 */
#ifndef RELAY_QUEUE_STORE_CLAIMS_H
#define RELAY_QUEUE_STORE_CLAIMS_H

#include "relay/queue/message.h"

#include <uthash.h>

#define STORE_ROW_BITS 20
static inline int64_t store_key(int64_t seq, uint32_t number)
{
    return (int64_t)((uint64_t)seq << STORE_ROW_BITS | number);
}

struct store_place {
    int64_t due_ms, key;
};

struct claim_message {
    int64_t seq;
    struct queue_message *message; /* one reference */
    uint32_t rows;                 /* claimed */
    UT_hash_handle by_id, by_seq;
};

struct claim_destination {
    char *name;
    uint32_t rows; /* claimed */
    struct store_place cursor;
    struct store_place *returned; /* unclaimed rows at or before the cursor */
    size_t nreturned, returned_cap;
    UT_hash_handle hh;
};

struct claim_row {
    int64_t key;
    struct claim_message *message;
    struct claim_destination *destination;
    bool deleted;   /* by the operator: ends when its result is recorded */
    bool returned;  /* likewise: goes back to its author then, unless it has ended */
    char *moved_to; /* likewise: to this destination; NULL: it was not moved */
    UT_hash_handle hh;
};

struct claims {
    struct claim_row *rows;
    struct claim_message *by_id, *by_seq;
    struct claim_destination *destinations;
    size_t nrows;
};

void claims_deinit(struct claims *c);
/* Claims one row; the message is kept. The row must not be claimed. */
void claims_add(struct claims *c, struct queue_message *m, int64_t seq, uint32_t number,
                const char *destination);
struct claim_row *claims_find(struct claims *c, int64_t key);           /* NULL: not claimed */
struct claim_message *claims_message(struct claims *c, const char *id); /* NULL: no row claimed */
struct claim_message *claims_seq(struct claims *c, int64_t seq);
struct claim_destination *claims_destination(struct claims *c, const char *name);
/* The claim ends. place is where the row stands from now on; NULL: it is gone or held. */
void claims_end(struct claims *c, struct claim_row *row, const struct store_place *place);
/* An unclaimed row now stands at place. */
void claims_note(struct claims *c, const char *destination, struct store_place place);
/* Rows of the destination changed in unknown ways: its cursor starts over. */
void claims_forget_cursor(struct claim_destination *d);
/* Takes entry i out of returned. */
void claims_unreturn(struct claim_destination *d, size_t i);

#endif
