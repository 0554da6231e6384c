/*
 * keeper.h - the keeper as an object on a loop: secrets stay here, answers go out.
 *
 * The master's process glue prepares one generation after the other and attaches one descriptor
 * for each asker (every worker and the server's main thread), which then speaks auth/client/wire.h.
 * Work that may block or burn CPU runs on two pools, one for SASL and one for signatures; each pool
 * takes requests from the askers in turn, so that none delays another; an asker with too many
 * waiting requests, and a request past its deadline, get AUTH_TEMPORARY.
 * Order: keeper_new; keeper_prepare -> keeper_commit or keeper_abort, again at each reload;
 * keeper_attach and keeper_listen at any time; keeper_free before the loop stops.
 * Before the first commit every request is answered with AUTH_TEMPORARY. Exchanges begun under an
 * older generation end under it; keys of the eight generations before the current one still sign (a
 * session keeps the certificate and the DKIM rows that it began with, whatever is reloaded), and
 * their secrets still log in, under names that no other generation has (a delivery goes on by the
 * route that it began with, and that one's password is for that one's host). One keeper a process
 * (Cyrus SASL has global state). Thread: the loop's.
 */
#ifndef AUTH_KEEPER_H
#define AUTH_KEEPER_H

#include "auth/directory.h"
#include "auth/oauth.h"
#include "auth/options.h"
#include "auth/token.h"
#include "msa/base/buf.h"
#include "msa/loop/loop.h"

struct keeper;

/* A private key of the configuration. Its id for askers is made from its public half
 * (tls_key_id()), so that certificate and key find each other whatever the generation. */
struct keeper_key {
    enum keeper_purpose { KEEPER_TLS, KEEPER_DKIM, KEEPER_SMIME } purpose;
    struct sv name; /* the file's name, for messages */
    struct sv pem;
    struct sv certificate; /* KEEPER_SMIME: PEM, with its chain; the id is made of it instead */
};

/* User and password of a smarthost, or the issuer of its tokens. */
struct keeper_secret {
    struct sv name; /* how askers name it (auth_login.secret); no other generation has it */
    struct sv user;
    struct sv password;
    struct auth_token_issuer issuer; /* with a URL: in place of password */
};

/* All is copied; nothing given is kept. */
struct keeper_material {
    uint64_t generation;
    const struct auth_options *options;
    struct sv hostname;
    const struct keeper_key *keys;
    size_t nkeys;
    const struct keeper_secret *secrets;
    size_t nsecrets;
    struct auth_oauth_files oauth;
    struct sv keytab;                         /* empty: no Kerberos */
    struct sv database_password, database_ca; /* of auth.sql or auth.ldapdb */
    struct auth_directory_config directory;   /* of rewrite.certificates; without ca_path */
    struct sv directory_ca;                   /* PEM; empty: the system's */
};

/* NULL if Cyrus SASL cannot start. */
struct keeper *keeper_new(struct loop *l);
/* 0, or ERR_SYNTAX with the reason appended to why, one line for each fault (a key that cannot be
 * read, a mechanism that is not there). A generation that was prepared before is dropped. */
int keeper_prepare(struct keeper *k, const struct keeper_material *m, struct buf *why) MUST_CHECK;
void keeper_commit(struct keeper *k, uint64_t generation);
void keeper_abort(struct keeper *k, uint64_t generation);
/* One asker's end of a chan_pair(); taken over. Closing its other end detaches it. */
void keeper_attach(struct keeper *k, int fd);
/* Listening unix socket of administration (auth/admin.h); a duplicate is kept. */
int keeper_listen(struct keeper *k, int fd) MUST_CHECK;
/* Drops what waits, waits for what runs on the pools, frees. */
void keeper_free(struct keeper *k);
/* For a process that ends: false if that may take long, since a database of users or a directory is
 * being asked;
 * then all that is to be kept has been written, and the process can end as it is. */
bool keeper_can_free(struct keeper *k);

#endif
