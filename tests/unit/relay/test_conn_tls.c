/*
 * What a connection makes of the level of TLS that its attempt has, against a server on loopback.
 */
#include "relay/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/relay/smarthost.h"

#define HOST "mx.x.test"

static struct loop *loop;
static struct relay_conn *all, *conn;
static struct cert authority, right, other;
static struct {
    bool ready;
    struct smtp_client_result why;
    struct relay_channel_tls tls;
    char version[16];
} seen;

static void note_tls(void)
{
    relay_conn_get_tls(conn, &seen.tls);
    snprintf(seen.version, sizeof seen.version, "%s", seen.tls.version);
}

static void on_ready(void *arg)
{
    (void)arg;
    seen.ready = true;
    note_tls();
    loop_stop(loop);
}

static void on_closed(void *arg, const struct smtp_client_result *why)
{
    (void)arg;
    seen.why = *why;
    note_tls();
    loop_stop(loop);
}

static const struct relay_conn_ops ops = {.on_ready = on_ready, .on_closed = on_closed};

static int setup(void **state)
{
    (void)state;
    tls_key_thread_start(16);
    authority = ec_cert(NULL, NULL);
    right = ec_cert("DNS:" HOST ",DNS:x.test", &authority);
    other = ec_cert("DNS:other.test", &authority);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_cert(&authority);
    free_cert(&right);
    free_cert(&other);
    tls_key_thread_stop();
    return 0;
}

static bool must_verify, testing; /* of all rows that are tried */

struct row {
    const struct cert *cert;
    enum { STARTTLS, NO_STARTTLS, IMPLICIT } server;
    enum route_tls level;
    const char *name;             /* NULL: no names */
    const struct cert *record_of; /* NULL: no TLSA */
    bool ready, encrypted, verified;
    enum tls_failure failure;
    enum smtp_end end; /* unless ready */
};

static void try_row(const struct row *row, enum route_protocol protocol)
{
    struct smarthost h = {.cert = row->cert,
                          .implicit_tls = row->server == IMPLICIT,
                          .no_starttls = row->server == NO_STARTTLS};
    struct tls_ctx *ctx = client_ctx(authority.pem, 10);
    struct tls_stream_tlsa tlsa = {.usage = 3, .selector = 0, .matching = 0};
    unsigned char *der = NULL;
    char again[2048]; /* the same data */
    struct route_attempt a = {.host = HOST,
                              .protocol = protocol,
                              .tls = ROUTE_TLS_BARRED, /* the level decides, not this */
                              .implicit_tls = row->server == IMPLICIT,
                              .names = &row->name,
                              .nnames = row->name != NULL,
                              .tlsa = &tlsa,
                              .ntlsa = row->record_of != NULL,
                              .testing = testing,
                              .credentials = -1};
    if (row->record_of) {
        int len = i2d_X509(row->record_of->x509, &der);
        assert_true(len > 0);
        tlsa.data = (struct sv){(char *)der, (size_t)len};
        assert_true(tlsa.data.len <= sizeof again);
        memcpy(again, der, tlsa.data.len);
    }
    smarthost_start(&h);
    loop = loop_new();
    assert_true(ip_parse(SV("127.0.0.1"), &a.to.ip));
    a.to.port = h.port;
    memset(&seen, 0, sizeof seen);
    struct relay_conn_config config = {.loop = loop,
                                       .all = &all,
                                       .tls = ctx,
                                       .hostname = SV("our.test"),
                                       .attempts = &a,
                                       .nattempts = 1,
                                       .level = row->level,
                                       .must_verify = must_verify,
                                       .qmtp_recipients = 1,
                                       .queue_id = ""};
    conn = relay_conn_open(&config, &ops, NULL);
    OPENSSL_free(der); /* copied */
    struct tls_stream_tlsa same = tlsa;
    memset(&tlsa, 0xff, sizeof tlsa);
    loop_run(loop);
    if (row->ready) { /* for another message, which asks for no more, or for a proof */
        same.data.ptr = again;
        tlsa = same;
        assert_true(relay_conn_serves(conn, &a, row->level, false));
        assert_int_equal(relay_conn_serves(conn, &a, row->level, true), row->verified);
    }
    assert_int_equal(seen.ready, row->ready);
    assert_int_equal(seen.tls.active, row->encrypted);
    assert_int_equal(seen.tls.verified, row->verified);
    assert_int_equal(seen.tls.failure, row->failure);
    if (!row->ready)
        assert_int_equal(seen.why.end, row->end);
    if (row->ready && row->encrypted) {
        assert_string_equal(seen.version, "TLSv1.3");
        if (protocol == ROUTE_SMTP) /* else the server may not have got so far */
            assert_string_equal(h.sni,
                                row->level == ROUTE_TLS_DANE && row->name ? row->name : HOST);
    }
    relay_conn_drop_all(&all);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    tls_ctx_drop(ctx);
    smarthost_stop(&h);
}

#define NONE          AUTH_TLS_FAILURE_NONE
#define MISMATCH      AUTH_TLS_FAILURE_CERTIFICATE_HOST_MISMATCH
#define INVALID       AUTH_TLS_FAILURE_VALIDATION_FAILURE
#define MISSING       AUTH_TLS_FAILURE_STARTTLS_NOT_SUPPORTED
#define OPPORTUNISTIC ROUTE_TLS_OPPORTUNISTIC

