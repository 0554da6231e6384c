/*
 * store_filter.h - what a listed row is, whether a filter selects it, and sums by destination.
 *
 * Pure but for reading columns. One thread at a time.
 */
#ifndef RELAY_QUEUE_STORE_FILTER_H
#define RELAY_QUEUE_STORE_FILTER_H

#include "relay/queue/store.h"

#include <sqlite3.h>

/* One row of the statement LIST; texts are valid until its next step. */
struct store_row {
    const char *id, *reverse_path, *login, *domain, *address, *params, *status, *text;
    int64_t received_ms, due_ms, key;
    uint64_t size;
    uint32_t attempts;
    int state;
    bool spooled, v4_only;
    bool awaits_release; /* not tried yet, as the author asked for a later time */
};

void store_row_read(struct store_row *row, sqlite3_stmt *st);
/* Whether part stands in text, without ASCII case. */
bool store_filter_holds(const char *text, const char *part);
bool store_filter_match(const struct store_filter *f, const struct store_row *row);

/* Sums by destination; *sum NULL at first. */
struct store_summary;
void store_summary_add(struct store_summary **sum, const struct store_row *row, bool held);
/* Those with the most rows first, at most max of them, with their texts in arena. */
struct store_listed *store_summary_take(struct store_summary **sum, struct arena *arena, size_t max,
                                        size_t *count_out, bool *more_out);
void store_summary_free(struct store_summary *sum);

#endif
