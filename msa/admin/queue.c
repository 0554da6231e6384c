/* Commands on the queue: listings a page at a time, and changes by filter. */
#include "msa/admin/request.h"
#include "msa/loop/clock.h"
#include "msa/server/spending.h"
#include "relay/options.h"
#include "relay/site_query.h"

#include <stdio.h>
#include <string.h>

#define PAGE_ROWS       500
#define NOTHING_MATCHES "nothing in the queue matches"

static const char *copy(struct store_admin *a, const char *text)
{
    return text ? arena_str(&a->arena, sv_of(text)) : NULL;
}

static bool reads(enum store_admin_op op)
{
    return op == STORE_LIST || op == STORE_SHOW || op == STORE_SUMMARY;
}

static void fill_filter(struct store_admin *a, const struct request *r)
{
    int64_t older_s = request_number(r, "older");
    a->filter = (struct store_filter){
        .id = copy(a, request_text(r, "id")),
        .user = copy(a, request_text(r, "user")),
        .from = copy(a, request_text(r, "from")),
        .to = copy(a, request_text(r, "to")),
        .domain = copy(a, request_text(r, "domain")),
        .error = copy(a, request_text(r, "error")),
        .older_than_ms = older_s > 0 ? clock_wall_ms() - older_s * 1000 : 0,
        .destinations = r->site ? site_query_found(r->site) : NULL,
    };
    a->dry_run = !reads(a->op) && request_flag(r, "dry_run");
}

/* Of what is due, and neither held nor on its way back; else nothing is looked at. */
static struct sched_why why_of(const struct request *r, const struct store_listed *l)
{
    struct relay *relay = server_relay(r->admin->server);
    bool due = l->claimed || l->due_ms <= clock_wall_ms();
    if (!relay || !due || l->held || l->returning)
        return (struct sched_why){.waits = SCHED_WAITS_TURN};
    return relay_why(relay, l->domain, l->reverse_path, l->login, l->id);
}

static const char *state_of(const struct store_listed *l, const struct sched_why *why)
{
    if (l->returning)
        return "returning";
    if (l->held)
        return "held";
    if (l->claimed && why->waits == SCHED_OUT)
        return "delivering";
    return l->attempts ? "deferred" : "queued";
}

static json_t *row_line(const struct request *r, const struct store_listed *l)
{
    static const char *const waits[] = {
        [SCHED_WAITS_PAUSE] = "pause", [SCHED_WAITS_DNS] = "dns",   [SCHED_WAITS_SITE] = "site",
        [SCHED_WAITS_PACE] = "pace",   [SCHED_WAITS_SLOT] = "slot",
    };
    struct sched_why why = why_of(r, l);
    int64_t now_ms = clock_wall_ms();
    json_t *line = json_pack(
        "{s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o, s:o}", "id",
        request_string(l->id), "recipient", (json_int_t)l->number, "state", state_of(l, &why),
        "from", request_string(l->reverse_path), "login", request_string(l->login), "to",
        request_string(l->address), "domain", request_string(l->domain), "received_ms",
        (json_int_t)l->received_ms, "due_ms", (json_int_t)l->due_ms, "size", (json_int_t)l->size,
        "attempts", (json_int_t)l->attempts, "held", l->held, "delivering",
        l->claimed && why.waits == SCHED_OUT, "v4_only", l->v4_only, "status",
        request_string(l->status), "text", request_string(l->text));
    if (why.waits <= SCHED_WAITS_TURN)
        return line;
    json_object_set_new(line, "waits_for", json_string(waits[why.waits]));
    if (why.for_ms)
        json_object_set_new(line, "waits_since_ms", json_integer(now_ms - (int64_t)why.for_ms));
    if (why.left_ms)
        json_object_set_new(line, "waits_until_ms", json_integer(now_ms + (int64_t)why.left_ms));
    return line;
}

static json_t *summary_line(const struct store_listed *l)
{
    return json_pack("{s:o, s:I, s:I, s:I}", "domain", request_string(l->domain), "recipients",
                     (json_int_t)l->rows, "oldest_ms", (json_int_t)l->received_ms, "due_ms",
                     (json_int_t)l->due_ms);
}

static json_t *changed_line(uint64_t recipients, bool dry_run)
{
    return json_pack("{s:I, s:b}", "recipients", (json_int_t)recipients, "dry_run", dry_run);
}

static void start_page(struct request *r, enum store_admin_op op, const struct store_admin *before);

static void next_page(struct request *r, void *state)
{
    struct store_admin *before = state;
    start_page(r, before->op, before);
    store_admin_free(before);
}

static void drop_page(void *state)
{
    store_admin_free(state);
}

