/*
 * Forms of content, asked for: made once, shared, and kept for a while and within bounds.
 */
#include "tests/unit/relay/form_fixture.h"

#include "relay/internal.h"

#include <utlist.h>

static atomic_uint none;

static void open_no_host(void)
{
    open_relay(&(struct relay_setup){
        .url = "smtp://127.0.0.1:1", .tls = RELAY_ROUTE_TLS_NONE, .messages = &none});
}

/* ---- asking ---- */

struct asked {
    struct relay_form *form;
    struct relay_form_answer answer;
    unsigned answers;
};
static unsigned wanted;

static void on_answer(void *arg, const struct relay_form_answer *a)
{
    struct asked *k = arg;
    k->answer = *a;
    k->answers++;
    if (--wanted == 0)
        loop_stop(t.loop);
}

static void ask(struct asked *k, struct queue_message *m, unsigned form)
{
    memset(k, 0, sizeof *k);
    k->form = relay_form_ask(t.worker, m, form, t.settings, on_answer, k);
}

static void run_for(unsigned answers)
{
    wanted = answers;
    loop_run(t.loop);
}

static void one_form_for_all_who_ask(void **state)
{
    (void)state;
    struct asked k[3], other;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "", 0);
    m->prefix = "DKIM-Signature: of the message, not of its form\r\n";
    for (int i = 0; i < 3; i++)
        ask(&k[i], m, REWRITE_FORM_7BIT);
    ask(&other, m, REWRITE_FORM_LINES);
    run_for(4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(k[i].answer.err, 0);
        assert_int_equal(k[i].answer.unfit, REWRITE_UNFIT_NONE);
        assert_ptr_equal(k[i].answer.content, k[0].answer.content);
    }
    struct queue_message *made = k[0].answer.content;
    struct sv text = block_view(made->content);
    assert_ptr_not_equal(made, m);
    assert_true(utf8_is_ascii(text) && !made->eight_bit && made->size == text.len);
    assert_non_null(memmem(text.ptr, text.len, "Gr=C3=BCn", 9));
    assert_string_equal(made->prefix, "");
    /* nothing has to change for that one: the message itself, with its prefix */
    assert_ptr_equal(other.answer.content, m);
    relay_form_end(other.form);
    for (int i = 0; i < 2; i++)
        relay_form_end(k[i].form);
    settle();
    assert_int_equal(made->content != NULL, true); /* the third still has it */
    relay_form_end(k[2].form);
    queue_message_drop(m);
    close_no_host();
}

static void a_large_form_is_a_file_that_is_kept(void **state)
{
    (void)state;
    struct asked k[2];
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k[0], m, REWRITE_FORM_7BIT);
    run_for(1);
    ask(&k[1], m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_ptr_equal(k[0].answer.content, k[1].answer.content);
    assert_true(k[0].answer.content->spooled && k[0].answer.content->size > 500000);
    assert_int_equal(count_spooled(), 1);
    struct queue_message *made = queue_message_keep(k[0].answer.content);
    for (int i = 0; i < 2; i++)
        relay_form_end(k[i].form);
    settle();
    assert_int_equal(count_spooled(), 1);
    ask(&k[0], m, REWRITE_FORM_7BIT); /* a later destination, or try */
    run_for(1);
    assert_ptr_equal(k[0].answer.content, made);
    /* the message ends, then the use; and the other way round */
    relay_forms_forget(relay_forms_of(t.relay), m->id);
    settle();
    assert_int_equal(count_spooled(), 1);
    relay_form_end(k[0].form);
    wait_until_none_is_spooled();
    ask(&k[0], m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_ptr_not_equal(k[0].answer.content, made);
    relay_form_end(k[0].form);
    settle();
    assert_int_equal(count_spooled(), 1);
    relay_forms_forget(relay_forms_of(t.relay), m->id);
    wait_until_none_is_spooled();
    queue_message_drop(made);
    queue_message_drop(m);
    close_no_host();
}

static void what_cannot_be_says_why(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(SIGNED, "", 0);
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, 0);
    assert_int_equal(k.answer.unfit, REWRITE_UNFIT_SIGNED);
    assert_null(k.answer.content);
    relay_form_end(k.form);
    queue_message_drop(m);
    close_no_host();
}

static void a_failure_is_not_kept(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "", 0);
    struct block *content = m->content;
    m->content = NULL; /* the store does not know it */
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, ERR_NOT_FOUND);
    assert_null(k.answer.content);
    m->content = content;
    struct relay_form *first = k.form;
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, 0);
    relay_form_end(first);
    relay_form_end(k.form);
    queue_message_drop(m);
    close_no_host();
}

