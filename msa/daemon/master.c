/*
 * Life of a generation:
 *
 *     load (files, checks) -> PREPARE to keeper and server -> both PREPARED -> COMMIT to both
 *                                                           \ one refuses   -> ABORT to both
 *
 * A child that is started later gets PREPARE and COMMIT of the current generation. Whenever keeper
 * and server are both serving and one of them is new, they get fresh channels to each other.
 */
#include "msa/daemon/master.h"
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/base/require.h"
#include "msa/daemon/child.h"
#include "msa/daemon/control.h"
#include "msa/daemon/load.h"
#include "msa/daemon/poison.h"
#include "msa/daemon/privileges.h"
#include "msa/daemon/reload.h"
#include "msa/daemon/sockets.h"
#include "msa/daemon/wire.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define RECORD_MAX_BYTES   CHAN_PAYLOAD_MAX
#define LOCK_WAIT_MS       5000
#define RELOAD_TIMEOUT_MS  30000
#define TICKET_KEY_LIFE_MS (4u * 3600 * 1000)
#define FDS_OF_ONE_WORKER  64 /* pipes, databases, spool files beside the connections */

enum child_state { CHILD_DOWN, CHILD_PREPARING, CHILD_SERVING };

struct master {
    struct loop *loop;
    const char *config_path;
    struct generation *current;
    struct generation *next; /* while a reload runs */
    uint64_t reload_request; /* of control; 0: SIGHUP */
    struct timer reload_timeout, tickets, grace;
    uint32_t last_number;
    unsigned workers;
    struct sockets sockets;
    struct child keeper, server;
    enum child_state keeper_state, server_state;
    bool keeper_agreed, server_agreed; /* to next */
    struct crashring *ring;
    struct poison poison;
    struct control *control;
    struct signal_watch *signals[3];
    int64_t started_s;
    bool ready, stopping;
    int exit_code;
};

static struct buf number_payload(uint32_t number)
{
    struct buf b;
    buf_init(&b, 16, 0);
    pack_u32(&b, number);
    return b;
}

/* A child that cannot be told is ended by child_send() and started again: nothing more to do. */
static void tell(struct child *c, uint32_t type, struct buf *payload)
{
    int err = child_send(c, type, buf_view(payload), NULL, 0);
    (void)err;
    buf_deinit(payload);
}

static void tell_number(struct child *c, uint32_t type, uint32_t number)
{
    struct buf b = number_payload(number);
    tell(c, type, &b);
}

static void send_generation(struct child *c, const struct generation *g, bool secrets)
{
    struct buf record, b;
    buf_init(&record, RECORD_MAX_BYTES, BUF_SECRET);
    buf_init(&b, RECORD_MAX_BYTES, BUF_SECRET);
    generation_pack(g, secrets, &record);
    pack_u32(&b, g->number);
    pack_sv(&b, buf_view(&record));
    buf_deinit(&record);
    tell(c, WIRE_PREPARE, &b);
}

static void send_listeners(struct master *m)
{
    for (size_t done = 0; done < m->sockets.count;) {
        int fds[CHAN_FDS_MAX];
        size_t n = 0;
        struct buf b;
        buf_init(&b, 8 * CHAN_FDS_MAX, 0);
        for (; n < CHAN_FDS_MAX && done < m->sockets.count; n++, done++) {
            fds[n] = m->sockets.list[done].fd;
            pack_u32(&b, m->sockets.list[done].listen);
            pack_u32(&b, m->sockets.list[done].worker);
        }
        int err = child_send(&m->server, WIRE_LISTEN, buf_view(&b), fds, n);
        (void)err;
        buf_deinit(&b);
    }
}

