/* Administration of a running keeper through its socket. */
#include "tests/unit/auth/keeper_world.h"

static void administration(void **state)
{
    char gone[80];
    const char *path;
    struct keeper_material m = material(1);
    struct msactl q;

    (void)state;
    snprintf(gone, sizeof(gone), "%s.sock", w.path);
    auth_admin_answer_init(&q.answer);
    assert_int_equal(
        auth_admin_ask(gone, &(struct auth_admin_request){.verb = AUTH_ADMIN_LIST}, &q.answer),
        ERR_KEEPER);
    auth_admin_answer_deinit(&q.answer);
    path = administer();
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
        ask(&q, path, rows[i].verb, rows[i].name, rows[i].password);
        assert_int_equal(q.answer.err, rows[i].err);
        assert_int_equal(buf_append(&q.answer.text, "", 1), 0);
        assert_string_equal(buf_view(&q.answer.text).ptr, rows[i].text);
        run_for(10);
        assert_string_equal(w.changed, rows[i].changed);
        auth_admin_answer_deinit(&q.answer);
    }
    ask(&q, path, AUTH_ADMIN_LIST, "", "");
    assert_int_equal(q.answer.nusers, 1);
    assert_string_equal(q.answer.users[0].login, "alice@example.net");
    assert_false(q.answer.users[0].cleartext);
    auth_admin_answer_deinit(&q.answer);
    plain(w.client, (struct sv){"\0alice\0new", 10});
    assert_int_equal(w.verdict, AUTH_OK);
    unlink(path);
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

/* More at once than are let in: the others wait, and each change is made. */
static void many_administrators(void **state)
{
    enum { MANY = 40 };
    const char *path;
    struct keeper_material m = material(1);
    struct msactl q[MANY];
    char names[MANY][8];
    unsigned left = MANY;

    (void)state;
    path = administer();
    commit(&m);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "u%u", i);
        q[i] = (struct msactl){
            .socket = path,
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
    unlink(path);
}

/* A change that fails behind itself ends the sessions all the same: the user is gone by then. */
static void half_a_change(void **state)
{
    struct keeper_material m = material(1);
    const char *path = administer();
    struct msactl q;

    (void)state;
    database_add(w.path, "alice", "secret");
    commit(&m);
    database_garbage(m.options->accounts_path);
    ask(&q, path, AUTH_ADMIN_DELETE, "alice", "");
    assert_int_equal(q.answer.err, ERR_CORRUPT);
    auth_admin_answer_deinit(&q.answer);
    run_for(10);
    assert_string_equal(w.changed, "alice@example.net");
    w.changed[0] = '\0';
    ask(&q, path, AUTH_ADMIN_DELETE, "alice", "");
    assert_true(q.answer.err < 0);
    auth_admin_answer_deinit(&q.answer);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(administration),
        T(app_passwords),
        T(many_administrators),
        T(half_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
