/* Who is slowed and blocked by what, step by step, in virtual time. */
#include "auth/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS 60000u

static struct ip_net exempt[1];
static struct guard_rules rules = {.failures = 10,
                                   .window_ms = 10 * MINUTE_MS,
                                   .time_ms = 15 * MINUTE_MS,
                                   .exempt = exempt,
                                   .exempt_count = 1};

/* Tries: who, from where, right or wrong, and how often; then what came of the last one. */
enum outcome { REFUSED = -1 }; /* else the delay in ms */
struct step {
    unsigned minute;
    const char *client, *name;
    bool right;
    unsigned times;
    int outcome;
};

static struct ip ip_of(const char *text)
{
    struct ip ip;

    assert_true(ip_parse(sv_of(text), &ip));
    return ip;
}

/* Admitted and concluded, as the asker does it. */
static int once(struct guard *g, const struct step *s)
{
    struct guard_try t = {.client = ip_of(s->client),
                          .name = sv_of(s->name),
                          .now_ms = 1000000 + s->minute * (uint64_t)MINUTE_MS,
                          .wall_s = 1000000 + s->minute * 60};
    struct guard_end end;

    if (!guard_admits(g, &rules, &t))
        return REFUSED;
    end = guard_conclude(g, &rules, &t, s->right);
    return end.blocked ? REFUSED : (int)end.delay_ms;
}

static void run(const char *what, const struct step *steps)
{
    struct guard *g = guard_new(42);

    assert_true(ip_net_parse(SV("203.0.113.0/24"), &exempt[0]));
    for (size_t i = 0; steps[i].client != NULL; i++) {
        int outcome = 0;

        for (unsigned n = 0; n < steps[i].times; n++)
            outcome = once(g, &steps[i]);
        if (outcome != steps[i].outcome)
            fail_msg("%s, step %zu: %d and not %d", what, i, outcome, steps[i].outcome);
    }
    guard_free(g);
}

#define WRONG(minute, client, name, times, outcome) \
    {                                               \
        minute, client, name, false, times, outcome \
    }
#define RIGHT(minute, client, name, outcome)   \
    {                                          \
        minute, client, name, true, 1, outcome \
    }
#define END                        \
    {                              \
        0, NULL, NULL, false, 0, 0 \
    }

static void addresses(void **state)
{
    (void)state;
    run("slowed, then blocked",
        (const struct step[]){
            WRONG(0, "192.0.2.1", "a", 1, 0), WRONG(0, "192.0.2.1", "b", 1, 0),
            WRONG(0, "192.0.2.1", "c", 1, 0), WRONG(0, "192.0.2.1", "d", 1, 500),
            WRONG(0, "192.0.2.1", "e", 1, 1000), WRONG(0, "192.0.2.1", "f", 1, 2000),
            WRONG(0, "192.0.2.1", "g", 1, 4000), WRONG(0, "192.0.2.1", "h", 2, 4000),
            WRONG(0, "192.0.2.1", "i", 1, 4000), /* the tenth is still told that it is wrong */
            WRONG(0, "192.0.2.1", "j", 1, REFUSED),
            RIGHT(0, "192.0.2.1", "k", REFUSED), /* whoever it is */
            RIGHT(0, "192.0.2.1", "", REFUSED), RIGHT(14, "192.0.2.1", "k", REFUSED),
            WRONG(14, "192.0.2.1", "k", 1000, REFUSED), /* does not make it longer */
            RIGHT(15, "192.0.2.1", "k", 0), WRONG(15, "192.0.2.1", "x", 2, 0), /* counted anew */
            END});
    run("one IPv6 /64 is one client",
        (const struct step[]){WRONG(0, "2001:db8::1", "a", 5, 1000),
                              WRONG(0, "2001:db8::ffff:1", "b", 5, 4000),
                              WRONG(0, "2001:db8:0:0:7::", "c", 1, REFUSED),
                              WRONG(0, "2001:db8:0:1::1", "d", 1, 0), /* of the /48: ten, by four */
                              END});
    run("failures are forgotten",
        (const struct step[]){
            WRONG(0, "192.0.2.1", "a", 9, 4000), WRONG(12, "192.0.2.1", "b", 1, 0),
            WRONG(12, "192.0.2.1", "c", 8, 4000), WRONG(12, "192.0.2.1", "d", 1, 4000),
            WRONG(12, "192.0.2.1", "e", 1, REFUSED), END});
    run("a success in between changes nothing",
        (const struct step[]){WRONG(0, "192.0.2.1", "victim", 9, 4000),
                              RIGHT(0, "192.0.2.1", "own", 4000),
                              WRONG(0, "192.0.2.1", "victim", 1, 4000),
                              WRONG(0, "192.0.2.1", "victim", 1, REFUSED), END});
}

