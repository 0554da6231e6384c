/*
 * Design. OpenSSL 3.0 signs inside SSL_do_handshake() and knows no "later", so the handshake runs
 * as an ASYNC job, a stack of its own, which is paused in the middle of the signature:
 *
 *   tls_stream: SSL_do_handshake --> job: ... --> rsa_sign/ec_sign --> ask() --> ASYNC_pause_job()
 *       <-- SSL_ERROR_WANT_ASYNC; the caller asks the keeper, later sets wait->signature
 *   tls_stream: SSL_do_handshake --> job: ask() returns with the signature --> ...
 *
 * The old method tables of RSA and EC_KEY are the only hooks at the level of a signature that work
 * without a provider of our own; OpenSSL calls them deprecated and supports them in all of 3.x.
 * A method gets its key but not its connection, hence the thread's "running" wait.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "auth/tls/key.h"
#include "auth/tls/fault.h"
#include "auth/tls/pem.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/async.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
    struct tls_key_wait *running;
    unsigned waiting, max;
    unsigned starts;
} thread;

static struct {
    pthread_once_t once;
    RSA_METHOD *rsa;
    EC_KEY_METHOD *ec;
    int rsa_id, ec_id; /* slots for the key's id */
} methods = {.once = PTHREAD_ONCE_INIT};

void tls_key_thread_start(unsigned max_waiting)
{
    REQUIRE(max_waiting > 0);
    if (thread.starts++ > 0)
        return;
    thread.max = max_waiting;
    /* One more than may wait, so that a handshake that needs no signature still finds a job. */
    REQUIRE(ASYNC_init_thread((size_t)max_waiting + 1, 0) == 1);
}

void tls_key_thread_stop(void)
{
    REQUIRE(thread.starts > 0);
    if (--thread.starts > 0)
        return;
    REQUIRE(thread.waiting == 0);
    ASYNC_cleanup_thread();
    thread.max = 0;
}

unsigned tls_key_waiting(void)
{
    return thread.waiting;
}

void tls_key_enter(struct tls_key_wait *wait)
{
    thread.running = wait;
}

