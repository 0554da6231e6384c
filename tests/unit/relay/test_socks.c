/* What is said to a SOCKS5 proxy, and what its answers mean; whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/socks.h"

#include <string.h>

#define NAME SV("mx.test")
#define LIT(s)           \
    {                    \
        s, sizeof(s) - 1 \
    }

struct row {
    const char *name;
    const char *ip; /* NULL: the name */
    const char *user;
    struct sv in; /* all that the proxy says */
    enum relay_socks_state state;
    struct sv out;     /* all that we say */
    const char *fault; /* part of it */
    bool is_hosts;
    size_t left; /* of in, which is the host's */
};

#define HELLO      "\5\1\0"
#define HELLO_USER "\5\2\0\2"
#define ASK        "\5\1\0\3\7mx.test\0\31"
#define BOUND      "\5\0\0\1\0\0\0\0\0\0"

static const struct row rows[] = {
    {"open", NULL, NULL, LIT("\5\0" BOUND), RELAY_SOCKS_OPEN, LIT(HELLO ASK), NULL, false, 0},
    {"the host speaks at once", NULL, NULL, LIT("\5\0" BOUND "220 hi"), RELAY_SOCKS_OPEN,
     LIT(HELLO ASK), NULL, false, 6},
    {"IPv4", "192.0.2.1", NULL, LIT("\5\0" BOUND), RELAY_SOCKS_OPEN,
     LIT(HELLO "\5\1\0\1\300\0\2\1\0\31"), NULL, false, 0},
    {"IPv6", "2001:db8::1", NULL, LIT("\5\0" BOUND), RELAY_SOCKS_OPEN,
     LIT(HELLO "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\31"), NULL, false, 0},
    {"bound to IPv6", NULL, NULL,
     LIT("\5\0\5\0\0\4"
         "0123456789abcdef\0\0"
         "220"),
     RELAY_SOCKS_OPEN, LIT(HELLO ASK), NULL, false, 3},
    {"bound to a name", NULL, NULL,
     LIT("\5\0\5\0\0\3\4host\0\0"
         "220"),
     RELAY_SOCKS_OPEN, LIT(HELLO ASK), NULL, false, 3},
    {"login", NULL, "u", LIT("\5\2\1\0" BOUND), RELAY_SOCKS_OPEN, LIT(HELLO_USER "\1\1u\3pwd" ASK),
     NULL, false, 0},
    {"login not asked for", NULL, "u", LIT("\5\0" BOUND), RELAY_SOCKS_OPEN, LIT(HELLO_USER ASK),
     NULL, false, 0},
    {"login refused", NULL, "u", LIT("\5\2\1\1"), RELAY_SOCKS_FAILED, LIT(HELLO_USER "\1\1u\3pwd"),
     "refused the login", false, 0},
    {"login wanted that we have not", NULL, NULL, LIT("\5\2"), RELAY_SOCKS_FAILED, LIT(HELLO),
     "another kind of login", false, 0},
    {"no method", NULL, "u", LIT("\5\377"), RELAY_SOCKS_FAILED, LIT(HELLO_USER),
     "another kind of login", false, 0},
    {"refused by the host", NULL, NULL, LIT("\5\0\5\5\0\1\0\0\0\0\0\0"), RELAY_SOCKS_FAILED,
     LIT(HELLO ASK), "refused", true, 0},
    {"no way", NULL, NULL, LIT("\5\0\5\4\0\1\0\0\0\0\0\0"), RELAY_SOCKS_FAILED, LIT(HELLO ASK),
     "host is unreachable", true, 0},
    {"forbidden", NULL, NULL, LIT("\5\0\5\2\0\1\0\0\0\0\0\0"), RELAY_SOCKS_FAILED, LIT(HELLO ASK),
     "rules forbid", false, 0},
    {"unknown code", NULL, NULL, LIT("\5\0\5\x63\0\1\0\0\0\0\0\0"), RELAY_SOCKS_FAILED,
     LIT(HELLO ASK), "no name", false, 0},
    {"SOCKS4", NULL, NULL, LIT("\0\132"), RELAY_SOCKS_FAILED, LIT(HELLO), "not speak SOCKS5", false,
     1},
    {"HTTP", NULL, NULL, LIT("HTTP/1.1 400"), RELAY_SOCKS_FAILED, LIT(HELLO), "not speak SOCKS5",
     false, 11},
    {"wrong type", NULL, NULL, LIT("\5\0\5\0\0\2\0"), RELAY_SOCKS_FAILED, LIT(HELLO ASK),
     "not speak SOCKS5", false, 0},
    {"not whole", NULL, NULL, LIT("\5\0\5\0\0\1\0\0\0\0\0"), RELAY_SOCKS_MORE, LIT(HELLO ASK), NULL,
     false, 0},
    {"silence", NULL, NULL, LIT(""), RELAY_SOCKS_MORE, LIT(HELLO), NULL, false, 0},
};

