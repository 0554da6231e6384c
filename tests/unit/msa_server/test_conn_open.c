/*
 * Sessions without a login, in the simulated world: who may do what, and under which name it is
 * kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#define MESSAGE "From: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"
#define DATA    "RCPT TO:<a@example.org>\r\nBDAT 42 LAST\r\n" MESSAGE

static void start(const char *auth, const char *listen, const char *lines)
{
    world_auth = auth;
    world_listen = listen;
    world_start(lines);
}

static void stop(void)
{
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
    world_auth = "require_tls = false;";
    world_listen = "";
}

/* ---- auth.trusted_networks ---- */

#define TRUSTED "trusted_networks = [ \"10.0.0.0/28\", \"203.0.113.7\" ];"

static void trusted_clients_need_no_login(void **state)
{
    (void)state;
    start(TRUSTED, "auth = \"trusted\";", "");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<printer@example.net>\r\n" DATA);
    assert_false(client_heard(c, "AUTH")); /* auth.require_tls */
    client_expect(c, "250 2.0.0 Queued as ");
    assert_true(world_logged("client=10.0.0.1 login=@trusted: from=<printer@example.net>"));
    client_say(c, "MAIL FROM:<a@nowhere.example>\r\n");
    client_expect(c, "550 5.1.8 ");
    client_say(c, "MAIL FROM:<a@[192.0.2.9]>\r\n");
    client_expect(c, "250 2.1.0 ");
    client_say(c, "RSET\r\nMAIL FROM:<a@[0.0.0.0]>\r\n");
    client_expect(c, "550 5.1.8 No mail can go back to this address literal");
    client_say(c, "MAIL FROM:<a@[x400:c=us]>\r\n");
    client_expect(c, "550 5.1.8 No mail can go back to this address literal");
    client_free(c);
    stop();
}

static void others_need_one_as_ever(void **state)
{
    (void)state;
    start("require_tls = false; " TRUSTED, "auth = \"trusted\";", "");
    struct sim_client *c = client_from(16, LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
    client_expect(c, "530 5.7.0 Authentication required");
    client_say(c, CLEAR_AUTH "MAIL FROM:<u@example.net>\r\n" DATA);
    client_expect(c, "250 2.0.0 Queued as ");
    assert_true(world_logged("client=10.0.0.16 login=u@example.net: from="));
    client_free(c);
    stop();
}

static void other_listeners_trust_nobody(void **state)
{
    (void)state;
    start("require_tls = false; " TRUSTED, "", "");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
    client_expect(c, "530 5.7.0 Authentication required");
    client_free(c);
    stop();
}

/* Who logs in although it is not needed comes under the login's rules. */
static void a_login_counts_where_none_is_needed(void **state)
{
    (void)state;
    start("require_tls = false; " TRUSTED, "auth = \"trusted\";", "");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH "MAIL FROM:<printer@example.net>\r\n");
    client_expect(c, "550 5.7.1 ");
    client_say(c, "MAIL FROM:<u@example.net>\r\n" DATA);
    client_expect(c, "250 2.0.0 Queued as ");
    assert_true(world_logged("login=u@example.net: from=<u@example.net>"));
    assert_false(world_logged("@trusted"));
    client_free(c);
    stop();
}

/* Behind a proxy the address that it tells is trusted or not, never the proxy's own. */
static void the_told_address_is_trusted(void **state)
{
    static const struct {
        const char *header, *reply;
    } rows[] = {
        {"PROXY TCP4 203.0.113.7 192.0.2.1 50000 25\r\n", "250 2.1.0 "},
        {"PROXY TCP4 203.0.113.8 192.0.2.1 50000 25\r\n", "530 5.7.0 "},
        {"PROXY UNKNOWN\r\n", "530 5.7.0 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(TRUSTED, "auth = \"trusted\"; proxy_from = \"10.0.0.1\";", "");
        struct sim_client *c = client_new(LISTEN_PLAIN);
        client_say(c, rows[i].header);
        client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
        client_expect(c, rows[i].reply);
        client_free(c);
        stop();
    }
}

