/*
 * store_put.c - a message enters the queue: in the transaction, then to the scheduler.
 *
 * Rows that are due are claimed at once and go to the scheduler from memory, as long as the
 * message, its content and its rows fit into the share of memory for it; else the scheduler is
 * told the destination only and claims it later like any other.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/queue/partial_private.h"

#include <stdlib.h>
#include <string.h>

/* Memory of a claim beyond the batch: hash entries of row, message and destination. */
#define CLAIM_BYTES 512

/* ---- in the transaction ---- */

static int put_rows(struct store *s, const struct queue_batch *rows, int64_t seq)
{
    for (size_t i = 0; i < rows->nrows; i++) {
        const struct queue_row *row = &rows->rows[i];
        REQUIRE(row->number < QUEUE_ROWS_MAX && row->domain[0]);
        sqlite3_stmt *st = sql_use(&s->db, STORE_PUT_ROW);
        sql_int(st, 1, store_key(seq, row->number));
        sql_text(st, 2, row->domain);
        sql_int(st, 3, row->due_ms);
        sql_int(st, 4, row->held ? STATE_HELD : STATE_ACTIVE);
        sql_text(st, 5, row->address);
        sql_text(st, 6, row->rcpt_params);
        sql_int(st, 7, row->attempts);
        sql_int(st, 8,
                (row->delay_warned ? STORE_DELAY_WARNED : 0) | (row->by_told ? STORE_BY_TOLD : 0) |
                    (row->v4_only ? STORE_V4_ONLY : 0));
        sql_text(st, 9, row->last_status);
        sql_text(st, 10, row->last_text);
        sql_int(st, 11, row->held ? row->held_ms - s->wall_ms : row->held_ms);
        int err = sql_run(&s->db, st);
        REQUIRE(err != ERR_EXISTS); /* two rows of one number */
        if (err < 0)
            return err;
    }
    s->put_rows += (int64_t)rows->nrows;
    return 0;
}

static int flags_of(const struct queue_message *m)
{
    int flags = m->priority ? (m->priority + STORE_PRIORITY_BASE) << STORE_PRIORITY_SHIFT : 0;
    flags |= m->eight_bit ? STORE_EIGHT_BIT : 0;
    flags |= m->smtputf8 ? STORE_SMTPUTF8 : 0;
    flags |= m->binary ? STORE_BINARY : 0;
    flags |= m->long_lines ? STORE_LONG_LINES : 0;
    return flags | (m->tls_optional ? STORE_TLS_OPTIONAL : 0);
}

static int put_content(struct store *s, const struct queue_message *m, int64_t seq)
{
    struct buf record;
    buf_init(&record, SIZE_MAX / 2, 0);
    queue_message_provenance(m, &record);
    int err = 0;
    if (!m->spooled || buf_len(&record)) {
        sqlite3_stmt *st = sql_use(&s->db, STORE_PUT_CONTENT);
        sql_int(st, 1, seq);
        sql_blob(st, 2, m->spooled ? SV("") : block_view(m->content));
        if (buf_len(&record))
            sql_blob(st, 3, buf_view(&record));
        else
            sqlite3_bind_null(st, 3);
        err = sql_run(&s->db, st);
        REQUIRE(err != ERR_EXISTS);
    }
    buf_deinit(&record);
    return err;
}

int store_apply_put(struct store *s, const struct queue_message *m, const struct queue_batch *rows,
                    int64_t *seq_out)
{
    int64_t seq = s->next_seq;
    sqlite3_stmt *st = sql_use(&s->db, STORE_PUT_MESSAGE);
    sql_int(st, 1, seq);
    sql_text(st, 2, m->id);
    sql_int(st, 3, m->received_ms);
    sql_text(st, 4, m->reverse_path);
    sql_text(st, 5, m->mail_params);
    sql_text(st, 6, m->login);
    sql_text(st, 7, m->client);
    sql_text(st, 8, m->message_id);
    sql_int(st, 9, (int64_t)m->size);
    sql_int(st, 10, flags_of(m));
    sql_int(st, 11, m->spooled);
    sql_text(st, 12, m->prefix);
    int err = sql_run(&s->db, st);
    if (err == 0)
        err = put_content(s, m, seq);
    if (err == 0)
        err = put_rows(s, rows, seq);
    if (err < 0)
        return err;
    s->next_seq++;
    s->put_messages++;
    s->sync_spool |= m->spooled;
    *seq_out = seq;
    return 0;
}

void store_refuse(struct store *s, const struct queue_message *m)
{
    if (s->nrefused == s->refused_cap) {
        s->refused_cap = s->refused_cap ? s->refused_cap * 2 : 64;
        s->refused = mem_resize(s->refused, s->refused_cap, sizeof *s->refused);
    }
    struct store_refused *r = &s->refused[s->nrefused++];
    memcpy(r->id, m->id, sizeof r->id);
    r->spooled = m->spooled;
}

/* ---- after the commit ---- */

