#include "relay/dns/rdata.h"

#include <string.h>

/* What a host name may hold, and "_" for service names (RFC 2782). */
static bool label_byte_ok(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static bool take_label(struct sv *wire, char *at, size_t room, size_t *len_out)
{
    size_t len = (uint8_t)wire->ptr[0];
    if (len > 63 || wire->len < len + 1 || len > room)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!label_byte_ok(wire->ptr[1 + i]))
            return false;
        at[i] = ascii_lower(wire->ptr[1 + i]);
    }
    *wire = sv_skip(*wire, len + 1);
    *len_out = len;
    return true;
}

int dns_rdata_name(struct sv *wire, struct arena *arena, const char **out)
{
    char text[DNS_NAME_MAX];
    size_t used = 0;
    struct sv rest = *wire;
    for (;;) {
        size_t len;
        size_t dot = used > 0;
        if (rest.len == 0)
            return ERR_SYNTAX;
        if (rest.ptr[0] == '\0')
            break;
        if (used + dot >= sizeof text ||
            !take_label(&rest, text + used + dot, sizeof text - used - dot, &len))
            return ERR_SYNTAX;
        if (dot)
            text[used] = '.';
        used += dot + len;
    }
    *wire = sv_skip(rest, 1);
    *out = arena_str(arena, (struct sv){text, used});
    return 0;
}

static bool take_u8(struct sv *wire, uint8_t *out)
{
    if (wire->len < 1)
        return false;
    *out = (uint8_t)wire->ptr[0];
    *wire = sv_skip(*wire, 1);
    return true;
}

static bool take_u16(struct sv *wire, uint16_t *out)
{
    if (wire->len < 2)
        return false;
    *out = (uint16_t)((uint8_t)wire->ptr[0] << 8 | (uint8_t)wire->ptr[1]);
    *wire = sv_skip(*wire, 2);
    return true;
}

static bool take_name(struct sv *wire, struct arena *arena, const char **out)
{
    return dns_rdata_name(wire, arena, out) == 0;
}

static bool take_address(struct sv *wire, enum ip_family family, struct ip *out)
{
    size_t len = family == IP_V4 ? 4 : 16;
    if (wire->len < len)
        return false;
    *out = (struct ip){.family = (uint8_t)family};
    memcpy(out->bytes, wire->ptr, len);
    *wire = sv_skip(*wire, len);
    return true;
}

/* One string or more; each has at most 255 bytes. */
static bool take_strings(struct sv *wire, struct arena *arena, struct sv *out)
{
    char *text = arena_alloc(arena, wire->len + 1);
    size_t used = 0;
    if (wire->len == 0)
        return false;
    while (wire->len) {
        size_t len = (uint8_t)wire->ptr[0];
        if (wire->len < len + 1)
            return false;
        memcpy(text + used, wire->ptr + 1, len);
        used += len;
        *wire = sv_skip(*wire, len + 1);
    }
    *out = (struct sv){text, used};
    return true;
}

/* What a certificate is compared with: there is something, whatever it is (RFC 6698 2.1.4). */
static bool take_association(struct sv *wire, struct arena *arena, struct sv *out)
{
    if (wire->len == 0)
        return false;
    *out = arena_sv(arena, *wire);
    wire->len = 0;
    return true;
}

int dns_rdata_decode(enum dns_type type, struct sv rdata, struct arena *arena,
                     struct dns_record *out)
{
    struct dns_record r = {.name = ""};
    bool ok = false;
    switch (type) {
    case DNS_A:
        ok = take_address(&rdata, IP_V4, &r.ip);
        break;
    case DNS_AAAA:
        ok = take_address(&rdata, IP_V6, &r.ip);
        break;
    case DNS_MX:
        ok = take_u16(&rdata, &r.preference) && take_name(&rdata, arena, &r.name);
        break;
    case DNS_CNAME:
        ok = take_name(&rdata, arena, &r.name);
        break;
    case DNS_SRV:
        ok = take_u16(&rdata, &r.preference) && take_u16(&rdata, &r.weight) &&
             take_u16(&rdata, &r.port) && take_name(&rdata, arena, &r.name);
        break;
    case DNS_TLSA:
        ok = take_u8(&rdata, &r.usage) && take_u8(&rdata, &r.selector) &&
             take_u8(&rdata, &r.matching) && take_association(&rdata, arena, &r.text);
        break;
    case DNS_TXT:
        ok = take_strings(&rdata, arena, &r.text);
        break;
    case DNS_DNSKEY: /* only asked whether there is one */
        ok = rdata.len >= 4;
        rdata.len = 0;
        break;
    }
    if (!ok || rdata.len != 0)
        return ERR_SYNTAX;
    *out = r;
    return 0;
}

bool dns_rdata_name_ok(struct sv text)
{
    if (text.len == 1 && text.ptr[0] == '.')
        return true;
    if (text.len == 0 || text.len > DNS_NAME_MAX)
        return false;
    while (text.len > 0) {
        size_t len = sv_find(text, '.');
        if (len == 0 || len > 63 || len + 1 == text.len)
            return false;
        for (size_t i = 0; i < len; i++)
            if (!label_byte_ok(text.ptr[i]))
                return false;
        text = sv_skip(text, len + 1);
    }
    return true;
}
