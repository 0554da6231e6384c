/*
 * Requests to a whole server in the simulated world: what is listed, page by page, and changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_admin/admin_world.h"
#include "tests/unit/msa_server/sim_world.h"

#define MESSAGES   13
#define RECIPIENTS 90 /* each */
#define PAGE       500

/* One message to RECIPIENTS at three domains whose names cannot be resolved for now. */
static void submit(struct sim_client *c, unsigned message)
{
    struct buf b;
    buf_init(&b, 65536, 0);
    int err = buf_printf(&b, "MAIL FROM:<u@example.net>\r\n");
    for (unsigned i = 0; i < RECIPIENTS && err == 0; i++)
        err = buf_printf(&b, "RCPT TO:<r%u.%u@d%u.test>\r\n", message, i, i % 3);
    assert_int_equal(err, 0);
    client_put(c, buf_view(&b));
    client_say(c, "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "Subject: x\r\nMessage-ID: <m@client.example>\r\n\r\nx\r\n.\r\n");
    client_expect(c, "250 2.0.0");
    buf_deinit(&b);
}

static int setup(void **state)
{
    (void)state;
    world_start("");
    given = (struct answer){.admin = admin_new(world.server, &ops, &given)};
    for (int i = 0; i < 3; i++) {
        char domain[] = {'d', (char)('0' + i), '.', 't', 'e', 's', 't', '\0'};
        sim_dns_fail(domain, DNS_MX, DNS_TEMPFAIL);
    }
    struct sim_client *c = client_ready();
    for (unsigned i = 0; i < MESSAGES; i++)
        submit(c, i);
    client_free(c);
    sim_run_for(5000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(given.lines);
    given.lines = NULL;
    world_stop(1000);
    admin_free(given.admin);
    return 0;
}

/* Every recipient once, whatever the number of pages. */
static void listing(void **state)
{
    static bool seen[MESSAGES][RECIPIENTS];
    (void)state;
    memset(seen, 0, sizeof seen);
    ask("{\"command\":\"queue-list\"}");
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS);
    for (size_t i = 0; i < MESSAGES * RECIPIENTS; i++) {
        unsigned message, recipient;
        assert_int_equal(sscanf(text(i, "to"), "r%u.%u@d", &message, &recipient), 2);
        assert_false(seen[message][recipient]);
        seen[message][recipient] = true;
        assert_string_equal(text(i, "login"), "u@example.net");
        assert_int_equal(number(i, "attempts"), 1);
        assert_null(text(i, "waits_for")); /* it is not due */
    }
    ask("{\"command\":\"queue-list\",\"domain\":\"d1.test\"}");
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS / 3);
    for (size_t i = 0; i < MESSAGES * RECIPIENTS / 3; i++)
        assert_string_equal(text(i, "domain"), "d1.test");
    ask("{\"command\":\"queue-summary\"}");
    assert_int_equal(json_array_size(given.lines), 3);
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
}

/* Given up between pages: nothing more is said of it, and others are answered. */
static void given_up(void **state)
{
    (void)state;
    json_decref(given.lines);
    given = (struct answer){.admin = given.admin, .lines = json_array()};
    admin_more(given.admin, 7, true); /* no such request */
    admin_request(given.admin, 7, SV("{\"command\":\"queue-list\"}"));
    admin_more(given.admin, 7, true); /* not at the end of a page */
    assert_true(sim_run_while_not(ended_or_paused, &given, 60000));
    assert_int_equal(json_array_size(given.lines), PAGE);
    admin_more(given.admin, 7, false);
    admin_more(given.admin, 7, true);
    sim_run_for(5000);
    assert_int_equal(json_array_size(given.lines), PAGE);
    assert_false(given.ended);
    /* and one that still waits when the server stops goes with it (teardown) */
    given.pauses = 0;
    admin_request(given.admin, 7, SV("{\"command\":\"queue-list\"}"));
    assert_true(sim_run_while_not(ended_or_paused, &given, 60000));
    assert_int_equal(given.pauses, 1);
}