/* A message to the scheduler's thread: carries what it calls, so that it may outlive the store. */
struct notice {
    struct task task;
    void (*on_queued)(void *arg, struct queue_batch *claimed);
    void (*on_due)(void *arg, const char *destination, int64_t due_ms);
    void *arg;
    struct queue_batch *batch;
    int64_t due_ms;
    char destination[];
};

static void notice_run(struct task *task)
{
    struct notice *n = (struct notice *)task;
    if (n->batch)
        n->on_queued(n->arg, n->batch);
    else
        n->on_due(n->arg, n->destination, n->due_ms);
    free(n);
}

static void notify(struct store *s, struct queue_batch *batch, const char *destination,
                   int64_t due_ms)
{
    size_t len = strlen(destination) + 1;
    struct notice *n = mem_new(1, sizeof *n + len);
    n->task.run = notice_run;
    n->on_queued = s->config.on_queued;
    n->on_due = s->config.on_due;
    n->arg = s->config.arg;
    n->batch = batch;
    n->due_ms = due_ms;
    memcpy(n->destination, destination, len);
    mailbox_post(s->config.notify, &n->task);
}

void store_notify_due(struct store *s, const char *destination, int64_t due_ms)
{
    notify(s, NULL, destination, due_ms);
}

static bool same_group(const struct queue_row *a, const struct queue_row *b)
{
    return a->held == b->held && a->due_ms == b->due_ms && strcmp(a->domain, b->domain) == 0;
}

static int by_group(const void *a, const void *b, void *arg)
{
    const struct queue_row *rows = arg;
    const size_t *left = a, *right = b;
    const struct queue_row *x = &rows[*left], *y = &rows[*right];
    int order = strcmp(x->domain, y->domain);
    if (order == 0)
        order = (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms);
    if (order == 0)
        order = (int)x->held - (int)y->held;
    return order ? order : (*left > *right) - (*left < *right);
}

/* One group: rows of one destination, due at one time. batch becomes the claimed one. */
static void announce_group(struct store *s, int64_t seq, struct queue_batch *batch, bool in_memory)
{
    const struct queue_row *first = &batch->rows[0];
    if (!first->held && first->due_ms <= s->wall_ms && in_memory) {
        for (size_t i = 0; i < batch->nrows; i++)
            claims_add(&s->claims, batch->message, seq, batch->rows[i].number, first->domain);
        notify(s, batch, "", 0);
        return;
    }
    if (!first->held) {
        for (size_t i = 0; i < batch->nrows; i++)
            claims_note(&s->claims, first->domain,
                        (struct store_place){first->due_ms, store_key(seq, batch->rows[i].number)});
        notify(s, NULL, first->domain, first->due_ms);
    }
    queue_batch_free(batch);
}

void store_announce(struct store *s, struct queue_message *m, struct queue_batch *rows, int64_t seq)
{
    size_t bytes = sizeof *m + m->arena.used_bytes + rows->arena.used_bytes +
                   (m->content ? block_view(m->content).len : 0) +
                   (m->provenance_start ? block_view(m->provenance_start).len : 0) +
                   rows->nrows * CLAIM_BYTES;
    bool in_memory = queue_message_charge(m, s->memory, bytes);
    bool one = true;
    for (size_t i = 1; i < rows->nrows && one; i++)
        one = same_group(&rows->rows[0], &rows->rows[i]);
    if (one && rows->nrows > 0) {
        announce_group(s, seq, rows, in_memory);
    } else {
        size_t *order = mem_new(rows->nrows ? rows->nrows : 1, sizeof *order);
        for (size_t i = 0; i < rows->nrows; i++)
            order[i] = i;
        qsort_r(order, rows->nrows, sizeof *order, by_group, rows->rows);
        for (size_t i = 0, end; i < rows->nrows; i = end) {
            for (end = i + 1;
                 end < rows->nrows && same_group(&rows->rows[order[i]], &rows->rows[order[end]]);)
                end++;
            announce_group(s, seq, queue_batch_pick(rows, &order[i], end - i), in_memory);
        }
        free(order);
        queue_batch_free(rows);
    }
    queue_message_drop(m);
}

/* ---- the request ---- */

void store_also_free(struct store_also *list)
{
    while (list) {
        struct store_also *gone = list;
        list = gone->next;
        queue_batch_free(gone->rows);
        queue_message_drop(gone->message);
        free(gone);
    }
}

/* Looked for before anything is written: a put can fail by itself only as long as it has written
 * nothing. */
static int find_known(struct store *s, const struct store_also *list)
{
    int found = 0;
    for (const struct store_also *a = list; a && found == 0; a = a->next) {
        sqlite3_stmt *st = sql_use(&s->db, STORE_FIND_ID);
        sql_text(st, 1, a->message->id);
        found = sql_step(&s->db, st);
        sqlite3_reset(st);
    }
    return found > 0 ? ERR_EXISTS : found;
}

