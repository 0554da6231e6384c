/* What messages need of attempts: which they may make, at which level of TLS, and what becomes of
 * those that may make none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/needs.h"

#include <string.h>

/* ---- what the message is ---- */

#define LOSS "4.3.3"

static struct relay_needs needs_of(const char *mail, const char *rcpt, struct queue_message *m,
                                   uint64_t max_bytes, const struct route_plan *plan)
{
    struct smtp_envelope e;
    smtp_envelope_init(&e, &m->arena);
    assert_int_equal(smtp_envelope_parse_mail(&e, sv_of(mail)), 0);
    assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(rcpt)), 0);
    return relay_needs_of(m, &e, max_bytes, plan);
}

static const struct route_attempt both[] = {{.protocol = ROUTE_QMTP}, {.protocol = ROUTE_SMTP}};
static const struct route_plan mixed = {.attempts = both, .nattempts = 2};
static const struct route_plan only_qmtp = {.attempts = both, .nattempts = 1};

static void test_by_qmtp(void **state)
{
    (void)state;
    static const struct {
        const char *mail, *rcpt;
        bool eight_bit, long_lines, binary, smtputf8;
        uint64_t max_bytes;
        const char *status, *only; /* "": it can; where there is SMTP, and where there is not */
    } rows[] = {
        {"<a@b.example>", "<c@d.example>", .status = "", .only = ""},
        {"<> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<> MT-PRIORITY=3",
         "<c@d.example> NOTIFY=SUCCESS ORCPT=rfc822;c@d.example", .eight_bit = true,
         .long_lines = true, .max_bytes = 100, .status = "", .only = ""},
        {"<a@b.example> TRANSID=<1@b.example>", "<c@d.example>", .status = "", .only = ""},
        {"<a@b.example> REQUIRETLS", "<c@d.example>", .status = "5.7.30", .only = "5.7.30"},
        /* a report is not lost for it (RFC 8689 5), and may keep it by SMTP */
        {"<> REQUIRETLS", "<c@d.example>", .status = LOSS, .only = ""},
        {"<a@b.example> SMTPUTF8", "<c@d.example>", .smtputf8 = true, .status = LOSS, .only = ""},
        {"<a@b.example>", "<c@d.example>", .smtputf8 = true, .status = LOSS, .only = ""},
        {"<a@b.example>", "<\xc3\xa9@d.example>", .status = LOSS, .only = ""},
        {"<a@b.example> BY=60;R", "<c@d.example>", .status = LOSS, .only = ""},
        {"<a@b.example> BY=60;N", "<c@d.example>", .status = LOSS, .only = ""},
        {"<a@b.example> SOLICIT=org.example:ADV", "<c@d.example>", .status = LOSS, .only = ""},
        {"<a@b.example> ENVID=x@b.example MTRK=QlrxKgdDUCsyLpOgFbz4aOMk1Wo", "<c@d.example>",
         .status = LOSS, .only = ""},
        {"<a@b.example>", "<c@d.example> RRVS=2014-04-03T23:01:00Z", .status = LOSS, .only = ""},
        {"<a@b.example>", "<c@d.example> RRVS=2014-04-03T23:01:00Z;C", .status = LOSS, .only = ""},
        {"<a@b.example> BODY=BINARYMIME", "<c@d.example>", .binary = true, .status = LOSS,
         .only = ""},
        {"<a@b.example>", "<c@d.example>", .max_bytes = 99, .status = "5.3.4", .only = "5.3.4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char status[SMTP_STATUS_TEXT_MAX];
        struct queue_message *m = queue_message_new();
        m->size = 100;
        m->eight_bit = rows[i].eight_bit;
        m->long_lines = rows[i].long_lines;
        m->binary = rows[i].binary;
        m->smtputf8 = rows[i].smtputf8;
        for (int only = 0; only < 2; only++) {
            struct relay_needs n = needs_of(rows[i].mail, rows[i].rcpt, m, rows[i].max_bytes,
                                            only ? &only_qmtp : &mixed);
            struct relay_outcome o = relay_outcome_of_failure(&m->arena, n.no_qmtp, 0, SV_NONE);
            if (strcmp(n.by_qmtp ? "" : smtp_status_text(o.status, status),
                       only ? rows[i].only : rows[i].status) != 0)
                fail_msg("%s, %s: %s", rows[i].mail, rows[i].rcpt, o.text);
        }
        queue_message_drop(m);
    }
}

/* RFC 8689: what the parameter and the field ask for; the field is void beside the parameter. */
static void test_of_tls(void **state)
{
    (void)state;
    static const struct {
        const char *mail;
        bool field, requires, waives;
    } rows[] = {
        {"<a@b.example>", false, false, false},
        {"<a@b.example>", true, false, true},
        {"<a@b.example> REQUIRETLS", false, true, false},
        {"<a@b.example> REQUIRETLS", true, true, false},
        {"<> REQUIRETLS", false, false, false}, /* a report is not lost for it */
        {"<> REQUIRETLS", true, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct queue_message *m = queue_message_new();
        m->tls_optional = rows[i].field;
        struct relay_needs n = needs_of(rows[i].mail, "<c@d.example>", m, 0, &mixed);
        assert_int_equal(n.requires_tls, rows[i].requires);
        assert_int_equal(n.waives_tls, rows[i].waives);
        queue_message_drop(m);
    }
}

/* ---- attempts ---- */

enum message { PLAIN, REQUIRES, WAIVES, NO_QMTP, MESSAGES };

static const struct relay_needs messages[MESSAGES] = {
    [PLAIN] = {.by_qmtp = true},
    [REQUIRES] = {.requires_tls = true},
    [WAIVES] = {.waives_tls = true, .by_qmtp = true},
    [NO_QMTP] = {.by_qmtp = false},
};

#define NO   (-1)
#define NONE ROUTE_TLS_NONE
#define OPP  ROUTE_TLS_OPPORTUNISTIC
#define REQ  ROUTE_TLS_REQUIRE
#define VER  ROUTE_TLS_VERIFY
#define DANE ROUTE_TLS_DANE

static void test_levels(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        struct route_attempt attempt;
        int tls[MESSAGES]; /* NO: not allowed */
    } rows[] = {
        {"nothing known", {.tls = OPP}, {OPP, NO, OPP, OPP}},
        {"proven by DNSSEC", {.tls = OPP, .secure = true}, {OPP, VER, OPP, OPP}},
        {"DANE", {.tls = DANE, .rule = ROUTE_RULE_DANE, .secure = true}, {DANE, DANE, OPP, DANE}},
        {"DANE, none usable",
         {.tls = REQ, .rule = ROUTE_RULE_DANE, .secure = true},
         {REQ, VER, OPP, REQ}},
        {"MTA-STS", {.tls = VER, .rule = ROUTE_RULE_STS, .secure = true}, {VER, VER, OPP, VER}},
        {"barred by DANE",
         {.tls = ROUTE_TLS_BARRED, .rule = ROUTE_RULE_DANE, .secure = true},
         {NO, NO, OPP, NO}},
        {"barred by MTA-STS", {.tls = ROUTE_TLS_BARRED, .rule = ROUTE_RULE_STS}, {NO, NO, OPP, NO}},
        {"remembered", {.tls = REQ, .rule = ROUTE_RULE_MEMORY}, {REQ, NO, OPP, REQ}},
        {"a route without TLS",
         {.tls = NONE, .rule = ROUTE_RULE_STATIC, .secure = true},
         {NONE, NO, NONE, NONE}},
        {"a route, opportunistic",
         {.tls = OPP, .rule = ROUTE_RULE_STATIC, .secure = true},
         {OPP, VER, OPP, OPP}},
        {"a route that requires it",
         {.tls = REQ, .rule = ROUTE_RULE_STATIC, .secure = true},
         {REQ, VER, REQ, REQ}},
        {"a route that verifies",
         {.tls = VER, .rule = ROUTE_RULE_STATIC, .secure = true, .credentials = 1},
         {VER, VER, VER, VER}},
        {"QMTP", {.protocol = ROUTE_QMTP, .tls = OPP}, {OPP, NO, OPP, NO}},
        {"QMTP under a policy",
         {.protocol = ROUTE_QMTP, .tls = VER, .rule = ROUTE_RULE_STS, .secure = true},
         {NO, NO, OPP, NO}},
        {"QMTP where TLS has worked",
         {.protocol = ROUTE_QMTP, .tls = REQ, .rule = ROUTE_RULE_MEMORY},
         {NO, NO, OPP, NO}},
        {"QMTPS",
         {.protocol = ROUTE_QMTP,
          .tls = VER,
          .rule = ROUTE_RULE_STATIC,
          .implicit_tls = true,
          .secure = true},
         {VER, NO, VER, NO}},
        {"LMTP", {.protocol = ROUTE_LMTP, .tls = OPP, .secure = true}, {OPP, VER, OPP, OPP}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < MESSAGES; k++) {
            bool allowed = relay_needs_allow(&messages[k], &rows[i].attempt);
            int level = (int)relay_needs_level(&messages[k], &rows[i].attempt);
            if (allowed != (rows[i].tls[k] != NO) || (allowed && level != rows[i].tls[k]))
                fail_msg("%s, message %zu: allowed %d, level %d", rows[i].label, k, allowed, level);
        }
    }
}

static void test_unmet(void **state)
{
    (void)state;
    static const struct route_attempt barred[] = {
        {.host = "mx.example", .tls = ROUTE_TLS_BARRED, .rule = ROUTE_RULE_DANE}};
    static const struct route_attempt failed[] = {{.host = "mx.example",
                                                   .tls = ROUTE_TLS_BARRED,
                                                   .rule = ROUTE_RULE_DANE,
                                                   .barred = "look-up failed",
                                                   .secure = true}};
    static const struct route_attempt unproven[] = {{.host = "mx.example", .tls = OPP}};
    static const struct route_attempt qmtp[] = {
        {.host = "mx.example", .protocol = ROUTE_QMTP, .tls = OPP, .rule = ROUTE_RULE_STATIC}};
    static const struct route_attempt strict_qmtp[] = {
        {.host = "mx.example", .protocol = ROUTE_QMTP, .tls = REQ, .rule = ROUTE_RULE_STATIC}};
    static const struct {
        struct relay_needs needs;
        const struct route_attempt *attempt;
        enum relay_verdict verdict;
        const char *status, *text, *remote;
        bool unsure;
        const char *unproven;
    } rows[] = {
        {{.by_qmtp = true},
         barred,
         RELAY_DEFERRED,
         "4.7.5",
         "no host meets what is demanded of TLS; DANE (TLSA records) demands TLS for mx.example",
         "mx.example",
         false,
         NULL},
        {{.requires_tls = true},
         barred,
         RELAY_FAILED,
         "5.7.10",
         "REQUIRETLS: the domain has no host with TLS that DNSSEC or MTA-STS vouches for",
         "",
         false,
         NULL},
        {{.requires_tls = true},
         failed,
         RELAY_DEFERRED,
         "4.7.5",
         "REQUIRETLS: whether DNSSEC or MTA-STS vouches for TLS there cannot be found out now "
         "(look-up failed)",
         "",
         true,
         NULL},
        {{.requires_tls = true},
         unproven,
         RELAY_DEFERRED,
         "4.7.5",
         "REQUIRETLS: whether DNSSEC or MTA-STS vouches for TLS there cannot be found out now",
         "",
         true,
         NULL},
        {{.requires_tls = true},
         unproven,
         RELAY_FAILED,
         "5.7.10",
         "REQUIRETLS: the domain has no host with TLS that DNSSEC or MTA-STS vouches for",
         "",
         false,
         NULL},
        {{.requires_tls = true},
         unproven,
         RELAY_FAILED,
         "5.7.10",
         "REQUIRETLS: the domain has no host with TLS that DNSSEC or MTA-STS vouches for (why)",
         "",
         false,
         "why"},
        {{.requires_tls = true},
         qmtp,
         RELAY_FAILED,
         "5.7.30",
         "REQUIRETLS cannot be passed on by QMTP",
         "",
         false,
         NULL},
        {{.no_qmtp = RELAY_FAILURE_QMTP_SIZE},
         qmtp,
         RELAY_FAILED,
         "5.3.4",
         "the message is too large for QMTP",
         "",
         false,
         NULL},
        {{.by_qmtp = true},
         strict_qmtp,
         RELAY_DEFERRED,
         "4.7.4",
         "TLS is required here, but QMTP goes in clear",
         "",
         false,
         NULL},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char status[SMTP_STATUS_TEXT_MAX];
        assert_false(relay_needs_allow(&rows[i].needs, rows[i].attempt));
        struct route_plan plan = {.attempts = rows[i].attempt,
                                  .nattempts = 1,
                                  .unsure = rows[i].unsure,
                                  .unproven = rows[i].unproven};
        struct relay_outcome o = relay_needs_unmet(&arena, &rows[i].needs, &plan);
        assert_int_equal(o.verdict, rows[i].verdict);
        assert_string_equal(smtp_status_text(o.status, status), rows[i].status);
        assert_string_equal(o.text, rows[i].text);
        assert_string_equal(o.remote, rows[i].remote);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_qmtp),
                                       cmocka_unit_test(test_of_tls), cmocka_unit_test(test_levels),
                                       cmocka_unit_test(test_unmet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
