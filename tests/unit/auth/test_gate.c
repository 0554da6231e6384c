/* Guessing, as the whole keeper meets it. */
#include "auth/login.h"
#include "tests/unit/auth/keeper_world.h"

/* Guesses are slowed, then refused before the secret is looked at, with every mechanism and for
 * every name; not for an owner, nor for who is exempt. */
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
    struct keeper_material m = guarded(1);
    struct block_ask q;
    const char *path = administer();

    (void)state;
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
    ask_blocks(&q, path, NULL);
    assert_int_equal(q.answer.count, 2);
    assert_true(q.answer.entries[0].is_address);
    assert_string_equal(q.answer.entries[0].what, "2001:db8::/64");
    assert_false(q.answer.entries[1].is_address);
    assert_string_equal(q.answer.entries[1].what, "alice@example.net");
    assert_in_range(q.answer.entries[1].left_s, 880, 900);
    auth_blocks_deinit(&q.answer);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask_blocks(&q, path, rows[i].what);
        assert_int_equal(q.answer.err, rows[i].err);
        assert_string_equal(q.answer.text, rows[i].text);
        auth_blocks_deinit(&q.answer);
    }
    login_from("PLAIN", "2001:db8::1", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
    unlink(path);
}

/* "msactl user unlock" ends a block of the login, too, and only of that one. */
static void unlocked(void **state)
{
    static const struct sv wrong_bob = {"\0bob\0wrong", 10};
    struct keeper_material m = guarded(1);
    const char *path = administer();
    struct block_ask q;
    struct msactl u;

    (void)state;
    database_add(w.path, "alice", "secret");
    database_add(w.path, "bob", "secret");
    commit(&m);
    for (unsigned i = 0; i < 10; i++) {
        char client[IP_TEXT_MAX];

        snprintf(client, sizeof(client), "198.51.%u.1",
                 i); /* each fails once: only names do often */
        auth_client_start(w.client,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = i % 2 ? wrong_alice : wrong_bob,
                                               .has_initial = true,
                                               .tls = true,
                                               .client = sv_of(client)},
                          on_answer, NULL);
    }
    wait_for(10);
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_BLOCKED);
    ask(&u, path, AUTH_ADMIN_UNLOCK, "Alice@Example.net", "");
    assert_int_equal(u.answer.err, ERR_NOT_FOUND); /* names of users are exact */
    auth_admin_answer_deinit(&u.answer);
    ask(&u, path, AUTH_ADMIN_UNLOCK, "alice", "");
    assert_int_equal(u.answer.err, 0);
    auth_admin_answer_deinit(&u.answer);
    login_from("PLAIN", "192.0.2.1", right_alice);
    assert_int_equal(w.verdict, AUTH_OK);
    ask_blocks(&q, path, NULL);
    assert_int_equal(q.answer.count, 1);
    assert_string_equal(q.answer.entries[0].what, "bob@example.net");
    auth_blocks_deinit(&q.answer);
    unlink(path);
}

/* What can be nobody's name, and what breaks off before a secret was compared, counts for the
 * address alone: nobody shuts a login that way, nor fills the room of names. */
static void failures_of_no_name(void **state)
{
    static const struct {
        const char *mechanism;
        struct sv first;
    } rows[] = {
        {"PLAIN", {"\0alice@other.example\0wrong", 26}},
        {"PLAIN", {"\0al ice\0wrong", 13}},
        {"PLAIN", {"alice\0alice", 11}},
        {"SCRAM-SHA-256", {"p=tls-unique,,n=alice,r=abcdefgh", 32}},
        {"SCRAM-SHA-256", {"n,,m=x,n=alice,r=abcdefgh", 25}},
    };
    struct keeper_material m = guarded(1);
    const char *path = administer();
    struct block_ask q;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char client[IP_TEXT_MAX];

        for (unsigned n = 0; n < 6; n++) {
            snprintf(client, sizeof(client), "198.51.%zu.%u", 10 * i + n, n);
            login_from(rows[i].mechanism, client, rows[i].first);
            assert_int_equal(w.verdict, AUTH_DENIED);
        }
        snprintf(client, sizeof(client), "192.0.2.%zu", i); /* where she has not logged in yet */
        login_from("PLAIN", client, right_alice);
        if (w.verdict != AUTH_OK)
            fail_msg("row %zu shuts alice", i);
    }
    for (unsigned n = 0; n < 5; n++)
        auth_client_start(w.client,
                          &(struct auth_start){.mechanism = SV("PLAIN"),
                                               .initial = rows[0].first,
                                               .has_initial = true,
                                               .tls = true,
                                               .client = SV("198.51.100.1")},
                          on_answer, NULL);
    wait_for(5);
    ask_blocks(&q, path, NULL);
    assert_int_equal(q.answer.count, 1);
    assert_string_equal(q.answer.entries[0].what, "198.51.100.1");
    auth_blocks_deinit(&q.answer);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(guessing),          T(login_begun_with_nothing),  T(held_answers),
        T(withdrawn_answers), T(canceled_guesses_count),    T(no_step_while_held),
        T(slowed_scram),      T(owners_outlive_the_keeper), T(blocks),
        T(unlocked),          T(failures_of_no_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
