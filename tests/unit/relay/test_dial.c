/* Races of addresses in the simulated network: who wins, when, and what is remembered. */
#include "relay/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/sim/loop/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V6A "2001:db8::1"
#define V6B "2001:db8::2"
#define V4A "192.0.2.1"
#define V4B "192.0.2.2"

static struct {
    unsigned connected, failed, closed;
    uint32_t failed_before;
    size_t index;
    uint64_t at_ms;
    struct smtp_client_result why;
    char detail[400];
    const char *name;
    char early[16];
    struct stream *stream;
    struct relay_dial *dial;
} seen;

static struct loop *loop;
static unsigned accepted;
static char from[IP_TEXT_MAX];

static const struct stream_ops held_ops; /* of the winner */

static void on_connected(void *arg, const struct relay_dial_result *result)
{
    (void)arg;
    seen.connected++;
    seen.index = result->index;
    seen.failed_before = result->failed;
    seen.at_ms = sim_now();
    seen.name = result->name;
    snprintf(seen.early, sizeof seen.early, "%.*s", SV_ARG(result->early));
    seen.stream = result->stream;
    stream_set_ops(seen.stream, &held_ops, NULL);
}

static void on_failed(void *arg, size_t index, const struct smtp_client_result *why)
{
    (void)arg;
    seen.failed++;
    seen.index = index;
    seen.at_ms = sim_now();
    seen.why = *why;
    snprintf(seen.detail, sizeof seen.detail, "%s", why->detail ? why->detail : "");
    relay_dial_end(seen.dial);
}

static void on_closed(void *arg)
{
    (void)arg;
    seen.closed++;
}

static const struct relay_dial_ops ops = {on_connected, on_failed, on_closed};

static void on_accept(void *arg, struct stream *s)
{
    (void)arg;
    struct ip_port peer = stream_peer(s);
    accepted++;
    ip_text(&peer.ip, from);
    stream_set_ops(s, &held_ops, NULL);
    stream_close(s);
}

static void on_error(void *arg, int err)
{
    (void)arg;
    fail_msg("%d", err);
}

/* text: address; fault: 0 for one that listens. */
static void add(struct route_attempt *a, const char *text, enum sim_fault fault)
{
    *a = (struct route_attempt){.host = "mx.test", .to.port = 25, .credentials = -1};
    assert_true(ip_parse(sv_of(text), &a->to.ip));
    sim_net_fault(&a->to, fault, 0);
}

struct row {
    const char *name;
    struct {
        const char *ip;
        enum sim_fault fault;
    } to[4];
    enum ip_family loser; /* before */
    int index;            /* that wins; -1: none */
    uint64_t after_ms;
    enum ip_family loser_after;
    unsigned listeners; /* that saw a connection: none that need not be begun */
};

static const struct row rows[] = {
    {"the first answers", {{V6A, 0}, {V4A, 0}}, IP_NONE, 0, 0, IP_NONE, 1},
    {"it is late", {{V6A, SIM_BLACK_HOLE}, {V4A, 0}}, IP_NONE, 1, 250, IP_V6, 1},
    {"it refuses", {{V6A, SIM_REFUSED}, {V4A, 0}}, IP_NONE, 1, 0, IP_V6, 1},
    {"there is no such net", {{V6A, SIM_UNREACH}, {V4A, 0}}, IP_NONE, 1, 0, IP_V6, 1},
    {"remembered", {{V6A, SIM_BLACK_HOLE}, {V4A, 0}}, IP_V6, 1, 0, IP_V6, 1},
    {"remembered, but better now", {{V6A, 0}, {V4A, SIM_REFUSED}}, IP_V6, 0, 0, IP_V4, 1},
    {"turns", {{V6A, SIM_BLACK_HOLE}, {V6B, SIM_BLACK_HOLE}, {V4A, 0}}, IP_NONE, 2, 250, IP_V6, 1},
    {"turns, again",
     {{V6A, SIM_BLACK_HOLE}, {V6B, 0}, {V4A, SIM_BLACK_HOLE}},
     IP_NONE,
     1,
     500,
     IP_V4,
     1},
    {"failures do not wait",
     {{V6A, SIM_REFUSED}, {V6B, SIM_REFUSED}, {V4A, SIM_REFUSED}, {V4B, 0}},
     IP_NONE,
     3,
     0,
     IP_V6,
     1},
    {"one", {{V4A, 0}}, IP_NONE, 0, 0, IP_NONE, 1},
    {"one, refused", {{V4A, SIM_REFUSED}}, IP_NONE, -1, 0, IP_NONE, 0},
    {"one, dead", {{V4A, SIM_BLACK_HOLE}}, IP_NONE, -1, 30000, IP_NONE, 0},
    {"all dead", {{V6A, SIM_BLACK_HOLE}, {V4A, SIM_BLACK_HOLE}}, IP_NONE, -1, 30250, IP_NONE, 0},
    {"refused and dead",
     {{V6A, SIM_REFUSED}, {V4A, SIM_BLACK_HOLE}},
     IP_NONE,
     -1,
     30000,
     IP_NONE,
     0},
};

