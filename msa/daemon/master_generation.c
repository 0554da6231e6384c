/*
 * Life of a generation:
 *
 *     load (files, checks) -> PREPARE to keeper and server -> both PREPARED -> COMMIT to both
 *                                                           \ one refuses   -> ABORT to both
 *
 * A child that is started later gets PREPARE and COMMIT of the current generation. A reload begins
 * only when both serve, so that a child never has two generations to choose from.
 */
#include "msa/base/log.h"
#include "msa/base/pack.h"
#include "msa/base/require.h"
#include "msa/daemon/load.h"
#include "msa/daemon/master_internal.h"
#include "msa/daemon/reload.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define RELOAD_TIMEOUT_MS  30000
#define TICKET_KEY_LIFE_MS (4u * 3600 * 1000)
#define TICKET_RETRY_MS    60000

static void pack(const struct generation *g, bool secrets, struct buf *record)
{
    buf_init(record, GENERATION_RECORD_MAX, BUF_SECRET);
    int err = generation_pack(g, secrets, record);
    REQUIRE(err == 0); /* load_generation() and reload_merge() have tried it */
}

static void send_generation(struct member *to, const struct generation *g, bool secrets)
{
    struct buf record, b;
    pack(g, secrets, &record);
    buf_init(&b, CHAN_PAYLOAD_MAX, BUF_SECRET);
    pack_u32(&b, g->number);
    pack_sv(&b, buf_view(&record));
    buf_deinit(&record);
    master_tell(to, WIRE_PREPARE, &b);
}

void master_send_current(struct master *m, struct member *to)
{
    send_generation(to, m->current, to == &m->keeper);
}

bool master_can_propose(const struct master *m)
{
    return !m->next && !m->stopping && m->keeper.state == MEMBER_SERVING &&
           m->server.state == MEMBER_SERVING;
}

static void propose(struct master *m, struct generation *g)
{
    m->next = g;
    m->keeper.agreed = m->server.agreed = false;
    timer_start(&m->reload_timeout, RELOAD_TIMEOUT_MS);
    send_generation(&m->keeper, g, true);
    send_generation(&m->server, g, false);
}

static void follow_log_options(const struct generation *g)
{
    log_setup("master", (enum log_format)g->options.log.format,
              (enum log_level)g->options.log.level);
}

void master_end_reload(struct master *m, bool good, const char *why)
{
    uint64_t request = m->reload_request;
    timer_stop(&m->reload_timeout);
    m->reload_request = 0;
    if (good) {
        master_tell_number(&m->keeper, WIRE_COMMIT, m->next->number);
        master_tell_number(&m->server, WIRE_COMMIT, m->next->number);
        generation_drop(m->current);
        m->current = m->next;
        follow_log_options(m->current);
        log_event(LOG_INFO, "reloaded", NULL, "generation %u", m->current->number);
    } else {
        if (m->next) {
            master_tell_number(&m->keeper, WIRE_ABORT, m->next->number);
            master_tell_number(&m->server, WIRE_ABORT, m->next->number);
            generation_drop(m->next);
        }
        log_event(LOG_ERROR, "reload-refused", NULL, "the former configuration goes on: %.*s",
                  (int)strcspn(why, "\n"), why); /* faults have had their lines already */
    }
    m->next = NULL;
    sd_notify(0, "READY=1");
    if (request && good)
        m->commit_request = request;
    else if (request)
        control_end(m->control, request, 1, why);
    master_reload_if_wanted(m);
}

void master_on_prepared(struct master *m, struct member *from, uint32_t number, bool good,
                        struct sv why)
{
    if (!m->next || number != m->next->number)
        return; /* of a reload that was given up */
    from->agreed = good;
    if (!good) {
        char *text = sv_dup(why);
        master_end_reload(m, false, text);
        free(text);
    } else if (m->keeper.agreed && m->server.agreed) {
        master_end_reload(m, true, "");
    }
}

void master_on_committed(struct master *m, uint32_t number)
{
    if (number == m->current->number && m->commit_request)
        control_end(m->control, m->commit_request, 0, NULL);
    m->commit_request = 0;
}

static void on_reload_timeout(void *arg)
{
    master_end_reload(arg, false, "a child did not prepare the new configuration in time");
}

static void on_kept(void *arg, const char *key)
{
    (void)arg;
    log_event(LOG_WARNING, "not-reloadable", NULL, "%s: the new value counts at the next start",
              key);
}

