/* What dialogues (tests/dialogue) do not show: batching, timers, back-pressure, memory, ends. */
#include "msa/smtp/server.h"
#include "msa/smtp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <stdio.h>
#include <string.h>

static const struct smtp_server_limits limits = {
    .message_size = 1u << 30, .recipients = 100, .command_timeout_ms = 300, .data_timeout_ms = 180};
static const struct smtp_server_setup setup = {.hostname = {"h.example", 9},
                                               .postmaster = {"p@h.example", 11},
                                               .tls_from_start = true,
                                               .limits = &limits};

static bool next_is(struct smtp_server *s, enum smtp_action_type type, struct smtp_action *a)
{
    return smtp_server_next(s, a) && a->type == type;
}

static struct smtp_server *begun(void)
{
    struct smtp_server *s = smtp_server_new(&setup, SV(""));
    struct smtp_action a;
    smtp_server_start(s, NULL);
    assert_true(next_is(s, SMTP_ACTION_SET_TIMER, &a) && a.ms == 300 && !a.renew);
    assert_true(next_is(s, SMTP_ACTION_SEND, &a));
    assert_false(smtp_server_next(s, &a));
    return s;
}

static void one_send_for_a_group(void **state)
{
    static const char in[] = "HELO a\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nNOOP\r\n";
    struct smtp_server *s = begun();
    struct sv rest = {in, sizeof in - 1};
    struct smtp_action a;
    unsigned sends = 0, checks = 0;
    size_t n;
    (void)state;
    do {
        n = smtp_server_feed(s, rest);
        rest = sv_skip(rest, n);
        while (smtp_server_next(s, &a)) {
            sends += a.type == SMTP_ACTION_SEND;
            if (a.op) {
                checks++;
                smtp_server_done(s, a.op, &(struct smtp_result){.outcome = SMTP_OK});
            }
        }
    } while (n);
    assert_int_equal(checks, 2);
    assert_int_equal(sends, 1);
    smtp_server_free(s);
}

static void a_pending_operation_stops_the_input(void **state)
{
    struct smtp_server *s = begun();
    struct smtp_action a;
    (void)state;
    assert_int_equal(smtp_server_feed(s, SV("HELO a\r\nMAIL FROM:<>\r\nNOOP\r\n")), 22);
    assert_true(next_is(s, SMTP_ACTION_CHECK_PATH, &a));
    uint32_t op = a.op;
    /* it really takes time: what is due is sent meanwhile */
    assert_true(next_is(s, SMTP_ACTION_SEND, &a));
    assert_true(sv_eq(a.bytes, SV("250 h.example\r\n")));
    assert_false(smtp_server_next(s, &a));
    assert_int_equal(smtp_server_feed(s, SV("NOOP\r\n")), 0);
    smtp_server_timeout(s); /* operations have their own deadline */
    smtp_server_done(s, op + 7, &(struct smtp_result){.outcome = SMTP_OK});
    assert_int_equal(smtp_server_feed(s, SV("NOOP\r\n")), 0);
    smtp_server_done(s, op, &(struct smtp_result){.outcome = SMTP_OK});
    assert_int_equal(smtp_server_feed(s, SV("NOOP\r\n")), 6);
    assert_true(next_is(s, SMTP_ACTION_SET_TIMER, &a));
    assert_true(next_is(s, SMTP_ACTION_SEND, &a));
    assert_true(sv_eq(a.bytes, SV("250 2.1.0 Sender ok\r\n250 2.0.0 Ok\r\n")));
    smtp_server_free(s);
}

