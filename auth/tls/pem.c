#include "auth/tls/pem.h"
#include "auth/tls/fault.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <limits.h>
#include <string.h>

/* Far more than any chain or bundle has; keeps a wrong file from becoming a long job. */
#define PEM_BYTES_MAX (8u << 20)

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

static BIO *open_text(struct sv pem, const char *what, struct buf *why)
{
    if (pem.len == 0) {
        tls_fault(why, "the %s file is empty", what);
        return NULL;
    }
    if (pem.len > PEM_BYTES_MAX) {
        tls_fault(why, "the %s file is too long", what);
        return NULL;
    }
    return BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

static bool at_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

int tls_pem_chain(struct sv pem, STACK_OF(X509) * *out, struct buf *why)
{
    ERR_clear_error();
    BIO *text = open_text(pem, "certificate", why);
    if (!text)
        return ERR_TLS;
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *cert;
    while ((cert = PEM_read_bio_X509(text, NULL, NULL, NULL)))
        sk_X509_push(chain, cert);
    BIO_free(text);
    int count = sk_X509_num(chain);
    int err = 0;
    if (!at_end_of_pem())
        err = tls_fault(why, "certificate %d is damaged: %s", count + 1, tls_fault_reason());
    else if (count == 0)
        err = tls_fault(why, "no PEM certificate (BEGIN CERTIFICATE) is in the file");
    if (err < 0) {
        sk_X509_pop_free(chain, X509_free);
        return err;
    }
    ERR_clear_error();
    *out = chain;
    return 0;
}

int tls_pem_crls(struct sv pem, STACK_OF(X509_CRL) * *out, struct buf *why)
{
    ERR_clear_error();
    BIO *text = open_text(pem, "revocation list", why);
    if (!text)
        return ERR_TLS;
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    X509_CRL *crl;
    while ((crl = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL)))
        sk_X509_CRL_push(all, crl);
    BIO_free(text);
    int count = sk_X509_CRL_num(all);
    int err = 0;
    if (!at_end_of_pem())
        err = tls_fault(why, "revocation list %d is damaged: %s", count + 1, tls_fault_reason());
    else if (count == 0)
        err = tls_fault(why, "no PEM revocation list (BEGIN X509 CRL) is in the file");
    if (err < 0) {
        sk_X509_CRL_pop_free(all, X509_CRL_free);
        return err;
    }
    ERR_clear_error();
    *out = all;
    return 0;
}

int tls_pem_check_clients(struct sv ca_pem, struct sv crl_pem, struct buf *why)
{
    STACK_OF(X509) * authorities;
    STACK_OF(X509_CRL) * lists;
    int err = tls_pem_chain(ca_pem, &authorities, why);
    if (err < 0)
        return err;
    sk_X509_pop_free(authorities, X509_free);
    if (crl_pem.len == 0)
        return 0;
    err = tls_pem_crls(crl_pem, &lists, why);
    if (err == 0)
        sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return err;
}

/* OpenSSL would ask the terminal. */
static int refuse_passphrase(char *into, int size, int writing, void *asked)
{
    (void)into, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

int tls_pem_key(struct sv pem, EVP_PKEY **out, struct buf *why)
{
    bool encrypted = false;
    ERR_clear_error();
    BIO *text = open_text(pem, "key", why);
    if (!text)
        return ERR_TLS;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, refuse_passphrase, &encrypted);
    BIO_free(text);
    if (!key && encrypted)
        return tls_fault(why, "the private key is encrypted; it must be stored without passphrase");
    if (!key && !memmem(pem.ptr, pem.len, "PRIVATE KEY-----", 16))
        return tls_fault(why, "no PEM private key (BEGIN PRIVATE KEY) is in the file");
    if (!key)
        return tls_fault(why, "the private key is damaged: %s", tls_fault_reason());
    ERR_clear_error();
    *out = key;
    return 0;
}

bool tls_pem_is_same_key(struct sv a, struct sv b)
{
    EVP_PKEY *keys[2] = {NULL, NULL};
    struct buf why;
    buf_init(&why, 512, 0);
    bool same = tls_pem_key(a, &keys[0], &why) == 0 && tls_pem_key(b, &keys[1], &why) == 0 &&
                EVP_PKEY_eq(keys[0], keys[1]) == 1;
    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
    buf_deinit(&why);
    ERR_clear_error();
    return same;
}

int tls_pem_kind(const EVP_PKEY *key, struct buf *why)
{
    char curve[64] = "";
    int bits = EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
            return tls_fault(why, "an RSA key of %d bits; it must have %d to %d", bits,
                             RSA_BITS_MIN, RSA_BITS_MAX);
        return 0;
    case EVP_PKEY_EC:
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
        if (strcmp(curve, "prime256v1") && strcmp(curve, "secp384r1") && strcmp(curve, "secp521r1"))
            return tls_fault(why, "an EC key on %s; it must be on P-256, P-384 or P-521",
                             *curve ? curve : "an unnamed curve");
        return 0;
    default: {
        const char *name = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
        return tls_fault(why, "a key of kind %s; it must be RSA or EC", name ? name : "unknown");
    }
    }
}

static int check_pair(const X509 *cert, const EVP_PKEY *key, struct buf *why)
{
    EVP_PKEY *public_half = X509_get0_pubkey(cert);
    if (!public_half)
        return tls_fault(why, "the certificate's key cannot be used: %s", tls_fault_reason());
    int err = tls_pem_kind(public_half, why);
    if (err < 0)
        return err;
    if (EVP_PKEY_eq(public_half, key) != 1)
        return tls_fault(why, "the private key does not belong to the first certificate");
    return 0;
}

int tls_pem_check(struct sv chain_pem, struct sv key_pem, struct buf *why)
{
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    int err = tls_pem_chain(chain_pem, &chain, why);
    if (err < 0)
        return err;
    err = tls_pem_key(key_pem, &key, why);
    if (err == 0)
        err = check_pair(sk_X509_value(chain, 0), key, why);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return err;
}

static void date_text(const ASN1_TIME *at, char text[sizeof "2026-01-31"])
{
    struct tm tm = {0};
    if (!ASN1_TIME_to_tm(at, &tm) || !strftime(text, sizeof "2026-01-31", "%Y-%m-%d", &tm))
        strcpy(text, "?");
}

int tls_pem_dates(struct sv chain_pem, int64_t now_s, struct buf *why)
{
    STACK_OF(X509) * chain;
    char date[sizeof "2026-01-31"];
    time_t now = (time_t)now_s;
    int err = tls_pem_chain(chain_pem, &chain, why);
    if (err < 0)
        return err;
    const X509 *cert = sk_X509_value(chain, 0);
    if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0) {
        date_text(X509_get0_notAfter(cert), date);
        err = tls_fault(why, "the certificate expired on %s", date);
    } else if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0) {
        date_text(X509_get0_notBefore(cert), date);
        err = tls_fault(why, "the certificate is not valid before %s", date);
    }
    sk_X509_pop_free(chain, X509_free);
    return err;
}
