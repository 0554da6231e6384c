/* The whole keeper on a loop, asked through real channels by the real asking side. */
#include "auth/client/client.h"
#include "auth/keeper.h"
#include "auth/admin.h"
#include "auth/login.h"
#include "auth/tls/key.h"
#include "msa/loop/chan.h"
#include "msa/loop/clock.h"
#include "tests/unit/auth/database.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
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

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("no answer in time");
}

static void on_answer(void *arg, uint64_t id, const struct auth_answer *a)
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

static void on_user_changed(void *arg, struct sv login, struct sv app)
{
    (void)arg;
    snprintf(w.changed_app, sizeof(w.changed_app), "%.*s", SV_ARG(app));
    memcpy(w.changed, login.ptr, login.len);
    w.changed[login.len] = '\0';
}

static void on_lost(void *arg)
{
    (void)arg;
    w.lost = true;
    loop_stop(w.loop);
}

static const struct auth_client_ops ops = {on_user_changed, on_lost};

/* Runs until n answers have come. */
static void wait_for(unsigned n)
{
    w.answers = 0;
    w.wanted = n;
    timer_start(&w.guard, 20000);
    loop_run(w.loop);
    timer_stop(&w.guard);
}

static void on_pause(void *arg)
{
    loop_stop(arg);
}

static void run_for(uint64_t ms)
{
    struct timer t;

    timer_init(&t, w.loop, on_pause, w.loop);
    timer_start(&t, ms);
    loop_run(w.loop);
}

static struct auth_client *attach(void)
{
    int fds[2];

    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(w.keeper, fds[0]);
    return auth_client_new(w.loop, fds[1], &ops, NULL);
}

static struct keeper_material material(uint64_t generation)
{
    static struct auth_options o;

    o = database_options(w.path);
    return (struct keeper_material){
        .generation = generation, .options = &o, .hostname = SV("mail.example.net")};
}

static void commit(const struct keeper_material *m)
{
    struct buf why;

    buf_init(&why, 1024, 0);
    if (keeper_prepare(w.keeper, m, &why) < 0)
        fail_msg("%.*s", SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    keeper_commit(w.keeper, m->generation);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static uint64_t start_plain(struct auth_client *c, struct sv message)
{
    return auth_client_start(c,
                             &(struct auth_start){.mechanism = SV("PLAIN"),
                                                  .initial = message,
                                                  .has_initial = true,
                                                  .tls = true,
                                                  .client = SV("192.0.2.1")},
                             on_answer, NULL);
}

static void plain(struct auth_client *c, struct sv message)
{
    uint64_t id = start_plain(c, message);

    wait_for(1);
    assert_int_equal(w.id, id);
}

static void logins(void **state)
{
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_TEMPORARY); /* nothing is committed yet */
    commit(&m);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    assert_string_equal(w.login, "alice@example.net");
    for (unsigned i = 0; i < 10; i++) {
        plain(w.client, (struct sv){"\0alice\0Secret", 13});
        assert_int_equal(w.verdict, AUTH_DENIED);
        assert_int_equal(w.data_len, 0);
        assert_string_equal(w.login, "alice@example.net"); /* the name that was tried */
    }
    auth_client_start(w.client,
                      &(struct auth_start){.mechanism = SV("PLAIN"), .client = SV("192.0.2.1")},
                      on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_NEEDS_TLS);
    auth_client_start(
        w.client,
        &(struct auth_start){.mechanism = SV("NTLM"), .tls = true, .client = SV("192.0.2.1")},
        on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_NO_MECHANISM);
}

/* Steps, an empty challenge, and a cancel in the middle. */
/* One asker locks, all are told, and the proof that was remembered does not count. */
static void locks(void **state)
{
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    w.other = attach();
    auth_client_lock(w.other, SV("alice@example.net"), SV("sent too much"), on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_OK);
    run_for(50);
    assert_string_equal(w.changed, "alice@example.net");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_DENIED);
    auth_client_lock(w.other, SV("nobody@example.net"), SV("x"), on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_DENIED);
}

