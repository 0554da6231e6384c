/*
 * What a long queue costs: N deferred recipients (a million by default) in D destinations are
 * written; then the queue is opened again by a process of its own, which tells how long that took,
 * how long until the first sweep of the scheduler had seen all, and how much memory it has.
 *
 *     queue_start FOLDER [RECIPIENTS [DESTINATIONS [SECONDS]]]
 *
 * FOLDER must not exist. The recipients are rN@dK.dead.test; they fall due SECONDS to twice as many
 * from now (an hour by default; 0: at once). tests/bench/relay starts msad with such a queue.
 */
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/queue/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS_OF_MESSAGE 100
#define UNDER_WAY       50

static struct {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    size_t recipients, destinations, next, answered, pages;
    int64_t due_in_ms;
    uint64_t began_ms;
} b;

static void nothing_queued(void *arg, struct queue_batch *claimed)
{
    (void)arg;
    queue_batch_free(claimed);
}

static void nothing_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg;
    (void)destination;
    (void)due_ms;
}

static void open_store(const char *dir)
{
    struct buf why;
    buf_init(&why, 1000, 0);
    b.loop = loop_new();
    b.mailbox = mailbox_new(b.loop);
    struct store_config config = {.dir = dir,
                                  .memory_bytes = 1 << 20,
                                  .disk_threads = 2,
                                  .loop = b.loop,
                                  .notify = b.mailbox,
                                  .on_queued = nothing_queued,
                                  .on_due = nothing_due};
    if (store_open(&config, &why, &b.store) < 0) {
        fprintf(stderr, "%.*s\n", SV_ARG(buf_view(&why)));
        exit(1);
    }
    buf_deinit(&why);
}

static void close_store(void)
{
    store_close(b.store);
    mailbox_close(b.mailbox);
    loop_free(b.loop);
}

/* ---- write ---- */

static void put_next(void);

static void on_put(struct store_put *p, int err)
{
    free(p);
    if (err < 0) {
        fprintf(stderr, "put: %s\n", err_text(err));
        exit(1);
    }
    b.answered += ROWS_OF_MESSAGE;
    if (b.answered >= b.recipients)
        loop_stop(b.loop);
    else
        put_next();
}

static void put_next(void)
{
    if (b.next >= b.recipients)
        return;
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    m->received_ms = clock_wall_ms();
    m->reverse_path = "alice@our.test";
    m->mail_params = "<alice@our.test>";
    m->content = block_new(SV("Subject: x\r\n\r\nsome words\r\n"));
    m->size = block_view(m->content).len;
    struct queue_batch *rows = queue_batch_new(m, ROWS_OF_MESSAGE);
    for (size_t i = 0; i < ROWS_OF_MESSAGE; i++, b.next++) {
        struct queue_row *r = &rows->rows[i];
        r->domain = arena_printf(&rows->arena, "d%zu.dead.test", b.next % b.destinations);
        r->address = arena_printf(&rows->arena, "user%zu@%s", b.next, r->domain);
        r->rcpt_params = arena_printf(&rows->arena, "<%s>", r->address);
        r->due_ms =
            m->received_ms + b.due_in_ms + (b.due_in_ms > 0 ? (int64_t)b.next % b.due_in_ms : 0);
    }
    struct store_put *p = NEW(struct store_put);
    p->reply = b.mailbox;
    p->message = m;
    p->rows = rows;
    p->done = on_put;
    store_put(b.store, p);
}

/* ---- read ---- */

static void ask_page(const char *after);

static void on_page(struct store_due *d)
{
    b.pages++;
    if (d->err < 0)
        fprintf(stderr, "due: %s\n", err_text(d->err));
    if (d->err == 0 && d->more)
        ask_page(d->after);
    else
        loop_stop(b.loop);
    store_due_free(d);
}

static void ask_page(const char *after)
{
    store_due(b.store, store_due_new(after, clock_wall_ms(), 1000, b.mailbox, on_page, NULL));
}

static long memory_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static int measure(const char *dir)
{
    long before_kib = memory_kib();
    b.began_ms = clock_mono_ms();
    open_store(dir);
    uint64_t opened_ms = clock_mono_ms();
    ask_page("");
    loop_run(b.loop);
    printf("open %llu ms, sweep %llu ms (%zu pages), memory %ld KiB (%ld before)\n",
           (unsigned long long)(opened_ms - b.began_ms),
           (unsigned long long)(clock_mono_ms() - opened_ms), b.pages, memory_kib(), before_kib);
    close_store();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    b.recipients = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
    b.destinations = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000;
    b.due_in_ms = argc > 4 ? 1000 * (int64_t)strtoul(argv[4], NULL, 10) : 3600000;
    if (b.destinations == 0)
        return 2;
    pid_t writer = fork();
    if (writer == 0) {
        open_store(argv[1]);
        for (int i = 0; i < UNDER_WAY; i++)
            put_next();
        loop_run(b.loop);
        close_store();
        exit(0);
    }
    int status = 1;
    if (waitpid(writer, &status, 0) != writer || status != 0)
        return 1;
    return measure(argv[1]);
}