static void try_row(const struct row *row)
{
    struct route_attempt attempts[4];
    struct listener *listeners[4];
    struct relay_families *families = relay_families_new();
    size_t count = 0;
    sim_start(7);
    loop = loop_new();
    memset(&seen, 0, sizeof seen);
    accepted = 0;
    for (; count < 4 && row->to[count].ip; count++) {
        add(&attempts[count], row->to[count].ip, row->to[count].fault);
        listeners[count] =
            listener_new(loop, sim_listen(&attempts[count].to), on_accept, on_error, NULL);
    }
    if (row->loser)
        relay_families_note(families, "mx.test", row->loser, loop_now_ms(loop));
    struct relay_dial_config config = {.loop = loop,
                                       .connect_ms = 30000,
                                       .attempts = attempts,
                                       .count = count,
                                       .families = families,
                                       .queue_id = ""};
    seen.dial = relay_dial_start(&config, &ops, NULL);
    sim_run_for(60000);
    print_message("%s\n", row->name);
    assert_int_equal(seen.connected, row->index >= 0);
    assert_int_equal(seen.failed, row->index < 0);
    assert_int_equal(seen.closed, row->index < 0);
    if (row->index >= 0)
        assert_int_equal(seen.index, row->index);
    for (size_t i = 0; i < count && seen.connected; i++)
        if (seen.failed_before >> i & 1)
            assert_true(row->to[i].fault == SIM_REFUSED || row->to[i].fault == SIM_UNREACH);
        else
            assert_false(i == 0 && row->index == 1 && row->to[0].fault == SIM_REFUSED);
    assert_in_range(seen.at_ms, row->after_ms, row->after_ms + 20);
    assert_int_equal(relay_families_loser(families, "mx.test", loop_now_ms(loop)),
                     row->loser_after);
    assert_int_equal(accepted, row->listeners);
    if (seen.failed) {
        assert_int_equal(seen.why.phase, SMTP_PHASE_CONNECT);
        assert_int_equal(seen.why.end, row->after_ms ? SMTP_END_TIMEOUT : SMTP_END_LOST);
        assert_in_range(seen.why.elapsed_ms, row->after_ms, row->after_ms + 20);
        assert_int_equal(strlen(seen.detail) > 0, count > 1);
    }
    if (seen.connected)
        stream_close(seen.stream);
    for (size_t i = 0; i < count; i++)
        listener_close(listeners[i]);
    sim_run_for(1000);
    loop_free(loop);
    sim_stop();
    relay_families_free(families);
}

static void races(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i]);
}

static void failures_of_several_are_all_told(void **state)
{
    struct row row = {.name = "told",
                      .to = {{V6A, SIM_UNREACH}, {V4A, SIM_BLACK_HOLE}},
                      .index = -1,
                      .after_ms = 30000};
    (void)state;
    try_row(&row);
    assert_string_equal(seen.detail, "[2001:db8::1]: Network is unreachable after 0 s, "
                                     "[192.0.2.1]: Connection timed out after 30 s");
}

