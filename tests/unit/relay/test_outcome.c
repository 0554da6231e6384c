#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "relay/outcome.h"

#include <errno.h>
#include <stdlib.h>
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
} results[] = {
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
     RELAY_SCOPE_HOST, "4.7.8", "535 5.7.8 no", false},
    {"refused", END(LOST, CONNECT, -ECONNREFUSED, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.1",
     "connection failed after 61 s: Connection refused", false},
    {"relay.bind names an address that is not here", END(LOST, CONNECT, -EADDRNOTAVAIL, NULL),
     RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.0",
     "connection failed after 61 s: Cannot assign requested address", false},
    {"no descriptor is left", END(LOST, CONNECT, -EMFILE, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST,
     "4.4.0", "connection failed after 61 s: Too many open files", false},
    {"not reached", END(TIMEOUT, CONNECT, -ETIMEDOUT, "[192.0.2.1]: refused, [2001:db8::1]: late"),
     RELAY_DEFERRED, RELAY_SCOPE_HOST, "4.4.1",
     "connection failed after 61 s: [192.0.2.1]: refused, [2001:db8::1]: late", false},
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
    {"lost in the content by QMTP, where nobody says that a recipient was taken",
     {.end = SMTP_END_LOST, .phase = SMTP_PHASE_BODY, .err = ERR_EOF, .qmtp = true},
     RELAY_DEFERRED,
     RELAY_SCOPE_HOST,
     "4.4.2",
     "connection lost after 0 s, sending the content: the peer closed the connection",
     false},
    {"lost in the content", END(LOST, BODY, ERR_EOF, NULL), RELAY_DEFERRED, RELAY_SCOPE_HOST,
     "4.4.2", "connection lost after 61 s, sending the content: the peer closed the connection",
     false},
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
     "TLS is required here, but the server does not offer it (after 61 s, waiting for the reply to "
     "EHLO)",
     false},
    {"8-bit: the next host may have it", LACKS(MAIL, 554, 5, 6, 3, "no 8BITMIME"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.6.3", "the server lacks an extension that the message needs: no 8BITMIME",
     false},
    {"the same of one recipient", LACKS(RCPT, 550, 5, 7, 19, "no RRVS"), RELAY_DEFERRED,
     RELAY_SCOPE_HOST, "4.7.19", "the server lacks an extension that the message needs: no RRVS",
     false},
    {"a time that has passed", LACKS(MAIL, 550, 5, 4, 7, "late"), RELAY_FAILED, RELAY_SCOPE_MESSAGE,
     "5.4.7", "the server lacks an extension that the message needs: late", false},
    {"MTEP", END(DEMANDS, MAIL, 0, "MTEP (it offers X-MTEP)"), RELAY_FAILED, RELAY_SCOPE_MESSAGE,
     "5.3.3", "the server demands an extension that is not spoken here: MTEP (it offers X-MTEP)",
     false},
    {"too big", END(TOO_BIG, MAIL, 0, NULL), RELAY_FAILED, RELAY_SCOPE_MESSAGE, "5.3.4",
     "the message is larger than the server accepts", false},
    {"our own disk", END(CONTENT, BODY, ERR_CORRUPT, NULL), RELAY_DEFERRED, RELAY_SCOPE_LOCAL,
     "4.3.0",
     "the content could not be read: stored data is damaged (after 61 s, sending the content)",
     false},
    {"the keeper does not answer", END(CREDENTIALS, AUTH, ERR_TIMEOUT, NULL), RELAY_DEFERRED,
     RELAY_SCOPE_LOCAL, "4.7.0",
     "no usable credentials for this server: timed out (after 61 s, in AUTH)", false},
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
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        struct relay_outcome o =
            relay_outcome_of_result(&a, &results[i].in, SV("mx.example [192.0.2.1]:25"));
        check(results[i].label, &o, results[i].verdict, results[i].scope, results[i].status,
              results[i].text);
        assert_int_equal(o.maybe_taken, results[i].maybe_taken);
        bool past_rcpt = results[i].in.phase >= SMTP_PHASE_DATA && !results[i].in.qmtp;
        bool ours = results[i].in.err == -EADDRNOTAVAIL || results[i].in.err == -EMFILE;
        assert_int_equal(o.spares_site, ours || (results[i].in.end != SMTP_END_REPLY && past_rcpt));
        assert_int_equal(o.fails_at_last, results[i].in.end == SMTP_END_UNSUPPORTED &&
                                              results[i].verdict != RELAY_FAILED);
        assert_string_equal(o.remote, "mx.example [192.0.2.1]:25");
        /* the class says the same as the verdict (RFC 3464 2.3.4) */
        assert_int_equal(o.status.class, o.verdict == RELAY_DELIVERED  ? 2
                                         : o.verdict == RELAY_DEFERRED ? 4
                                                                       : 5);
    }
    arena_deinit(&a);
}