static void who_has_ended_is_not_answered(void **state)
{
    (void)state;
    struct asked k, late;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_form_end(k.form);
    settle(); /* nobody wanted it, when its turn came or when it was made */
    relay_forms_forget(relay_forms_of(t.relay), m->id);
    wait_until_none_is_spooled();
    assert_int_equal(k.answers, 0);
    ask(&late, m, REWRITE_FORM_7BIT); /* while another one's is in the making */
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_form_end(late.form);
    run_for(1);
    assert_int_equal(late.answers, 0);
    assert_int_equal(k.answer.err, 0);
    relay_form_end(k.form);
    relay_forms_forget(relay_forms_of(t.relay), m->id);
    wait_until_none_is_spooled();
    queue_message_drop(m);
    close_no_host();
}

static void a_stop_ends_what_is_in_the_making(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_worker_stop(t.worker);
    run_for(1);
    assert_int_equal(k.answer.err, ERR_CANCELED);
    relay_form_end(k.form);
    wait_until_none_is_spooled();
    queue_message_drop(m);
    close_no_host();
}

/* ---- bounds ---- */

#define MANY 70

static struct asked many[MANY];
static struct queue_message *many_messages[MANY];
static unsigned most_builds;

static void on_one_of_many(void *arg, const struct relay_form_answer *a)
{
    struct relay_form_build *b;
    unsigned builds;
    DL_COUNT(*relay_worker_builds(t.worker), b, builds);
    most_builds = builds > most_builds ? builds : most_builds;
    on_answer(arg, a);
}

static void ask_many(void)
{
    memset(many, 0, sizeof many);
    most_builds = 0;
    for (int i = 0; i < MANY; i++) {
        many_messages[i] = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 7000);
        many[i].form = relay_form_ask(t.worker, many_messages[i], REWRITE_FORM_7BIT, t.settings,
                                      on_one_of_many, &many[i]);
    }
}

static void drop_many(void)
{
    for (int i = 0; i < MANY; i++)
        queue_message_drop(many_messages[i]);
}

/* So many at once, and of those that nobody uses so many, the newest. */
static void bounds_of_many(void **state)
{
    (void)state;
    open_no_host();
    ask_many();
    run_for(MANY);
    assert_in_range(most_builds, RELAY_FORMS_BUILDS - 1, RELAY_FORMS_BUILDS);
    assert_int_equal(count_spooled(), MANY);
    struct queue_message *last = queue_message_keep(many[MANY - 1].answer.content);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many[i].answer.err, 0);
        relay_form_end(many[i].form);
    }
    for (int i = 0; i < 50 && count_spooled() > RELAY_FORMS_KEPT; i++)
        settle();
    assert_int_equal(count_spooled(), RELAY_FORMS_KEPT);
    struct asked k;
    ask(&k, many_messages[MANY - 1], REWRITE_FORM_7BIT);
    run_for(1);
    assert_ptr_equal(k.answer.content, last);
    /* in use, it makes no room and takes none; a stop keeps nothing */
    relay_forms_stop(relay_forms_of(t.relay));
    for (int i = 0; i < 50 && count_spooled() > 1; i++)
        settle();
    assert_int_equal(count_spooled(), 1);
    relay_form_end(k.form);
    wait_until_none_is_spooled();
    queue_message_drop(last);
    drop_many();
    close_no_host();
}

/* Whoever does not wait any more when his form's turn comes gets none, and holds up nobody. */
static void what_nobody_waits_for_is_not_made(void **state)
{
    (void)state;
    open_no_host();
    ask_many();
    for (unsigned i = RELAY_FORMS_BUILDS; i < MANY - 1; i++)
        relay_form_end(many[i].form);
    run_for(RELAY_FORMS_BUILDS + 1);
    settle();
    assert_int_equal(count_spooled(), RELAY_FORMS_BUILDS + 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(many[i].answers, i < RELAY_FORMS_BUILDS || i == MANY - 1);
    for (unsigned i = 0; i < RELAY_FORMS_BUILDS; i++)
        relay_form_end(many[i].form);
    relay_form_end(many[MANY - 1].form);
    settle();
    drop_many();
    close_no_host();
}

/* A stop answers those that wait for their turn as well. */
static void a_stop_ends_those_that_wait(void **state)
{
    (void)state;
    open_no_host();
    ask_many();
    relay_worker_stop(t.worker);
    run_for(MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many[i].answer.err, ERR_CANCELED);
        relay_form_end(many[i].form);
    }
    wait_until_none_is_spooled();
    drop_many();
    close_no_host();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_form_for_all_who_ask),
        cmocka_unit_test(a_large_form_is_a_file_that_is_kept),
        cmocka_unit_test(bounds_of_many),
        cmocka_unit_test(what_nobody_waits_for_is_not_made),
        cmocka_unit_test(a_stop_ends_those_that_wait),
        cmocka_unit_test(what_cannot_be_says_why),
        cmocka_unit_test(a_failure_is_not_kept),
        cmocka_unit_test(who_has_ended_is_not_answered),
        cmocka_unit_test(a_stop_ends_what_is_in_the_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
