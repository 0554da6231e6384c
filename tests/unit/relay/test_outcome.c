#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "relay/outcome.h"

#include <errno.h>
#include <string.h>

#define REPLY(at, code, class, subject, detail, words)              \
    {                                                               \
        .end = SMTP_END_REPLY, .phase = SMTP_PHASE_##at, .reply = { \
            code,                                                   \
            {class, subject, detail},                               \
            SV(words),                                              \
            SV("")                                                  \
        }                                                           \
    }
#define QMTP(code, class, subject, detail, words)                                  \
    {                                                                              \
        .end = SMTP_END_REPLY, .phase = SMTP_PHASE_END_OF_DATA,                    \
        .reply = {code, {class, subject, detail}, SV(words), SV("")}, .qmtp = true \
    }
#define LACKS(at, code, class, subject, detail, words)                    \
    {                                                                     \
        .end = SMTP_END_UNSUPPORTED, .phase = SMTP_PHASE_##at, .reply = { \
            code,                                                         \
            {class, subject, detail},                                     \
            SV(words),                                                    \
            SV("")                                                        \
        }                                                                 \
    }
#define END(how, at, error, more)                                                      \
    {                                                                                  \
        .end = SMTP_END_##how, .phase = SMTP_PHASE_##at, .err = error, .detail = more, \
        .elapsed_ms = 61999                                                            \
    }

