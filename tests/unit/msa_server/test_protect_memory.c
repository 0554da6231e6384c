/*
 * What many encrypted forms of one message keep is counted, before it is kept; how each came to be
 * is known all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/queue/provenance.h"
#include "rewrite/provenance.h"
#include "tests/unit/msa_server/sim_world.h"
#include "tests/unit/rewrite/smime_fixture.h"

#include <stdio.h>

#define HIDDEN 100
#define LINES                                                                                      \
    "limits = { memory = \"16M\"; };\n" /* half of it for what is in hand */                       \
    "relay = { routes = ( { domain = \"*\"; to = [ \"smtp://127.0.0.1:2525\" ]; tls = \"none\"; }" \
    " ); };\n"                                                                                     \
    "rewrite = { encrypt = ( { to = \"@example.org\"; } ); certificates = [ \"/certs\" ]; dkim = " \
    "( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; } ); };\n"

static struct person crowd;

static void add_files(struct generation *g)
{
    generation_add_file(g, GENERATION_CERTIFICATE, "/certs/crowd", sv_of(crowd.pem), false);
}

/* The hash stands for the signature. */
static enum auth_verdict sign_dkim(struct sv key, enum auth_sign form, struct sv bytes,
                                   struct buf *out)
{
    (void)key;
    (void)form;
    return buf_put(out, bytes) < 0 ? AUTH_DENIED : AUTH_OK;
}

static void start(void)
{
    world_files = add_files;
    world_dkim = "0 rsa 2048 id QUJD\n";
    world_start(LINES);
    sim_auth_signer(sign_dkim);
}

/* All recipients are hidden, and each gets a form of his own. */
static void say_envelope(struct sim_client *c, int recipients)
{
    struct buf text;
    buf_init(&text, 1u << 16, 0);
    assert_int_equal(buf_printf(&text, "RSET\r\nMAIL FROM:<u@example.net>\r\n"), 0);
    for (int i = 0; i < recipients; i++)
        assert_int_equal(buf_printf(&text, "RCPT TO:<p%d@example.org>\r\n", i), 0);
    assert_int_equal(buf_printf(&text, "DATA\r\n"), 0);
    client_put(c, buf_view(&text));
    sim_run_for(2000);
    client_expect(c, "354 ");
    buf_deinit(&text);
}

/* field: bytes of a field that makes the record of how the header came to be large. */
static struct buf message(size_t field)
{
    struct buf text;
    buf_init(&text, 1u << 20, 0);
    assert_int_equal(buf_printf(&text, "From: u@example.net\r\nTo: x@example.net\r\nX-Large:"), 0);
    for (size_t n = 0; n < field; n += 64)
        assert_int_equal(buf_printf(&text, "\r\n %061d", 0), 0);
    assert_int_equal(buf_printf(&text, "\r\n\r\nbody\r\n.\r\n"), 0);
    return text;
}

/* Two that have no room together: who is refused leaves nothing, and has room alone. */
static void test_two_at_once(void **state)
{
    (void)state;
    start();
    struct sim_client *clients[2];
    struct buf text = message(20000);
    unsigned refused = 0;
    for (int i = 0; i < 2; i++) {
        clients[i] = client_ready();
        say_envelope(clients[i], HIDDEN);
    }
    sim_auth_delay(100); /* each form takes so long */
    for (int i = 0; i < 2; i++)
        client_put(clients[i], buf_view(&text));
    sim_run_for(60000);
    for (int i = 0; i < 2; i++)
        refused += client_heard(clients[i], "452 4.3.1 No memory");
    assert_true(refused > 0);
    assert_int_equal(world_stats().store.messages, (2 - refused) * HIDDEN);
    for (int i = 0; i < 2; i++) {
        if (!client_heard(clients[i], "452 ")) {
            client_expect(clients[i], "250 2.0.0 Queued");
            continue;
        }
        say_envelope(clients[i], HIDDEN);
        client_put(clients[i], buf_view(&text));
        sim_run_for(60000);
        client_expect(clients[i], "250 2.0.0 Queued");
    }
    assert_int_equal(world_stats().store.messages, 2 * HIDDEN);
    for (int i = 0; i < 2; i++)
        client_free(clients[i]);
    sim_run_for(1000);
    world_assert_idle();
    buf_deinit(&text);
    world_stop(1000);
}

/* ---- records ---- */

static unsigned records;

/* The section as submitted, then layer by layer. */
static void on_record(struct store_provenance *p)
{
    struct rewrite_provenance_reader r;
    struct rewrite_layer layer;
    assert_int_equal(p->err, 0);
    assert_true(rewrite_provenance_open(&r, buf_view(&p->record)));
    assert_true(sv_starts(r.submitted, SV("From: u@example.net\r\nTo: x@example.net\r\n")));
    static const enum rewrite_source by[] = {REWRITE_BY_COMPLETER, REWRITE_BY_SMIME,
                                             REWRITE_BY_SIGNER};
    for (size_t i = 0; i < 3; i++) {
        assert_true(rewrite_provenance_next(&r, &layer));
        assert_int_equal(layer.by, by[i]);
        assert_int_equal(layer.body, by[i] == REWRITE_BY_SMIME);
    }
    assert_false(rewrite_provenance_next(&r, &layer));
    records++;
    store_provenance_free(p);
}

/* Of each form that the log tells of. */
static void ask_records(void)
{
    static const char before[] = " encrypted ", queue[] = "queue=";
    struct sv log = buf_view(&world.log);
    for (const char *at; (at = memmem(log.ptr, log.len, before, sizeof before - 1)) != NULL;) {
        log = sv_skip(log, (size_t)(at - log.ptr) + 1);
        at = memmem(log.ptr, log.len, queue, sizeof queue - 1);
        assert_non_null(at);
        char id[QUEUE_ID_LEN + 1] = "";
        memcpy(id, at + sizeof queue - 1, QUEUE_ID_LEN);
        store_provenance(server_store(world.server),
                         store_provenance_new(id, server_mailbox(world.server), on_record, NULL));
    }
    sim_run_for(1000);
}

static void test_records(void **state)
{
    (void)state;
    start();
    struct sim_client *c = client_ready();
    struct buf text = message(10000);
    say_envelope(c, 3);
    client_put(c, buf_view(&text));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    records = 0;
    ask_records();
    assert_int_equal(records, 3);
    client_free(c);
    buf_deinit(&text);
    world_stop(1000);
}

static int setup(void **state)
{
    struct buf emails;
    (void)state;
    buf_init(&emails, 1u << 16, 0);
    for (int i = 0; i < HIDDEN; i++)
        assert_int_equal(buf_printf(&emails, "%semail:p%d@example.org", i ? "," : "", i), 0);
    char *text = buf_take(&emails, NULL);
    crowd = person_new(
        &(struct person_plan){.emails = text, .from_s = -3650L * DAY_S, .until_s = 3650L * DAY_S});
    free(text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    person_free(&crowd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