/* One socket pair for each asker: every worker, and the server's main thread. */
static void connect_children(struct master *m)
{
    int ours[CHAN_FDS_MAX], theirs[CHAN_FDS_MAX];
    size_t n = 0;
    if (m->keeper_state != CHILD_SERVING || m->server_state != CHILD_SERVING)
        return;
    for (; n < m->workers + 1; n++) {
        int pair[2];
        int err = chan_pair(pair);
        if (err < 0) {
            log_event(LOG_ERROR, "channel", NULL, "no channels to the keeper: %s", err_text(err));
            break;
        }
        ours[n] = pair[0];
        theirs[n] = pair[1];
    }
    if (n == m->workers + 1) {
        int err = child_send(&m->keeper, WIRE_ATTACH, SV(""), ours, n);
        if (err == 0)
            err = child_send(&m->server, WIRE_KEEPER, SV(""), theirs, n);
        (void)err;
    }
    for (size_t i = 0; i < n; i++) {
        close(ours[i]);
        close(theirs[i]);
    }
}

static void become_ready(struct master *m)
{
    if (m->ready || m->keeper_state != CHILD_SERVING || m->server_state != CHILD_SERVING)
        return;
    m->ready = true;
    sd_notify(0, "READY=1");
    log_event(LOG_INFO, "ready", NULL, "%s %s, %u workers, %zu listening sockets",
              m->current->options.hostname, MSA_VERSION, m->workers, m->sockets.count);
}

/* ---- reload ---- */

static void end_reload(struct master *m, bool good, const char *why)
{
    uint64_t request = m->reload_request;
    timer_stop(&m->reload_timeout);
    m->reload_request = 0;
    if (good) {
        tell_number(&m->keeper, WIRE_COMMIT, m->next->number);
        tell_number(&m->server, WIRE_COMMIT, m->next->number);
        generation_drop(m->current);
        m->current = m->next;
        log_setup("master", (enum log_format)m->current->options.log.format,
                  (enum log_level)m->current->options.log.level);
        log_event(LOG_INFO, "reloaded", NULL, "generation %u", m->current->number);
    } else {
        if (m->next) {
            tell_number(&m->keeper, WIRE_ABORT, m->next->number);
            tell_number(&m->server, WIRE_ABORT, m->next->number);
            generation_drop(m->next);
        }
        log_event(LOG_ERROR, "reload-refused", NULL, "the former configuration goes on: %s", why);
    }
    m->next = NULL;
    sd_notify(0, "READY=1");
    if (request)
        control_end(m->control, request, good ? 0 : 1, good ? NULL : why);
}

static void on_reload_timeout(void *arg)
{
    end_reload(arg, false, "a child did not prepare the new configuration in time");
}

static void on_kept(void *arg, const char *key)
{
    (void)arg;
    log_event(LOG_WARNING, "not-reloadable", NULL, "%s: the new value counts at the next start",
              key);
}

static void log_faults(const struct conf_faults *faults)
{
    for (const struct conf_fault *f = faults->first; f; f = f->next)
        log_event(f->warning ? LOG_WARNING : LOG_ERROR, "configuration", NULL, "%s:%u: %s: %s%s%s",
                  f->file, f->line, f->key, f->wrong, *f->right ? "; " : "", f->right);
}

static void set_ticket_keys(struct master *m, struct generation *g, bool fresh)
{
    if (m->current)
        memcpy(g->ticket_keys, m->current->ticket_keys, sizeof g->ticket_keys);
    if (fresh) {
        memcpy(g->ticket_keys[1], g->ticket_keys[0], sizeof g->ticket_keys[1]);
        random_fill(g->ticket_keys[0], sizeof g->ticket_keys[0]);
    }
}

static void start_reload(struct master *m, uint64_t request)
{
    struct arena arena;
    struct conf_faults faults;
    struct buf why;
    if (m->next || m->stopping || !m->ready) {
        if (request)
            control_end(m->control, request, 1,
                        "another reload, the start or the end is under way");
        return;
    }
    sd_notify(0, "RELOADING=1");
    arena_init(&arena);
    buf_init(&why, 65536, 0);
    m->reload_request = request;
    struct generation *fresh =
        load_generation(m->config_path, ++m->last_number, &arena, &faults);
    log_faults(&faults);
    if (!fresh) {
        conf_faults_print(&faults, &why);
    } else {
        fresh = reload_merge(m->current, fresh, on_kept, m, &why);
    }
    arena_deinit(&arena);
    size_t len;
    char *text = buf_take(&why, &len);
    m->next = fresh;
    if (!fresh) {
        end_reload(m, false, text);
    } else {
        set_ticket_keys(m, fresh, false);
        m->keeper_agreed = m->server_agreed = false;
        timer_start(&m->reload_timeout, RELOAD_TIMEOUT_MS);
        send_generation(&m->keeper, fresh, true);
        send_generation(&m->server, fresh, false);
    }
    free(text);
}

