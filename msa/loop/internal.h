/*
 * internal.h - what the files of the loop's real form share. Nobody else includes it, nor uv.h.
 *
 * Every libuv handle is embedded in an object that lives until the handle's close callback, which
 * is where it is freed. loop_close() and loop_closed() count the handles on their way there, so
 * that loop_run() and loop_free() can wait for them.
 */
#ifndef MSA_LOOP_INTERNAL_H
#define MSA_LOOP_INTERNAL_H

#include "msa/base/ip.h"
#include "msa/loop/timers.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

#define LOOP_READ_BYTES 65536u

struct loop {
    uv_loop_t uv;
    uv_timer_t clock; /* the one libuv timer; armed for the first of timers */
    uv_async_t alive; /* keeps uv_run() going while nothing else is active */
    uv_prepare_t before_sleep;
    struct mailbox *mailboxes;
    atomic_bool asleep; /* or about to be: a post has to wake it */
    struct timers timers;
    uint64_t armed_ms; /* when clock fires; UINT64_MAX: not armed */
    size_t closing;
    bool stopping;
    char read_bytes[LOOP_READ_BYTES]; /* lent to one read at a time */
};

/* libuv's result as one of ours: errno values stay, its own are translated. */
int loop_err(int uv_result);
/* uv_close() that the loop waits for; call loop_closed() in the callback. */
void loop_close(struct loop *l, uv_handle_t *handle, uv_close_cb on_closed);
void loop_closed(struct loop *l);

/* mailbox.c: runs what waits in the loop's mailboxes, then lets senders know that it sleeps. */
void loop_mailboxes_run(struct loop *l);

/* stream.c, for listener.c: takes the connected, non-blocking descriptor over. NULL: err_out. */
struct stream *stream_of_fd(struct loop *l, int fd, const struct ip_port *peer, int *err_out);
/* Address of a socket; family IP_NONE when it is not an IP address. */
struct ip_port addr_value(const struct sockaddr_storage *sa);
socklen_t addr_make(const struct ip *ip, uint16_t port, struct sockaddr_storage *out);

#endif
