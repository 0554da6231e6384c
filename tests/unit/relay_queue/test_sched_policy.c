/* A site none of whose hosts meets a policy on TLS: it is left alone, but for what waives policies.
 */
#include "tests/unit/relay_queue/sched_world.h"

static void mail(const char *login, bool waives, const char *params)
{
    size_t i = add_rows("a.test", 1, clock_wall_ms());
    struct queue_message *m = queue_message_new();
    memcpy(m->id, "0123456789abcdef", 17);
    m->login = login;
    m->tls_optional = waives;
    m->mail_params = params;
    rows[i].message = m;
    sched_on_queued(sched, batch_of((uint32_t)i));
}

static struct sched_job *out_of(const char *login)
{
    for (size_t i = 0; i < nout; i++)
        if (strcmp(out[i]->batch->message->login, login) == 0)
            return out[i];
    return NULL;
}

static void on_site(void *arg, const struct sched_site_info *i)
{
    snprintf(arg, 16, "%s", i->state);
}

static void expect_state(const char *wanted)
{
    char state[16] = "";
    sched_each_site(sched, on_site, state);
    assert_string_equal(state, wanted);
}

static void bring_down(enum how how)
{
    sched_start(sched);
    settle(10);
    for (int i = 0; i < 2; i++) {
        mail("bound", false, "<>");
        finish(out_of("bound"), how);
    }
    assert_int_equal(nout, 0);
    expect_state("down");
}

static void it_goes_while_the_others_are_put_off(void **state)
{
    (void)state;
    bring_down(POLICY);
    mail("bound", false, "<>");
    assert_int_equal(out_of("bound")->kind, SCHED_PUT_OFF);
    mail("free", true, "<>");
    assert_int_equal(out_of("free")->kind, SCHED_DELIVER);
    finish(out_of("bound"), OK);
    finish(out_of("free"), OK);
    expect_state("down"); /* what it may do says nothing for the others */
    mail("bound", false, "<>");
    assert_int_equal(out_of("bound")->kind, SCHED_PUT_OFF);
    finish(out_of("bound"), OK);
    /* of one login, too: and REQUIRETLS binds whatever the header says */
    mail("free", false, "<>");
    assert_int_equal(out_of("free")->kind, SCHED_PUT_OFF);
    finish(out_of("free"), OK);
    mail("both", true, "<> REQUIRETLS");
    assert_int_equal(out_of("both")->kind, SCHED_PUT_OFF);
    finish(out_of("both"), OK);
}

static void it_does_not_wait_behind_the_probe(void **state)
{
    (void)state;
    bring_down(POLICY);
    pass(31000);
    mail("probe", false, "<>");
    mail("bound", false, "<>");
    mail("free", true, "<>");
    expect_state("probing");
    assert_int_equal(out_of("probe")->kind, SCHED_DELIVER);
    assert_null(out_of("bound"));
    assert_int_equal(out_of("free")->kind, SCHED_DELIVER);
    finish(out_of("free"), OK);
    assert_null(out_of("bound"));
    finish(out_of("probe"), POLICY);
    expect_state("down");
    assert_int_equal(out_of("bound")->kind, SCHED_PUT_OFF);
    finish(out_of("bound"), OK);
    /* nor does the probe behind it */
    pass(61000);
    mail("free", true, "<>");
    mail("free2", true, "<>");
    mail("probe", false, "<>");
    assert_int_equal(out_of("probe")->kind, SCHED_DELIVER);
    finish(out_of("probe"), OK);
    expect_state("up");
    settle(10);
}

/* Due rows are claimed for what waives among them; the others are put off. */
static void what_is_on_the_disk_goes_too(void **state)
{
    (void)state;
    bring_down(POLICY);
    mail("bound", false, "<>");
    finish(out_of("bound"), OK);
    size_t i = add_rows("a.test", 2, clock_wall_ms());
    for (size_t k = 0; k < 2; k++) {
        rows[i + k].message = queue_message_new();
        memcpy(rows[i + k].message->id, "0123456789abcdef", 17);
        rows[i + k].message->login = k ? "free" : "bound";
        rows[i + k].message->mail_params = "<>";
        rows[i + k].message->tls_optional = k;
    }
    sched_on_due(sched, "a.test", clock_wall_ms());
    store_turn();
    assert_int_equal(out_of("bound")->kind, SCHED_PUT_OFF);
    assert_int_equal(out_of("free")->kind, SCHED_DELIVER);
    settle(10);
}

/* Nobody can be reached: that binds it as well. And what the operator permits is not exceeded. */
static void it_is_bound_by_all_else(void **state)
{
    (void)state;
    bring_down(DEAD);
    mail("free", true, "<>");
    assert_int_equal(out_of("free")->kind, SCHED_PUT_OFF);
    finish(out_of("free"), OK);
    pass(31000);
    limits.connections = 1;
    sched_forget_plans(sched, NULL, NULL);
    mail("probe", false, "<>");
    finish(out_of("probe"), POLICY);
    pass(61000);
    mail("probe", false, "<>");
    mail("free", true, "<>");
    assert_int_equal(nout, 1);
    finish(out[0], POLICY);
    assert_int_equal(out_of("free")->kind, SCHED_DELIVER);
    finish(out_of("free"), DEAD); /* it is not the policy any more */
    mail("free", true, "<>");
    assert_int_equal(out_of("free")->kind, SCHED_PUT_OFF);
    settle(10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_goes_while_the_others_are_put_off),
        CASE(it_does_not_wait_behind_the_probe),
        CASE(what_is_on_the_disk_goes_too),
        CASE(it_is_bound_by_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
