#include "msa/daemon/sockets.h"
#include "msa/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static int say(struct buf *error, int err, const char *what, const char *where)
{
    int cut = buf_printf(error, "cannot %s %s: %s", what, where, err_text(err));
    (void)cut;
    return err;
}

static int bind_one(const struct ip_port *at, int *fd_out)
{
    struct sockaddr_storage ss = {0};
    socklen_t len;
    int on = 1;
    if (at->ip.family == IP_V6) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)&ss;
        a->sin6_family = AF_INET6;
        a->sin6_port = htons(at->port);
        memcpy(&a->sin6_addr, at->ip.bytes, 16);
        len = sizeof *a;
    } else {
        struct sockaddr_in *a = (struct sockaddr_in *)&ss;
        a->sin_family = AF_INET;
        a->sin_port = htons(at->port);
        memcpy(&a->sin_addr, at->ip.bytes, 4);
        len = sizeof *a;
    }
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        (ss.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *fd_out = fd;
    return 0;
}

/* A machine without IPv6 still listens on "*". */
static bool may_skip(const struct msa_listen_options *l, const struct ip_port *at, int err)
{
    return strcmp(l->address, "*") == 0 && at->ip.family == IP_V6 &&
           (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL);
}

int sockets_bind(const struct msa_options *o, unsigned workers, struct sockets *out,
                 struct buf *error)
{
    const struct msa_listen_options *l = o->listen.items;
    *out = (struct sockets){0};
    for (size_t i = 0; i < o->listen.count; i++) {
        struct ip_port at[2];
        size_t n = options_listen_addresses(&l[i], at);
        for (size_t k = 0; k < n * workers; k++) {
            char text[IP_TEXT_MAX];
            const struct ip_port *a = &at[k / workers];
            int fd = -1;
            int err = bind_one(a, &fd);
            if (err < 0 && may_skip(&l[i], a, err))
                continue;
            if (err < 0) {
                sockets_close(out);
                return say(error, err, "listen on", ip_port_text(a, text));
            }
            out->list = mem_resize(out->list, out->count + 1, sizeof *out->list);
            out->list[out->count++] = (struct socket_entry){
                .fd = fd, .listen = (uint32_t)i, .worker = (uint32_t)(k % workers)};
        }
    }
    return 0;
}

void sockets_close(struct sockets *s)
{
    for (size_t i = 0; i < s->count; i++)
        close(s->list[i].fd);
    free(s->list);
    *s = (struct sockets){0};
}

int sockets_bind_unix(const char *path, int64_t uid, int64_t gid, int *fd_out, struct buf *error)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return say(error, -ENAMETOOLONG, "use the socket", path);
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return say(error, -errno, "make the socket", path);
    /* the state lock is ours: whoever left a socket here is gone */
    int err = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    mode_t old = umask(0177);
    if (err == 0 && bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
        err = -errno;
    umask(old);
    if (err == 0 && geteuid() == 0 && chown(path, (uid_t)uid, (gid_t)gid) < 0)
        err = -errno;
    if (err == 0 && listen(fd, 64) < 0)
        err = -errno;
    if (err < 0) {
        close(fd);
        return say(error, err, "use the socket", path);
    }
    *fd_out = fd;
    return 0;
}
