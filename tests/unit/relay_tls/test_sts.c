/* Policies found out, cached, kept and refreshed, in virtual time. */
#include "msa/base/pack.h"
#include "msa/loop/clock.h"
#include "tests/sim/loop/sim.h"
#include "tests/unit/relay_tls/sts_world.h"

static void test_found(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(w.mode, STS_MODE_ENFORCE);
    assert_string_equal(w.mx, "mx.d.test");
    assert_string_equal(w.why, "enforce, id 1");
    assert_string_equal(sim_https_asked()->host, "mta-sts.d.test");
    assert_string_equal(sim_https_asked()->target, "/.well-known/mta-sts.txt");
    assert_int_equal(sim_https_asked()->port, 443);
    assert_int_equal(ask(), STS_PRESENT); /* from the cache, and the record is not looked at */
    size_t questions = sim_dns_questions();
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(sim_dns_questions(), questions);
    assert_int_equal(fetches(), 1);
    struct sts_stats st;
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.policies, 1);
    assert_int_equal(st.fetches, 1);
}

static void test_absent(void **state)
{
    static const char *const records[] = {NULL, "v=spf1 -all", "v=STSv1; nothing"};
    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        char domain[20];
        snprintf(domain, sizeof domain, "d%zu.test", i);
        set_record(domain, records[i]);
        assert_int_equal(ask_for(domain), STS_ABSENT);
    }
    assert_string_equal(w.why, "its TXT record is not valid");
    assert_int_equal(ask_for("-x.test"), STS_ABSENT); /* could not stand in a URL */
    assert_int_equal(ask_for("a b.test"), STS_ABSENT);
    assert_int_equal(fetches(), 0);
    /* and asked again after a while */
    publish("1", "enforce", "mx.d.test", 604800);
    set_record("d0.test", "v=STSv1; id=1");
    set_body("d0.test", SV("version: STSv1\nmode: none\nmax_age: 86400\n"));
    assert_int_equal(ask_for("d0.test"), STS_ABSENT);
    sim_run_for(3600 * 1000);
    assert_int_equal(ask_for("d0.test"), STS_PRESENT);
    assert_int_equal(w.mode, STS_MODE_NONE);
}

