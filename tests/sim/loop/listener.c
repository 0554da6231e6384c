/*
 * Ports exist from sim_listen() to the end of the world, as the master's sockets outlive a server:
 * connections wait in a port's backlog until a listener takes them. Several descriptors of one
 * address share the backlog, as SO_REUSEPORT sockets share the load.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/net.h"

#include <stdlib.h>

#define FD_BASE    1000000 /* no real descriptor: closing one by mistake does no harm */
#define PORTS_MAX  256
#define FDS_MAX    1024
#define FAULTS_MAX 256

struct port {
    struct ip_port at;
    struct stream *first; /* waiting */
};

static struct {
    struct port ports[PORTS_MAX];
    size_t nports;
    struct port *fds[FDS_MAX];
    size_t nfds;
    struct {
        struct ip_port to;
        struct fault_choice choice;
    } faults[FAULTS_MAX];
    size_t nfaults;
    struct sim_net setting;
    uint16_t last_listening, last_ephemeral;
} net;

struct listener {
    struct actor actor;
    struct port *port;
    void (*on_accept)(void *arg, struct stream *s);
    void *arg;
};

void net_start(void)
{
    net.nports = net.nfds = net.nfaults = 0;
    net.last_listening = 20000;
    net.last_ephemeral = 32767;
    net.setting = (struct sim_net){.latency_max_ms = 2, .segment_max = 65536, .window = 65536};
}

void net_crash(void)
{
    for (size_t i = 0; i < net.nports; i++) {
        while (net.ports[i].first) {
            struct stream *s = net.ports[i].first;
            net.ports[i].first = stream_next_waiting(s);
            stream_drop(s);
        }
    }
}

void net_stop(void)
{
    net.nports = net.nfds = 0;
}

void sim_net_set(const struct sim_net *setting)
{
    REQUIRE(setting->latency_min_ms <= setting->latency_max_ms);
    REQUIRE(setting->segment_max > 0 && setting->window > 0);
    net.setting = *setting;
}

struct sim_net net_setting(void)
{
    return net.setting;
}

uint16_t net_ephemeral_port(void)
{
    net.last_ephemeral = net.last_ephemeral == 60999 ? 32768 : (uint16_t)(net.last_ephemeral + 1);
    return net.last_ephemeral;
}

static bool same(const struct ip_port *a, const struct ip_port *b)
{
    return a->port == b->port && ip_eq(&a->ip, &b->ip);
}

static bool is_any(const struct ip *ip)
{
    for (size_t i = 0; i < sizeof ip->bytes; i++)
        if (ip->bytes[i])
            return false;
    return true;
}

void sim_net_fault(const struct ip_port *to, enum sim_fault fault, uint64_t after_bytes)
{
    size_t i = 0;
    while (i < net.nfaults && !same(&net.faults[i].to, to))
        i++;
    REQUIRE(i < FAULTS_MAX);
    net.faults[i].to = *to;
    net.faults[i].choice = (struct fault_choice){fault, after_bytes};
    if (i == net.nfaults)
        net.nfaults++;
}

struct fault_choice net_fault_of(const struct ip_port *to)
{
    struct ip_port any_port = {.ip = to->ip};
    struct fault_choice found = {SIM_OK, 0};
    for (size_t i = 0; i < net.nfaults; i++) {
        if (same(&net.faults[i].to, to))
            return net.faults[i].choice;
        if (same(&net.faults[i].to, &any_port))
            found = net.faults[i].choice;
    }
    return found;
}

int sim_listen(const struct ip_port *at)
{
    struct ip_port want = *at;
    size_t i = 0;
    if (want.port == 0)
        want.port = ++net.last_listening;
    while (i < net.nports && !same(&net.ports[i].at, &want))
        i++;
    REQUIRE(i < PORTS_MAX && net.nfds < FDS_MAX);
    if (i == net.nports)
        net.ports[net.nports++] = (struct port){.at = want};
    net.fds[net.nfds] = &net.ports[i];
    return FD_BASE + (int)net.nfds++;
}

static struct port *port_of(int fd)
{
    REQUIRE(fd >= FD_BASE && fd < FD_BASE + (int)net.nfds);
    return net.fds[fd - FD_BASE];
}

struct ip_port sim_listen_address(int fd)
{
    return port_of(fd)->at;
}

bool net_offer(const struct ip_port *to, struct stream *accepting)
{
    struct port *found = NULL;
    for (size_t i = 0; i < net.nports; i++) {
        struct port *p = &net.ports[i];
        if (same(&p->at, to)) {
            found = p;
            break;
        }
        if (p->at.port == to->port && p->at.ip.family == to->ip.family && is_any(&p->at.ip))
            found = p;
    }
    if (!found)
        return false;
    struct stream *last = found->first;
    while (last && stream_next_waiting(last))
        last = stream_next_waiting(last);
    if (last)
        stream_set_next_waiting(last, accepting);
    else
        found->first = accepting;
    return true;
}

static uint64_t listener_due(struct actor *a)
{
    const struct listener *ln = (const struct listener *)a;
    return ln->port->first ? sim_now() : NEVER;
}

static void listener_act(struct actor *a)
{
    struct listener *ln = (struct listener *)a;
    struct stream *s = ln->port->first;
    ln->port->first = stream_next_waiting(s);
    stream_set_next_waiting(s, NULL);
    stream_to_loop(s, ln->actor.loop);
    ln->on_accept(ln->arg, s);
}

struct listener *listener_new(struct loop *l, int fd,
                              void (*on_accept)(void *arg, struct stream *s),
                              void (*on_error)(void *arg, int err), void *arg)
{
    struct listener *ln = NEW(struct listener);
    (void)on_error; /* accepting does not fail here */
    ln->port = port_of(fd);
    ln->on_accept = on_accept;
    ln->arg = arg;
    world_add(&ln->actor, l, listener_due, listener_act);
    return ln;
}

void listener_close(struct listener *ln)
{
    world_remove(&ln->actor);
    free(ln);
}
