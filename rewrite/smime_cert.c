#include "rewrite/smime_cert.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_BYTES_MAX (8u << 20) /* far more than any bundle has */
#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192

static const char *const words_of[] = {
#define FAULT_WORDS(name, words) [REWRITE_SMIME_##name] = words,
    REWRITE_SMIME_FAULTS(FAULT_WORDS)
#undef FAULT_WORDS
};

const char *rewrite_smime_fault_words(enum rewrite_smime_fault fault)
{
    REQUIRE(fault > REWRITE_SMIME_USABLE && fault < REWRITE_SMIME_FAULT_COUNT);
    return words_of[fault];
}

/* ---- addresses ---- */

struct sv rewrite_smime_key(struct sv address, char out[SMTP_PATH_MAX])
{
    struct arena a;
    struct smtp_path path;
    size_t len = 0;
    arena_init(&a);
    if (smtp_path_parse_address(&a, address, SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK &&
        path.text.len <= SMTP_PATH_MAX)
        for (len = 0; len < path.text.len; len++)
            out[len] = ascii_lower(path.text.ptr[len]);
    arena_deinit(&a);
    return (struct sv){out, len};
}

struct sv rewrite_smime_key_domain(struct sv key)
{
    return sv_skip(key, sv_rfind(key, '@') + 1);
}

bool rewrite_smime_cert_has(const struct rewrite_smime_cert *c, struct sv key)
{
    for (size_t i = 0; i < c->count; i++)
        if (sv_eq(sv_of(c->addresses[i]), key))
            return true;
    return false;
}

bool rewrite_smime_cert_has_domain(const struct rewrite_smime_cert *c, struct sv domain)
{
    for (size_t i = 0; i < c->count; i++)
        if (sv_eq(rewrite_smime_key_domain(sv_of(c->addresses[i])), domain))
            return true;
    return false;
}

static void read_addresses(struct rewrite_smime_cert *c)
{
    STACK_OF(OPENSSL_STRING) *all = X509_get1_email(c->x509);
    int count = sk_OPENSSL_STRING_num(all);
    c->addresses = mem_new(REWRITE_SMIME_ADDRESSES_MAX, sizeof *c->addresses);
    for (int i = 0; i < count && c->count < REWRITE_SMIME_ADDRESSES_MAX; i++) {
        char text[SMTP_PATH_MAX];
        struct sv key = rewrite_smime_key(sv_of(sk_OPENSSL_STRING_value(all, i)), text);
        if (key.len && !rewrite_smime_cert_has(c, key))
            c->addresses[c->count++] = sv_dup(key);
    }
    X509_email_free(all);
}

/* ---- what for ---- */

static bool is_good_key(const X509 *x509)
{
    EVP_PKEY *key = X509_get0_pubkey(x509);
    char curve[64] = "";
    int bits = key ? EVP_PKEY_get_bits(key) : 0;
    switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    case EVP_PKEY_EC:
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
        return strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0 ||
               strcmp(curve, "secp521r1") == 0;
    default:
        return false;
    }
}

/* Bits of keyUsage, one of which must be set where the extension is there. */
static uint32_t usage_bits(const X509 *x509, enum rewrite_smime_use use)
{
    if (use == REWRITE_SMIME_SIGN)
        return KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;
    return EVP_PKEY_get_base_id(X509_get0_pubkey(x509)) == EVP_PKEY_EC ? KU_KEY_AGREEMENT
                                                                       : KU_KEY_ENCIPHERMENT;
}

static enum rewrite_smime_fault judge(const struct rewrite_smime_cert *c,
                                      enum rewrite_smime_use use)
{
    /* both are all ones where the extension is missing */
    uint32_t usage = X509_get_key_usage(c->x509);
    uint32_t purpose = X509_get_extended_key_usage(c->x509);
    if (!is_good_key(c->x509))
        return REWRITE_SMIME_KEY;
    if (!(usage & usage_bits(c->x509, use)))
        return REWRITE_SMIME_USAGE;
    if (!(purpose & (XKU_SMIME | XKU_ANYEKU)))
        return REWRITE_SMIME_PURPOSE;
    return c->count ? REWRITE_SMIME_USABLE : REWRITE_SMIME_NOBODY;
}