/* What may come in place of a policy: none of it is one, and each has its name in reports. */
static void test_faults(void **state)
{
    static const char good[] = "version: STSv1\nmode: enforce\nmx: mx.d.test\nmax_age: 86400\n";
    static char big[STS_POLICY_MAX_BYTES + 1];
    memset(big, 'a', sizeof big);
    const struct {
        struct https_answer answer;
        enum sts_fault fault;
        const char *why;
    } rows[] = {
        {{HTTPS_ANSWERED, 404, "text/plain", sv_of(good), ""},
         STS_FAULT_FETCH,
         "the HTTP status is 404"},
        {{HTTPS_ANSWERED, 500, "text/plain", sv_of(good), ""},
         STS_FAULT_FETCH,
         "the HTTP status is 500"},
        {{HTTPS_ANSWERED, 301, "text/plain", sv_of(good), ""},
         STS_FAULT_FETCH,
         "the HTTP status is 301"},
        {{HTTPS_ANSWERED, 203, "text/plain", sv_of(good), ""},
         STS_FAULT_FETCH,
         "the HTTP status is 203"},
        {{HTTPS_ANSWERED, 200, "text/html", sv_of(good), ""},
         STS_FAULT_INVALID,
         "it is not text/plain"},
        {{HTTPS_ANSWERED, 200, "text/plainer", sv_of(good), ""},
         STS_FAULT_INVALID,
         "it is not text/plain"},
        {{HTTPS_ANSWERED, 200, "", sv_of(good), ""}, STS_FAULT_INVALID, "it is not text/plain"},
        {{HTTPS_ANSWERED, 200, "text/plain", SV("<html>"), ""},
         STS_FAULT_INVALID,
         "it is no policy: a line is not of the form \"name: value\""},
        {{HTTPS_ANSWERED, 200, "text/plain", SV("version: STSv1\0\n"), ""},
         STS_FAULT_INVALID,
         "it is no policy: a line holds control characters or is not UTF-8"},
        {{HTTPS_ANSWERED, 200, "text/plain", SV(""), ""},
         STS_FAULT_INVALID,
         "it is no policy: it has no version"},
        {{HTTPS_ANSWERED, 200, "text/plain", {big, sizeof big}, ""},
         STS_FAULT_INVALID,
         "the answer is too long"},
        {{HTTPS_UNTRUSTED, 0, "", SV_NONE, "certificate has expired"},
         STS_FAULT_WEBPKI,
         "certificate has expired"},
        {{HTTPS_FAILED, 0, "", SV_NONE, "refused"}, STS_FAULT_FETCH, "refused"},
        {{HTTPS_TIMEOUT, 0, "", SV_NONE, "no answer in time"},
         STS_FAULT_FETCH,
         "no answer in time"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char domain[20], why[256];
        snprintf(domain, sizeof domain, "d%zu.test", i);
        set_record(domain, "v=STSv1; id=1");
        set_answer(domain, &rows[i].answer);
        assert_int_equal(ask_for(domain), STS_UNKNOWN);
        snprintf(why, sizeof why, "cannot be had: %s", rows[i].why);
        assert_string_equal(w.why, why);
        assert_int_equal(w.fault, rows[i].fault);
        assert_int_equal(w.faults, i + 1);
    }
    /* not again for five minutes, but for another id */
    size_t before = fetches();
    sim_run_for(290 * 1000);
    assert_int_equal(ask_for("d0.test"), STS_UNKNOWN);
    assert_int_equal(fetches(), before);
    set_record("d0.test", "v=STSv1; id=2");
    set_body("d0.test", sv_of(good));
    sim_run_for(60 * 1000);
    assert_int_equal(ask_for("d0.test"), STS_PRESENT);
    assert_int_equal(ask_for("d1.test"), STS_UNKNOWN);
    assert_int_equal(fetches(), before + 2);
}

static void test_addresses(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    sim_dns_remove("mta-sts.d.test");
    assert_int_equal(ask(), STS_UNKNOWN);
    assert_string_equal(w.why, "cannot be had: mta-sts.d.test: it has no address");
    set_record("e.test", "v=STSv1; id=1");
    sim_dns_remove("mta-sts.e.test");
    sim_dns_add("mta-sts.e.test", DNS_A, "127.0.0.1");
    sim_dns_add("mta-sts.e.test", DNS_AAAA, "::1");
    assert_int_equal(ask_for("e.test"), STS_UNKNOWN);
    assert_string_equal(w.why,
                        "cannot be had: mta-sts.e.test: none of its addresses may be connected to");
    assert_int_equal(fetches(), 0);
    sim_dns_fail("mta-sts.f.test", DNS_A, DNS_BOGUS);
    sim_dns_add("_mta-sts.f.test", DNS_TXT, "v=STSv1; id=1");
    assert_int_equal(ask_for("f.test"), STS_UNKNOWN);
    assert_string_equal(w.why, "cannot be had: mta-sts.f.test: as scripted");
    sim_dns_fail("_mta-sts.g.test", DNS_TXT, DNS_TEMPFAIL);
    assert_int_equal(ask_for("g.test"), STS_UNKNOWN);
    assert_string_equal(w.why, "cannot be had: as scripted");
}

/* Whatever fails later, a policy that was had holds until its max_age. */
static void test_stays(void **state)
{
    static const struct {
        const char *what;
        const char *record; /* "": DNS does not answer */
        struct https_answer answer;
    } rows[] = {
        {"record gone", NULL, {HTTPS_FAILED, 0, "", {NULL, 0}, "refused"}},
        {"record invalid", "v=STSv1; id=", {HTTPS_FAILED, 0, "", {NULL, 0}, "refused"}},
        {"DNS gone", "", {HTTPS_FAILED, 0, "", {NULL, 0}, "refused"}},
        {"unreachable", "v=STSv1; id=2", {HTTPS_FAILED, 0, "", {NULL, 0}, "refused"}},
        {"expired", "v=STSv1; id=2", {HTTPS_UNTRUSTED, 0, "", {NULL, 0}, "has expired"}},
        {"404", "v=STSv1; id=2", {HTTPS_ANSWERED, 404, "text/plain", {NULL, 0}, ""}},
        {"garbage", "v=STSv1; id=2", {HTTPS_ANSWERED, 200, "text/plain", {"x", 1}, ""}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char domain[20];
        snprintf(domain, sizeof domain, "d%zu.test", i);
        print_message("%s\n", rows[i].what);
        set_record(domain, "v=STSv1; id=1");
        set_body(domain, SV("version: STSv1\nmode: enforce\nmx: mx.d.test\nmax_age: 864000\n"));
        assert_int_equal(ask_for(domain), STS_PRESENT);
        set_record(domain, rows[i].record && *rows[i].record ? rows[i].record : NULL);
        if (rows[i].record && !*rows[i].record) {
            char name[40];
            snprintf(name, sizeof name, "_mta-sts.%s", domain);
            sim_dns_fail(name, DNS_TXT, DNS_TEMPFAIL);
        }
        set_answer(domain, &rows[i].answer);
        uint64_t began = sim_now();
        for (int day = 0; day < 9; day++) {
            sim_run_for(DAY_MS);
            assert_int_equal(ask_for(domain), STS_PRESENT);
            assert_int_equal(w.mode, STS_MODE_ENFORCE);
            if (day == 4)
                restart(); /* also without memory */
        }
        sim_run_until(began + 10 * DAY_MS + 1000);
        assert_true(ask_for(domain) != STS_PRESENT);
    }
}

static void test_new_id(void **state)
{
    (void)state;
    publish("1", "enforce", "mx1.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    publish("2", "enforce", "mx2.d.test", 604800);
    sim_run_for(3600 * 1000); /* the record is looked at again within an hour */
    assert_int_equal(ask(), STS_PRESENT);
    assert_string_equal(w.mx, "mx2.d.test");
    publish("3", "none", "mx2.d.test", 86400);
    sim_run_for(3600 * 1000);
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(w.mode, STS_MODE_NONE);
    assert_int_equal(fetches(), 3);
    /* removed for good: absent when that one has ended */
    set_record("d.test", NULL);
    sim_run_for(2 * DAY_MS);
    assert_int_equal(ask(), STS_ABSENT);
}

/* Nobody asks; the policy is fetched every day all the same, and holds on and on. */
static void test_refresh(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    sim_run_for(20 * DAY_MS);
    assert_in_range(fetches(), 20, 25);
    size_t before = fetches();
    sim_run_for(60 * DAY_MS); /* nobody asks for a month: no more */
    assert_in_range(fetches() - before, 8, 12);
    assert_int_equal(ask(), STS_PRESENT); /* ended, and fetched again */
    /* a short one before half of its time; a failure is tried again, less and less often */
    publish("2", "enforce", "mx.d.test", 1200);
    sim_run_for(3600 * 1000);
    assert_int_equal(ask(), STS_PRESENT);
    before = fetches();
    sim_run_for(6000 * 1000);
    assert_in_range(fetches() - before, 9, 13);
    set_answer("d.test", &(struct https_answer){HTTPS_FAILED, 0, "", SV_NONE, "refused"});
    before = fetches();
    sim_run_for(DAY_MS);
    assert_in_range(fetches() - before, 2, 5); /* then the policy has ended */
    assert_true(ask() != STS_PRESENT);
}

static void test_tiny_max_age(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 0);
    assert_int_equal(ask(), STS_PRESENT);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(), STS_PRESENT);
        sim_run_for(1000);
    }
    assert_int_equal(fetches(), 1);
    set_record("d.test", NULL);
    sim_run_for(60 * 1000);
    assert_int_equal(ask(), STS_ABSENT);
}

