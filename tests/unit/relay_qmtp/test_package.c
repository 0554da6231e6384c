#include "relay/qmtp/package.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool takes_all(const void *arg, uint32_t index)
{
    (void)arg;
    (void)index;
    return true;
}

static bool takes_not(const void *arg, uint32_t index)
{
    return index != *(const uint32_t *)arg;
}

/* The queue's form of a path, and how it goes by QMTP. */
static const struct {
    const char *path, *address;
} rows[] = {
    {"<b@example.net>", "13:b@example.net,"},
    {"<a.b+c@EXAMPLE.net>", "17:a.b+c@example.net,"},
    {"<\"Hate.The Quoting\"@silverton.berkeley.edu>",
     "39:Hate.The Quoting@silverton.berkeley.edu,"},
    {"<\"a\\\"b\\\\c\"@b.example>", "15:a\"b\\c@b.example,"},
    {"<\"a@b\"@c.example>", "13:a@b@c.example,"},
    {"<\"\"@c.example>", "10:@c.example,"},
    {"<\" \"@c.example>", "11: @c.example,"},
    {"<a@[192.0.2.1]>", "13:a@[192.0.2.1],"},
    {"<a@[IPv6:2001:db8::1]>", "20:a@[ipv6:2001:db8::1],"},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct smtp_envelope e;
        struct buf out, expected;
        arena_init(&arena);
        buf_init(&out, 1000, 0);
        buf_init(&expected, 1000, 0);
        smtp_envelope_init(&e, &arena);
        assert_int_equal(smtp_envelope_parse_mail(&e, sv_of(rows[i].path)), 0);
        assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(rows[i].path)), 0);
        qmtp_package_end(&out, &e, takes_all, NULL);
        assert_int_equal(buf_printf(&expected, ",%s%zu:%s,", rows[i].address,
                                    strlen(rows[i].address), rows[i].address),
                         0);
        if (!sv_eq(buf_view(&out), buf_view(&expected)))
            fail_msg("%s: %.*s", rows[i].path, SV_ARG(buf_view(&out)));
        buf_deinit(&out);
        buf_deinit(&expected);
        arena_deinit(&arena);
    }
}

static void test_recipients(void **state)
{
    (void)state;
    static const char *const outs[] = {
        "1:\n,0:,34:13:c@example.net,13:d@example.net,,",
        "1:\n,0:,35:14:bb@example.net,13:d@example.net,,",
        "1:\n,0:,35:14:bb@example.net,13:c@example.net,,",
        "1:\n,0:,52:14:bb@example.net,13:c@example.net,13:d@example.net,,",
    };
    struct arena arena;
    struct smtp_envelope e;
    struct buf out;
    arena_init(&arena);
    smtp_envelope_init(&e, &arena);
    assert_int_equal(smtp_envelope_parse_mail(&e, SV("<>")), 0);
    assert_int_equal(smtp_envelope_parse_rcpt(&e, SV("<bb@example.net> NOTIFY=NEVER")), 0);
    assert_int_equal(smtp_envelope_parse_rcpt(&e, SV("<c@example.net>")), 0);
    assert_int_equal(smtp_envelope_parse_rcpt(&e, SV("<d@example.net>")), 0);
    for (uint32_t i = 0; i < 4; i++) {
        buf_init(&out, 1000, 0);
        qmtp_package_begin(&out, 0);
        qmtp_package_end(&out, &e, takes_not, &i);
        assert_true(sv_eq(buf_view(&out), sv_of(outs[i])));
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

/* The longest addresses fit into the room that is told. */
static void test_room(void **state)
{
    (void)state;
    char path[SMTP_PATH_MAX + 1] = "<";
    memset(path + 1, 'l', SMTP_LOCAL_MAX);
    path[1 + SMTP_LOCAL_MAX] = '@';
    for (size_t i = 2 + SMTP_LOCAL_MAX; i < SMTP_PATH_MAX - 1; i++)
        path[i] = i % 40 == 0 ? '.' : 'd';
    path[SMTP_PATH_MAX - 1] = '>';
    for (uint32_t count = 1; count < 20; count++) {
        struct arena arena;
        struct smtp_envelope e;
        struct buf out;
        arena_init(&arena);
        smtp_envelope_init(&e, &arena);
        assert_int_equal(smtp_envelope_parse_mail(&e, sv_of(path)), 0);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(path)), 0);
        buf_init(&out, qmtp_package_room(count), 0);
        qmtp_package_begin(&out, QMTP_MESSAGE_MAX);
        qmtp_package_end(&out, &e, takes_all, NULL);
        assert_true(buf_len(&out) > count * (SMTP_PATH_MAX - 2));
        buf_deinit(&out);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses),
                                       cmocka_unit_test(test_recipients),
                                       cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
