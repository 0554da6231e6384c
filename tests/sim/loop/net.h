/*
 * net.h - the simulated network's insides: streams and the ports they come to; private to
 * stream.c and listener.c.
 */
#ifndef TESTS_SIM_LOOP_NET_H
#define TESTS_SIM_LOOP_NET_H

#include "msa/loop/stream.h"
#include "tests/sim/loop/world.h"

/* What two ends of a connection share. */
struct link {
    unsigned refs;
    struct sim_net net;
    enum sim_fault fault;
    uint64_t fault_after, carried; /* bytes, both directions */
};

struct fault_choice {
    enum sim_fault fault;
    uint64_t after_bytes;
};

/* listener.c */
struct sim_net net_setting(void);
struct fault_choice net_fault_of(const struct ip_port *to);
uint16_t net_ephemeral_port(void);
/* Puts the accepting end into the port's backlog; false: nobody listens there. */
bool net_offer(const struct ip_port *to, struct stream *accepting);

/* stream.c */
void stream_to_loop(struct stream *s, struct loop *l); /* a listener has accepted it */
void stream_drop(struct stream *s);                    /* not accepted, without callbacks */
struct stream *stream_next_waiting(struct stream *s);  /* the backlog's list */
void stream_set_next_waiting(struct stream *s, struct stream *next);

#endif
