/*
 * https.h - one HTTPS exchange with a host whose addresses are known, asynchronously, by libcurl.
 *
 * RFC 9110; RFC 8461 3.3 (policies of MTA-STS) and RFC 8460 5.4 (reports) are what it is for. TLS
 * 1.2 or later with SNI; the certificate must hold for the host's name under the authorities of
 * trust. No redirects, no proxy, no cookies, no reuse of connections, no file of the system's, and
 * no resolver: connections go to the addresses given, all of them at the port given. A body whose
 * length was not announced fails: it could have been cut on its way.
 *
 * Ownership: what is asked is copied; an answer lives during its callback only. on_done comes once,
 * always later than https_start(), unless the request is canceled. Thread: the loop's.
 * Bounds: body of the answer max_bytes, its header HTTPS_HEADER_MAX, everything together
 * deadline_ms. Simulated form: tests/sim/https (site.h).
 */
#ifndef RELAY_HTTPS_HTTPS_H
#define RELAY_HTTPS_HTTPS_H

#include "auth/tls/ctx.h"
#include "msa/base/ip.h"
#include "msa/loop/loop.h"

#define HTTPS_HEADER_MAX    65536
#define HTTPS_ADDRESSES_MAX 8 /* more are not tried */

enum https_end {
    HTTPS_ANSWERED,  /* by the host, whatever it said */
    HTTPS_UNTRUSTED, /* its certificate does not hold */
    HTTPS_FAILED,    /* no connection, TLS or HTTP with it, or it was cut off */
    HTTPS_TOO_LONG,
    HTTPS_TIMEOUT,
};

struct https_answer {
    enum https_end end;
    unsigned status;          /* ANSWERED: of HTTP, and its body */
    const char *content_type; /* ANSWERED: "" if none was said */
    struct sv body;
    const char *text; /* not ANSWERED: why, one line */
};

struct https_ask {
    const char *host; /* name in A-labels */
    uint16_t port;
    const char *target; /* path and query, from "/" on */
    const struct ip *addresses;
    size_t naddresses;     /* at least 1 */
    struct tls_ctx *trust; /* a reference is taken */
    const char *post_type; /* media type of post; NULL: GET */
    struct sv post;
    size_t max_bytes;
    uint64_t deadline_ms;
};

/* Once a process, before it gives up its right to open files. 0, or ERR_NOT_FOUND. */
int https_library(void) MUST_CHECK;

struct https;
struct https_request;

struct https *https_new(struct loop *l);
void https_free(struct https *h); /* what is under way is canceled */

struct https_request *https_start(struct https *h, const struct https_ask *ask,
                                  void (*on_done)(void *arg, const struct https_answer *answer),
                                  void *arg);
void https_cancel(struct https_request *r); /* on_done does not come */

#endif
