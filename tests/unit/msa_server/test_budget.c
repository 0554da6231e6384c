/* What a login may send: windows, known recipients, what is told once, clocks that are set. */
#include "msa/server/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 INT64_C(1790000100) /* a slot begins here */

static const struct sv alice = {"alice@example.net", 17};

/* One message to count recipients, first and those behind it. */
static struct budget_take send(struct budget *b, int64_t now_s, const struct budget_limits *l,
                               unsigned first, unsigned count)
{
    uint64_t *to = calloc(count + 1, sizeof *to), *fresh = calloc(count + 1, sizeof *to);
    for (unsigned i = 0; i < count; i++) {
        char text[40];
        snprintf(text, sizeof text, "r%u@example.org", first + i);
        to[i] = budget_recipient((struct sv){text, strlen(text)});
    }
    struct budget_take t = {.login = alice,
                            .limits = *l,
                            .recipients = to,
                            .nrecipients = count,
                            .now_s = now_s,
                            .fresh = fresh};
    budget_take(b, &t);
    if (t.verdict == BUDGET_OK)
        budget_keep(b, &t);
    t.recipients = NULL;
    t.fresh = NULL;
    free(to);
    free(fresh);
    return t;
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(budget_key(BUDGET_NEW_RECIPIENTS), "new_recipients_per_day");
    assert_string_equal(budget_words(BUDGET_MESSAGES), "messages in an hour");
    assert_int_equal(budget_recipient(SV("A@Example.org")), budget_recipient(SV("a@example.ORG")));
    assert_int_not_equal(budget_recipient(SV("a@example.org")),
                         budget_recipient(SV("b@example.org")));
    struct budget_limits none = {.hold = true}, one = {.most = {[BUDGET_RECIPIENTS] = 1}};
    assert_false(budget_is_limited(&none));
    assert_true(budget_is_limited(&one));
}

static void messages_in_an_hour(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_MESSAGES] = 5}};
    struct budget *b = budget_new();
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct budget_take t = send(b, T0 + i * 600, &l, 1, 1);
        assert_int_equal(t.verdict, BUDGET_OK);
        assert_int_equal(t.used, i >= 3 ? i + 1 : 0);
        assert_int_equal(t.warns, i == 3); /* 80 % */
        assert_false(t.breaks);
    }
    struct budget_take t = send(b, T0 + 2500, &l, 1, 1);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_int_equal(t.kind, BUDGET_MESSAGES);
    assert_int_equal(t.used, 6);
    assert_true(t.breaks && t.tells && !t.warns);
    assert_int_equal(t.cost.count[BUDGET_MESSAGES], 0);
    assert_int_equal(t.again_s, T0 + BUDGET_SLOT_S + 3600);
    t = send(b, t.again_s - 1, &l, 1, 1);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_false(t.breaks || t.tells);
    assert_int_equal(send(b, T0 + BUDGET_SLOT_S + 3600, &l, 1, 1).verdict, BUDGET_OK);
    t = send(b, T0 + BUDGET_SLOT_S + 3600, &l, 1, 1);
    assert_int_equal(t.verdict, BUDGET_REFUSED); /* the next one falls out ten minutes later */
    assert_int_equal(t.again_s, T0 + 600 + BUDGET_SLOT_S + 3600);
    /* another login has its own */
    struct budget_take other = {.login = SV("bob@example.net"), .limits = l, .now_s = T0 + 2500};
    budget_take(b, &other);
    assert_int_equal(other.verdict, BUDGET_OK);
    budget_free(b);
}

static void recipients_in_a_day(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 100}};
    struct budget *b = budget_new();
    uint64_t used[BUDGET_COUNT];
    (void)state;
    struct budget_take t = send(b, T0, &l, 0, 101);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_int_equal(t.again_s, 0); /* it never fits */
    assert_int_equal(send(b, T0, &l, 0, 60).verdict, BUDGET_OK);
    assert_int_equal(send(b, T0 + 40000, &l, 0, 40).verdict, BUDGET_OK);
    t = send(b, T0 + 50000, &l, 0, 50);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_int_equal(t.again_s, T0 + BUDGET_SLOT_S + 86400);
    assert_int_equal(send(b, t.again_s, &l, 0, 50).verdict, BUDGET_OK);
    budget_used(b, SV("ALICE@example.net"), t.again_s, used);
    assert_int_equal(used[BUDGET_RECIPIENTS], 90);
    assert_int_equal(used[BUDGET_MESSAGES], 1);
    budget_used(b, SV("nobody@example.net"), T0, used);
    assert_int_equal(used[BUDGET_RECIPIENTS], 0);
    budget_free(b);
}

