/*
 * sockets.h - the listening sockets, made once by the master and kept for its life.
 *
 * One socket for each (address, worker) with SO_REUSEPORT, so that the kernel spreads connections
 * and workers share nothing. Children get duplicates; connections that come while no server runs
 * wait in the backlog. Blocking; start only.
 */
#ifndef MSA_DAEMON_SOCKETS_H
#define MSA_DAEMON_SOCKETS_H

#include "msa/base/buf.h"
#include "msa/server/options.h"

struct socket_entry {
    int fd;
    uint32_t listen; /* index in options.listen */
    uint32_t worker;
};

struct sockets {
    struct socket_entry *list;
    size_t count;
};

/* 0, or a negative errno with a sentence in error; what was bound is closed again. */
int sockets_bind(const struct msa_options *o, unsigned workers, struct sockets *out,
                 struct buf *error) MUST_CHECK;
void sockets_close(struct sockets *s);
/* A listening unix socket at path with mode 0600 and this owner; a leftover is replaced. */
int sockets_bind_unix(const char *path, int64_t uid, int64_t gid, int *fd_out,
                      struct buf *error) MUST_CHECK;

#endif
