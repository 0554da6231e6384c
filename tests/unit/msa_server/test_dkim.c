/*
 * Signatures of a whole server: what is signed and by which rows, what milters change before, what
 * happens while the keeper cannot or will not sign. The scripted keeper signs with the hash itself;
 * whether signatures hold is seen in unit/rewrite and e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/b64.h"
#include "msa/server/dkim.h"
#include "rewrite/dkim.h"
#include "tests/unit/msa_server/signing_world.h"

#include <stdio.h>

#define ROWS(more)                                                                     \
    ROUTE "rewrite = { dkim = (\n"                                                     \
          " { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; " more "},\n" \
          " { domain = \"example.net\"; selector = \"s2\"; key = \"/2\"; },\n"         \
          " { domain = \"late.example.net\"; selector = \"s3\"; key = \"/3\"; " more   \
          "   from = \"2999-01-01\"; } ); };\n"
#define GATEWAY  "permissions = { login = \"u\"; class = \"gateway\"; };\n"
#define EIGHT(x) x x x x x x x x
#define KEYS     "0 rsa 2048 id-rsa QUJD\n1 ed25519 256 id-ed REVG\n2 rsa 2048 id-late QUJD\n"

#define HEADER  "From: u@example.net\r\nSubject: x\r\nDate: now\r\n"
#define MESSAGE HEADER "\r\nbody\r\n"
#define SEND(message) \
    "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n" message ".\r\n"

static uint8_t hashes[64][32];
static const char *refused;    /* key id that is not there */
static unsigned refused_after; /* so many requests */

static enum auth_verdict sign_dkim(struct sv key, enum auth_sign form, struct sv bytes,
                                   struct buf *out)
{
    assert_int_equal(form, AUTH_SIGN_DKIM);
    assert_int_equal(bytes.len, 32);
    assert_true(asked < 64);
    memcpy(hashes[asked++], bytes.ptr, 32);
    if (refused && asked > refused_after && sv_eq(key, sv_of(refused)))
        return AUTH_DENIED;
    assert_int_equal(buf_put(out, bytes), 0);
    return AUTH_OK;
}

static void start(const char *lines, const char *keys)
{
    world_dkim = keys;
    refused_after = 0;
    refused = NULL;
    signing_start(lines, sign_dkim, on_sink_accept);
}

/* The signature with the nth hash that was asked for stands before the message. */
static void expect_signature(const char *selector, unsigned nth)
{
    char words[400];
    struct buf b64;
    buf_init(&b64, 100, 0);
    assert_int_equal(b64_encode(&b64, (struct sv){(char *)hashes[nth], 32}), 0);
    snprintf(words, sizeof words, "s=%s;", selector);
    peer_expect(sink, words);
    snprintf(words, sizeof words, "\r\n\tb=%.*s\r\n", SV_ARG(buf_view(&b64)));
    peer_expect(sink, words);
    buf_deinit(&b64);
}

/* What the next hop got behind the signatures is what the first hash is of. */
static void expect_hash_of_what_was_sent(void)
{
    static const struct rewrite_dkim_key row = {.domain = SV("example.net"),
                                                .selector = SV("s1"),
                                                .header = REWRITE_DKIM_RELAXED,
                                                .body = REWRITE_DKIM_RELAXED,
                                                .from_s = INT64_MIN};
    struct sv told = buf_view(&sink->told);
    const char *time = memmem(told.ptr, told.len, " t=", 3);
    const char *from = memmem(told.ptr, told.len, "\r\nReceived: ", 12);
    const char *end = memmem(told.ptr, told.len, "\r\n.\r\n", 5);
    struct rewrite_dkim_keys *keys = rewrite_dkim_keys_new(&row, 1);
    struct rewrite_dkim_request r;
    struct rewrite_dkim d;
    assert_true(time && from && end);
    rewrite_dkim_init(&d, keys, 1u << 18, atoll(time + 3));
    rewrite_dkim_feed(&d, sv_range(from + 2, end + 2));
    rewrite_dkim_end(&d);
    assert_true(rewrite_dkim_next(&d, &r));
    assert_memory_equal(r.hash.ptr, hashes[0], 32);
    rewrite_dkim_deinit(&d);
    rewrite_dkim_keys_drop(keys);
}

