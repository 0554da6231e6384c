/* The protocol machine: packets as they leave, answers whole and octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/policy/milter.h"

#include <string.h>

#define NEGOTIATED(actions, steps) "\0\0\0\15O\0\0\0\6" actions steps
#define ALL_ACTIONS                "\0\0\1\377"
#define NO_STEPS                   "\0\0\0\0"

static void expect_out(struct milter *m, const char *bytes, size_t len)
{
    struct sv out = milter_output(m);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.ptr, bytes, len);
    milter_sent(m, len);
}

#define EXPECT(m, literal) expect_out((m), (literal), sizeof(literal) - 1)

/* The next event, with these bytes fed piece by piece as it wants them. */
static bool event(struct milter *m, const char *bytes, size_t len, size_t piece,
                  struct milter_event *e)
{
    struct sv in = {bytes, len};
    for (;;) {
        if (milter_next(m, e))
            return true;
        if (!in.len)
            return false;
        in = sv_skip(in, milter_feed(m, sv_first(in, piece)));
    }
}

#define EVENT(m, literal, e) event((m), (literal), sizeof(literal) - 1, 1, (e))

static struct milter *ready(const char *negotiation, size_t len)
{
    struct milter_event e;
    struct milter *m = milter_new();
    milter_negotiate(m);
    EXPECT(m, "\0\0\0\15O\0\0\0\6\0\0\1\377\0\37\367\377");
    assert_true(milter_waits(m));
    assert_true(event(m, negotiation, len, 3, &e));
    assert_int_equal(e.kind, MILTER_ANSWER);
    assert_false(milter_waits(m));
    return m;
}

#define READY(literal) ready((literal), sizeof(literal) - 1)

static void test_dialogue(void **state)
{
    (void)state;
    struct milter_event e;
    struct milter_macros macros = {0};
    struct ip_port client = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}, .port = 258};
    struct milter *m = READY(NEGOTIATED(ALL_ACTIONS, NO_STEPS));
    macros.values[MILTER_MACRO_HOSTNAME] = SV("me");
    macros.values[MILTER_MACRO_QUEUE_ID] = SV("id");
    milter_connect(m, SV("host"), &client, &macros);
    EXPECT(m, "\0\0\0\7DCj\0me\0\0\0\0\23Chost\0"
              "4\1\2"
              "192.0.2.1\0");
    assert_true(EVENT(m, "\0\0\0\1c", &e) && e.verdict == MILTER_CONTINUE);
    milter_helo(m, SV("he\0lo"), &macros);
    EXPECT(m, "\0\0\0\7Hhe?lo\0");
    assert_true(EVENT(m, "\0\0\0\1p", &e) && e.kind == MILTER_PROGRESS);
    assert_true(milter_waits(m));
    assert_true(EVENT(m, "\0\0\0\1c", &e) && e.kind == MILTER_ANSWER);
    milter_mail(m, SV("<a@b>"), SV("SIZE=1  RET=HDRS"), &macros);
    EXPECT(m, "\0\0\0\27M<a@b>\0SIZE=1\0RET=HDRS\0");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_rcpt(m, SV("<c@d>"), SV(""), &macros);
    EXPECT(m, "\0\0\0\7R<c@d>\0");
    assert_true(EVENT(m, "\0\0\0\14y450 no %%!\0", &e) && e.verdict == MILTER_REPLY);
    assert_true(sv_eq(e.text, SV("450 no %%!")));
    milter_data(m, &macros);
    EXPECT(m, "\0\0\0\7DTi\0id\0\0\0\0\1T");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_header(m, SV("N"), SV(" \tv\r\n w\0x"));
    EXPECT(m, "\0\0\0\12LN\0v\n w?x\0");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_eoh(m, &macros);
    EXPECT(m, "\0\0\0\7DNi\0id\0\0\0\0\1N");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    assert_true(milter_wants_body(m));
    milter_body(m, SV("a\0b"));
    EXPECT(m, "\0\0\0\4Ba\0b");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_end(m, &macros);
    EXPECT(m, "\0\0\0\7DEi\0id\0\0\0\0\1E");
    assert_true(EVENT(m, "\0\0\0\5hA\0b\0", &e) && e.kind == MILTER_CHANGE);
    assert_true(e.change == MILTER_ADD_HEADER && sv_eq(e.name, SV("A")) && sv_eq(e.value, SV("b")));
    assert_true(EVENT(m, "\0\0\0\12m\0\0\0\7A\0bc\0", &e) && e.index == 7);
    assert_true(e.change == MILTER_CHANGE_HEADER && sv_eq(e.value, SV("bc")));
    assert_true(EVENT(m, "\0\0\0\4bx\0y", &e) && e.change == MILTER_REPLACE_BODY);
    assert_true(sv_eq(e.value, SV("x\0y")));
    assert_true(EVENT(m, "\0\0\0\5e<a>\0", &e) && e.change == MILTER_CHANGE_FROM);
    assert_true(EVENT(m,
                      "\0\0\0\7"
                      "2<a>\0B\0",
                      &e) &&
                e.change == MILTER_ADD_RCPT);
    assert_true(sv_eq(e.name, SV("<a>")) && sv_eq(e.value, SV("B")));
    assert_true(EVENT(m, "\0\0\0\5qbad\0", &e) && e.change == MILTER_QUARANTINE);
    assert_true(milter_waits(m));
    assert_true(EVENT(m, "\0\0\0\1a", &e) && e.verdict == MILTER_ACCEPT);
    milter_abort(m);
    milter_quit(m);
    EXPECT(m, "\0\0\0\1A\0\0\0\1Q");
    assert_false(EVENT(m, "", &e));
    milter_free(m);
}