static void new_recipients(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_NEW_RECIPIENTS] = 10}};
    struct budget *b = budget_new();
    (void)state;
    for (int i = 0; i < 5; i++) /* the same ones are new once */
        assert_int_equal(send(b, T0, &l, 0, 8).verdict, BUDGET_OK);
    struct budget_take t = send(b, T0, &l, 4, 8);
    assert_int_equal(t.verdict, BUDGET_REFUSED); /* 8 to 11 are new */
    assert_int_equal(t.used, 12);
    assert_int_equal(send(b, T0, &l, 2, 8).verdict, BUDGET_OK); /* 8 and 9 */
    assert_int_equal(send(b, T0, &l, 10, 1).verdict, BUDGET_REFUSED);
    assert_int_equal(send(b, T0, &l, 0, 10).verdict, BUDGET_OK);
    assert_int_equal(send(b, T0 + 90000, &l, 10, 10).verdict, BUDGET_OK);
    budget_free(b);
}

static void held_ones_count(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_MESSAGES] = 2}, .hold = true};
    struct budget *b = budget_new();
    uint64_t used[BUDGET_COUNT];
    (void)state;
    send(b, T0, &l, 0, 1);
    send(b, T0, &l, 0, 1);
    struct budget_take t = send(b, T0, &l, 0, 1);
    assert_int_equal(t.verdict, BUDGET_HELD);
    assert_true(t.breaks && t.tells);
    assert_int_equal(t.cost.count[BUDGET_MESSAGES], 1);
    t = send(b, T0, &l, 0, 1);
    assert_int_equal(t.verdict, BUDGET_HELD);
    assert_false(t.breaks || t.tells);
    budget_used(b, alice, T0, used);
    assert_int_equal(used[BUDGET_MESSAGES], 4);
    budget_reset(b, alice);
    assert_int_equal(send(b, T0, &l, 0, 1).verdict, BUDGET_OK);
    send(b, T0, &l, 0, 1);
    t = send(b, T0, &l, 0, 1);
    assert_true(t.breaks && t.tells); /* anew */
    budget_free(b);
}

/* A stolen password: once the budget is broken nothing leaves, also to those it knows, and sending
 * to the same strangers twice makes no friends of them. */
static void nothing_more_leaves(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_NEW_RECIPIENTS] = 10}, .hold = true};
    struct budget *b = budget_new();
    (void)state;
    assert_int_equal(send(b, T0, &l, 0, 5).verdict, BUDGET_OK);
    assert_int_equal(send(b, T0, &l, 0, 5).verdict, BUDGET_OK);
    struct budget_take t = send(b, T0, &l, 100, 20);
    assert_int_equal(t.verdict, BUDGET_HELD);
    assert_true(t.breaks);
    assert_true(budget_is_broken(b, alice));
    for (int i = 0; i < 3; i++) {
        t = send(b, T0 + i, &l, i ? 0 : 100, i ? 5 : 20);
        assert_int_equal(t.verdict, BUDGET_HELD);
        assert_false(t.breaks || t.tells);
    }
    t = send(b, T0 + 90000, &l, 0, 5);
    assert_int_equal(t.verdict, BUDGET_OK);
    assert_false(budget_is_broken(b, alice));
    send(b, T0 + 90000, &l, 200, 20);
    budget_reset(b, alice);
    assert_int_equal(send(b, T0 + 90000, &l, 0, 5).verdict, BUDGET_OK);
    budget_free(b);
}

/* A message that broke a budget and did not come has not broken it. */
static void not_broken_after_all(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 10}, .hold = true};
    struct budget *b = budget_new();
    (void)state;
    struct budget_take t = send(b, T0, &l, 0, 11), other;
    assert_true(t.breaks && t.tells);
    budget_give_back(b, &t);
    assert_false(budget_is_broken(b, alice));
    assert_int_equal(send(b, T0, &l, 0, 5).verdict, BUDGET_OK);
    t = send(b, T0, &l, 0, 7);
    assert_true(t.breaks && t.tells);
    /* what was taken before the operator let it begin anew is not given back to what came since */
    budget_reset(b, alice);
    other = send(b, T0, &l, 0, 9);
    budget_give_back(b, &t);
    assert_int_equal(other.verdict, BUDGET_OK);
    assert_int_equal(send(b, T0, &l, 0, 2).verdict, BUDGET_HELD);
    budget_free(b);
}

/* What goes over, under and over again breaks each time, and is told once in its window. */
static void told_once_in_a_window(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 10}};
    struct budget *b = budget_new();
    unsigned breaks = 0, tells = 0, warns = 0;
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct budget_take t = send(b, T0 + i * 60, &l, 0, i % 2 ? 0 : 11);
        breaks += t.breaks;
        tells += t.tells;
        warns += t.warns;
    }
    assert_int_equal(tells, 1);
    assert_int_equal(warns, 0);
    assert_int_equal(breaks, 10);
    assert_true(send(b, T0 + 86400, &l, 0, 11).tells);
    budget_free(b);
}

