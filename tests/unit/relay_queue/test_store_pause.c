/* What the operator has stopped is there again after a start. */
#include "store_fixture.h"

static char paused[8][40];
static size_t npaused;

static void on_paused(void *arg, const char *what)
{
    (void)arg;
    assert_true(npaused < 8);
    snprintf(paused[npaused++], sizeof paused[0], "%s", what);
}

static void on_done(struct store_pause *p)
{
    struct fixture *f = p->arg;
    int err = p->err;
    store_pause_free(p);
    fixture_answer(f, err);
}

static void set(struct fixture *f, const char *what, bool on)
{
    store_pause(f->store, store_pause_new(what, on, f->mailbox, on_done, f));
    fixture_wait(f);
    assert_int_equal(f->err, 0);
}

static void open_again(struct fixture *f)
{
    npaused = 0;
    fixture_close(f);
    fixture_open(f);
}

static void kept_over_a_start(void **state)
{
    struct fixture f = {.on_paused = on_paused};
    (void)state;
    fixture_open(&f);
    assert_int_equal(npaused, 0);
    set(&f, "submission", true);
    set(&f, "site mx.example", true);
    set(&f, "site mx.example", true); /* once */
    open_again(&f);
    assert_int_equal(npaused, 2);
    set(&f, "submission", false);
    set(&f, "nothing", false);
    open_again(&f);
    assert_int_equal(npaused, 1);
    assert_string_equal(paused[0], "site mx.example");
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept_over_a_start)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
