/*
 * Design. One SSL over a BIO of our own: reading takes from the view that is being fed, writing
 * appends to the caller's buffer, so a connection owns no buffers. OpenSSL without read-ahead asks
 * for exactly one record header, then for exactly that record: it keeps at most one incomplete
 * record, and gives its buffers back when none is there (SSL_MODE_RELEASE_BUFFERS).
 *
 *   HANDSHAKE <--> SIGNATURE
 *       |               |
 *       +--> OPEN --> CLOSED        any --> FAILED
 *
 * The server's handshake runs as ASYNC jobs (key.c) only until its signature is made: later steps
 * and the data need no second stack.
 */
#include "auth/tls/stream.h"
#include "auth/tls/check.h"
#include "auth/tls/fault.h"
#include "auth/tls/inside.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_PLAIN_MAX 16384
#define RECORD_OVERHEAD  256 /* header, nonce, padding and tag of any suite, with room to spare */

/* OpenSSL makes room for what a ClientHello says it is long, up to 128 KiB; honest ones are below
 * 2 KiB, with post-quantum key shares below 4 KiB. */
#define HELLO_MAX        16384
#define HELLO_HEAD_BYTES 9 /* record header, message type and length */

struct tls_stream {
    SSL *ssl;
    struct tls_ctx *ctx;
    struct buf *out; /* NULL while nothing may be sent any more */
    struct sv in;    /* what is being fed and not yet taken */
    enum tls_stream_state state;
    bool is_server, closed;
    struct tls_check check; /* client */
    uint8_t head_len;
    uint8_t head[HELLO_HEAD_BYTES];
    struct tls_key_wait wait;
    char *peer;  /* key of the session cache, or NULL */
    char *fault; /* when FAILED */
};

