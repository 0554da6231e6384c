/*
 * tlsa.h - whether a TLSA record can be matched by any certificate at all.
 *
 * RFC 7672 3.1 (usages), RFC 6698 2.1. Of usages DANE-TA(2) and DANE-EE(3) alone, of a selector and
 * matching type that are known, with data that is a certificate, a key or a digest: what OpenSSL
 * takes. Pure; any thread.
 */
#ifndef AUTH_TLS_TLSA_H
#define AUTH_TLS_TLSA_H

#include "msa/base/sv.h"

#define TLSA_USAGE_DANE_TA 2
#define TLSA_USAGE_DANE_EE 3

struct tls_stream_tlsa { /* RFC 6698 2.1 */
    uint8_t usage, selector, matching;
    struct sv data;
};

bool tls_tlsa_is_usable(const struct tls_stream_tlsa *r);

#endif
