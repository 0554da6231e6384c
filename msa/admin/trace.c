/* What happened to messages, out of the history files; and what was changed in their headers. */
#include "msa/admin/request.h"
#include "msa/base/b64.h"
#include "msa/loop/clock.h"
#include "relay/queue/history.h"
#include "relay/queue/provenance.h"

#include <stdlib.h>

#define PAGE_EVENTS 500

static json_t *event_line(const struct history_event *e)
{
    return json_pack(
        "{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "time_ms",
        (json_int_t)e->time_ms, "event", history_kind_text(e->kind), "id", request_string(e->id),
        "login", request_string(e->login), "from", request_string(e->reverse_path), "to",
        request_string(e->address), "message_id", request_string(e->message_id), "client",
        request_string(e->client), "size", (json_int_t)e->size, "status", request_string(e->status),
        "text", request_string(e->text), "remote", request_string(e->remote));
}

static void next_page(struct request *r, void *state)
{
    store_trace(server_store(r->admin->server), state);
}

static void drop_page(void *state)
{
    history_query_free(state);
}

static void end_trace(struct request *r)
{
    if (r->total == 0)
        request_end(r, ADMIN_REFUSED, "nothing is known of such a message (queue.history)");
    else
        request_end(r, ADMIN_DONE, NULL);
}

/* The record as it is: whoever shows it checks it. */
static void on_provenance(struct store_provenance *p)
{
    struct request *r = p->arg;
    struct buf text;
    buf_init(&text, SIZE_MAX / 2, 0);
    int err = p->err < 0 ? p->err : b64_encode(&text, buf_view(&p->record));
    if (err == 0) {
        struct sv b64 = buf_view(&text);
        request_line(r, json_pack("{s:s, s:s%}", "id", p->id, "provenance", b64.ptr, (int)b64.len));
        r->total++;
    }
    if (err < 0 && err != ERR_NOT_FOUND)
        request_end(r, ADMIN_REFUSED, err_text(err));
    else
        end_trace(r);
    buf_deinit(&text);
    store_provenance_free(p);
}

static void ask_provenance(struct request *r)
{
    struct store_provenance *p = store_provenance_new(
        request_text(r, "id"), server_mailbox(r->admin->server), on_provenance, r);
    store_provenance(server_store(r->admin->server), p);
}

static void on_page(struct history_query *q)
{
    struct request *r = q->arg;
    for (size_t i = 0; i < q->nevents; i++)
        request_line(r, event_line(&q->events[i]));
    r->total += q->nevents;
    if (q->err == 0 && q->more) {
        request_pause(r, (struct request_page){next_page, drop_page, q});
        return;
    }
    if (q->err < 0)
        request_end(r, ADMIN_REFUSED, err_text(q->err));
    else if (request_flag(r, "diff") && queue_id_valid(sv_of(q->id)))
        ask_provenance(r);
    else
        end_trace(r);
    history_query_free(q);
}

static const char *copy(struct history_query *q, const char *text)
{
    return text ? arena_str(&q->arena, sv_of(text)) : NULL;
}

void admin_trace(struct request *r)
{
    if (request_flag(r, "diff") && !request_text(r, "id")) {
        request_end(r, ADMIN_USAGE, "--diff needs the queue id of one message");
        return;
    }
    struct history_query *q = history_query_new(server_mailbox(r->admin->server), on_page, r);
    int64_t since_s = request_number(r, "since");
    q->id = copy(q, request_text(r, "id"));
    q->message_id = copy(q, request_text(r, "message_id"));
    q->user = copy(q, request_text(r, "user"));
    q->from = copy(q, request_text(r, "from"));
    q->to = copy(q, request_text(r, "to"));
    q->site = copy(q, request_text(r, "site"));
    q->since_ms = since_s > 0 ? clock_wall_ms() - since_s * 1000 : 0;
    q->max = PAGE_EVENTS;
    store_trace(server_store(r->admin->server), q);
}
