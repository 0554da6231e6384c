/* What clients did since start, and which of them have trouble. */
#include "msa/admin/request.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_ROWS 200

/* The picture that is being read, page by page. */
struct reading {
    struct misfit_list *list;
    size_t next;
};

/* {"5.7": n, ...}: refusals by class and subject of their status. */
static json_t *refused_object(const struct server_stats *s)
{
    json_t *o = json_object();
    for (int class = 4; class <= 5; class ++) {
        for (size_t subject = 0; subject < SERVER_SUBJECTS; subject++) {
            char name[32];
            uint64_t n = s->refused_replies[class - 4][subject];
            snprintf(name, sizeof name, "%d.%zu", class, subject);
            if (n)
                json_object_set_new(o, name, json_integer((json_int_t)n));
        }
    }
    return o;
}

static json_t *counters_line(const struct server_stats *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "since_ms", (json_int_t)s->started_ms,
        "accepted_messages", (json_int_t)s->accepted_messages, "accepted_bytes",
        (json_int_t)s->accepted_bytes, "refused_messages", (json_int_t)s->refused_messages,
        "refused_replies", refused_object(s), "sessions", (json_int_t)s->all_sessions, "logins",
        (json_int_t)s->logins, "failed_logins", (json_int_t)s->failed_logins, "misfits_dropped",
        (json_int_t)s->misfits_dropped);
}

/* Each milter and the policy service: questions, and how they were answered. */
static json_t *filters_array(struct server *server)
{
    json_t *list = json_array();
    struct filter_figures f;
    server_get_filters(server, &f);
    for (size_t i = 0; i < f.count; i++) {
        uint64_t asked = f.rows[i].passed + f.rows[i].refused + f.rows[i].failed;
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "filter",
                            request_string(f.rows[i].name), "asked", (json_int_t)asked, "refused",
                            (json_int_t)f.rows[i].refused, "failed", (json_int_t)f.rows[i].failed,
                            "mean_ms", (json_int_t)(asked ? f.rows[i].total_ms / asked : 0),
                            "slowest_ms", (json_int_t)f.rows[i].slowest_ms));
    }
    return list;
}

static json_t *row_line(const struct misfit_row *r)
{
    char client[IP_TEXT_MAX];
    uint64_t days[MISFIT_DAYS] = {0};
    json_t *kinds = json_object();
    for (size_t k = 0; k < MISFIT_COUNT; k++) {
        uint64_t today = r->counts[MISFIT_TODAY][k], before = r->counts[MISFIT_YESTERDAY][k];
        days[MISFIT_TODAY] += today;
        days[MISFIT_YESTERDAY] += before;
        if (today + before)
            json_object_set_new(kinds, misfit_word((enum misfit_kind)k),
                                json_pack("{s:I, s:I, s:o}", "today", (json_int_t)today,
                                          "yesterday", (json_int_t)before, "example",
                                          request_string(r->examples[k])));
    }
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:o}", "client",
                     misfit_client_text(&r->client, client), "login", request_string(r->login),
                     "first_ms", (json_int_t)r->first_ms, "last_ms", (json_int_t)r->last_ms,
                     "today", (json_int_t)days[MISFIT_TODAY], "yesterday",
                     (json_int_t)days[MISFIT_YESTERDAY], "kinds", kinds);
}

static void drop_page(void *state)
{
    struct reading *r = state;
    misfit_list_free(r->list);
    free(r);
}

static void next_page(struct request *r, void *state)
{
    struct reading *at = state;
    for (size_t i = 0; i < PAGE_ROWS && at->next < at->list->count; i++)
        request_line(r, row_line(&at->list->rows[at->next++]));
    if (at->next < at->list->count) {
        request_pause(r, (struct request_page){next_page, drop_page, at});
        return;
    }
    drop_page(at);
    request_end(r, ADMIN_DONE, NULL);
}

void admin_stats(struct request *r)
{
    struct server_stats s;
    struct reading *at = NEW(struct reading);
    server_get_stats(r->admin->server, &s);
    json_t *counters = counters_line(&s);
    json_object_set_new(counters, "filters", filters_array(r->admin->server));
    request_line(r, counters);
    at->list = misfits_list(server_misfits(r->admin->server), clock_wall_ms(), false);
    next_page(r, at);
}
