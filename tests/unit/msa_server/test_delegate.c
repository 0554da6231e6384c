/* The policy service before a whole server: what it is asked, each answer, and a service that is
 * gone, late or lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/delegate.h"
#include "tests/unit/msa_server/sim_milter.h"
#include "tests/unit/msa_server/sim_world.h"

#include <stdio.h>

#define SERVICE(more)                                                                             \
    ROUTE "policy = { service = \"inet:127.0.0.1:10023\"; service_timeout = \"10s\"; " more " };" \
          "\n"
#define MAIL     "MAIL FROM:<u@example.net> SIZE=100\r\n"
#define ENVELOPE MAIL "RCPT TO:<a@example.org>\r\n"
#define MESSAGE  "From: u@example.net\r\n\r\nbody\r\n"

static struct sim_peer *service, *sink;

static void start(const char *lines)
{
    world_start(lines);
    service = peer_new(SERVICE_PORT, on_service_accept);
    sink = peer_new(SINK_PORT, on_sink_accept);
    service->action = "action=DUNNO\n\n";
}

static void stop(struct sim_client *c)
{
    if (c)
        client_free(c);
    sim_run_for(1000);
    world_assert_idle();
    peer_close(service);
    peer_close(sink);
    world_stop(1000);
    peer_free(service);
    peer_free(sink);
}

static void settle(void)
{
    sim_run_for(5000);
}

static size_t asked(const char *words)
{
    struct sv told = buf_view(&service->told);
    size_t n = 0;
    for (const char *at; told.len && (at = memmem(told.ptr, told.len, words, strlen(words))); n++)
        told = sv_skip(told, (size_t)(at - told.ptr) + 1);
    return n;
}

static void test_questions(void **state)
{
    (void)state;
    start(SERVICE("service_stages = [ \"MAIL\", \"RCPT\", \"DATA\", \"END-OF-MESSAGE\" ];"));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "RCPT TO:<b@example.org>\r\nDATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked("request=smtpd_access_policy\n"), 5);
    peer_expect(service, "protocol_state=MAIL\nprotocol_name=ESMTP\nhelo_name=client.example\n"
                         "queue_id=\nsender=u@example.net\nrecipient=\nclient_address=10.0.0.1\n");
    peer_expect(service, "sasl_method=PLAIN\nsasl_username=u@example.net\n");
    peer_expect(service, "protocol_state=RCPT\n");
    peer_expect(service, "recipient=a@example.org\n");
    peer_expect(service, "recipient=b@example.org\n");
    peer_expect(service, "recipient_count=0\nsize=100\n");
    peer_expect(service, "protocol_state=DATA\n");
    peer_expect(service, "recipient_count=2\nsize=100\n");
    peer_expect(service, "protocol_state=END-OF-MESSAGE\n");
    assert_int_equal(asked("queue_id=\n"), 3); /* known from DATA on */
    assert_int_equal(service->connections, 1); /* used again */
    /* one instance for a transaction, another for the next */
    assert_int_equal(asked(".1\nsasl_method="), 5);
    client_say(c, MAIL);
    assert_int_equal(asked(".2\nsasl_method="), 1);
    stop(c);
}

static void test_default_stage(void **state)
{
    (void)state;
    start(SERVICE(""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked("request="), 1);
    assert_int_equal(asked("protocol_state=RCPT\n"), 1);
    /* idle for a minute, the connection is closed and another is made */
    sim_run_for(DELEGATE_IDLE_MS + 1000);
    client_say(c, ENVELOPE);
    assert_int_equal(service->connections, 2);
    stop(c);
}

static const struct {
    const char *action, *heard; /* at RCPT */
    bool queued, delivered;
} answers[] = {
    {"action=OK\n\n", "250 2.1.5", true, true},
    {"action=DEFER_IF_REJECT x\n\n", "250 2.1.5", true, true},
    {"action=WARN look\n\n", "250 2.1.5", true, true},
    {"action=REJECT\n\n", "550 5.7.0 The policy of this site refuses it (policy.service)", false,
     false},
    {"action=REJECT 5.7.23 SPF\n\n", "550 5.7.23 SPF", false, false},
    {"action=REJECT You, no\n\n", "550 5.7.0 You, no", false, false},
    {"action=DEFER\n\n", "451 4.7.1 ", false, false},
    {"action=DEFER_IF_PERMIT Greylisted\n\n", "451 4.7.1 Greylisted", false, false},
    {"action=450 4.2.0 in 300 s\n\n", "450 4.2.0 in 300 s", false, false},
    {"action=552 5.2.2 quota\n\n", "552 5.2.2 quota", false, false},
    {"action=421 4.3.0 away\n\n", "451 4.3.0 away", false, false},
    {"action=HOLD look at it\n\n", "250 2.1.5", true, false},
    {"action=DISCARD\n\n", "250 2.1.5", false, false},
    {"action=FILTER x\n\n", "451 4.7.1 It cannot be checked", false, false},
    {"action=PREPEND no field\n\n", "451 4.7.1 It cannot be checked", false, false},
    {"nothing\n\n", "451 4.7.1 It cannot be checked", false, false},
    {"action=OK\n\naction=OK\n\n", "451 4.7.1 It cannot be checked", false, false},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        start(SERVICE(""));
        service->action = answers[i].action;
        struct sim_client *c = client_ready();
        client_say(c, ENVELOPE);
        settle();
        client_expect(c, answers[i].heard);
        client_say(c, "DATA\r\n");
        if (client_heard(c, "354 "))
            client_say(c, MESSAGE ".\r\n");
        sim_run_for(30000);
        assert_int_equal(world_stats().accepted_messages, answers[i].queued);
        assert_int_equal(peer_was_told(sink, "DATA"), answers[i].delivered);
        stop(c);
    }
}

