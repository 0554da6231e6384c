/*
 * store_put.c - how many messages a second the store takes, and what one costs in CPU time.
 *
 * OUTSTANDING puts of BYTES at a time; each message that comes back claimed is recorded as
 * delivered at once. Prints one line.
 *
 *     store_put [-d dir] [-n messages] [-s bytes] [-o outstanding] [-p bytes] [-H]
 *
 * -H: with history; -p: with provenance of so many bytes
 */
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/queue/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct block *content, *provenance;
    unsigned started, put, recorded, total;
} bench;

static void maybe_stop(void)
{
    if (bench.put == bench.total && bench.recorded == bench.total)
        loop_stop(bench.loop);
}

static void start_put(void);

static void on_put(struct store_put *p, int err)
{
    if (err < 0) {
        fprintf(stderr, "put: %s\n", err_text(err));
        exit(1);
    }
    free(p);
    bench.put++;
    start_put();
    maybe_stop();
}

static void start_put(void)
{
    if (bench.started == bench.total)
        return;
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), bench.started++);
    m->received_ms = clock_wall_ms();
    m->reverse_path = "alice@example.net";
    m->login = "alice@example.net";
    m->client = "192.0.2.7";
    m->message_id = arena_printf(&m->arena, "<%s@example.net>", m->id);
    m->content = block_keep(bench.content);
    m->size = block_view(bench.content).len;
    if (bench.provenance)
        m->provenance = arena_sv(&m->arena, block_view(bench.provenance));
    struct store_put *p = NEW(struct store_put);
    p->reply = bench.mailbox;
    p->message = m;
    p->rows = queue_batch_new(m, 1);
    p->rows->rows[0].address = "bob@receiver.example";
    p->rows->rows[0].domain = "receiver.example";
    p->done = on_put;
    store_put(bench.store, p);
}

static void on_record(struct store_record *r, int err)
{
    if (err < 0)
        exit(1);
    store_record_free(r);
    bench.recorded++;
    maybe_stop();
}

static void on_queued(void *arg, struct queue_batch *b)
{
    (void)arg;
    struct store_record *r = store_record_new(b, bench.mailbox, on_record, NULL);
    r->nresults = 1;
    r->results = arena_alloc(&r->arena, sizeof *r->results);
    r->results[0] = (struct store_result){.number = b->rows[0].number,
                                          .verdict = STORE_DELIVERED,
                                          .status = "2.0.0",
                                          .text = "250 2.0.0 Ok: queued as 4XyZ",
                                          .remote = "mx.receiver.example [192.0.2.25]:25"};
    store_record(bench.store, r);
}

static void on_claim(struct store_claim *c)
{
    for (size_t i = 0; i < c->nbatches; i++)
        on_queued(NULL, c->batches[i]);
    c->nbatches = 0;
    store_claim_free(c);
}

static void on_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg, (void)due_ms;
    store_claim(bench.store,
                store_claim_new(destination, clock_wall_ms(), 100, bench.mailbox, on_claim, NULL));
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return 1e6 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    const char *dir = "store-bench";
    unsigned outstanding = 64, history = 0;
    size_t bytes = 10240, provenance = 0;
    bench.total = 100000;
    for (int opt; (opt = getopt(argc, argv, "d:n:s:o:p:H")) != -1;) {
        switch (opt) {
        case 'd':
            dir = optarg;
            break;
        case 'n':
            bench.total = (unsigned)atoi(optarg);
            break;
        case 's':
            bytes = (size_t)atol(optarg);
            break;
        case 'o':
            outstanding = (unsigned)atoi(optarg);
            break;
        case 'p':
            provenance = (size_t)atol(optarg);
            break;
        case 'H':
            history = 14;
            break;
        default:
            return 2;
        }
    }
    char *content = mem_new(bytes > provenance ? bytes : provenance, 1);
    memset(content, 'x', bytes > provenance ? bytes : provenance);
    bench.content = block_new((struct sv){content, bytes});
    bench.provenance = provenance ? block_new((struct sv){content, provenance}) : NULL;
    bench.loop = loop_new();
    bench.mailbox = mailbox_new(bench.loop);
    struct buf error;
    buf_init(&error, 1000, 0);
    struct store_config config = {.dir = dir,
                                  .memory_bytes = 256u << 20,
                                  .disk_threads = 2,
                                  .history_days = history,
                                  .history_bytes = UINT64_C(10) << 30,
                                  .loop = bench.loop,
                                  .notify = bench.mailbox,
                                  .on_queued = on_queued,
                                  .on_due = on_due};
    if (store_open(&config, &error, &bench.store) < 0) {
        fprintf(stderr, "%.*s\n", SV_ARG(buf_view(&error)));
        return 1;
    }
    uint64_t start_us = clock_mono_us();
    double cpu = cpu_us();
    for (unsigned i = 0; i < outstanding; i++)
        start_put();
    loop_run(bench.loop);
    double seconds = (double)(clock_mono_us() - start_us) / 1e6;
    struct store_stats stats;
    store_get_stats(bench.store, &stats);
    printf("%u messages of %zu bytes, %u outstanding: %.0f/s put and delivered, %.1f us CPU each, "
           "%.1f requests a commit, log %llu MiB\n",
           bench.total, bytes, outstanding, bench.total / seconds, (cpu_us() - cpu) / bench.total,
           2.0 * bench.total / (double)stats.commits, (unsigned long long)stats.wal_bytes >> 20);
    store_close(bench.store);
    mailbox_close(bench.mailbox);
    loop_free(bench.loop);
    block_drop(bench.content);
    block_drop(bench.provenance);
    free(content);
    return 0;
}
