/* Clients with trouble: what a reply says of them, the workers' sums, the table over days. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/misfits.h"
#include "msa/smtp/reply.h"
#include "tests/sim/loop/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

/* ---- what a reply says ---- */

static const struct {
    struct smtp_status status;
    const char *setting;
    int kind; /* -1: nothing */
} replies[] = {
    {{5, 5, 1}, "", MISFIT_SYNTAX},
    {{5, 5, 4}, "extensions.off", MISFIT_SYNTAX},
    {{5, 1, 8}, "", MISFIT_UNQUALIFIED},
    {{5, 1, 2}, "", MISFIT_UNQUALIFIED},
    {{5, 1, 2}, "relay.allow_loopback", MISFIT_ADDRESS},
    {{5, 1, 3}, "", MISFIT_ADDRESS},
    {{5, 6, 7}, "", MISFIT_ADDRESS},
    {{5, 7, 0}, "", MISFIT_NO_LOGIN},
    {{5, 7, 8}, "", MISFIT_LOGIN},
    {{4, 7, 0}, "auth.max_failures", MISFIT_LOGIN},
    {{5, 7, 11}, "auth.require_tls", MISFIT_TLS},
    {{5, 6, 0}, "rewrite.header_errors", MISFIT_HEADER},
    {{5, 6, 0}, "listen[].bare_newlines", MISFIT_NEWLINE},
    {{5, 7, 1}, "", MISFIT_SENDER},
    {{5, 7, 1}, "extensions.no_soliciting", MISFIT_OTHER},
    {{4, 5, 3}, "limits.recipients", MISFIT_LIMIT},
    {{5, 3, 4}, "limits.message_size", MISFIT_LIMIT},
    {{5, 4, 6}, "limits.received_hops", MISFIT_OTHER},
    {{4, 3, 1}, "limits.memory", -1}, /* our own troubles */
    {{4, 3, 2}, "", -1},
    {{4, 4, 2}, "limits.command_timeout", -1},
    {{0, 0, 0}, "", -1},
};

static void what_a_reply_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        enum misfit_kind kind;
        bool says = misfit_of_reply(replies[i].status, sv_of(replies[i].setting), &kind);
        if (says != (replies[i].kind >= 0) || (says && (int)kind != replies[i].kind))
            fail_msg("row %zu: %d %d", i, says, kind);
    }
    for (size_t k = 0; k < MISFIT_COUNT; k++) {
        assert_in_range(strlen(misfit_word((enum misfit_kind)k)), 3, 20);
        assert_in_range(strlen(misfit_advice((enum misfit_kind)k)), 30, 200);
    }
}

/* ---- sender ---- */

struct posted {
    size_t batches, reports;
    struct misfit_batch last;
};

static void on_post(void *arg, struct misfit_batch *b)
{
    struct posted *p = arg;
    p->batches++;
    p->reports += b->count;
    p->last = *b;
    free(b);
}

