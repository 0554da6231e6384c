#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/control.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/daemon/sockets.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct control *control;
    struct timer limit;
    int fd;
    char dir[64], path[80];
    uint64_t request; /* the last */
    char command[64], json[256];
    unsigned requests;
    bool hold;             /* do not answer by yourself */
    unsigned wanted, gone; /* calls of on_more */
    unsigned pages;        /* to be written at on_more */
};

static void on_request(void *arg, uint64_t request, struct sv command, struct sv json)
{
    struct world *w = arg;
    w->request = request;
    w->requests++;
    snprintf(w->command, sizeof w->command, "%.*s", SV_ARG(command));
    snprintf(w->json, sizeof w->json, "%.*s", SV_ARG(json));
    if (w->hold)
        return;
    control_answer(w->control, request, SV("{\"a\":1}\n"), false);
    control_end(w->control, request, 0, NULL);
}

static char page[1 << 20]; /* of the answers in pages */

static void on_more(void *arg, uint64_t request, bool wanted)
{
    struct world *w = arg;
    assert_int_equal(request, w->request);
    w->wanted += wanted;
    w->gone += !wanted;
    if (!wanted || w->pages == 0)
        return;
    control_answer(w->control, request, (struct sv){page, sizeof page}, false);
    if (--w->pages)
        control_pause(w->control, request);
    else
        control_end(w->control, request, 0, NULL);
}

static void on_limit(void *arg)
{
    loop_stop(((struct world *)arg)->loop);
}

static void run_for(struct world *w, uint64_t ms)
{
    timer_start(&w->limit, ms);
    loop_run(w->loop);
}

