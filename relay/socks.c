/*
 *   we: methods -> proxy: chosen -> [we: login -> proxy: verdict] -> we: connect -> proxy: reply
 *
 * Each reply is gathered until it is whole; its length is known after at most five bytes. A reply
 * that comes before what it answers was taken to be sent is no reply: out never holds two requests.
 */
#include "relay/socks.h"

#include "msa/base/require.h"

#include <string.h>

#define VERSION       5
#define LOGIN_VERSION 1
#define NO_LOGIN      0
#define LOGIN         2
#define CONNECT       1

enum { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };
enum { METHOD, LOGGED_IN, CONNECTED };

/* RFC 1928 6 */
static const struct {
    const char *words;
    bool is_hosts;
} replies[] = {
    {"", false},
    {"the proxy failed", false},
    {"the proxy's rules forbid the connection", false},
    {"the proxy says that the network is unreachable", true},
    {"the proxy says that the host is unreachable", true},
    {"the proxy says that the connection was refused", true},
    {"the proxy says that the connection took too long", true},
    {"the proxy cannot make connections", false},
    {"the proxy does not know this type of address", false},
};

static void put(struct relay_socks *s, const void *bytes, size_t len)
{
    REQUIRE(s->out_len + len <= sizeof s->out);
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
}

static void put_byte(struct relay_socks *s, unsigned byte)
{
    uint8_t b = (uint8_t)byte;
    put(s, &b, 1);
}

static void put_text(struct relay_socks *s, struct sv text)
{
    put_byte(s, (unsigned)text.len);
    put(s, text.ptr, text.len);
}

void relay_socks_init(struct relay_socks *s, const struct relay_socks_request *r)
{
    bool login = r->user.len > 0;
    REQUIRE(r->host.len <= RELAY_SOCKS_TEXT_MAX && r->user.len <= RELAY_SOCKS_TEXT_MAX &&
            r->password.len <= RELAY_SOCKS_TEXT_MAX);
    *s = (struct relay_socks){.request = *r, .phase = METHOD};
    put_byte(s, VERSION);
    put_byte(s, login ? 2 : 1);
    put_byte(s, NO_LOGIN);
    if (login)
        put_byte(s, LOGIN);
}

struct sv relay_socks_out(struct relay_socks *s)
{
    struct sv out = {s->out, s->out_len};
    s->out_len = 0;
    return out;
}

static void ask_connection(struct relay_socks *s)
{
    const struct relay_socks_request *r = &s->request;
    put_byte(s, VERSION);
    put_byte(s, CONNECT);
    put_byte(s, 0);
    if (r->ip.family == IP_NONE) {
        put_byte(s, TYPE_NAME);
        put_text(s, r->host);
    } else {
        put_byte(s, r->ip.family == IP_V4 ? TYPE_V4 : TYPE_V6);
        put(s, r->ip.bytes, r->ip.family == IP_V4 ? 4 : 16);
    }
    put_byte(s, r->port >> 8);
    put_byte(s, r->port & 0xff);
    s->phase = CONNECTED;
}

static void fail(struct relay_socks *s, const char *fault)
{
    s->state = RELAY_SOCKS_FAILED;
    s->fault = fault;
}

/* Bytes of the whole reply, as far as that can be told; 0: it is none. */
static size_t reply_len(const struct relay_socks *s)
{
    const uint8_t *in = (const uint8_t *)s->in;
    if (s->in_len == 0)
        return 1;
    if (in[0] != (s->phase == LOGGED_IN ? LOGIN_VERSION : VERSION))
        return 0;
    if (s->phase != CONNECTED)
        return 2;
    if (s->in_len < 5)
        return 5; /* the shortest, for its type and its first length */
    switch (in[3]) {
    case TYPE_V4:
        return 4 + 4 + 2;
    case TYPE_V6:
        return 4 + 16 + 2;
    case TYPE_NAME:
        return 4 + 1 + (size_t)in[4] + 2;
    default:
        return 0;
    }
}

static void on_reply(struct relay_socks *s)
{
    uint8_t said = (uint8_t)s->in[1];
    if (s->phase == METHOD && said == NO_LOGIN) {
        ask_connection(s);
    } else if (s->phase == METHOD && said == LOGIN && s->request.user.len > 0) {
        put_byte(s, LOGIN_VERSION);
        put_text(s, s->request.user);
        put_text(s, s->request.password);
        s->phase = LOGGED_IN;
    } else if (s->phase == METHOD) {
        fail(s, "the proxy wants another kind of login");
    } else if (s->phase == LOGGED_IN && said == 0) {
        ask_connection(s);
    } else if (s->phase == LOGGED_IN) {
        fail(s, "the proxy refused the login");
    } else if (said == 0) {
        s->state = RELAY_SOCKS_OPEN;
    } else {
        bool known = said < sizeof replies / sizeof *replies;
        fail(s, known ? replies[said].words : "the proxy failed for a reason that has no name");
        s->is_hosts = known && replies[said].is_hosts;
    }
    s->in_len = 0;
}

enum relay_socks_state relay_socks_feed(struct relay_socks *s, struct sv bytes, size_t *used_out)
{
    size_t used = 0;
    while (s->state == RELAY_SOCKS_MORE) {
        size_t len = reply_len(s);
        if (len == 0) {
            fail(s, "the proxy does not speak SOCKS5");
        } else if (s->in_len >= len) {
            on_reply(s);
        } else if (used == bytes.len) {
            break;
        } else if (s->out_len > 0) {
            fail(s, "the proxy answers before it is asked");
        } else {
            s->in[s->in_len++] = bytes.ptr[used++];
        }
    }
    *used_out = used;
    return s->state;
}

const char *relay_socks_fault(const struct relay_socks *s)
{
    REQUIRE(s->state == RELAY_SOCKS_FAILED);
    return s->fault;
}
