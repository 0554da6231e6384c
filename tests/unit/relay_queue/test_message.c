/* Messages, batches, charges, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/queue/message.h"

#include <string.h>

static void ids(void **state)
{
    (void)state;
    char a[QUEUE_ID_LEN + 1], b[QUEUE_ID_LEN + 1];
    queue_id_make(a, 1767225600000, 0);
    assert_string_equal(a, "0mjuohs000000000");
    assert_true(queue_id_valid(sv_of(a)));
    queue_id_make(b, 1767225600001, 0);
    assert_true(strcmp(a, b) < 0);
    queue_id_make(b, 1767225600000, UINT64_MAX);
    assert_true(queue_id_valid(sv_of(b)));
    assert_true(strcmp(a, b) != 0);
    static const char *const bad[] = {
        "", "abc", "0123456789abcdeF", "../../etc/passwd", "0123456789abcdefg", "0123456789abcde/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(queue_id_valid(sv_of(bad[i])));
}

static void charges_end_with_the_message(void **state)
{
    (void)state;
    struct queue_memory *q = queue_memory_new(1000);
    struct queue_message *a = queue_message_new(), *b = queue_message_new();
    assert_true(queue_message_charge(a, q, 600));
    assert_false(queue_message_charge(b, q, 500));
    assert_int_equal(queue_memory_used(q), 600);
    struct queue_batch *batch = queue_batch_new(a, 1);
    queue_message_drop(a);
    assert_int_equal(queue_memory_used(q), 600);
    queue_batch_free(batch);
    assert_int_equal(queue_memory_used(q), 0);
    assert_false(queue_message_charge(b, q, SIZE_MAX));
    assert_true(queue_message_charge(b, q, 1000));
    queue_memory_drop(q); /* the charged message keeps it */
    queue_message_drop(b);
}

static void picked_rows_are_copies(void **state)
{
    (void)state;
    struct queue_message *m = queue_message_new();
    struct queue_batch *all = queue_batch_new(m, 3);
    all->rows[2].address = arena_str(&all->arena, SV("bob@a.example"));
    all->rows[2].attempts = 7;
    struct queue_batch *some = queue_batch_pick(all, (size_t[]){2}, 1);
    queue_batch_free(all);
    assert_int_equal(some->nrows, 1);
    assert_int_equal(some->rows[0].number, 2);
    assert_int_equal(some->rows[0].attempts, 7);
    assert_string_equal(some->rows[0].address, "bob@a.example");
    assert_string_equal(some->rows[0].last_text, "");
    queue_batch_free(some);
    queue_message_drop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),
        cmocka_unit_test(charges_end_with_the_message),
        cmocka_unit_test(picked_rows_are_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
