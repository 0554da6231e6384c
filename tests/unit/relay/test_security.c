/* What the relay knows of other sites, as one object: made, reloaded, kept over a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msa/base/log.h"
#include "relay/security.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/https/site.h"
#include "tests/sim/loop/sim.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct relay_options options = {.capture = "", .tls = {.mta_sts = true, .ca = ""}};

static struct {
    struct loop *loop;
    struct dns *dns;
    struct relay_settings *settings;
    struct relay_security *security;
    unsigned answers;
    enum sts_status status;
    char why[200];
} t;

static char downgrade[500]; /* the last line that says so */

static void on_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (strstr(line, "downgrade"))
        snprintf(downgrade, sizeof downgrade, "%.*s", (int)len, line);
}

static void release(void *tls)
{
    tls_ctx_drop(tls);
}

static struct relay_settings *make_settings(void)
{
    struct relay_settings values = {.relay = &options, .dns_timeout_ms = 1000, .release = release};
    struct buf why;
    buf_init(&why, 1000, 0);
    assert_int_equal(tls_ctx_client_new(&(struct tls_ctx_client_options){0}, &values.tls, &why), 0);
    values.owner = values.tls;
    buf_deinit(&why);
    return relay_settings_new(&values);
}

static void begin(void)
{
    const char *said;
    t.loop = loop_new();
    assert_int_equal(dns_new(&(struct dns_config){.loop = t.loop}, &t.dns, &said), 0);
    t.settings = make_settings();
    t.security = relay_security_new(&(struct relay_security_config){.loop = t.loop, .dir = ""});
    relay_security_set(t.security, t.settings, t.dns);
}

static void end(void)
{
    relay_security_free(t.security);
    relay_settings_drop(t.settings);
    dns_free(t.dns);
    loop_stop(t.loop);
    loop_run(t.loop);
    loop_free(t.loop);
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    log_set_sink(on_line, NULL);
    sim_start(1);
    sim_vfs_register();
    sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1);
    sim_dns_reset();
    sim_https_reset();
    sim_dns_add("_mta-sts.d.test", DNS_TXT, "v=STSv1; id=1");
    sim_dns_add("mta-sts.d.test", DNS_A, "192.0.2.1");
    sim_https_set("mta-sts.d.test",
                  &(struct https_answer){HTTPS_ANSWERED, 200, "text/plain",
                                         SV("version: STSv1\nmode: enforce\nmx: a\nmax_age: 86400"),
                                         ""});
    begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end();
    sim_stop();
    return 0;
}

static void on_answer(void *arg, const struct sts_answer *a)
{
    (void)arg;
    t.answers++;
    t.status = a->status;
    snprintf(t.why, sizeof t.why, "%s", a->why);
}

static enum sts_status ask(void)
{
    unsigned before = t.answers;
    sts_ask(relay_security_sts(t.security), "d.test", on_answer, NULL);
    sim_run_for(1000);
    assert_int_equal(t.answers, before + 1);
    return t.status;
}

static void test_kept(void **state)
{
    struct relay_security_stats st;
    (void)state;
    assert_int_equal(ask(), STS_PRESENT);
    end();
    sim_https_reset(); /* nobody is there any more */
    begin();
    relay_security_get_stats(t.security, &st);
    assert_int_equal(st.sts.policies, 1);
    assert_int_equal(st.sts.fetches, 0);
    assert_int_equal(st.dropped, 0);
    assert_int_equal(ask(), STS_PRESENT);
}

static void test_reload(void **state)
{
    (void)state;
    /* settings and resolver change while the answer is awaited */
    unsigned before = t.answers;
    sim_https_delay(500);
    sts_ask(relay_security_sts(t.security), "d.test", on_answer, NULL);
    sim_run_for(100);
    struct relay_settings *old = t.settings;
    struct dns *old_dns = t.dns;
    const char *said;
    t.settings = make_settings();
    assert_int_equal(dns_new(&(struct dns_config){.loop = t.loop}, &t.dns, &said), 0);
    relay_security_set(t.security, t.settings, old_dns);
    relay_security_set(t.security, t.settings, t.dns);
    relay_settings_drop(old);
    dns_free(old_dns);
    sim_run_for(1000);
    assert_int_equal(t.answers, before + 1);
    assert_int_equal(t.status, STS_PRESENT);
}

static void test_off(void **state)
{
    (void)state;
    options.tls.mta_sts = false;
    relay_security_set(t.security, t.settings, t.dns);
    assert_int_equal(ask(), STS_ABSENT);
    options.tls.mta_sts = true;
    options.capture = "/captured"; /* nothing leaves the machine */
    relay_security_set(t.security, t.settings, t.dns);
    assert_int_equal(ask(), STS_ABSENT);
    assert_int_equal(sim_https_asked()->count, 0);
    options.capture = "";
}

static void on_tls_worked(void *arg, const char *host)
{
    size_t *told = arg;
    assert_string_equal(host, "mx.d.test");
    (*told)++;
}

static void tell(const char *host, const char *result, bool held)
{
    struct tls_event *e = tls_event_new();
    e->domain = "d.test";
    e->host = host;
    e->established = !result;
    e->result = result;
    e->held = held;
    assert_true(ip_parse(SV("192.0.2.1"), &e->remote));
    relay_security_on_tls(t.security, e);
}

static void tls_at(const char *host, bool established)
{
    tell(host, established ? NULL : "starttls-not-supported", false);
}

/* Plans that were made before are wrong from the first time on that TLS works at a host. */
static void test_tls_worked(void **state)
{
    size_t told = 0;
    (void)state;
    relay_security_free(t.security);
    t.security = relay_security_new(&(struct relay_security_config){
        .loop = t.loop, .on_tls_worked = on_tls_worked, .arg = &told});
    options.tls.refuse_downgrade = true;
    relay_security_set(t.security, t.settings, t.dns);
    tls_at("mx.d.test", false);
    assert_int_equal(told, 0);
    tls_at("mx.d.test", true);
    assert_int_equal(told, 1);
    tls_at("mx.d.test", true); /* no news */
    tls_at("mx.d.test", false);
    assert_int_equal(told, 1);
    sim_run_for(91 * UINT64_C(86400000)); /* it was forgotten */
    tls_at("mx.d.test", true);
    assert_int_equal(told, 2);
    options.tls.refuse_downgrade = false;
    tls_at("mx2.d.test", true);
}

/* What is said of the mail is what becomes of it, whatever the memory is used for. */
static void test_downgrade(void **state)
{
    static const struct {
        bool refuse, held;
        const char *says;
    } rows[] = {
        {false, false, "goes in clear"},
        {false, true, "mail for d.test waits"}, /* DANE, MTA-STS */
        {true, true, "mail for d.test waits"},
        {true, false, "goes in clear"}, /* TLS-Required: No */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char host[16];
        snprintf(host, sizeof host, "mx%zu.test", i);
        options.tls.refuse_downgrade = rows[i].refuse;
        downgrade[0] = '\0';
        tell(host, "validation-failure", rows[i].held);
        assert_string_equal(downgrade, ""); /* it never had any */
        tell(host, NULL, rows[i].held);
        tell(host, "certificate-not-trusted", rows[i].held);
        if (!strstr(downgrade, rows[i].says) || !strstr(downgrade, "certificate-not-trusted"))
            fail_msg("row %zu: %s", i, downgrade);
    }
    options.tls.refuse_downgrade = false;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_kept), TEST(test_reload), TEST(test_off),
                                       TEST(test_tls_worked), TEST(test_downgrade)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
