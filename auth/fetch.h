/*
 * fetch.h - one HTTP request to an issuer of tokens, by libcurl, blocking.
 *
 * Only https, and http to loopback; no redirects, no proxy, no configuration of the user's. What
 * comes is bounded in size and time.
 *
 * Names are looked up by libcurl, that is by the system's resolvers, within the time for connecting
 * (3 s): the keeper has no part in the server's DNS, which answers for addresses that strangers
 * name. These are the operator's own few, as those of his directory and database servers are, which
 * other libraries look up in the same way; that it is the right server shows in its certificate.
 *
 * Ownership: everything is the caller's. Any thread;
 * auth_fetch_init() once before.
 */
#ifndef AUTH_FETCH_H
#define AUTH_FETCH_H

#include "msa/base/buf.h"

#define AUTH_FETCH_MAX_MS 5000

int auth_fetch_init(void) MUST_CHECK; /* ERR_NOT_FOUND */

struct auth_fetch {
    const char *url;
    struct sv ca_pem; /* authorities; empty: the system's */
    /* form != NULL: POST of application/x-www-form-urlencoded, with these credentials if user is
     * not
     * "" */
    const char *form;
    const char *user, *password;
};

/* Appends the body, which is the answer if the status was 200 and else what was said of it.
 * ERR_LIMIT: longer than out's maximum; ERR_TIMEOUT; -EPROTO: another answer; ERR_TLS or a negative
 * error, with words in why. */
int auth_fetch(const struct auth_fetch *f, struct buf *out, struct buf *why) MUST_CHECK;
/* For a form: text percent-encoded, appended. */
void auth_fetch_encode(struct buf *out, struct sv text);
/* Whether a URL may be fetched: https, or http to loopback. */
bool auth_fetch_url_valid(struct sv url);

#endif