static void networks(void **state)
{
    static const char *const clients[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    struct step steps[8] = {{0}};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        steps[i] = (struct step){0, clients[i], clients[i], false, 8, 4000};
    steps[3] = (struct step)WRONG(0, "192.0.2.4", "x", 1, 4000); /* 24 by four: slowed */
    steps[4] = (struct step)WRONG(0, "192.0.3.4", "y", 1, 0);    /* the next network is not */
    steps[5] = (struct step){0, "192.0.2.1", "z", false, 2, 4000};
    steps[6] = (struct step)RIGHT(0, "192.0.2.5", "x2", 4000); /* and never blocked */
    run("networks", steps);
    run("a /48", (const struct step[]){WRONG(0, "2001:db8:0:1::1", "a", 8, 4000),
                                       WRONG(0, "2001:db8:0:2::1", "b", 8, 4000),
                                       WRONG(0, "2001:db8:0:3::1", "c", 8, 4000),
                                       WRONG(0, "2001:db8:0:4::1", "d", 1, 4000),
                                       WRONG(0, "2001:db8:1:4::1", "e", 1, 0), END});
}

static void names(void **state)
{
    (void)state;
    run("a name from many places",
        (const struct step[]){
            WRONG(0, "192.0.2.1", "alice@example.net", 3, 0),
            WRONG(0, "198.51.100.1", "ALICE@example.net", 3, 2000),
            WRONG(0, "2001:db8::1", "alice@example.net", 4, 4000),
            WRONG(0, "192.0.9.9", "alice@example.net", 1, REFUSED),
            RIGHT(0, "192.0.9.9", "alice@example.net", REFUSED),
            RIGHT(0, "192.0.9.9", "bob@example.net", 0), /* nobody else is touched */
            RIGHT(16, "192.0.9.9", "alice@example.net", 0), END});
}

static void owners(void **state)
{
    enum { DAY = 24 * 60 };

    (void)state;
    run("neither slowed nor blocked where he has logged in",
        (const struct step[]){
            RIGHT(0, "192.0.2.1", "alice", 0), WRONG(1, "192.0.2.1", "bob", 11, REFUSED),
            RIGHT(1, "192.0.2.1", "alice", 0), RIGHT(1, "192.0.2.1", "bob", REFUSED),
            WRONG(1, "198.51.100.1", "alice", 11, REFUSED),
            RIGHT(1, "198.51.100.1", "alice", REFUSED), /* elsewhere he is not at home */
            RIGHT(1, "192.0.2.1", "alice", 0),
            WRONG(1, "192.0.2.1", "alice", 50, 0), /* an old password in some telephone */
            RIGHT(1, "192.0.2.1", "alice", 0),
            RIGHT(20, "192.0.2.1", "carol", 0), /* and nobody else pays for that */
            END});
    run("thirty days",
        (const struct step[]){
            RIGHT(0, "192.0.2.1", "alice", 0), WRONG(30 * DAY - 1, "192.0.2.1", "bob", 10, 4000),
            RIGHT(30 * DAY - 1, "192.0.2.1", "alice", 0), /* and from now on again */
            WRONG(50 * DAY, "192.0.2.1", "bob", 10, 4000), RIGHT(50 * DAY, "192.0.2.1", "alice", 0),
            END});
    run("not a day longer",
        (const struct step[]){RIGHT(0, "192.0.2.1", "alice", 0),
                              WRONG(30 * DAY + 1, "192.0.2.1", "bob", 10, 4000),
                              RIGHT(30 * DAY + 1, "192.0.2.1", "alice", REFUSED), END});
    run("not for a hundred guesses",
        (const struct step[]){
            RIGHT(0, "192.0.2.1", "alice", 0), WRONG(0, "192.0.2.1", "alice", 100, 0),
            WRONG(0, "192.0.2.1", "alice", 10, 4000), WRONG(0, "192.0.2.1", "alice", 1, REFUSED),
            RIGHT(0, "192.0.2.1", "alice", REFUSED), RIGHT(16, "192.0.2.1", "alice", 0), END});
    run("a blocked success makes no owner",
        (const struct step[]){WRONG(0, "192.0.2.1", "bob", 10, 4000),
                              RIGHT(0, "192.0.2.1", "alice", REFUSED),
                              RIGHT(0, "192.0.2.1", "alice", REFUSED), END});
}

static void exempted(void **state)
{
    (void)state;
    run("exempt",
        (const struct step[]){
            WRONG(0, "203.0.113.7", "alice", 1000, 0), RIGHT(0, "203.0.113.7", "alice", 0),
            RIGHT(0, "192.0.2.1", "alice", 0), /* the name was not counted either */
            WRONG(0, "192.0.2.2", "bob", 11, REFUSED),
            RIGHT(0, "203.0.113.8", "bob", 0), /* nor is a blocked name kept from there */
            END});
}

static void switched_off(void **state)
{
    struct guard_rules kept = rules;

    (void)state;
    rules.failures = 0;
    run("off", (const struct step[]){WRONG(0, "192.0.2.1", "a", 1000, 0),
                                     RIGHT(0, "192.0.2.1", "a", 0), END});
    rules = kept;
}

/* A thousand at once, all let in before the first has ended: ten are told. */
static void all_at_once(void **state)
{
    struct guard *g = guard_new(1);
    struct guard_try t = {.client = ip_of("192.0.2.1"), .name = SV("alice"), .now_ms = 5};
    unsigned told = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(guard_admits(g, &rules, &t));
    for (unsigned i = 0; i < 999; i++)
        told += !guard_conclude(g, &rules, &t, false).blocked;
    assert_int_equal(told, 10);
    assert_true(guard_conclude(g, &rules, &t, true).blocked);
    guard_free(g);
}

/* Whether a user exists is not asked: equal counts give equal delays. Names that an attacker makes
 * up do not end a block, nor fill the memory. */
static void floods(void **state)
{
    struct guard *g = guard_new(1);
    struct guard_try victim = {.client = ip_of("192.0.2.1"), .name = SV("alice"), .now_ms = 5};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        (void)guard_conclude(g, &rules, &victim, false);
    victim.client = ip_of("198.51.100.1");
    assert_false(guard_admits(g, &rules, &victim));
    for (unsigned i = 0; i < 200000; i++) {
        char name[32];
        struct guard_try t = {.client = {.family = IP_V6, .bytes = {0x20, 1}}, .now_ms = 5};

        memcpy(t.client.bytes + 2, &i, sizeof(i));
        snprintf(name, sizeof(name), "nobody%u", i);
        t.name = sv_of(name);
        (void)guard_conclude(g, &rules, &t, false);
    }
    assert_false(guard_admits(g, &rules, &victim));
    guard_free(g);
}

/* Fresh names that fail once do not wipe out what a name has failed; what fails without a name (it
 * cannot be a user's, or no secret was looked at) takes no room of names. */
static void counts_outlast_floods(void **state)
{
    struct guard *g = guard_new(1);
    struct guard_try t = {.name = SV("alice"), .now_ms = 5};
    struct guard_end end = {0};

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        t.client = (struct ip){.family = IP_V4, .bytes = {10, (uint8_t)i, 0, 1}};
        assert_false(guard_conclude(g, &rules, &t, false).blocks_name);
    }
    for (unsigned i = 0; i < 200000; i++) {
        char name[32];
        struct guard_try fresh = {.client = {.family = IP_V6, .bytes = {0x20, 1}}, .now_ms = 5};

        memcpy(fresh.client.bytes + 2, &i, sizeof(i));
        snprintf(name, sizeof(name), "nobody%u", i);
        fresh.name = sv_of(name);
        (void)guard_conclude(g, &rules, &fresh, false);
    }
    t.client.bytes[1] = 9;
    end = guard_conclude(g, &rules, &t, false);
    assert_int_equal(end.delay_ms, 4000);
    assert_true(end.blocks_name);
    guard_free(g);
}

