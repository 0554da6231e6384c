/* store_readers.c - connections that read beside the store thread. */
#include "msa/base/mem.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>

struct store_reader *store_reader_take(struct store *s, int *err)
{
    pthread_mutex_lock(&s->lock);
    struct store_reader *r = s->readers;
    if (r)
        s->readers = r->next;
    pthread_mutex_unlock(&s->lock);
    *err = 0;
    if (r)
        return r;
    r = NEW(struct store_reader);
    *err = sql_open(&r->db, s->path, s->config.vfs, SQL_READONLY, store_read_sql_texts,
                    store_read_sql_count, NULL);
    if (*err == 0)
        return r;
    free(r);
    return NULL;
}

static void reader_free(struct store_reader *r)
{
    sql_close(&r->db);
    free(r);
}

void store_reader_give(struct store *s, struct store_reader *r, bool healthy)
{
    if (!healthy) {
        reader_free(r);
        return;
    }
    pthread_mutex_lock(&s->lock);
    r->next = s->readers;
    s->readers = r;
    pthread_mutex_unlock(&s->lock);
}

void store_readers_free(struct store *s)
{
    while (s->readers) {
        struct store_reader *r = s->readers;
        s->readers = r->next;
        reader_free(r);
    }
}