static void steps(void **state)
{
    struct keeper_material m = material(1);
    struct auth_start start = {.mechanism = SV("LOGIN"), .tls = true, .client = SV("192.0.2.1")};
    uint64_t id;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    auth_client_step(w.client, id, SV("alice"));
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    auth_client_step(w.client, id, SV("secret"));
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_OK);
    assert_int_equal(w.id, id);

    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    auth_client_cancel(w.client, id);
    id = auth_client_start(w.client, &start, on_answer, NULL);
    auth_client_cancel(w.client, id); /* while it is on its way */
    start.mechanism = SV("PLAIN");
    id = auth_client_start(w.client, &start, on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.id, id);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    assert_int_equal(w.data_len, 0);
}

/* We log in at a "smarthost", whose part an exchange of this keeper's own plays. */
static void smarthost(void **state)
{
    static const char *lists[] = {"GSSAPI SCRAM-SHA-256 PLAIN", "PLAIN LOGIN", "LOGIN"};
    struct keeper_material m = material(1);
    struct keeper_secret secret = {SV("route 1"), SV("alice"), SV("secret")};

    (void)state;
    m.secrets = &secret;
    m.nsecrets = 1;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 3; i++) {
        uint64_t ours = auth_client_login(
            w.client,
            &(struct auth_login){SV("route 1"), sv_of(lists[i]), SV("mail.example.net"), true},
            on_answer, NULL);
        uint64_t theirs;
        bool has_initial;
        char mechanism[64];

        wait_for(1);
        assert_true(w.verdict == AUTH_OK || w.verdict == AUTH_CONTINUE);
        snprintf(mechanism, sizeof(mechanism), "%.60s", w.login);
        assert_string_equal(mechanism, i == 0 ? "SCRAM-SHA-256" : i == 1 ? "PLAIN" : "LOGIN");
        has_initial = w.data_len > 0;
        theirs = auth_client_start(w.client,
                                   &(struct auth_start){.mechanism = sv_of(mechanism),
                                                        .initial = {w.data, w.data_len},
                                                        .has_initial = has_initial,
                                                        .tls = true,
                                                        .client = SV("192.0.2.1")},
                                   on_answer, NULL);
        wait_for(1);
        while (w.verdict == AUTH_CONTINUE) {
            auth_client_step(w.client, ours, (struct sv){w.data, w.data_len});
            wait_for(1);
            auth_client_step(w.client, theirs, (struct sv){w.data, w.data_len});
            wait_for(1);
        }
        assert_int_equal(w.verdict, AUTH_OK);
        assert_string_equal(w.login, "alice@example.net");
    }
    auth_client_login(w.client, &(struct auth_login){SV("route 2"), SV("PLAIN"), SV("h"), true},
                      on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_DENIED);
    auth_client_login(w.client,
                      &(struct auth_login){SV("route 1"), SV("PLAIN LOGIN"), SV("h"), false},
                      on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_DENIED); /* no clear text without TLS */
}

static struct sv pem_of(EVP_PKEY *key, BIO **bio)
{
    char *at;
    long len;

