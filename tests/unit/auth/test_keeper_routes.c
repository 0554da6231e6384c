/* What logs in for routes at smarthosts: mechanisms, and the secrets of several generations. */
#include "tests/unit/auth/keeper_world.h"

/* We log in at a "smarthost", whose part an exchange of this keeper's own plays. */
static void smarthost(void **state)
{
    static const char *lists[] = {"GSSAPI SCRAM-SHA-256 PLAIN", "PLAIN LOGIN", "LOGIN"};
    struct keeper_material m = material(1);
    struct keeper_secret secret = {
        .name = SV("route 1"), .user = SV("alice"), .password = SV("secret")};

    (void)state;
    m.secrets = &secret;
    m.nsecrets = 1;
    database_add(w.path, "alice", "secret");
    commit(&m);
    for (size_t i = 0; i < 3; i++) {
        uint64_t ours = auth_client_login(w.client,
                                          &(struct auth_login){.secret = SV("route 1"),
                                                               .mechanisms = sv_of(lists[i]),
                                                               .host = SV("mail.example.net"),
                                                               .tls = true},
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
    auth_client_login(
        w.client,
        &(struct auth_login){
            .secret = SV("route 2"), .mechanisms = SV("PLAIN"), .host = SV("h"), .tls = true},
        on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    auth_client_login(w.client,
                      &(struct auth_login){.secret = SV("route 1"),
                                           .mechanisms = SV("PLAIN LOGIN"),
                                           .host = SV("h"),
                                           .tls = false},
                      on_answer, NULL);
    wait_for(1);
    assert_int_equal(w.verdict, AUTH_DENIED); /* no clear text without TLS */
}

static void log_in(const char *secret)
{
    auth_client_login(
        w.client,
        &(struct auth_login){
            .secret = sv_of(secret), .mechanisms = SV("PLAIN"), .host = SV("h"), .tls = true},
        on_answer, NULL);
    wait_for(1);
}

static void expect_plain(const char *user, const char *password)
{
    char said[80];
    int len = snprintf(said, sizeof(said), "%c%s%c%s", 0, user, 0, password);

    assert_int_equal(w.verdict, AUTH_OK);
    assert_int_equal(w.data_len, len);
    assert_memory_equal(w.data, said, w.data_len);
}

static void expect_no_secret(const char *words)
{
    assert_int_equal(w.verdict, AUTH_TEMPORARY);
    assert_null(memchr(w.data, 0, w.data_len));
    assert_non_null(strstr(w.data, words));
}

/* Two routes are swapped by a reload, and one that had a token gets a password: what a delivery
 * asks for by the name of the generation that it began with is that one's, or nothing. */
static void routes_of_two_generations(void **state)
{
    struct keeper_secret before[] = {
        {.name = SV("0 of 1"), .user = SV("a"), .password = SV("for host a")},
        {.name = SV("1 of 1"), .user = SV("b"), .password = SV("for host b")},
        {.name = SV("2 of 1"),
         .user = SV("c"),
         .issuer = {
             .url = SV("https://127.0.0.1:1/"), .client_id = SV("c"), .client_secret = SV("s")}}};
    struct keeper_secret after[] = {
        {.name = SV("0 of 2"), .user = SV("b"), .password = SV("for host b")},
        {.name = SV("1 of 2"), .user = SV("a"), .password = SV("for host a")},
        {.name = SV("2 of 2"), .user = SV("c"), .password = SV("for host c")}};
    struct keeper_material first = material(1), second = material(2), further;

    (void)state;
    first.secrets = before;
    second.secrets = after;
    first.nsecrets = second.nsecrets = 3;
    commit(&first);
    log_in("0 of 2"); /* the server was faster */
    expect_no_secret("configuration");
    commit(&second);
    log_in("0 of 1");
    expect_plain("a", "for host a");
    log_in("1 of 1");
    expect_plain("b", "for host b");
    log_in("2 of 1");
    expect_no_secret("token");
    log_in("0 of 2");
    expect_plain("b", "for host b");
    log_in("2 of 2");
    expect_plain("c", "for host c");
    for (uint64_t generation = 3; generation <= 10; generation++) {
        log_in("0 of 1");
        expect_plain("a", "for host a");
        further = material(generation);
        commit(&further);
    }
    log_in("0 of 1");
    expect_no_secret("configuration");
    log_in("0 of 2");
    expect_plain("b", "for host b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(smarthost),
        T(routes_of_two_generations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