/* ---- children ---- */

static void on_child_start(void *arg, struct child *c)
{
    struct master *m = arg;
    bool keeper = c == &m->keeper;
    *(keeper ? &m->keeper_state : &m->server_state) = CHILD_PREPARING;
    if (!keeper)
        send_listeners(m);
    send_generation(c, m->current, keeper);
}

static void fail_start(struct master *m, const char *name, struct sv why)
{
    log_event(LOG_ERROR, "start-refused", NULL, "%s: %.*s", name, SV_ARG(why));
    m->exit_code = 1;
    m->stopping = true;
    m->keeper.stopping = m->server.stopping = true;
    child_kill(&m->keeper, SIGKILL);
    child_kill(&m->server, SIGKILL);
}

static void on_prepared(struct master *m, struct child *c, struct sv payload)
{
    struct unpack u = unpack_start(payload);
    uint32_t number = unpack_u32(&u);
    bool good = unpack_u8(&u) != 0;
    struct sv why = unpack_sv(&u);
    bool keeper = c == &m->keeper;
    if (!unpack_ok(&u))
        return;
    if (m->next && number == m->next->number) {
        *(keeper ? &m->keeper_agreed : &m->server_agreed) = good;
        if (!good) {
            char *text = sv_dup(why);
            end_reload(m, false, text);
            free(text);
        } else if (m->keeper_agreed && m->server_agreed) {
            end_reload(m, true, "");
        }
    } else if (number == m->current->number) {
        if (good)
            tell_number(c, WIRE_COMMIT, number);
        else if (!m->ready)
            fail_start(m, c->name, why);
        else
            log_event(LOG_ERROR, "start-refused", NULL, "%s: %.*s", c->name, SV_ARG(why));
    }
}

static void on_child_message(void *arg, struct child *c, uint32_t type, struct sv payload)
{
    struct master *m = arg;
    struct unpack u = unpack_start(payload);
    switch (type) {
    case WIRE_PREPARED:
        on_prepared(m, c, payload);
        break;
    case WIRE_SERVING:
        *(c == &m->keeper ? &m->keeper_state : &m->server_state) = CHILD_SERVING;
        connect_children(m);
        become_ready(m);
        break;
    case WIRE_ANSWER: {
        uint64_t request = unpack_u64(&u);
        bool last = unpack_u8(&u) != 0;
        struct sv lines = unpack_sv(&u);
        if (unpack_ok(&u) && c == &m->server)
            control_answer(m->control, request, lines, last);
        break;
    }
    default:
        log_event(LOG_WARNING, "channel", NULL, "%s sent a message of unknown type %u", c->name,
                  type);
        break;
    }
}

static void look_for_poison(struct master *m, int signal)
{
    for (size_t i = 0; i < CRASHRING_SLOTS; i++) {
        char *id = m->ring->slot[i].id;
        id[CRASHRING_ID_MAX] = '\0';
        if (*id && restart_is_fault(signal) && poison_crashed(&m->poison, id))
            log_event(LOG_ERROR, "poison", &(struct log_ctx){.queue = sv_of(id)},
                      "this message was in hand at two crashes of the server: it will be held");
        else if (*id && restart_is_fault(signal))
            log_event(LOG_ERROR, "crash", &(struct log_ctx){.queue = sv_of(id)},
                      "this message was in hand when the server crashed");
        *id = '\0';
    }
}