/* The server has stopped when the next page is asked for. */
static void stopped_between_pages(void **state)
{
    (void)state;
    json_decref(given.lines);
    given = (struct answer){.admin = given.admin, .lines = json_array()};
    admin_request(given.admin, 7, SV("{\"command\":\"queue-list\"}"));
    assert_true(sim_run_while_not(ended_or_paused, &given, 60000));
    server_stop(world.server, 1000);
    assert_true(sim_run_while_not(flag, &world.stopped, 120000));
    admin_more(given.admin, 7, true);
    assert_true(given.ended);
    assert_int_equal(given.code, 3);
    assert_string_equal(given.error, "the server is stopping");
}

static void changes(void **state)
{
    char request[128], id[32];
    (void)state;
    ask("{\"command\":\"queue-list\"}");
    snprintf(id, sizeof id, "%s", text(0, "id"));
    snprintf(request, sizeof request, "{\"command\":\"queue-show\",\"id\":\"%s\"}", id);
    ask(request);
    assert_int_equal(json_array_size(given.lines), RECIPIENTS);
    ask("{\"command\":\"queue-hold\",\"domain\":\"d2.test\",\"dry_run\":true,\"count\":true}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    assert_int_equal(json_array_size(given.lines), 1);
    ask("{\"command\":\"queue-hold\",\"dry_run\":true,\"from\":\"u@\"}"); /* with the rows */
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS + 1);
    assert_string_equal(text(0, "state"), "deferred");
    assert_int_equal(number(MESSAGES * RECIPIENTS, "recipients"), MESSAGES * RECIPIENTS);
    ask("{\"command\":\"queue-redirect\",\"dry_run\":true,\"from\":\"u@\",\"target\":\"a@d1."
        "test\"}");
    assert_int_equal(number(MESSAGES * RECIPIENTS, "recipients"), MESSAGES * RECIPIENTS);
    ask("{\"command\":\"queue-release\",\"dry_run\":true,\"from\":\"u@\"}");
    assert_int_equal(given.code, 1);
    assert_int_equal(number(0, "recipients"), 0);
    ask("{\"command\":\"queue-release\",\"domain\":\"d2.test\"}");
    assert_int_equal(given.code, 1); /* the dry run held nothing */
    ask("{\"command\":\"queue-hold\",\"domain\":\"d2.test\"}");
    assert_int_equal(given.code, 0);
    ask("{\"command\":\"queue-release\",\"domain\":\"d2.test\"}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    snprintf(request, sizeof request, "{\"command\":\"queue-delete\",\"id\":\"%s\"}", id);
    ask(request);
    assert_int_equal(number(0, "recipients"), RECIPIENTS);
    snprintf(request, sizeof request, "{\"command\":\"queue-show\",\"id\":\"%s\"}", id);
    ask(request);
    assert_int_equal(given.code, 1);
    ask("{\"command\":\"queue-list\"}");
    assert_int_equal(json_array_size(given.lines), (MESSAGES - 1) * RECIPIENTS);
}

static void bounces_and_redirects(void **state)
{
    (void)state;
    sim_dns_fail("example.net", DNS_MX, DNS_TEMPFAIL);
    ask("{\"command\":\"queue-bounce\"}");
    assert_int_equal(given.code, 2);
    ask("{\"command\":\"queue-bounce\",\"domain\":\"d1.test\",\"dry_run\":true,\"count\":true}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    ask("{\"command\":\"queue-bounce\",\"domain\":\"d1.test\"}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    sim_run_for(60000);
    ask("{\"command\":\"queue-list\",\"domain\":\"d1.test\"}");
    assert_int_equal(json_array_size(given.lines), 0);
    ask("{\"command\":\"queue-list\",\"domain\":\"example.net\"}");
    assert_true(json_array_size(given.lines) >= MESSAGES); /* the reports */
    assert_string_equal(text(0, "from"), "");
    assert_string_equal(text(0, "to"), "u@example.net");
    ask("{\"command\":\"trace\",\"to\":\"r0.1@d1.test\"}");
    bool told = false;
    for (size_t i = 0; i < json_array_size(given.lines); i++)
        told = told || (strcmp(text(i, "event"), "failed") == 0 &&
                        strstr(text(i, "text"), "operator") && !strcmp(text(i, "status"), "5.7.1"));
    assert_true(told);

    static const char *const wrong[] = {"", ",\"target\":\"nobody\"", ",\"target\":\"a@b c\"",
                                        ",\"target\":\"ftp://x\"", ",\"target\":\"\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char request[128];
        snprintf(request, sizeof request,
                 "{\"command\":\"queue-redirect\",\"domain\":\"d2.test\"%s}", wrong[i]);
        ask(request);
        assert_int_equal(given.code, 2);
    }
    ask("{\"command\":\"queue-redirect\",\"domain\":\"d2.test\",\"target\":\"A@D0.test\"}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    ask("{\"command\":\"queue-list\",\"domain\":\"d0.test\"}");
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS / 3 * 2);
    ask("{\"command\":\"queue-list\",\"to\":\"A@D0.test\"}");
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS / 3);
}

static size_t paused_names(void)
{
    ask("{\"command\":\"status\"}");
    return json_array_size(json_object_get(json_array_get(given.lines, 0), "paused"));
}

static void pauses(void **state)
{
    (void)state;
    assert_int_equal(paused_names(), 0);
    ask("{\"command\":\"pause\",\"what\":\"submission\"}");
    assert_int_equal(given.code, 0);
    assert_string_equal(text(0, "what"), "submission");
    ask("{\"command\":\"pause\",\"what\":\"submission\"}");
    assert_int_equal(given.code, 1);
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\n");
    client_expect(c, "450 4.3.2 ");
    ask("{\"command\":\"resume\",\"what\":\"submission\"}");
    assert_int_equal(given.code, 0);
    client_say(c, "MAIL FROM:<u@example.net>\r\n");
    client_expect(c, "250 ");
    client_free(c);

    ask("{\"command\":\"pause\",\"what\":\"relay\"}");
    ask("{\"command\":\"pause\",\"what\":\"relay\",\"site\":\"*.mx.test\"}");
    assert_string_equal(text(0, "what"), "site *.mx.test");
    assert_int_equal(paused_names(), 2);
    ask("{\"command\":\"queue-retry\"}");
    sim_run_for(5000);
    ask("{\"command\":\"queue-list\"}");
    for (size_t i = 0; i < MESSAGES * RECIPIENTS; i++) {
        assert_int_equal(number(i, "attempts"), 1);
        assert_string_equal(text(i, "state"), "deferred");
        assert_string_equal(text(i, "waits_for"), "pause");
    }
    ask("{\"command\":\"resume\",\"what\":\"relay\"}");
    sim_run_for(5000);
    ask("{\"command\":\"queue-list\"}");
    for (size_t i = 0; i < MESSAGES * RECIPIENTS; i++)
        assert_int_equal(number(i, "attempts"), 2);
    assert_int_equal(paused_names(), 1);
    ask("{\"command\":\"resume\",\"what\":\"relay\",\"site\":\"mx.test\"}");
    assert_int_equal(given.code, 1);
    ask("{\"command\":\"pause\",\"what\":\"submission\",\"site\":\"mx.test\"}");
    assert_int_equal(given.code, 2);
    ask("{\"command\":\"pause\",\"what\":\"all\"}");
    assert_int_equal(given.code, 2);
    ask("{\"command\":\"site-list\"}");
    assert_int_equal(given.code, 0);
}

/* What the operator returns goes back at once; the reports wait as all mail does. */
static void bounces_while_paused(void **state)
{
    (void)state;
    ask("{\"command\":\"pause\",\"what\":\"relay\"}");
    assert_non_null(strstr(text(0, "note"), "reports"));
    ask("{\"command\":\"status\"}");
    assert_non_null(strstr(text(0, "paused_note"), "reports"));
    ask("{\"command\":\"queue-hold\",\"domain\":\"d0.test\"}");
    ask("{\"command\":\"queue-list\",\"domain\":\"d0.test\"}");
    assert_string_equal(text(0, "state"), "held");
    ask("{\"command\":\"queue-bounce\",\"domain\":\"d0.test\"}");
    assert_int_equal(number(0, "recipients"), MESSAGES * RECIPIENTS / 3);
    sim_run_for(10000);
    ask("{\"command\":\"queue-list\",\"domain\":\"d0.test\"}");
    assert_int_equal(json_array_size(given.lines), 0);
    ask("{\"command\":\"queue-list\",\"domain\":\"example.net\"}");
    assert_int_equal(json_array_size(given.lines), MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_int_equal(number(i, "attempts"), 0);
    ask("{\"command\":\"resume\",\"what\":\"relay\"}");
    assert_string_equal(text(0, "note"), "");
    ask("{\"command\":\"status\"}");
    assert_string_equal(text(0, "paused_note"), "");
}

/* By what DNS says now, though nothing was delivered; where it says nothing, that is told. */
static void by_site(void **state)
{
    static const char *const same[] = {"mx.one.test", "*.one.test", "mx.one.test,mx.three.test"};
    (void)state;
    ask("{\"command\":\"pause\",\"what\":\"relay\"}");
    sim_dns_remove("d1.test");
    sim_dns_remove("d2.test");
    sim_dns_add("d1.test", DNS_MX, "10 mx.one.test");
    sim_dns_add("d1.test", DNS_MX, "20 mx.three.test");
    sim_dns_add("d2.test", DNS_MX, "10 mx.two.test");
    sim_dns_add("mx.one.test", DNS_A, "10.9.0.1");
    sim_dns_add("mx.two.test", DNS_A, "10.9.0.2");
    sim_dns_add("mx.three.test", DNS_A, "10.9.0.3");
    sim_run_for(3600000);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char request[128];
        snprintf(request, sizeof request, "{\"command\":\"queue-list\",\"site\":\"%s\"}", same[i]);
        ask(request);
        assert_int_equal(given.code, 0);
        assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS / 3 + 1);
        assert_string_equal(text(0, "site_unknown"), "d0.test");
        assert_string_equal(text(0, "status"), "4.4.3");
        for (size_t k = 1; k < json_array_size(given.lines); k++)
            assert_string_equal(text(k, "domain"), "d1.test");
    }
    ask("{\"command\":\"queue-delete\",\"site\":\"mx.four.test\"}");
    assert_int_equal(given.code, 1);
    ask("{\"command\":\"queue-delete\",\"site\":\"mx.two.test\",\"domain\":\"d1.test\"}");
    assert_int_equal(given.code, 1);
    assert_int_equal(json_array_size(given.lines), 1); /* d0 was not asked for */
    ask("{\"command\":\"queue-delete\",\"site\":\"mx.two.test\"}");
    assert_int_equal(number(1, "recipients"), MESSAGES * RECIPIENTS / 3);
    ask("{\"command\":\"queue-summary\"}");
    assert_int_equal(json_array_size(given.lines), 2);
    assert_string_equal(text(0, "domain"), "d0.test");
    assert_string_equal(text(1, "domain"), "d1.test");
    ask("{\"command\":\"trace\",\"site\":\"mx.one.test\"}");
    assert_int_equal(given.code, 1); /* nothing has happened there */
}

/* 13 acceptances and a deferral for each recipient. */
static void traces(void **state)
{
    size_t accepted = 0;
    (void)state;
    sim_run_for(5000); /* the history follows the queue */
    ask("{\"command\":\"trace\"}");
    assert_int_equal(given.code, 0);
    for (size_t i = 0; i < json_array_size(given.lines); i++)
        accepted += strcmp(text(i, "event"), "accepted") == 0;
    assert_int_equal(accepted, MESSAGES);
    assert_int_equal(json_array_size(given.lines), MESSAGES + MESSAGES * RECIPIENTS);
    ask("{\"command\":\"trace\",\"id\":\"0000000000000000\"}");
    assert_int_equal(given.code, 1);
}

/* The id at the end of the last thing that was said to c. */
static const char *session_of(struct sim_client *c)
{
    static char id[11];
    struct sv said = buf_view(&c->said);
    assert_true(said.len > 13 && said.ptr[said.len - 3] == ']' && said.ptr[said.len - 14] == '[');
    memcpy(id, said.ptr + said.len - 13, 10);
    buf_reset(&c->said);
    return id;
}

static void ask_trace(const char *name, const char *value)
{
    char request[200];
    snprintf(request, sizeof request, "{\"command\":\"trace\",\"%s\":\"%s\"}", name, value);
    ask(request);
}

/* Everything that was said to a client of a refusal is found by the id at its end. */
static void refusals(void **state)
{
    char id[11], queue_id[17];
    (void)state;
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<v@example.net>\r\n");
    snprintf(id, sizeof id, "%s", session_of(c));
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<gone@host>\r\nRCPT TO:<a@d0.test>\r\n"
                  "RCPT TO:<b@d0.test>\r\nDATA\r\n");
    client_say(c, "no header\r\n.\r\n");
    assert_string_equal(session_of(c), id);
    struct sim_client *stranger = client_from(9, LISTEN_PLAIN);
    client_say(stranger, "EHLO c\r\nAUTH PLAIN AHRyaWVkQGV4YW1wbGUubmV0AHg=\r\n");
    client_expect(stranger, "535 5.7.8");
    sim_run_for(2000);

    ask_trace("id", id);
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text(i, "event"), "refused");
        assert_string_equal(text(i, "login"), "u@example.net");
        assert_string_equal(text(i, "client"), "10.0.0.1");
        assert_non_null(strstr(text(i, "text"), id));
    }
    assert_string_equal(text(0, "from"), "v@example.net");
    assert_string_equal(text(0, "to"), "");
    assert_string_equal(text(0, "status"), "5.7.1");
    assert_int_equal(strncmp(text(0, "text"), "550 5.7.1 <v@example.net> is not", 32), 0);
    assert_string_equal(text(1, "from"), "u@example.net");
    assert_string_equal(text(1, "to"), "gone@host");
    assert_string_equal(text(2, "to"), "a@d0.test\nb@d0.test");
    assert_int_equal(strncmp(text(2, "text"), "554 5.6.0 Header line 1 has no colon", 36), 0);

    /* the message that was not accepted had a queue id, and the log knows it */
    struct sv log = buf_view(&world.log);
    const char *at = memmem(log.ptr, log.len, "event=refused", 13);
    if (!at)
        at = memmem(log.ptr, log.len, "refused", 7);
    assert_non_null(at);
    at = memmem(at, log.len - (size_t)(at - log.ptr), "queue=", 6);
    assert_non_null(at);
    snprintf(queue_id, sizeof queue_id, "%.16s", at + 6);
    ask_trace("id", queue_id);
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), 1);
    assert_string_equal(text(0, "event"), "refused");
    assert_string_equal(text(0, "to"), "a@d0.test\nb@d0.test");
    assert_non_null(strstr(text(0, "text"), id));

    ask_trace("user", "tried@example.net");
    assert_int_equal(json_array_size(given.lines), 1);
    assert_int_equal(strncmp(text(0, "text"), "535 5.7.8 ", 10), 0);
    assert_string_equal(text(0, "client"), "10.0.0.9");
    ask_trace("from", "v@example.net");
    assert_int_equal(json_array_size(given.lines), 1);
    ask_trace("to", "gone@host");
    assert_int_equal(json_array_size(given.lines), 1);
    client_free(c);
    client_free(stranger);
}

