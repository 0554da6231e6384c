/* What TLS knows, as a field of a message. */
#include "auth/client/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void round_trip(void **state)
{
    struct auth_channel c = {.certificate = SV("certificate")}, back;
    struct buf b;

    (void)state;
    c.bindings[AUTH_BINDING_UNIQUE].len = 12;
    memset(c.bindings[AUTH_BINDING_UNIQUE].bytes, 'u', 12);
    c.bindings[AUTH_BINDING_END_POINT].len = AUTH_BINDING_MAX;
    memset(c.bindings[AUTH_BINDING_END_POINT].bytes, 'e', AUTH_BINDING_MAX);
    buf_init(&b, AUTH_CHANNEL_MAX, 0);
    auth_channel_write(&b, &c);
    assert_int_equal(auth_channel_read(buf_view(&b), &back), 0);
    assert_memory_equal(back.bindings, c.bindings, sizeof(c.bindings));
    assert_true(sv_eq(back.certificate, c.certificate));
    for (size_t len = 1; len < buf_len(&b); len++)
        assert_int_equal(auth_channel_read(sv_first(buf_view(&b), len), &back), ERR_SYNTAX);
    assert_int_equal(buf_append(&b, "x", 1), 0);
    assert_int_equal(auth_channel_read(buf_view(&b), &back), ERR_SYNTAX);
    buf_deinit(&b);
    assert_int_equal(auth_channel_read(SV_NONE, &back), 0);
    assert_int_equal(back.bindings[AUTH_BINDING_EXPORTER].len, 0);
    assert_int_equal(back.certificate.len, 0);
}

static void too_long(void **state)
{
    static char bytes[AUTH_CHANNEL_MAX + 100];
    struct auth_channel back;

    (void)state;
    bytes[3] = AUTH_BINDING_MAX + 1;
    assert_int_equal(auth_channel_read((struct sv){bytes, 4 + AUTH_BINDING_MAX + 1 + 12}, &back),
                     ERR_SYNTAX);
    memset(bytes, 0, sizeof(bytes));
    bytes[14] = (char)((AUTH_CERTIFICATE_MAX + 1) >> 8);
    bytes[15] = (char)((AUTH_CERTIFICATE_MAX + 1) & 255);
    assert_int_equal(auth_channel_read((struct sv){bytes, 16 + AUTH_CERTIFICATE_MAX + 1}, &back),
                     ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(too_long)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
