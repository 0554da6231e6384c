/* What logins have sent: in the transaction of the message, and there again after a start. */
#include "store_fixture.h"
#include "fault_vfs.h"

struct remembered {
    char login[40];
    int64_t slot_s;
    uint32_t count[STORE_SPENT_KINDS];
    uint64_t known;
    size_t nknown;
    int64_t seen_s;
    unsigned broken;
};
static struct remembered all[20];
static size_t nall;

static void on_spent(void *arg, const struct store_spent *spent)
{
    struct remembered *r = &all[nall++];
    (void)arg;
    assert_true(nall <= sizeof all / sizeof *all);
    *r = (struct remembered){.slot_s = spent->slot_s,
                             .nknown = spent->nknown,
                             .seen_s = spent->seen_s,
                             .broken = spent->broken};
    snprintf(r->login, sizeof r->login, "%s", spent->login);
    memcpy(r->count, spent->count, sizeof r->count);
    if (spent->nknown)
        r->known = spent->known[0];
}

static void open_again(struct fixture *f)
{
    nall = 0;
    f->on_spent = on_spent;
    fixture_open(f);
}

static int put(struct fixture *f, unsigned n, const struct store_spent *spent)
{
    struct queue_message *m = fixture_message(fixture_id(n), "Subject: x\r\n\r\nhello\r\n");
    struct store_put *p = NEW(struct store_put);
    p->reply = f->mailbox;
    p->message = m;
    p->rows = fixture_rows(m, "b@a.example");
    p->spent = spent;
    p->done = fixture_on_put;
    p->arg = f;
    store_put(f->store, p);
    fixture_wait(f);
    fixture_run_for(f, 2);
    return f->err;
}

static void added_up_and_remembered(void **state)
{
    struct fixture f = {0};
    const uint64_t known[] = {7, UINT64_MAX - 1};
    int64_t now_s = clock_wall_s(), slot_s = now_s - now_s % 300;
    struct store_spent spent = {.login = "a@x",
                                .slot_s = slot_s,
                                .count = {1, 3, 2},
                                .known = known,
                                .nknown = 2,
                                .seen_s = now_s - 5000};
    (void)state;
    open_again(&f);
    assert_int_equal(nall, 0);
    assert_int_equal(put(&f, 1, &spent), 0);
    spent.seen_s = now_s;
    assert_int_equal(put(&f, 2, &spent), 0); /* the same recipients again */
    uint64_t further = 9;
    spent.known = &further;
    spent.nknown = 1;
    spent.broken = 4;
    spent.count[0] = spent.count[1] = spent.count[2] = 0;
    store_add_spent(f.store, &spent); /* without a message */
    spent = (struct store_spent){.login = "a@x", .slot_s = slot_s - 300, .count = {5, 6, 0}};
    assert_int_equal(put(&f, 3, &spent), 0);
    spent.login = "b@x";
    assert_int_equal(put(&f, 4, &spent), 0);
    assert_int_equal(put(&f, 5, NULL), 0);
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(nall, 6);
    assert_string_equal(all[0].login, "a@x");
    assert_int_equal(all[0].slot_s, slot_s - 300);
    assert_int_equal(all[1].count[0], 2);
    assert_int_equal(all[1].count[1], 6);
    assert_int_equal(all[1].count[2], 4);
    assert_int_equal(all[1].broken, 4);
    assert_int_equal(all[0].broken, 0);
    assert_string_equal(all[2].login, "b@x");
    assert_int_equal(all[2].count[1], 6);
    for (size_t i = 0; i < 3; i++) {
        static const uint64_t stored[] = {7, 9, UINT64_MAX - 1};
        assert_true(all[3].known == stored[i] || all[4].known == stored[i] ||
                    all[5].known == stored[i]);
    }
    assert_int_equal(all[3].seen_s, now_s);
    store_forget_spent(f.store, SV("A@X"));
    fixture_run_for(&f, 20);
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(nall, 4); /* whom it has written to stays known */
    assert_string_equal(all[0].login, "b@x");
    fixture_close(&f);
    fixture_remove(&f);
}

/* A message that is not kept costs nothing; one that is costs what it costs. */
static void goes_with_the_message(void **state)
{
    (void)state;
    for (enum fault_kind kind = FAULT_WRITE_EIO; kind <= FAULT_SYNC; kind++) {
        bool fired = true;
        for (int at = 1; fired; at++) {
            struct fixture f = {.vfs = "fault"};
            const uint64_t known = 9;
            struct store_spent spent = {.login = "a@x",
                                        .slot_s = clock_wall_s(),
                                        .count = {1, 1, 1},
                                        .known = &known,
                                        .nknown = 1,
                                        .seen_s = clock_wall_s()};
            open_again(&f);
            fault_arm(kind, at, 1);
            int err = put(&f, 1, &spent);
            fired = fault.fired;
            fault_arm(kind, 0, 0);
            fixture_run_for(&f, 50);
            uint64_t messages = fixture_stats(&f).messages;
            fixture_close(&f);
            f.vfs = NULL;
            open_again(&f);
            assert_int_equal(fixture_stats(&f).messages, messages);
            assert_int_equal(messages, err == 0);
            /* what a failed commit leaves in the log may count, as a message that is compensated */
            assert_true(err < 0 || nall == 2);
            fixture_close(&f);
            fixture_remove(&f);
        }
    }
}

static void old_slots_go(void **state)
{
    struct fixture f = {0};
    int64_t now_s = clock_wall_s();
    struct store_spent spent = {
        .login = "a@x", .slot_s = now_s - STORE_SPENT_KEPT_S - 10, .count = {1, 1, 0}};
    (void)state;
    open_again(&f);
    assert_int_equal(put(&f, 1, &spent), 0);
    spent.slot_s = now_s;
    assert_int_equal(put(&f, 2, &spent), 0);
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(put(&f, 3, &spent), 0); /* the first one of a run looks */
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(nall, 1);
    assert_int_equal(all[0].slot_s, now_s);
    assert_int_equal(all[0].count[0], 2);
    fixture_close(&f);
    fixture_remove(&f);
}

static void old_recipients_go(void **state)
{
    struct fixture f = {0};
    int64_t now_s = clock_wall_s();
    const uint64_t old = 5, young = 6;
    struct store_spent spent = {.login = "a@x",
                                .slot_s = now_s,
                                .count = {1, 1, 1},
                                .known = &young,
                                .nknown = 1,
                                .seen_s = now_s - STORE_KNOWN_KEPT_S + 100};
    (void)state;
    open_again(&f);
    assert_int_equal(put(&f, 1, &spent), 0);
    spent.known = &old;
    spent.seen_s -= 200;
    assert_int_equal(put(&f, 2, &spent), 0);
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(nall, 3);
    spent.nknown = 0;
    assert_int_equal(put(&f, 3, &spent), 0); /* the first one of a run looks */
    fixture_close(&f);
    open_again(&f);
    assert_int_equal(nall, 2);
    assert_true(all[1].known == young);
    fixture_close(&f);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_up_and_remembered),
        cmocka_unit_test(goes_with_the_message),
        cmocka_unit_test(old_slots_go),
        cmocka_unit_test(old_recipients_go),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