static int setup(void **state)
{
    static const struct control_ops ops = {.on_request = on_request, .on_more = on_more};
    struct world *w = NEW(struct world);
    struct buf error;
    strcpy(w->dir, "/tmp/test_control.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/s", w->dir);
    buf_init(&error, 1000, 0);
    assert_int_equal(sockets_bind_unix(w->path, 0, 0, &w->fd, &error), 0);
    buf_deinit(&error);
    w->loop = loop_new();
    timer_init(&w->limit, w->loop, on_limit, w);
    w->control = control_new(w->loop, w->fd, &ops, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    control_free(w->control);
    loop_free(w->loop);
    close(w->fd);
    unlink(w->path);
    rmdir(w->dir);
    free(w);
    return 0;
}

static int dial(struct world *w)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(a.sun_path, w->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Runs the loop until the connection ends; what was read. */
static const char *read_all(struct world *w, int fd)
{
    static char text[8192];
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        run_for(w, 5);
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    close(fd);
    return text;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static const struct row {
    const char *request, *answer;
    unsigned requests; /* that reach on_request */
} rows[] = {
    {"{\"command\":\"x\"}\n", "{\"a\":1}\n{\"end\":true,\"code\":0}\n", 1},
    {"{\"command\":\"x\"}\n{\"command\":\"y\"}\n", "{\"a\":1}\n{\"end\":true,\"code\":0}\n", 1},
    {"{}\n", "{\"end\":true,\"code\":2,\"error\":\"the request names no \\\"command\\\"\"}\n", 0},
    {"{\"command\":7}\n",
     "{\"end\":true,\"code\":2,\"error\":\"the request names no \\\"command\\\"\"}\n", 0},
    {"[\"command\"]\n",
     "{\"end\":true,\"code\":2,\"error\":\"the request names no \\\"command\\\"\"}\n", 0},
    {"command\n", "{\"end\":true,\"code\":2,\"error\":\"the request is not JSON\"}\n", 0},
    {"\n", "{\"end\":true,\"code\":2,\"error\":\"the request is not JSON\"}\n", 0},
    {"{\"command\":\"x\",\"command\":\"y\"}\n",
     "{\"end\":true,\"code\":2,\"error\":\"the request is not JSON\"}\n", 0},
};

static void requests(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = dial(w);
        w->requests = 0;
        send_text(fd, rows[i].request);
        assert_string_equal(read_all(w, fd), rows[i].answer);
        assert_int_equal(w->requests, rows[i].requests);
    }
    assert_string_equal(w->command, "x");
}

static void a_request_in_pieces(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    send_text(fd, "{\"comm");
    run_for(w, 10);
    assert_int_equal(w->requests, 0);
    send_text(fd, "and\":\"x\",\"id\":\"7\"}\n");
    assert_non_null(strstr(read_all(w, fd), "\"end\":true"));
    assert_string_equal(w->json, "{\"command\":\"x\",\"id\":\"7\"}");
}

static void a_half_closed_asker_is_answered(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    shutdown(fd, SHUT_WR);
    run_for(w, 20);
    assert_int_equal(w->requests, 1);
    control_end(w->control, w->request, 1, "no");
    assert_string_equal(read_all(w, fd), "{\"end\":true,\"code\":1,\"error\":\"no\"}\n");
}

static void an_asker_that_left_is_forgotten(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    close(fd);
    run_for(w, 20);
    for (int i = 0; i < 3; i++) {
        control_answer(w->control, w->request, SV("{}\n"), false);
        run_for(w, 10);
    }
    control_end(w->control, w->request, 0, NULL);
    control_end(w->control, 12345, 0, NULL); /* never was */
    fd = dial(w);                            /* one that says nothing and leaves */
    run_for(w, 10);
    close(fd);
    run_for(w, 10);
}

static void too_long(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    char *text = mem_new(1, CONTROL_REQUEST_MAX + 1);
    memset(text, 'x', CONTROL_REQUEST_MAX + 1);
    assert_int_equal(send(fd, text, CONTROL_REQUEST_MAX + 1, MSG_NOSIGNAL),
                     CONTROL_REQUEST_MAX + 1);
    free(text);
    assert_string_equal(read_all(w, fd),
                        "{\"end\":true,\"code\":2,\"error\":\"the request is too long\"}\n");
}

static void too_many(void **state)
{
    struct world *w = *state;
    int fds[CONTROL_CONNECTIONS];
    for (int i = 0; i < CONTROL_CONNECTIONS; i++)
        fds[i] = dial(w);
    run_for(w, 20);
    assert_non_null(strstr(read_all(w, dial(w)), "too many control connections"));
    close(fds[0]);
    run_for(w, 20);
    int fd = dial(w);
    send_text(fd, "{\"command\":\"x\"}\n");
    assert_non_null(strstr(read_all(w, fd), "\"code\":0"));
    for (int i = 1; i < CONTROL_CONNECTIONS; i++)
        close(fds[i]);
}

/* Nobody reads a long answer: the asker is dropped, memory stays bounded. */
static void an_asker_that_does_not_read(void **state)
{
    struct world *w = *state;
    static char lines[65536];
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    memset(lines, 'x', sizeof lines);
    for (int i = 0; i < 1000; i++)
        control_answer(w->control, w->request, (struct sv){lines, sizeof lines}, false);
    run_for(w, 20);
    size_t got = 0;
    ssize_t n;
    while ((n = recv(fd, lines, sizeof lines, MSG_DONTWAIT)) > 0)
        got += (size_t)n;
    assert_int_equal(n == 0 || errno == ECONNRESET, 1); /* ended, not waiting */
    assert_in_range(got, 1, CONTROL_PENDING_MAX + (2 << 20));
    close(fd);
}

/* Thirty times what may wait, read slowly: all of it comes, and the pages follow the reader. */
static void an_answer_in_pages(void **state)
{
    struct world *w = *state;
    static char piece[1 << 18];
    const unsigned pages = 120;
    size_t got = 0;
    ssize_t n = 1;
    int fd = dial(w);
    w->hold = true;
    w->pages = pages;
    memset(page, 'x', sizeof page - 1);
    page[sizeof page - 1] = '\n';
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    control_pause(w->control, w->request); /* nothing waits: the first page at once */
    run_for(w, 50);
    assert_in_range(pages - w->pages, 1, 2); /* nobody has read: the rest is not made */
    char last[64] = "";
    for (int i = 0; i < 20000 && n != 0; i++) {
        run_for(w, 1);
        n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n <= 0)
            continue;
        got += (size_t)n;
        snprintf(last, sizeof last, "%.*s", n < 40 ? (int)n : 40, piece + (n < 40 ? 0 : n - 40));
        /* the kernel's buffers and one page are between the two */
        assert_in_range((pages - w->pages) * sizeof page, got > sizeof page ? got - 64 : 0,
                        got + 3 * sizeof page);
    }
    assert_int_equal(n, 0);
    assert_int_equal(got, pages * sizeof page + strlen("{\"end\":true,\"code\":0}\n"));
    assert_non_null(strstr(last, "\"code\":0}\n"));
    assert_int_equal(w->wanted, pages);
    assert_int_equal(w->gone, 0);
    close(fd);
}

/* It leaves between pages, or while one is made: told once, so that the listing is given up. */
static void an_asker_that_leaves_its_pages(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    control_answer(w->control, w->request, (struct sv){page, sizeof page}, false);
    control_pause(w->control, w->request);
    run_for(w, 20);
    assert_int_equal(w->wanted + w->gone, 0);
    close(fd);
    run_for(w, 20);
    assert_int_equal(w->gone, 1);
    control_pause(w->control, w->request);
    assert_int_equal(w->gone, 2);
    assert_int_equal(w->wanted, 0);
}

/* The end of the server is the end of a pause. */
static void ended_in_a_pause(void **state)
{
    struct world *w = *state;
    static char piece[1 << 16];
    int fd = dial(w);
    ssize_t n;
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    control_answer(w->control, w->request, (struct sv){page, sizeof page}, false);
    control_pause(w->control, w->request);
    control_end_all(w->control, 3, "gone");
    for (int i = 0; i < 1000 && (n = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) != 0; i++)
        run_for(w, 1);
    assert_int_equal(n, 0);
    assert_int_equal(w->wanted + w->gone, 0);
    close(fd);
}

/* One line above what may wait, as of a long configuration, is whole, and so is the end. */
static void a_long_line(void **state)
{
    struct world *w = *state;
    static char line[CONTROL_PENDING_MAX + (3 << 20)], piece[1 << 18];
    size_t got = 0;
    ssize_t n;
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    control_answer(w->control, w->request, (struct sv){line, sizeof line}, false);
    control_end(w->control, w->request, 0, NULL);
    for (int i = 0; i < 1000 && (n = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) != 0; i++) {
        got += n > 0 ? (size_t)n : 0;
        run_for(w, 1);
    }
    assert_int_equal(n, 0);
    assert_int_equal(got, sizeof line + strlen("{\"end\":true,\"code\":0}\n"));
    close(fd);
}

static void the_server_ends(void **state)
{
    struct world *w = *state;
    int asked = dial(w), silent = dial(w);
    w->hold = true;
    send_text(asked, "{\"command\":\"x\"}\n");
    run_for(w, 20);
    control_end_all(w->control, 3, "gone");
    assert_string_equal(read_all(w, asked), "{\"end\":true,\"code\":3,\"error\":\"gone\"}\n");
    w->hold = false;
    send_text(silent, "{\"command\":\"x\"}\n");
    assert_non_null(strstr(read_all(w, silent), "\"code\":0"));
}

/* The connection goes on elsewhere: it stays open when ours has gone, and no answer comes. */
static void taken(void **state)
{
    struct world *w = *state;
    char got[10] = "";
    w->hold = true;
    int fd = dial(w);
    send_text(fd, "{\"command\":\"session\"}\n");
    run_for(w, 50);
    int copy = control_take(w->control, w->request);
    assert_true(copy >= 0);
    assert_int_equal(control_take(w->control, w->request), ERR_NOT_FOUND);
    control_end(w->control, w->request, 0, NULL);
    run_for(w, 50);
    assert_int_equal(write(fd, "hello", 5), 5);
    run_for(w, 50);
    assert_int_equal(read(copy, got, 5), 5);
    assert_string_equal(got, "hello");
    assert_int_equal(write(copy, "world", 5), 5);
    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 5);
    close(copy);
    assert_int_equal(recv(fd, got, sizeof got, 0), 0);
    close(fd);
}

static void freed_with_open_connections(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    w->hold = true;
    send_text(fd, "{\"command\":\"x\"}\n");
    run_for(w, 20); /* teardown frees */
    close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(requests),
        T(a_request_in_pieces),
        T(a_half_closed_asker_is_answered),
        T(an_asker_that_left_is_forgotten),
        T(too_long),
        T(too_many),
        T(an_asker_that_does_not_read),
        T(an_answer_in_pages),
        T(an_asker_that_leaves_its_pages),
        T(ended_in_a_pause),
        T(a_long_line),
        T(the_server_ends),
        T(taken),
        T(freed_with_open_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