static void send_poison(struct master *m)
{
    for (size_t i = 0; i < m->poison.count; i++) {
        struct buf b;
        if (!m->poison.list[i].hold)
            continue;
        buf_init(&b, 64, 0);
        pack_sv(&b, sv_of(m->poison.list[i].id));
        tell(&m->server, WIRE_POISON, &b);
    }
}

static void finish(struct master *m)
{
    if (child_is_up(&m->keeper) || child_is_up(&m->server) || m->keeper.process ||
        m->server.process)
        return;
    loop_stop(m->loop);
}

static void on_child_end(void *arg, struct child *c, int status, int signal)
{
    struct master *m = arg;
    bool keeper = c == &m->keeper;
    *(keeper ? &m->keeper_state : &m->server_state) = CHILD_DOWN;
    bool expected = m->stopping && status == 0;
    if (!expected && signal)
        log_event(LOG_ERROR, "child-ended", NULL, "%s was ended by signal %d (%s)", c->name, signal,
                  strsignal(signal));
    else if (!expected)
        log_event(LOG_ERROR, "child-ended", NULL, "%s ended with exit code %d", c->name, status);
    if (!keeper) {
        look_for_poison(m, signal);
        control_end_all(m->control, 3, "the server process ended; it starts again by itself");
    }
    if (m->next)
        end_reload(m, false, "a child ended meanwhile");
    if (m->stopping) {
        if (!keeper)
            tell_number(&m->keeper, WIRE_STOP, 0);
        finish(m);
    } else if (!m->ready) {
        fail_start(m, c->name, SV("it ended before it was ready"));
        finish(m);
    }
}

/* ---- stop ---- */

static void on_grace_over(void *arg)
{
    struct master *m = arg;
    log_event(LOG_WARNING, "stop", NULL, "children did not end within shutdown_grace");
    child_kill(&m->server, SIGKILL);
    child_kill(&m->keeper, SIGKILL);
}

static void stop(struct master *m)
{
    if (m->stopping)
        return;
    m->stopping = true;
    m->keeper.stopping = m->server.stopping = true;
    timer_stop(&m->keeper.again);
    timer_stop(&m->server.again);
    sd_notify(0, "STOPPING=1");
    log_event(LOG_INFO, "stopping", NULL, "sessions in hand have %lld s",
              (long long)m->current->options.shutdown_grace_s);
    timer_start(&m->grace, (uint64_t)m->current->options.shutdown_grace_s * 1000 + 3000);
    if (child_is_up(&m->server))
        tell_number(&m->server, WIRE_STOP, (uint32_t)m->current->options.shutdown_grace_s);
    else
        tell_number(&m->keeper, WIRE_STOP, 0);
    finish(m);
}

static void on_signal(void *arg, int signal)
{
    struct master *m = arg;
    if (signal == SIGHUP)
        start_reload(m, 0);
    else
        stop(m);
}

/* ---- control ---- */

static void say_status(struct master *m, uint64_t request)
{
    static const char *const states[] = {"down", "starting", "serving"};
    json_t *line = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:I, s:s, s:i, s:s, s:i, s:i}", "process", "master", "version",
        MSA_VERSION, "hostname", m->current->options.hostname, "pid", (int)getpid(), "generation",
        (int)m->current->number, "started", (json_int_t)m->started_s, "keeper",
        states[m->keeper_state], "keeper_pid",
        m->keeper.process ? (int)process_pid(m->keeper.process) : 0, "server",
        states[m->server_state], "server_pid",
        m->server.process ? (int)process_pid(m->server.process) : 0, "workers", (int)m->workers);
    char *text = json_dumps(line, JSON_COMPACT);
    control_answer(m->control, request, sv_of(text), false);
    control_answer(m->control, request, SV("\n"), false);
    free(text);
    json_decref(line);
}

