/*
 * The form of a message for a hop that cannot take it as it is: kept for the next tries, so that it
 * is neither made nor signed anew, and gone after a while, or with the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/signing_world.h"

#define LINES                                                                                    \
    ROUTE "rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; } " \
          "); };\n"
#define MINUTE 60000

static unsigned denied; /* the signature with this number */
static bool busy;       /* the next hop puts recipients off */

static enum auth_verdict sign_dkim(struct sv key, enum auth_sign form, struct sv bytes,
                                   struct buf *out)
{
    (void)key;
    assert_int_equal(form, AUTH_SIGN_DKIM);
    if (++asked == denied)
        return AUTH_DENIED;
    return buf_put(out, bytes) < 0 ? AUTH_DENIED : AUTH_OK;
}

/* An SMTP server without extensions. */
static void on_line(struct sim_peer_conn *c, struct sv line)
{
    bool end = sv_eq(line, SV(".\r\n"));
    const char *reply = c->data && !end                              ? ""
                        : sv_istarts(line, SV("DATA"))               ? "354 go\r\n"
                        : busy && sv_istarts(line, SV("RCPT TO:<a")) ? "451 4.3.0 later\r\n"
                                                                     : "250 2.0.0 ok\r\n";
    note(c->peer, line.ptr, line.len);
    c->data = (c->data && !end) || (sv_istarts(line, SV("DATA")));
    peer_write(c, reply, strlen(reply));
}

static void on_read(void *arg, struct sv bytes)
{
    struct sim_peer_conn *c = arg;
    assert_int_equal(buf_put(&c->in, bytes), 0);
    for (;;) {
        struct sv in = buf_view(&c->in);
        size_t n = sv_find(in, '\n');
        if (n == in.len)
            return;
        on_line(c, sv_first(in, n + 1));
        buf_consume(&c->in, n + 1);
    }
}

static void on_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    struct sim_peer_conn *c = peer_conn(arg, s);
    stream_set_ops(s, &ops, c);
    stream_read_start(s);
    peer_write(c, "220 plain\r\n", 11);
}

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
}

static size_t files(void)
{
    size_t count = 0;
    assert_int_equal(disk_list("/s/queue/spool", count_name, &count), 0);
    return count;
}

/* To two domains, large enough for files. */
static struct sim_client *submit(void)
{
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net> BODY=8BITMIME\r\nRCPT TO:<a@example.org>\r\n"
                  "RCPT TO:<b@example.com>\r\nDATA\r\n");
    client_put(c, SV("From: u@example.net\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                     "charset=utf-8\r\n\r\n"));
    for (int i = 0; i < 5000; i++)
        client_put(c, SV("Gr\xc3\xbc\xc3\x9f"
                         "e an alle, die das lesen\r\n"));
    client_say(c, ".\r\n");
    sim_run_for(20000);
    client_expect(c, "250 2.0.0 Queued");
    return c;
}

static void start(void)
{
    busy = true;
    denied = 0;
    world_dkim = "0 rsa 2048 id QUJD\n";
    signing_start(LINES, sign_dkim, on_accept);
}

static void for_the_next_tries(void **state)
{
    (void)state;
    start();
    struct sim_client *c = submit();
    assert_int_equal(world_log_count(" delivered "), 1);
    assert_int_equal(world_log_count(" deferred "), 1);
    assert_int_equal(asked, 2); /* the message, and its form for both */
    assert_int_equal(files(), 2);
    sim_run_for(6 * MINUTE);
    assert_int_equal(world_log_count(" deferred "), 2);
    sim_run_for(11 * MINUTE);
    assert_int_equal(world_log_count(" deferred "), 3);
    assert_int_equal(asked, 2);
    sim_run_for(16 * MINUTE); /* the next wait is longer than that */
    assert_int_equal(files(), 1);
    sim_run_for(6 * MINUTE);
    assert_int_equal(world_log_count(" deferred "), 4);
    assert_int_equal(asked, 3);
    assert_int_equal(files(), 2);
    signing_stop(c);
}

static void until_the_message_ends(void **state)
{
    (void)state;
    start();
    struct sim_client *c = submit();
    busy = false;
    sim_run_for(6 * MINUTE);
    assert_int_equal(world_log_count(" delivered "), 2);
    assert_int_equal(asked, 2);
    peer_expect(sink, "Gr=C3=BC=C3=9Fe");
    assert_int_equal(files(), 0);
    signing_stop(c);
}

/* One that went without its signature is made again. */
static void not_if_it_lacks_a_signature(void **state)
{
    (void)state;
    start();
    denied = 2;
    struct sim_client *c = submit();
    unsigned before = asked;
    assert_int_equal(files(), 1);
    busy = false;
    sim_run_for(6 * MINUTE);
    assert_int_equal(world_log_count(" delivered "), 2);
    assert_int_equal(asked, before + 1);
    assert_int_equal(files(), 0);
    signing_stop(c);
}

static void until_the_stop(void **state)
{
    (void)state;
    start();
    struct sim_client *c = submit();
    client_free(c);
    assert_int_equal(files(), 2);
    server_stop(world.server, 1000);
    sim_run_for(5000);
    assert_int_equal(files(), 1); /* the message's */
    signing_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_the_next_tries),
        cmocka_unit_test(until_the_message_ends),
        cmocka_unit_test(not_if_it_lacks_a_signature),
        cmocka_unit_test(until_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