    *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(*bio, key, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(*bio, &at);
    return (struct sv){at, (size_t)len};
}

/* A key signs in its generation and in the next, not in the one after; never for what is no digest.
 */
static void signatures(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio;
    struct keeper_key k = {KEEPER_TLS, SV("key.pem"), pem_of(key, &bio)};
    struct keeper_material m = material(1), none = material(2);
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    unsigned char digest[32] = {1, 2, 3};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

    (void)state;
    tls_key_id(key, id);
    m.keys = &k;
    m.nkeys = 1;
    commit(&m);
    for (unsigned generation = 1; generation <= 3; generation++) {
        auth_client_sign(w.client, sv_of(id), AUTH_SIGN_ECDSA, (struct sv){(char *)digest, 32},
                         on_answer, NULL);
        wait_for(1);
        if (generation == 3) {
            assert_int_equal(w.verdict, AUTH_DENIED);
            break;
        }
        assert_int_equal(w.verdict, AUTH_OK);
        assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
        assert_int_equal(EVP_PKEY_verify(ctx, (unsigned char *)w.data, w.data_len, digest, 32), 1);
        auth_client_sign(w.client, sv_of(id), AUTH_SIGN_ECDSA, (struct sv){(char *)digest, 31},
                         on_answer, NULL);
        wait_for(1);
        assert_int_equal(w.verdict, AUTH_DENIED);
        none.generation = generation + 1;
        commit(&none);
    }
    EVP_PKEY_CTX_free(ctx);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void bad_generation(void **state)
{
    static const char *names[] = {"PLAIN", "NO-SUCH"};
    struct keeper_key k = {KEEPER_TLS, SV("/etc/msa/key.pem"), SV("no key")};
    struct auth_options o = database_options(w.path);
    struct keeper_material m = material(1);
    struct buf why;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    o.mechanisms = (struct conf_strings){names, 2};
    m = (struct keeper_material){
        .generation = 2, .options = &o, .hostname = SV("h"), .keys = &k, .nkeys = 1};
    buf_init(&why, 1024, 0);
    assert_int_equal(keeper_prepare(w.keeper, &m, &why), ERR_SYNTAX);
    assert_int_equal(buf_append(&why, "", 1), 0);
    assert_non_null(strstr(buf_view(&why).ptr, "/etc/msa/key.pem: "));
    assert_non_null(strstr(buf_view(&why).ptr, "NO-SUCH is not installed"));
    buf_deinit(&why);
    keeper_abort(w.keeper, 2);
    plain(w.client, (struct sv){"\0alice\0secret", 13}); /* the old one goes on */
    assert_int_equal(w.verdict, AUTH_OK);
}

/* A keeper that ends: what is pending is temporary, also the step of an exchange; a new one serves.
 */
static void restart(void **state)
{
    struct keeper_material m = material(1);
    uint64_t id;
    int fds[2];

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    id = auth_client_start(
        w.client,
        &(struct auth_start){.mechanism = SV("LOGIN"), .tls = true, .client = SV("192.0.2.1")},
        on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_CONTINUE);
    start_plain(w.client, (struct sv){"\0alice\0secret", 13});
    keeper_free(w.keeper);
    w.keeper = NULL;
    wait_for(1); /* stops at on_lost or at the answer */
    assert_true(w.lost);
    if (w.answers == 0)
        wait_for(1);
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    auth_client_step(w.client, id, SV("alice"));
    wait_for(1);
    assert_int_equal(w.id, id);
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_TEMPORARY);

    w.keeper = keeper_new(w.loop);
    commit(&m);
    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(w.keeper, fds[0]);
    auth_client_attach(w.client, fds[1]);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
}

static unsigned from_other;

static void on_other(void *arg, uint64_t id, const struct auth_answer *a)
{
    (void)arg;
    (void)id;
    (void)a;
    from_other++;
}

/* One asker's flood: bounded, and another asker's login comes long before its end. */
static void fairness(void **state)
{
    struct keeper_material m = material(1);
    enum { FLOOD = 600 };

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    w.other = attach();
    for (unsigned i = 0; i < FLOOD; i++)
        auth_client_start(w.other,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = {"\0alice\0wrong", 12},
                                               .has_initial = true,
                                               .tls = true,
                                               .client = SV("192.0.2.1")},
                          on_other, NULL);
    run_for(5);
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
    assert_true(from_other < FLOOD);
    for (unsigned i = 0; i < 200 && from_other < FLOOD; i++)
        run_for(50);
    assert_int_equal(from_other, FLOOD);
}

