#include "relay/qmtp_memory.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <uthash.h>

struct known {
    char to[IP_TEXT_MAX];
    uint64_t failed_until_ms; /* 0: it has not failed */
    bool is_short;
    UT_hash_handle hh;
};

struct relay_qmtp_memory {
    struct known *known; /* the one heard of last at the end */
};

struct relay_qmtp_memory *relay_qmtp_memory_new(void)
{
    return NEW(struct relay_qmtp_memory);
}

static void forget(struct relay_qmtp_memory *m, struct known *k)
{
    HASH_DEL(m->known, k);
    free(k);
}

void relay_qmtp_memory_free(struct relay_qmtp_memory *m)
{
    struct known *k, *tmp;
    if (!m)
        return;
    HASH_ITER(hh, m->known, k, tmp)
    {
        forget(m, k);
    }
    free(m);
}

static struct known *find(const struct relay_qmtp_memory *m, const struct ip_port *to)
{
    char text[IP_TEXT_MAX];
    struct known *k;
    ip_port_text(to, text);
    HASH_FIND_STR(m->known, text, k);
    return k;
}

/* The record of this address, as the one heard of last. */
static struct known *get(struct relay_qmtp_memory *m, const struct ip_port *to)
{
    struct known *k = find(m, to);
    if (k) {
        HASH_DEL(m->known, k);
    } else {
        k = NEW(struct known);
        ip_port_text(to, k->to);
        if (HASH_COUNT(m->known) >= RELAY_QMTP_KNOWN_MAX)
            forget(m, m->known);
    }
    HASH_ADD_STR(m->known, to, k);
    return k;
}

void relay_qmtp_memory_connected(struct relay_qmtp_memory *m, const struct ip_port *to)
{
    struct known *k = find(m, to);
    if (k && k->is_short)
        k->failed_until_ms = 0;
    else if (k)
        forget(m, k);
}

void relay_qmtp_memory_failed(struct relay_qmtp_memory *m, const struct ip_port *to,
                              uint64_t now_ms)
{
    get(m, to)->failed_until_ms = now_ms + RELAY_QMTP_FAILED_MS;
}

bool relay_qmtp_memory_is_failed(const struct relay_qmtp_memory *m, const struct ip_port *to,
                                 uint64_t now_ms)
{
    const struct known *k = find(m, to);
    return k && now_ms < k->failed_until_ms;
}

void relay_qmtp_memory_short(struct relay_qmtp_memory *m, const struct ip_port *to)
{
    get(m, to)->is_short = true;
}

bool relay_qmtp_memory_is_short(const struct relay_qmtp_memory *m, const struct ip_port *to)
{
    const struct known *k = find(m, to);
    return k && k->is_short;
}