/* No answer is later than STS_WAIT_MS; the fetch goes on, for the next mail. */
static void test_slow(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    sim_https_delay(STS_WAIT_MS + 10000);
    assert_int_equal(ask(), STS_UNKNOWN);
    assert_string_equal(w.why, "still being fetched");
    assert_in_range(w.took_ms, STS_WAIT_MS, STS_WAIT_MS + 100);
    assert_int_equal(w.left_s, 1);
    sim_run_for(15000);
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(fetches(), 1);
    /* beyond the deadline of a fetch */
    set_record("e.test", "v=STSv1; id=1");
    set_body("e.test", SV("version: STSv1\nmode: none\nmax_age: 86400\n"));
    sim_https_delay(STS_FETCH_MS + 1);
    assert_int_equal(ask_for("e.test"), STS_UNKNOWN);
    sim_run_for(STS_FETCH_MS);
    assert_int_equal(w.faults, 1);
    assert_int_equal(w.fault, STS_FAULT_FETCH);
    /* DNS that does not answer */
    sim_dns_delay(60000);
    assert_int_equal(ask_for("f.test"), STS_UNKNOWN);
    assert_in_range(w.took_ms, 8000, 8100);
}

static void test_merged(void **state)
{
    struct sts_query *q[10];
    uint64_t began = sim_now();
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    for (size_t i = 0; i < 10; i++)
        q[i] = sts_ask(w.sts, "d.test", on_answer, &began);
    sts_cancel(q[3]);
    sts_cancel(q[0]);
    sim_run_for(1000);
    assert_int_equal(w.answers, 8);
    assert_int_equal(fetches(), 1);
    assert_int_equal(w.status, STS_PRESENT);
}