/* A login with very many addresses takes nobody's place but its own. */
static void owners_outlast_floods(void **state)
{
    struct guard *g = guard_new(1);
    struct guard_try alice = {.client = ip_of("192.0.2.1"), .name = SV("alice"), .now_ms = 5};
    struct guard_try mallory = {.client = ip_of("2001:db8::1"), .name = SV("mallory"), .now_ms = 5};
    struct guard_try bob = {.client = ip_of("192.0.2.1"), .name = SV("bob"), .now_ms = 5};

    (void)state;
    (void)guard_conclude(g, &rules, &alice, true);
    for (unsigned i = 0; i < 100000; i++) {
        memcpy(mallory.client.bytes + 4, &i, sizeof(i));
        mallory.wall_s = i;
        (void)guard_conclude(g, &rules, &mallory, true);
    }
    for (unsigned i = 0; i < 10; i++)
        (void)guard_conclude(g, &rules, &bob, false);
    assert_false(guard_admits(g, &rules, &bob));
    assert_true(guard_admits(g, &rules, &alice));
    guard_free(g);
}

struct listing {
    unsigned count;
    char text[256];
};

static void on_block(void *arg, const struct guard_block *b)
{
    struct listing *l = arg;
    char ip[IP_TEXT_MAX];
    size_t at = strlen(l->text);

    l->count++;
    if (b->name.len > 0)
        snprintf(l->text + at, sizeof(l->text) - at, "%.*s ", SV_ARG(b->name));
    else
        snprintf(l->text + at, sizeof(l->text) - at, "%s ", ip_text(&b->client, ip));
    assert_int_equal(b->left_ms, 15 * MINUTE_MS - 1000);
}