/* What is no message, or not allowed at this point, ends the channel and nothing else. */
static void broken_askers(void **state)
{
    static const struct {
        uint32_t type;
        struct sv payload;
    } rows[] = {
        {AUTH_WIRE_SASL_START, {"", 0}},
        {AUTH_WIRE_SASL_START, /* no address, and one that is none */
         {"\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\5PLAIN\0\0\0\0\0\0\0\0\0\0\0\0", 33}},
        {AUTH_WIRE_SASL_START,
         {"\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\5PLAIN\0\0\0\0\0\0\0\0043.2.1\0\0\0\0", 37}},
        {AUTH_WIRE_ANSWER, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {AUTH_WIRE_SIGN, {"\0\0\0\0\0\0\0\1\0\0\0\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {AUTH_WIRE_SASL_START, {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
        {99, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28}},
    };
    struct keeper_material m = material(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chan_ops raw = {.on_end = NULL};
        int fds[2], copy;
        char byte;

        assert_int_equal(chan_pair(fds), 0);
        keeper_attach(w.keeper, fds[0]);
        copy = dup(fds[1]);
        struct chan *c = chan_new(w.loop, fds[1], &raw, NULL);
        assert_int_equal(chan_send(c, rows[i].type, rows[i].payload, NULL, 0), 0);
        chan_close(c);
        run_for(20);
        assert_int_equal(recv(copy, &byte, 1, MSG_DONTWAIT), 0); /* closed by the keeper */
        close(copy);
    }
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_OK);
}

struct msactl {
    pthread_t thread;
    struct auth_admin_request request;
    struct auth_admin_answer answer;
    const char *socket;
    int err;
};

static void *msactl_main(void *arg)
{
    struct msactl *m = arg;

    m->err = auth_admin_ask(m->socket, &m->request, &m->answer);
    return NULL;
}

static void ask_for(struct msactl *m, const char *socket, const struct auth_admin_request *r)
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

static void ask(struct msactl *m, const char *socket, enum auth_admin_verb verb, const char *name,
                const char *password)
{
    ask_for(m, socket,
            &(struct auth_admin_request){
                .verb = verb, .name = sv_of(name), .password = sv_of(password)});
}

/* The keeper listens; the path of its socket. */
static const char *administer(void)
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

/* An app password: the login that it is, its label, and that only its sessions end. */
static void app_passwords(void **state)
{
    struct keeper_material m = material(1);
    char message[80];
    const char *path;
    struct msactl q;
    size_t len;

    (void)state;
    path = administer();
    database_add(w.path, "alice", "secret");
    commit(&m);
    ask_for(&q, path,
            &(struct auth_admin_request){
                .verb = AUTH_ADMIN_APP_ADD, .name = SV("alice"), .word = SV("phone")});
    assert_int_equal(q.answer.err, 0);
    len = (size_t)snprintf(message, sizeof(message), "%calice%c%s", 0, 0, q.answer.secret);
    auth_admin_answer_deinit(&q.answer);
    plain(w.client, (struct sv){message, len});
    assert_int_equal(w.verdict, AUTH_OK);
    assert_string_equal(w.login, "alice@example.net");
    assert_string_equal(w.app, "phone");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_string_equal(w.app, "");
    ask_for(&q, path,
            &(struct auth_admin_request){
                .verb = AUTH_ADMIN_APP_REVOKE, .name = SV("alice"), .word = SV("phone")});
    auth_admin_answer_deinit(&q.answer);
    run_for(10);
    assert_string_equal(w.changed, "alice@example.net");
    assert_string_equal(w.changed_app, "phone");
    plain(w.client, (struct sv){message, len});
    assert_int_equal(w.verdict, AUTH_DENIED);
    ask(&q, path, AUTH_ADMIN_DISABLE, "alice", "");
    auth_admin_answer_deinit(&q.answer);
    run_for(10);
    assert_string_equal(w.changed_app, "");
    plain(w.client, (struct sv){"\0alice\0secret", 13});
    assert_int_equal(w.verdict, AUTH_DENIED);
    ask_for(&q, path, &(struct auth_admin_request){.verb = AUTH_ADMIN_PROBE});
    assert_int_equal(q.answer.err, 0);
    auth_admin_answer_deinit(&q.answer);
    unlink(path);
}

static void administration(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct keeper_material m = material(1);
    struct msactl q;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s.sock", w.path);
    auth_admin_answer_init(&q.answer);
    assert_int_equal(auth_admin_ask(at.sun_path,
                                    &(struct auth_admin_request){.verb = AUTH_ADMIN_LIST},
                                    &q.answer),
                     ERR_KEEPER);
    auth_admin_answer_deinit(&q.answer);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(keeper_listen(w.keeper, fd), 0);
    close(fd);
    commit(&m);

    static const struct {
        enum auth_admin_verb verb;
        const char *name, *password;
        int err;
        const char *text, *changed;
    } rows[] = {
        {AUTH_ADMIN_ADD, "alice", "secret", 0, "alice@example.net: added", ""},
        {AUTH_ADMIN_ADD, "alice@example.net", "x", ERR_EXISTS,
         "alice@example.net: there is such a user already", ""},
        {AUTH_ADMIN_ADD, "bob@other.example", "x", ERR_SYNTAX,
         "the realm after '@' is not one of auth.realms", ""},
        {AUTH_ADMIN_ADD, "bob", "", ERR_SYNTAX, "the password is empty", ""},
        {AUTH_ADMIN_PASSWD, "alice", "new", 0, "alice@example.net: password set",
         "alice@example.net"},
        {AUTH_ADMIN_PASSWD, "bob", "new", ERR_NOT_FOUND, "bob@example.net: there is no such user",
         ""},
        {AUTH_ADMIN_ADD, "bob", "pw", 0, "bob@example.net: added", ""},
        {AUTH_ADMIN_DELETE, "bob", "", 0, "bob@example.net: deleted", "bob@example.net"},
        {AUTH_ADMIN_DELETE, "bob", "", ERR_NOT_FOUND, "bob@example.net: there is no such user", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        w.changed[0] = '\0';
        ask(&q, at.sun_path, rows[i].verb, rows[i].name, rows[i].password);
        assert_int_equal(q.answer.err, rows[i].err);
        assert_int_equal(buf_append(&q.answer.text, "", 1), 0);
        assert_string_equal(buf_view(&q.answer.text).ptr, rows[i].text);
        run_for(10);
        assert_string_equal(w.changed, rows[i].changed);
        auth_admin_answer_deinit(&q.answer);
    }
    ask(&q, at.sun_path, AUTH_ADMIN_LIST, "", "");
    assert_int_equal(q.answer.nusers, 1);
    assert_string_equal(q.answer.users[0].login, "alice@example.net");
    assert_false(q.answer.users[0].cleartext);
    auth_admin_answer_deinit(&q.answer);
    plain(w.client, (struct sv){"\0alice\0new", 10});
    assert_int_equal(w.verdict, AUTH_OK);
    unlink(at.sun_path);
}

/* More at once than are let in: the others wait, and each change is made. */
static void many_administrators(void **state)
{
    enum { MANY = 40 };
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct keeper_material m = material(1);
    struct msactl q[MANY];
    char names[MANY][8];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned left = MANY;

    (void)state;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s.sock", w.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(keeper_listen(w.keeper, fd), 0);
    close(fd);
    commit(&m);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "u%u", i);
        q[i] = (struct msactl){
            .socket = at.sun_path,
            .request = {.verb = AUTH_ADMIN_ADD, .name = sv_of(names[i]), .password = SV("secret")}};
        auth_admin_answer_init(&q[i].answer);
        pthread_create(&q[i].thread, NULL, msactl_main, &q[i]);
    }
    for (unsigned turn = 0; left > 0 && turn < 4000; turn++) {
        run_for(5);
        while (left > 0 && pthread_tryjoin_np(q[left - 1].thread, NULL) == 0)
            left--;
    }
    assert_int_equal(left, 0);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(q[i].err, 0);
        assert_int_equal(q[i].answer.err, 0);
        auth_admin_answer_deinit(&q[i].answer);
    }
    plain(w.client, (struct sv){"\0u39\0secret", 11});
    assert_int_equal(w.verdict, AUTH_OK);
    unlink(at.sun_path);
}