static void by_both_keys(void **state)
{
    (void)state;
    start(ROWS(""), KEYS);
    struct sim_client *c = client_ready();
    client_say(c, SEND(MESSAGE));
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 2);
    peer_expect(sink, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=s1;");
    expect_signature("s1", 0);
    expect_signature("s2", 1);
    expect_hash_of_what_was_sent();
    peer_expect(sink, "\r\nDKIM-Signature: v=1; a=ed25519-sha256;");
    /* a domain below has no row in force; another domain has none */
    client_say(c, "RSET\r\nMAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
                  "From: u@late.example.net\r\nSender: u@example.net\r\n\r\nx\r\n.\r\n");
    client_expect(c, "550 5.7.1 "); /* not his address; and nothing was asked for */
    assert_int_equal(asked, 2);
    signing_stop(c);
}

static void rows_and_domains(void **state)
{
    (void)state;
    start(ROWS("") "permissions = ( { login = \"u@example.net\"; may_send_as = \"*\"; } );\n",
          KEYS);
    struct sim_client *c = client_ready();
    client_say(c, SEND("From: x@late.example.net\r\n\r\nx\r\n"));
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 2);
    client_say(c, SEND("From: x@other.example\r\n\r\nx\r\n"));
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 2);
    sim_run_for(5000);
    assert_int_equal(world_log_count("dkim-unsigned"), 0);
    assert_true(peer_was_told(sink, "d=example.net; s=s1;"));
    signing_stop(c);
}

/* A From that cannot be read may be ours: without its signature where none is required. */
static void unread_author(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? ROWS("require = true; ") GATEWAY : ROWS("") GATEWAY, KEYS);
        sim_run_for(61000 * (unsigned)require); /* a warning a minute */
        struct sim_client *c = client_ready();
        client_say(c, SEND("From: Scanner Room 5 u@example.net\r\n\r\nx\r\n"));
        client_expect(c, require ? "554 5.7.0 No author for whom the message could be signed can "
                                   "be read in its From (rewrite.dkim[].require)"
                                 : "250 2.0.0 Queued");
        assert_true(world_logged(require ? "mail of an unknown author is not taken: From cannot be "
                                           "read"
                                         : "mail of an unknown author goes without a signature"));
        assert_int_equal(asked, 0);
        sim_run_for(5000);
        assert_int_equal(world_stats().store.messages, 0);
        signing_stop(c);
    }
}

/* Rules make a header section many times as large; it is signed all the same. */
static void grown(void **state)
{
    (void)state;
    start(ROUTE "rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; "
                "require = true; } );\n"
                " rules = ( { match = \"*@o.example.net\"; replace = \"*@" EIGHT(
                    "long-name-of-a-host.") "example.net\"; } ); };\n",
          "0 rsa 2048 id-rsa QUJD\n");
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n" HEADER
                  "To: a@o.example.net");
    for (int i = 0; i < 3000; i++)
        client_put(c, SV(",\r\n a@o.example.net"));
    client_say(c, "\r\n\r\nx\r\n.\r\n");
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 1);
    signing_stop(c);
}

/* A message in pieces, with BDAT, and one in a spool file: one request for each key. */
static void streamed(void **state)
{
    (void)state;
    start(ROWS(""), KEYS);
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
    client_put(c, SV(HEADER "\r\n"));
    for (int i = 0; i < 5000; i++)
        client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
    client_say(c, ".\r\n");
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(asked, 2);
    expect_signature("s1", 0);
    signing_stop(c);
}

/* What a milter has changed is what is signed. */
static void behind_milters(void **state)
{
    static const struct {
        char letter;
        const char *data;
        size_t len;
    } changes[] = {{0, NULL, 0}, /* none */
                   {'b', "other\r\n", 7},
                   {'h', "Cc\0c@example.net\0", 17},
                   {'h', "X-Spam\0no\0", 10}};
    uint8_t first[4][32];
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char script[100];
        size_t n = 0;
        start(ROWS("") "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; } ); };\n",
              KEYS);
        struct sim_peer *milter = peer_new(MILTER_PORT, on_milter_accept);
        if (changes[i].letter)
            n = say(script, n, changes[i].letter, changes[i].data, changes[i].len);
        answer_with(milter, 'E', script, say(script, n, 'c', "", 0));
        struct sim_client *c = client_ready();
        client_say(c, SEND(MESSAGE));
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        assert_int_equal(asked, 2);
        memcpy(first[i], hashes[0], 32);
        expect_signature("s1", 0);
        expect_hash_of_what_was_sent();
        client_free(c);
        peer_close(milter);
        signing_stop(NULL);
        peer_free(milter);
    }
    assert_memory_not_equal(first[1], first[0], 32);
    assert_memory_not_equal(first[2], first[0], 32);
    assert_memory_equal(first[3], first[0], 32); /* a field that is not signed */
}