static void test_bounds(void **state)
{
    char domain[20];
    uint64_t began = sim_now();
    unsigned n = 3 * STS_FETCHES_MAX;
    (void)state;
    sim_https_delay(10000);
    for (unsigned i = 0; i < n; i++) {
        snprintf(domain, sizeof domain, "d%u.test", i);
        set_record(domain, "v=STSv1; id=1");
        set_body(domain, SV("version: STSv1\nmode: none\nmax_age: 86400\n"));
        sts_ask(w.sts, domain, on_answer, &began);
    }
    sim_run_for(5000);
    assert_int_equal(sim_https_asked()->under_way, STS_FETCHES_MAX);
    assert_int_equal(w.answers, 0);
    sim_run_for(STS_WAIT_MS);
    assert_int_equal(w.answers, n);
    sim_run_for(10000);
    assert_int_equal(fetches(), n);
    /* domains without end */
    struct sts_stats st;
    sim_dns_delay(1);
    for (unsigned i = 0; i < STS_DOMAINS_MAX + 500; i++) {
        snprintf(domain, sizeof domain, "x%u.test", i);
        sts_ask(w.sts, domain, on_answer, &began);
        if (i % 500 == 0)
            sim_run_for(100);
        sts_get_stats(w.sts, &st);
        assert_true(st.domains <= STS_DOMAINS_MAX + 1);
    }
    sim_run_for(1000);
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.policies, n); /* asked for the longest ago, but in force */
    sim_run_for(2 * 3600 * 1000);
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.domains, n); /* the others are forgotten, not kept */
    restart();
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.policies, n); /* on the disk, too */
}

/* Hosts that take their time, and new ids all the while, do not keep the others' slots. */
static void test_slow_hosts(void **state)
{
    char domain[20];
    uint64_t began = sim_now();
    (void)state;
    sim_https_delay(STS_FETCH_MS);
    for (unsigned i = 0; i < STS_FETCHES_MAX; i++) {
        snprintf(domain, sizeof domain, "s%u.test", i);
        set_record(domain, "v=STSv1; id=1");
        set_body(domain, SV("version: STSv1\nmode: none\nmax_age: 86400\n"));
        sts_ask(w.sts, domain, on_answer, &began);
    }
    sim_run_for(STS_WAIT_MS + 5000); /* nobody waits: they may go on */
    assert_int_equal(sim_https_asked()->under_way, STS_FETCHES_MAX);
    sim_https_delay(100);
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    assert_in_range(w.took_ms, 1, 2000);
    size_t before = fetches();
    set_record("s0.test", "v=STSv1; id=2");
    sim_run_for(100 * 1000);
    assert_int_equal(ask_for("s0.test"), STS_UNKNOWN);
    assert_int_equal(fetches(), before);
    sim_run_for(300 * 1000);
    assert_int_equal(ask_for("s0.test"), STS_PRESENT);
}

