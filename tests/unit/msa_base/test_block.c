#include "msa/base/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>

static void content(void **state)
{
    (void)state;
    char text[] = "hello";
    struct buf b;
    struct block *copy = block_new(sv_of(text));
    text[0] = '!';
    assert_true(sv_eq(block_view(copy), SV("hello")));
    buf_init(&b, 100, 0);
    assert_int_equal(buf_put(&b, SV("xxcontent")), 0);
    buf_consume(&b, 2);
    struct block *taken = block_from_buf(&b);
    assert_int_equal(buf_len(&b), 0);
    assert_true(sv_eq(block_view(taken), SV("content")));
    struct block *empty = block_new(SV_NONE);
    assert_int_equal(block_view(empty).len, 0);
    block_drop(copy);
    block_drop(taken);
    block_drop(empty);
    block_drop(NULL);
    buf_deinit(&b);
}

static void *keep_and_drop(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct block *mine = block_keep(arg);
        if (block_view(mine).len != 4)
            abort();
        block_drop(mine);
    }
    block_drop(arg);
    return NULL;
}

/* Each thread ends with the reference that was kept for it; the sanitizer sees a wrong count. */
static void references_across_threads(void **state)
{
    (void)state;
    pthread_t ids[3];
    struct block *b = block_new(SV("text"));
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(block_keep(b), b);
        pthread_create(&ids[i], NULL, keep_and_drop, b);
    }
    block_drop(b);
    for (int i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content),
        cmocka_unit_test(references_across_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
