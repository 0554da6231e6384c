#include "auth/dkim_key.h"

#include "auth/tls/key.h"
#include "auth/tls/pem.h"
#include "msa/base/b64.h"
#include "msa/base/require.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define RSA_BITS_MIN 1024 /* RFC 8301 3.2: nobody verifies shorter ones */
#define RSA_BITS_MAX 8192

_Static_assert(AUTH_DKIM_ID_LEN == AUTH_TLS_KEY_ID_LEN, "one kind of names");

static int fault(struct buf *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int fault(struct buf *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)!buf_vprintf(why, fmt, args); /* what has no room is lost */
    va_end(args);
    return ERR_SYNTAX;
}

int auth_dkim_key_check(const EVP_PKEY *pkey, struct buf *why)
{
    int bits = EVP_PKEY_get_bits(pkey);
    const char *name;

    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_ED25519:
        return 0;
    case EVP_PKEY_RSA:
        if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
            return 0;
        return fault(why, "an RSA key of %d bits; for DKIM it must have %d to %d", bits,
                     RSA_BITS_MIN, RSA_BITS_MAX);
    default:
        name = OBJ_nid2sn(EVP_PKEY_get_base_id(pkey));
        return fault(why, "a key of kind %s; DKIM is signed with RSA or Ed25519",
                     name != NULL ? name : "unknown");
    }
}

/* RFC 8463 4.2: the bare key of Ed25519; RFC 6376 3.6.1: SubjectPublicKeyInfo of RSA, as everybody
 * publishes it. */
static int encode_public(const EVP_PKEY *pkey, struct buf *out)
{
    unsigned char raw[32], *der = NULL;
    size_t raw_len = sizeof(raw);
    int len, err;

    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
        REQUIRE(EVP_PKEY_get_raw_public_key(pkey, raw, &raw_len) == 1);
        return b64_encode(out, (struct sv){(const char *)raw, raw_len});
    }
    len = i2d_PUBKEY(pkey, &der);
    REQUIRE(len > 0);
    err = b64_encode(out, (struct sv){(const char *)der, (size_t)len});
    OPENSSL_free(der);
    return err;
}

int auth_dkim_key_read(struct sv pem, struct auth_dkim_key *out, struct buf *why)
{
    struct buf text;
    EVP_PKEY *pkey;

    if (tls_pem_key(pem, &pkey, why) < 0)
        return ERR_SYNTAX;
    if (auth_dkim_key_check(pkey, why) < 0) {
        EVP_PKEY_free(pkey);
        return ERR_SYNTAX;
    }
    *out = (struct auth_dkim_key){.bits = EVP_PKEY_get_bits(pkey)};
    out->kind = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA ? AUTH_DKIM_KIND_RSA : AUTH_DKIM_KIND_ED;
    tls_key_id(pkey, out->id);
    buf_init(&text, AUTH_DKIM_PUBLIC_MAX, 0);
    REQUIRE(encode_public(pkey, &text) == 0); /* RSA_BITS_MAX */
    memcpy(out->public_half, buf_view(&text).ptr, buf_len(&text));
    buf_deinit(&text);
    EVP_PKEY_free(pkey);
    return 0;
}

int auth_dkim_key_make(const char *kind, struct buf *out)
{
    bool rsa = strcmp(kind, AUTH_DKIM_KIND_RSA) == 0;
    EVP_PKEY *pkey =
        rsa ? EVP_RSA_gen(AUTH_DKIM_RSA_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *bio = BIO_new(BIO_s_secmem());
    int err = ERR_TLS;
    char *at;
    long len;

    if (pkey != NULL && bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1) {
        len = BIO_get_mem_data(bio, &at);
        err = buf_append(out, at, (size_t)len);
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return err;
}