/* Without its signature where none is required; else 451, and nothing stays. */
static void refused_by_the_keeper(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? ROWS("require = true; ") : ROWS(""), KEYS);
        struct sim_client *c = client_ready();
        refused = "id-rsa";
        client_say(c, SEND(MESSAGE));
        sim_run_for(5000);
        client_expect(c, require ? "451 4.7.0 The message cannot be signed for its domain now, try "
                                   "again later (rewrite.dkim[].require)"
                                 : "250 2.0.0 Queued");
        assert_int_equal(world_log_count("dkim-unsigned"), 1);
        assert_int_equal(peer_was_told(sink, "s=s2;"), !require);
        assert_false(peer_was_told(sink, "s=s1;"));
        /* once a minute */
        client_say(c, SEND(MESSAGE) SEND(MESSAGE));
        sim_run_for(1000);
        assert_int_equal(world_log_count("dkim-unsigned"), 1);
        sim_run_for(60000);
        client_say(c, SEND(MESSAGE));
        assert_int_equal(world_log_count("dkim-unsigned"), 2);
        /* and as soon as it signs all is well */
        refused = NULL;
        buf_reset(&c->said);
        client_say(c, SEND(MESSAGE));
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        assert_true(peer_was_told(sink, "s=s1;"));
        assert_int_equal(world_stats().store.messages, 0);
        signing_stop(c);
    }
}

/* A row that is required and not in force yet. */
static void required_too_early(void **state)
{
    (void)state;
    start(ROUTE "rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; "
                "require = true; from = \"2999-01-01\"; } ); };\n",
          "0 rsa 2048 id-rsa QUJD\n");
    struct sim_client *c = client_ready();
    client_say(c, SEND(MESSAGE));
    client_expect(c, "451 4.7.0 ");
    assert_true(world_logged("no row of rewrite.dkim is in force"));
    assert_int_equal(asked, 0);
    signing_stop(c);
}

/* The keeper hangs: many messages wait at once, each for its time; sessions may end meanwhile. */
static void hanging_keeper(void **state)
{
    enum { CLIENTS = 20 };
    struct sim_client *c[CLIENTS];
    (void)state;
    start(ROWS(""), KEYS);
    for (int i = 0; i < CLIENTS; i++)
        c[i] = client_from((unsigned)i, LISTEN_PLAIN);
    for (int i = 0; i < CLIENTS; i++) {
        client_say(c[i], "EHLO client.example\r\n" CLEAR_AUTH);
        client_expect(c[i], "235 ");
    }
    sim_auth_delay(60000);
    for (int i = 0; i < CLIENTS; i++)
        client_put(c[i], SV(SEND(MESSAGE)));
    sim_run_for(3000);
    for (int i = 0; i < CLIENTS / 2; i++)
        client_free(c[i]);
    sim_run_for(4000);
    assert_int_equal(asked, 2 * CLIENTS);
    assert_false(client_heard(c[CLIENTS - 1], "250 2.0.0 Queued"));
    sim_run_for(5000);
    for (int i = CLIENTS / 2; i < CLIENTS; i++) {
        client_expect(c[i], "250 2.0.0 Queued");
        client_free(c[i]);
    }
    sim_run_for(60000);
    /* those whose session had ended were taken all the same: their end of data was there */
    assert_int_equal(world_stats().accepted_messages, CLIENTS);
    world_assert_idle();
    signing_stop(NULL);
}

