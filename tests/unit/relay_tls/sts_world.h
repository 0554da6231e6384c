/*
 * sts_world.h - policies in the simulated world: scripted DNS and web, the simulated disk under
 * what is kept, virtual time. One domain, d.test, is asked for unless a test says otherwise.
 */
#ifndef TESTS_UNIT_RELAY_TLS_STS_WORLD_H
#define TESTS_UNIT_RELAY_TLS_STS_WORLD_H

#include "msa/base/log.h"
#include "relay/tls/sts.h"

#include "tests/sim/dns/zone.h"
#include "tests/sim/https/site.h"
#include "tests/sim/loop/sim.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))
#define DAY_MS (UINT64_C(86400) * 1000)

static struct {
    struct loop *loop;
    struct dns *dns;
    struct https *https;
    struct tls_ctx *trust;
    struct keep *keep;
    struct sts *sts;
    struct fetch_world world;
    unsigned faults;
    enum sts_fault fault;
    /* the last answer */
    unsigned answers;
    enum sts_status status;
    enum sts_mode mode;
    char mx[256], why[256];
    uint32_t left_s;
    uint64_t took_ms;
} w;

static void on_fault(void *arg, const char *domain, enum sts_fault fault, const char *text)
{
    (void)arg;
    (void)domain;
    assert_non_null(text);
    w.faults++;
    w.fault = fault;
}

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    if (kind == KEEP_POLICY)
        sts_remember(arg, key, value);
}

/* The process, on what the disk has. */
static void begin(void)
{
    struct buf why;
    const char *said;
    buf_init(&why, 1000, 0);
    w.loop = loop_new();
    assert_int_equal(dns_new(&(struct dns_config){.loop = w.loop}, &w.dns, &said), 0);
    assert_int_equal(tls_ctx_client_new(&(struct tls_ctx_client_options){0}, &w.trust, &why), 0);
    w.https = https_new(w.loop);
    struct sts_config config = {.loop = w.loop, .on_fault = on_fault};
    w.sts = sts_new(&config);
    w.keep = keep_open("/tls.db", on_row, w.sts);
    /* as relay does it: what is kept is read before there is anything to keep */
    sts_set_keep(w.sts, w.keep);
    w.world = (struct fetch_world){.loop = w.loop,
                                   .dns = w.dns,
                                   .https = w.https,
                                   .trust = w.trust,
                                   .dns_timeout_ms = 8000,
                                   .ipv6 = true};
    sts_set(w.sts, &w.world, true);
    buf_deinit(&why);
}

static void end(void)
{
    sts_free(w.sts);
    keep_close(w.keep);
    https_free(w.https);
    dns_free(w.dns);
    tls_ctx_drop(w.trust);
    loop_stop(w.loop);
    loop_run(w.loop);
    loop_free(w.loop);
}

UNUSED static void restart(void)
{
    end();
    begin();
}

static void drop_line(void *arg, const char *line, size_t len)
{
    (void)arg, (void)line, (void)len;
}

static int set_up(void **state)
{
    if (!getenv("MSA_SIM_LOG"))
        log_set_sink(drop_line, NULL);
    (void)state;
    memset(&w, 0, sizeof w);
    sim_start(1);
    sim_vfs_register();
    sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1);
    sim_dns_reset();
    sim_https_reset();
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
    uint64_t *began = arg;
    w.answers++;
    w.status = a->status;
    w.left_s = a->left_s;
    w.mx[0] = '\0';
    snprintf(w.why, sizeof w.why, "%s", a->why);
    assert_true(a->left_s > 0);
    assert_true((a->policy != NULL) == (a->status == STS_PRESENT));
    w.mode = a->policy ? a->policy->mode : STS_MODE_NONE;
    for (size_t i = 0; a->policy && i < a->policy->nmx; i++)
        snprintf(w.mx + strlen(w.mx), sizeof w.mx - strlen(w.mx), "%s%s", i ? " " : "",
                 a->policy->mx[i]);
    if (began)
        w.took_ms = sim_now() - *began;
}

static bool is_answered(void *arg)
{
    return w.answers > *(unsigned *)arg;
}

/* Asks and waits. */
static enum sts_status ask_for(const char *domain)
{
    uint64_t began = sim_now();
    unsigned before = w.answers;
    sts_ask(w.sts, domain, on_answer, &began);
    assert_int_equal(w.answers, before); /* later */
    assert_true(sim_run_while_not(is_answered, &before, STS_WAIT_MS + 1000));
    return w.status;
}

static enum sts_status ask(void)
{
    return ask_for("d.test");
}

/* ---- what the domain has ---- */

static void set_record(const char *domain, const char *text)
{
    char name[300];
    snprintf(name, sizeof name, "_mta-sts.%s", domain);
    sim_dns_remove(name);
    if (text)
        sim_dns_add(name, DNS_TXT, text);
    snprintf(name, sizeof name, "mta-sts.%s", domain);
    sim_dns_remove(name);
    sim_dns_add(name, DNS_A, "192.0.2.1");
}

static void set_answer(const char *domain, const struct https_answer *a)
{
    char name[300];
    snprintf(name, sizeof name, "mta-sts.%s", domain);
    sim_https_set(name, a);
}

static void set_body(const char *domain, struct sv body)
{
    set_answer(domain, &(struct https_answer){.end = HTTPS_ANSWERED,
                                              .status = 200,
                                              .content_type = "text/plain; charset=utf-8",
                                              .body = body});
}

UNUSED static void publish(const char *id, const char *mode, const char *mx, unsigned max_age_s)
{
    char record[100], body[400];
    snprintf(record, sizeof record, "v=STSv1; id=%s;", id);
    snprintf(body, sizeof body, "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %u\r\n", mode, mx,
             max_age_s);
    set_record("d.test", record);
    set_body("d.test", sv_of(body));
}

static size_t fetches(void)
{
    return sim_https_asked()->count;
}

#endif
