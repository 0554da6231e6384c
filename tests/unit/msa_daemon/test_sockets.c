#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct msa_options options(struct msa_listen_options *entries, size_t count)
{
    return (struct msa_options){.listen = {.items = entries, .count = count}};
}

/* A port that is free now, held by one socket without SO_REUSEPORT. */
static int occupy(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static bool connects(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return good;
}

/* One socket for each entry and worker, all on the entry's port. */
static void one_for_each_worker(void **state)
{
    struct msa_listen_options entries[2] = {{.address = "127.0.0.1"}, {.address = "127.0.0.1"}};
    struct sockets s;
    struct buf error;
    uint16_t ports[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        close(occupy(&ports[i]));
        entries[i].port = ports[i];
    }
    struct msa_options o = options(entries, 2);
    buf_init(&error, 1000, 0);
    assert_int_equal(sockets_bind(&o, 3, &s, &error), 0);
    assert_int_equal(s.count, 6);
    for (size_t i = 0; i < s.count; i++) {
        struct sockaddr_in a;
        socklen_t len = sizeof a;
        assert_int_equal(s.list[i].listen, i / 3);
        assert_int_equal(s.list[i].worker, i % 3);
        assert_int_equal(getsockname(s.list[i].fd, (struct sockaddr *)&a, &len), 0);
        assert_int_equal(ntohs(a.sin_port), ports[i / 3]);
    }
    assert_true(connects(ports[0]) && connects(ports[1]));
    sockets_close(&s);
    assert_int_equal(s.count, 0);
    assert_false(connects(ports[0]) || connects(ports[1]));
    buf_deinit(&error);
}

/* What is in use is named, and what was bound before it is closed again. */
static void in_use(void **state)
{
    struct msa_listen_options entries[2] = {{.address = "127.0.0.1"}, {.address = "127.0.0.1"}};
    struct sockets s;
    struct buf error;
    uint16_t free_port, used_port;
    char words[80];
    (void)state;
    int holder = occupy(&used_port);
    close(occupy(&free_port));
    entries[0].port = free_port;
    entries[1].port = used_port;
    struct msa_options o = options(entries, 2);
    buf_init(&error, 1000, 0);
    assert_int_equal(sockets_bind(&o, 1, &s, &error), -EADDRINUSE);
    assert_int_equal(s.count, 0);
    snprintf(words, sizeof words, "cannot listen on 127.0.0.1:%u: ", used_port);
    assert_true(sv_starts(buf_view(&error), sv_of(words)));
    assert_false(connects(free_port));
    close(holder);
    buf_deinit(&error);
}

static void unix_sockets(void **state)
{
    char dir[] = "/tmp/test_sockets.XXXXXX", path[200];
    struct buf error;
    struct stat st;
    int first = -1, second = -1;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    buf_init(&error, 1000, 0);
    mode_t mask = umask(0);
    assert_int_equal(sockets_bind_unix(path, geteuid(), getegid(), &first, &error), 0);
    assert_int_equal(umask(mask), 0); /* as it was */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0600);
    /* a leftover is replaced */
    assert_int_equal(sockets_bind_unix(path, geteuid(), getegid(), &second, &error), 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_true(accept(second, NULL, NULL) >= 0);
    assert_int_equal(accept(first, NULL, NULL), -1);
    close(fd);
    close(first);
    close(second);
    unlink(path);
    memset(path, 'x', 150);
    path[150] = '\0';
    assert_int_equal(sockets_bind_unix(path, 0, 0, &fd, &error), -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/no/s", dir);
    buf_reset(&error);
    assert_int_equal(sockets_bind_unix(path, 0, 0, &fd, &error), -ENOENT);
    assert_true(sv_starts(buf_view(&error), SV("cannot use the socket /tmp/test_sockets.")));
    rmdir(dir);
    buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_each_worker),
        cmocka_unit_test(in_use),
        cmocka_unit_test(unix_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