/* Stopped while the keeper hangs: the client hears 451, nothing stays. */
static void stopped(void **state)
{
    (void)state;
    start(ROWS(""), KEYS);
    struct sim_client *c = client_ready();
    sim_auth_delay(600000);
    client_say(c, SEND(MESSAGE));
    assert_int_equal(asked, 2);
    server_stop(world.server, 2000);
    sim_run_for(1000);
    assert_false(client_heard(c, "451 "));
    sim_run_for(2000);
    client_expect(c, "451 4.3.0 ");
    signing_stop(c);
}

/* What this server writes itself: a report to the author. */
static void reports(void **state)
{
    (void)state;
    for (int down = 0; down < 2; down++) {
        start("rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; "
              "require = true; } ); };\n"
              "relay = { routes = ( { domain = \"example.net\"; to = [ \"smtp://127.0.0.1:2525\" "
              "]; "
              "tls = \"none\"; } ); };\n",
              "0 rsa 2048 id-rsa QUJD\n");
        struct sim_client *c = client_ready();
        refused_after = 1; /* the message itself is signed, the report goes all the same */
        refused = down ? "id-rsa" : NULL;
        client_say(c, SEND(MESSAGE)); /* example.org does not exist */
        client_expect(c, "250 2.0.0 Queued");
        sim_run_for(20000);
        peer_expect(sink, "MAIL FROM:<>");
        peer_expect(sink, "Content-Type: multipart/report;");
        assert_int_equal(peer_was_told(sink, "DKIM-Signature: v=1; a=rsa-sha256;"), !down);
        if (!down)
            expect_signature("s1", 1);
        signing_stop(c);
    }
}

/* ---- the list of keys ---- */

static void list_of_keys(void **state)
{
    static const char *const damaged[] = {"x",
                                          "0",
                                          "0 rsa",
                                          "0 rsa 2048",
                                          "0 rsa 2048 id",
                                          "0 rsa 2048  QUJD",
                                          "9 rsa 2048 id QUJD",
                                          "0 dsa 2048 id QUJD",
                                          "0 rsa x id QUJD",
                                          "-1 rsa 2048 id QUJD"};
    struct buf why;
    struct generation *g;
    (void)state;
    buf_init(&why, 1000, 0);
    world_cert = ec_cert("DNS:mail.example.net", NULL);
    world_dkim = KEYS;
    g = world_generation(1, ROWS("canonicalization = \"simple/relaxed\"; require = true; "));
    struct rewrite_dkim_keys *keys = dkim_keys(g, &why);
    assert_int_equal(rewrite_dkim_keys_count(keys), 3);
    const struct rewrite_dkim_key *k = rewrite_dkim_keys_at(keys, 0);
    assert_true(sv_eq(k->domain, SV("example.net")) && sv_eq(k->id, SV("id-rsa")));
    assert_true(k->header == REWRITE_DKIM_SIMPLE && k->body == REWRITE_DKIM_RELAXED && k->require);
    assert_true(k->from_s == INT64_MIN && k->algorithm == REWRITE_DKIM_RSA);
    k = rewrite_dkim_keys_at(keys, 1);
    assert_true(k->header == REWRITE_DKIM_RELAXED && k->algorithm == REWRITE_DKIM_ED25519);
    assert_false(k->require);
    assert_int_equal(rewrite_dkim_keys_at(keys, 2)->from_s, INT64_C(32472144000));
    rewrite_dkim_keys_drop(keys);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        generation_set_file(g, GENERATION_DKIM_KEYS, sv_of(damaged[i]));
        buf_reset(&why);
        assert_null(dkim_keys(g, &why));
        assert_true(buf_len(&why) > 0);
    }
    generation_drop(g);
    world_dkim = NULL;
    g = world_generation(1, ROUTE);
    buf_reset(&why);
    assert_null(dkim_keys(g, &why));
    assert_int_equal(buf_len(&why), 0);
    generation_drop(g);
    buf_deinit(&why);
    free_cert(&world_cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_of_keys),
        cmocka_unit_test(by_both_keys),
        cmocka_unit_test(rows_and_domains),
        cmocka_unit_test(unread_author),
        cmocka_unit_test(grown),
        cmocka_unit_test(streamed),
        cmocka_unit_test(behind_milters),
        cmocka_unit_test(refused_by_the_keeper),
        cmocka_unit_test(required_too_early),
        cmocka_unit_test(hanging_keeper),
        cmocka_unit_test(stopped),
        cmocka_unit_test(reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
