/*
 * Keeper and server: start, messages, end. Whenever both are serving and one of them is new, they
 * get fresh channels to each other.
 */
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/pack.h"
#include "msa/daemon/master_internal.h"
#include "relay/queue/message.h"

#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static bool both_serve(const struct master *m)
{
    return m->keeper.state == MEMBER_SERVING && m->server.state == MEMBER_SERVING;
}

/* A child that cannot be told is ended by child_send() and started again: nothing more to do. */
void master_tell(struct member *to, uint32_t type, struct buf *payload)
{
    int err = child_send(&to->child, type, buf_view(payload), NULL, 0);
    (void)err;
    buf_deinit(payload);
}

void master_tell_number(struct member *to, uint32_t type, uint32_t number)
{
    struct buf b;
    buf_init(&b, 16, 0);
    pack_u32(&b, number);
    master_tell(to, type, &b);
}

/* ---- start ---- */

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
        int err = child_send(&m->server.child, WIRE_LISTEN, buf_view(&b), fds, n);
        (void)err;
        buf_deinit(&b);
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
        master_tell(&m->server, WIRE_POISON, &b);
    }
}

static void on_start(void *arg, struct child *c)
{
    struct master *m = arg;
    struct member *member = (struct member *)c;
    member->state = MEMBER_PREPARING;
    if (member == &m->server)
        send_listeners(m);
    master_send_current(m, member);
    if (member == &m->server)
        send_poison(m);
}

/* One socket pair for each asker: every worker, and the server's main thread. */
static void connect_children(struct master *m)
{
    int ours[CHAN_FDS_MAX], theirs[CHAN_FDS_MAX];
    size_t n = 0;
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
        int err = child_send(&m->keeper.child, WIRE_ATTACH, SV(""), ours, n);
        if (err == 0)
            err = child_send(&m->server.child, WIRE_KEEPER, SV(""), theirs, n);
        (void)err;
    }
    for (size_t i = 0; i < n; i++) {
        close(ours[i]);
        close(theirs[i]);
    }
}

static void on_serving(struct master *m, struct member *from)
{
    from->state = MEMBER_SERVING;
    child_serves(&from->child);
    if (from == &m->server)
        poison_held(&m->poison);
    if (!both_serve(m))
        return;
    connect_children(m);
    if (!m->ready) {
        m->ready = true;
        sd_notify(0, "READY=1");
        log_event(LOG_INFO, "ready", NULL, "%s %s, %u workers, %zu listening sockets",
                  m->current->options.hostname, MSA_VERSION, m->workers, m->sockets.count);
    }
    master_reload_if_wanted(m);
}

/* ---- messages ---- */

static void fail_start(struct master *m, const char *name, struct sv why)
{
    log_event(LOG_ERROR, "start-refused", NULL, "%s: %.*s", name, SV_ARG(why));
    m->exit_code = 1;
    m->stopping = true;
    m->keeper.child.stopping = m->server.child.stopping = true;
    child_kill(&m->keeper.child, SIGKILL);
    child_kill(&m->server.child, SIGKILL);
}

static void on_prepared(struct master *m, struct member *from, struct unpack *u)
{
    uint32_t number = unpack_u32(u);
    bool good = unpack_u8(u) != 0;
    struct sv why = unpack_sv(u);
    if (!unpack_ok(u))
        return;
    if (number != m->current->number) {
        master_on_prepared(m, from, number, good, why);
    } else if (good) {
        master_tell_number(from, WIRE_COMMIT, number);
    } else if (!m->ready) {
        fail_start(m, from->child.name, why);
    } else {
        /* what was good before will be good again, say when the disk is: try until then */
        log_event(LOG_ERROR, "start-refused", NULL, "%s: %.*s", from->child.name, SV_ARG(why));
        child_kill(&from->child, SIGKILL);
    }
}

static void on_answer(struct master *m, struct unpack *u)
{
    uint64_t request = unpack_u64(u);
    bool last = unpack_u8(u) != 0;
    struct sv lines = unpack_sv(u);
    if (unpack_ok(u))
        control_answer(m->control, request, lines, last);
}

static void on_pause(struct master *m, struct unpack *u)
{
    uint64_t request = unpack_u64(u);
    if (unpack_ok(u))
        control_pause(m->control, request);
}