/* ---- auth.open_postmaster ---- */

#define HELP  "MAIL FROM:<traveller@else.example>\r\n"
#define OTHER "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n"

/* Each name that the postmaster has, and nobody else. */
static void anybody_reaches_the_postmaster(void **state)
{
    static const struct {
        const char *rcpt;
        bool good;
    } rows[] = {
        {"<Postmaster>", true},
        {"<postmaster@example.net>", true},
        {"<PostMaster@EXAMPLE.NET>", true},
        {"<postmaster@sub.example.net>", true},
        {"<boss@example.com>", true}, /* the one configured */
        {"<postmaster@example.com>", false},
        {"<u@example.net>", false},
        {"<postmaster2@example.net>", false},
        {"<postmaster@notexample.net>", false},
        {"<postmaster@[192.0.2.7]>", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[200];
        start("require_tls = false; open_postmaster = true;", "",
              "postmaster = \"boss@example.com\";");
        sim_dns_add("else.example", DNS_A, "192.0.2.9");
        struct sim_client *c = client_new(LISTEN_PLAIN);
        snprintf(line, sizeof line, "EHLO c.example\r\n" HELP "RCPT TO:%s\r\n", rows[i].rcpt);
        client_say(c, line);
        assert_true(client_heard(c, "250 2.1.0 "));
        client_expect(c, rows[i].good ? "250 2.1.5 " : "530 5.7.0 Authentication required");
        client_say(c, "BDAT 42 LAST\r\n" MESSAGE HELP);
        assert_int_equal(client_heard(c, "250 2.0.0 Queued as "), rows[i].good);
        if (rows[i].good) {
            client_expect(c, "530 5.7.0 Authentication required"); /* one message a session */
            assert_true(world_logged("login=@postmaster: from=<traveller@else.example>"));
        }
        client_free(c);
        stop();
    }
}

/* Mail must be able to go back, a login comes under its own rules, and all of it is off by default.
 */
static void what_is_open_is_narrow(void **state)
{
    (void)state;
    start("require_tls = false; open_postmaster = true;", "", "");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<a@nowhere.example>\r\n");
    client_expect(c, "550 5.1.8 ");
    client_say(c, CLEAR_AUTH "MAIL FROM:<v@example.net>\r\n");
    client_expect(c, "550 5.7.1 ");
    client_say(c, OTHER "BDAT 42 LAST\r\n" MESSAGE);
    client_expect(c, "250 2.0.0 Queued as ");
    assert_true(world_logged("login=u@example.net: from=<u@example.net>"));
    client_free(c);
    stop();

    start("require_tls = false;", "", "");
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
    client_expect(c, "530 5.7.0 ");
    client_free(c);
    stop();
}

/* On a listener that trusts, an untrusted client is as without open_postmaster, and a trusted one
 * not bound to the postmaster. */
static void a_trusting_listener_is_not_open(void **state)
{
    (void)state;
    start("require_tls = false; open_postmaster = true; " TRUSTED, "auth = \"trusted\";", "");
    struct sim_client *c = client_from(16, LISTEN_PLAIN), *d = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
    client_expect(c, "530 5.7.0 ");
    client_say(d, "EHLO d.example\r\n" OTHER);
    client_expect(d, "250 2.1.5 ");
    client_free(c);
    client_free(d);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusted_clients_need_no_login),
        cmocka_unit_test(others_need_one_as_ever),
        cmocka_unit_test(other_listeners_trust_nobody),
        cmocka_unit_test(a_login_counts_where_none_is_needed),
        cmocka_unit_test(the_told_address_is_trusted),
        cmocka_unit_test(anybody_reaches_the_postmaster),
        cmocka_unit_test(what_is_open_is_narrow),
        cmocka_unit_test(a_trusting_listener_is_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
