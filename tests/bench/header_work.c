/*
 * What the header of one message costs: read, judged, its authors told, completed, rewritten and
 * written out, by what is switched on. Microseconds and, where the kernel counts them for us,
 * instructions.
 *
 *     build/header_work [ROUNDS]
 *     valgrind --tool=callgrind build/header_work 1000
 */
#include "msa/base/require.h"
#include "rewrite/stream.h"
#include "tests/bench/header_message.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RULES 5000

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int open_counter(void)
{
    struct perf_event_attr a = {.type = PERF_TYPE_HARDWARE,
                                .size = sizeof a,
                                .config = PERF_COUNT_HW_INSTRUCTIONS,
                                .exclude_kernel = 1};
    return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

static uint64_t count(int counter)
{
    uint64_t n = 0;
    return counter >= 0 && read(counter, &n, sizeof n) == sizeof n ? n : 0;
}

static void work(const struct rewrite_stream_config *c)
{
    struct rewrite_stream s;
    struct rewrite_action a;
    size_t out = 0;
    rewrite_stream_init(&s, c);
    rewrite_stream_feed(&s, (struct sv){header_message, sizeof header_message - 1});
    for (int ended = 0; ended < 2; ended++) {
        while (rewrite_stream_next(&s, &a)) {
            REQUIRE(a.kind != REWRITE_REFUSE);
            if (a.kind == REWRITE_AUTHORS)
                rewrite_stream_permit(&s, (struct rewrite_named){.from = SV_NONE});
            out += a.kind == REWRITE_EMIT ? a.bytes.len : 0;
        }
        if (!ended)
            rewrite_stream_end(&s);
    }
    REQUIRE(out > sizeof header_message - 100);
    rewrite_stream_deinit(&s);
}

static void measure(const char *label, const struct rewrite_stream_config *c, unsigned rounds,
                    int counter)
{
    work(c);
    uint64_t before = count(counter);
    double start = now_us();
    for (unsigned i = 0; i < rounds; i++)
        work(c);
    double us = (now_us() - start) / rounds;
    uint64_t instructions = (count(counter) - before) / rounds;
    printf("%-28s %6.2f us", label, us);
    if (instructions)
        printf("  %llu instructions", (unsigned long long)instructions);
    printf("\n");
}

static struct rewrite_rules *make_rules(struct arena *a)
{
    struct rewrite_rules *r = rewrite_rules_new(a);
    for (unsigned i = 0; i < RULES; i++) {
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
        const char *match = i ? arena_printf(a, "user%u@example.net", i) : "*@*.example.net";
        const char *replace = i ? arena_printf(a, "Name.%u@example.net", i) : "*@example.net";
        bool good = rewrite_rule_parse(a, sv_of(match), sv_of(replace), &rule, &fault) &&
                    rewrite_rules_add(
                        r, &rule, REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT, 0);
        REQUIRE(good);
    }
    return r;
}

int main(int argc, char **argv)
{
    static const char *drop[] = {"Bcc", "Resent-Bcc", "Return-Path", "X-Originating-IP"};
    static const struct sv domains[] = {SV("example.net")};
    static const struct rewrite_options off = {.hide_client = true};
    static const struct rewrite_options on = {.add_date = true,
                                              .add_message_id = true,
                                              .hide_client = true,
                                              .drop = {drop, 4},
                                              .drop_forged_results = true};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
    struct arena arena;
    arena_init(&arena);
    struct rewrite_stream_config c = {.options = &off,
                                      .received = {.by = SV("mail.example.net"),
                                                   .protocol = SV("ESMTPSA"),
                                                   .id = SV("0mx0el4hfzq2ciyr"),
                                                   .tls = SV("TLS_AES_256_GCM_SHA384"),
                                                   .wall_s = 1795867200},
                                      .header_size = 1u << 18,
                                      .received_hops = 100,
                                      .domains = domains,
                                      .domain_count = 1};
    int counter = open_counter();
    REQUIRE(rounds > 0);
    printf("%zu octets\n", sizeof header_message - 1);
    measure("nothing switched on", &c, rounds, counter);
    c.options = &on;
    measure("the defaults", &c, rounds, counter);
    c.judge_authors = true;
    measure("with the authors", &c, rounds, counter);
    struct rewrite_rules *rules = make_rules(&arena);
    c.rules = rules;
    measure("with 5000 rules", &c, rounds, counter);
    rewrite_rules_free(rules);
    arena_deinit(&arena);
    return 0;
}
