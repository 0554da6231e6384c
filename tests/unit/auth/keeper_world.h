/*
 * keeper_world.h - a whole keeper on a loop, asked through real channels by the real asking side:
 * set_up and tear_down for the tests of its themes.
 */
#ifndef TESTS_UNIT_AUTH_KEEPER_WORLD_H
#define TESTS_UNIT_AUTH_KEEPER_WORLD_H

#include "auth/admin.h"
#include "auth/client/client.h"
#include "auth/keeper.h"
#include "msa/loop/chan.h"
#include "msa/loop/clock.h"
#include "tests/unit/auth/database.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

struct world {
    struct loop *loop;
    struct keeper *keeper;
    struct auth_client *client, *other;
    struct timer guard;
    const char *path;
    /* last answer */
    unsigned answers, wanted;
    uint64_t id;
    enum auth_verdict verdict;
    char data[AUTH_WIRE_DATA_MAX + 1], login[AUTH_WIRE_NAME_MAX + 1];
    size_t data_len;
    char changed[AUTH_WIRE_NAME_MAX + 1], changed_app[80], app[80];
    bool lost;
};

static struct world w;

static inline void on_guard(void *arg)
{
    (void)arg;
    fail_msg("no answer in time");
}

static inline void on_answer(void *arg, uint64_t id, const struct auth_answer *a)
{
    (void)arg;
    w.id = id;
    w.verdict = a->verdict;
    w.data_len = a->data.len;
    memcpy(w.data, a->data.ptr ? a->data.ptr : "", a->data.len);
    w.data[a->data.len] = '\0';
    memcpy(w.login, a->login.ptr ? a->login.ptr : "", a->login.len);
    w.login[a->login.len] = '\0';
    snprintf(w.app, sizeof(w.app), "%.*s", SV_ARG(a->app));
    if (++w.answers == w.wanted)
        loop_stop(w.loop);
}

static inline void on_user_changed(void *arg, struct sv login, struct sv app)
{
    (void)arg;
    snprintf(w.changed_app, sizeof(w.changed_app), "%.*s", SV_ARG(app));
    memcpy(w.changed, login.ptr, login.len);
    w.changed[login.len] = '\0';
}

static inline void on_lost(void *arg)
{
    (void)arg;
    w.lost = true;
    loop_stop(w.loop);
}

static const struct auth_client_ops ops = {on_user_changed, on_lost};

/* Runs until n answers have come. */
static inline void wait_for(unsigned n)
{
    w.answers = 0;
    w.wanted = n;
    timer_start(&w.guard, 20000);
    loop_run(w.loop);
    timer_stop(&w.guard);
}

static inline void on_pause(void *arg)
{
    loop_stop(arg);
}

static inline void run_for(uint64_t ms)
{
    struct timer t;

    timer_init(&t, w.loop, on_pause, w.loop);
    timer_start(&t, ms);
    loop_run(w.loop);
}

static inline struct auth_client *attach(void)
{
    int fds[2];

    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(w.keeper, fds[0]);
    return auth_client_new(w.loop, fds[1], &ops, NULL);
}

static inline struct keeper_material material(uint64_t generation)
{
    static struct auth_options o;

    o = database_options(w.path);
    return (struct keeper_material){
        .generation = generation, .options = &o, .hostname = SV("mail.example.net")};
}

static inline void commit(const struct keeper_material *m)
{
    struct buf why;

    buf_init(&why, 1024, 0);
    if (keeper_prepare(w.keeper, m, &why) < 0)
        fail_msg("%.*s", SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    keeper_commit(w.keeper, m->generation);
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.path = database_new();
    w.loop = loop_new();
    w.keeper = keeper_new(w.loop);
    assert_non_null(w.keeper);
    timer_init(&w.guard, w.loop, on_guard, NULL);
    w.client = attach();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    if (w.client)
        auth_client_free(w.client);
    if (w.other)
        auth_client_free(w.other);
    if (w.keeper)
        keeper_free(w.keeper);
    loop_free(w.loop);
    database_drop(w.path);
    return 0;
}

static inline uint64_t start_plain(struct auth_client *c, struct sv message)
{
    return auth_client_start(c,
                             &(struct auth_start){.mechanism = SV("PLAIN"),
                                                  .initial = message,
                                                  .has_initial = true,
                                                  .tls = true,
                                                  .client = SV("192.0.2.1")},
                             on_answer, NULL);
}

static inline void plain(struct auth_client *c, struct sv message)
{
    uint64_t id = start_plain(c, message);

    wait_for(1);
    assert_int_equal(w.id, id);
}

static inline uint64_t login_from(const char *mechanism, const char *client, struct sv initial)
{
    struct auth_start start = {.mechanism = sv_of(mechanism),
                               .initial = initial,
                               .has_initial = initial.ptr != NULL,
                               .tls = true,
                               .client = sv_of(client)};
    uint64_t id = auth_client_start(w.client, &start, on_answer, NULL);

    wait_for(1);
    assert_int_equal(w.id, id);
    return id;
}

/* PLAIN's message; the password of all users is "secret". */
static const struct sv wrong_alice = {"\0alice\0wrong", 12}, right_alice = {"\0alice\0secret", 13},
                       right_bob = {"\0bob\0secret", 11};

/* Five failures block; not from 203.0.113.0/24. */
static inline struct keeper_material guarded(uint64_t generation)
{
    static const char *networks[] = {"203.0.113.0/24"};
    struct keeper_material m = material(generation);
    struct auth_options *o = (struct auth_options *)(uintptr_t)m.options;

    o->block = (struct auth_block_options){.failures = 5, .window_s = 600, .time_s = 900};
    o->exempt_networks = (struct conf_strings){networks, 1};
    return m;
}

static unsigned from_other;

static inline void on_other(void *arg, uint64_t id, const struct auth_answer *a)
{
    (void)arg;
    (void)id;
    (void)a;
    from_other++;
}

struct msactl {
    pthread_t thread;
    struct auth_admin_request request;
    struct auth_admin_answer answer;
    const char *socket;
    int err;
};

static inline void *msactl_main(void *arg)
{
    struct msactl *m = arg;

    m->err = auth_admin_ask(m->socket, &m->request, &m->answer);
    return NULL;
}

static inline void ask_for(struct msactl *m, const char *socket, const struct auth_admin_request *r)
{
    *m = (struct msactl){.socket = socket, .request = *r};
    auth_admin_answer_init(&m->answer);
    pthread_create(&m->thread, NULL, msactl_main, m);
    for (unsigned i = 0; i < 400; i++) {
        run_for(5);
        if (pthread_tryjoin_np(m->thread, NULL) == 0) {
            assert_int_equal(m->err, 0);
            return;
        }
    }
    fail_msg("no answer of the keeper's socket");
}

static inline void ask(struct msactl *m, const char *socket, enum auth_admin_verb verb,
                       const char *name, const char *password)
{
    ask_for(m, socket,
            &(struct auth_admin_request){
                .verb = verb, .name = sv_of(name), .password = sv_of(password)});
}

/* The keeper listens; the path of its socket. */
static inline const char *administer(void)
{
    static char path[80];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof(path), "%s.sock", w.path);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(keeper_listen(w.keeper, fd), 0);
    close(fd);
    return path;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