/* What it does not want, it is not sent; what it does not answer, is not waited for. */
static void test_steps(void **state)
{
    (void)state;
    struct milter_event e;
    struct milter_macros macros = {.values = {[MILTER_MACRO_MAIL_ADDRESS] = SV("a@b")}};
    struct ip_port client = {.ip = {.family = IP_NONE}};
    /* NO_HELO, SKIP_OK, NR_MAIL, LEADING_SPACE; wants {mail_addr} at EHLO, nothing at MAIL */
    struct milter *m = READY("\0\0\0\44O\0\0\0\6\0\0\1\377\0\20\104\2\0\0\0\1x {mail_addr}\0"
                             "\0\0\0\2\0");
    milter_connect(m, SV("h"), &client, &macros);
    EXPECT(m, "\0\0\0\4Ch\0U");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_helo(m, SV("h"), &macros);
    EXPECT(m, "\0\0\0\22DH{mail_addr}\0a@b\0");
    assert_true(EVENT(m, "", &e) && e.kind == MILTER_ANSWER);
    milter_mail(m, SV("<a@b>"), SV(""), &macros);
    EXPECT(m, "\0\0\0\7M<a@b>\0");
    assert_false(milter_waits(m));
    assert_true(EVENT(m, "", &e) && e.kind == MILTER_ANSWER);
    milter_header(m, SV("N"), SV(" v"));
    EXPECT(m, "\0\0\0\6LN\0 v\0");
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_body(m, SV("a"));
    assert_true(EVENT(m, "\0\0\0\1s", &e) && e.verdict == MILTER_CONTINUE);
    assert_false(milter_wants_body(m));
    milter_end(m, NULL);
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    milter_mail(m, SV("<a@b>"), SV(""), NULL); /* the next message has its body */
    assert_true(milter_wants_body(m));
    milter_free(m);
}

/* Version 2 knows no DATA. */
static void test_old_version(void **state)
{
    (void)state;
    struct milter_event e;
    struct milter *m = READY("\0\0\0\15O\0\0\0\2\0\0\0\1\0\0\0\0");
    milter_data(m, NULL);
    assert_int_equal(milter_output(m).len, 0);
    assert_true(EVENT(m, "", &e));
    milter_end(m, NULL);
    assert_true(EVENT(m, "\0\0\0\7+<a@b>\0", &e) && e.kind == MILTER_FAULT);
    milter_free(m);
}

/* After a fault nothing more is said, and nothing is believed. */
static void test_fault(void **state)
{
    (void)state;
    struct milter_event e;
    struct milter *m = READY(NEGOTIATED(ALL_ACTIONS, NO_STEPS));
    assert_true(EVENT(m, "\0\0\0\1c", &e));
    assert_int_equal(e.kind, MILTER_FAULT);
    assert_string_equal(e.why, "it speaks out of turn");
    milter_mail(m, SV("<a@b>"), SV(""), NULL);
    assert_false(milter_waits(m));
    assert_false(EVENT(m, "\0\0\0\1c", &e));
    milter_free(m);
}

/* The largest packet passes, one octet more does not. */
static void test_bound(void **state)
{
    (void)state;
    static char packet[4 + MILTER_PACKET_MAX];
    for (int more = 0; more < 2; more++) {
        struct milter_event e;
        struct milter *m = READY(NEGOTIATED(ALL_ACTIONS, NO_STEPS));
        size_t len = MILTER_PACKET_MAX + (size_t)more;
        memcpy(packet, (char[]){0, (char)(len >> 16), (char)(len >> 8), (char)len, 'b'}, 5);
        milter_end(m, NULL);
        assert_true(event(m, packet, sizeof packet, 65536, &e));
        assert_int_equal(e.kind, more ? MILTER_FAULT : MILTER_CHANGE);
        if (!more)
            assert_int_equal(e.value.len, MILTER_PACKET_MAX - 1);
        milter_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogue),    cmocka_unit_test(test_steps),
        cmocka_unit_test(test_old_version), cmocka_unit_test(test_fault),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