static void on_listed(struct store_admin *a)
{
    struct request *r = a->arg;
    for (size_t i = 0; i < a->nlisted; i++)
        request_line(r, a->op == STORE_SUMMARY ? summary_line(&a->listed[i])
                                               : row_line(r, &a->listed[i]));
    r->total += a->nlisted;
    if (a->err == 0 && a->more) {
        request_pause(r, (struct request_page){next_page, drop_page, a});
        return;
    }
    if (a->dry_run)
        request_line(r, changed_line(r->total, true));
    if (a->err < 0)
        request_end(r, ADMIN_REFUSED, err_text(a->err));
    else if (a->dry_run && r->total == 0)
        request_end(r, ADMIN_REFUSED, NOTHING_MATCHES);
    else if (a->op == STORE_SHOW && r->total == 0)
        request_end(r, ADMIN_REFUSED, "no such message in the queue (msactl trace knows the past)");
    else
        request_end(r, ADMIN_DONE, NULL);
    store_admin_free(a);
}

/* Who lets all of a login's mail go lets its budget begin anew. */
static bool forgives(const struct store_admin *a)
{
    const struct store_filter *f = &a->filter;
    const char *at = f->user ? strchr(f->user, '@') : NULL;
    return a->op == STORE_RELEASE && !a->dry_run && at && at > f->user && at[1] && !f->id &&
           !f->from && !f->to && !f->domain && !f->error && !f->older_than_ms && !f->destinations;
}

static void on_changed(struct store_admin *a)
{
    struct request *r = a->arg;
    bool forgiven = a->err == 0 && forgives(a);
    if (forgiven)
        spending_forgive(server_spending(r->admin->server), sv_of(a->filter.user));
    request_line(r, changed_line(a->touched, a->dry_run));
    if (a->err < 0)
        request_end(r, ADMIN_REFUSED, err_text(a->err));
    else if (a->touched == 0 && !forgiven)
        request_end(r, ADMIN_REFUSED, NOTHING_MATCHES);
    else
        request_end(r, ADMIN_DONE, NULL);
    store_admin_free(a);
}

/* "a@b.example", or the URL of a next hop. */
static bool fill_target(struct store_admin *a, const char *to)
{
    struct relay_url url;
    struct smtp_path path;
    struct sv rest;
    const char *wrong;
    if (relay_options_url(sv_of(to), &url, &wrong)) {
        a->target.destination = copy(a, to);
        return true;
    }
    const char *text = arena_printf(&a->arena, "<%s>", to);
    if (smtp_path_parse(&a->arena, sv_of(text), SMTP_PATH_FORWARD, &path, &rest) != SMTP_PATH_OK ||
        rest.len || path.unqualified || !path.text.len)
        return false;
    a->target = (struct store_target){.destination = arena_str(&a->arena, smtp_path_domain(&path)),
                                      .address = copy(a, to),
                                      .path = text};
    return true;
}

static bool has_filter(const struct request *r)
{
    static const char *const names[] = {"id", "user", "from", "to", "domain", "error", "site"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (request_text(r, names[i]))
            return true;
    return request_number(r, "older") > 0;
}

/* NULL: the request has ended, as it says a wrong target. */
static struct store_admin *admin_of(struct request *r, enum store_admin_op op,
                                    void (*done)(struct store_admin *a))
{
    const char *target = request_text(r, "target");
    struct store_admin *a = store_admin_new(op, server_mailbox(r->admin->server), done, r);
    fill_filter(a, r);
    if (op != STORE_REDIRECT || (target && fill_target(a, target)))
        return a;
    request_end(r, ADMIN_USAGE,
                "say where: --to ADDRESS, or the URL of a next hop, smtp://HOST:PORT");
    store_admin_free(a);
    return NULL;
}

static void start_page(struct request *r, enum store_admin_op op, const struct store_admin *before)
{
    struct store_admin *a = admin_of(r, op, on_listed);
    if (!a)
        return;
    a->max = PAGE_ROWS;
    a->listing = a->dry_run;
    if (before) {
        memcpy(a->after_id, before->after_id, sizeof a->after_id);
        a->after_number = before->after_number;
    }
    store_admin(server_store(r->admin->server), a);
}

static void change(struct request *r, enum store_admin_op op)
{
    struct store_admin *a = admin_of(r, op, on_changed);
    if (!a)
        return;
    a->wish = ++r->admin->wishes;
    store_admin(server_store(r->admin->server), a);
}

/* The site is known, if the filter says one. */
static void run(struct request *r)
{
    enum store_admin_op op = r->op;
    if (reads(op) || (request_flag(r, "dry_run") && !request_flag(r, "count")))
        start_page(r, op, NULL);
    else
        change(r, op);
}

void admin_queue(struct request *r, enum store_admin_op op)
{
    if (op == STORE_SHOW && !request_text(r, "id")) {
        request_end(r, ADMIN_USAGE, "queue show needs the queue id");
        return;
    }
    if (!reads(op) && op != STORE_RETRY && !has_filter(r)) {
        request_end(r, ADMIN_USAGE, "say what: an id or a filter");
        return;
    }
    r->op = op;
    if (!request_text(r, "site")) {
        run(r);
        return;
    }
    struct store_admin *a =
        store_admin_new(STORE_SUMMARY, server_mailbox(r->admin->server), NULL, r);
    fill_filter(a, r);
    admin_find_site(r, a, run);
}