/* No flood fills the history: what the log does not get, it does not get. */
static void refusals_are_limited(void **state)
{
    (void)state;
    struct sim_client *c = client_ready();
    for (int i = 0; i < 200; i++)
        client_put(c, SV("MAIL FROM:<u@example.net>\r\nRCPT TO:<x>\r\nRSET\r\n"));
    sim_run_for(5000);
    ask_trace("to", "x");
    assert_int_equal(json_array_size(given.lines), 60);
    client_free(c);
}

static void figures(void **state)
{
    (void)state;
    ask("{\"command\":\"status\"}");
    assert_int_equal(given.code, 0);
    json_t *queue = json_object_get(json_array_get(given.lines, 0), "queue");
    assert_int_equal(json_integer_value(json_object_get(queue, "messages")), MESSAGES);
    assert_int_equal(json_integer_value(json_object_get(queue, "recipients")),
                     MESSAGES * RECIPIENTS);
    assert_int_equal(number(0, "accepted_messages"), MESSAGES);
    ask("{\"command\":\"route\",\"address\":\"a@d0.test\"}");
    assert_int_equal(given.code, 0);
    size_t last = json_array_size(given.lines) - 1;
    assert_string_equal(text(last, "verdict"), "deferred");
}

static json_int_t kind_count(size_t line, const char *kind, const char *day)
{
    json_t *kinds = json_object_get(json_array_get(given.lines, line), "kinds");
    return json_integer_value(json_object_get(json_object_get(kinds, kind), day));
}