static void listed(void **state)
{
    struct guard *g = guard_new(1);
    struct guard_try t = {.client = ip_of("2001:db8::7"), .name = SV("Alice"), .now_ms = 5};
    struct ip other = ip_of("2001:db8::8"), stranger = ip_of("192.0.2.1");
    struct guard_end end = {0};
    struct listing l = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_false(end.blocks_address || end.blocks_name);
        end = guard_conclude(g, &rules, &t, false);
    }
    assert_true(end.blocks_address && end.blocks_name); /* said once, when they begin */
    end = guard_conclude(g, &rules, &t, false);
    assert_false(end.blocks_address || end.blocks_name);
    guard_list(g, 1005, on_block, &l);
    assert_string_equal(l.text, "2001:db8:: alice ");
    assert_false(guard_clear_address(g, &stranger, 1005));
    assert_true(guard_clear_address(g, &other, 1005));
    assert_false(guard_clear_address(g, &other, 1005));
    assert_false(guard_clear_name(g, SV("bob"), 1005));
    assert_true(guard_clear_name(g, SV("ALICE"), 1005));
    l = (struct listing){0};
    guard_list(g, 1005, on_block, &l);
    assert_int_equal(l.count, 0);
    assert_int_equal(guard_conclude(g, &rules, &t, false).delay_ms, 0); /* all is forgotten */
    guard_list(g, 16 * MINUTE_MS, on_block, &l);
    guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(networks),
        cmocka_unit_test(names),
        cmocka_unit_test(owners),
        cmocka_unit_test(exempted),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(floods),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(listed),
        cmocka_unit_test(counts_outlast_floods),
        cmocka_unit_test(owners_outlast_floods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
