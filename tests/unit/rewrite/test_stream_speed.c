/* The work that a message costs: linear in its size, and little for an ordinary one. */
#include "tests/unit/rewrite/stream_world.h"
#include "tests/bench/header_message.h"

#include <time.h>

/* The work is linear in the header section, whatever its lines and pieces are: each byte is looked
 * at a few times. */
static void test_linear(void **state)
{
    (void)state;
    static const struct {
        const char *before, *line;
        int n, refused;
    } cases[] = {
        {"From: x@y.example\r\n", "X-A: b\r\n", 500000, 0},
        {"From: x@y.example\r\n", "A:\r\n", 500000, 0},
        {"A:\r\n", " \r\n", 500000, 0},
        {"To: x@y.example\r\n", " (\r\n )\r\n", 250000, 0},
        {"To:\r\n", " ,,,,,,,,,\r\n", 300000, 0},
        {"To: G:;\r\n", "To: G:;\r\n", 300000, 0},
        {"To: x@y.example\r\n", "To: x@y.example\r\n", 300000, 554},
        {"To: \r\n", " (((((((\r\n", 300000, 554},
        {"To: \"\r\n", " x\r\n", 500000, 554},
        {"To:\r\n", " x.\r\n", 500000, 554},
        {"Received: x\r\n", "X: Received: x\r\n", 200000, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned piece = 0; piece < 3; piece += 2) {
            struct rewrite_stream_config c = config_of(&all);
            struct buf in;
            struct outcome o;
            c.header_size = 16u << 20;
            buf_init(&in, c.header_size, 0);
            assert_int_equal(buf_put(&in, sv_of(cases[i].before)), 0);
            for (int n = 0; n < cases[i].n; n++)
                assert_int_equal(buf_put(&in, sv_of(cases[i].line)), 0);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            run(&c, buf_view(&in), piece, &o);
            assert_int_equal(o.refused, cases[i].refused);
            assert_true(o.walked >= buf_len(&in)); /* it does count */
            assert_true(o.walked <= 8 * buf_len(&in));
            if (!o.refused)
                assert_true(o.facts.lines > (uint64_t)cases[i].n);
            outcome_free(&o);
            buf_deinit(&in);
        }
}

/* The same where everything is switched on: n against 4n. */
static void test_linear_changes(void **state)
{
    (void)state;
    static const char *drop[] = {"Bcc", "X-Originating-IP"};
    static const struct rewrite_options full = {.add_date = true,
                                                .add_message_id = true,
                                                .hide_client = true,
                                                .header_errors = REWRITE_ERRORS_ACCEPT,
                                                .drop = {drop, 2},
                                                .drop_forged_results = true};
    static const struct sv ours[] = {SV("b.example")};
    static const struct {
        const char *line;
        int n, refused;
    } cases[] = {
        {"X-A: b\r\n", 100000, 0},
        {"Bcc: a@x.b.example\r\n", 30000, 0},
        {"Date: x\r\n", 30000, 0},
        {"Date: 1 Jan 2026 (((((((((\r\n", 30000, 0},
        {"Message-ID: <<<<<<<<\r\n", 30000, 0},
        {"Authentication-Results: (x) y.b.example\r\n", 20000, 0},
        {"Authentication-Results: ((((((((((\r\n", 20000, 0},
        {"To: a@x.b.example\r\n", 2400, 0},
        {"To: a (x) @ (y) x (z) . b.example\r\n", 2400, 0},
        {"To: \"a b\"@x.b.example, c@b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.example\r\n", 1200, 0},
        {"To: a@x.b.example\r\n", 10001, 554},
        {"Sender: a@x.b.example\r\n", 2400, 0},
    };
    struct arena a;
    arena_init(&a);
    struct rewrite_rules *rules = rewrite_rules_new(&a);
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    assert_true(rewrite_rule_parse(&a, SV("*@*.b.example"), SV("*@b.example"), &rule, &fault));
    assert_true(rewrite_rules_add(rules, &rule,
                                  REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT, 0));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t walked[2];
        for (int four = 0; four < 2; four++) {
            struct rewrite_stream_config c = config_of(&full);
            struct buf in;
            struct outcome o;
            int n = cases[i].refused ? cases[i].n : cases[i].n / (four ? 1 : 4);
            c.header_size = 16u << 20;
            c.domains = ours;
            c.domain_count = 1;
            c.rules = rules;
            buf_init(&in, c.header_size, 0);
            for (int k = 0; k < n; k++)
                assert_int_equal(buf_put(&in, sv_of(cases[i].line)), 0);
            assert_int_equal(buf_put(&in, SV("\r\n")), 0);
            run(&c, buf_view(&in), 0, &o);
            if (o.refused != cases[i].refused)
                fail_msg("%s: %d %s", cases[i].line, o.refused, o.text);
            assert_true(o.walked >= buf_len(&in) && o.walked <= 20 * buf_len(&in) + 1000);
            walked[four] = o.walked;
            outcome_free(&o);
            buf_deinit(&in);
        }
        assert_true(walked[1] <= 5 * walked[0]);
    }
    rewrite_rules_free(rules);
    arena_deinit(&a);
}

/* An ordinary header: 20 us on an idle machine, and five times that on any. */
static void test_speed(void **state)
{
    (void)state;
    double best = 1e9;
    struct rewrite_stream_config c = config_of(&all);
    c.judge_authors = false;
    for (int batch = 0; batch < 20; batch++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < 100; i++) {
            struct rewrite_stream s;
            struct rewrite_action a;
            size_t out = 0;
            rewrite_stream_init(&s, &c);
            rewrite_stream_feed(&s, (struct sv){header_message, sizeof header_message - 1});
            while (rewrite_stream_next(&s, &a))
                out += a.bytes.len;
            assert_true(out > sizeof header_message);
            rewrite_stream_deinit(&s);
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        double us =
            ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 /
            100;
        best = us < best ? us : best;
    }
    print_message("%.1f us for a header\n", best);
#ifndef MSA_SANITIZED
    assert_true(best < 100);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_changes),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
