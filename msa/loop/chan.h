/*
 * chan.h - framed messages, with descriptors, between our own processes over a unix socket.
 *
 * Frame: type, payload of at most CHAN_PAYLOAD_MAX bytes, up to CHAN_FDS_MAX descriptors. Order is
 * kept; sending never blocks (what the kernel does not take is kept, at most CHAN_QUEUE_MAX bytes).
 * Small frames go at the end of the loop's turn: an error of sending them comes by on_end.
 * Ownership: descriptors received belong to on_message's receiver; descriptors sent are duplicated
 * and stay the sender's. A malformed frame closes the channel. Thread: the loop's.
 */
#ifndef MSA_LOOP_CHAN_H
#define MSA_LOOP_CHAN_H

#include "msa/base/sv.h"
#include "msa/loop/loop.h"

#define CHAN_PAYLOAD_MAX (16u << 20) /* bytes */
#define CHAN_QUEUE_MAX   (64u << 20) /* bytes */
#define CHAN_FDS_MAX     64          /* in one frame */

struct chan;
struct chan_ops {
    void (*on_message)(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds);
    void (*on_end)(void *arg, int err); /* ERR_EOF or an error; call chan_close() */
};

/* Takes the descriptor over. */
struct chan *chan_new(struct loop *l, int fd, const struct chan_ops *ops, void *arg);
/* ERR_FULL: the other side does not read. A large payload is split by the caller. */
int chan_send(struct chan *c, uint32_t type, struct sv payload, const int *fds,
              size_t nfds) MUST_CHECK;
void chan_close(struct chan *c); /* no further callback */
/* A connected pair for two processes; 0 or negative errno. Close-on-exec is set. */
int chan_pair(int fds_out[2]) MUST_CHECK;

#endif