enum rewrite_smime_fault rewrite_smime_cert_fault(const struct rewrite_smime_cert *c,
                                                  enum rewrite_smime_use use, int64_t now_s)
{
    if (c->fault[use])
        return c->fault[use];
    if (now_s < c->from_s)
        return REWRITE_SMIME_EARLY;
    return now_s > c->until_s ? REWRITE_SMIME_EXPIRED : REWRITE_SMIME_USABLE;
}

/* ---- reading ---- */

/* A time that cannot be read is none at all: fallback. */
static int64_t seconds_of(const ASN1_TIME *at, int64_t fallback)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : fallback;
}

static struct rewrite_smime_cert *cert_new(X509 *x509)
{
    struct rewrite_smime_cert *c = NEW(struct rewrite_smime_cert);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    c->x509 = x509;
    X509_check_purpose(x509, -1, 0); /* what is computed once is so now, before threads share it */
    REQUIRE(X509_digest(x509, EVP_sha256(), digest, &len) == 1 && 2 * len == REWRITE_SMIME_ID_LEN);
    for (unsigned i = 0; i < len; i++)
        snprintf(c->id + 2 * i, 3, "%02x", digest[i]);
    c->from_s = seconds_of(X509_get0_notBefore(x509), INT64_MAX);
    c->until_s = seconds_of(X509_get0_notAfter(x509), INT64_MIN);
    read_addresses(c);
    c->fault[REWRITE_SMIME_SIGN] = judge(c, REWRITE_SMIME_SIGN);
    c->fault[REWRITE_SMIME_ENCRYPT] = judge(c, REWRITE_SMIME_ENCRYPT);
    return c;
}

void rewrite_smime_cert_free(struct rewrite_smime_cert *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->addresses[i]);
    free(c->addresses);
    X509_free(c->x509);
    free(c);
}

struct rewrite_smime_cert *rewrite_smime_cert_decode(struct sv der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *x509 = der.len && der.len <= PEM_BYTES_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    ERR_clear_error();
    if (x509 && at != (const unsigned char *)der.ptr + der.len) {
        X509_free(x509);
        x509 = NULL;
    }
    return x509 ? cert_new(x509) : NULL;
}

static bool at_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

int rewrite_smime_certs_read(struct sv pem, struct rewrite_smime_cert ***list_out,
                             size_t *count_out, struct buf *why)
{
    struct rewrite_smime_cert **list = NULL;
    size_t count = 0;
    int err = 0;
    X509 *x509;
    ERR_clear_error();
    BIO *text =
        pem.len <= PEM_BYTES_MAX ? BIO_new_mem_buf(pem.len ? pem.ptr : "", (int)pem.len) : NULL;
    while (text && (x509 = PEM_read_bio_X509(text, NULL, NULL, NULL))) {
        list = mem_resize(list, count + 1, sizeof(struct rewrite_smime_cert *));
        list[count++] = cert_new(x509);
    }
    if (!text)
        err = buf_printf(why, "the file is too long");
    else if (!at_end_of_pem())
        err = buf_printf(why, "certificate %zu is damaged", count + 1);
    else if (count == 0)
        err = buf_printf(why, "no PEM certificate (BEGIN CERTIFICATE) is in the file");
    bool good = text && at_end_of_pem() && count > 0;
    BIO_free(text);
    ERR_clear_error();
    if (good) {
        *list_out = list;
        *count_out = count;
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        rewrite_smime_cert_free(list[i]);
    free(list);
    (void)err; /* words that are cut are words */
    return ERR_SYNTAX;
}
