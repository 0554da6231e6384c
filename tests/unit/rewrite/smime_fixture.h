/*
 * smime_fixture.h - certificates of persons, made on the spot.
 */
#ifndef TESTS_UNIT_REWRITE_SMIME_FIXTURE_H
#define TESTS_UNIT_REWRITE_SMIME_FIXTURE_H

#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#define DAY_S  86400
#define NOW_S  1800000000 /* of all tests */
#define UNUSED __attribute__((unused))

/* What to make; zeros give a good one of EC for nobody. */
struct person_plan {
    const char *emails;   /* "email:a@example.net,email:b@example.net"; NULL: none */
    const char *subject;  /* emailAddress of the subject; NULL: none */
    const char *usage;    /* keyUsage; NULL: none */
    const char *purpose;  /* extendedKeyUsage; NULL: none */
    long from_s, until_s; /* from NOW_S; 0: a day before, 90 days after */
    int rsa_bits;         /* 0: EC */
    const char *curve;    /* NULL: P-256 */
};

struct person {
    EVP_PKEY *key;
    X509 *x509;
    char *pem;
};

UNUSED static void person_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = value ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;
    REQUIRE(!value || (e && X509_add_ext(x, e, -1)));
    X509_EXTENSION_free(e);
}

UNUSED static struct person person_new(const struct person_plan *plan)
{
    static long serial;
    struct person p = {.x509 = X509_new()};
    X509_NAME *name = X509_get_subject_name(p.x509);
    char *at, cn[32];
    p.key = plan->rsa_bits ? EVP_RSA_gen((unsigned)plan->rsa_bits)
                           : EVP_EC_gen(plan->curve ? plan->curve : "P-256");
    REQUIRE(p.key && p.x509);
    snprintf(cn, sizeof cn, "person %ld", ++serial);
    X509_set_version(p.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.x509), serial);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    if (plan->subject)
        X509_NAME_add_entry_by_txt(name, "emailAddress", MBSTRING_ASC,
                                   (const unsigned char *)plan->subject, -1, -1, 0);
    X509_set_issuer_name(p.x509, name);
    ASN1_TIME_set(X509_getm_notBefore(p.x509), NOW_S + (plan->from_s ? plan->from_s : -DAY_S));
    ASN1_TIME_set(X509_getm_notAfter(p.x509), NOW_S + (plan->until_s ? plan->until_s : 90 * DAY_S));
    X509_set_pubkey(p.x509, p.key);
    person_extension(p.x509, NID_subject_alt_name, plan->emails);
    person_extension(p.x509, NID_key_usage, plan->usage);
    person_extension(p.x509, NID_ext_key_usage, plan->purpose);
    REQUIRE(X509_sign(p.x509, p.key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_X509(bio, p.x509) == 1);
    long len = BIO_get_mem_data(bio, &at);
    p.pem = mem_dup(at, (size_t)len);
    BIO_free(bio);
    return p;
}

/* A good one for this address. */
UNUSED static struct person person_of(const char *address, int rsa_bits)
{
    char emails[300];
    snprintf(emails, sizeof emails, "email:%s", address);
    return person_new(&(struct person_plan){.emails = emails, .rsa_bits = rsa_bits});
}

UNUSED static void person_free(struct person *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->x509);
    free(p->pem);
}

#endif
