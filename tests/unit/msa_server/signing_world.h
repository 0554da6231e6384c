/*
 * signing_world.h - a whole server in the simulated world whose keeper signs as the test says, and
 * the next hop.
 */
#ifndef TESTS_UNIT_MSA_SERVER_SIGNING_WORLD_H
#define TESTS_UNIT_MSA_SERVER_SIGNING_WORLD_H

#include "tests/unit/msa_server/sim_milter.h"
#include "tests/unit/msa_server/sim_world.h"

static struct sim_peer *sink;
static unsigned asked; /* so many signatures; the signer counts */

UNUSED static void signing_start(const char *lines,
                                 enum auth_verdict (*signer)(struct sv key, enum auth_sign form,
                                                             struct sv bytes, struct buf *out),
                                 void (*on_accept)(void *arg, struct stream *s))
{
    asked = 0;
    world_start(lines);
    sim_auth_signer(signer);
    sink = peer_new(SINK_PORT, on_accept);
}

UNUSED static void signing_stop(struct sim_client *c)
{
    if (c)
        client_free(c);
    peer_close(sink);
    world_stop(1000);
    peer_free(sink);
}

#endif
