/* The daily message about clients with trouble, in a whole server on virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/loop/clock.h"
#include "msa/server/digest.h"
#include "tests/unit/msa_server/sim_world.h"

#define HOUR_MS     UINT64_C(3600000)
#define DIGESTS     world_log_count("digest queue=")
#define WRONG_LOGIN "AUTH PLAIN AHUAeA==\r\n"

/* A client without a login and one with, each with troubles of its own. */
static void make_trouble(void)
{
    struct sim_client *c = client_from(9, LISTEN_PLAIN), *d = client_ready();
    client_say(c, "EHLO c.example\r\nNONSENSE\r\nMAIL FROM:<a@b.example>\r\n" WRONG_LOGIN);
    client_expect(c, "535 ");
    client_say(d, "MAIL FROM: <v@example.net>\r\nMAIL FROM:<u@example.net>\r\n"
                  "RCPT TO:<bob@host>\r\nRCPT TO:<x@example.org>\r\nDATA\r\n");
    client_say(d, "Subject: x\nFrom: u@example.net\r\n\r\nx\r\n.\r\n");
    client_expect(d, "250 2.0.0 Queued");
    client_free(c);
    client_free(d);
    sim_run_for(2000);
}

static uint64_t total(enum misfit_kind kind, const char *login)
{
    struct misfit_list *l = misfits_list(server_misfits(world.server), clock_wall_ms(), false);
    uint64_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->rows[i].login, login) == 0)
            n += l->rows[i].counts[MISFIT_TODAY][kind] + l->rows[i].counts[MISFIT_YESTERDAY][kind];
    misfit_list_free(l);
    return n;
}

static void a_day_is_told_the_day_after(void **state)
{
    (void)state;
    world_start("");
    make_trouble();
    assert_int_equal(total(MISFIT_SYNTAX, ""), 1);
    assert_int_equal(total(MISFIT_NO_LOGIN, ""), 1);
    assert_int_equal(total(MISFIT_LOGIN, ""), 1);
    assert_int_equal(total(MISFIT_SENDER, "u@example.net"), 1);
    assert_int_equal(total(MISFIT_UNQUALIFIED, "u@example.net"), 1);
    assert_int_equal(total(MISFIT_TOLERATED, "u@example.net"), 1);
    assert_int_equal(total(MISFIT_NEWLINE, "u@example.net"), 1);
    sim_run_for(24 * HOUR_MS + (DIGEST_HOUR - 1) * HOUR_MS); /* the world began at midnight */
    assert_int_equal(DIGESTS, 0);
    sim_run_for(HOUR_MS + 5 * 60000);
    assert_int_equal(DIGESTS, 1);
    assert_true(world_logged("to <postmaster@example.net>"));
    sim_run_for(5 * 24 * HOUR_MS); /* said once; days without trouble are not told */
    assert_int_equal(DIGESTS, 1);
    make_trouble();
    sim_run_for(48 * HOUR_MS);
    assert_int_equal(DIGESTS, 2);
    world_stop(1000);
}

static void reload_keeps_the_table(void **state)
{
    (void)state;
    world_start("log = { digest = false; };");
    make_trouble();
    sim_run_for(24 * HOUR_MS + (DIGEST_HOUR + 1) * HOUR_MS);
    assert_int_equal(DIGESTS, 0);
    world_reload(2, "postmaster = \"boss@example.org\";");
    sim_run_for(5 * 60000);
    assert_int_equal(DIGESTS, 1);
    assert_true(world_logged("to <boss@example.org>"));
    world_stop(1000);
}

/* Whatever the clock does, no day is told twice, and no storm begins. */
static void clock_jumps(void **state)
{
    (void)state;
    world_start("");
    make_trouble();
    sim_run_for(24 * HOUR_MS + (DIGEST_HOUR + 1) * HOUR_MS);
    assert_int_equal(DIGESTS, 1);
    for (int i = 0; i < 20; i++) {
        int64_t by_ms = (i % 5 + 1) * (int64_t)(25 * HOUR_MS);
        sim_wall_jump(-by_ms);
        sim_run_for(10 * 60000);
        sim_wall_jump(by_ms);
        sim_run_for(10 * 60000);
    }
    assert_int_equal(DIGESTS, 1);
    /* trouble on each side of the jumps: an hour lies between two messages */
    uint64_t begun = sim_now();
    for (int i = 0; i < 20; i++) {
        make_trouble();
        sim_wall_jump(24 * (int64_t)HOUR_MS);
        sim_run_for(10 * 60000);
    }
    assert_in_range(DIGESTS, 2, 2 + (sim_now() - begun) / HOUR_MS);
    sim_wall_jump(365 * 24 * (int64_t)HOUR_MS);
    size_t before = DIGESTS;
    sim_run_for(48 * HOUR_MS);
    assert_int_equal(DIGESTS, before);
    world_stop(1000);
}