void master_log_faults(const struct conf_faults *faults)
{
    for (const struct conf_fault *f = faults->first; f; f = f->next) {
        char line[16] = "";
        if (f->line)
            snprintf(line, sizeof line, "%u:", f->line);
        log_event(f->warning ? LOG_WARNING : LOG_ERROR, "configuration", NULL, "%s:%s %s%s%s%s%s",
                  f->file, line, f->key, *f->key ? ": " : "", f->wrong, *f->right ? "; " : "",
                  f->right);
    }
}

/* The new generation, with what cannot change kept; NULL with the faults in why. */
static struct generation *load_next(struct master *m, struct buf *why)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    struct generation *g = load_generation(m->config_path, ++m->last_number, &arena, &faults);
    master_log_faults(&faults);
    if (g)
        g = reload_merge(m->current, g, on_kept, m, why);
    else
        conf_faults_print(&faults, why);
    arena_deinit(&arena);
    if (g)
        memcpy(g->ticket_keys, m->current->ticket_keys, sizeof g->ticket_keys);
    return g;
}

void master_reload(struct master *m, uint64_t request)
{
    struct buf why;
    if (!master_can_propose(m)) {
        if (request)
            control_end(m->control, request, 1,
                        "another reload, a start or the end is under way; try again");
        else
            m->reload_wanted = true;
        return;
    }
    sd_notify(0, "RELOADING=1");
    m->reload_wanted = false;
    m->reload_request = request;
    buf_init(&why, 65536, 0);
    struct generation *g = load_next(m, &why);
    char *text = buf_take(&why, NULL);
    if (g)
        propose(m, g);
    else
        master_end_reload(m, false, text);
    free(text);
}

void master_reload_if_wanted(struct master *m)
{
    if (m->reload_wanted && master_can_propose(m))
        master_reload(m, 0);
}

/* ---- tickets ---- */

static void renew_ticket_key(struct generation *g)
{
    memcpy(g->ticket_keys[1], g->ticket_keys[0], sizeof g->ticket_keys[1]);
    random_fill(g->ticket_keys[0], sizeof g->ticket_keys[0]);
}

/* The current generation once more, under a new number, to be changed. */
static struct generation *copy_current(struct master *m)
{
    struct buf record, why;
    buf_init(&why, 4096, 0);
    pack(m->current, true, &record);
    struct generation *g = generation_unpack(buf_view(&record), &why);
    buf_deinit(&record);
    buf_deinit(&why);
    REQUIRE(g != NULL);
    g->number = ++m->last_number;
    return g;
}

/* A changed key is a new generation like any other, so that both sides of a reload agree on it. */
static void on_tickets(void *arg)
{
    struct master *m = arg;
    if (!master_can_propose(m)) {
        timer_start(&m->tickets, TICKET_RETRY_MS);
        return;
    }
    timer_start(&m->tickets, TICKET_KEY_LIFE_MS);
    struct generation *g = copy_current(m);
    renew_ticket_key(g);
    propose(m, g);
}

void master_propose_file(struct master *m, const char *key, struct sv bytes)
{
    struct buf record;
    struct generation *g = copy_current(m);
    generation_set_file(g, key, bytes);
    buf_init(&record, GENERATION_RECORD_MAX, BUF_SECRET);
    bool fits = generation_pack(g, true, &record) == 0;
    buf_deinit(&record);
    if (fits) {
        propose(m, g);
        return;
    }
    log_event(LOG_ERROR, "addresses-refused", NULL,
              "too large together with all other files; the former contents go on");
    generation_drop(g);
}

/* ---- start ---- */

int master_load_first(struct master *m)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    m->current = load_generation(m->config_path, ++m->last_number, &arena, &faults);
    if (m->current) {
        follow_log_options(m->current);
        random_fill(m->current->ticket_keys, sizeof m->current->ticket_keys);
    }
    master_log_faults(&faults);
    arena_deinit(&arena);
    return m->current ? 0 : ERR_SYNTAX;
}

void master_generation_init(struct master *m)
{
    timer_init(&m->reload_timeout, m->loop, on_reload_timeout, m);
    timer_init(&m->tickets, m->loop, on_tickets, m);
    timer_start(&m->tickets, TICKET_KEY_LIFE_MS);
}
