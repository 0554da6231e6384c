/*
 * TLS and logins of routes, end to end: relay, real keeper, and a smarthost that can lie.
 */
#include "auth/keeper.h"
#include "msa/base/log.h"
#include "msa/loop/chan.h"
#include "tests/unit/relay/relay_fixture.h"
#include "tests/unit/relay/smarthost.h"

static struct keeper *keeper;
static char said[4096];   /* by the log, of the last row */
static char failed[4096]; /* the last line about a message that failed */

static void on_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    snprintf(said, sizeof said, "%.*s", (int)len, line);
    if (strstr(said, " failed "))
        memcpy(failed, said, sizeof failed);
}

static struct cert authority, trusted, foreign, other_name;

/* The next generation of the keeper's, whose route has this password. */
static void commit_secret(uint32_t generation, const char *password)
{
    static const char *realms[] = {"our.test"}, *mechanisms[] = {"PLAIN"};
    static const struct auth_options auth_options = {.path = "/nonexistent/sasldb2",
                                                     .realms = {realms, 1},
                                                     .mechanisms = {mechanisms, 1},
                                                     .require_tls = true,
                                                     .max_failures = 5};
    char name[80];
    struct buf why;
    snprintf(name, sizeof name, RELAY_SECRET_NAME, 0, generation);
    const struct keeper_secret secret = {
        .name = sv_of(name), .user = SV("u"), .password = sv_of(password)};
    buf_init(&why, 1000, 0);
    assert_int_equal(keeper_prepare(keeper,
                                    &(struct keeper_material){.generation = generation,
                                                              .options = &auth_options,
                                                              .hostname = SV("our.test"),
                                                              .secrets = &secret,
                                                              .nsecrets = 1},
                                    &why),
                     0);
    keeper_commit(keeper, generation);
    buf_deinit(&why);
}

static void start_keeper(const char *password)
{
    int fds[2];
    keeper = keeper_new(t.loop);
    assert_non_null(keeper);
    commit_secret(0, password);
    assert_int_equal(chan_pair(fds), 0);
    keeper_attach(keeper, fds[0]);
    t.auth = auth_client_new(t.loop, fds[1], NULL, NULL);
}

static void stop_keeper(void)
{
    auth_client_free(t.auth);
    keeper_free(keeper);
    t.auth = NULL;
}

struct row {
    const char *name;
    struct smarthost host;
    int tls;              /* of the route */
    const char *password; /* NULL: no user */
    /* what becomes of it */
    const char *mechanism; /* "" : no AUTH was tried */
    unsigned connections;
    bool in_clear, deferred;
    const char *said; /* part of the log line; NULL: any */
};

static void try_row(const struct row *row)
{
    static const char *const to[] = {"a@x.test"};
    struct smarthost h = row->host;
    char url[64];
    t.loop = loop_new();
    if (row->password)
        start_keeper(row->password);
    smarthost_start(&h);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", h.implicit_tls ? "smtps" : "smtp", h.port);
    open_relay(&(struct relay_setup){.url = url,
                                     .tls = row->tls,
                                     .user = row->password ? "u" : "",
                                     .ca_pem = sv_of(authority.pem),
                                     .messages = &h.messages});
    log_set_sink(on_line, NULL);
    submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
    run_until(row->deferred, !row->deferred);
    log_set_sink(NULL, NULL);
    stop_relay();
    close_stopped_relay();
    if (row->password)
        stop_keeper();
    free_loop();
    smarthost_stop(&h);
    print_message("%s\n", row->name);
    assert_int_equal(atomic_load(&h.connections), row->connections);
    assert_int_equal(atomic_load(&h.mails), !row->deferred);
    assert_int_equal(atomic_load(&h.messages_in_clear), row->in_clear);
    assert_string_equal(h.mechanism, row->mechanism);
    if (row->said && !strstr(said, row->said))
        fail_msg("%s", said);
    if (row->password && !row->deferred)
        assert_int_equal(atomic_load(&h.logins), 1);
}

#define RUN(rows)                                           \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) \
    try_row(&rows[i])