static struct ip ip4(unsigned n)
{
    return (struct ip){.family = IP_V4, .bytes = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void workers_add_up(void **state)
{
    static struct posted p;
    static char many[2000];
    (void)state;
    sim_start(1);
    struct loop *l = loop_new();
    struct misfit_sender *s = misfit_sender_new(l, on_post, &p);
    struct ip a = ip4(1), b = ip4(2), net;
    for (int i = 0; i < 10000; i++) {
        misfit_sender_tell(s, &a, SV("u@example.net"), MISFIT_SYNTAX, SV("first"));
        misfit_sender_tell(s, &a, SV(""), MISFIT_SYNTAX, SV("x"));
        misfit_sender_tell(s, &b, SV(""), MISFIT_LOGIN, SV("x"));
    }
    misfit_sender_tell(s, &a, SV("u@example.net"), MISFIT_SYNTAX, SV("the\r\nnewest\x1b"));
    assert_int_equal(p.batches, 0);
    sim_run_for(1500);
    assert_int_equal(p.batches, 1);
    assert_int_equal(p.reports, 3);
    assert_int_equal(p.last.reports[0].count, 10001);
    assert_string_equal(p.last.reports[0].login, "u@example.net");
    assert_string_equal(p.last.reports[0].example, "the  newest ");
    assert_int_equal(p.last.reports[0].last_ms, SIM_WALL_START_MS);
    sim_run_for(5000);
    assert_int_equal(p.batches, 1);

    /* an IPv6 network is one client; a long example keeps its end */
    assert_true(ip_parse(SV("2001:db8:1:2:3::4"), &net));
    memset(many, 'x', sizeof many);
    memcpy(many + sizeof many - 12, "[k3f9a2bcde]", 12);
    misfit_sender_tell(s, &net, (struct sv){many, sizeof many}, MISFIT_TLS,
                       (struct sv){many, sizeof many});
    net.bytes[15] = 77;
    misfit_sender_tell(s, &net, (struct sv){many, sizeof many}, MISFIT_TLS,
                       (struct sv){many, sizeof many});
    sim_run_for(1500);
    assert_int_equal(p.last.count, 1);
    assert_int_equal(p.last.reports[0].count, 2);
    assert_int_equal(strlen(p.last.reports[0].login), MISFIT_LOGIN_MAX - 1);
    assert_int_equal(strlen(p.last.reports[0].example), MISFIT_EXAMPLE_MAX - 1);
    assert_non_null(strstr(p.last.reports[0].example, "[k3f9a2bcde]"));
    assert_non_null(strstr(p.last.reports[0].example, "xxx...xxx"));

    /* many clients: a message for so many, and the rest at the end */
    p = (struct posted){0};
    for (unsigned i = 0; i < 2 * MISFIT_BATCH_MAX + 10; i++) {
        net = ip4(i);
        misfit_sender_tell(s, &net, SV(""), MISFIT_LOGIN, SV("x"));
    }
    assert_int_equal(p.batches, 2);
    misfit_sender_free(s);
    assert_int_equal(p.batches, 3);
    assert_int_equal(p.reports, 2 * MISFIT_BATCH_MAX + 10);
    loop_free(l);
    sim_stop();
}

/* ---- table ---- */

static void add(struct misfits *m, unsigned host, const char *login, enum misfit_kind kind,
                uint64_t count, int64_t now_ms)
{
    struct misfit_batch *b = NEW(struct misfit_batch);
    b->count = 1;
    b->reports[0] = (struct misfit_report){
        .client = ip4(host), .kind = kind, .count = count, .first_ms = now_ms, .last_ms = now_ms};
    snprintf(b->reports[0].login, sizeof b->reports[0].login, "%s", login);
    snprintf(b->reports[0].example, sizeof b->reports[0].example, "at %lld", (long long)now_ms);
    misfits_take(m, b, now_ms);
    free(b);
}

static void days_roll(void **state)
{
    struct misfits *m = misfits_new();
    (void)state;
    add(m, 1, "u", MISFIT_SYNTAX, 5, 10 * DAY_MS);
    add(m, 1, "u", MISFIT_SYNTAX, 2, 10 * DAY_MS + 7);
    add(m, 1, "u", MISFIT_LOGIN, 1, 11 * DAY_MS);
    add(m, 2, "", MISFIT_LIMIT, 9, 11 * DAY_MS);
    add(m, 3, "", MISFIT_LIMIT, 1, 9 * DAY_MS);

    struct misfit_list *l = misfits_list(m, 11 * DAY_MS + 1, false);
    assert_int_equal(l->count, 2); /* highest count first; what is older is not shown */
    assert_int_equal(l->rows[0].total, 9);
    assert_string_equal(l->rows[0].login, "");
    assert_int_equal(l->rows[1].total, 8);
    assert_string_equal(l->rows[1].login, "u");
    assert_int_equal(l->rows[1].counts[MISFIT_YESTERDAY][MISFIT_SYNTAX], 7);
    assert_int_equal(l->rows[1].counts[MISFIT_TODAY][MISFIT_LOGIN], 1);
    assert_int_equal(l->rows[1].first_ms, 10 * DAY_MS);
    assert_int_equal(l->rows[1].last_ms, 11 * DAY_MS);
    assert_string_equal(l->rows[1].examples[MISFIT_SYNTAX], "at 864000007");
    assert_null(l->rows[1].examples[MISFIT_LIMIT]);
    misfit_list_free(l);

    l = misfits_list(m, 11 * DAY_MS + 1, true); /* yesterday alone */
    assert_int_equal(l->count, 1);
    assert_int_equal(l->rows[0].total, 7);
    misfit_list_free(l);
    misfits_told(m, 11 * DAY_MS + 1);
    l = misfits_list(m, 11 * DAY_MS + 1, true);
    assert_int_equal(l->count, 0);
    misfit_list_free(l);
    l = misfits_list(m, 11 * DAY_MS + 1, false); /* told, and still there to be seen */
    assert_int_equal(l->count, 2);
    misfit_list_free(l);

    /* a day that comes again, as the clock was set back: what was told is not told again */
    add(m, 1, "u", MISFIT_SYNTAX, 3, 10 * DAY_MS);
    l = misfits_list(m, 11 * DAY_MS, true);
    assert_int_equal(l->count, 1);
    assert_int_equal(l->rows[0].total, 3);
    misfit_list_free(l);
    misfits_free(m);
}

/* The table is bounded, and strangers push no user out. */
static void oldest_strangers_go_first(void **state)
{
    struct misfits *m = misfits_new();
    (void)state;
    add(m, 60000, "u", MISFIT_LOGIN, 1, DAY_MS);
    for (unsigned i = 0; i < 3 * MISFITS_MAX; i++) {
        add(m, i, "", MISFIT_LOGIN, 1, DAY_MS);
        add(m, 0, "", MISFIT_LOGIN, 1, DAY_MS); /* seen all the time */
    }
    assert_int_equal(misfits_count(m), MISFITS_MAX);
    struct misfit_list *l = misfits_list(m, DAY_MS, false);
    size_t logins = 0;
    assert_int_equal(l->count, MISFITS_MAX);
    assert_int_equal(l->rows[0].total, 3 * MISFITS_MAX + 1);
    for (size_t i = 0; i < l->count; i++)
        logins += l->rows[i].login[0] != '\0';
    assert_int_equal(logins, 1);
    misfit_list_free(l);
    for (unsigned i = 0; i < 2 * MISFITS_MAX; i++)
        add(m, i, "u", MISFIT_LOGIN, 1, DAY_MS);
    assert_int_equal(misfits_count(m), MISFITS_MAX);
    add(m, 70000, "", MISFIT_LOGIN, 1, DAY_MS);
    l = misfits_list(m, DAY_MS, false);
    for (size_t i = 0; i < l->count; i++)
        assert_string_equal(l->rows[i].login, "u");
    misfit_list_free(l);
    misfits_free(m);
}

static void clients_as_text(void **state)
{
    char text[IP_TEXT_MAX];
    struct ip ip = ip4(7), net;
    (void)state;
    assert_string_equal(misfit_client_text(&ip, text), "10.0.0.7");
    assert_true(ip_parse(SV("2001:db8:1:2::4"), &net));
    net = ip_client(&net);
    assert_string_equal(misfit_client_text(&net, text), "2001:db8:1:2::/64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_reply_says), cmocka_unit_test(workers_add_up),
        cmocka_unit_test(days_roll),         cmocka_unit_test(oldest_strangers_go_first),
        cmocka_unit_test(clients_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