static int apply_also(struct store *s, struct store_also *list)
{
    int err = 0;
    for (struct store_also *a = list; a && err == 0; a = a->next) {
        err = store_apply_put(s, a->message, a->rows, &a->seq);
        REQUIRE(err != ERR_EXISTS); /* two of one put with one id */
    }
    return err;
}

static int put_apply(struct store *s, struct task *task)
{
    struct store_put *p = (struct store_put *)task;
    if (atomic_load(&p->canceled))
        return ERR_CANCELED;
    int err = find_known(s, p->also);
    if (err == 0)
        err = store_apply_put(s, p->message, p->rows, &p->seq);
    if (err == 0)
        err = apply_also(s, p->also);
    if (err == 0 && p->partial)
        err = store_partial_finish(s, p->partial, p->message->id);
    if (err == 0 && p->spent)
        err = store_apply_spent(s, p->spent);
    return err;
}

static void put_refuse(struct store *s, struct task *task)
{
    struct store_put *p = (struct store_put *)task;
    p->refused = true;
    store_refuse(s, p->message);
    for (const struct store_also *a = p->also; a; a = a->next)
        store_refuse(s, a->message);
}

static void put_done(struct task *task)
{
    struct store_put *p = (struct store_put *)task;
    p->done(p, p->err);
}

/* All recipients, one a line, for the trace. */
static void tell_history(struct store *s, const struct queue_message *m,
                         const struct queue_batch *rows, const char *forms)
{
    struct buf to;
    buf_init(&to, SIZE_MAX / 2, 0);
    bool more = rows->nrows > 1;
    for (size_t i = 0; more && i < rows->nrows; i++)
        if (buf_printf(&to, "%s%s", i ? "\n" : "", rows->rows[i].address) < 0)
            break;
    size_t len;
    char *all = more ? buf_take(&to, &len) : NULL;
    history_post(s->history, &(struct history_event){
                                 .time_ms = m->received_ms,
                                 .kind = HISTORY_ACCEPTED,
                                 .id = m->id,
                                 .login = m->login,
                                 .reverse_path = m->reverse_path,
                                 .address = more          ? all
                                            : rows->nrows ? rows->rows[0].address
                                                          : "",
                                 .message_id = m->message_id,
                                 .client = m->client,
                                 .size = m->size,
                                 .text = forms,
                             });
    free(all);
    buf_deinit(&to);
}

/* The ids of further messages, separated by spaces; NULL: there are none. */
static char *ids_of(const struct store_also *list)
{
    struct buf ids;
    buf_init(&ids, SIZE_MAX / 2, 0);
    for (const struct store_also *a = list; a; a = a->next)
        if (buf_printf(&ids, "%s%s", a == list ? "" : " ", a->message->id) < 0)
            break;
    char *text = list ? buf_take(&ids, NULL) : NULL;
    buf_deinit(&ids);
    return text;
}

/* Of one message; forms: the ids of those that it was put with. What was part of a failed
 * transaction goes after the compensation (store_compensate.c). */
static void settle_message(struct store *s, struct queue_message *m, struct queue_batch *rows,
                           int64_t seq, bool accepted, bool refused, const char *forms)
{
    if (accepted) {
        s->puts++;
        tell_history(s, m, rows, forms);
        store_announce(s, m, rows, seq);
        return;
    }
    if (m->spooled && !refused)
        store_remove_spool(s, m->id);
    queue_batch_free(rows);
    queue_message_drop(m);
}

static void put_settle(struct store *s, struct task *task, int err)
{
    struct store_put *p = (struct store_put *)task;
    struct queue_message *m = p->message;
    struct queue_batch *rows = p->rows;
    struct store_also *also = p->also;
    int64_t seq = p->seq;
    bool refused = p->refused;
    p->err = err;
    p->task.run = put_done;
    p->message = NULL;
    p->rows = NULL;
    p->also = NULL;
    if (err == 0 && p->partial)
        atomic_store(&p->partial->finished, true);
    /* The answer first: the client waits for it. */
    mailbox_post(p->reply, &p->task);
    char *forms = ids_of(also), id[QUEUE_ID_LEN + 1];
    memcpy(id, m->id, sizeof id);
    settle_message(s, m, rows, seq, err == 0, refused, forms);
    free(forms);
    while (also) {
        struct store_also *a = also;
        also = a->next;
        settle_message(s, a->message, a->rows, a->seq, err == 0, refused, id);
        free(a);
    }
}

static const struct store_write_ops put_ops = {
    .apply = put_apply, .settle = put_settle, .refuse = put_refuse};

static void put_arrive(struct task *task)
{
    store_write(((struct store_put *)task)->store, task, &put_ops);
}

void store_put(struct store *s, struct store_put *p)
{
    REQUIRE(queue_id_valid(sv_of(p->message->id)));
    REQUIRE(p->message->spooled || p->message->content);
    p->store = s;
    p->task.run = put_arrive;
    batch_post(s->batch, &p->task);
}
