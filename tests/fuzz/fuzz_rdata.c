/*
 * DNS records: the first byte chooses the type, the rest is rdata. What is taken holds only bytes
 * of host names in its names, and nothing of other types.
 */
#include "msa/base/require.h"
#include "relay/dns/rdata.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum dns_type types[] = {DNS_A,    DNS_CNAME, DNS_MX,     DNS_TXT,
                                      DNS_AAAA, DNS_SRV,   DNS_DNSKEY, DNS_TLSA};

static void check(enum dns_type type, struct sv rdata, const struct dns_record *r)
{
    REQUIRE(strlen(r->name) <= DNS_NAME_MAX);
    REQUIRE(r->name[0] == '\0' || dns_rdata_name_ok(sv_of(r->name)));
    for (const char *c = r->name; *c; c++)
        REQUIRE(*c == ascii_lower(*c));
    REQUIRE(r->text.len <= rdata.len);
    REQUIRE((type == DNS_A) == (r->ip.family == IP_V4));
    REQUIRE((type == DNS_AAAA) == (r->ip.family == IP_V6));
    REQUIRE(type == DNS_MX || type == DNS_SRV || r->preference == 0);
    REQUIRE(type == DNS_SRV || (r->weight == 0 && r->port == 0));
    REQUIRE(type != DNS_TLSA || r->text.len + 3 == rdata.len);
    REQUIRE(type == DNS_TLSA || type == DNS_TXT || r->text.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_record r;
    struct arena a;
    const char *name;
    if (size == 0)
        return 0;
    enum dns_type type = types[data[0] % (sizeof types / sizeof *types)];
    struct sv rdata = {(const char *)data + 1, size - 1}, rest = rdata;
    arena_init(&a);
    if (dns_rdata_decode(type, rdata, &a, &r) == 0)
        check(type, rdata, &r);
    if (dns_rdata_name(&rest, &a, &name) == 0)
        REQUIRE(rest.len < rdata.len && strlen(name) <= DNS_NAME_MAX);
    arena_deinit(&a);
    return 0;
}
