/*
 * generation.h - one checked configuration with the contents of its files.
 *
 * Made by the master at start and at SIGHUP (msa/daemon/load.h), sent to keeper and server as one
 * packed record, immutable from then on. A session keeps the generation it began with; the last
 * drop frees it, secrets wiped. Files of CONF_SECRET rows are in the keeper's record only.
 * Any thread.
 */
#ifndef MSA_SERVER_GENERATION_H
#define MSA_SERVER_GENERATION_H

#include "msa/server/options.h"

#define GENERATION_TICKET_KEY_BYTES 80         /* name 16, AES 32, HMAC 32 */
#define GENERATION_OPTIONS_MAX      (8u << 20) /* bytes of the options as text, defaults included */
#define GENERATION_RECORD_MAX       (15u << 20) /* bytes: what a channel's message takes */

struct generation_file {
    const char *key; /* full option name: tls[0].certificate */
    const char *path;
    struct sv bytes;
    bool secret;
};

struct generation {
    uint32_t number;
    struct msa_options options;
    struct generation_file *files;
    size_t nfiles;
    /* the first encrypts, both decrypt */
    uint8_t ticket_keys[2][GENERATION_TICKET_KEY_BYTES];
    struct arena arena;
    struct generation_refs *refs;
};

/* Files of addresses (msa/server/aliases.h), and what queries gave in their form, have the pattern
 * as their key: "file:/path"; maps (msa/server/rewriting.h) "map:/path". */
/* Keys of files that no option names: the system's resolvers, where dns.servers is empty, */
#define GENERATION_RESOLV_CONF "resolv.conf"
/* Addresses of this machine, a line each. */
#define GENERATION_OWN_ADDRESSES "own-addresses"
/* Memory that all processes together may use, bytes in decimal: the cgroup's limit, else RAM. */
#define GENERATION_TOTAL_MEMORY "total-memory"
/* What the server may know of the keys of rewrite.dkim, a line each: number of the row, kind, bits,
 * the keeper's name for it, public half in base64; separated by spaces. */
#define GENERATION_DKIM_KEYS "dkim-keys"
/* A file with certificates of recipients (rewrite.certificates); behind it the address whose they
 * are, or nothing. Several have one key. */
#define GENERATION_CERTIFICATE "certificate:"
/* The system's certificate authorities, where a certificate is verified and relay.tls.ca is empty.
 */
#define GENERATION_CA_BUNDLE "ca-bundle"

struct generation *generation_new(uint32_t number); /* empty, one reference */
struct generation *generation_keep(struct generation *g);
void generation_drop(struct generation *g); /* NULL is allowed */
/* Adds a file; copies. */
void generation_add_file(struct generation *g, const char *key, const char *path, struct sv bytes,
                         bool secret);
/* Other contents of a file that is there; copies. */
void generation_set_file(struct generation *g, const char *key, struct sv bytes);
/* The file behind an option becomes the one of another generation, or none where that has none;
 * copies. */
void generation_keep_file(struct generation *g, const struct generation *from, const char *key);
/* Contents of the file behind an option; false if there is none. */
bool generation_file(const struct generation *g, const char *key, struct sv *out);
/* printf-like key: generation_file_at(g, &bytes, "tls[%zu].key", i). */
bool generation_file_at(const struct generation *g, struct sv *out, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Record for a child, into out with room for GENERATION_RECORD_MAX; secrets only for the keeper.
 * ERR_FULL if the options or all files together are too large, whether secrets or not. */
int generation_pack(const struct generation *g, bool secrets, struct buf *out) MUST_CHECK;
/* NULL and words in error if the record is not one of ours. */
struct generation *generation_unpack(struct sv record, struct buf *error);

#endif