/* Every realistic refusal at each phase, without an enhanced status: Deferred or Failed, and for
 * the Recipient, the Message, the Host or the Site. */
static void test_each_phase(void **state)
{
    (void)state;
    static const enum smtp_phase phases[] = {
        SMTP_PHASE_GREETING, SMTP_PHASE_EHLO, SMTP_PHASE_HELO,       SMTP_PHASE_STARTTLS,
        SMTP_PHASE_AUTH,     SMTP_PHASE_RSET, SMTP_PHASE_MAIL,       SMTP_PHASE_RCPT,
        SMTP_PHASE_DATA,     SMTP_PHASE_BODY, SMTP_PHASE_END_OF_DATA};
    static const struct {
        int code;
        const char *ends; /* a word a phase */
    } rows[] = {
        /*  greet ehlo helo tls  auth rset mail rcpt data body end */
        {421, "DH DH DH DH DH DH DH DH DH DH DH"}, {430, "DH DH DH DH DH DH DH DR DM DM DM"},
        {432, "DH DH DH DH DH DH DH DR DM DM DM"}, {441, "DH DH DH DH DH DH DH DR DM DM DM"},
        {442, "DH DH DH DH DH DH DH DR DM DM DM"}, {446, "DH DH DH DH DH DH DH DR DM DM DM"},
        {447, "DH DH DH DH DH DH DH DR DM DM DM"}, {449, "DH DH DH DH DH DH DH DR DM DM DM"},
        {450, "DH DH DH DH DH DH DH DR DM DM DM"}, {451, "DH DH DH DH DH DH DH DR DM DM DM"},
        {452, "DH DH DH DH DH DH DH DR DM DM DM"}, {453, "DH DH DH DH DH DH DH DR DM DM DM"},
        {454, "DH DH DH DH DH DH DH DR DM DM DM"}, {455, "DH DH DH DH DH DH DH DR DM DM DM"},
        {458, "DH DH DH DH DH DH DH DR DM DM DM"}, {471, "DH DH DH DH DH DH DH DR DM DM DM"},
        {499, "DH DH DH DH DH DH DH DR DM DM DM"}, {500, "DH DH DH DH DH DH FM FR FM FM FM"},
        {501, "DH DH DH DH DH DH FM FR FM FM FM"}, {502, "DH DH DH DH DH DH FM FR FM FM FM"},
        {503, "DH DH DH DH DH DH FM FR FM FM FM"}, {504, "DH DH DH DH DH DH FM FR FM FM FM"},
        {510, "DH DH DH DH DH DH FM FR FM FM FM"}, {511, "DH DH DH DH DH DH FM FR FM FM FM"},
        {512, "DH DH DH DH DH DH FM FR FM FM FM"}, {513, "DH DH DH DH DH DH FM FR FM FM FM"},
        {515, "DH DH DH DH DH DH FM FR FM FM FM"}, {517, "DH DH DH DH DH DH FM FR FM FM FM"},
        {521, "DH DH DH DH DH DH FM FR FM FM FM"}, {523, "DH DH DH DH DH DH FM FR FM FM FM"},
        {530, "DH DH DH DH DH DH FM FR FM FM FM"}, {534, "DH DH DH DH DH DH FM FR FM FM FM"},
        {535, "DH DH DH DH DH DH FM FR FM FM FM"}, {538, "DH DH DH DH DH DH FM FR FM FM FM"},
        {541, "DH DH DH DH DH DH FM FR FM FM FM"}, {550, "DH DH DH DH DH DH FM FR FM FM FM"},
        {551, "DH DH DH DH DH DH FM FR FM FM FM"}, {552, "DH DH DH DH DH DH FM DR FM FM FM"},
        {553, "DH DH DH DH DH DH FM FR FM FM FM"}, {554, "DH DH DH DH DH DH FM FR FM FM FM"},
        {555, "DH DH DH DH DH DH FM FR FM FM FM"}, {556, "DH DH DH DH DH DH FM FR FM FM FM"},
        {571, "DH DH DH DH DH DH FM FR FM FM FM"}, {599, "DH DH DH DH DH DH FM FR FM FM FM"},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sv words = sv_of(rows[i].ends);
        for (size_t k = 0; k < sizeof phases / sizeof *phases; k++) {
            struct sv word = sv_split(&words, ' ');
            struct smtp_client_result r = {.phase = phases[k],
                                           .reply = {.code = rows[i].code, .text = SV("words")}};
            struct relay_outcome o = relay_outcome_of_result(&a, &r, SV("mx"));
            char got[] = {"?DF"[o.verdict], "RMHSL"[o.scope], '\0'};
            if (!sv_eq(word, sv_of(got)) || o.status.class != (o.verdict == RELAY_FAILED ? 5 : 4) ||
                o.maybe_taken || o.fails_at_last)
                fail_msg("%d, %s: %s", rows[i].code, smtp_phase_text(phases[k]), got);
            assert_int_equal(atoi(o.text), rows[i].code);
        }
        assert_int_equal(words.len, 0);
    }
    arena_deinit(&a);
}

