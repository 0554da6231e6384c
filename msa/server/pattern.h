/*
 * pattern.h - one entry of a list of addresses in permissions: what it means. Pure.
 *
 *     *                     every address
 *     %u                    the login's own address
 *     %u+*                  its sub-addresses: for alice@example.net all of alice+x@example.net
 *     alice@example.net     that address, alice+x@example.net too where it is written so
 *     alice+*@example.net   the sub-addresses of alice@example.net; not that address itself
 *     @example.net          every address at that domain
 *     @*.example.net        every address at the domains below it; not at itself
 *     file:/etc/msa/aliases what that file says of the login (aliases.h)
 *     sqlite:/path?SELECT login, address FROM aliases
 *                           what that query says of the login, an address a row; rows with other
 *                           patterns are left out (msa/daemon/load_aliases.h)
 *
 * Addresses are compared as the paths of an envelope are written (msa/smtp/path.h): unquoted where
 * that is possible, the domain in lower case with A-labels; local parts without ASCII case, UTF-8
 * in them in normalization form C. A sub-address begins behind any "+" of a local part that needs
 * no quotes, and is not empty. Address literals are matched by "*" and by themselves. Any thread.
 */
#ifndef MSA_SERVER_PATTERN_H
#define MSA_SERVER_PATTERN_H

#include "msa/smtp/path.h"

enum pattern_form {
    PATTERN_ALL,
    PATTERN_OWN,
    PATTERN_OWN_SUB,
    PATTERN_ADDRESS, /* key: its pattern_key() */
    PATTERN_SUB,     /* key: that of the address without "+*" */
    PATTERN_DOMAIN,  /* key: the domain */
    PATTERN_BELOW,   /* key: the domain */
    PATTERN_FILE,    /* key: the whole text; file or query */
};

struct pattern {
    enum pattern_form form;
    struct sv key; /* canonical; in the arena */
};

#define PATTERN_FILE_PREFIX   "file:"
#define PATTERN_SQLITE_PREFIX "sqlite:"
#define PATTERN_SOURCE_MAX    1000 /* octets of a pattern with one of these */

/* Whether text names a file or a query. */
bool pattern_is_source(struct sv text);
/* The path in it, and the query; that is empty for a file. */
struct sv pattern_source_path(struct sv text, struct sv *query_out);

/* False: text is no pattern; *wrong_out says why and *right_out what would be right (static). */
bool pattern_parse(struct arena *a, struct sv text, struct pattern *out, const char **wrong_out,
                   const char **right_out);
/* The form in which addresses are compared, written to out. */
struct sv pattern_key(const struct smtp_path *path, char out[SMTP_PATH_MAX]);
/* Likewise of a domain, with A-labels; false if it is none, or of one label. */
bool pattern_domain(struct arena *a, struct sv text, struct sv *out);

#endif
