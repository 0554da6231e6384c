/*
 * Permissions in sessions of the simulated world: which reply, at which point, what the log says,
 * and that a session keeps the rights it began with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#define FROM    "From: u@example.net\r\n"
#define MAIL    "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n"
#define TRUSTED "trusted_networks = [ \"10.0.0.0/28\" ];"

static void stop(void)
{
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
    world_auth = "require_tls = false;";
    world_listen = "";
}

/* One message whole, from MAIL on. */
static void submit(struct sim_client *c, const char *header)
{
    client_say(c, MAIL "DATA\r\n");
    client_expect(c, "354 ");
    client_put(c, sv_of(header));
    client_say(c, "To: a@example.org\r\n\r\nhello\r\n.\r\n");
}

static void own_address_by_default(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<ceo@example.net>\r\n");
    client_expect(c, "550 5.7.1 <ceo@example.net> is not an address that u@example.net may send "
                     "as; allowed: u@example.net (permissions) [");
    assert_true(world_logged("<ceo@example.net> is not an address that"));
    submit(c, FROM);
    client_expect(c, "250 2.0.0 Queued as ");
    submit(c, "From: <ceo@example.net>\r\n");
    client_expect(c, "550 5.7.1 <ceo@example.net> in From is not an address that u@example.net "
                     "may send as; allowed: u@example.net (permissions) [");
    assert_true(world_logged("from=<u@example.net> 550 5.7.1 <ceo@example.net> in From is not"));
    submit(c, FROM "Sender: <ceo@example.net>\r\n");
    client_expect(c, "550 5.7.1 <ceo@example.net> in Sender ");
    submit(c, FROM FROM);
    client_expect(c, "554 5.6.0 Header field From stands there twice");
    submit(c, "From: G: u@example.net;\r\n");
    client_expect(c, "554 5.6.0 Header field From holds a group, which cannot be an author "
                     "(permissions) [");
    client_say(c, "MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
    client_say(c, "From: <ceo@example.net>\r\n\r\nx\r\n.\r\n");
    client_expect(c, "550 5.7.1 <ceo@example.net> in From ");
    submit(c, FROM);
    client_expect(c, "250 2.0.0 Queued as ");
    assert_int_equal(world_stats().accepted_messages, 2);
    client_free(c);
    stop();
}

/* By the octet, and over BDAT: the refusal comes once, and the session goes on. */
static void refused_in_pieces(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    static const char message[] = "From: <ceo@example.net>\r\n\r\nhello\r\n.\r\n";
    client_say(c, MAIL "DATA\r\n");
    client_expect(c, "354 ");
    for (size_t i = 0; i + 1 < sizeof message; i++) {
        client_put(c, (struct sv){message + i, 1});
        sim_run_for(10);
    }
    sim_run_for(1000);
    client_expect(c, "550 5.7.1 <ceo@example.net> in From ");
    client_say(c, MAIL "BDAT 30\r\nFrom: <ceo@example.net>\r\n\r\nabcBDAT 1 LAST\r\nx");
    client_expect(c, "550 5.7.1 <ceo@example.net> in From ");
    client_say(c, "RSET\r\n");
    client_expect(c, "250 ");
    client_say(c, MAIL "BDAT 23 LAST\r\n" FROM "\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    stop();
}

static void recipients(void **state)
{
    (void)state;
    world_start("permissions = { login = \"u\"; may_send_to = [ \"@example.net\" ]; };");
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n");
    client_expect(c, "550 5.7.1 <a@example.org> is not an address that u@example.net may send to; "
                     "allowed: @example.net (permissions)");
    client_say(c, "RCPT TO:<Postmaster>\r\n");
    client_expect(c, "250 ");
    client_say(c, "RCPT TO:<b@example.net>\r\n");
    client_expect(c, "250 ");
    client_say(c, "DATA\r\n" FROM "\r\nx\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    stop();
}

static void on_behalf(void **state)
{
    (void)state;
    world_start("permissions = { login = \"u\"; may_send_on_behalf_of = \"boss@example.net\"; };");
    struct sim_client *c = client_ready();
    submit(c, "From: <boss@example.net>\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_say(c, "MAIL FROM:<boss@example.net>\r\n");
    client_expect(c, "550 5.7.1 <boss@example.net> is not");
    world_reload(2,
                 "permissions = { login = \"u\"; may_send_on_behalf_of = \"boss@example.net\"; };"
                 "rewrite = { add_sender = \"never\"; };");
    client_free(c);
    sim_run_for(1000);
    c = client_ready();
    submit(c, "From: <boss@example.net>\r\n");
    client_expect(c, "550 5.7.1 From is sent on behalf of another and needs a Sender field "
                     "(rewrite.add_sender)");
    client_free(c);
    stop();
}

static void gateways(void **state)
{
    (void)state;
    world_start("permissions = { login = \"u\"; class = \"gateway\"; may_send_as = [ \"%u\", "
                "\"@lists.example.net\" ]; };");
    struct sim_client *c = client_ready();
    submit(c, "From: words, a@@b\r\nFrom : <ceo@example.org>\r\nSender: G:;\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_say(c, "MAIL FROM:<x@lists.example.net>\r\nRSET\r\n");
    client_expect(c, "250 2.1.0 ");
    client_say(c, "MAIL FROM:<x@example.org>\r\n");
    client_expect(c, "550 5.7.1 <x@example.org> is not");
    client_free(c);
    stop();
}

static void trusted(void **state)
{
    (void)state;
    static const char content[] = "DATA\r\nFrom: <x@example.net>\r\n\r\nx\r\n.\r\n";
    world_auth = "require_tls = false; " TRUSTED;
    world_listen = "auth = \"trusted\";";
    world_start("");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c,
               "EHLO c.example\r\nMAIL FROM:<printer@example.net>\r\nRCPT TO:<a@example.org>\r\n");
    client_say(c, content);
    client_expect(c, "250 2.0.0 Queued as "); /* as anybody */
    client_free(c);
    world_reload(2, "permissions = { login = \"@trusted\"; may_send_as = \"printer@example.net\"; "
                    "may_send_to = \"@example.net\"; };");
    sim_run_for(1000);
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<x@example.net>\r\n");
    client_expect(c, "550 5.7.1 <x@example.net> is not an address that a client without a login "
                     "may send as; allowed: printer@example.net");
    client_say(c, "MAIL FROM:<printer@example.net>\r\nRCPT TO:<a@example.org>\r\n");
    client_expect(c, "550 5.7.1 <a@example.org> is not an address that a client without a login "
                     "may send to; allowed: @example.net");
    client_say(c, "RCPT TO:<a@example.net>\r\n");
    client_say(c, content);
    client_expect(c, "550 5.7.1 <x@example.net> in From is not an address that a client without a "
                     "login may send as; allowed: printer@example.net");
    /* who logs in all the same has the login's rights */
    client_say(c, CLEAR_AUTH MAIL "DATA\r\n" FROM "\r\nx\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    stop();
}

/* A session ends under the rights it began with. */
static void reloads(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *old = client_ready();
    world_reload(2, "permissions = { login = \"*\"; may_send_as = \"ceo@example.net\"; };");
    sim_run_for(1000);
    struct sim_client *fresh = client_ready();
    for (int i = 0; i < 2; i++) {
        struct sim_client *c = i ? old : fresh;
        client_say(c, "MAIL FROM:<ceo@example.net>\r\nRSET\r\n");
        client_expect(c, i ? "550 5.7.1 " : "250 2.1.0 ");
        client_say(c, "MAIL FROM:<u@example.net>\r\nRSET\r\n");
        client_expect(c, i ? "250 2.1.0 " : "550 5.7.1 ");
        client_free(c);
    }
    stop();
}

/* A name that is completed is judged as what it becomes. */
static void completed(void **state)
{
    (void)state;
    world_start(
        "rewrite = { complete_domains = true; }; permissions = { login = \"u\"; may_send_as "
        "= [ \"%u\", \"u@desk.example.net\" ]; };"
        "relay = { routes = ( { domain = \"desk.example.net\"; to = \"smtp://192.0.2.9\"; "
        "}, { domain = \"sales.example.net\"; to = \"smtp://192.0.2.9\"; } ); };");
    struct sim_client *c = client_ready();
    submit(c, "From: <u@desk>\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    submit(c, "From: <u@sales>\r\n");
    client_expect(c, "550 5.7.1 <u@sales.example.net> in From is not an address");
    submit(c, "From: <u@desk>\r\nSender: <u@sales>\r\n");
    client_expect(c, "550 5.7.1 <u@sales.example.net> in Sender is not an address");
    client_say(c, "MAIL FROM:<u@sales>\r\n");
    client_expect(c, "550 5.7.1 <u@sales.example.net> is not an address");
    client_free(c);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_address_by_default),
        cmocka_unit_test(refused_in_pieces),
        cmocka_unit_test(recipients),
        cmocka_unit_test(on_behalf),
        cmocka_unit_test(gateways),
        cmocka_unit_test(trusted),
        cmocka_unit_test(reloads),
        cmocka_unit_test(completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