/* Ended in the middle: only on_closed comes, after the last socket. */
static void an_end_in_the_middle(void **state)
{
    struct route_attempt attempts[2];
    (void)state;
    for (uint64_t at = 0; at <= 300; at += 300) {
        sim_start(8);
        loop = loop_new();
        memset(&seen, 0, sizeof seen);
        add(&attempts[0], V6A, SIM_BLACK_HOLE);
        add(&attempts[1], V4A, SIM_BLACK_HOLE);
        struct relay_dial_config config = {
            .loop = loop, .connect_ms = 30000, .attempts = attempts, .count = 2, .queue_id = ""};
        seen.dial = relay_dial_start(&config, &ops, NULL);
        sim_run_for(at);
        relay_dial_end(seen.dial);
        assert_int_equal(seen.closed, 0);
        sim_run_for(60000);
        assert_int_equal(seen.closed, 1);
        assert_int_equal(seen.connected + seen.failed, 0);
        loop_free(loop);
        sim_stop();
    }
}

/* One connection to ip under these rows; whether it was made. */
static bool leaves(const char *ip, struct relay_bind_options *binds, size_t count)
{
    struct conf_list bind = {binds, count};
    struct route_attempt a;
    add(&a, ip, 0);
    memset(&seen, 0, sizeof seen);
    struct relay_dial_config config = {.loop = loop,
                                       .connect_ms = 30000,
                                       .attempts = &a,
                                       .count = 1,
                                       .bind = &bind,
                                       .queue_id = ""};
    seen.dial = relay_dial_start(&config, &ops, NULL);
    sim_run_for(1000);
    assert_int_equal(seen.connected + seen.failed, 1);
    if (seen.connected)
        stream_close(seen.stream);
    return seen.connected;
}

static struct listener *listen_at(const char *ip)
{
    struct ip_port at = {.port = 25};
    assert_true(ip_parse(sv_of(ip), &at.ip));
    return listener_new(loop, sim_listen(&at), on_accept, on_error, NULL);
}

static void not_ours(const char *ip)
{
    struct ip_port at = {.port = 0};
    assert_true(ip_parse(sv_of(ip), &at.ip));
    sim_net_fault(&at, SIM_NOT_OURS, 0);
}

static void where_it_leaves_from(void **state)
{
    struct relay_bind_options binds[] = {{"192.0.2.101", "out1.test", 1},
                                         {"2001:db8::101", "out6.test", 1},
                                         {"192.0.2.102", "out2.test", 3},
                                         {"192.0.2.103", "out3.test", 0}};
    struct listener *v4, *v6, *local;
    unsigned first = 0, second = 0;
    (void)state;
    sim_start(9);
    loop = loop_new();
    v4 = listen_at(V4A);
    v6 = listen_at(V6A);
    local = listen_at("127.0.0.1");
    for (int i = 0; i < 400; i++) {
        assert_true(leaves(V4A, binds, 4));
        bool is_first = strcmp(seen.name, "out1.test") == 0;
        assert_string_equal(seen.name, is_first ? "out1.test" : "out2.test");
        assert_string_equal(from, is_first ? "192.0.2.101" : "192.0.2.102");
        first += is_first;
        second += !is_first;
    }
    assert_in_range(first, 60, 140); /* a quarter */
    assert_true(leaves(V6A, binds, 4));
    assert_string_equal(seen.name, "out6.test");
    assert_string_equal(from, "2001:db8::101");
    /* no row of the family, and loopback: as the system likes */
    assert_true(leaves(V6A, binds, 1));
    assert_string_equal(seen.name, "");
    assert_true(leaves("127.0.0.1", binds, 4));
    assert_string_equal(seen.name, "");
    /* one is not ours: the others; none is ours: it fails, and says so */
    not_ours("192.0.2.102");
    for (int i = 0; i < 20; i++) {
        assert_true(leaves(V4A, binds, 4));
        assert_string_equal(seen.name, "out1.test");
    }
    not_ours("192.0.2.101");
    assert_true(leaves(V4A, binds, 4));
    assert_string_equal(seen.name, "out3.test");
    not_ours("192.0.2.103");
    assert_false(leaves(V4A, binds, 4));
    assert_int_equal(seen.why.err, -EADDRNOTAVAIL);
    listener_close(v4);
    listener_close(v6);
    listener_close(local);
    sim_run_for(1000);
    loop_free(loop);
    sim_stop();
}

/* ---- a proxy ---- */

static struct {
    struct stream *stream;
    const char *replies[3]; /* one for each thing that is said to it; NULL: it hangs up */
    size_t lens[3];
    unsigned turn;
    char heard[64];
    size_t heard_len;
} proxy;

