/*
 * stream.h - byte streams (TCP, unix sockets) and listeners on a loop.
 *
 * Ownership: a stream is made by stream_connect*() or handed to on_accept, and lives until its
 * on_closed has returned; after stream_close() only on_closed is called. A listener does not own
 * its descriptor (the master does) but a duplicate of it.
 * Reading: on_read gets a view of the loop's own buffer; the receiver uses or copies all of it
 * before it returns, and calls stream_read_stop() when it cannot take more.
 * Writing: stream_write() writes at once what the kernel takes and keeps the rest; the caller
 * looks at stream_pending() and waits for on_drain before it produces more.
 * TCP_NODELAY is set on every TCP stream. Thread: the loop's.
 */
#ifndef MSA_LOOP_STREAM_H
#define MSA_LOOP_STREAM_H

#include "msa/base/ip.h"
#include "msa/loop/loop.h"

struct stream;

struct stream_ops {
    void (*on_connect)(void *arg, int err); /* stream_connect*() only; err < 0: close it */
    void (*on_read)(void *arg, struct sv bytes);
    /* ERR_EOF or another negative error; reading is over. When kept bytes cannot be written later
     * than that, it is called once more with that error. */
    void (*on_end)(void *arg, int err);
    void (*on_drain)(void *arg);  /* all that was kept has been written */
    void (*on_closed)(void *arg); /* the last call; the stream is freed afterwards */
};

/* Starts to connect from source (NULL or family IP_NONE: any address). Result by on_connect. */
struct stream *stream_connect(struct loop *l, const struct ip_port *to, const struct ip *source,
                              const struct stream_ops *ops, void *arg);
/* The same to a unix socket in the file system, by its path of at most STREAM_PATH_MAX bytes. */
#define STREAM_PATH_MAX 107
struct stream *stream_connect_unix(struct loop *l, const char *path, const struct stream_ops *ops,
                                   void *arg);
/* Of a connected socket from elsewhere, which it takes over; then as one that was accepted. NULL:
 * *err_out. */
struct stream *stream_take(struct loop *l, int fd, int *err_out);
/* A duplicate of its descriptor, for another process to go on with; or negative. What was read, or
 * is pending, stays here. */
int stream_duplicate(const struct stream *s);
/* Sets who is told; needed once for an accepted stream, and legal at any time. */
void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg);
void stream_read_start(struct stream *s);
void stream_read_stop(struct stream *s);
/* 0, or a negative error after which the stream is only good for stream_close(). Bytes are copied
 * where the kernel did not take them. */
int stream_write(struct stream *s, struct sv bytes) MUST_CHECK;
size_t stream_pending(const struct stream *s); /* bytes kept */
/* Half-closes after what is pending; the peer may still send. */
void stream_shutdown(struct stream *s);
/* Drops what is pending. */
void stream_close(struct stream *s);
/* Closes with RST, so that a peer that does not read holds nothing here. */
void stream_reset(struct stream *s);
struct ip_port stream_peer(const struct stream *s); /* family IP_NONE for a unix socket */
/* Our address of a connected one, the same. */
struct ip stream_local(const struct stream *s);

struct listener;
/* on_accept takes ownership of the stream and calls stream_set_ops() before it returns.
 * on_error: accept failed (-EMFILE: the listener pauses for 100 ms by itself). */
struct listener *listener_new(struct loop *l, int fd,
                              void (*on_accept)(void *arg, struct stream *s),
                              void (*on_error)(void *arg, int err), void *arg);
void listener_close(struct listener *ln); /* no further callback */

#endif