static void tls_of_a_route(void **state)
{
    const struct row rows[] = {
        {"opportunistic: any certificate is used",
         {.cert = &foreign},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 1},
        {"opportunistic: clear text where TLS is broken",
         {.cert = &trusted, .breaks_tls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 2,
         .in_clear = true},
        {"opportunistic: clear text where nothing is offered",
         {.cert = &trusted, .no_starttls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 1,
         .in_clear = true},
        {"opportunistic: clear text where it is refused (RFC 3207 4)",
         {.cert = &trusted, .to_starttls = "454 4.7.0 no TLS for now"},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 1,
         .in_clear = true},
        {"opportunistic: a host that goes away refuses nothing",
         {.cert = &trusted, .to_starttls = "421 4.3.2 shutting down"},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 1,
         .deferred = true,
         .said = "phase=STARTTLS"},
        {"require: 454 waits",
         {.cert = &trusted, .to_starttls = "454 4.7.0 no TLS for now"},
         RELAY_ROUTE_TLS_REQUIRE,
         .mechanism = "",
         .connections = 1,
         .deferred = true,
         .said = "454 4.7.0 no TLS"},
        {"none: not used although offered",
         {.cert = &trusted},
         RELAY_ROUTE_TLS_NONE,
         .mechanism = "",
         .connections = 1,
         .in_clear = true},
        {"words in clear behind the reply to STARTTLS",
         {.cert = &trusted, .injects = true},
         RELAY_ROUTE_TLS_REQUIRE,
         .mechanism = "",
         .connections = 1,
         .deferred = true},
        {"require: any certificate",
         {.cert = &foreign},
         RELAY_ROUTE_TLS_REQUIRE,
         .mechanism = "",
         .connections = 1},
        {"require: never in clear",
         {.cert = &trusted, .no_starttls = true},
         RELAY_ROUTE_TLS_REQUIRE,
         .mechanism = "",
         .connections = 1,
         .deferred = true,
         .said = "status=4.7.4: TLS is required here"},
        {"verify: trusted, and its name",
         {.cert = &trusted},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1},
        {"verify: an unknown authority",
         {.cert = &foreign},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1,
         .deferred = true,
         .said = "status=4.7.5: TLS failed: certificate"},
        {"verify: another name",
         {.cert = &other_name},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1,
         .deferred = true,
         .said = "status=4.7.5: TLS failed: certificate"},
        {"verify: never in clear",
         {.cert = &trusted, .no_starttls = true},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1,
         .deferred = true},
        {"smtps, verified",
         {.cert = &trusted, .implicit_tls = true},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1},
        {"smtps, opportunistic",
         {.cert = &foreign, .implicit_tls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         .mechanism = "",
         .connections = 1},
        {"smtps, verified: an unknown authority",
         {.cert = &foreign, .implicit_tls = true},
         RELAY_ROUTE_TLS_VERIFY,
         .mechanism = "",
         .connections = 1,
         .deferred = true},
    };
    (void)state;
    RUN(rows);
}

static void login_of_a_route(void **state)
{
    const int verify = RELAY_ROUTE_TLS_VERIFY;
    const struct row rows[] = {
        {"PLAIN",
         {.cert = &trusted, .mechanisms = "PLAIN"},
         verify,
         "secret",
         "PLAIN",
         .connections = 1},
        {"LOGIN",
         {.cert = &trusted, .mechanisms = "LOGIN"},
         verify,
         "secret",
         "LOGIN",
         .connections = 1},
        {"the strongest",
         {.cert = &trusted, .mechanisms = "PLAIN LOGIN SCRAM-SHA-256 GSSAPI"},
         verify,
         "secret",
         "SCRAM-SHA-256",
         .connections = 1},
        {"smtps",
         {.cert = &trusted, .mechanisms = "PLAIN", .implicit_tls = true},
         verify,
         "secret",
         "PLAIN",
         .connections = 1},
        {"no password in clear text",
         {.cert = &trusted, .mechanisms = "PLAIN LOGIN"},
         RELAY_ROUTE_TLS_NONE,
         "secret",
         "",
         1,
         .deferred = true,
         .said = "no mechanism that may be used here"},
        {"SCRAM in clear text",
         {.cert = &trusted, .mechanisms = "PLAIN SCRAM-SHA-256"},
         RELAY_ROUTE_TLS_NONE,
         "secret",
         "SCRAM-SHA-256",
         1,
         .in_clear = true},
        {"not in clear text where TLS is broken",
         {.cert = &trusted, .mechanisms = "PLAIN SCRAM-SHA-256", .breaks_tls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         "secret",
         "",
         1,
         .deferred = true,
         .said = "in the TLS handshake"},
        {"a wrong password",
         {.cert = &trusted, .mechanisms = "PLAIN"},
         verify,
         "wrong",
         "PLAIN",
         1,
         .deferred = true,
         .said = "status=4.7.8: 535 5.7.8 wrong"},
        {"nothing that we know",
         {.cert = &trusted, .mechanisms = "GSSAPI"},
         verify,
         "secret",
         "",
         1,
         .deferred = true},
        {"no AUTH at all",
         {.cert = &trusted},
         verify,
         "secret",
         "",
         1,
         .deferred = true,
         .said = "offers no AUTH"},
        {"no login at a host that is not the one",
         {.cert = &other_name, .mechanisms = "PLAIN"},
         verify,
         "secret",
         "",
         1,
         .deferred = true},
        {"a server with a false proof",
         {.cert = &trusted, .mechanisms = "SCRAM-SHA-256", .proof = PROOF_FALSE},
         verify,
         "secret",
         "SCRAM-SHA-256",
         1,
         .deferred = true,
         .said = "did not prove"},
        {"a server that proves nothing",
         {.cert = &trusted, .mechanisms = "SCRAM-SHA-256", .proof = PROOF_NONE},
         verify,
         "secret",
         "SCRAM-SHA-256",
         1,
         .deferred = true,
         .said = "did not prove"},
    };
    (void)state;
    RUN(rows);
}

/* The keeper is away: mail waits, nobody is asked for a login. */
static void no_keeper(void **state)
{
    static const char *const to[] = {"a@x.test"};
    struct smarthost h = {.cert = &trusted, .mechanisms = "PLAIN"};
    char url[64];
    (void)state;
    t.loop = loop_new();
    t.auth = auth_client_new(t.loop, -1, NULL, NULL);
    smarthost_start(&h);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", h.port);
    open_relay(&(struct relay_setup){.url = url,
                                     .tls = RELAY_ROUTE_TLS_VERIFY,
                                     .user = "u",
                                     .ca_pem = sv_of(authority.pem),
                                     .messages = &h.messages});
    submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
    run_until(1, 0);
    stop_relay();
    close_stopped_relay();
    auth_client_free(t.auth);
    t.auth = NULL;
    free_loop();
    smarthost_stop(&h);
    assert_string_equal(h.mechanism, "");
    assert_int_equal(atomic_load(&h.mails), 0);
}

/* A connection that is kept is logged in as its own generation says: mail of the next one goes by
 * another, with that one's password. */
static void reload_ends_kept_connections(void **state)
{
    static const struct {
        const char *name, *password; /* after the reload; NULL: there is none */
        unsigned connections, logins, delivered;
    } rows[] = {
        {"without a reload", NULL, 1, 1, 2},
        {"the same password", "secret", 2, 2, 2},
        {"another password", "wrong", 2, 1, 1},
    };
    static const char *const to[] = {"a@x.test"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smarthost h = {.cert = &trusted, .mechanisms = "PLAIN"};
        char url[64];
        t.loop = loop_new();
        start_keeper("secret");
        smarthost_start(&h);
        snprintf(url, sizeof url, "smtp://127.0.0.1:%u", h.port);
        open_relay(&(struct relay_setup){.url = url,
                                         .tls = RELAY_ROUTE_TLS_VERIFY,
                                         .user = "u",
                                         .ca_pem = sv_of(authority.pem),
                                         .messages = &h.messages});
        submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
        run_until(0, 1);
        if (rows[i].password) {
            struct relay_settings values = {.generation = 1,
                                            .hostname = t.settings->hostname,
                                            .postmaster = t.settings->postmaster,
                                            .relay = t.settings->relay,
                                            .queue = t.settings->queue,
                                            .dns_timeout_ms = t.settings->dns_timeout_ms,
                                            .tls = t.tls};
            struct relay_settings *next = relay_settings_new(&values);
            relay_set(t.relay, next);
            relay_settings_drop(next);
            commit_secret(1, rows[i].password);
        }
        submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
        run_until(2 - rows[i].delivered, rows[i].delivered);
        stop_relay();
        close_stopped_relay();
        stop_keeper();
        free_loop();
        smarthost_stop(&h);
        print_message("%s\n", rows[i].name);
        assert_int_equal(atomic_load(&h.connections), rows[i].connections);
        assert_int_equal(atomic_load(&h.logins), rows[i].logins);
    }
}

/* RFC 8689 4.2.1: the certificate is checked whatever the route says of others' mail, and the host
 * must promise the same. What fails comes back as a report, which goes by the same host. */
static void requiretls(void **state)
{
    (void)state;
    static const char *const to[] = {"a@x.test"};
    static const struct {
        const char *name;
        struct smarthost host;
        int tls;
        const char *status; /* NULL: delivered */
        unsigned in_clear;
    } rows[] = {
        {"verified and offered",
         {.cert = &trusted, .requiretls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         NULL,
         0},
        {"the same, where TLS is required",
         {.cert = &trusted, .requiretls = true},
         RELAY_ROUTE_TLS_REQUIRE,
         NULL,
         0},
        {"implicit TLS",
         {.cert = &trusted, .requiretls = true, .implicit_tls = true},
         RELAY_ROUTE_TLS_VERIFY,
         NULL,
         0},
        {"not offered", {.cert = &trusted}, RELAY_ROUTE_TLS_VERIFY, "status=5.7.30:", 0},
        {"an unknown authority",
         {.cert = &foreign, .requiretls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         "status=5.7.10:",
         0},
        {"another name",
         {.cert = &other_name, .requiretls = true},
         RELAY_ROUTE_TLS_REQUIRE,
         "status=5.7.10:",
         0},
        {"no TLS",
         {.cert = &trusted, .no_starttls = true},
         RELAY_ROUTE_TLS_OPPORTUNISTIC,
         "status=5.7.10:",
         1},
        {"a route without TLS",
         {.cert = &trusted, .requiretls = true},
         RELAY_ROUTE_TLS_NONE,
         "status=5.7.10:",
         1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smarthost h = rows[i].host;
        char url[64];
        t.loop = loop_new();
        smarthost_start(&h);
        snprintf(url, sizeof url, "%s://127.0.0.1:%u", h.implicit_tls ? "smtps" : "smtp", h.port);
        open_relay(&(struct relay_setup){.url = url,
                                         .tls = rows[i].tls,
                                         .ca_pem = sv_of(authority.pem),
                                         .messages = &h.messages});
        log_set_sink(on_line, NULL);
        failed[0] = '\0';
        mail_params = " REQUIRETLS";
        submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
        mail_params = "";
        run_until(0, 1); /* the message, or its report */
        log_set_sink(NULL, NULL);
        stop_relay();
        close_stopped_relay();
        free_loop();
        smarthost_stop(&h);
        print_message("%s\n", rows[i].name);
        if (rows[i].status ? !strstr(failed, rows[i].status) : failed[0])
            fail_msg("%s", failed);
        assert_int_equal(atomic_load(&h.messages_in_clear), rows[i].in_clear);
    }
}

/* TLS fails at the first host, which then takes no mail: that says nothing of the second. */
static void clear_text_is_for_one_host(void **state)
{
    static const char *const to[] = {"a@x.test"};
    struct smarthost broken = {.cert = &trusted, .breaks_tls = true, .to_mail = "451 4.3.0 later"};
    struct smarthost sound = {.cert = &trusted};
    char url[64], other_url[64];
    (void)state;
    t.loop = loop_new();
    smarthost_start(&broken);
    smarthost_start(&sound);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", broken.port);
    snprintf(other_url, sizeof other_url, "smtp://127.0.0.1:%u", sound.port);
    open_relay(&(struct relay_setup){.url = url,
                                     .other_url = other_url,
                                     .tls = RELAY_ROUTE_TLS_OPPORTUNISTIC,
                                     .ca_pem = sv_of(authority.pem),
                                     .messages = &sound.messages});
    submit("me@our.test", to, 1, "Subject: x\r\n\r\nbody\r\n");
    run_until(0, 1);
    stop_relay();
    close_stopped_relay();
    free_loop();
    smarthost_stop(&broken);
    smarthost_stop(&sound);
    assert_int_equal(atomic_load(&broken.connections), 2); /* with TLS, and in clear */
    assert_int_equal(atomic_load(&broken.mails), 1);
    assert_int_equal(atomic_load(&sound.messages_in_clear), 0);
}

static int make_certs(void **state)
{
    (void)state;
    authority = ec_cert(NULL, NULL);
    trusted = ec_cert("IP:127.0.0.1", &authority);
    other_name = ec_cert("IP:127.0.0.2,DNS:127.0.0.1.example", &authority);
    foreign = ec_cert("IP:127.0.0.1", NULL);
    return 0;
}

static int free_certs(void **state)
{
    (void)state;
    free_cert(&authority);
    free_cert(&trusted);
    free_cert(&other_name);
    free_cert(&foreign);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_of_a_route), cmocka_unit_test(login_of_a_route),
        cmocka_unit_test(no_keeper),      cmocka_unit_test(reload_ends_kept_connections),
        cmocka_unit_test(requiretls),     cmocka_unit_test(clear_text_is_for_one_host),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