void tls_key_id(const EVP_PKEY *key, char out[AUTH_TLS_KEY_ID_LEN + 1])
{
    unsigned char *der = NULL;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int len = i2d_PUBKEY(key, &der);
    REQUIRE(len > 0);
    SHA256(der, (size_t)len, digest);
    OPENSSL_free(der);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* Runs on the job's stack. Returns the signature's length, 0 if there is none. */
static size_t ask(const char *id, enum auth_sign form, struct sv bytes, unsigned char *out,
                  size_t room)
{
    struct tls_key_wait *wait = thread.running;
    REQUIRE(wait && ASYNC_get_current_job());
    if (thread.waiting >= thread.max) {
        wait->fault = "too many handshakes wait for a signature";
        return 0;
    }
    wait->request = (struct tls_sign_request){.key = sv_of(id), .form = form, .bytes = bytes};
    wait->signature = SV_NONE;
    wait->asked = true;
    thread.waiting++;
    ASYNC_pause_job();
    thread.waiting--;
    wait->asked = false;
    size_t len = wait->signature.len;
    if (len > room) {
        wait->fault = "the signature has a wrong length";
        return 0;
    }
    if (len)
        memcpy(out, wait->signature.ptr, len);
    return len;
}

static int rsa_sign(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    const char *id = RSA_get_ex_data(rsa, methods.rsa_id);
    size_t size = (size_t)RSA_size(rsa);
    struct sv bytes = {(const char *)from, (size_t)len};
    enum auth_sign form;
    if (padding == RSA_PKCS1_PADDING)
        form = AUTH_SIGN_RSA_PKCS1;
    else if (padding == RSA_NO_PADDING && bytes.len == size)
        form = AUTH_SIGN_RSA_BLOCK;
    else
        return -1;
    return ask(id, form, bytes, to, size) == size ? (int)size : -1;
}

/* The server never decrypts: RSA key exchange is off, and this key could not. */
static int rsa_refuse(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    (void)len, (void)from, (void)to, (void)rsa, (void)padding;
    return -1;
}

static int ec_sign(int type, const unsigned char *digest, int len, unsigned char *out,
                   unsigned *out_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *ec)
{
    (void)type, (void)kinv, (void)r;
    const char *id = EC_KEY_get_ex_data(ec, methods.ec_id);
    struct sv bytes = {(const char *)digest, (size_t)len};
    *out_len = (unsigned)ask(id, AUTH_SIGN_ECDSA, bytes, out, (size_t)ECDSA_size(ec));
    return *out_len > 0;
}

static void id_free(void *key, void *id, CRYPTO_EX_DATA *data, int index, long l, void *arg)
{
    (void)key, (void)data, (void)index, (void)l, (void)arg;
    free(id);
}

static int id_copy(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **id, int index, long l,
                   void *arg)
{
    (void)to, (void)from, (void)index, (void)l, (void)arg;
    *id = *id ? mem_str(*id) : NULL;
    return 1;
}

static void make_methods(void)
{
    methods.rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    methods.ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    REQUIRE(methods.rsa && methods.ec);
    RSA_meth_set1_name(methods.rsa, "keeper");
    /* Else OpenSSL compares private halves that are not there. */
    RSA_meth_set_flags(methods.rsa, RSA_meth_get_flags(methods.rsa) | RSA_METHOD_FLAG_NO_CHECK);
    RSA_meth_set_priv_enc(methods.rsa, rsa_sign);
    RSA_meth_set_priv_dec(methods.rsa, rsa_refuse);
    EC_KEY_METHOD_set_sign(methods.ec, ec_sign, NULL, NULL);
    methods.rsa_id = RSA_get_ex_new_index(0, NULL, NULL, id_copy, id_free);
    methods.ec_id = EC_KEY_get_ex_new_index(0, NULL, NULL, id_copy, id_free);
    REQUIRE(methods.rsa_id >= 0 && methods.ec_id >= 0);
}

static EVP_PKEY *wrap_rsa(const EVP_PKEY *public_half, const char *id)
{
    const RSA *from = EVP_PKEY_get0_RSA(public_half);
    RSA *rsa = RSA_new();
    EVP_PKEY *key = EVP_PKEY_new();
    REQUIRE(from && rsa && key);
    REQUIRE(RSA_set0_key(rsa, BN_dup(RSA_get0_n(from)), BN_dup(RSA_get0_e(from)), NULL));
    REQUIRE(RSA_set_method(rsa, methods.rsa));
    REQUIRE(RSA_set_ex_data(rsa, methods.rsa_id, mem_str(id)));
    REQUIRE(EVP_PKEY_assign_RSA(key, rsa));
    return key;
}

static EVP_PKEY *wrap_ec(const EVP_PKEY *public_half, const char *id)
{
    const EC_KEY *from = EVP_PKEY_get0_EC_KEY(public_half);
    EC_KEY *ec = EC_KEY_new();
    EVP_PKEY *key = EVP_PKEY_new();
    REQUIRE(from && ec && key);
    REQUIRE(EC_KEY_set_group(ec, EC_KEY_get0_group(from)));
    REQUIRE(EC_KEY_set_public_key(ec, EC_KEY_get0_public_key(from)));
    REQUIRE(EC_KEY_set_method(ec, methods.ec));
    REQUIRE(EC_KEY_set_ex_data(ec, methods.ec_id, mem_str(id)));
    REQUIRE(EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

int tls_key_new(const EVP_PKEY *public_half, EVP_PKEY **out, struct buf *why)
{
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    int err = tls_pem_kind(public_half, why);
    if (err < 0)
        return err;
    pthread_once(&methods.once, make_methods);
    tls_key_id(public_half, id);
    *out = EVP_PKEY_get_base_id(public_half) == EVP_PKEY_RSA ? wrap_rsa(public_half, id)
                                                             : wrap_ec(public_half, id);
    return 0;
}