static uint64_t login_from(const char *mechanism, const char *client, struct sv initial)
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

static const struct sv wrong_alice = {"\0alice\0wrong", 12}, right_alice = {"\0alice\0secret", 13},
                       right_bob = {"\0bob\0secret", 11};

static struct keeper_material guarded(uint64_t generation)
{
    static const char *networks[] = {"203.0.113.0/24"};
    struct keeper_material m = material(generation);
    struct auth_options *o = (struct auth_options *)(uintptr_t)m.options;

    o->block = (struct auth_block_options){.failures = 5, .window_s = 600, .time_s = 900};
    o->exempt_networks = (struct conf_strings){networks, 1};
    return m;
}

/* Guesses are slowed, then refused before the secret is looked at, with every mechanism and for
 * every name; not for an owner, nor for who is exempt. */
/* LOGIN whose first message is empty names nobody: it ends there, and counts. */
static void login_begun_with_nothing(void **state)
{
    struct keeper_material m = guarded(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 5; i++) {
        login_from("LOGIN", "192.0.2.1", SV(""));
        assert_int_equal(w.verdict, AUTH_DENIED);
    }
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
}

static void guessing(void **state)
{
    static const unsigned at_least_ms[] = {0, 0, 0, 500, 1000};
    struct keeper_material m = guarded(1);
    uint64_t id, before;

    (void)state;
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    login_from("PLAIN", "192.0.2.1", right_bob); /* bob is at home there */
    assert_int_equal(w.verdict, AUTH_OK);
    for (size_t i = 0; i < 5; i++) {
        uint64_t start = clock_mono_ms(), took;

        /* a name that is nobody's counts and waits as much */
        login_from("PLAIN", "192.0.2.1", i % 2 ? wrong_alice : (struct sv){"\0eve\0wrong", 10});
        took = clock_mono_ms() - start;
        assert_int_equal(w.verdict, AUTH_DENIED);
        if (took < at_least_ms[i] || took > at_least_ms[i] + 400)
            fail_msg("failure %zu was answered after %u ms", i, (unsigned)took);
    }
    before = auth_scram_derivations();
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    assert_string_equal(w.login, "alice");
    assert_int_equal(w.data_len, 0);
    login_from("PLAIN", "192.0.2.1", (struct sv){"\0nobody\0x", 9});
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    login_from("PLAIN", "192.0.2.1", (struct sv){"garbage", 7});
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    login_from("SCRAM-SHA-256", "192.0.2.1", SV("n,,n=alice,r=abcdefgh"));
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    id = login_from("LOGIN", "192.0.2.1", SV_NONE);
    assert_int_equal(w.verdict, AUTH_CONTINUE); /* nobody is named yet */
    auth_client_step(w.client, id, SV("alice"));
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    assert_int_equal(auth_scram_derivations(), before);

    login_from("PLAIN", "192.0.2.1", right_bob); /* the owner */
    assert_int_equal(w.verdict, AUTH_OK);
    login_from("PLAIN", "192.0.2.2", right_alice); /* her name has failed twice only */
    assert_int_equal(w.verdict, AUTH_OK);
    for (size_t i = 0; i < 20; i++) {
        login_from("PLAIN", "203.0.113.9", wrong_alice);
        assert_int_equal(w.verdict, AUTH_DENIED);
    }
}