/* More policies than slots, and than may wait for one: the first of those gives up. */
static void test_crowd(void **state)
{
    char domain[20];
    uint64_t began = sim_now();
    unsigned n = STS_FETCHES_MAX + STS_WAITING_MAX + 10;
    (void)state;
    sim_https_delay(STS_FETCH_MS);
    for (unsigned i = 0; i < n; i++) {
        snprintf(domain, sizeof domain, "c%u.test", i);
        set_record(domain, "v=STSv1; id=1");
        sts_ask(w.sts, domain, on_answer, &began);
        if (i % 200 == 0)
            sim_run_for(100);
    }
    sim_run_for(1000);
    assert_int_equal(w.answers, 10);
    assert_int_equal(w.status, STS_UNKNOWN);
    assert_non_null(strstr(w.why, "too many policies"));
    sim_run_for(STS_WAIT_MS);
    assert_int_equal(w.answers, n);
}

static void know(unsigned number)
{
    struct buf row;
    char domain[20];
    snprintf(domain, sizeof domain, "d%u.test", number);
    buf_init(&row, 200, 0);
    pack_u8(&row, 1);
    pack_sv(&row, SV("1"));
    pack_u64(&row, (uint64_t)clock_wall_ms());
    pack_u64(&row, (uint64_t)clock_wall_ms());
    pack_sv(&row, SV("version: STSv1\nmode: none\nmax_age: 8640000\n"));
    sts_remember(w.sts, sv_of(domain), buf_view(&row));
    buf_deinit(&row);
}

static bool is_known(const char *domain)
{
    struct arena arena;
    struct sts_policy p;
    arena_init(&arena);
    bool known = sts_look(w.sts, domain, &arena, &p);
    arena_deinit(&arena);
    return known;
}

/* Nothing but policies in force: the one that nobody has asked for the longest makes room. */
static void test_full_of_policies(void **state)
{
    char domain[20];
    (void)state;
    for (unsigned i = 0; i < STS_DOMAINS_MAX; i++)
        know(i);
    assert_int_equal(ask_for("d0.test"), STS_PRESENT);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(domain, sizeof domain, "x%u.test", i);
        assert_int_equal(ask_for(domain), STS_ABSENT);
        assert_true(is_known("d0.test"));
        assert_false(is_known("d1.test"));
        assert_true(is_known("d2.test")); /* the x before made room for this one */
    }
}

static void test_kept(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    restart();
    sim_dns_fail("_mta-sts.d.test", DNS_TXT, DNS_TEMPFAIL);
    assert_int_equal(ask(), STS_PRESENT);
    assert_string_equal(w.mx, "mx.d.test");
    assert_int_equal(fetches(), 1);
    /* a clock that jumps ends nothing while we run, and gives no more than max_age afterwards */
    sim_wall_jump(INT64_C(400) * 86400 * 1000);
    assert_int_equal(ask(), STS_PRESENT);
    sim_wall_jump(-INT64_C(800) * 86400 * 1000);
    restart();
    assert_int_equal(ask(), STS_PRESENT);
    sim_run_for(7 * DAY_MS + 1000);
    assert_true(ask() != STS_PRESENT);
    sim_wall_jump(INT64_C(400) * 86400 * 1000);
}

#define WALL_DAY_MS INT64_C(86400000)

/* By the wall clock alone it has ended: that may be wrong, so a look has to say the same. */
static void test_ended_while_down(void **state)
{
    struct sts_stats st;
    (void)state;
    publish("1", "enforce", "mx.d.test", 3600);
    assert_int_equal(ask(), STS_PRESENT);
    end();
    sim_wall_jump(INT64_C(3601) * 1000);
    begin();
    set_record("d.test", NULL);
    assert_int_equal(ask(), STS_ABSENT);
    restart();
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.policies, 0); /* nor kept */
    /* another policy takes its place */
    publish("2", "enforce", "mx.d.test", 3600);
    assert_int_equal(ask(), STS_PRESENT);
    end();
    sim_wall_jump(INT64_C(3601) * 1000);
    begin();
    publish("3", "enforce", "mx3.d.test", 172800);
    assert_int_equal(ask(), STS_PRESENT);
    assert_string_equal(w.mx, "mx3.d.test");
    /* nobody answers: for a day, and no longer */
    end();
    sim_wall_jump(3 * WALL_DAY_MS);
    begin();
    sim_dns_fail("_mta-sts.d.test", DNS_TXT, DNS_TEMPFAIL);
    assert_int_equal(ask(), STS_PRESENT);
    sim_run_for(STS_DOUBT_MS - 3600 * 1000);
    assert_int_equal(ask(), STS_PRESENT);
    sim_run_for(3600 * 1000);
    assert_int_equal(ask(), STS_UNKNOWN);
    restart();
    sts_get_stats(w.sts, &st);
    assert_int_equal(st.policies, 0);
}