static void given_back(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 10}};
    struct budget *b = budget_new();
    uint64_t used[BUDGET_COUNT];
    (void)state;
    struct budget_take t = send(b, T0, &l, 0, 7);
    send(b, T0 + 10, &l, 0, 3);
    budget_give_back(b, &t);
    budget_used(b, alice, T0 + 20, used);
    assert_int_equal(used[BUDGET_RECIPIENTS], 3);
    budget_give_back(b, &t); /* never below nothing */
    budget_used(b, alice, T0 + 20, used);
    assert_int_equal(used[BUDGET_RECIPIENTS], 0);
    t.login = SV("nobody@example.net");
    budget_give_back(b, &t);
    budget_free(b);
}

static void over_a_restart(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 10, [BUDGET_NEW_RECIPIENTS] = 5}};
    struct budget *b = budget_new();
    (void)state;
    budget_remember(b, alice,
                    &(struct budget_cost){.slot_s = T0, .count = {[BUDGET_RECIPIENTS] = 9}}, 0);
    budget_remember(b, alice,
                    &(struct budget_cost){.slot_s = T0 - 300, .count = {[BUDGET_MESSAGES] = 1}}, 0);
    budget_remember_known(b, alice, budget_recipient(SV("r0@example.org")), T0);
    struct budget_take t = send(b, T0 + 400, &l, 0, 1);
    assert_int_equal(t.verdict, BUDGET_OK);
    assert_int_equal(t.cost.count[BUDGET_NEW_RECIPIENTS], 0);
    assert_false(t.warns); /* that was told before */
    t = send(b, T0 + 400, &l, 0, 1);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_int_equal(t.used, 11);
    assert_true(t.tells);
    budget_sweep(b, T0 + 100000);
    assert_int_equal(send(b, T0 + 100000, &l, 0, 1).cost.count[BUDGET_NEW_RECIPIENTS], 0);
    budget_free(b);
}

/* A budget that was broken is broken still: that is no news, and what holds goes on to hold. */
static void broken_over_a_restart(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_RECIPIENTS] = 10, [BUDGET_NEW_RECIPIENTS] = 5},
                              .hold = true};
    struct budget_cost full = {.slot_s = T0, .count = {[BUDGET_NEW_RECIPIENTS] = 5}};
    (void)state;
    for (unsigned broken = 0; broken < 2; broken++) {
        struct budget *b = budget_new();
        budget_remember(b, alice, &full, broken << BUDGET_NEW_RECIPIENTS);
        budget_remember_known(b, alice, budget_recipient(SV("r0@example.org")), T0);
        struct budget_take t = send(b, T0 + 400, &l, 0, 1); /* nothing new */
        assert_int_equal(t.verdict, broken ? BUDGET_HELD : BUDGET_OK);
        assert_false(t.breaks || t.tells);
        assert_int_equal(budget_is_broken(b, alice), broken);
        t = send(b, T0 + 500, &l, 1, 1);
        assert_int_equal(t.verdict, BUDGET_HELD);
        assert_int_equal(t.breaks, !broken);
        assert_int_equal(t.tells, !broken);
        budget_free(b);
    }
    /* mended by time while nothing ran, and by msactl */
    for (unsigned reset = 0; reset < 2; reset++) {
        struct budget *b = budget_new();
        budget_remember(b, alice, &full, 1u << BUDGET_NEW_RECIPIENTS);
        if (reset)
            budget_reset(b, alice);
        assert_int_equal(send(b, reset ? T0 + 400 : T0 + 90000, &l, 0, 1).verdict, BUDGET_OK);
        assert_false(budget_is_broken(b, alice));
        budget_free(b);
    }
    /* refusals count nothing: only what was told is remembered */
    struct budget *b = budget_new();
    l.hold = false;
    full.count[BUDGET_NEW_RECIPIENTS] = 4;
    budget_remember(b, alice, &full, 1u << BUDGET_NEW_RECIPIENTS);
    struct budget_take t = send(b, T0 + 400, &l, 10, 3);
    assert_int_equal(t.verdict, BUDGET_REFUSED);
    assert_false(t.breaks || t.tells);
    assert_int_equal(send(b, T0 + 500, &l, 10, 1).verdict, BUDGET_OK);
    budget_free(b);
}