/* An answer that is held back: the exchange can be canceled, its asker may go, the next is served.
 */
static void held_answers(void **state)
{
    struct keeper_material m = guarded(1);
    uint64_t id, start;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    w.other = attach();
    for (size_t i = 0; i < 3; i++)
        login_from("PLAIN", "192.0.2.1", wrong_alice);
    id = auth_client_start(w.client,
                           &(struct auth_start){.mechanism = SV("PLAIN"),
                                                .initial = wrong_alice,
                                                .has_initial = true,
                                                .tls = true,
                                                .client = SV("192.0.2.1")},
                           on_answer, NULL);
    run_for(200); /* it is held for half a second */
    assert_int_equal(w.answers, 1);
    auth_client_cancel(w.client, id);
    /* right and slowed; SCRAM tells with its proof, which is held, and then goes on */
    start = clock_mono_ms();
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
    assert_true(clock_mono_ms() - start >= 1000); /* the canceled one has counted */
    auth_client_start(w.other,
                      &(struct auth_start){.mechanism = SV("PLAIN"),
                                           .initial = {"\0eve\0wrong", 10},
                                           .has_initial = true,
                                           .tls = true,
                                           .client = SV("192.0.2.1")},
                      on_other, NULL);
    run_for(200);
    auth_client_free(w.other);
    w.other = NULL;
    run_for(1200);
}

/* A login that was right, and whose answer is held while the user is disabled, does not begin. */
static void withdrawn_answers(void **state)
{
    struct keeper_material m = guarded(1);
    const char *path;
    struct msactl q;

    (void)state;
    path = administer();
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    for (unsigned disabled = 0; disabled < 2; disabled++) {
        struct auth_start right = {
            .mechanism = SV("PLAIN"),
            .initial = {disabled ? "\0bob\0secret" : "\0alice\0secret", disabled ? 11 : 13},
            .has_initial = true,
            .tls = true,
            .client = disabled ? SV("192.0.2.2") : SV("192.0.2.1")};

        for (size_t i = 0; i < 4; i++)
            login_from("PLAIN", disabled ? "192.0.2.2" : "192.0.2.1",
                       (struct sv){disabled ? "\0mal\0wrong" : "\0eve\0wrong", 10});
        w.answers = w.wanted = 0;
        auth_client_start(w.client, &right, on_answer, NULL);
        run_for(100);
        assert_int_equal(w.answers, 0);
        ask(&q, path, disabled ? AUTH_ADMIN_DISABLE : AUTH_ADMIN_LIST, "bob", "");
        auth_admin_answer_deinit(&q.answer);
        assert_int_equal(w.answers, 0); /* held still */
        wait_for(1);
        assert_int_equal(w.verdict, disabled ? AUTH_TEMPORARY : AUTH_OK);
    }
    unlink(path);
}