static void levels(void **state)
{
    const struct row rows[] = {
        {&right, STARTTLS, ROUTE_TLS_NONE, NULL, NULL, true, false, false, NONE, 0},
        {&other, STARTTLS, OPPORTUNISTIC, NULL, NULL, true, true, false, NONE, 0},
        {&other, NO_STARTTLS, OPPORTUNISTIC, NULL, NULL, true, false, false, MISSING, 0},
        {&other, IMPLICIT, OPPORTUNISTIC, NULL, NULL, true, true, false, NONE, 0},
        /* names of a policy that the message waives */
        {&other, STARTTLS, OPPORTUNISTIC, HOST, NULL, true, true, false, NONE, 0},

        {&other, STARTTLS, ROUTE_TLS_REQUIRE, NULL, NULL, true, true, false, NONE, 0},
        {&right, NO_STARTTLS, ROUTE_TLS_REQUIRE, NULL, NULL, false, false, false, MISSING,
         SMTP_END_NO_TLS},

        {&right, STARTTLS, ROUTE_TLS_VERIFY, NULL, NULL, true, true, true, NONE, 0},
        {&right, STARTTLS, ROUTE_TLS_VERIFY, "x.test", NULL, true, true, true, NONE, 0},
        {&right, STARTTLS, ROUTE_TLS_VERIFY, "y.test", NULL, false, true, false, MISMATCH,
         SMTP_END_TLS},
        {&other, STARTTLS, ROUTE_TLS_VERIFY, NULL, NULL, false, true, false, MISMATCH,
         SMTP_END_TLS},
        {&other, IMPLICIT, ROUTE_TLS_VERIFY, NULL, NULL, false, true, false, MISMATCH,
         SMTP_END_TLS},
        {&right, NO_STARTTLS, ROUTE_TLS_VERIFY, NULL, NULL, false, false, false, MISSING,
         SMTP_END_NO_TLS},

        {&other, STARTTLS, ROUTE_TLS_DANE, "x.test", &other, true, true, true, NONE, 0},
        {&right, STARTTLS, ROUTE_TLS_DANE, NULL, &right, true, true, true, NONE, 0},
        {&right, STARTTLS, ROUTE_TLS_DANE, HOST, &other, false, true, false, INVALID, SMTP_END_TLS},
        {&other, STARTTLS, ROUTE_TLS_DANE, HOST, NULL, true, true, false,
         AUTH_TLS_FAILURE_TLSA_INVALID, 0},
        {&right, NO_STARTTLS, ROUTE_TLS_DANE, HOST, &right, false, false, false, MISSING,
         SMTP_END_NO_TLS},
        {&right, NO_STARTTLS, ROUTE_TLS_DANE, HOST, NULL, false, false, false, MISSING,
         SMTP_END_NO_TLS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("row %zu\n", i);
        try_row(&rows[i], ROUTE_SMTP);
    }
}

/* A policy that is only being tested. */
static void only_told(void **state)
{
    const struct row rows[] = {
        {&right, STARTTLS, OPPORTUNISTIC, HOST, NULL, true, true, true, NONE, 0},
        {&other, STARTTLS, OPPORTUNISTIC, HOST, NULL, true, true, false, MISMATCH, 0},
        {&right, NO_STARTTLS, OPPORTUNISTIC, HOST, NULL, true, false, false, MISSING, 0},
        {&other, STARTTLS, ROUTE_TLS_REQUIRE, HOST, NULL, true, true, false, MISMATCH, 0},
        {&other, STARTTLS, ROUTE_TLS_VERIFY, HOST, NULL, false, true, false, MISMATCH,
         SMTP_END_TLS},
    };
    (void)state;
    testing = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i], ROUTE_SMTP);
    testing = false;
}

/* REQUIRETLS: records that cannot be used prove nothing. */
static void dane_without_usable_records(void **state)
{
    const struct row rows[] = {
        {&right, STARTTLS, ROUTE_TLS_DANE, HOST, NULL, true, true, true, NONE, 0},
        {&other, STARTTLS, ROUTE_TLS_DANE, HOST, NULL, false, true, false, MISMATCH, SMTP_END_TLS},
        {&other, STARTTLS, ROUTE_TLS_DANE, HOST, &other, true, true, true, NONE, 0},
    };
    (void)state;
    must_verify = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i], ROUTE_SMTP);
    must_verify = false;
}

/* QMTP has no STARTTLS that could be missed. */
static void qmtp(void **state)
{
    const struct row rows[] = {
        {&right, NO_STARTTLS, OPPORTUNISTIC, NULL, NULL, true, false, false, NONE, 0},
        {&other, IMPLICIT, OPPORTUNISTIC, NULL, NULL, true, true, false, NONE, 0},
        {&right, IMPLICIT, ROUTE_TLS_VERIFY, NULL, NULL, true, true, true, NONE, 0},
        {&other, IMPLICIT, ROUTE_TLS_VERIFY, NULL, NULL, false, true, false, MISMATCH,
         SMTP_END_TLS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("row %zu\n", i);
        try_row(&rows[i], ROUTE_QMTP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels), cmocka_unit_test(only_told),
                                       cmocka_unit_test(dane_without_usable_records),
                                       cmocka_unit_test(qmtp)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
