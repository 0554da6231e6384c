/*
 * dkim_options.h - the rows of "rewrite.dkim": who signs for which domain, from when.
 *
 * RFC 6376. Plain values inside a generation, read-only, any thread.
 */
#ifndef REWRITE_DKIM_OPTIONS_H
#define REWRITE_DKIM_OPTIONS_H

#include "msa/base/conf.h"

/* Values of canonicalization; the header's form stands before the body's. */
enum rewrite_dkim_canonicalization {
    REWRITE_DKIM_RELAXED_RELAXED,
    REWRITE_DKIM_RELAXED_SIMPLE,
    REWRITE_DKIM_SIMPLE_RELAXED,
    REWRITE_DKIM_SIMPLE_SIMPLE,
};

struct rewrite_dkim_options {
    const char *domain;   /* lower case once options_read() is through */
    const char *selector; /* likewise */
    const char *key;      /* path, PEM */
    const char *from;     /* "": always */
    bool require;
    int canonicalization; /* enum rewrite_dkim_canonicalization */
};

extern const struct conf_option rewrite_dkim_options_rows[];

/* Whether text can be a selector: labels with dots between them (RFC 6376 3.1). */
bool rewrite_dkim_options_selector(struct sv text);
/* "2026-01-31" or "2026-01-31T12:00:00Z", both UTC, as wall time; "" is INT64_MIN. False: neither.
 */
bool rewrite_dkim_options_time(struct sv text, int64_t *wall_s_out);

#endif