/* Who goes away before he hears the answer has guessed all the same. */
static void canceled_guesses_count(void **state)
{
    struct keeper_material m = guarded(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 5; i++) {
        struct auth_start start = {.mechanism = SV("PLAIN"),
                                   .initial = wrong_alice,
                                   .has_initial = true,
                                   .tls = true,
                                   .client = SV("192.0.2.1")};

        auth_client_cancel(w.client, auth_client_start(w.client, &start, on_answer, NULL));
    }
    run_for(300);
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
}

/* A step while the answer to the one before is held back is none of the protocol. */
static void no_step_while_held(void **state)
{
    struct chan_ops raw = {.on_end = NULL};
    struct keeper_material m = guarded(1);
    struct auth_wire start = {.type = AUTH_WIRE_SASL_START,
                              .id = 7,
                              .code = AUTH_START_INITIAL | AUTH_START_TLS,
                              .name = SV("PLAIN"),
                              .data = wrong_alice,
                              .extra = SV("192.0.2.1")};
    struct auth_wire step = {.type = AUTH_WIRE_SASL_STEP, .id = 7, .data = SV("x")};
    int fds[2], copy;
    struct buf payload;
    char byte;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 3; i++)
        login_from("PLAIN", "192.0.2.1", wrong_alice);
    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(w.keeper, fds[0]);
    copy = dup(fds[1]);
    struct chan *c = chan_new(w.loop, fds[1], &raw, NULL);
    buf_init(&payload, AUTH_WIRE_FRAME_MAX, 0);
    auth_wire_write(&payload, &start);
    assert_int_equal(chan_send(c, start.type, buf_view(&payload), NULL, 0), 0);
    run_for(250); /* the answer comes after half a second */
    assert_int_equal(recv(copy, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
    buf_reset(&payload);
    auth_wire_write(&payload, &step);
    assert_int_equal(chan_send(c, step.type, buf_view(&payload), NULL, 0), 0);
    chan_close(c);
    run_for(50);
    assert_int_equal(recv(copy, &byte, 1, MSG_DONTWAIT), 0); /* closed by the keeper */
    close(copy);
    buf_deinit(&payload);
}

/* Real SCRAM against a slowed address: the server's proof comes late, and the login is good. */
static void slowed_scram(void **state)
{
    struct keeper_material m = guarded(1);
    struct auth_login_start ls = {.mechanisms = SV("SCRAM-SHA-256"),
                                  .host = SV("mail.example.net"),
                                  .user = SV("alice"),
                                  .password = SV("secret"),
                                  .tls = true};
    struct auth_login_result lr;
    struct auth_login_exchange *x;
    uint64_t start, id;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 3; i++)
        login_from("PLAIN", "192.0.2.1", wrong_alice);
    x = auth_login_new(&ls, &lr);
    start = clock_mono_ms();
    id = login_from("SCRAM-SHA-256", "192.0.2.1", lr.data);
    assert_true(clock_mono_ms() - start < 400); /* nothing is decided yet */
    while (w.verdict == AUTH_CONTINUE) {
        auth_login_step(x, (struct sv){w.data, w.data_len}, &lr);
        auth_client_step(w.client, id, lr.data);
        wait_for(1);
    }
    assert_int_equal(w.verdict, AUTH_OK);
    assert_int_equal(lr.verdict, AUTH_OK);
    assert_true(clock_mono_ms() - start >= 500);
    auth_login_free(x);
}

/* A proof by a password that is changed before the exchange ends opens no session: those who end
 * the user's sessions were told before. */
static void changed_midway(void **state)
{
    struct auth_login_start ls = {.mechanisms = SV("SCRAM-SHA-256"),
                                  .host = SV("mail.example.net"),
                                  .user = SV("alice"),
                                  .password = SV("secret"),
                                  .tls = true};
    struct keeper_material m = material(1);
    const char *path;

    (void)state;
    path = administer();
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    for (unsigned alice = 0; alice < 2; alice++) {
        struct auth_login_result lr;
        struct auth_login_exchange *x = auth_login_new(&ls, &lr);
        uint64_t id = login_from("SCRAM-SHA-256", "192.0.2.1", lr.data);
        struct msactl q;

        ask(&q, path, AUTH_ADMIN_PASSWD, alice ? "alice" : "bob", "another");
        auth_admin_answer_deinit(&q.answer);
        while (w.verdict == AUTH_CONTINUE) {
            auth_login_step(x, (struct sv){w.data, w.data_len}, &lr);
            auth_client_step(w.client, id, lr.data);
            wait_for(1);
        }
        assert_int_equal(w.verdict, alice ? AUTH_TEMPORARY : AUTH_OK);
        auth_login_free(x);
    }
    unlink(path);
}