static void on_proxy_read(void *arg, struct sv bytes)
{
    unsigned turn = proxy.turn++;
    (void)arg;
    memcpy(proxy.heard + proxy.heard_len, bytes.ptr, bytes.len);
    proxy.heard_len += bytes.len;
    if (turn < 3 && proxy.replies[turn]) {
        assert_int_equal(
            stream_write(proxy.stream, (struct sv){proxy.replies[turn], proxy.lens[turn]}), 0);
    } else {
        stream_close(proxy.stream);
        proxy.stream = NULL;
    }
}

static void on_proxy_accept(void *arg, struct stream *s)
{
    static const struct stream_ops proxy_ops = {.on_read = on_proxy_read};
    (void)arg;
    proxy.stream = s;
    stream_set_ops(s, &proxy_ops, NULL);
    stream_read_start(s);
}

#define BOUND            "\5\0\0\1\0\0\0\0\0\0"
#define SAYS(turn, text) .replies[turn] = text, .lens[turn] = sizeof(text) - 1

static void through_a_proxy(void **state)
{
    static const struct {
        const char *name;
        const char *replies[3];
        size_t lens[3];
        bool listens, opens;
        const char *early, *detail;
    } cases[] = {
        {"open", SAYS(0, "\5\0"), SAYS(1, BOUND), .listens = true, .opens = true, .early = ""},
        {"and greets", SAYS(0, "\5\0"), SAYS(1, BOUND "220 hi"), .listens = true, .opens = true,
         .early = "220 hi"},
        {"refused", SAYS(0, "\5\0"), SAYS(1, "\5\5\0\1\0\0\0\0\0\0"), .listens = true, .early = "",
         .detail = "the proxy says that the connection was refused"},
        {"hangs up", SAYS(0, "\5\0"), .listens = true, .early = "",
         .detail = "the proxy 127.0.0.1:9050: the peer closed the connection"},
        {"not there", .early = "", .detail = "the proxy 127.0.0.1:9050: Connection refused"},
        {"silent", SAYS(0, ""), .listens = true, .early = "",
         .detail = "the proxy 127.0.0.1:9050: Connection timed out"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_proxy at = {.at.port = 9050, .user = "", .password = ""};
        struct route_attempt a = {.host = "mx.onion", .to.port = 25, .proxy = &at};
        struct listener *listener = NULL;
        print_message("%s\n", cases[i].name);
        sim_start(10);
        loop = loop_new();
        memset(&seen, 0, sizeof seen);
        memset(&proxy, 0, sizeof proxy);
        memcpy(proxy.replies, cases[i].replies, sizeof proxy.replies);
        memcpy(proxy.lens, cases[i].lens, sizeof proxy.lens);
        assert_true(ip_parse(SV("127.0.0.1"), &at.at.ip));
        if (cases[i].listens)
            listener = listener_new(loop, sim_listen(&at.at), on_proxy_accept, on_error, NULL);
        struct relay_dial_config config = {
            .loop = loop, .connect_ms = 30000, .attempts = &a, .count = 1, .queue_id = ""};
        seen.dial = relay_dial_start(&config, &ops, NULL);
        sim_run_for(RELAY_DIAL_PROXY_MS + 1000);
        assert_int_equal(seen.connected, cases[i].opens);
        assert_int_equal(seen.failed, !cases[i].opens);
        assert_int_equal(seen.closed, !cases[i].opens);
        assert_string_equal(seen.early, cases[i].early);
        if (cases[i].opens) {
            assert_int_equal(proxy.heard_len, 3 + 15);
            assert_memory_equal(proxy.heard,
                                "\5\1\0"
                                "\5\1\0\3\10mx.onion\0\31",
                                18);
            stream_close(seen.stream);
        } else {
            assert_string_equal(seen.detail, cases[i].detail);
        }
        if (proxy.stream)
            stream_close(proxy.stream);
        if (listener)
            listener_close(listener);
        sim_run_for(1000);
        loop_free(loop);
        sim_stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(races),
        cmocka_unit_test(failures_of_several_are_all_told),
        cmocka_unit_test(an_end_in_the_middle),
        cmocka_unit_test(where_it_leaves_from),
        cmocka_unit_test(through_a_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