/* Counters since start, then who had trouble, page by page. */
static void stats(void **state)
{
    (void)state;
    ask("{\"command\":\"stats\"}");
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), 1);
    assert_int_equal(number(0, "accepted_messages"), MESSAGES);
    assert_true(number(0, "accepted_bytes") > MESSAGES * 100);
    assert_int_equal(number(0, "sessions"), 1);
    assert_int_equal(number(0, "logins"), 1);
    assert_int_equal(
        json_object_size(json_object_get(json_array_get(given.lines, 0), "refused_replies")), 0);
    assert_true(json_is_array(json_object_get(json_array_get(given.lines, 0), "filters")));

    for (unsigned i = 0; i < 450; i++) {
        struct sim_client *c = client_from(100 + i, LISTEN_PLAIN);
        client_put(c, SV("EHLO c\r\nNONSENSE\r\nMAIL FROM:<a@b.example>\r\n"));
        sim_run_for(50);
        if (i == 7)
            client_put(c, SV("AUTH PLAIN AHUAeA==\r\nNONSENSE\r\n"));
        sim_run_for(50);
        client_free(c);
    }
    sim_run_for(2000);
    ask("{\"command\":\"stats\"}");
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), 451);
    json_t *refused = json_object_get(json_array_get(given.lines, 0), "refused_replies");
    assert_int_equal(json_integer_value(json_object_get(refused, "5.5")), 451);
    assert_int_equal(json_integer_value(json_object_get(refused, "5.7")), 451);
    assert_int_equal(number(0, "failed_logins"), 1);
    assert_int_equal(number(0, "misfits_dropped"), 0);
    assert_string_equal(text(1, "client"), "10.0.0.107"); /* most trouble */
    assert_int_equal(number(1, "today"), 4);
    assert_int_equal(number(1, "yesterday"), 0);
    assert_int_equal(kind_count(1, "syntax", "today"), 2);
    assert_int_equal(kind_count(1, "no-login", "today"), 1);
    assert_int_equal(kind_count(1, "login", "today"), 1);
    assert_int_equal(number(2, "today"), 2);
    sim_run_for(24 * 3600 * 1000);
    ask("{\"command\":\"stats\"}");
    assert_int_equal(number(1, "today"), 0);
    assert_int_equal(number(1, "yesterday"), 4);
    sim_run_for(24 * 3600 * 1000);
    ask("{\"command\":\"stats\"}");
    assert_int_equal(json_array_size(given.lines), 1);
}

