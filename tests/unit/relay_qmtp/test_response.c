#include "relay/qmtp/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    struct sv content;
    const char *said; /* code, status, text; NULL: bad */
} rows[] = {
#define R(literal)                   \
    {                                \
        literal, sizeof(literal) - 1 \
    }
    {R("K"), "250 2.0.0 "},
    {R("K2.6.0 ok"), "250 2.6.0 2.6.0 ok"},
    {R("Kok 838640135 qp 1390"), "250 2.0.0 ok 838640135 qp 1390"},
    {R("D5.1.1 no such user (#5.1.1)"), "554 5.1.1 5.1.1 no such user (#5.1.1)"},
    {R("Z4.2.1 busy (#4.2.1)"), "451 4.2.1 4.2.1 busy (#4.2.1)"},
    {R("Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
     "554 5.7.1 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"},
    {R("Dsorry, I can't handle that recipient (#5.1.3)"),
     "554 5.1.3 sorry, I can't handle that recipient (#5.1.3)"},
    /* the short form of MTEP */
    {R("D.3.3"), "554 5.3.3 .3.3"},
    {R("D5.3.3"), "554 5.3.3 5.3.3"},
    {R("Z.3.0 store unavailable"), "451 4.3.0 .3.0 store unavailable"},
    /* a class that contradicts the letter */
    {R("Z5.1.1 not yet"), "451 4.1.1 5.1.1 not yet"},
    {R("Dno (#4.2.2)"), "554 5.2.2 no (#4.2.2)"},
    /* the first one counts; what is none does not */
    {R("D5.1.2 (#5.7.1)"), "554 5.1.2 5.1.2 (#5.7.1)"},
    {R("D#1 of #5. is #5.7.1, not #5.1.1"), "554 5.7.1 #1 of #5. is #5.7.1, not #5.1.1"},
    {R("D5.1.2345"), "554 5.0.0 5.1.2345"},
    {R("D5.1"), "554 5.0.0 5.1"},
    {R("D15.1.2"), "554 5.0.0 15.1.2"},
    {R("D3.1.2"), "554 5.0.0 3.1.2"},
    {R("Dno 5.1.1"), "554 5.0.0 no 5.1.1"},
    {R("D5.999.999:"), "554 5.999.999 5.999.999:"},
    {R("D#"), "554 5.0.0 #"},
    {R("Ka\0b\r\nc\xff\x7f,"), "250 2.0.0 a?b??c??,"},
    {R(""), NULL},
    {R("Q?"), NULL},
    {R("k"), NULL},
    {R(" Kx"), NULL},
    {R("\0"), NULL},
    {R("250 ok"), NULL},
#undef R
};

static enum netstring_progress feed(struct qmtp_response *r, struct sv bytes, unsigned seed,
                                    size_t *used_out)
{
    enum netstring_progress progress = NETSTRING_MORE;
    *used_out = 0;
    while (bytes.len && progress == NETSTRING_MORE) {
        struct sv part = sv_first(bytes, seed == 0   ? bytes.len
                                         : seed == 1 ? 1
                                                     : 1 + (size_t)rand() % 9);
        size_t used;
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        progress = qmtp_response_feed(r, (struct sv){copy, part.len}, &used);
        free(copy);
        *used_out += used;
        bytes = sv_skip(bytes, used);
    }
    return progress;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned seed = 0; seed < 10; seed++) {
            struct qmtp_response r;
            struct buf bytes;
            char said[1000] = "", status[SMTP_STATUS_TEXT_MAX];
            size_t used;
            srand(seed);
            buf_init(&bytes, 1000, 0);
            assert_int_equal(netstring_put(&bytes, rows[i].content), 0);
            size_t length = buf_len(&bytes);
            assert_int_equal(buf_put(&bytes, SV("1:Z,")), 0);
            qmtp_response_init(&r);
            enum netstring_progress progress = feed(&r, buf_view(&bytes), seed, &used);
            assert_int_equal(progress, rows[i].said ? NETSTRING_DONE : NETSTRING_BAD);
            if (rows[i].said) {
                struct smtp_reply reply = qmtp_response_reply(&r);
                assert_int_equal(used, length);
                snprintf(said, sizeof said, "%d %s %.*s", reply.code,
                         smtp_status_text(reply.enhanced, status), SV_ARG(reply.text));
                assert_string_equal(said, rows[i].said);
            } else {
                assert_non_null(r.fault);
            }
            buf_deinit(&bytes);
        }
    }
}

/* 65,535 bytes of description are taken, and 500 of them kept; one more is a fault at its length.
 */
static void test_long(void **state)
{
    (void)state;
    static char content[1 + QMTP_DESCRIPTION_MAX + 1];
    memset(content, 'x', sizeof content);
    content[0] = 'D';
    for (unsigned seed = 0; seed < 3; seed++)
        for (size_t more = 0; more < 2; more++) {
            struct qmtp_response r;
            struct buf bytes;
            size_t used;
            buf_init(&bytes, 100000, 0);
            assert_int_equal(netstring_put(&bytes, (struct sv){content, sizeof content - 1 + more}),
                             0);
            qmtp_response_init(&r);
            enum netstring_progress progress = feed(&r, buf_view(&bytes), seed, &used);
            assert_int_equal(progress, more ? NETSTRING_BAD : NETSTRING_DONE);
            assert_int_equal(used, more ? 5 : buf_len(&bytes));
            if (more)
                assert_string_equal(r.fault, netstring_fault_text(NETSTRING_FAULT_LONG));
            else
                assert_int_equal(qmtp_response_reply(&r).text.len, QMTP_DESCRIPTION_KEPT);
            buf_deinit(&bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
