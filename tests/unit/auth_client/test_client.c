/* The asking side against a keeper that answers late, wrongly, twice, or not at all. */
#include "auth/client/client.h"
#include "msa/loop/chan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct keeper {
    struct chan *chan;
    unsigned messages, cancels;
    uint64_t last_id;
};

static struct loop *loop;
static struct keeper k;
static struct auth_client *client;
static unsigned answers, losses;
static uint64_t answered_id;
static enum auth_verdict verdict;

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct auth_wire m;

    (void)arg;
    (void)fds;
    assert_int_equal(nfds, 0);
    assert_int_equal(auth_wire_read(type, payload, &m), 0);
    k.messages++;
    k.cancels += type == AUTH_WIRE_CANCEL;
    k.last_id = m.id;
    loop_stop(loop);
}

static void on_end(void *arg, int err)
{
    (void)arg;
    (void)err;
    chan_close(k.chan);
    k.chan = NULL;
    loop_stop(loop);
}

static void on_answer(void *arg, uint64_t id, const struct auth_answer *a)
{
    (void)arg;
    answers++;
    answered_id = id;
    verdict = a->verdict;
    loop_stop(loop);
}

static void on_lost(void *arg)
{
    (void)arg;
    losses++;
}

static void on_pause(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void run_for(uint64_t ms)
{
    struct timer t;

    timer_init(&t, loop, on_pause, NULL);
    timer_start(&t, ms);
    for (uint64_t end = loop_now_ms(loop) + ms; timer_armed(&t) && loop_now_ms(loop) < end + ms;)
        loop_run(loop);
    timer_stop(&t);
}

static void reply(uint64_t id, enum auth_verdict v)
{
    struct buf b;

    buf_init(&b, AUTH_WIRE_FRAME_MAX, 0);
    auth_wire_write(&b, &(struct auth_wire){.type = AUTH_WIRE_ANSWER, .id = id, .code = v});
    assert_int_equal(chan_send(k.chan, AUTH_WIRE_ANSWER, buf_view(&b), NULL, 0), 0);
    buf_deinit(&b);
}

static const struct chan_ops keeper_ops = {on_message, on_end};

static int set_up(void **state)
{
    static const struct auth_client_ops events = {NULL, on_lost};
    int fds[2];

    (void)state;
    memset(&k, 0, sizeof(k));
    answers = losses = 0;
    loop = loop_new();
    assert_int_equal(chan_pair(fds), 0);
    k.chan = chan_new(loop, fds[0], &keeper_ops, NULL);
    client = auth_client_new(loop, fds[1], &events, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_client_free(client);
    if (k.chan)
        chan_close(k.chan);
    loop_free(loop);
    return 0;
}

static uint64_t start(void)
{
    return auth_client_start(client, &(struct auth_start){.mechanism = SV("LOGIN"), .tls = true},
                             on_answer, NULL);
}

static void answers_of_no_request(void **state)
{
    uint64_t id = start();

    (void)state;
    run_for(20);
    assert_int_equal(k.last_id, id);
    reply(id + 1, AUTH_OK);
    run_for(20);
    assert_int_equal(answers, 0);
    reply(id, AUTH_CONTINUE);
    run_for(20);
    assert_int_equal(answers, 1);
    reply(id, AUTH_OK); /* nobody asked */
    run_for(20);
    assert_int_equal(answers, 1);
    auth_client_step(client, id, SV("x"));
    reply(id, AUTH_DENIED);
    reply(id, AUTH_OK);
    run_for(20);
    assert_int_equal(answers, 2);
    assert_int_equal(verdict, AUTH_DENIED);
}

static void canceled(void **state)
{
    uint64_t id = start();

    (void)state;
    auth_client_cancel(client, id);
    auth_client_cancel(client, id);
    run_for(20);
    assert_int_equal(k.cancels, 1);
    reply(id, AUTH_OK);
    run_for(20);
    assert_int_equal(answers, 0);
}

/* The asker's own deadline; the keeper is told, and its late answer is nobody's. */
static void silence(void **state)
{
    uint64_t first = start();

    (void)state;
    run_for(AUTH_REQUEST_MAX_MS / 2);
    start();
    run_for(AUTH_REQUEST_MAX_MS / 2 + 200);
    assert_int_equal(answers, 1);
    assert_int_equal(answered_id, first);
    assert_int_equal(verdict, AUTH_TEMPORARY);
    run_for(20);
    assert_int_equal(k.cancels, 1);
    reply(first, AUTH_OK);
    run_for(20);
    assert_int_equal(answers, 1);
}

static void malformed(void **state)
{
    uint64_t id = start();

    (void)state;
    assert_int_equal(chan_send(k.chan, AUTH_WIRE_ANSWER, SV("rubbish"), NULL, 0), 0);
    run_for(50);
    assert_int_equal(losses, 1);
    assert_int_equal(answers, 1);
    assert_int_equal(answered_id, id);
    assert_int_equal(verdict, AUTH_TEMPORARY);
}

static void keeper_goes(void)
{
    chan_close(k.chan);
    k.chan = NULL;
    run_for(20);
}

static void keeper_comes(void)
{
    int fds[2];

    memset(&k, 0, sizeof(k));
    assert_int_equal(chan_pair(fds), 0);
    k.chan = chan_new(loop, fds[0], &keeper_ops, NULL);
    auth_client_attach(client, fds[1]);
    run_for(20);
}

static uint64_t sign(void)
{
    return auth_client_sign(client, SV("k"), AUTH_SIGN_ECDSA, SV("x"), on_answer, NULL);
}

/* What is asked while no keeper is there is sent to the next one; what was given up is not. */
static void waits_for_the_next_keeper(void **state)
{
    (void)state;
    keeper_goes();
    assert_int_equal(losses, 1);
    uint64_t given_up = start(), login = start();
    auth_client_cancel(client, given_up);
    run_for(50);
    assert_int_equal(answers, 0);
    keeper_comes();
    assert_int_equal(k.messages, 1);
    assert_int_equal(k.last_id, login);
    assert_int_equal(k.cancels, 0);
    reply(login, AUTH_OK);
    run_for(20);
    assert_int_equal(answers, 1);
    assert_int_equal(verdict, AUTH_OK);
}

/* A signature under way is asked for once more, a login is not; a second end is final. */
static void asked_once_more(void **state)
{
    uint64_t login = start(), signature = sign();

    (void)state;
    run_for(20);
    keeper_goes();
    assert_int_equal(answers, 1);
    assert_int_equal(answered_id, login);
    assert_int_equal(verdict, AUTH_TEMPORARY);
    keeper_comes();
    assert_int_equal(k.messages, 1);
    assert_int_equal(k.last_id, signature);
    keeper_goes();
    assert_int_equal(answers, 2);
    assert_int_equal(answered_id, signature);
    assert_int_equal(verdict, AUTH_TEMPORARY);
}

/* An exchange between two steps ends with its keeper, at its next step, but not inside the call. */
static void exchange_ends_with_its_keeper(void **state)
{
    uint64_t id = start();

    (void)state;
    run_for(20);
    reply(id, AUTH_CONTINUE);
    run_for(20);
    keeper_goes();
    keeper_comes();
    assert_int_equal(answers, 1);
    auth_client_step(client, id, SV("x"));
    assert_int_equal(answers, 1);
    run_for(20);
    assert_int_equal(answers, 2);
    assert_int_equal(verdict, AUTH_TEMPORARY);
    assert_int_equal(k.messages, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_of_no_request),
        T(canceled),
        T(silence),
        T(malformed),
        T(waits_for_the_next_keeper),
        T(asked_once_more),
        T(exchange_ends_with_its_keeper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
