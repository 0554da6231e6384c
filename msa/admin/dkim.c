/*
 * "msactl dkim list": each row of rewrite.dkim, and what the DNS says of it.
 *
 *     rows -> a few questions at once -> all answered -> the lines -> end
 *
 * A reload may put another resolver in the place of the one that was asked, whose answers then
 * never come: a timer goes on without them.
 */
#include "msa/admin/request.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/dkim.h"
#include "msa/server/service.h"
#include "rewrite/dkim_record.h"

#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 20 /* at once */
#define LATE_MS   1000u

struct list;

struct row {
    struct list *list;
    struct dkim_row key;
    const char *verdict, *why; /* static, or in the list's arena */
};

struct list {
    struct request *request;
    struct service *service; /* keeps the rows */
    struct row *rows;
    size_t count, next, open;
    uint64_t wait_ms;
    struct arena arena;
    struct timer timer;
};

static void list_free(void *state)
{
    struct list *l = state;
    timer_stop(&l->timer);
    service_drop(l->service);
    arena_deinit(&l->arena);
    free(l->rows);
    free(l);
}

static void not_now(struct request *r, void *state)
{
    r->page = (struct request_page){.next = not_now, .drop = list_free, .state = state};
}

static void add_row(void *arg, const struct dkim_row *key)
{
    struct list *l = arg;
    l->rows = mem_resize(l->rows, l->count + 1, sizeof *l->rows);
    l->rows[l->count++] =
        (struct row){.list = l, .key = *key, .verdict = "unknown", .why = "the DNS did not answer"};
}

/* ---- answers ---- */

/* Several records at one name leave it to the receiver which one he takes (RFC 6376 3.6.2.2). */
static void judge(struct row *row, const struct dns_answer *a)
{
    row->verdict = "missing";
    row->why = "there is no TXT record";
    for (size_t i = 0; i < a->nrecords; i++)
        row->verdict = rewrite_dkim_verdict_word(rewrite_dkim_record_judge(
            a->records[i].text, row->key.algorithm, row->key.public_half, &row->why));
    if (a->nrecords > 1) {
        row->verdict = rewrite_dkim_verdict_word(REWRITE_DKIM_RECORD_DIFFERS);
        row->why = "there are several TXT records";
    }
}

static void finish(struct list *l);
static void ask_more(struct list *l);

static void on_answer(void *arg, const struct dns_answer *a)
{
    struct row *row = arg;
    struct list *l = row->list;
    switch (a->status) {
    case DNS_OK:
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        judge(row, a);
        break;
    case DNS_TEMPFAIL:
    case DNS_BOGUS:
        row->why = arena_str(&l->arena, sv_of(a->text));
        break;
    }
    l->open--;
    ask_more(l);
}

static void on_late(void *arg)
{
    finish(arg);
}

static void ask_more(struct list *l)
{
    struct dns *dns = server_dns(l->request->admin->server);
    for (; dns && l->open < ASKED_MAX && l->next < l->count; l->next++, l->open++) {
        struct row *row = &l->rows[l->next];
        const char *name = arena_printf(&l->arena, "%s._domainkey.%s", row->key.options->selector,
                                        row->key.options->domain);
        dns_query(dns, name, DNS_TXT, l->wait_ms, on_answer, row);
    }
    if (l->open)
        timer_start(&l->timer, l->wait_ms + LATE_MS);
    else
        finish(l);
}

/* ---- lines ---- */

static bool signs_now(const struct list *l, size_t i)
{
    const struct rewrite_dkim_keys *keys = l->service->relay->dkim;
    return rewrite_dkim_keys_is_active(keys, rewrite_dkim_keys_at(keys, i), clock_wall_s());
}

static void put_line(struct list *l, size_t i)
{
    const struct row *row = &l->rows[i];
    const struct rewrite_dkim_options *o = row->key.options;
    const char *kind = rewrite_dkim_algorithm_kind(row->key.algorithm);
    request_line(l->request, json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:s, s:o}", "domain",
                                       o->domain, "selector", o->selector, "algorithm", kind,
                                       "bits", (json_int_t)row->key.bits, "from", o->from, "signs",
                                       signs_now(l, i), "require", o->require, "dns", row->verdict,
                                       "why", request_string(row->why)));
}

static bool is_ok(const struct row *row)
{
    return strcmp(row->verdict, rewrite_dkim_verdict_word(REWRITE_DKIM_RECORD_OK)) == 0;
}

static void finish(struct list *l)
{
    struct request *r = l->request;
    bool good = true;
    for (size_t i = 0; i < l->count; i++) {
        put_line(l, i);
        good = good && (is_ok(&l->rows[i]) || !signs_now(l, i));
    }
    r->page = (struct request_page){.state = NULL};
    list_free(l);
    request_end(r, good ? ADMIN_DONE : ADMIN_REFUSED,
                good ? NULL : "receivers cannot verify what is signed: publish the records");
}

void admin_dkim(struct request *r)
{
    struct server *s = r->admin->server;
    struct service *service = server_service(s);
    struct list *l = NEW(struct list);
    l->request = r;
    l->service = service_keep(service);
    l->wait_ms = service->relay->dns_timeout_ms;
    arena_init(&l->arena);
    timer_init(&l->timer, server_loop(s), on_late, l);
    not_now(r, l);
    (void)!dkim_rows(service->generation, add_row, l);
    ask_more(l);
}
