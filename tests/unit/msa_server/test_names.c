/* Questions of workers about names, answered by the main thread from the simulated DNS. */
#include "msa/server/names.h"

#include "msa/base/mem.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/loop/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct loop *loop;
static struct mailbox *main_box, *worker_box;
static struct dns *dns;
static struct names *names;
static int answers[8];
static size_t nanswers;

static int set_up(void **state)
{
    (void)state;
    sim_start(1);
    sim_dns_reset();
    loop = loop_new();
    main_box = mailbox_new(loop);
    worker_box = mailbox_new(loop);
    struct dns_config config = {.loop = loop};
    const char *why;
    assert_int_equal(dns_new(&config, &dns, &why), 0);
    names = names_new(main_box);
    names_set_dns(names, dns, 5000);
    nanswers = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    names_stop(names);
    mailbox_close(worker_box);
    mailbox_close(main_box);
    names_free(names);
    dns_free(dns);
    loop_stop(loop);
    sim_run_for(1);
    loop_free(loop);
    sim_stop();
    return 0;
}

static void on_done(void *arg, enum names_answer answer)
{
    assert_ptr_equal(arg, answers);
    answers[nanswers++] = (int)answer;
}

static struct names_query *put(const char *domain)
{
    return names_ask(names, worker_box, sv_of(domain), on_done, answers);
}

static char canonical[64];

static void on_canonical(void *arg, enum names_answer answer)
{
    struct names_query **q = arg;
    answers[nanswers++] = (int)answer;
    snprintf(canonical, sizeof canonical, "%s", names_canonical(*q) ? names_canonical(*q) : "-");
}

/* The name behind an alias comes along, in lower case. */
static void aliases(void **state)
{
    static const struct {
        const char *domain;
        enum names_answer answer;
        const char *canonical;
    } rows[] = {
        {"plain.test", NAMES_YES, "-"},           {"alias.test", NAMES_YES, "mail.real.test"},
        {"address.test", NAMES_YES, "host.test"}, {"dangling.test", NAMES_NO, "gone.test"},
        {"null.test", NAMES_NULL_MX, "n.test"},
    };
    (void)state;
    sim_dns_add("plain.test", DNS_MX, "10 mail.test");
    sim_dns_alias("alias.test", "Mail.Real.test");
    sim_dns_add("alias.test", DNS_MX, "10 mail.test");
    sim_dns_alias("address.test", "host.test");
    sim_dns_add("address.test", DNS_AAAA, "2001:db8::1");
    sim_dns_alias("dangling.test", "gone.test");
    sim_dns_alias("null.test", "n.test");
    sim_dns_add("null.test", DNS_MX, "0 ");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct names_query *q;
        nanswers = 0;
        q = names_ask(names, worker_box, sv_of(rows[i].domain), on_canonical, &q);
        sim_run_for(10000);
        assert_int_equal(nanswers, 1);
        assert_int_equal(answers[0], rows[i].answer);
        assert_string_equal(canonical, rows[i].canonical);
    }
}

static void every_kind_of_domain(void **state)
{
    static const struct {
        const char *domain;
        enum names_answer answer;
    } rows[] = {
        {"mx.test", NAMES_YES},         {"a.test", NAMES_YES},         {"aaaa.test", NAMES_YES},
        {"nothing.test", NAMES_NO},     {"txt.test", NAMES_NO},        {"null.test", NAMES_NULL_MX},
        {"broken.test", NAMES_UNKNOWN}, {"bogus.test", NAMES_UNKNOWN},
    };
    (void)state;
    sim_dns_add("mx.test", DNS_MX, "10 mail.test");
    sim_dns_add("a.test", DNS_A, "192.0.2.1");
    sim_dns_add("aaaa.test", DNS_AAAA, "2001:db8::1");
    sim_dns_fail("txt.test", DNS_MX, DNS_NODATA);
    sim_dns_fail("txt.test", DNS_A, DNS_NODATA);
    sim_dns_fail("txt.test", DNS_AAAA, DNS_NODATA);
    sim_dns_add("null.test", DNS_MX, "0 ");
    sim_dns_fail("broken.test", DNS_MX, DNS_TEMPFAIL);
    sim_dns_fail("bogus.test", DNS_MX, DNS_BOGUS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        nanswers = 0;
        put(rows[i].domain);
        assert_int_equal(nanswers, 0); /* never from inside */
        sim_run_for(10000);
        assert_int_equal(nanswers, 1);
        if (answers[0] != (int)rows[i].answer)
            fail_msg("%s: %d", rows[i].domain, answers[0]);
    }
}

static void canceled_is_not_told(void **state)
{
    (void)state;
    sim_dns_add("mx.test", DNS_MX, "10 mail.test");
    names_cancel(put("mx.test"));
    struct names_query *later = put("mx.test");
    put("mx.test");
    sim_dns_delay(1000);
    sim_run_for(500);
    names_cancel(later);
    sim_run_for(5000);
    assert_int_equal(nanswers, 1);
}

static void another_resolver_is_asked_again(void **state)
{
    struct dns *other;
    struct dns_config config = {.loop = loop};
    const char *why;
    (void)state;
    sim_dns_delay(1000);
    sim_dns_add("mx.test", DNS_MX, "10 mail.test");
    put("mx.test");
    sim_run_for(500);
    assert_int_equal(dns_new(&config, &other, &why), 0);
    names_set_dns(names, other, 5000);
    dns_free(dns);
    dns = other;
    sim_run_for(600);
    assert_int_equal(nanswers, 0);
    sim_run_for(2000);
    assert_int_equal(nanswers, 1);
    assert_int_equal(answers[0], NAMES_YES);
    assert_int_equal(sim_dns_questions(), 2);
}

static void a_stop_is_an_answer(void **state)
{
    (void)state;
    sim_dns_delay(1000);
    put("mx.test");
    sim_run_for(500);
    names_stop(names);
    put("late.test");
    sim_run_for(100);
    assert_int_equal(nanswers, 2);
    assert_int_equal(answers[0], NAMES_UNKNOWN);
    assert_int_equal(answers[1], NAMES_UNKNOWN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_kind_of_domain), CASE(aliases),
        CASE(canceled_is_not_told), CASE(another_resolver_is_asked_again),
        CASE(a_stop_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