static void on_message(void *arg, struct child *c, uint32_t type, struct sv payload)
{
    struct master *m = arg;
    struct member *from = (struct member *)c;
    struct unpack u = unpack_start(payload);
    if (type == WIRE_PREPARED)
        on_prepared(m, from, &u);
    else if (type == WIRE_SERVING)
        on_serving(m, from);
    else if (type == WIRE_COMMITTED && from == &m->server)
        master_on_committed(m, unpack_u32(&u));
    else if (type == WIRE_ANSWER && from == &m->server)
        on_answer(m, &u);
    else if (type == WIRE_PAUSE && from == &m->server)
        on_pause(m, &u);
    else
        log_event(LOG_WARNING, "channel", NULL, "%s sent a message of unknown type %u", c->name,
                  type);
}

/* ---- end ---- */

/* What the ring holds was written by a process that may have been taken over. */
static void look_for_poison(struct master *m, int signal)
{
    for (size_t i = 0; i < CRASHRING_SLOTS; i++) {
        char id[CRASHRING_ID_MAX + 1];
        memcpy(id, m->ring->slot[i].id, sizeof id);
        id[CRASHRING_ID_MAX] = '\0';
        m->ring->slot[i].id[0] = '\0';
        if (!restart_is_fault(signal) || !queue_id_valid(sv_of(id)))
            continue;
        struct log_ctx ctx = {.queue = sv_of(id)};
        if (poison_crashed(&m->poison, id))
            log_event(LOG_ERROR, "poison", &ctx,
                      "this message was in hand at two crashes of the server: it will be held");
        else
            log_event(LOG_ERROR, "crash", &ctx, "this message was in hand when the server crashed");
    }
}

static void log_end(const struct master *m, const struct child *c, int status, int signal)
{
    if (m->stopping && (status == 0 || m->exit_code))
        return; /* as it was told, or killed because the start failed */
    if (signal)
        log_event(LOG_ERROR, "child-ended", NULL, "%s was ended by signal %d (%s)", c->name, signal,
                  strsignal(signal));
    else
        log_event(LOG_ERROR, "child-ended", NULL, "%s ended with exit code %d", c->name, status);
}

static void on_end(void *arg, struct child *c, int status, int signal)
{
    struct master *m = arg;
    struct member *member = (struct member *)c;
    member->state = MEMBER_DOWN;
    log_end(m, c, status, signal);
    if (member == &m->server) {
        look_for_poison(m, signal);
        control_end_all(m->control, 3, "the server process ended; it starts again by itself");
    }
    if (m->next)
        master_end_reload(m, false, "a child ended meanwhile");
    if (!m->stopping && !m->ready)
        fail_start(m, c->name, SV("it ended before it was ready"));
    else if (m->stopping && member == &m->server)
        master_tell_number(&m->keeper, WIRE_STOP, 0);
    if (m->stopping)
        master_finish(m);
}

/* ---- life ---- */

static void init(struct master *m, struct member *member, const char *name, uid_t uid, gid_t gid,
                 bool change, int extra_fd)
{
    member->child = (struct child){.name = name,
                                   .loop = m->loop,
                                   .uid = uid,
                                   .gid = gid,
                                   .change_user = change,
                                   .extra_fd = extra_fd,
                                   .start_ms = CHILD_START_MS,
                                   .on_start = on_start,
                                   .on_message = on_message,
                                   .on_end = on_end,
                                   .arg = m};
    child_init(&member->child);
}

int master_start_children(struct master *m, const struct priv_ids *ids, int ring_fd, int keeper_fd)
{
    init(m, &m->keeper, "keeper", ids->keeper_uid, ids->keeper_gid, ids->change, keeper_fd);
    init(m, &m->server, "server", ids->server_uid, ids->server_gid, ids->change, ring_fd);
    int err = child_start(&m->keeper.child);
    if (err == 0)
        err = child_start(&m->server.child);
    if (err < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "cannot start a child: %s", err_text(err));
        m->keeper.child.stopping = m->server.child.stopping = m->stopping = true;
        m->exit_code = 1;
        child_kill(&m->keeper.child, SIGKILL);
    }
    return err;
}