/* The clock is ahead when we start, and somebody keeps the policy from being had again. */
static void test_clock_ahead(void **state)
{
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    end();
    sim_wall_jump(400 * WALL_DAY_MS);
    begin();
    set_answer("d.test", &(struct https_answer){.end = HTTPS_FAILED, .text = "no route"});
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(fetches(), 2); /* asked for at once */
    assert_non_null(strstr(w.why, "no route"));
    /* put right, it holds for what is left of max_age */
    sim_wall_jump(-400 * WALL_DAY_MS);
    sim_run_for(6 * DAY_MS);
    assert_int_equal(ask(), STS_PRESENT);
    sim_run_for(DAY_MS);
    assert_int_equal(ask(), STS_UNKNOWN);
}

static size_t kept_policies(void)
{
    struct sts_stats st;
    restart();
    sts_get_stats(w.sts, &st);
    return st.policies;
}

/* Rows go a year after their end, but by no clock that knows nothing of the last row. */
static void test_old_rows(void **state)
{
    const int64_t days = STS_ROW_DAYS + 7;
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    assert_int_equal(ask(), STS_PRESENT);
    sim_wall_jump(5000 * WALL_DAY_MS);
    assert_int_equal(kept_policies(), 1);
    sim_wall_jump((days - 1 - 5000) * WALL_DAY_MS);
    set_record("new.test", "v=STSv1; id=1");
    set_body("new.test", SV("version: STSv1\nmode: none\nmax_age: 8640000\n"));
    assert_int_equal(ask_for("new.test"), STS_PRESENT);
    assert_int_equal(kept_policies(), 2);
    sim_wall_jump(WALL_DAY_MS);
    set_record("new2.test", "v=STSv1; id=1");
    set_body("new2.test", SV("version: STSv1\nmode: none\nmax_age: 8640000\n"));
    assert_int_equal(ask_for("new2.test"), STS_PRESENT);
    assert_int_equal(kept_policies(), 2);
}

/* A reload while somebody waits: the question begins again, with the new world. */
static void test_reload(void **state)
{
    uint64_t began = sim_now();
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    sim_https_delay(5000);
    sts_ask(w.sts, "d.test", on_answer, &began);
    sim_run_for(1000);
    sts_set(w.sts, &w.world, true);
    sim_run_for(10000);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.status, STS_PRESENT);
    assert_int_equal(fetches(), 2);
    sts_set(w.sts, &w.world, false);
    assert_int_equal(ask(), STS_ABSENT);
    assert_string_equal(w.why, "relay.tls.mta_sts is off");
    sts_set(w.sts, &w.world, true);
    assert_int_equal(ask(), STS_PRESENT);
    assert_int_equal(fetches(), 2);
}

/* Freed with everything under way: nothing calls back. */
static void test_freed(void **state)
{
    uint64_t began = sim_now();
    (void)state;
    publish("1", "enforce", "mx.d.test", 604800);
    sts_ask(w.sts, "d.test", on_answer, &began);
    sim_https_delay(5000);
    sim_run_for(2); /* that one is being fetched, the other still asks the DNS */
    sim_dns_delay(1000);
    sts_ask(w.sts, "e.test", on_answer, &began);
    sim_run_for(2);
    assert_int_equal(sim_https_asked()->under_way, 1);
    restart();
    sim_run_for(10000);
    assert_int_equal(w.answers, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_found),
        TEST(test_absent),
        TEST(test_faults),
        TEST(test_addresses),
        TEST(test_stays),
        TEST(test_new_id),
        TEST(test_refresh),
        TEST(test_slow),
        TEST(test_tiny_max_age),
        TEST(test_merged),
        TEST(test_bounds),
        TEST(test_kept),
        TEST(test_reload),
        TEST(test_freed),
        TEST(test_ended_while_down),
        TEST(test_clock_ahead),
        TEST(test_old_rows),
        TEST(test_crowd),
        TEST(test_full_of_policies),
        TEST(test_slow_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