static void say_config(struct master *m, uint64_t request)
{
    struct buf text;
    buf_init(&text, 1u << 20, 0);
    int err = conf_write(msa_options_rows, &m->current->options, CONF_SHOW_ALL, &text);
    json_t *line = json_pack("{s:i, s:s%}", "generation", (int)m->current->number, "config",
                             buf_view(&text).ptr, err < 0 ? (size_t)0 : buf_len(&text));
    char *dump = json_dumps(line, JSON_COMPACT);
    control_answer(m->control, request, sv_of(dump), false);
    control_answer(m->control, request, SV("\n"), false);
    control_end(m->control, request, err < 0 ? 1 : 0, err < 0 ? err_text(err) : NULL);
    free(dump);
    json_decref(line);
    buf_deinit(&text);
}

static void on_request(void *arg, uint64_t request, struct sv command, struct sv json)
{
    struct master *m = arg;
    struct buf b;
    if (sv_eq(command, SV("reload"))) {
        start_reload(m, request);
        return;
    }
    if (sv_eq(command, SV("stop"))) {
        control_end(m->control, request, 0, NULL);
        stop(m);
        return;
    }
    if (sv_eq(command, SV("config"))) {
        say_config(m, request);
        return;
    }
    if (sv_eq(command, SV("status")))
        say_status(m, request);
    if (m->server_state != CHILD_SERVING) {
        control_end(m->control, request, 3, "the server process is not up; try again");
        return;
    }
    buf_init(&b, CONTROL_REQUEST_MAX + 64, 0);
    pack_u64(&b, request);
    pack_sv(&b, json);
    tell(&m->server, WIRE_CONTROL, &b);
}

/* ---- tickets ---- */

/* A changed key is a new generation like any other, so that both sides of a reload agree on it. */
static void on_tickets(void *arg)
{
    struct master *m = arg;
    struct buf record, why;
    timer_start(&m->tickets, TICKET_KEY_LIFE_MS);
    if (m->next || m->stopping || !m->ready)
        return;
    buf_init(&record, RECORD_MAX_BYTES, BUF_SECRET);
    buf_init(&why, 4096, 0);
    generation_pack(m->current, true, &record);
    struct generation *g = generation_unpack(buf_view(&record), &why);
    buf_deinit(&record);
    buf_deinit(&why);
    REQUIRE(g != NULL);
    g->number = ++m->last_number;
    set_ticket_keys(m, g, true);
    m->next = g;
    m->keeper_agreed = m->server_agreed = false;
    timer_start(&m->reload_timeout, RELOAD_TIMEOUT_MS);
    send_generation(&m->keeper, g, true);
    send_generation(&m->server, g, false);
}

/* ---- start ---- */

static int prepare_system(struct master *m, struct priv_ids *ids, int *control_fd, int *ring_fd,
                          int *keeper_fd, struct buf *error)
{
    const struct msa_options *o = &m->current->options;
    char path[4096];
    int err = priv_lookup(o->user, o->auth_user, ids, error);
    if (err == 0)
        err = priv_make_state(o->state, o->relay.capture, ids, error);
    if (err == 0)
        err = priv_lock_state(o->state, LOCK_WAIT_MS, error);
    if (err < 0)
        return err;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    m->workers = o->workers ? (unsigned)o->workers : cores > 0 ? (unsigned)cores : 1;
    if (m->workers > CHAN_FDS_MAX - 1)
        m->workers = CHAN_FDS_MAX - 1;
    /* children inherit the limit; the server lowers limits.connections where it is too low */
    priv_raise_descriptors((size_t)o->limits.connections * 2 + FDS_OF_ONE_WORKER * m->workers);
    err = sockets_bind(o, m->workers, &m->sockets, error);
    if (err == 0)
        err = sockets_bind_unix(o->admin.socket, 0, 0, control_fd, error);
    if (err == 0) {
        snprintf(path, sizeof path, "%s/auth/keeper.sock", o->state);
        err = sockets_bind_unix(path, ids->keeper_uid, ids->keeper_gid, keeper_fd, error);
    }
    if (err == 0) {
        err = crashring_create(ring_fd, &m->ring);
        if (err < 0 && buf_printf(error, "no shared memory: %s", err_text(err)) < 0)
            return err;
    }
    return err;
}

