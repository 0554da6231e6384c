/* What the operator stops and lets go on, and the sites that mail goes to. */
#include "msa/admin/request.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- pause, resume ---- */

#define NOTE_SUBMISSION "clients get 450 4.3.2 and keep their mail"
#define NOTE_RELAY                                                                                \
    "mail stays in the queue, and so do reports to authors; queue bounce acts all the same, but " \
    "its reports wait, too"
#define NOTE_SITE "mail for it stays in the queue, reports to authors there, too"

static const char *note_of(const char *name)
{
    if (strcmp(name, PAUSES_SUBMISSION) == 0)
        return NOTE_SUBMISSION;
    return strcmp(name, PAUSES_RELAY) == 0 ? NOTE_RELAY : NOTE_SITE;
}

/* The change is on the disk: it holds from now on. */
static void on_kept(struct store_pause *p)
{
    struct request *r = p->arg;
    struct server *s = r->admin->server;
    if (p->err < 0) {
        request_end(r, ADMIN_REFUSED, err_text(p->err));
    } else if (!server_pause(s, p->what, p->paused)) {
        request_end(r, ADMIN_REFUSED, p->paused ? "it is paused already" : "it is not paused");
    } else {
        request_line(r, json_pack("{s:o, s:b, s:s}", "what", request_string(p->what), "paused",
                                  p->paused, "note", p->paused ? note_of(p->what) : ""));
        request_end(r, ADMIN_DONE, NULL);
    }
    store_pause_free(p);
}

/* The name of what is meant (msa/server/pauses.h), to be freed; NULL: it is refused. */
static char *name_of(const struct request *r)
{
    const char *what = request_text(r, "what"), *site = request_text(r, "site");
    bool is_relay = what && strcmp(what, PAUSES_RELAY) == 0;
    if (!is_relay && (!what || strcmp(what, PAUSES_SUBMISSION) != 0 || site))
        return NULL;
    if (!site)
        return mem_str(what);
    size_t len = sizeof PAUSES_SITE + strlen(site);
    char *name = mem_new(len, 1);
    memcpy(name, PAUSES_SITE, sizeof PAUSES_SITE);
    strcat(name, site);
    return name;
}

static void change(struct request *r, bool paused)
{
    struct server *s = r->admin->server;
    char *name = name_of(r);
    if (!name || !server_relay(s)) {
        request_end(r, ADMIN_USAGE, "submission, or relay [--site S]");
    } else {
        store_pause(server_store(s), store_pause_new(name, paused, server_mailbox(s), on_kept, r));
    }
    free(name);
}

void admin_pause(struct request *r)
{
    change(r, true);
}

void admin_resume(struct request *r)
{
    change(r, false);
}

json_t *admin_paused(struct server *s)
{
    const struct pauses *p = server_pauses(s);
    json_t *list = json_array();
    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(list, request_string(p->names[i]));
    return list;
}

const char *admin_paused_note(struct server *s)
{
    const struct pauses *p = server_pauses(s);
    const char *note = "";
    for (size_t i = 0; i < p->count; i++)
        if (!*note || strcmp(p->names[i], PAUSES_RELAY) == 0)
            note = note_of(p->names[i]);
    return note;
}

/* ---- sites ---- */

struct listing {
    struct request *request;
    const char *site; /* NULL: all */
};

static void on_site(void *arg, const struct sched_site_info *i)
{
    struct listing *l = arg;
    if (l->site && !sched_site_matches(i->site, l->site))
        return;
    l->request->total++;
    request_line(
        l->request,
        json_pack("{s:o, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "site",
                  request_string(i->site), "state", i->state, "paused", i->paused, "slots",
                  (json_int_t)i->slots, "delivering", (json_int_t)i->busy, "allowed",
                  (json_int_t)i->limit, "per_minute", (json_int_t)i->limits.per_minute,
                  "per_connection", (json_int_t)i->limits.per_connection, "destinations",
                  (json_int_t)i->destinations, "failures", (json_int_t)i->failures, "until_ms",
                  (json_int_t)(i->down_ms ? clock_wall_ms() + (int64_t)i->down_ms : 0), "status",
                  request_string(i->status), "text", request_string(i->text)));
}

void admin_sites(struct request *r)
{
    struct listing l = {.request = r, .site = request_text(r, "site")};
    if (!server_relay(r->admin->server)) {
        request_end(r, ADMIN_UNREACHABLE, "the server is starting or stopping");
        return;
    }
    relay_each_site(server_relay(r->admin->server), on_site, &l);
    request_end(r, ADMIN_DONE, NULL);
}
