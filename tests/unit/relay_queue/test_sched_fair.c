/* Who waits for whom inside a site: logins, domains, bulk, priorities, what lies on the disk. */
#include "tests/unit/relay_queue/sched_world.h"

/* Of one message, a row; its index. */
static uint32_t add_mail(const char *login, const char *domain, uint64_t size, int priority)
{
    struct queue_message *m = queue_message_new();
    memcpy(m->id, message->id, sizeof m->id);
    m->login = arena_str(&m->arena, sv_of(login));
    m->size = size;
    m->priority = (int8_t)priority;
    size_t i = add_rows(domain, 1, WALL0);
    rows[i].message = m;
    return (uint32_t)i;
}

static void submit(const char *login, const char *domain, uint64_t size, int priority)
{
    sched_on_queued(sched, batch_of(add_mail(login, domain, size, priority)));
}

/* All domains are at one site, which has one connection, taken by a first message. */
static void start_one_site(void)
{
    auto_resolve = false;
    limits.connections = 1;
    sched_start(sched);
    store_turn();
}

static void to_the_site(const char *domain)
{
    for (size_t i = 0; i < nasking; i++) {
        if (strcmp(asking[i], domain) != 0)
            continue;
        memmove(asking[i], asking[i + 1], (--nasking - i) * sizeof asking[0]);
        break;
    }
    resolved(domain, "mx", 3600000);
}

/* How many others are served before login's message is. */
static size_t turns_before(const char *login)
{
    for (size_t n = 0; n < 20000; n++) {
        while (nout == 0)
            assert_true(store_turn());
        bool is_it = strcmp(out[0]->batch->message->login, login) == 0;
        finish(out[0], OK);
        if (is_it)
            return n;
    }
    fail_msg("%s starves", login);
    return 0;
}

/* A login with mail for many domains of one provider is one login there. */
static void many_domains_are_one_login(void **state)
{
    static char names[40][32];
    (void)state;
    start_one_site();
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "d%02d.test", i);
        submit("bulk", names[i], 1, 0);
        to_the_site(names[i]);
    }
    submit("alice", "gmail.test", 1, 0);
    to_the_site("gmail.test");
    submit("bob", "d39.test", 1, 0);
    assert_true(turns_before("alice") <= 3);
    assert_true(turns_before("bob") <= 2);
    settle(100);
}

/* Also of what is read back from the disk, as far as one claim sees. */
static void rows_of_one_claim_are_served_by_login(void **state)
{
    (void)state;
    start_one_site();
    submit("first", "a.test", 1, 0); /* of a site that answers, more is claimed at once */
    to_the_site("a.test");
    settle(10);
    for (int i = 0; i < 40; i++)
        add_mail("bulk", "a.test", 1, 0);
    add_mail("alice", "a.test", 1, 0);
    sched_on_due(sched, "a.test", WALL0);
    assert_true(turns_before("alice") <= 1);
    settle(1000);
    assert_int_equal(gone("a.test"), 42);
}

/* A flood neither takes the memory from others nor sends their mail behind it to the disk. */
static void a_flood_pushes_out_itself(void **state)
{
    (void)state;
    start_one_site();
    submit("bulk", "a.test", 1, 0);
    to_the_site("a.test");
    for (int i = 0; i < 30; i++)
        submit("bulk", "a.test", 1, 0);
    submit("alice", "a.test", 1, 0);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.waiting, 5);
    assert_true(turns_before("alice") <= 2);
    settle(1000);
    assert_int_equal(gone("a.test"), 32);
}

/* However many come, each of its own login, and whatever they cost or claim for themselves. */
static void nobody_starves(void **state)
{
    static const struct {
        uint64_t size;
        int priority;   /* of who waits */
        int theirs;     /* of those that come all the time */
        size_t at_most; /* of them go before */
    } cases[] = {
        {1, 0, 0, 3}, {100u << 20, 0, 0, 1030}, {1, 0, 1, 260}, {1, -9, 0, 2310}, {1, -9, 9, 4620}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char login[32];
        set_up(NULL);
        start_one_site();
        submit("first", "a.test", 1, 0);
        to_the_site("a.test");
        submit("patient", "a.test", cases[i].size, cases[i].priority);
        size_t n = 0;
        for (bool served = false; !served; n++) {
            assert_true(n <= cases[i].at_most);
            snprintf(login, sizeof login, "l%zu", n);
            submit(login, "a.test", 1, cases[i].theirs);
            served = strcmp(out[0]->batch->message->login, "patient") == 0;
            finish(out[0], OK);
        }
        assert_true(n > cases[i].at_most / 2); /* the bound is that of the weights */
        tear_down(NULL);
    }
}

/* New mail's look-up does not stand behind those of mail that is tried again. */
static void new_mail_is_looked_up_first(void **state)
{
    static char names[30][32];
    (void)state;
    auto_resolve = false;
    for (int i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "old%02d.test", i);
        add_rows(names[i], 1, WALL0);
    }
    sched_start(sched);
    store_turn();
    assert_int_equal(nasking, 3); /* three quarters of resolve_max; none of them answers */
    submit("alice", "new.test", 1, 0);
    assert_int_equal(nasking, 4);
    assert_string_equal(asking[3], "new.test");
    /* of a domain that stands behind the others already: it moves ahead */
    submit("alice", "old29.test", 1, 0);
    nasking = 3;
    resolved("new.test", "mx", 3600000);
    assert_int_equal(nasking, 4);
    assert_string_equal(asking[3], "old29.test");
    while (nasking > 0)
        resolved(asking[--nasking], "mx", 3600000);
    for (int i = 0; i < 100; i++) {
        while (nasking > 0)
            resolved(asking[--nasking], "mx", 3600000);
        settle(1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(many_domains_are_one_login),  CASE(rows_of_one_claim_are_served_by_login),
        CASE(a_flood_pushes_out_itself),   cmocka_unit_test(nobody_starves),
        CASE(new_mail_is_looked_up_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
