/*
 * What a hostile proxy may say: whole and in pieces it means the same, but that only what came in
 * pieces may have been asked for. First byte: bits of the request; second: size of the pieces;
 * then the proxy.
 */
#include "msa/base/require.h"
#include "relay/socks.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
    enum relay_socks_state state;
    const char *fault;
    size_t used, said;
};

static struct end talk(const struct relay_socks_request *r, struct sv bytes, size_t piece)
{
    static struct relay_socks s;
    struct end e = {.state = RELAY_SOCKS_MORE, .fault = ""};
    size_t used;
    relay_socks_init(&s, r);
    e.said = relay_socks_out(&s).len;
    while (e.state == RELAY_SOCKS_MORE && e.used < bytes.len) {
        struct sv part = sv_first(sv_skip(bytes, e.used), piece);
        e.state = relay_socks_feed(&s, part, &used);
        REQUIRE(used <= part.len && (used == part.len || e.state != RELAY_SOCKS_MORE));
        e.used += used;
        e.said += relay_socks_out(&s).len;
        REQUIRE(relay_socks_out(&s).len == 0);
    }
    if (e.state == RELAY_SOCKS_FAILED)
        e.fault = relay_socks_fault(&s);
    return e;
}

static bool is_ahead(const struct end *e)
{
    return strcmp(e->fault, "the proxy answers before it is asked") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ip addresses[] = {
        {.family = IP_NONE}, {.family = IP_V4}, {.family = IP_V6}, {.family = IP_NONE}};
    if (size < 2)
        return 0;
    struct relay_socks_request r = {
        .host = SV("mx.test"), .ip = addresses[data[0] & 3], .port = 25};
    if (data[0] & 4) {
        r.user = SV("user");
        r.password = SV("secret");
    }
    struct sv bytes = {(const char *)data + 2, size - 2};
    struct end whole = talk(&r, bytes, SIZE_MAX), parts = talk(&r, bytes, (size_t)data[1] + 1);
    if (is_ahead(&whole) || is_ahead(&parts))
        return 0;
    REQUIRE(whole.state == parts.state && strcmp(whole.fault, parts.fault) == 0);
    REQUIRE(whole.used == parts.used && whole.said == parts.said);
    return 0;
}
