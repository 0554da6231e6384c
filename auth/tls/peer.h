/*
 * peer.h - whom a client's TLS connection expects at its other end, and what was wrong with it.
 *
 * RFC 6125, 5280 (PKIX), RFC 7672, 7671, 6698 (DANE), RFC 8460 4.3 (words for failures).
 *   ANY     encrypted, the certificate is not checked (RFC 7435)
 *   VERIFY  PKIX: a chain to a trusted authority, and one of the names in subjectAltName, never
 *           in the subject (RFC 8461 4.2, RFC 9525 6.3)
 *   DANE    one of the TLSA records matches: usage 3 looks at nothing but the certificate or its
 *           key, whatever its names and dates; usage 2 needs a chain to that authority, dates, and
 *           one of the names, in the subject where subjectAltName has no DNS name (RFC 7672 3.2.3).
 *           Records that cannot be used (tlsa.h) are passed over; where none can, the connection is
 *           encrypted but not verified (RFC 7672 2.2, 3.1.3), or, where it must be, verified as
 *           under VERIFY.
 * Plain values, views of the caller's, needed during tls_stream_client() only.
 */
#ifndef AUTH_TLS_PEER_H
#define AUTH_TLS_PEER_H

#include "auth/tls/tlsa.h"
#include "msa/base/buf.h"

enum tls_stream_trust { AUTH_TLS_TRUST_ANY, AUTH_TLS_TRUST_VERIFY, AUTH_TLS_TRUST_DANE };

struct tls_stream_peer {
    struct sv name; /* DNS name (sent as SNI) or an IP address; may be empty under ANY */
    enum tls_stream_trust trust;
    bool must_verify; /* DANE: also where no record can be used (RFC 8689 4.2.1) */
    bool report_only; /* what the check says is told (tls_stream_info), but nothing fails by it */
    /* One of these must match; none: name. An address only where it is the only one. For DANE the
     * first is the TLSA base domain. */
    const char *const *names;
    size_t nnames;
    const struct tls_stream_tlsa *tlsa; /* DANE */
    size_t ntlsa;
    struct sv session_key; /* whom sessions are kept for, such as "name:port"; empty: not kept.
                              They are never used for a peer of whom anything else is expected. */
};

/* Result types of RFC 8460 4.3 that a connection can tell: name, text. */
#define AUTH_TLS_FAILURES(XX)                                  \
    XX(NONE, "")                                               \
    XX(STARTTLS_NOT_SUPPORTED, "starttls-not-supported")       \
    XX(CERTIFICATE_HOST_MISMATCH, "certificate-host-mismatch") \
    XX(CERTIFICATE_EXPIRED, "certificate-expired")             \
    XX(CERTIFICATE_NOT_TRUSTED, "certificate-not-trusted")     \
    XX(VALIDATION_FAILURE, "validation-failure")               \
    XX(TLSA_INVALID, "tlsa-invalid") /* no record can be used */

enum tls_failure {
#define AUTH_TLS_FAILURE_ENUM(name, text) AUTH_TLS_FAILURE_##name,
    AUTH_TLS_FAILURES(AUTH_TLS_FAILURE_ENUM)
#undef AUTH_TLS_FAILURE_ENUM
};

const char *tls_failure_text(enum tls_failure failure);

#endif