/* The proxy waits for what it answers: the end of the reply that begins at or before this byte. */
static size_t end_of_reply(const struct row *row, size_t at)
{
    bool login = row->user && row->in.len > 1 && row->in.ptr[1] == 2;
    size_t end = at < 2 ? 2 : at < 4 && login ? 4 : row->in.len;
    return end < row->in.len ? end : row->in.len;
}

static void try_row(const struct row *row, size_t most)
{
    struct relay_socks s;
    struct relay_socks_request r = {.host = NAME, .port = 25};
    char said[600];
    size_t said_len = 0, at = 0;
    enum relay_socks_state state = RELAY_SOCKS_MORE;
    if (row->ip)
        assert_true(ip_parse(sv_of(row->ip), &r.ip));
    if (row->user) {
        r.user = sv_of(row->user);
        r.password = SV("pwd");
    }
    relay_socks_init(&s, &r);
    for (;;) {
        struct sv out = relay_socks_out(&s);
        memcpy(said + said_len, out.ptr, out.len);
        said_len += out.len;
        if (at == row->in.len || state != RELAY_SOCKS_MORE)
            break;
        size_t used;
        size_t whole = end_of_reply(row, at) - at;
        struct sv piece = sv_first(sv_skip(row->in, at), most < whole ? most : whole);
        state = relay_socks_feed(&s, piece, &used);
        assert_true(used == piece.len || state != RELAY_SOCKS_MORE);
        at += used;
    }
    assert_int_equal(state, row->state);
    assert_int_equal(row->in.len - at, row->left);
    assert_int_equal(said_len, row->out.len);
    assert_memory_equal(said, row->out.ptr, said_len);
    if (state == RELAY_SOCKS_FAILED) {
        assert_non_null(strstr(relay_socks_fault(&s), row->fault));
        assert_int_equal(s.is_hosts, row->is_hosts);
    }
}

static void conversations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        for (size_t most = 1; most <= 40; most++)
            try_row(&rows[i], most);
    }
}

static void the_longest_texts_fit(void **state)
{
    static char text[RELAY_SOCKS_TEXT_MAX];
    struct relay_socks s;
    struct sv longest = {text, sizeof text};
    struct relay_socks_request r = {
        .host = longest, .port = 65535, .user = longest, .password = longest};
    size_t used;
    (void)state;
    memset(text, 'x', sizeof text);
    relay_socks_init(&s, &r);
    assert_int_equal(relay_socks_out(&s).len, 4);
    assert_int_equal(relay_socks_feed(&s, SV("\5\2"), &used), RELAY_SOCKS_MORE);
    assert_int_equal(relay_socks_out(&s).len, 3 + 2 * 255);
    assert_int_equal(relay_socks_feed(&s, (struct sv){"\1", 2}, &used), RELAY_SOCKS_MORE);
    struct sv out = relay_socks_out(&s);
    assert_int_equal(out.len, 5 + 255 + 2);
    assert_int_equal((uint8_t)out.ptr[out.len - 1], 255);
}

/* What comes before we asked is refused, and does not make us say more than there is room for. */
static void answers_ahead_are_refused(void **state)
{
    static char text[RELAY_SOCKS_TEXT_MAX];
    static const struct sv ahead[] = {LIT("\5\2\1\0"), LIT("\5\2\1\0" BOUND), LIT("\5\0" BOUND),
                                      LIT("\5\2\1")};
    struct sv longest = {text, sizeof text};
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        struct relay_socks s;
        struct relay_socks_request r = {
            .host = longest, .port = 25, .user = longest, .password = longest};
        size_t used;
        relay_socks_init(&s, &r);
        assert_int_equal(relay_socks_out(&s).len, 4);
        assert_int_equal(relay_socks_feed(&s, ahead[i], &used), RELAY_SOCKS_FAILED);
        assert_non_null(strstr(relay_socks_fault(&s), "before it is asked"));
        assert_false(s.is_hosts);
        assert_int_equal(used, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(answers_ahead_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