static void init_child(struct master *m, struct child *c, const char *name, uid_t uid, gid_t gid,
                       bool change, int extra_fd)
{
    *c = (struct child){.name = name,
                        .loop = m->loop,
                        .uid = uid,
                        .gid = gid,
                        .change_user = change,
                        .extra_fd = extra_fd,
                        .on_start = on_child_start,
                        .on_message = on_child_message,
                        .on_end = on_child_end,
                        .arg = m};
    child_init(c);
}

static int load_first(struct master *m)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    m->current = load_generation(m->config_path, ++m->last_number, &arena, &faults);
    if (m->current)
        log_setup("master", (enum log_format)m->current->options.log.format,
                  (enum log_level)m->current->options.log.level);
    log_faults(&faults);
    arena_deinit(&arena);
    return m->current ? 0 : ERR_SYNTAX;
}

static void on_server_start(void *arg, struct child *c)
{
    on_child_start(arg, c);
    send_poison(arg);
}

static int start_children(struct master *m, const struct priv_ids *ids, int ring_fd, int keeper_fd)
{
    init_child(m, &m->keeper, "keeper", ids->keeper_uid, ids->keeper_gid, ids->change, keeper_fd);
    init_child(m, &m->server, "server", ids->server_uid, ids->server_gid, ids->change, ring_fd);
    m->server.on_start = on_server_start;
    int err = child_start(&m->keeper);
    if (err == 0)
        err = child_start(&m->server);
    if (err < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "cannot start a child: %s", err_text(err));
        m->keeper.stopping = m->server.stopping = m->stopping = true;
        child_kill(&m->keeper, SIGKILL);
    }
    return err;
}

static void close_all(struct master *m)
{
    child_deinit(&m->keeper);
    child_deinit(&m->server);
    for (size_t i = 0; i < 3; i++)
        if (m->signals[i])
            signal_watch_close(m->signals[i]);
    timer_stop(&m->grace);
    timer_stop(&m->tickets);
    timer_stop(&m->reload_timeout);
    sockets_close(&m->sockets);
    generation_drop(m->current);
    generation_drop(m->next);
    poison_deinit(&m->poison);
}

int master_run(const char *config_path)
{
    static const int watched[3] = {SIGTERM, SIGINT, SIGHUP};
    struct master *m = NEW(struct master);
    struct priv_ids ids = {0};
    struct buf error;
    int control_fd = -1, ring_fd = -1, keeper_fd = -1;

    log_setup("master", LOG_TEXT, LOG_INFO);
    buf_init(&error, 4096, 0);
    m->config_path = config_path;
    m->started_s = clock_wall_s();
    int err = load_first(m);
    if (err == 0) {
        err = prepare_system(m, &ids, &control_fd, &ring_fd, &keeper_fd, &error);
        if (err < 0)
            log_event(LOG_ERROR, "start-failed", NULL, "%.*s", SV_ARG(buf_view(&error)));
    }
    buf_deinit(&error);
    if (err < 0) {
        sockets_close(&m->sockets);
        generation_drop(m->current);
        free(m);
        return 1;
    }

    set_ticket_keys(m, m->current, true);
    m->loop = loop_new();
    timer_init(&m->reload_timeout, m->loop, on_reload_timeout, m);
    timer_init(&m->tickets, m->loop, on_tickets, m);
    timer_init(&m->grace, m->loop, on_grace_over, m);
    timer_start(&m->tickets, TICKET_KEY_LIFE_MS);
    for (size_t i = 0; i < 3; i++)
        m->signals[i] = signal_watch_new(m->loop, watched[i], on_signal, m);
    m->control = control_new(m->loop, control_fd, on_request, m);
    if (start_children(m, &ids, ring_fd, keeper_fd) < 0)
        m->exit_code = 1;
    if (m->keeper.process || m->server.process)
        loop_run(m->loop);
    log_event(LOG_INFO, "stopped", NULL, "exit code %d", m->exit_code);
    control_free(m->control);
    close_all(m);
    loop_free(m->loop);
    close(control_fd);
    close(ring_fd);
    close(keeper_fd);
    int code = m->exit_code;
    free(m);
    return code;
}
