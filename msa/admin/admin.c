#include "msa/admin/request.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/site_query.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct admin *admin_new(struct server *s, const struct admin_ops *ops, void *arg)
{
    struct admin *a = NEW(struct admin);
    a->server = s;
    a->ops = ops;
    a->arg = arg;
    return a;
}

static void forget(struct request *r)
{
    DL_DELETE(r->admin->requests, r);
    if (r->page.state)
        r->page.drop(r->page.state);
    site_query_free(r->site);
    json_decref(r->json);
    free(r);
}

void admin_free(struct admin *a)
{
    while (a->requests)
        forget(a->requests);
    free(a);
}

json_t *request_string(const char *text)
{
    json_t *value = json_string(text ? text : "");
    if (value)
        return value;
    char *copy = mem_str(text);
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at >= 128)
            *at = '?';
    value = json_string(copy);
    free(copy);
    return value;
}

static void send_line(struct request *r, json_t *line, bool last)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    REQUIRE(text); /* texts come by request_string() */
    size_t len = strlen(text);
    text = mem_resize(text, len + 2, 1);
    text[len] = '\n';
    r->admin->ops->on_answer(r->admin->arg, r->number, (struct sv){text, len + 1}, last);
    free(text);
    json_decref(line);
}

void request_line(struct request *r, json_t *line)
{
    send_line(r, line, false);
}

void request_end(struct request *r, enum admin_code code, const char *error)
{
    send_line(r, json_pack("{s:b, s:i, s:s*}", "end", 1, "code", (int)code, "error", error), true);
    forget(r);
}

void request_pause(struct request *r, struct request_page page)
{
    r->page = page;
    r->admin->ops->on_pause(r->admin->arg, r->number);
}

const char *request_text(const struct request *r, const char *name)
{
    return json_string_value(json_object_get(r->json, name));
}

bool request_flag(const struct request *r, const char *name)
{
    return json_is_true(json_object_get(r->json, name));
}

int64_t request_number(const struct request *r, const char *name)
{
    return json_integer_value(json_object_get(r->json, name));
}

static void run_queue_list(struct request *r)
{
    admin_queue(r, STORE_LIST);
}

static void run_queue_show(struct request *r)
{
    admin_queue(r, STORE_SHOW);
}

static void run_queue_summary(struct request *r)
{
    admin_queue(r, STORE_SUMMARY);
}

static void run_queue_retry(struct request *r)
{
    admin_queue(r, STORE_RETRY);
}

static void run_queue_delete(struct request *r)
{
    admin_queue(r, STORE_DELETE);
}

static void run_queue_hold(struct request *r)
{
    admin_queue(r, STORE_HOLD);
}

static void run_queue_release(struct request *r)
{
    admin_queue(r, STORE_RELEASE);
}

static void run_queue_bounce(struct request *r)
{
    admin_queue(r, STORE_RETURN);
}

static void run_queue_redirect(struct request *r)
{
    admin_queue(r, STORE_REDIRECT);
}

static const struct command {
    const char *name;
    void (*run)(struct request *r);
} commands[] = {
    {"queue-list", run_queue_list},
    {"queue-show", run_queue_show},
    {"queue-summary", run_queue_summary},
    {"queue-retry", run_queue_retry},
    {"queue-delete", run_queue_delete},
    {"queue-hold", run_queue_hold},
    {"queue-release", run_queue_release},
    {"queue-bounce", run_queue_bounce},
    {"queue-redirect", run_queue_redirect},
    {"trace", admin_trace},
    {"route", admin_route},
    {"status", admin_status},
    {"stats", admin_stats},
    {"rights", admin_rights},
    {"dkim-list", admin_dkim},
    {"pause", admin_pause},
    {"resume", admin_resume},
    {"site-list", admin_sites},
};

void admin_request(struct admin *a, uint64_t number, struct sv json)
{
    struct request *r = NEW(struct request);
    r->admin = a;
    r->number = number;
    r->json = json_loadb(json.ptr, json.len, 0, NULL);
    DL_APPEND(a->requests, r);
    const char *name = request_text(r, "command");
    if (!name) {
        request_end(r, ADMIN_USAGE, "the request names no \"command\"");
        return;
    }
    if (!server_store(a->server)) {
        request_end(r, ADMIN_UNREACHABLE, "the server is starting or stopping");
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(r);
            return;
        }
    }
    request_end(r, ADMIN_USAGE, "unknown command");
}

void admin_more(struct admin *a, uint64_t number, bool wanted)
{
    struct request *r;
    DL_SEARCH_SCALAR(a->requests, r, number, number);
    if (!r || !r->page.state)
        return;
    if (!wanted) {
        forget(r);
        return;
    }
    struct request_page page = r->page;
    r->page.state = NULL;
    if (server_store(a->server)) {
        page.next(r, page.state);
        return;
    }
    page.drop(page.state);
    request_end(r, ADMIN_UNREACHABLE, "the server is stopping");
}