/* A keeper that is started anew still knows who is at home where. */
static void owners_outlive_the_keeper(void **state)
{
    struct keeper_material m = guarded(1);

    (void)state;
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    login_from("PLAIN", "2001:db8::1", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
    auth_client_free(w.client);
    keeper_free(w.keeper);
    w.keeper = keeper_new(w.loop);
    w.client = attach();
    commit(&m);
    for (size_t i = 0; i < 5; i++)
        auth_client_start(w.client,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = {"\0eve\0wrong", 10},
                                               .has_initial = true,
                                               .tls = true,
                                               .client = SV("2001:db8::7")},
                          on_answer, NULL);
    wait_for(5);
    login_from("PLAIN", "2001:db8::8", right_bob);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    login_from("PLAIN", "2001:db8::9", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
}

struct block_ask {
    pthread_t thread;
    const char *socket;
    struct auth_blocks_request request;
    struct auth_blocks answer;
    int err;
};

static void *block_main(void *arg)
{
    struct block_ask *q = arg;

    q->err = auth_blocks_ask(q->socket, &q->request, &q->answer);
    return NULL;
}

static void ask_blocks(struct block_ask *q, const char *socket, const char *what)
{
    *q = (struct block_ask){.socket = socket, .request = {what != NULL, sv_of(what)}};
    auth_blocks_init(&q->answer);
    pthread_create(&q->thread, NULL, block_main, q);
    for (unsigned i = 0; i < 400; i++) {
        run_for(5);
        if (pthread_tryjoin_np(q->thread, NULL) == 0) {
            assert_int_equal(q->err, 0);
            return;
        }
    }
    fail_msg("no answer of the keeper's socket");
}

static void blocks(void **state)
{
    static const struct {
        const char *what;
        int err;
        const char *text;
    } rows[] = {
        {"192.0.2.1", ERR_NOT_FOUND, "192.0.2.1: is not blocked"},
        {"", ERR_SYNTAX, "an address or a login is needed"},
        {"bob", ERR_NOT_FOUND, "bob: is not blocked"},
        {"2001:db8::7", 0, "2001:db8::7: block removed"},
        {"2001:db8::/64", ERR_NOT_FOUND, "2001:db8::/64: is not blocked"},
        {"alice", 0, "alice: block removed"},
    };
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct keeper_material m = guarded(1);
    struct block_ask q;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s.sock", w.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(keeper_listen(w.keeper, fd), 0);
    close(fd);
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 5; i++)
        auth_client_start(w.client,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = {"\0alice/phone\0wrong", 18},
                                               .has_initial = true,
                                               .tls = true,
                                               .client = SV("2001:db8::1")},
                          on_answer, NULL);
    wait_for(5);
    ask_blocks(&q, at.sun_path, NULL);
    assert_int_equal(q.answer.count, 2);
    assert_true(q.answer.entries[0].is_address);
    assert_string_equal(q.answer.entries[0].what, "2001:db8::/64");
    assert_false(q.answer.entries[1].is_address);
    assert_string_equal(q.answer.entries[1].what, "alice@example.net");
    assert_in_range(q.answer.entries[1].left_s, 880, 900);
    auth_blocks_deinit(&q.answer);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask_blocks(&q, at.sun_path, rows[i].what);
        assert_int_equal(q.answer.err, rows[i].err);
        assert_string_equal(q.answer.text, rows[i].text);
        auth_blocks_deinit(&q.answer);
    }
    login_from("PLAIN", "2001:db8::1", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
    unlink(at.sun_path);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(logins),
        T(steps),
        T(locks),
        T(smarthost),
        T(signatures),
        T(bad_generation),
        T(restart),
        T(fairness),
        T(broken_askers),
        T(administration),
        T(app_passwords),
        T(withdrawn_answers),
        T(changed_midway),
        T(many_administrators),
        T(guessing),
        T(login_begun_with_nothing),
        T(held_answers),
        T(canceled_guesses_count),
        T(no_step_while_held),
        T(slowed_scram),
        T(owners_outlive_the_keeper),
        T(blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