static int on_bio_read(BIO *bio, char *into, size_t len, size_t *read_out)
{
    struct tls_stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *read_out = 0;
    if (s->in.len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (len > s->in.len)
        len = s->in.len;
    memcpy(into, s->in.ptr, len);
    s->in = sv_skip(s->in, len);
    *read_out = len;
    return 1;
}

static int on_bio_write(BIO *bio, const char *from, size_t len, size_t *written_out)
{
    struct tls_stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written_out = 0;
    if (s->out && buf_append(s->out, from, len) < 0)
        return 0;
    *written_out = len;
    return 1;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    (void)bio, (void)number, (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls_stream");
    REQUIRE(bio_method);
    BIO_meth_set_read_ex(bio_method, on_bio_read);
    BIO_meth_set_write_ex(bio_method, on_bio_write);
    BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
}

static void fail(struct tls_stream *s, const char *text)
{
    s->state = AUTH_TLS_FAILED;
    s->fault = mem_str(text);
    s->in = SV_NONE;
    if (s->peer && s->ctx->sessions)
        tls_sessions_forget(s->ctx->sessions, s->peer);
    ERR_clear_error();
}

static void fail_ssl(struct tls_stream *s)
{
    char text[160];
    long verdict = SSL_get_verify_result(s->ssl);
    if (s->wait.fault)
        snprintf(text, sizeof text, "%s", s->wait.fault);
    else if (s->check.verifies && !s->check.report_only && verdict != X509_V_OK)
        snprintf(text, sizeof text, "certificate: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(text, sizeof text, "%s", tls_fault_reason());
    fail(s, text);
}

static void opened(struct tls_stream *s)
{
    s->state = AUTH_TLS_OPEN;
    SSL_clear_mode(s->ssl, SSL_MODE_ASYNC);
}

static void handshake(struct tls_stream *s)
{
    bool signature = s->wait.asked;
    ERR_clear_error();
    tls_key_enter(&s->wait);
    int done = SSL_do_handshake(s->ssl);
    tls_key_enter(NULL);
    int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, done);
    if (signature && error != SSL_ERROR_WANT_ASYNC)
        SSL_clear_mode(s->ssl, SSL_MODE_ASYNC);
    if (error == SSL_ERROR_NONE)
        opened(s);
    else if (error == SSL_ERROR_WANT_READ)
        s->state = AUTH_TLS_HANDSHAKE;
    else if (error == SSL_ERROR_WANT_ASYNC)
        s->state = AUTH_TLS_SIGNATURE;
    else if (error == SSL_ERROR_WANT_ASYNC_JOB)
        fail(s, "too many handshakes wait for a signature");
    else
        fail_ssl(s);
}

static struct tls_stream *new_stream(struct tls_ctx *ctx, struct buf *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    struct tls_stream *s = NEW(struct tls_stream);
    s->ctx = tls_ctx_keep(ctx);
    s->out = out;
    s->ssl = SSL_new(ctx->ssl);
    BIO *bio = BIO_new(bio_method);
    REQUIRE(s->ssl && bio);
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_app_data(s->ssl, s);
    return s;
}

struct tls_stream *tls_stream_server(struct tls_ctx *ctx, struct buf *out)
{
    struct tls_stream *s = new_stream(ctx, out);
    s->is_server = true;
    SSL_set_accept_state(s->ssl);
    SSL_set_mode(s->ssl, SSL_MODE_ASYNC);
    return s;
}

struct tls_stream *tls_stream_client(struct tls_ctx *ctx, const struct tls_stream_peer *peer,
                                     struct buf *out)
{
    struct tls_stream *s = new_stream(ctx, out);
    SSL_set_connect_state(s->ssl);
    tls_check_begin(s->ssl, peer, &s->check);
    s->peer = ctx->sessions ? tls_check_session_name(peer) : NULL;
    SSL_SESSION *session = s->peer ? tls_sessions_get(ctx->sessions, s->peer) : NULL;
    if (session)
        SSL_set_session(s->ssl, session);
    SSL_SESSION_free(session);
    handshake(s);
    return s;
}

int tls_stream_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_stream *s = SSL_get_app_data(ssl);
    if (!s->peer || !SSL_SESSION_is_resumable(session))
        return 0;
    tls_sessions_put(s->ctx->sessions, s->peer, session);
    return 1;
}

int tls_stream_on_chain(X509_STORE_CTX *chain, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_stream *s = SSL_get_app_data(ssl);
    (void)arg;
    return tls_check_chain(&s->check, chain);
}

void tls_stream_free(struct tls_stream *s)
{
    if (!s)
        return;
    s->out = NULL;
    if (s->state == AUTH_TLS_SIGNATURE)
        tls_stream_signed(s, ERR_CANCELED, SV_NONE); /* SSL_free() would lose the paused job */
    if (s->state != AUTH_TLS_FAILED) /* else OpenSSL marks the session as not resumable */
        SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    tls_ctx_drop(s->ctx);
    free(s->peer);
    free(s->fault);
    free(s);
}

enum tls_stream_state tls_stream_state(const struct tls_stream *s)
{
    return s->state;
}

const char *tls_stream_fault(const struct tls_stream *s)
{
    return s->fault ? s->fault : "";
}

/* False if the stream begins with a ClientHello that says it is far too long. */
static bool hello_is_fair(struct tls_stream *s)
{
    size_t n = sizeof s->head - s->head_len;
    if (n > s->in.len)
        n = s->in.len;
    memcpy(s->head + s->head_len, s->in.ptr, n);
    s->head_len = (uint8_t)(s->head_len + n);
    uint32_t len = (uint32_t)s->head[6] << 16 | (uint32_t)s->head[7] << 8 | s->head[8];
    return s->head_len < sizeof s->head || s->head[0] != SSL3_RT_HANDSHAKE || len <= HELLO_MAX;
}

static void read_plain(struct tls_stream *s, struct buf *plain)
{
    for (;;) {
        char *at;
        size_t got, kept = (size_t)SSL_pending(s->ssl);
        size_t want = kept ? kept : s->in.len;
        if (want > RECORD_PLAIN_MAX)
            want = RECORD_PLAIN_MAX;
        if (want > buf_room(plain))
            want = buf_room(plain);
        if (want == 0 || buf_reserve(plain, want, &at) < 0)
            return;
        ERR_clear_error();
        int done = SSL_read_ex(s->ssl, at, want, &got);
        if (done == 1) {
            buf_added(plain, got);
            continue;
        }
        int error = SSL_get_error(s->ssl, done);
        if (error == SSL_ERROR_ZERO_RETURN)
            s->state = AUTH_TLS_CLOSED;
        else if (error != SSL_ERROR_WANT_READ)
            fail_ssl(s);
        return;
    }
}

size_t tls_stream_feed(struct tls_stream *s, struct sv cipher, struct buf *plain)
{
    s->in = cipher;
    if (s->state == AUTH_TLS_HANDSHAKE && cipher.len > 0) {
        if (s->is_server && s->head_len < sizeof s->head && !hello_is_fair(s))
            fail(s, "the ClientHello is too long");
        else
            handshake(s);
    }
    if (s->state == AUTH_TLS_OPEN)
        read_plain(s, plain);
    size_t left = s->in.len;
    s->in = SV_NONE;
    return s->state == AUTH_TLS_FAILED ? 0 : cipher.len - left;
}

bool tls_stream_has_plain(const struct tls_stream *s)
{
    return s->state == AUTH_TLS_OPEN && SSL_pending(s->ssl) > 0;
}

size_t tls_stream_write(struct tls_stream *s, struct sv plain)
{
    size_t all = plain.len;
    REQUIRE(!s->closed);
    if (s->state != AUTH_TLS_OPEN && s->state != AUTH_TLS_CLOSED)
        return 0;
    while (plain.len > 0) {
        size_t n, room = buf_room(s->out);
        struct sv part = sv_first(plain, RECORD_PLAIN_MAX);
        if (room <= RECORD_OVERHEAD)
            break;
        part = sv_first(part, room - RECORD_OVERHEAD);
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, part.ptr, part.len, &n) != 1) {
            fail_ssl(s);
            break;
        }
        plain = sv_skip(plain, n);
    }
    return all - plain.len;
}