static void test_prepend(void **state)
{
    (void)state;
    start(SERVICE(""));
    service->action = "action=PREPEND Received-SPF: pass (x)\n\n";
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "RCPT TO:<b@example.org>\r\nDATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(sink, "\r\nReceived-SPF: pass (x)\r\nMessage-ID: ");
    /* a field that would break out of the header is told nobody */
    service->action = "action=PREPEND X Y: z\n\n";
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_false(peer_was_told(sink, "X Y"));
    assert_true(world_logged("malformed, and was left out"));
    stop(c);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *on_error, *heard;
    } ways[] = {{"", "451 4.7.1 It cannot be checked now"},
                {"service_on_error = \"reject\";", "550 5.7.0 It cannot be checked as"},
                {"service_on_error = \"accept\";", "250 2.1.5"}};
    for (size_t i = 0; i < 3; i++)
        for (int kind = 0; kind < 3; kind++) {
            char lines[600];
            snprintf(lines, sizeof lines,
                     ROUTE "policy = { service = \"inet:127.0.0.1:10023\"; service_timeout = "
                           "\"10s\"; %s };\n",
                     ways[i].on_error);
            start(lines);
            if (kind == 0)
                peer_close(service);
            else if (kind == 1)
                service->deaf = true;
            else
                service->action = "action";
            struct sim_client *c = client_ready();
            client_say(c, ENVELOPE);
            sim_run_for(15000);
            client_expect(c, ways[i].heard);
            assert_true(world_logged("policy-service-failed"));
            stop(c);
        }
}

/* A daemon that ends a connection after so many answers, as Postfix' spawn does: asked once more.
 */
static void test_dies_between(void **state)
{
    (void)state;
    start(SERVICE(""));
    service->dies_after = 2;
    struct sim_client *c = client_ready();
    client_say(c, MAIL);
    for (int i = 0; i < 7; i++) {
        client_say(c, "RCPT TO:<a@example.org>\r\n");
        client_expect(c, "250 2.1.5");
    }
    assert_int_equal(service->connections, 4);
    assert_false(world_logged("policy-service-failed"));
    stop(c);
}

/* More questions at once than connections: the others wait, and a session that leaves takes its
 * question along. */
static void test_many(void **state)
{
    (void)state;
    struct sim_client *clients[DELEGATE_CONNECTIONS + 10];
    size_t count = sizeof clients / sizeof *clients;
    start(SERVICE(""));
    service->deaf = true;
    for (size_t i = 0; i < count; i++)
        clients[i] = client_from((unsigned)i + 1, LISTEN_PLAIN);
    for (size_t i = 0; i < count; i++) {
        client_put(clients[i], SV("EHLO client.example\r\n" CLEAR_AUTH ENVELOPE));
        if (i == DELEGATE_CONNECTIONS - 1)
            sim_run_for(1000); /* these have the connections */
    }
    sim_run_for(1000);
    assert_int_equal(service->connections, DELEGATE_CONNECTIONS);
    service->deaf = false;
    for (size_t i = 0; i < 5; i++) {
        stream_reset(clients[i]->stream);
        client_free(clients[i]);
    }
    sim_run_for(1000);
    size_t passed = 0;
    for (size_t i = DELEGATE_CONNECTIONS; i < count; i++)
        passed += client_heard(clients[i], "250 2.1.5");
    assert_int_equal(passed, 10); /* one after the other on what has become free */
    sim_run_for(20000);
    for (size_t i = 5; i < count; i++) {
        assert_int_equal(client_heard(clients[i], "451 4.7.1"), i < DELEGATE_CONNECTIONS);
        client_free(clients[i]);
    }
    stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions), cmocka_unit_test(test_default_stage),
        cmocka_unit_test(test_answers),   cmocka_unit_test(test_prepend),
        cmocka_unit_test(test_failures),  cmocka_unit_test(test_dies_between),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
