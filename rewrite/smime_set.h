/*
 * smime_set.h - who signs by S/MIME, who is encrypted to, and the certificates for both.
 *
 * Draft 8.5, 8.6. Made once of a generation's rows and files, immutable, counted, any thread.
 * Addresses are given as rewrite_smime_key() writes them. What is wrong with a row or a certificate
 * is told while the set is made, and the row or the certificate is then as good as not there.
 */
#ifndef REWRITE_SMIME_SET_H
#define REWRITE_SMIME_SET_H

#include "rewrite/options.h"
#include "rewrite/smime_cert.h"

#define REWRITE_SMIME_CHAIN_MAX 12288 /* bytes of DER: a signature with it is one answer */

/* A file with certificates of recipients. */
struct rewrite_smime_file {
    const char *path;
    struct sv address; /* whose they are; empty: of whom they name */
    struct sv pem;
};

struct rewrite_smime_config {
    const struct rewrite_options *options;
    const struct sv *chains; /* contents of rewrite.smime[i].certificate; empty: not there */
    const struct rewrite_smime_file *files;
    size_t nfiles;
    struct sv authorities; /* contents of rewrite.certificate_ca; empty: any will do */
    int64_t now_s;         /* for what is told */
    /* May be NULL. key: full option name. warning: goes on without it. */
    void (*fault)(void *arg, bool warning, const char *key, const char *right, const char *wrong);
    void *arg;
};

struct rewrite_smime_signer {
    const struct rewrite_smime_cert *cert;
    size_t row; /* rewrite.smime[row] */
    bool require;
};

struct rewrite_smime;

struct rewrite_smime *rewrite_smime_new(const struct rewrite_smime_config *c);
struct rewrite_smime *rewrite_smime_keep(struct rewrite_smime *set);
void rewrite_smime_drop(struct rewrite_smime *set); /* NULL is allowed */

/* Whether any row signs, or encrypts. Of NULL: no. */
bool rewrite_smime_signs(const struct rewrite_smime *set);
bool rewrite_smime_encrypts(const struct rewrite_smime *set);
/* Whether a row might sign what this login sends. */
bool rewrite_smime_signs_login(const struct rewrite_smime *set, struct sv login);

/* True: somebody has to sign. cert NULL: but nobody can; then row, require and *fault_out are of
 * the first row that fits; *fault_out is static, words behind "the certificate". */
bool rewrite_smime_signer(const struct rewrite_smime *set, struct sv from, struct sv login,
                          int64_t now_s, struct rewrite_smime_signer *out, const char **fault_out);
/* *row_out: rewrite.encrypt[row], where one fits. */
enum rewrite_smime_policy rewrite_smime_policy_of(const struct rewrite_smime *set,
                                                  struct sv address, size_t *row_out);
/* Whether directories are to be asked for recipients that have no certificate here. */
bool rewrite_smime_has_directory(const struct rewrite_smime *set);
/* Of a certificate that mail may be encrypted to: by itself, the time, and the authorities. */
enum rewrite_smime_fault rewrite_smime_recipient_fault(const struct rewrite_smime *set,
                                                       const struct rewrite_smime_cert *c,
                                                       int64_t now_s);
/* The newest that can be used. NULL: none; *fault_out says what is wrong with one that cannot,
 * REWRITE_SMIME_USABLE where there is not even that. */
const struct rewrite_smime_cert *rewrite_smime_certificate(const struct rewrite_smime *set,
                                                           struct sv address, int64_t now_s,
                                                           enum rewrite_smime_fault *fault_out);

#endif