static void test_asks_for_ipv4(void **state)
{
    (void)state;
    static const char *const codes[] = {"5.5.604", "5.5.XXX"};
    static const struct conf_strings list = {(const char **)(uintptr_t)codes, 2}, none = {0};
    static const struct {
        struct smtp_client_result r;
        bool listed, any; /* by the list; by any_550 alone */
    } rows[] = {
        {REPLY(RCPT, 550, 5, 5, 604, "please"), true, false},
        {REPLY(END_OF_DATA, 550, 5, 5, 604, "please\nmore"), true, false},
        {REPLY(END_OF_DATA, 550, 0, 0, 0, "5.5.XXX\nmore"), true, false},
        {REPLY(END_OF_DATA, 550, 0, 0, 0, "5.5.XXXX"), false, false},
        {REPLY(END_OF_DATA, 550, 0, 0, 0, "no 5.5.XXX"), false, false},
        {REPLY(END_OF_DATA, 550, 5, 5, 60, "x"), false, false},
        {REPLY(END_OF_DATA, 554, 5, 5, 604, "x"), false, false},
        {REPLY(END_OF_DATA, 450, 4, 5, 604, "x"), false, false},
        {REPLY(END_OF_DATA, 550, 5, 7, 1, "x"), false, true},
        {REPLY(END_OF_DATA, 550, 5, 7, 25, "x"), false, true},
        {REPLY(END_OF_DATA, 550, 5, 7, 26, "x"), false, false},
        {REPLY(END_OF_DATA, 550, 0, 0, 0, ""), false, false},
        {LACKS(MAIL, 550, 5, 5, 604, "x"), false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(relay_outcome_asks_for_ipv4(&rows[i].r, &list, false), rows[i].listed);
        assert_int_equal(relay_outcome_asks_for_ipv4(&rows[i].r, &none, true), rows[i].any);
        assert_false(relay_outcome_asks_for_ipv4(&rows[i].r, &none, false));
    }
}

/* What demands TLS is named where TLS is at fault, and nowhere else. */
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        struct smtp_client_result r;
        enum route_rule rule;
        bool required; /* REQUIRETLS */
        const char *status, *text;
        bool fails_at_last;
    } rows[] = {
        {END(NO_TLS, EHLO, 0, NULL), ROUTE_RULE_DANE, false, "4.7.5",
         "TLS is required here, but the server does not offer it (after 61 s, waiting for the "
         "reply to EHLO); DANE (TLSA records) demands TLS "
         "for mx.example",
         false},
        {END(TLS, HANDSHAKE, ERR_TLS, "no record matches"), ROUTE_RULE_STS, false, "4.7.5",
         "TLS failed: no record matches (after 61 s, in the TLS handshake); the MTA-STS policy of "
         "the domain demands TLS for "
         "mx.example",
         false},
        {END(NO_TLS, EHLO, 0, NULL), ROUTE_RULE_MEMORY, false, "4.7.5",
         "TLS is required here, but the server does not offer it (after 61 s, waiting for the "
         "reply to EHLO); relay.tls.refuse_downgrade "
         "demands TLS, which has worked before, for mx.example",
         false},
        {END(NO_TLS, EHLO, 0, NULL), ROUTE_RULE_STATIC, false, "4.7.4",
         "TLS is required here, but the server does not offer it (after 61 s, waiting for the "
         "reply to EHLO); relay.routes demands TLS for "
         "mx.example",
         false},
        {END(NO_TLS, EHLO, 0, NULL), ROUTE_RULE_NONE, true, "4.7.10",
         "TLS is required here, but the server does not offer it (after 61 s, waiting for the "
         "reply to EHLO)",
         true},
        {END(TLS, HANDSHAKE, ERR_TLS, "another name"), ROUTE_RULE_STS, true, "4.7.10",
         "TLS failed: another name (after 61 s, in the TLS handshake); the MTA-STS policy of the "
         "domain demands TLS for mx.example",
         true},
        {REPLY(GREETING, 421, 4, 3, 2, "bye"), ROUTE_RULE_DANE, true, "4.3.2", "421 4.3.2 bye",
         false},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct relay_outcome o = relay_outcome_of_result(&a, &rows[i].r, SV("mx.example"));
        relay_outcome_name_rule(&a, &o, rows[i].rule, "mx.example");
        if (rows[i].required)
            relay_outcome_require_tls(&o);
        check("rule", &o, RELAY_DEFERRED, RELAY_SCOPE_HOST, rows[i].status, rows[i].text);
        assert_int_equal(o.fails_at_last, rows[i].fails_at_last);
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
        relay_outcome_of_failure(&a, RELAY_FAILURE_FORM, ERR_TIMEOUT, SV("mx.example"));
    check("form", &o, RELAY_DEFERRED, RELAY_SCOPE_LOCAL, "4.3.0",
          "the content could not be re-encoded: timed out");
    assert_string_equal(o.remote, "mx.example");
    o = relay_outcome_of_failure(&a, RELAY_FAILURE_ENVELOPE, 0, SV_NONE);
    check("envelope", &o, RELAY_FAILED, RELAY_SCOPE_LOCAL, "5.3.0",
          "the queued envelope is damaged");
    assert_string_equal(o.remote, "");
    arena_deinit(&a);
}

/* For lists: who has said it, and what to; our own words have told that. */
static void what_is_shown(void **state)
{
    static const struct {
        struct smtp_client_result in;
        const char *remote, *told;
    } rows[] = {
        {REPLY(RCPT, 451, 4, 7, 1, "later"), "mx [192.0.2.1]:25",
         "451 4.7.1 later [mx [192.0.2.1]:25, RCPT after 0 s]"},
        {END(TIMEOUT, MAIL, 0, NULL), "mx [192.0.2.1]:25",
         "timed out after 61 s, waiting for the reply to MAIL [mx [192.0.2.1]:25]"},
        {END(TIMEOUT, CONNECT, 0, NULL), "", "connection failed after 61 s"},
    };
    struct arena a;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct relay_outcome o = relay_outcome_of_result(&a, &rows[i].in, sv_of(rows[i].remote));
        assert_string_equal(relay_outcome_told(&a, &o), rows[i].told);
    }
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown),      cmocka_unit_test(test_results),
        cmocka_unit_test(test_fails_at_last), cmocka_unit_test(test_each_phase),
        cmocka_unit_test(test_asks_for_ipv4), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_back_off),      cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
