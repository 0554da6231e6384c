/*
 * filter_world.h - a whole server in the simulated world before two scripted milters, with the next
 * hop, from which is read what was queued: what the tests of its themes share.
 */
#ifndef TESTS_UNIT_MSA_SERVER_FILTER_WORLD_H
#define TESTS_UNIT_MSA_SERVER_FILTER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_milter.h"
#include "tests/unit/msa_server/sim_world.h"

#include <stdio.h>

#define MILTER(more)                                                                            \
    ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; timeout = \"10s\"; " more \
          " } ); };\n"
#define TWO_MILTERS                                                                   \
    ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; }, { socket = " \
          "\"inet:127.0.0.1:8892\"; } ); };\n"

#define MESSAGE                                                                                \
    "From: u@example.net\r\nSubject: one\r\n two\r\nX-Old: 1\r\nX-Old: 2\r\nDate: Thu, 1 Jan " \
    "2026 "                                                                                    \
    "00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nbody\r\n..dot\r\n"
#define ENVELOPE "MAIL FROM:<u@example.net> SIZE=100\r\nRCPT TO:<a@example.org>\r\n"

static struct sim_peer *milter, *second, *sink;
static char script[256u << 10];

/* The letters of all that a milter is told and answers. */
static const char stages[] = "OCHMRTLNBE";

UNUSED static void start(const char *lines)
{
    world_start(lines);
    milter = peer_new(MILTER_PORT, on_milter_accept);
    sink = peer_new(SINK_PORT, on_sink_accept);
    second = peer_new(8892, on_milter_accept);
}

UNUSED static void stop(struct sim_client *c)
{
    if (c)
        client_free(c);
    peer_close(milter);
    peer_close(second);
    peer_close(sink);
    world_stop(1000);
    peer_free(milter);
    peer_free(second);
    peer_free(sink);
}

UNUSED static void settle(void)
{
    sim_run_for(5000);
}

/* One packet in answer to the letter, before what else there is. */
UNUSED static size_t put_packet(size_t at, char letter, const char *data, size_t len)
{
    return say(script, at, letter, data, len);
}

#define PACKET(at, letter, literal) put_packet((at), (letter), (literal), sizeof(literal) - 1)

UNUSED static size_t times(const struct sim_peer *p, const char *words)
{
    struct sv told = buf_view(&p->told);
    size_t n = 0;
    for (const char *at; told.len && (at = memmem(told.ptr, told.len, words, strlen(words))); n++)
        told = sv_skip(told, (size_t)(at - told.ptr) + 1);
    return n;
}

#endif
