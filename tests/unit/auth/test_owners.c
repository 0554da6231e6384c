/* Where names have logged in: what is kept of whom. */
#include "auth/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The n-th /64. */
static struct ip place(unsigned n)
{
    struct ip ip = {.family = IP_V6, .bytes = {0x20, 1}};

    memcpy(ip.bytes + 4, &n, sizeof(n));
    return ip;
}

static void remember(struct owners *o, const char *name, unsigned at, int64_t wall_s)
{
    struct ip ip = place(at);

    owners_remember(o, sv_of(name), &ip, wall_s);
}

static struct owners_place *find(const struct owners *o, const char *name, unsigned at)
{
    struct ip ip = place(at);

    return owners_find(o, sv_of(name), &ip);
}

static void successes(void **state)
{
    struct owners o;
    struct ip one = place(1);

    (void)state;
    owners_init(&o, 100);
    assert_null(find(&o, "alice", 1));
    remember(&o, "alice", 1, 50);
    remember(&o, "alice", 1, 40); /* an older one, read from a file */
    assert_int_equal(find(&o, "alice", 1)->wall_s, 50);
    find(&o, "alice", 1)->count.in[0] = 7;
    remember(&o, "alice", 1, 60);
    assert_int_equal(find(&o, "alice", 1)->wall_s, 60);
    assert_int_equal(find(&o, "alice", 1)->count.in[0], 7); /* a success does not wipe it out */
    one.bytes[15] = 9;                                      /* of the same /64 */
    assert_ptr_equal(owners_find(&o, SV("alice"), &one), find(&o, "alice", 1));
    assert_null(find(&o, "alice", 2));
    assert_null(find(&o, "alic", 1));
    assert_int_equal(o.count, 1);
    owners_deinit(&o);
}

/* A name's own oldest place makes room, in whatever order they came. */
static void shares(void **state)
{
    struct owners o;

    (void)state;
    owners_init(&o, 100000);
    remember(&o, "alice", 1, 1);
    for (unsigned i = 0; i < OWNERS_PLACES_MAX; i++)
        remember(&o, "mallory", i, 1000 - i);
    assert_int_equal(o.count, OWNERS_PLACES_MAX + 1);
    remember(&o, "mallory", 500, 2000);
    assert_null(
        find(&o, "mallory", OWNERS_PLACES_MAX - 1)); /* the oldest, though the last to come */
    assert_non_null(find(&o, "mallory", 0));
    for (unsigned i = 0; i < 5000; i++)
        remember(&o, "mallory", 1000 + i, 3000 + i);
    assert_int_equal(o.count, OWNERS_PLACES_MAX + 1);
    assert_non_null(find(&o, "alice", 1));
    assert_null(find(&o, "mallory", 500));
    assert_non_null(find(&o, "mallory", 5999));
    assert_non_null(find(&o, "mallory", 6000 - OWNERS_PLACES_MAX));
    owners_deinit(&o);
}

/* Of too many names the one that has not logged in for longest is forgotten, with all its places.
 */
static void bounded(void **state)
{
    struct owners o;

    (void)state;
    owners_init(&o, 10);
    for (unsigned i = 0; i < 4; i++)
        remember(&o, "alice", i, 1);
    for (unsigned i = 0; i < 4; i++)
        remember(&o, "bob", i, 2);
    remember(&o, "alice", 0, 3);
    for (unsigned i = 0; i < 3; i++)
        remember(&o, "carol", i, 4);
    assert_null(find(&o, "bob", 0));
    assert_non_null(find(&o, "alice", 3));
    assert_int_equal(o.count, 7);
    for (unsigned i = 0; i < 20; i++) /* alone it is more than all: its own places stay */
        remember(&o, "dave", i, 5);
    assert_null(find(&o, "alice", 0));
    assert_non_null(find(&o, "dave", 0));
    owners_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(successes), cmocka_unit_test(shares),
                                       cmocka_unit_test(bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