/* A disk that takes nothing at the hour costs no digest. */
static void tried_again_when_the_queue_is_full(void **state)
{
    (void)state;
    world_start("");
    make_trouble();
    sim_run_for(24 * HOUR_MS + (DIGEST_HOUR - 1) * HOUR_MS);
    disk_set_capacity(1);
    sim_run_for(90 * 60000);
    assert_true(world_logged("could not be queued"));
    disk_set_capacity(UINT64_MAX);
    size_t tries = DIGESTS;
    sim_run_for(2 * HOUR_MS);
    assert_int_equal(DIGESTS, tries + 1);
    sim_run_for(10 * HOUR_MS);
    assert_int_equal(DIGESTS, tries + 1);
    world_stop(1000);
}

/* ---- the text ---- */

static void report(struct misfits *m, unsigned host, const char *login, enum misfit_kind kind,
                   uint64_t count, const char *example)
{
    struct misfit_batch *b = NEW(struct misfit_batch);
    b->count = 1;
    b->reports[0] = (struct misfit_report){
        .client = {.family = IP_V4, .bytes = {192, 0, (uint8_t)(host >> 8), (uint8_t)host}},
        .kind = kind,
        .count = count,
        .first_ms = SIM_WALL_START_MS,
        .last_ms = SIM_WALL_START_MS + 3600000};
    snprintf(b->reports[0].login, sizeof b->reports[0].login, "%s", login);
    snprintf(b->reports[0].example, sizeof b->reports[0].example, "%s", example);
    misfits_take(m, b, SIM_WALL_START_MS);
    free(b);
}

static bool write_text(const struct misfits *m, struct buf *out)
{
    buf_reset(out);
    return digest_write(m, SIM_WALL_START_MS + 30 * (int64_t)HOUR_MS, "mail.example.net",
                        "postmaster@example.net", "0000000000000001", out);
}

static void text(void **state)
{
    struct misfits *m = misfits_new();
    struct buf out;
    (void)state;
    buf_init(&out, 1u << 20, 0);
    assert_false(write_text(m, &out));
    assert_int_equal(buf_len(&out), 0);
    report(m, 7, "", MISFIT_LOGIN, 5, "J\303\266rg by PLAIN: 535 5.7.8 No [k3f9a2bcde]");
    report(m, 8, "u@example.net", MISFIT_SYNTAX, 2, "500 5.5.1 Command unknown [k3f9a2bcdf]");
    assert_true(write_text(m, &out));
    struct sv all = buf_view(&out);
    static const char head[] = "From: Mail server <postmaster@example.net>\r\n"
                               "To: <postmaster@example.net>\r\n"
                               "Subject: 2 mail clients had trouble\r\n"
                               "Date: Fri, 2 Jan 2026 06:00:00 +0000\r\n"
                               "Message-ID: <0000000000000001@mail.example.net>\r\n"
                               "Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: text/plain; charset=us-ascii\r\n"
                               "Content-Transfer-Encoding: 7bit\r\n\r\n";
    static const char rows[] =
        "\r\n192.0.0.8, login u@example.net: 2 times, last 2026-01-01 01:00\r\n"
        "    2 syntax: 500 5.5.1 Command unknown [k3f9a2bcdf]\r\n"
        "\r\n192.0.0.7, no login: 5 times, last 2026-01-01 01:00\r\n"
        "    5 login: J??rg by PLAIN: 535 5.7.8 No [k3f9a2bcde]\r\n"
        "\r\nWhat to do:\r\n"
        "    syntax: commands are malformed";
    assert_true(sv_starts(all, sv_of(head)));
    if (!memmem(all.ptr, all.len, rows, sizeof rows - 1))
        fail_msg("%.*s", SV_ARG(all));
    assert_null(memmem(all.ptr, all.len, "    tls:", 8)); /* no advice for what was not */
    for (size_t i = 0; i < all.len; i++)
        assert_true(all.ptr[i] > 0 && (all.ptr[i] != '\n' || (i && all.ptr[i - 1] == '\r')));

    /* everything at once stays within bounds */
    static char many[MISFIT_EXAMPLE_MAX + 1];
    memset(many, 'x', MISFIT_EXAMPLE_MAX);
    for (unsigned i = 0; i < MISFITS_MAX; i++)
        for (unsigned k = 0; k < MISFIT_COUNT; k++)
            report(m, i, many, (enum misfit_kind)k, UINT64_MAX / MISFIT_COUNT / 2, many);
    assert_true(write_text(m, &out));
    assert_in_range(buf_len(&out), 200000, 500000);
    assert_non_null(memmem(buf_view(&out).ptr, buf_len(&out), "900 more clients", 16));
    buf_deinit(&out);
    misfits_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_is_told_the_day_after),
        cmocka_unit_test(reload_keeps_the_table),
        cmocka_unit_test(clock_jumps),
        cmocka_unit_test(tried_again_when_the_queue_is_full),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