static void content_is_passed_in_the_bytes_given(void **state)
{
    static char text[60000];
    struct smtp_server *s = begun();
    struct smtp_action a;
    struct smtp_result ok = {.outcome = SMTP_OK};
    struct sv rest = SV("HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
    size_t n;
    bool renew = false;
    (void)state;
    do {
        n = smtp_server_feed(s, rest);
        rest = sv_skip(rest, n);
        while (smtp_server_next(s, &a)) {
            renew = a.type == SMTP_ACTION_SET_TIMER ? a.renew : renew;
            if (a.op)
                smtp_server_done(s, a.op, &ok);
        }
    } while (n);
    assert_true(renew);
    assert_true(smtp_server_is_busy(s));
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 60 == 58 ? '\r' : i % 60 == 59 ? '\n' : 'a';
    assert_int_equal(smtp_server_feed(s, (struct sv){text, sizeof text}), sizeof text);
    assert_true(next_is(s, SMTP_ACTION_BODY, &a));
    assert_ptr_equal(a.bytes.ptr, text);
    assert_int_equal(a.bytes.len, sizeof text);
    assert_false(smtp_server_next(s, &a)); /* no timer for each piece */
    /* no memory is held for content */
    assert_true(s->arena.used_bytes < 1024);
    smtp_server_peer_closed(s);
    assert_true(next_is(s, SMTP_ACTION_ROLLBACK, &a));
    assert_true(next_is(s, SMTP_ACTION_CLOSE, &a));
    assert_false(smtp_server_next(s, &a));
    assert_int_equal(s->state, SESSION_CLOSED);
    smtp_server_free(s);
}

static void an_idle_session_is_small(void **state)
{
    struct smtp_server *s = begun();
    struct smtp_action a;
    (void)state;
    assert_true(sizeof *s < 1024 + 256);
    assert_int_equal(smtp_server_feed(s, SV("HELO a\r\nNOO")), 11);
    while (smtp_server_next(s, &a))
        ;
    assert_int_equal(smtp_server_feed(s, SV("P\r\n")), 3);
    while (smtp_server_next(s, &a))
        ;
    assert_null(s->line.part.data);
    assert_null(s->out.data);
    assert_null(s->secret.data);
    assert_null(s->arena.chunks);
    smtp_server_free(s);
}

/* Feeds and answers; what is sent goes into said. TRANSID: interrupted at octet 5, with a@b. */
static void play(struct smtp_server *s, struct sv in, bool early, struct buf *said)
{
    struct smtp_action a;
    size_t n;
    do {
        n = smtp_server_feed(s, in);
        in = sv_skip(in, n);
        while (smtp_server_next(s, &a)) {
            struct smtp_result r = {.outcome = SMTP_OK};
            if (a.type == SMTP_ACTION_SEND)
                assert_int_equal(buf_put(said, a.bytes), 0);
            if (a.type == SMTP_ACTION_RESUME) {
                r.resumed = true;
                r.early = early;
                r.offset = 5;
                r.mail = SV("<> TRANSID=<1@c.example>");
                r.recipients = SV("<a@b.example>");
            }
            if (a.op)
                smtp_server_done(s, a.op, &r);
        }
    } while (n);
}

/* RFC 1845: the reply to MAIL says what follows; what was sent before it could be seen is not
 * taken for the rest of the content. */
static void content_sent_before_the_355_is_refused(void **state)
{
    static const char mail[] = "HELO a\r\nMAIL FROM:<> TRANSID=<1@c.example>\r\n";
    static const struct {
        const char *behind, *replies;
    } rows[] = {
        {"RCPT TO:<a@b.example>\r\nDATA\r\nNOOP\r\n",
         "503 5.5.1 Recipients are remembered: send the content\r\n"
         "503 5.5.1 Wait for the reply to MAIL: it says where the content goes on\r\n"
         "250 2.0.0 Ok\r\n"},
        {"BDAT 4\r\nDATA"
         "BDAT 8 LAST\r\nRSET\r\n\r\nNOOP\r\n",
         "503 5.5.1 Wait for the reply to MAIL: it says where the content goes on\r\n"
         "503 5.5.1 Wait for the reply to MAIL: it says where the content goes on\r\n"
         "250 2.0.0 Ok\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_server *s = begun();
        struct buf in, said;
        buf_init(&in, 1000, 0);
        buf_init(&said, 4000, 0);
        assert_int_equal(buf_put(&in, sv_of(mail)), 0);
        assert_int_equal(buf_put(&in, sv_of(rows[i].behind)), 0);
        play(s, buf_view(&in), true, &said);
        struct sv replies = sv_skip(buf_view(&said), sizeof "250 h.example\r\n" - 1);
        assert_true(sv_starts(replies, SV("355 5 is the transaction offset\r\n")));
        sv_split(&replies, '\n');
        assert_true(sv_eq(replies, sv_of(rows[i].replies)));
        /* what comes later is meant so */
        buf_reset(&said);
        play(s, SV("DATA\r\n"), false, &said);
        assert_true(sv_starts(buf_view(&said), SV("354 Octet 5 and on; ")));
        buf_reset(&said);
        play(s, SV("abc\r\n.\r\n"), false, &said);
        assert_true(sv_eq(buf_view(&said), SV("250 2.0.0 Message accepted\r\n")));
        smtp_server_free(s);
        buf_deinit(&in);
        buf_deinit(&said);
    }
}

static void refused_at_the_door_and_ended_from_outside(void **state)
{
    struct smtp_server *s = smtp_server_new(&setup, SV(""));
    struct smtp_action a;
    (void)state;
    smtp_server_start(s, &SMTP_REPLY(421, 4, 7, 0, "Too many connections"));
    assert_true(next_is(s, SMTP_ACTION_SEND, &a));
    assert_true(sv_eq(a.bytes, SV("421 4.7.0 Too many connections\r\n")));
    assert_true(next_is(s, SMTP_ACTION_CLOSE, &a));
    assert_int_equal(smtp_server_feed(s, SV("NOOP\r\n")), 0);
    smtp_server_free(s);

    s = begun();
    assert_false(smtp_server_is_busy(s));
    smtp_server_end(s, &SMTP_REPLY(421, 4, 3, 2, "Shutting down"), "shutdown");
    assert_true(next_is(s, SMTP_ACTION_SEND, &a));
    assert_true(next_is(s, SMTP_ACTION_CLOSE, &a));
    assert_string_equal(a.why, "shutdown");
    smtp_server_free(s);
}

/* What the session says to feed, all in one. */
static struct sv heard(struct smtp_server *s, const char *bytes, struct buf *out)
{
    struct sv rest = sv_of(bytes);
    struct smtp_action a;
    size_t n;
    buf_reset(out);
    do {
        n = smtp_server_feed(s, rest);
        rest = sv_skip(rest, n);
        while (smtp_server_next(s, &a)) {
            if (a.type == SMTP_ACTION_SEND)
                assert_int_equal(buf_put(out, a.bytes), 0);
            if (a.op)
                smtp_server_done(s, a.op, &(struct smtp_result){.outcome = SMTP_OK});
        }
    } while (n);
    return buf_view(out);
}

/* Strangers learn what is wrong; who is logged in learns which option says so, too. */
static void settings_are_for_those_who_are_logged_in(void **state)
{
    struct smtp_server_setup strict = setup;
    struct buf out;
    (void)state;
    buf_init(&out, 4096, 0);
    strict.auth_required = true;
    strict.mechanisms_tls = SV("PLAIN");
    struct smtp_server *s = smtp_server_new(&strict, SV("k3f9a2"));
    smtp_server_start(s, NULL);
    heard(s, "EHLO a\r\n", &out);
    assert_true(sv_eq(heard(s, "AUTH X\r\n", &out),
                      SV("504 5.5.4 Mechanism not supported; EHLO lists those that are "
                         "[k3f9a2]\r\n")));
    heard(s, "AUTH PLAIN AGEAYg==\r\n", &out);
    assert_true(sv_eq(heard(s, "MAIL FROM:<a@b.example> SIZE=1073741825\r\n", &out),
                      SV("552 5.3.4 Message is larger than this server takes "
                         "(limits.message_size) [k3f9a2]\r\n")));
    smtp_server_free(s);
    buf_deinit(&out);
}

static uint32_t tolerated(struct smtp_server *s, const char *bytes, struct buf *out)
{
    heard(s, bytes, out);
    return smtp_server_take_tolerated(s);
}

#define BIT(name) (1u << SMTP_TOLERATED_##name)

/* What is understood although it is wrong is noted, once each until it is asked for. */
static void what_is_tolerated_is_noted(void **state)
{
    struct smtp_server_setup own = setup;
    struct buf out;
    (void)state;
    buf_init(&out, 4096, 0);
    own.mechanisms_tls = SV("PLAIN LOGIN");
    struct smtp_server *s = smtp_server_new(&own, SV(""));
    smtp_server_start(s, NULL);
    assert_int_equal(tolerated(s, "HELO a\r\n", &out), 0);
    assert_int_equal(tolerated(s, "AUTH LOGIN dQ==\r\n", &out),
                     BIT(HELO_AUTH) | BIT(LOGIN_INITIAL));
    assert_int_equal(tolerated(s, "EHLO a\r\n", &out), 0);
    assert_int_equal(tolerated(s, "EHLO  a \r\n", &out), BIT(END_SPACE) | BIT(SPACES));
    assert_int_equal(tolerated(s, "NOOP\r\n", &out), 0);
    assert_int_equal(tolerated(s, "MAIL FROM:<a@b.example> SIZE=1\r\n", &out), 0);
    assert_int_equal(tolerated(s, "RSET\r\nMAIL FROM: <a@b.example>\r\n", &out), BIT(COLON_SPACE));
    assert_int_equal(tolerated(s, "RCPT TO:<a@b.example>  NOTIFY=NEVER\r\n", &out), BIT(SPACES));
    assert_int_equal(tolerated(s, "NONSENSE  x \r\n", &out), 0);            /* refused anyway */
    assert_int_equal(tolerated(s, "RCPT TO: <a@b..example>\r\n", &out), 0); /* likewise */
    for (int i = 0; i < SMTP_TOLERATED_COUNT; i++)
        assert_true(strlen(smtp_tolerated_text((enum smtp_tolerated)i)) > 10);
    smtp_server_free(s);
    buf_deinit(&out);
}

/* Each refusal is told with what it was about, while that is still known. */
struct told {
    char lines[2000];
};

static void on_refused(void *arg, const struct smtp_refused *r)
{
    struct told *t = arg;
    size_t len = strlen(t->lines);
    snprintf(t->lines + len, sizeof t->lines - len, "%d <%.*s> <%.*s> %u %.*s\n", r->reply->code,
             SV_ARG(r->reverse_path), SV_ARG(r->recipient), r->envelope->count,
             SV_ARG(r->reply->setting));
}

static void refusals_are_told(void **state)
{
    static const char said[] = "FOO\r\nMAIL FROM:<a@b@c> SIZE=1\r\nMAIL FROM:nobody\r\nMAIL x\r\n"
                               "MAIL FROM:<bad@b.example>\r\nMAIL FROM:<a@b.example>\r\n"
                               "RCPT TO:< c@d.example>\r\nRCPT TO:<c@d>\r\n"
                               "RCPT TO:<bad@d.example>\r\nRCPT TO:<ok@d.example>\r\nFOO\r\n"
                               "DATA\r\nx\r\n.\r\nRCPT TO:<e@f.example>\r\n";
    struct told told = {""};
    struct sv rest = {said, sizeof said - 1};
    struct smtp_server *s = smtp_server_new(&setup, SV("id"));
    struct smtp_action a;
    size_t n;
    (void)state;
    smtp_server_watch(s, on_refused, &told);
    smtp_server_start(s, NULL);
    assert_true(smtp_server_feed(s, SV("HELO a\r\n")) > 0);
    do {
        while (smtp_server_next(s, &a)) {
            bool bad = (a.type == SMTP_ACTION_CHECK_PATH && sv_starts(a.path->text, SV("bad"))) ||
                       a.type == SMTP_ACTION_COMMIT;
            struct smtp_result r = {.outcome = bad ? SMTP_FAILED : SMTP_OK};
            if (bad)
                r.reply = SMTP_REPLY_SETTING(550, 5, 7, 1, "No", "limits.memory");
            if (a.op)
                smtp_server_done(s, a.op, &r);
        }
        n = smtp_server_feed(s, rest);
        rest = sv_skip(rest, n);
    } while (n || smtp_server_next(s, &a));
    assert_string_equal(told.lines, "500 <> <> 0 \n"
                                    "501 <a@b@c> <> 0 \n"
                                    "501 <nobody> <> 0 \n"
                                    "501 <x> <> 0 \n"
                                    "550 <bad@b.example> <> 0 limits.memory\n"
                                    "501 <a@b.example> < c@d.example> 0 \n"
                                    "554 <a@b.example> <c@d> 0 \n"
                                    "550 <a@b.example> <bad@d.example> 1 limits.memory\n"
                                    "500 <a@b.example> <> 1 \n"
                                    "550 <a@b.example> <> 1 limits.memory\n"
                                    "503 <> <> 0 \n");
    smtp_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_send_for_a_group),
        cmocka_unit_test(a_pending_operation_stops_the_input),
        cmocka_unit_test(content_is_passed_in_the_bytes_given),
        cmocka_unit_test(an_idle_session_is_small),
        cmocka_unit_test(content_sent_before_the_355_is_refused),
        cmocka_unit_test(refused_at_the_door_and_ended_from_outside),
        cmocka_unit_test(settings_are_for_those_who_are_logged_in),
        cmocka_unit_test(what_is_tolerated_is_noted),
        cmocka_unit_test(refusals_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
