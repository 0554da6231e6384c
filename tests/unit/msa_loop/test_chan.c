#include "msa/loop/chan.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop *l;
static struct chan *a, *b;
static struct timer guard;
static int fds[2];
static struct {
    uint32_t messages;
    size_t bytes, nfds;
    int ends, err;
    uint32_t want;
    bool close_on_message;
} got;

static void on_message(void *arg, uint32_t type, struct sv payload, int *received, size_t nfds)
{
    (void)arg;
    assert_int_equal(type, got.messages);
    for (size_t i = 0; i < payload.len; i++)
        if (payload.ptr[i] != (char)(type + i))
            fail_msg("byte %zu of message %u is wrong", i, type);
    for (size_t i = 0; i < nfds; i++) {
        char text[8] = "";
        assert_true(fcntl(received[i], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(pread(received[i], text, sizeof text, 0), 2);
        assert_int_equal(text[0], 'a' + (char)(type % 26));
        assert_int_equal(text[1], 'a' + (char)i % 26);
        close(received[i]);
    }
    got.nfds += nfds;
    got.bytes += payload.len;
    if (got.close_on_message) {
        got.close_on_message = false;
        assert_int_equal(chan_send(b, 1, SV_NONE, NULL, 0), 0);
        chan_close(b);
    }
    if (++got.messages == got.want)
        loop_stop(l);
}

static void on_end(void *arg, int err)
{
    (void)arg;
    got.ends++;
    got.err = err;
    loop_stop(l);
}

static const struct chan_ops ops = {on_message, on_end};

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("the test hangs");
}

static int set_up(void **state)
{
    (void)state;
    memset(&got, 0, sizeof got);
    l = loop_new();
    assert_int_equal(chan_pair(fds), 0);
    a = chan_new(l, fds[0], &ops, NULL);
    b = NULL;
    timer_init(&guard, l, on_guard, NULL);
    timer_start(&guard, 20000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (a)
        chan_close(a);
    if (b)
        chan_close(b);
    timer_stop(&guard);
    loop_free(l);
    return 0;
}

/* A file whose two bytes tell message and place. */
static int tagged(uint32_t type, size_t i)
{
    char path[] = "/tmp/msa-chan-XXXXXX";
    char text[2] = {(char)('a' + type % 26), (char)('a' + i % 26)};
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(write(fd, text, 2), 2);
    return fd;
}

static size_t send_message(uint32_t type, size_t len, size_t nfds)
{
    int files[CHAN_FDS_MAX];
    char *payload = mem_resize(NULL, len, 1);
    for (size_t i = 0; i < len; i++)
        payload[i] = (char)(type + i);
    for (size_t i = 0; i < nfds; i++)
        files[i] = tagged(type, i);
    assert_int_equal(chan_send(a, type, (struct sv){payload, len}, files, nfds), 0);
    for (size_t i = 0; i < nfds; i++)
        close(files[i]);
    free(payload);
    return len;
}

/* Small and large, with and without descriptors; most is kept, as nobody reads yet. */
static const struct {
    size_t len, nfds;
} kinds[] = {{0, 0}, {10, 0}, {0, 1}, {100, 3}, {200000, 0}, {300000, 2}, {65524, 0}, {7, 64}};

static void send_all_kinds(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < 80; i++)
        send_message(i, kinds[i % 8].len, kinds[i % 8].nfds);
}

static void receive_all_kinds(void)
{
    size_t bytes = 0, nfds = 0;
    for (uint32_t i = 0; i < 80; i++) {
        bytes += kinds[i % 8].len;
        nfds += kinds[i % 8].nfds;
    }
    got.want = 80;
    b = chan_new(l, fds[1], &ops, NULL);
    loop_run(l);
    assert_int_equal(got.messages, 80);
    assert_int_equal(got.bytes, bytes);
    assert_int_equal(got.nfds, nfds);
}

static void order_and_descriptors(void **state)
{
    (void)state;
    send_all_kinds(NULL);
    receive_all_kinds();
}

static void in_turn(void (*run)(void *arg))
{
    static struct timer t;
    timer_init(&t, l, run, NULL);
    timer_start(&t, 0);
}

static void order_of_one_turn(void **state)
{
    (void)state;
    in_turn(send_all_kinds);
    receive_all_kinds();
}

static bool is_on_the_wire(void)
{
    char byte;
    return recv(fds[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void send_three(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < 3; i++)
        send_message(i, 100, 0);
    assert_false(is_on_the_wire());
}

static void stop_loop(void *arg)
{
    (void)arg;
    loop_stop(l);
}

static void one_turn_sends_once(void **state)
{
    char bytes[3 * 112 + 1];
    (void)state;
    in_turn(send_three);
    timer_stop(&guard);
    timer_init(&guard, l, stop_loop, NULL);
    timer_start(&guard, 10);
    loop_run(l);
    assert_int_equal(recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT), 3 * 112);
    close(fds[1]);
}

static void send_and_close(void *arg)
{
    send_three(arg);
    chan_close(a);
    a = NULL;
}

static void closed_in_the_turn(void **state)
{
    (void)state;
    in_turn(send_and_close);
    b = chan_new(l, fds[1], &ops, NULL);
    loop_run(l);
    assert_int_equal(got.messages, 3);
    assert_int_equal(got.err, ERR_EOF);
}

static void send_to_nobody(void *arg)
{
    close(fds[1]);
    send_three(arg);
}

static void end_of_the_other_side_in_the_turn(void **state)
{
    (void)state;
    in_turn(send_to_nobody);
    loop_run(l);
    assert_int_equal(got.ends, 1);
}

static void largest_frame(void **state)
{
    (void)state;
    send_message(0, CHAN_PAYLOAD_MAX, 1);
    got.want = 1;
    b = chan_new(l, fds[1], &ops, NULL);
    loop_run(l);
    assert_int_equal(got.bytes, CHAN_PAYLOAD_MAX);
}

static void full_when_nobody_reads(void **state)
{
    (void)state;
    static char payload[1 << 20];
    int err = 0, sent = 0;
    while (err == 0 && sent < 100)
        if ((err = chan_send(a, 0, (struct sv){payload, sizeof payload}, NULL, 0)) == 0)
            sent++;
    assert_int_equal(err, ERR_FULL);
    assert_in_range(sent, 60, 65);
    close(fds[1]);
}

static void end_of_the_other_side(void **state)
{
    (void)state;
    close(fds[1]);
    loop_run(l);
    assert_int_equal(got.ends, 1);
    assert_int_equal(got.err, ERR_EOF);
    assert_int_equal(chan_send(a, 0, SV("x"), NULL, 0), -EPIPE);
}

static void closing_inside_on_message(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        send_message(i, 10, 1);
    got.want = 2; /* one of a's, and the last word of b */
    got.close_on_message = true;
    b = chan_new(l, fds[1], &ops, NULL);
    loop_run(l);
    assert_int_equal(got.messages, 2);
    assert_int_equal(got.bytes, 10);
    b = NULL;
}

static void send_raw(const void *bytes, size_t len, int nfds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    int files[4];
    struct iovec part = {(void *)bytes, len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (nfds) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
        struct cmsghdr *m = CMSG_FIRSTHDR(&msg);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
        for (int i = 0; i < nfds; i++) {
            files[i] = tagged(0, (size_t)i);
            memcpy(CMSG_DATA(m) + (size_t)i * sizeof(int), &files[i], sizeof(int));
        }
    }
    assert_int_equal(sendmsg(fds[1], &msg, 0), (int)len);
    for (int i = 0; i < nfds; i++)
        close(files[i]);
}

static void malformed_frames_end_it(void **state)
{
    static const struct {
        uint32_t header[3];
        int nfds;
    } cases[] = {
        {{CHAN_PAYLOAD_MAX + 1, 0, 0}, 0}, /* too long */
        {{0, 0, 1}, 0},                    /* a descriptor that did not come */
        {{0, 0, 1}, 2},                    /* one that nobody claims */
        {{0, 0, 0xffffffff}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_raw(cases[i].header, sizeof cases[i].header, cases[i].nfds);
        got.messages = 0;
        while (!got.ends) {
            got.want = got.messages + 1;
            /* an accepted first frame must not hide the fault behind it */
            loop_run(l);
        }
        assert_int_equal(got.err, ERR_SYNTAX);
        close(fds[1]);
        tear_down(state);
        set_up(state);
    }
    close(fds[1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(order_and_descriptors),     CASE(largest_frame),
        CASE(full_when_nobody_reads),    CASE(end_of_the_other_side),
        CASE(closing_inside_on_message), CASE(malformed_frames_end_it),
        CASE(order_of_one_turn),         CASE(one_turn_sends_once),
        CASE(closed_in_the_turn),        CASE(end_of_the_other_side_in_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
