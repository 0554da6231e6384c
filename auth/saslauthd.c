/*
 * saslauthd.c - one question to saslauthd, one connection.
 */
#include "auth/saslauthd.h"

#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STRING_MAX 255 /* what it reads; it hangs up on longer ones */
#define ANSWER_MAX 1024

/* Noes that do not mean the password. */
static const char *const faults[] = {
    "NO [ALERT]",
    "NO internal mechanism failure",
    "NO saslauthd internal error",
    "NO PAM start error",
    "NO Insufficient permission",
    "NO Username lookup failure",
    "NO Username shadow lookup failure",
};

int auth_saslauthd_read(struct sv answer)
{
    answer = sv_first(answer, sv_find(answer, '\0'));
    if (sv_starts(answer, SV("OK")))
        return 1;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (sv_starts(answer, sv_of(faults[i])))
            return ERR_DB;
    }
    return sv_starts(answer, SV("NO")) ? 0 : ERR_DB;
}

/* Until the descriptor is ready, or the deadline. */
static int await(int fd, short events, uint64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    uint64_t now;

    while ((now = clock_mono_ms()) < until_ms) {
        int n = poll(&p, 1, (int)(until_ms - now));

        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
    return ERR_TIMEOUT;
}

static int connect_to(const char *path, uint64_t until_ms, int *fd_out)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd, err = -EAGAIN;

    if (strlen(path) >= sizeof(at.sun_path))
        return -ENAMETOOLONG;
    memcpy(at.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* a full backlog is no descriptor to wait for */
    while ((err = connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0) == -EAGAIN &&
           clock_mono_ms() < until_ms)
        usleep(20000);
    if (err < 0)
        close(fd);
    else
        *fd_out = fd;
    return err == -EAGAIN ? ERR_TIMEOUT : err;
}

static int send_all(int fd, struct sv bytes, uint64_t until_ms)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        int err = 0;

        if (n > 0)
            bytes = sv_skip(bytes, (size_t)n);
        else if (errno == EAGAIN)
            err = await(fd, POLLOUT, until_ms);
        else if (errno != EINTR)
            err = -errno;
        if (err < 0)
            return err;
    }
    return 0;
}

/* Exactly so many bytes. */
static int read_all(int fd, char *out, size_t len, uint64_t until_ms)
{
    for (size_t had = 0; had < len;) {
        ssize_t n = recv(fd, out + had, len - had, 0);
        int err = 0;

        if (n > 0)
            had += (size_t)n;
        else if (n == 0)
            err = ERR_EOF;
        else if (errno == EAGAIN)
            err = await(fd, POLLIN, until_ms);
        else if (errno != EINTR)
            err = -errno;
        if (err < 0)
            return err;
    }
    return 0;
}

static void put(struct buf *out, struct sv text)
{
    unsigned char len[2] = {0, (unsigned char)text.len};

    REQUIRE(buf_append(out, len, 2) == 0 && buf_put(out, text) == 0);
}

static int converse(int fd, const struct auth_saslauthd_question *q, uint64_t until_ms,
                    struct sv *answer, char room[ANSWER_MAX])
{
    unsigned char len[2];
    struct buf question;
    size_t bytes;
    int err;

    buf_init(&question, 4 * (STRING_MAX + 2), BUF_SECRET);
    put(&question, q->user);
    put(&question, q->password);
    put(&question, q->service);
    put(&question, q->realm);
    err = send_all(fd, buf_view(&question), until_ms);
    buf_deinit(&question);
    if (err == 0)
        err = read_all(fd, (char *)len, 2, until_ms);
    if (err < 0)
        return err;
    bytes = (size_t)len[0] << 8 | len[1];
    if (bytes > ANSWER_MAX)
        return ERR_SYNTAX;
    err = read_all(fd, room, bytes, until_ms);
    *answer = (struct sv){room, bytes};
    return err;
}

bool auth_saslauthd_takes(const struct auth_saslauthd_question *q)
{
    return q->user.len <= STRING_MAX && q->password.len <= STRING_MAX &&
           q->service.len <= STRING_MAX && q->realm.len <= STRING_MAX &&
           sv_find(q->password, '\0') == q->password.len;
}

int auth_saslauthd_ask(const char *socket_path, const struct auth_saslauthd_question *q,
                       char *why_out, size_t why_bytes)
{
    uint64_t until_ms = clock_mono_ms() + AUTH_SASLAUTHD_WAIT_MS;
    char room[ANSWER_MAX];
    struct sv answer;
    int fd = -1, err;

    why_out[0] = '\0';
    if (!auth_saslauthd_takes(q))
        return 0;
    err = connect_to(socket_path, until_ms, &fd);
    if (err == 0) {
        err = converse(fd, q, until_ms, &answer, room);
        close(fd);
    }
    if (err < 0) {
        snprintf(why_out, why_bytes, "%s: %s", socket_path, err_text(err));
        return -EHOSTDOWN;
    }
    err = auth_saslauthd_read(answer);
    if (err < 0)
        snprintf(why_out, why_bytes, "saslauthd says %.*s",
                 SV_ARG(sv_first(answer, sv_find(answer, '\0'))));
    return err;
}