/* Who is written to stays known, who is not is forgotten; and it is not noted each time. */
static void known_for_a_year(void **state)
{
    enum { DAY = BUDGET_DAY_S };
    struct budget_limits l = {.most = {[BUDGET_NEW_RECIPIENTS] = 10}};
    static const struct {
        int days;
        unsigned first, count, fresh, stale;
    } rows[] = {
        {0, 0, 2, 2, 0},   {1, 0, 2, 0, 0},   {29, 0, 2, 0, 0},  {30, 0, 2, 0, 2},
        {31, 0, 2, 0, 0},  {100, 1, 2, 1, 1}, {430, 0, 2, 0, 2}, {430, 2, 1, 0, 1},
        {500, 2, 1, 0, 1}, {831, 1, 2, 1, 1}, {831, 0, 1, 1, 0},
    };
    struct budget *b = budget_new();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct budget_take t =
            send(b, T0 + rows[i].days * (int64_t)DAY, &l, rows[i].first, rows[i].count);
        if (t.nfresh != rows[i].fresh || t.nstale != rows[i].stale)
            fail_msg("row %zu: %zu fresh, %zu stale", i, t.nfresh, t.nstale);
    }
    budget_sweep(b, T0 + 1300 * (int64_t)DAY);
    for (uint64_t i = 0; i < BUDGET_KNOWN_MAX; i++) /* there is room for all: nothing was left */
        budget_remember_known(b, alice, i * UINT64_C(0x9e3779b97f4a7c15), T0 + 1300 * (int64_t)DAY);
    assert_int_equal(send(b, T0 + 1300 * (int64_t)DAY, &l, 0, 1).room, 0);
    budget_free(b);
}

/* A clock that ran ahead must not shut a login out for longer than the window. */
static void clock_is_set(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_MESSAGES] = 2}};
    struct budget *b = budget_new();
    (void)state;
    send(b, T0 + 400 * 86400, &l, 0, 1);
    send(b, T0 + 400 * 86400, &l, 0, 1);
    assert_int_equal(send(b, T0, &l, 0, 1).verdict, BUDGET_REFUSED);
    assert_int_equal(send(b, T0 + 3600, &l, 0, 1).verdict, BUDGET_REFUSED);
    assert_int_equal(send(b, T0 + 3600 + BUDGET_SLOT_S, &l, 0, 1).verdict, BUDGET_OK);
    /* by a few seconds: the same slot, or the one before */
    send(b, T0 + 10000, &l, 0, 1);
    send(b, T0 + 9998, &l, 0, 1);
    assert_int_equal(send(b, T0 + 10000, &l, 0, 1).verdict, BUDGET_REFUSED);
    budget_free(b);
}

/* Sums by slots agree with a plain list of messages, whatever comes when. */
static void agrees_with_a_list(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_MESSAGES] = 14, [BUDGET_RECIPIENTS] = 1200}};
    struct {
        int64_t at_s;
        unsigned count;
    } list[3000];
    size_t n = 0;
    uint32_t seed = 1;
    struct budget *b = budget_new();
    int64_t now_s = T0 + 77;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1103515245 + 12345;
        now_s += seed >> 16 & 511;
        unsigned count = 1 + (seed >> 8 & 7);
        uint64_t messages = 1, recipients = count;
        for (size_t k = 0; k < n; k++) {
            int64_t end_s = list[k].at_s - list[k].at_s % BUDGET_SLOT_S + BUDGET_SLOT_S;
            messages += end_s > now_s - 3600;
            recipients += end_s > now_s - 86400 ? list[k].count : 0;
        }
        bool fits = messages <= 14 && recipients <= 1200;
        struct budget_take t = send(b, now_s, &l, 0, count);
        assert_int_equal(t.verdict, fits ? BUDGET_OK : BUDGET_REFUSED);
        if (fits) {
            list[n].at_s = now_s;
            list[n++].count = count;
        } else {
            assert_true(t.again_s > now_s && t.again_s <= now_s + 86400 + BUDGET_SLOT_S);
        }
    }
    assert_true(n > 500);
    budget_free(b);
}

static void too_many_are_known(void **state)
{
    struct budget_limits l = {.most = {[BUDGET_NEW_RECIPIENTS] = 10}};
    struct budget *b = budget_new();
    (void)state;
    for (uint64_t i = 0; i < BUDGET_KNOWN_MAX + 10; i++)
        budget_remember_known(b, alice, i * UINT64_C(0x9e3779b97f4a7c15), T0);
    struct budget_take t = send(b, T0, &l, 0, 3);
    assert_int_equal(t.cost.count[BUDGET_NEW_RECIPIENTS], 3);
    t = send(b, T0, &l, 0, 3);
    assert_int_equal(t.cost.count[BUDGET_NEW_RECIPIENTS], 3);
    budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(messages_in_an_hour),
        cmocka_unit_test(recipients_in_a_day),
        cmocka_unit_test(new_recipients),
        cmocka_unit_test(held_ones_count),
        cmocka_unit_test(nothing_more_leaves),
        cmocka_unit_test(not_broken_after_all),
        cmocka_unit_test(told_once_in_a_window),
        cmocka_unit_test(given_back),
        cmocka_unit_test(over_a_restart),
        cmocka_unit_test(broken_over_a_restart),
        cmocka_unit_test(known_for_a_year),
        cmocka_unit_test(clock_is_set),
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(too_many_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
