/*
 * directory.h - certificates of the recipients of mail, asked of directories (LDAP), by libldap.
 *
 * RFC 4516 (URLs), RFC 4515 3 (filters), RFC 4523 2.1 (userCertificate;binary). A directory is a
 * URL with base, attribute, scope and a filter that holds "%s" once, in whose place the address
 * stands, escaped, so that no address means anything to the filter:
 *
 *     ldaps://ldap.example.net/dc=example,dc=net?userCertificate;binary?sub?(mail=%s)
 *
 * Several are asked in turn, until one has a certificate. What they answered is kept, for
 * AUTH_DIRECTORY_FOUND_MS, or AUTH_DIRECTORY_NONE_MS where nobody had one; of a directory that did
 * not answer nothing is believed, and it is asked again after AUTH_DIRECTORY_AGAIN_MS. Referrals
 * are not followed. What comes is bytes of strangers to this module, too: it looks at none, and
 * whoever asked does.
 * Ownership: auth_directory_new() copies; a generation's, and so is what is kept. Threads:
 * auth_directory_find() blocks, for AUTH_DIRECTORY_MAX_MS at most with each URL, any thread,
 * several at once; auth_directory_kept() does not block for others.
 */
#ifndef AUTH_DIRECTORY_H
#define AUTH_DIRECTORY_H

#include "msa/base/buf.h"

#define AUTH_DIRECTORY_MAX_MS   3000
#define AUTH_DIRECTORY_FOUND_MS 600000
#define AUTH_DIRECTORY_NONE_MS  60000
#define AUTH_DIRECTORY_AGAIN_MS 5000
#define AUTH_DIRECTORY_KEPT_MAX 2000        /* answers; the oldest goes */
#define AUTH_DIRECTORY_MAX      4           /* URLs */
#define AUTH_DIRECTORY_BYTES    (12u << 10) /* of one answer; further certificates are left out */

struct auth_directory_config {
    const char *const *urls;
    size_t count;        /* at most AUTH_DIRECTORY_MAX count */
    const char *ca_path; /* PEM, authorities of ldaps; "": the system's */
    const char *user;    /* DN that we bind as; "": as nobody */
    struct sv password;
};

struct auth_directory;

/* Whether a value is a directory, by how it begins. */
bool auth_directory_is(struct sv value);
/* NULL, or what is wrong with the URL; *right_out: what would be right. Static. */
const char *auth_directory_fault(struct sv url, const char **right_out);
/* Whether others on the way may see and change what passes: ldap, and not to this host. */
bool auth_directory_is_open(struct sv url);

/* NULL if there are no URLs. */
struct auth_directory *auth_directory_new(const struct auth_directory_config *c);
void auth_directory_free(struct auth_directory *d); /* NULL is allowed */
/* 1: out has the certificates, each in DER with its length before it (msa/base/pack.h); 0: nobody
 * has one; negative: a directory did not answer (logged, once a minute). address: at most
 * AUTH_DIRECTORY_ADDRESS_MAX bytes, else 0. */
#define AUTH_DIRECTORY_ADDRESS_MAX 320
int auth_directory_find(struct auth_directory *d, struct sv address, struct buf *out) MUST_CHECK;
/* Whether the answer is at hand, so that nobody is asked now. */
bool auth_directory_kept(struct auth_directory *d, struct sv address);

/* ---- for tests ---- */
/* The URL with the address in it, appended. */
int auth_directory_url(struct buf *out, struct sv url, struct sv address) MUST_CHECK;
/* One more certificate, if it fits. */
void auth_directory_put(struct buf *out, struct sv der);

#endif
