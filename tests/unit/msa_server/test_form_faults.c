/*
 * A form that has to be signed and is not; reports of content that would need one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/signing_world.h"

#define SIGNS                                                                                  \
    ROUTE "rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s1\"; key = \"/1\"; " \
          "require = true; } ); };\n"
#define REPORTS ROUTE "queue = { delay_warning = \"1h\"; };\n"
#define HEADER                                                               \
    "From: u@example.net\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; " \
    "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
#define HOUR (3600 * 1000)

static unsigned refused_from, refused_to; /* requests, from 1 on */

static enum auth_verdict sign_dkim(struct sv key, enum auth_sign form, struct sv bytes,
                                   struct buf *out)
{
    (void)key;
    assert_int_equal(form, AUTH_SIGN_DKIM);
    asked++;
    if (asked >= refused_from && asked < refused_to)
        return AUTH_DENIED;
    return buf_put(out, bytes) < 0 ? AUTH_DENIED : AUTH_OK;
}

static struct sim_client *submit(const char *mail)
{
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net> BODY=8BITMIME");
    client_say(c, mail);
    client_say(c, "\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
    client_say(c, HEADER "\r\nGr\xc3\xbcn\r\n.\r\n");
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued");
    return c;
}

/* The message was signed when it was taken, its form is not: it goes when it is. */
static void not_signed(void **state)
{
    (void)state;
    world_dkim = "0 rsa 2048 id QUJD\n";
    refused_from = 2;
    refused_to = 3;
    signing_start(SIGNS, sign_dkim, on_sink_accept);
    sink->plain = true;
    struct sim_client *c = submit("");
    assert_int_equal(asked, 2);
    assert_int_equal(world_log_count(" deferred "), 1);
    assert_true(world_logged("status=4.7.0: the re-encoded content could not be signed for its "
                             "domain"));
    assert_true(world_logged("dkim-unsigned"));
    assert_false(peer_was_told(sink, "MAIL FROM"));
    sim_run_for(HOUR);
    assert_int_equal(asked, 3);
    assert_int_equal(world_log_count(" delivered "), 1);
    peer_expect(sink, "DKIM-Signature: v=1; a=rsa-sha256;");
    peer_expect(sink, "Gr=C3=BCn");
    signing_stop(c);
    world_dkim = NULL;
}

/* RET=FULL returns nothing but headers for a delay, and these as they were. */
static void delayed(void **state)
{
    (void)state;
    signing_start(REPORTS, sign, on_sink_accept);
    sink->puts_off = "RCPT TO:<a@";
    struct sim_client *c = submit(" RET=FULL");
    sim_run_for(3 * HOUR);
    peer_expect(sink, "RCPT TO:<u@example.net>");
    peer_expect(sink, "Content-Type: text/rfc822-headers\r\n\r\n");
    peer_expect(sink, "\r\n" HEADER);
    assert_false(peer_was_told(sink, "Gr=C3=BCn"));
    signing_stop(c);
}

/* For a failure it returns all, in the form that every hop takes. */
static void failed(void **state)
{
    (void)state;
    signing_start(REPORTS, sign, on_sink_accept);
    sink->puts_off = "RCPT TO:<a@";
    struct sim_client *c = submit(" RET=FULL");
    sim_run_for(7 * 24 * HOUR);
    peer_expect(sink, "Content-Type: message/rfc822\r\n\r\n");
    peer_expect(sink, "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BCn\r\n");
    assert_false(peer_was_told(sink, "Gr\xc3\xbcn"));
    signing_stop(c);
}

/* What may come in can also be re-encoded. */
static void large_header(void **state)
{
    (void)state;
    char field[903] = "X: ";
    memset(field + 3, 'x', 897);
    strcpy(field + sizeof field - 3, "\r\n");
    signing_start(ROUTE "limits = { header_size = \"4M\"; };\n", sign, on_sink_accept);
    sink->plain = true;
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net> BODY=8BITMIME\r\nRCPT TO:<a@example.org>\r\n"
                  "DATA\r\n" HEADER);
    for (int i = 0; i < 3500; i++)
        client_put(c, sv_of(field));
    client_say(c, "\r\nGr\xc3\xbcn\r\n.\r\n");
    sim_run_for(60000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_log_count(" delivered "), 1);
    peer_expect(sink, "Gr=C3=BCn");
    signing_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_signed),
        cmocka_unit_test(large_header),
        cmocka_unit_test(delayed),
        cmocka_unit_test(failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
