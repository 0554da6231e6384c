#include "msa/loop/loop.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>

struct probe {
    struct timer t;
    struct loop *l;
    int id, *order, *count;
    int again;
};

static void on_probe(void *arg)
{
    struct probe *p = arg;
    assert_false(timer_armed(&p->t));
    p->order[(*p->count)++] = p->id;
    if (p->again-- > 0)
        timer_start(&p->t, 0);
}

static void on_stop(void *arg)
{
    loop_stop(arg);
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    enum { N = 200 };
    uint64_t before = clock_mono_ms(); /* delays count from the time the loop last took */
    struct loop *l = loop_new();
    struct probe p[N];
    struct timer stop;
    int order[N], count = 0;
    for (int i = 0; i < N; i++) {
        p[i] = (struct probe){.l = l, .id = i, .order = order, .count = &count};
        timer_init(&p[i].t, l, on_probe, &p[i]);
        timer_start(&p[i].t, (uint64_t)(i * 37 % N) / 4);
    }
    for (int i = 0; i < N; i += 3)
        timer_stop(&p[i].t);
    timer_stop(&p[0].t);
    timer_start(&p[1].t, 55); /* moved behind all others */
    timer_init(&stop, l, on_stop, l);
    timer_start(&stop, 60);
    loop_run(l);
    assert_in_range(clock_mono_ms() - before, 59, 2000);
    assert_int_equal(count, N - (N + 2) / 3);
    for (int i = 1; i < count; i++)
        if (order[i] != 1 && order[i - 1] != 1)
            assert_true(order[i - 1] * 37 % N / 4 <= order[i] * 37 % N / 4);
    assert_int_equal(order[count - 1], 1);
    loop_free(l);
}

static void earlier_timer_overtakes(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct timer late, stop;
    timer_init(&late, l, on_stop, l);
    timer_start(&late, 60000);
    timer_init(&stop, l, on_stop, l);
    timer_start(&stop, 5);
    uint64_t before = clock_mono_ms();
    loop_run(l);
    assert_in_range(clock_mono_ms() - before, 4, 2000);
    assert_true(timer_armed(&late));
    timer_stop(&late);
    loop_free(l);
}

static void timer_rearms_itself_without_starving(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    int order[64], count = 0;
    struct probe p = {.l = l, .order = order, .count = &count, .again = 20};
    struct timer stop;
    timer_init(&p.t, l, on_probe, &p);
    timer_init(&stop, l, on_stop, l);
    timer_start(&p.t, 0);
    timer_start(&stop, 30);
    loop_run(l);
    assert_int_equal(count, 21);
    loop_free(l);
}

struct note {
    struct task task;
    int sender, number;
};

static struct {
    struct loop *l;
    struct mailbox *box;
    int last[4], got;
} mail;

enum { SENDERS = 4, NOTES = 20000 };

static void on_note(struct task *task)
{
    struct note *n = (struct note *)task;
    assert_int_equal(n->number, mail.last[n->sender] + 1);
    mail.last[n->sender] = n->number;
    free(n);
    if (++mail.got == SENDERS * NOTES) {
        mailbox_close(mail.box);
        loop_stop(mail.l);
    }
}

static void *send_notes(void *arg)
{
    for (int i = 1; i <= NOTES; i++) {
        struct note *n = NEW(struct note);
        n->task.run = on_note;
        n->sender = *(int *)arg;
        n->number = i;
        mailbox_post(mail.box, &n->task);
    }
    return NULL;
}

static void mailbox_keeps_order_of_each_sender(void **state)
{
    (void)state;
    pthread_t ids[SENDERS];
    int numbers[SENDERS];
    mail.l = loop_new();
    mail.box = mailbox_new(mail.l);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        pthread_create(&ids[i], NULL, send_notes, &numbers[i]);
    }
    loop_run(mail.l);
    assert_int_equal(mail.got, SENDERS * NOTES);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(ids[i], NULL);
    loop_free(mail.l);
}

static int ran;

static void count_task(struct task *task)
{
    (void)task;
    ran++;
}

static void close_runs_what_waits(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct mailbox *box = mailbox_new(l);
    struct task tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i].run = count_task;
        mailbox_post(box, &tasks[i]);
    }
    assert_int_equal(ran, 0);
    mailbox_close(box);
    assert_int_equal(ran, 3);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order),
        cmocka_unit_test(earlier_timer_overtakes),
        cmocka_unit_test(timer_rearms_itself_without_starving),
        cmocka_unit_test(mailbox_keeps_order_of_each_sender),
        cmocka_unit_test(close_runs_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