void tls_stream_close(struct tls_stream *s)
{
    if (s->closed || (s->state != AUTH_TLS_OPEN && s->state != AUTH_TLS_CLOSED))
        return;
    s->closed = true;
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

bool tls_stream_wants(const struct tls_stream *s, struct tls_sign_request *out)
{
    if (s->state != AUTH_TLS_SIGNATURE)
        return false;
    *out = s->wait.request;
    return true;
}

void tls_stream_signed(struct tls_stream *s, int err, struct sv signature)
{
    REQUIRE(s->state == AUTH_TLS_SIGNATURE);
    if (err < 0 || signature.len == 0) {
        s->wait.fault = err < 0 ? err_text(err) : "the signature is empty";
        signature = SV_NONE;
    }
    s->wait.signature = signature;
    handshake(s);
    s->wait.signature = SV_NONE;
}

/* A handshake that fails for another reason than the certificate is a failure, too. */
static enum tls_failure failure_of(const struct tls_stream *s)
{
    enum tls_failure failure = tls_check_failure(&s->check, s->ssl);
    if (s->state == AUTH_TLS_FAILED && (failure == AUTH_TLS_FAILURE_NONE || s->check.report_only))
        failure = AUTH_TLS_FAILURE_VALIDATION_FAILURE;
    return s->is_server ? AUTH_TLS_FAILURE_NONE : failure;
}

void tls_stream_info(const struct tls_stream *s, struct tls_stream_info *out)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(s->ssl);
    const char *name = cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
    int nid = (int)SSL_get_negotiated_group(s->ssl);
    const char *group = nid != NID_undef ? SSL_group_to_name(s->ssl, nid) : NULL;
    *out = (struct tls_stream_info){
        .version = SSL_get_version(s->ssl),
        .cipher = name ? name : "",
        .group = group ? group : "",
        .resumed = SSL_session_reused(s->ssl) == 1,
        .verified = s->check.verifies && s->state != AUTH_TLS_FAILED &&
                    tls_check_failure(&s->check, s->ssl) == AUTH_TLS_FAILURE_NONE,
        .failure = failure_of(s),
        .sni = sv_of(SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name)),
    };
}

uint8_t tls_stream_binding(const struct tls_stream *s, enum auth_binding type,
                           uint8_t out[AUTH_BINDING_MAX])
{
    return tls_binding(s->ssl, s->is_server, type, out);
}

SSL *tls_stream_ssl(const struct tls_stream *s)
{
    return s->ssl;
}