static void rights(void **state)
{
    (void)state;
    ask("{\"command\":\"rights\",\"login\":\"u@example.net\"}");
    assert_int_equal(given.code, 0);
    assert_int_equal(json_array_size(given.lines), 1);
    json_t *line = json_array_get(given.lines, 0), *as = json_object_get(line, "may_send_as");
    assert_string_equal(text(0, "class"), "user");
    assert_int_equal(json_array_size(as), 1);
    assert_string_equal(json_string_value(json_array_get(as, 0)), "%u");
    assert_false(json_is_true(json_object_get(line, "allow_resent")));
    assert_int_equal(json_array_size(json_object_get(line, "budgets")), 0);
    ask("{\"command\":\"rights\"}");
    assert_int_equal(given.code, 2);
}

static void refused(void **state)
{
    static const struct {
        const char *request;
        int code;
    } rows[] = {
        {"not json", 2},
        {"{}", 2},
        {"{\"command\":7}", 2},
        {"{\"command\":\"nonsense\"}", 2},
        {"{\"command\":\"queue-show\"}", 2},
        {"{\"command\":\"queue-delete\"}", 2}, /* not everything by mistake */
        {"{\"command\":\"queue-hold\"}", 2},
        {"{\"command\":\"queue-release\",\"older\":0}", 2},
        {"{\"command\":\"queue-delete\",\"user\":\"nobody\"}", 1},
        {"{\"command\":\"queue-show\",\"id\":\"0000000000000000\"}", 1},
        {"{\"command\":\"route\"}", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask(rows[i].request);
        if (given.code != rows[i].code)
            print_error("%s: %d\n", rows[i].request, given.code);
        assert_int_equal(given.code, rows[i].code);
        assert_string_not_equal(given.error, "");
    }
    ask("{\"command\":\"queue-list\"}");
    assert_int_equal(json_array_size(given.lines), MESSAGES * RECIPIENTS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(listing),
        T(given_up),
        T(stopped_between_pages),
        T(changes),
        T(bounces_and_redirects),
        T(pauses),
        T(bounces_while_paused),
        T(by_site),
        T(traces),
        T(refusals),
        T(refusals_are_limited),
        T(figures),
        T(refused),
        T(stats),
        T(rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
