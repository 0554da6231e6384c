/* Messages between keeper and askers. */
#include "auth/client/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct auth_wire messages[] = {
    {AUTH_WIRE_SASL_START,
     1,
     AUTH_START_INITIAL | AUTH_START_TLS,
     {"PLAIN", 5},
     {"\0a\0b", 4},
     {"192.0.2.1", 9},
     {"what TLS knows", 14}},
    {AUTH_WIRE_SASL_STEP, UINT64_MAX, 0, {NULL, 0}, {"x", 1}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_SIGN, 7, AUTH_SIGNS - 1, {"key", 3}, {"digest", 6}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_CANCEL, 9, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_LOCK, 9, 0, {"a@b", 3}, {"sent too much", 13}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_FIND, 9, 0, {"a@b", 3}, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_ANSWER,
     3,
     AUTH_VERDICTS - 1,
     {"alice@example.net", 17},
     {NULL, 0},
     {NULL, 0},
     {NULL, 0}},
    {AUTH_WIRE_USER_CHANGED, 0, 0, {"alice@example.net", 17}, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {AUTH_WIRE_USER_CHANGED, 0, 0, {"alice@example.net", 17}, {NULL, 0}, {"phone", 5}, {NULL, 0}},
};

static void round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct auth_wire back;
        struct buf b;

        buf_init(&b, AUTH_WIRE_FRAME_MAX, 0);
        auth_wire_write(&b, &messages[i]);
        assert_int_equal(auth_wire_read(messages[i].type, buf_view(&b), &back), 0);
        assert_int_equal(back.type, messages[i].type);
        assert_int_equal(back.id, messages[i].id);
        assert_int_equal(back.code, messages[i].code);
        assert_true(sv_eq(back.name, messages[i].name));
        assert_true(sv_eq(back.data, messages[i].data));
        assert_true(sv_eq(back.extra, messages[i].extra));
        assert_true(sv_eq(back.channel, messages[i].channel));
        /* every shorter payload, and one with a byte more, is refused */
        for (size_t len = 0; len < buf_len(&b); len++) {
            char *exact = malloc(len + 1);

            memcpy(exact, buf_view(&b).ptr, len);
            assert_int_equal(auth_wire_read(messages[i].type, (struct sv){exact, len}, &back),
                             ERR_SYNTAX);
            free(exact);
        }
        assert_int_equal(buf_append(&b, "x", 1), 0);
        assert_int_equal(auth_wire_read(messages[i].type, buf_view(&b), &back), ERR_SYNTAX);
        buf_deinit(&b);
    }
}

static void bad_values(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t id;
        uint32_t code;
    } rows[] = {
        {0, 1, 0},
        {AUTH_WIRE_FIND + 1, 1, 0},
        {AUTH_WIRE_FIND, 1, 1},
        {AUTH_WIRE_FIND, 0, 0},
        {AUTH_WIRE_SASL_START, 1, 4},
        {AUTH_WIRE_SASL_STEP, 1, 1},
        {AUTH_WIRE_LOGIN_START, 1, (AUTH_START_TLS | AUTH_START_AGAIN) + 1},
        {AUTH_WIRE_SIGN, 1, AUTH_SIGNS},
        {AUTH_WIRE_ANSWER, 1, AUTH_VERDICTS},
        {AUTH_WIRE_LOCK, 1, 1},
        {AUTH_WIRE_LOCK, 0, 0},
        {AUTH_WIRE_ANSWER, 0, 0},
        {AUTH_WIRE_SASL_START, 0, 0},
        {AUTH_WIRE_USER_CHANGED, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_wire m = {.id = rows[i].id, .code = rows[i].code}, back;
        struct buf b;

        buf_init(&b, AUTH_WIRE_FRAME_MAX, 0);
        auth_wire_write(&b, &m);
        if (auth_wire_read(rows[i].type, buf_view(&b), &back) != ERR_SYNTAX)
            fail_msg("row %zu was taken", i);
        buf_deinit(&b);
    }
}

/* The reader's own limits, for a writer that does not keep them. */
static void too_long(void **state)
{
    static const size_t sizes[][3] = {{AUTH_WIRE_NAME_MAX + 1, 0, 0},
                                      {0, AUTH_WIRE_DATA_MAX + 1, 0},
                                      {0, 0, AUTH_WIRE_NAME_MAX + 1}};
    static char bytes[AUTH_WIRE_DATA_MAX + 1];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct auth_wire back;
        struct buf b;

        buf_init(&b, 65536, 0);
        assert_int_equal(buf_append(&b, "\0\0\0\0\0\0\0\1\0\0\0\0", 12), 0);
        for (size_t f = 0; f < 3; f++) {
            char len[4] = {0, 0, (char)(sizes[i][f] >> 8), (char)sizes[i][f]};

            assert_int_equal(buf_append(&b, len, 4), 0);
            assert_int_equal(buf_append(&b, bytes, sizes[i][f]), 0);
        }
        assert_int_equal(auth_wire_read(AUTH_WIRE_SASL_START, buf_view(&b), &back), ERR_SYNTAX);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
