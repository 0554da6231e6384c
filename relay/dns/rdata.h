/*
 * rdata.h - strict decoders for the data of one DNS record.
 *
 * RFC 1035 3.3, RFC 2782, RFC 3596, RFC 6698 2.1. Input is wire form with uncompressed names,
 * exactly one record; anything missing or left over is refused. Names come out as answer.h says; a
 * label with a byte that no host name may hold (control, space, dot, backslash, above 127...) makes
 * the record malformed, so that such a name can reach neither a log line nor a command. Any thread.
 */
#ifndef RELAY_DNS_RDATA_H
#define RELAY_DNS_RDATA_H

#include "relay/dns/answer.h"

/* Decodes into *out, text in arena. 0, or ERR_SYNTAX. */
int dns_rdata_decode(enum dns_type type, struct sv rdata, struct arena *arena,
                     struct dns_record *out) MUST_CHECK;
/* One uncompressed wire name at the front of *wire, which is advanced. */
int dns_rdata_name(struct sv *wire, struct arena *arena, const char **out) MUST_CHECK;
/* Whether text is a name that may be asked for: labels of 1 to 63 bytes, at most DNS_NAME_MAX. */
bool dns_rdata_name_ok(struct sv text);

#endif
