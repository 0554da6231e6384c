/*
 * store_claims.c - hash tables of claimed rows, their messages and destinations.
 */
#include "relay/queue/store_claims.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>

/* More returned places than this: starting over is cheaper than remembering. */
#define RETURNED_MAX 4096

static const struct store_place place_first = {INT64_MIN, INT64_MIN};

static bool at_or_before(struct store_place a, struct store_place b)
{
    return a.due_ms != b.due_ms ? a.due_ms < b.due_ms : a.key <= b.key;
}

static struct claim_message *hold_message(struct claims *c, struct queue_message *m, int64_t seq)
{
    struct claim_message *found = claims_seq(c, seq);
    if (!found) {
        found = NEW(struct claim_message);
        found->seq = seq;
        found->message = queue_message_keep(m);
        HASH_ADD_KEYPTR(by_id, c->by_id, found->message->id, QUEUE_ID_LEN, found);
        HASH_ADD(by_seq, c->by_seq, seq, sizeof found->seq, found);
    }
    found->rows++;
    return found;
}

static void drop_message(struct claims *c, struct claim_message *m)
{
    if (--m->rows > 0)
        return;
    HASH_DELETE(by_id, c->by_id, m);
    HASH_DELETE(by_seq, c->by_seq, m);
    queue_message_drop(m->message);
    free(m);
}

static struct claim_destination *hold_destination(struct claims *c, const char *name)
{
    struct claim_destination *found = claims_destination(c, name);
    if (!found) {
        found = NEW(struct claim_destination);
        found->name = mem_str(name);
        found->cursor = place_first;
        HASH_ADD_KEYPTR(hh, c->destinations, found->name, strlen(found->name), found);
    }
    found->rows++;
    return found;
}

static void drop_destination(struct claims *c, struct claim_destination *d)
{
    if (--d->rows > 0)
        return;
    HASH_DEL(c->destinations, d);
    free(d->returned);
    free(d->name);
    free(d);
}

void claims_deinit(struct claims *c)
{
    while (c->rows)
        claims_end(c, c->rows, NULL);
}

void claims_add(struct claims *c, struct queue_message *m, int64_t seq, uint32_t number,
                const char *destination)
{
    struct claim_row *row = NEW(struct claim_row);
    row->key = store_key(seq, number);
    row->message = hold_message(c, m, seq);
    row->destination = hold_destination(c, destination);
    HASH_ADD(hh, c->rows, key, sizeof row->key, row);
    c->nrows++;
}

struct claim_row *claims_find(struct claims *c, int64_t key)
{
    struct claim_row *found = NULL;
    HASH_FIND(hh, c->rows, &key, sizeof key, found);
    return found;
}

struct claim_message *claims_message(struct claims *c, const char *id)
{
    struct claim_message *found = NULL;
    HASH_FIND(by_id, c->by_id, id, QUEUE_ID_LEN, found);
    return found;
}

struct claim_message *claims_seq(struct claims *c, int64_t seq)
{
    struct claim_message *found = NULL;
    HASH_FIND(by_seq, c->by_seq, &seq, sizeof seq, found);
    return found;
}

struct claim_destination *claims_destination(struct claims *c, const char *name)
{
    struct claim_destination *found = NULL;
    HASH_FIND(hh, c->destinations, name, strlen(name), found);
    return found;
}

static void note(struct claim_destination *d, struct store_place place)
{
    if (!at_or_before(place, d->cursor))
        return;
    if (d->nreturned >= RETURNED_MAX) {
        claims_forget_cursor(d);
        return;
    }
    if (d->nreturned == d->returned_cap) {
        d->returned_cap = d->returned_cap ? d->returned_cap * 2 : 8;
        d->returned = mem_resize(d->returned, d->returned_cap, sizeof *d->returned);
    }
    d->returned[d->nreturned++] = place;
}

void claims_end(struct claims *c, struct claim_row *row, const struct store_place *place)
{
    HASH_DEL(c->rows, row);
    c->nrows--;
    if (place)
        note(row->destination, *place);
    drop_message(c, row->message);
    drop_destination(c, row->destination);
    free(row->moved_to);
    free(row);
}

void claims_note(struct claims *c, const char *destination, struct store_place place)
{
    struct claim_destination *d = claims_destination(c, destination);
    if (d)
        note(d, place);
}

void claims_forget_cursor(struct claim_destination *d)
{
    d->cursor = place_first;
    d->nreturned = 0;
}

void claims_unreturn(struct claim_destination *d, size_t i)
{
    REQUIRE(i < d->nreturned);
    memmove(&d->returned[i], &d->returned[i + 1], (--d->nreturned - i) * sizeof *d->returned);
}
