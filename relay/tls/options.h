/*
 * options.h - the keys of the group "relay.tls": what connections to others have to prove.
 *
 * RFC 7672 (DANE), RFC 8461 (MTA-STS), RFC 8460 (TLS-RPT). Values are plain memory inside a
 * generation, read-only, any thread.
 */
#ifndef RELAY_TLS_OPTIONS_H
#define RELAY_TLS_OPTIONS_H

#include "msa/base/conf.h"

struct relay_tls_options {
    bool dane;
    bool mta_sts;
    bool refuse_downgrade;
    const char *tlsrpt_from; /* mailbox; "": no reports are sent */
    const char *ca;          /* path; "": the system's authorities */
};

extern const struct conf_option relay_tls_options_rows[];

#endif