static const struct {
    const char *label;
    struct smtp_client_result in;
    enum relay_verdict verdict;
    enum relay_scope scope;
    const char *status, *text;
    bool maybe_taken;
} rows[] = {
    {"delivered", REPLY(END_OF_DATA, 250, 2, 0, 0, "taken"), RELAY_DELIVERED, RELAY_SCOPE_MESSAGE,
     "2.0.0", "250 2.0.0 taken", false},
    {"taken by QMTP", QMTP(250, 2, 0, 0, "ok 1390 qp 1"), RELAY_DELIVERED, RELAY_SCOPE_MESSAGE,
     "2.0.0", "QMTP: Kok 1390 qp 1", false},
    {"put off by QMTP", QMTP(451, 4, 2, 1, "4.2.1 busy"), RELAY_DEFERRED, RELAY_SCOPE_MESSAGE,
     "4.2.1", "QMTP: Z4.2.1 busy", false},
    {"refused by QMTP", QMTP(554, 5, 1, 1, "no such user (#5.1.1)"), RELAY_FAILED,
     RELAY_SCOPE_MESSAGE, "5.1.1", "QMTP: Dno such user (#5.1.1)", false},
    {"delivered, bare", REPLY(END_OF_DATA, 250, 0, 0, 0, ""), RELAY_DELIVERED, RELAY_SCOPE_MESSAGE,
     "2.0.0", "250", false},
    {"no such user", REPLY(RCPT, 550, 5, 1, 1, "no\nreally"), RELAY_FAILED, RELAY_SCOPE_RECIPIENT,
     "5.1.1", "550 5.1.1 no\nreally", false},
    {"bare 550 to RCPT", REPLY(RCPT, 550, 0, 0, 0, "no"), RELAY_FAILED, RELAY_SCOPE_RECIPIENT,
     "5.2.0", "550 no", false},
    {"bare 550 to content", REPLY(END_OF_DATA, 550, 0, 0, 0, "no"), RELAY_FAILED,
     RELAY_SCOPE_MESSAGE, "5.0.0", "550 no", false},
    {"greylisted", REPLY(RCPT, 451, 4, 7, 1, "later"), RELAY_DEFERRED, RELAY_SCOPE_RECIPIENT,
     "4.7.1", "451 4.7.1 later", false},
    {"too many recipients, 452", REPLY(RCPT, 452, 0, 0, 0, "many"), RELAY_DEFERRED,
     RELAY_SCOPE_RECIPIENT, "4.5.3", "452 many", false},
    {"too many recipients, 552", REPLY(RCPT, 552, 0, 0, 0, "many"), RELAY_DEFERRED,
     RELAY_SCOPE_RECIPIENT, "4.5.3", "552 many", false},
    {"mailbox full, 552", REPLY(RCPT, 552, 5, 2, 2, "full"), RELAY_FAILED, RELAY_SCOPE_RECIPIENT,
     "5.2.2", "552 5.2.2 full", false},
    {"552 to content", REPLY(END_OF_DATA, 552, 0, 0, 0, "big"), RELAY_FAILED, RELAY_SCOPE_MESSAGE,
     "5.3.4", "552 big", false},
    {"null MX at RCPT", REPLY(RCPT, 556, 0, 0, 0, "none"), RELAY_FAILED, RELAY_SCOPE_RECIPIENT,
     "5.1.10", "556 none", false},
    {"unknown code", REPLY(DATA, 599, 0, 0, 0, "?"), RELAY_FAILED, RELAY_SCOPE_MESSAGE, "5.0.0",
     "599 ?", false},
    {"MAIL refused for now", REPLY(MAIL, 450, 0, 0, 0, "x"), RELAY_DEFERRED, RELAY_SCOPE_HOST,
     "4.0.0", "450 x", false},
    {"554 greeting is the host's", REPLY(GREETING, 554, 5, 7, 1, "blocked"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.7.1", "554 5.7.1 blocked", false},
    {"550 to HELO", REPLY(HELO, 550, 0, 0, 0, "x"), RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.0.0",
     "550 x", false},
    {"421 to RCPT is the host's", REPLY(RCPT, 421, 0, 0, 0, "bye"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.3.2", "421 bye", false},
    {"421 to the end of data", REPLY(END_OF_DATA, 421, 4, 3, 0, "bye"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.3.0", "421 4.3.0 bye", false},
    {"wrong password does not bounce mail", REPLY(AUTH, 535, 5, 7, 8, "no"), RELAY_DEFERRED,
     RELAY_SCOPE_SITE, "4.7.8", "535 5.7.8 no", false},
    {"timeout", END(TIMEOUT, MAIL, 0, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.2",
     "timed out after 61 s, waiting for the reply to MAIL", false},
    {"timeout after the end of data", END(TIMEOUT, END_OF_DATA, 0, NULL), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.4.2",
     "timed out after 61 s, waiting for the reply to the end of data (possible duplicate)", true},
    {"lost", END(LOST, RCPT, ERR_EOF, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.2",
     "connection lost after 61 s, waiting for the reply to RCPT: the peer closed the connection",
     false},
    {"lost after the end of data", END(LOST, END_OF_DATA, ERR_EOF, NULL), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.4.2",
     "connection lost after 61 s, waiting for the reply to the end of data: the peer closed the "
     "connection (possible duplicate)",
     true},
    {"protocol", END(PROTOCOL, EHLO, 0, "a reply without end"), RELAY_DEFERRED, RELAY_SCOPE_HOST,
     "4.5.0",
     "the server broke the protocol after 61 s, waiting for the reply to EHLO: a reply without end",
     false},
    {"protocol after the end of data", END(PROTOCOL, END_OF_DATA, 0, "x"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.5.0",
     "the server broke the protocol after 61 s, waiting for the reply to the end of data: x "
     "(possible duplicate)",
     true},
    {"no TLS", END(NO_TLS, EHLO, 0, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.7.4",
     "TLS is required here, but the server does not offer it", false},
    {"8-bit: the next host may have it", LACKS(MAIL, 554, 5, 6, 3, "no 8BITMIME"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.6.3", "the server lacks an extension that the message needs: no 8BITMIME",
     false},
    {"the same of one recipient", LACKS(RCPT, 550, 5, 7, 19, "no RRVS"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.7.19", "the server lacks an extension that the message needs: no RRVS",
     false},
    {"a time that has passed", LACKS(MAIL, 550, 5, 4, 7, "late"), RELAY_FAILED, RELAY_SCOPE_MESSAGE,
     "5.4.7", "the server lacks an extension that the message needs: late", false},
    {"too big", END(TOO_BIG, MAIL, 0, NULL), RELAY_FAILED, RELAY_SCOPE_MESSAGE, "5.3.4",
     "the message is larger than the server accepts", false},
    {"our own disk", END(CONTENT, BODY, ERR_CORRUPT, NULL), RELAY_DEFERRED, RELAY_SCOPE_LOCAL,
     "4.3.0", "the content could not be read: stored data is damaged", false},
};

static void check(const char *label, const struct relay_outcome *o, enum relay_verdict verdict,
                  enum relay_scope scope, const char *status, const char *text)
{
    char got[SMTP_STATUS_TEXT_MAX];
    smtp_status_text(o->status, got);
    if (o->verdict != verdict || o->scope != scope || strcmp(got, status) != 0 ||
        strcmp(o->text, text) != 0)
        fail_msg("%s: %s, scope %d, %s, %s", label, relay_verdict_text(o->verdict), o->scope, got,
                 o->text);
}

static void test_results(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct relay_outcome o =
            relay_outcome_of_result(&a, &rows[i].in, SV("mx.example [192.0.2.1]:25"));
        check(rows[i].label, &o, rows[i].verdict, rows[i].scope, rows[i].status, rows[i].text);
        assert_int_equal(o.maybe_taken, rows[i].maybe_taken);
        assert_int_equal(o.fails_at_last,
                         rows[i].in.end == SMTP_END_UNSUPPORTED && rows[i].verdict != RELAY_FAILED);
        assert_string_equal(o.remote, "mx.example [192.0.2.1]:25");
        /* the class says the same as the verdict (RFC 3464 2.3.4) */
        assert_int_equal(o.status.class, o.verdict == RELAY_DELIVERED  ? 2
                                         : o.verdict == RELAY_DEFERRED ? 4
                                                                       : 5);
    }
    arena_deinit(&a);
}

static void test_fails_at_last(void **state)
{
    (void)state;
    const struct smtp_client_result in = LACKS(MAIL, 550, 5, 7, 30, "no REQUIRETLS");
    struct arena a;
    arena_init(&a);
    struct relay_outcome o = relay_outcome_of_result(&a, &in, SV("mx.example"));
    relay_outcome_fail(&o);
    check("at last", &o, RELAY_FAILED, RELAY_SCOPE_MESSAGE, "5.7.30",
          "the server lacks an extension that the message needs: no REQUIRETLS");
    assert_false(o.fails_at_last);
    assert_string_equal(o.remote, "mx.example");
    arena_deinit(&a);
}

static void test_back_off(void **state)
{
    static const struct {
        struct smtp_client_result in;
        bool backs_off;
        enum relay_verdict verdict;
        enum relay_scope scope;
    } cases[] = {
        {REPLY(RCPT, 450, 4, 7, 28, "x"), true, RELAY_DEFERRED, RELAY_SCOPE_SITE},
        {REPLY(GREETING, 554, 5, 7, 28, "x"), true, RELAY_DEFERRED, RELAY_SCOPE_SITE},
        {REPLY(END_OF_DATA, 550, 5, 7, 1, "x"), true, RELAY_FAILED, RELAY_SCOPE_MESSAGE},
        {REPLY(RCPT, 450, 4, 7, 2, "x"), false, RELAY_DEFERRED, RELAY_SCOPE_RECIPIENT},
        {REPLY(END_OF_DATA, 250, 2, 0, 0, "x"), false, RELAY_DELIVERED, RELAY_SCOPE_MESSAGE},
    };
    static const char *codes[] = {"4.7.28", "5.7.1"};
    const struct conf_strings list = {.items = codes, .count = 2};
    struct arena a;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct relay_outcome o = relay_outcome_of_result(&a, &cases[i].in, SV("mx"));
        relay_outcome_back_off(&o, &list);
        assert_int_equal(o.backs_off, cases[i].backs_off);
        assert_int_equal(o.verdict, cases[i].verdict);
        assert_int_equal(o.scope, cases[i].scope);
    }
    arena_deinit(&a);
}

static void test_failures(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct relay_outcome o =
        relay_outcome_of_failure(&a, RELAY_FAILURE_CONNECT, ERR_TIMEOUT, SV("mx.example"));
    check("connect", &o, RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.1", "connection failed: timed out");
    assert_string_equal(o.remote, "mx.example");
    o = relay_outcome_of_failure(&a, RELAY_FAILURE_ENVELOPE, 0, SV_NONE);
    check("envelope", &o, RELAY_FAILED, RELAY_SCOPE_LOCAL, "5.3.0",
          "the queued envelope is damaged");
    assert_string_equal(o.remote, "");
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results), cmocka_unit_test(test_fails_at_last),
        cmocka_unit_test(test_back_off), cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
