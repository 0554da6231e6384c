/*
 * DNS records: the first byte chooses the type, the rest is rdata. What is taken says all that
 * stood there: written again it is the same rdata, but for the case of its names, and the limits of
 * a TXT record's strings. What holds bytes of no host name in a name, or too many, is not taken.
 * The input as the text of a name: it is good exactly if its wire form is read.
 */
#include "msa/base/buf.h"
#include "msa/base/require.h"
#include "relay/dns/rdata.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIRE_NAME_MAX 255 /* RFC 1035 2.3.4 */

static const enum dns_type types[] = {DNS_A,    DNS_CNAME, DNS_MX,     DNS_TXT,
                                      DNS_AAAA, DNS_SRV,   DNS_DNSKEY, DNS_TLSA};

static void put(struct buf *b, const void *bytes, size_t n)
{
    REQUIRE(buf_append(b, bytes, n) == 0);
}

static void put_u16(struct buf *b, uint16_t n)
{
    uint8_t bytes[] = {(uint8_t)(n >> 8), (uint8_t)n};
    put(b, bytes, 2);
}

static void put_name(struct buf *b, struct sv text)
{
    while (text.len) {
        struct sv label = sv_split(&text, '.');
        uint8_t len = (uint8_t)label.len;
        put(b, &len, 1);
        put(b, label.ptr, label.len);
    }
    put(b, "", 1);
}

/* The strings of rdata, one behind the other. */
static void put_strings(struct buf *b, struct sv rdata)
{
    while (rdata.len) {
        size_t len = (uint8_t)rdata.ptr[0];
        REQUIRE(len < rdata.len);
        put(b, rdata.ptr + 1, len);
        rdata = sv_skip(rdata, len + 1);
    }
}

/* The record as it stood in rdata; a TXT record, whose strings cannot be told, is judged at once.
 */
static void write_again(enum dns_type type, struct sv rdata, const struct dns_record *r,
                        struct buf *b)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        put(b, r->ip.bytes, type == DNS_A ? 4 : 16);
        break;
    case DNS_MX:
        put_u16(b, r->preference);
        put_name(b, sv_of(r->name));
        break;
    case DNS_CNAME:
        put_name(b, sv_of(r->name));
        break;
    case DNS_SRV:
        put_u16(b, r->preference);
        put_u16(b, r->weight);
        put_u16(b, r->port);
        put_name(b, sv_of(r->name));
        break;
    case DNS_TLSA:
        put(b, &r->usage, 1);
        put(b, &r->selector, 1);
        put(b, &r->matching, 1);
        put(b, r->text.ptr, r->text.len);
        break;
    case DNS_TXT:
        put_strings(b, rdata);
        REQUIRE(sv_eq(r->text, buf_view(b)));
        buf_reset(b);
        put(b, rdata.ptr, rdata.len);
        break;
    case DNS_DNSKEY:
        put(b, rdata.ptr, rdata.len);
        break;
    }
}

/* Nothing of another type. */
static void check_fields(enum dns_type type, const struct dns_record *r)
{
    bool has_name = type == DNS_MX || type == DNS_SRV || type == DNS_CNAME;
    REQUIRE(has_name || r->name[0] == '\0');
    REQUIRE(r->name[0] == '\0' || dns_rdata_name_ok(sv_of(r->name)));
    for (const char *c = r->name; *c; c++)
        REQUIRE(*c == ascii_lower(*c));
    REQUIRE((type == DNS_A) == (r->ip.family == IP_V4));
    REQUIRE((type == DNS_AAAA) == (r->ip.family == IP_V6));
    REQUIRE(type == DNS_MX || type == DNS_SRV || r->preference == 0);
    REQUIRE(type == DNS_SRV || (r->weight == 0 && r->port == 0));
    REQUIRE(type == DNS_TLSA || (r->usage == 0 && r->selector == 0 && r->matching == 0));
    REQUIRE(type == DNS_TLSA || type == DNS_TXT || r->text.len == 0);
}

static void check_record(enum dns_type type, struct sv rdata, struct arena *a)
{
    struct dns_record r;
    struct buf again;
    if (dns_rdata_decode(type, rdata, a, &r) < 0)
        return;
    check_fields(type, &r);
    buf_init(&again, SIZE_MAX / 2, 0);
    write_again(type, rdata, &r, &again);
    bool has_name = r.name[0] != '\0';
    REQUIRE(has_name ? sv_ieq(rdata, buf_view(&again)) : sv_eq(rdata, buf_view(&again)));
    buf_deinit(&again);
}

/* A name at the front of something: it takes what it is written in, and no more. */
static void check_front(struct sv wire, struct arena *a)
{
    struct sv rest = wire;
    const char *name;
    struct buf again;
    if (dns_rdata_name(&rest, a, &name) < 0) {
        REQUIRE(rest.ptr == wire.ptr && rest.len == wire.len);
        return;
    }
    buf_init(&again, 2 * WIRE_NAME_MAX, 0);
    put_name(&again, sv_of(name));
    REQUIRE(wire.len - rest.len == buf_len(&again) && buf_len(&again) <= WIRE_NAME_MAX);
    REQUIRE(sv_ieq(sv_first(wire, buf_len(&again)), buf_view(&again)));
    buf_deinit(&again);
}

static void check_text(struct sv text, struct arena *a)
{
    struct buf wire;
    const char *name;
    bool is_root = sv_eq(text, SV("."));
    if (text.len > 2 * DNS_NAME_MAX || is_root)
        return;
    for (struct sv rest = text; rest.len;)
        if (sv_split(&rest, '.').len > 63) {
            REQUIRE(!dns_rdata_name_ok(text));
            return;
        }
    buf_init(&wire, 4 * DNS_NAME_MAX, 0);
    put_name(&wire, text);
    struct sv rest = buf_view(&wire);
    bool is_read = dns_rdata_name(&rest, a, &name) == 0 && rest.len == 0;
    REQUIRE(dns_rdata_name_ok(text) == (is_read && sv_ieq(sv_of(name), text) && text.len > 0));
    buf_deinit(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    if (size == 0)
        return 0;
    enum dns_type type = types[data[0] % (sizeof types / sizeof *types)];
    struct sv rdata = {(const char *)data + 1, size - 1};
    arena_init(&a);
    check_record(type, rdata, &a);
    check_front(rdata, &a);
    check_text(rdata, &a);
    arena_deinit(&a);
    return 0;
}
