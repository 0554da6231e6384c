/*
 * store_filter.c - selecting and summing rows of the queue.
 */
#include "relay/queue/store_filter.h"
#include "relay/queue/store_private.h"

#include "msa/base/mem.h"
#include "msa/sql/sql.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

void store_row_read(struct store_row *row, sqlite3_stmt *st)
{
    row->id = sql_column(st, 0);
    row->received_ms = sqlite3_column_int64(st, 1);
    row->reverse_path = sql_column(st, 2);
    row->login = sql_column(st, 3);
    row->size = (uint64_t)sqlite3_column_int64(st, 4);
    row->key = sqlite3_column_int64(st, 5);
    row->domain = sql_column(st, 6);
    row->due_ms = sqlite3_column_int64(st, 7);
    row->state = sqlite3_column_int(st, 8);
    row->address = sql_column(st, 9);
    row->attempts = (uint32_t)sqlite3_column_int64(st, 10);
    row->status = sql_column(st, 11);
    row->awaits_release = row->attempts == 0 && !row->status[0] && sqlite3_column_int64(st, 14) > 0;
    row->text = sql_column(st, 12);
    row->params = sql_column(st, 15);
    row->spooled = sqlite3_column_int(st, 13) != 0;
    row->v4_only = sqlite3_column_int(st, 16) & STORE_V4_ONLY;
}

bool store_filter_holds(const char *text, const char *part)
{
    struct sv whole = sv_of(text), wanted = sv_of(part);
    for (size_t i = 0; i + wanted.len <= whole.len; i++)
        if (sv_istarts(sv_skip(whole, i), wanted))
            return true;
    return false;
}

/* A whole login is meant where one is named: to delete bob's mail is not to delete bigbob's. */
static bool is_user(const char *login, const char *user)
{
    const char *at = strchr(user, '@');
    return at && at > user && at[1] ? sv_ieq(sv_of(login), sv_of(user))
                                    : store_filter_holds(login, user);
}

bool store_filter_match(const struct store_filter *f, const struct store_row *row)
{
    return (!f->id || strcmp(f->id, row->id) == 0) &&
           (!f->domain || sv_ieq(sv_of(f->domain), sv_of(row->domain))) &&
           (!f->older_than_ms || row->received_ms < f->older_than_ms) &&
           (!f->due_after_ms || row->due_ms > f->due_after_ms) &&
           (!f->user || is_user(row->login, f->user)) &&
           (!f->from || store_filter_holds(row->reverse_path, f->from)) &&
           (!f->to || store_filter_holds(row->address, f->to)) &&
           (!f->error || store_filter_holds(row->text, f->error) ||
            store_filter_holds(row->status, f->error)) &&
           (!f->destinations ||
            destinations_hold(f->destinations, row->domain, row->reverse_path, row->login));
}

struct store_summary {
    char *domain, *status, *text;
    int64_t oldest_ms, due_ms;
    uint64_t rows, bytes;
    uint32_t attempts;
    bool held; /* all of them */
    UT_hash_handle hh;
};

void store_summary_add(struct store_summary **sum, const struct store_row *row, bool held)
{
    struct store_summary *e = NULL;
    HASH_FIND(hh, *sum, row->domain, strlen(row->domain), e);
    if (!e) {
        e = NEW(struct store_summary);
        e->domain = mem_str(row->domain);
        e->oldest_ms = row->received_ms;
        e->due_ms = INT64_MAX;
        e->held = true;
        HASH_ADD_KEYPTR(hh, *sum, e->domain, strlen(e->domain), e);
    }
    e->rows++;
    e->bytes += row->size;
    e->held = e->held && held;
    if (row->received_ms < e->oldest_ms)
        e->oldest_ms = row->received_ms;
    if (!held && row->due_ms < e->due_ms)
        e->due_ms = row->due_ms;
    if (row->attempts > e->attempts) {
        e->attempts = row->attempts;
        free(e->status);
        free(e->text);
        e->status = mem_str(row->status);
        e->text = mem_str(row->text);
    }
}

static int by_rows(struct store_summary *a, struct store_summary *b)
{
    int order = (a->rows < b->rows) - (a->rows > b->rows);
    return order ? order : strcmp(a->domain, b->domain);
}

struct store_listed *store_summary_take(struct store_summary **sum, struct arena *arena, size_t max,
                                        size_t *count_out, bool *more_out)
{
    size_t count = HASH_COUNT(*sum);
    *more_out = count > max;
    count = count > max ? max : count;
    *count_out = 0;
    if (count == 0)
        return NULL;
    struct store_listed *listed = arena_alloc(arena, count * sizeof *listed);
    HASH_SORT(*sum, by_rows);
    for (struct store_summary *e = *sum; e && *count_out < count; e = e->hh.next)
        listed[(*count_out)++] = (struct store_listed){
            .id = "",
            .reverse_path = "",
            .login = "",
            .address = "",
            .domain = arena_str(arena, sv_of(e->domain)),
            .status = arena_str(arena, sv_of(e->status)),
            .text = arena_str(arena, sv_of(e->text)),
            .received_ms = e->oldest_ms,
            .due_ms = e->due_ms,
            .size = e->bytes,
            .attempts = e->attempts,
            .held = e->held,
            .rows = e->rows,
        };
    return listed;
}

void store_summary_free(struct store_summary *sum)
{
    struct store_summary *e, *next;
    HASH_ITER(hh, sum, e, next)
    {
        HASH_DEL(sum, e);
        free(e->domain);
        free(e->status);
        free(e->text);
        free(e);
    }
}
