/* Administration's frames: what is written is read, and nothing shorter, longer or impossible. */
#include "auth/admin_wire.h"
#include "tests/unit/auth/database.h"

static void requests(void **state)
{
    struct auth_admin_request back,
        r = {
            .verb = AUTH_ADMIN_APP_ADD, .name = SV("alice"), .password = SV("pw"), .word = SV("w")};
    struct buf b;

    (void)state;
    buf_init(&b, 256, 0);
    auth_admin_request_write(&b, &r);
    assert_int_equal(auth_admin_request_read(buf_view(&b), &back), 0);
    assert_int_equal(back.verb, AUTH_ADMIN_APP_ADD);
    assert_true(sv_eq(back.name, r.name) && sv_eq(back.password, r.password) &&
                sv_eq(back.word, r.word));
    for (size_t len = 0; len < buf_len(&b); len++)
        assert_int_equal(auth_admin_request_read(sv_first(buf_view(&b), len), &back), ERR_SYNTAX);
    assert_int_equal(buf_append(&b, "x", 1), 0);
    assert_int_equal(auth_admin_request_read(buf_view(&b), &back), ERR_SYNTAX);
    for (unsigned verb = 0; verb < 256; verb++) {
        char bytes[13] = {(char)verb};

        assert_int_equal(auth_admin_request_read((struct sv){bytes, 13}, &back),
                         verb >= AUTH_ADMIN_ADD && verb < AUTH_ADMIN_VERBS ? 0 : ERR_SYNTAX);
    }
    buf_deinit(&b);
}

static struct auth_admin_user users[] = {
    {"alice@example.net", true, AUTH_STATE_LOCKED, true, 1234567890123, "spam"},
    {"bob@example.net", false, AUTH_STATE_ENABLED, false, 0, ""}};
static struct auth_admin_mechanism mechanisms[] = {{"PLAIN", true}, {"CRAM-MD5", false}};
static struct auth_admin_app apps[] = {{"phone", "192.0.2.1", 1, 2, 3}};
static struct auth_admin_place places[] = {{"2001:db8::1", "LOGIN", "phone", 4, 5},
                                           {"192.0.2.1", "PLAIN", "", 6, 7}};

static void answers(void **state)
{
    struct auth_admin_answer a, back;
    struct buf b;

    (void)state;
    auth_admin_answer_init(&a);
    a.err = ERR_EXISTS;
    assert_int_equal(buf_put(&a.text, SV("said")), 0);
    strcpy(a.secret, "abcde-fghjk-mnpqr-stuvw");
    a.users = users;
    a.nusers = 2;
    a.mechanisms = mechanisms;
    a.nmechanisms = 2;
    a.apps = apps;
    a.napps = 1;
    a.places = places;
    a.nplaces = 2;
    buf_init(&b, 4096, 0);
    auth_admin_answer_write(&b, &a);
    auth_admin_answer_init(&back);
    assert_int_equal(auth_admin_answer_read(buf_view(&b), &back), 0);
    assert_int_equal(back.err, ERR_EXISTS);
    assert_true(sv_eq(buf_view(&back.text), SV("said")));
    assert_string_equal(back.secret, a.secret);
    assert_int_equal(back.nusers, 2);
    assert_string_equal(back.users[0].login, "alice@example.net");
    assert_true(back.users[0].cleartext && back.users[0].admin);
    assert_int_equal(back.users[0].state, AUTH_STATE_LOCKED);
    assert_true(back.users[0].since_ms == 1234567890123);
    assert_string_equal(back.users[0].reason, "spam");
    assert_int_equal(back.users[1].state, AUTH_STATE_ENABLED);
    assert_int_equal(back.nmechanisms, 2);
    assert_true(back.mechanisms[0].usable && !back.mechanisms[1].usable);
    assert_int_equal(back.napps, 1);
    assert_string_equal(back.apps[0].used_from, "192.0.2.1");
    assert_int_equal(back.apps[0].revoked_ms, 3);
    assert_int_equal(back.nplaces, 2);
    assert_string_equal(back.places[0].label, "phone");
    assert_int_equal(back.places[1].count, 7);
    auth_admin_answer_deinit(&back);
    for (size_t len = 0; len < buf_len(&b); len++) {
        auth_admin_answer_init(&back);
        assert_int_equal(auth_admin_answer_read(sv_first(buf_view(&b), len), &back), ERR_SYNTAX);
        auth_admin_answer_deinit(&back);
    }
    buf_deinit(&b);
    auth_admin_answer_deinit(&a);
}

/* Counts that no frame could hold ask for no memory. */
static void huge_counts(void **state)
{
    static const char many[] = "\0\0\0\0"
                               "\0\0\0\0"
                               "\0\0\0\0"
                               "\xff\xff\xff\xff";
    struct auth_admin_answer back;

    (void)state;
    auth_admin_answer_init(&back);
    assert_int_equal(auth_admin_answer_read((struct sv){many, 16}, &back), ERR_SYNTAX);
    assert_true(back.mem.used_bytes < 4096);
    auth_admin_answer_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(answers),
        cmocka_unit_test(huge_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
