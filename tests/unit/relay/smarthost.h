/*
 * smarthost.h - a receiver with TLS and AUTH: a thread with blocking sockets, one connection at a
 * time, for the user "u" with the password "secret".
 */
#ifndef TESTS_UNIT_RELAY_SMARTHOST_H
#define TESTS_UNIT_RELAY_SMARTHOST_H

#include "auth/scram.h"
#include "msa/base/b64.h"
#include "tests/unit/auth_tls/fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct smarthost {
    /* what it does */
    const struct cert *cert;
    bool implicit_tls, no_starttls;
    bool requiretls;         /* offers REQUIRETLS, under TLS */
    bool breaks_tls;         /* closes where the handshake should begin */
    bool injects;            /* says more in clear, in the segment of its reply to STARTTLS */
    const char *to_mail;     /* its reply to MAIL; NULL: 250 */
    const char *to_starttls; /* that refuses it, the connection stays open; NULL: 220 */
    const char *mechanisms;  /* NULL: no AUTH */
    enum { PROOF_TRUE, PROOF_FALSE, PROOF_NONE } proof; /* of itself, in SCRAM */
    /* what it saw */
    atomic_uint connections, messages, messages_in_clear, mails, logins;
    char mechanism[64], sni[64];
    /* its own */
    int fd;
    uint16_t port;
    pthread_t thread;
    SSL_CTX *ctx;
};

struct wire {
    struct smarthost *host;
    int fd;
    SSL *ssl;
};

static bool wire_line(struct wire *w, char *line, size_t room)
{
    size_t used = 0;
    char c;
    while (used < room - 1) {
        if ((w->ssl ? SSL_read(w->ssl, &c, 1) : (int)recv(w->fd, &c, 1, 0)) != 1)
            return false;
        if (c == '\n')
            break;
        if (c != '\r')
            line[used++] = c;
    }
    line[used] = '\0';
    return true;
}

static void wire_say(struct wire *w, const char *text)
{
    char line[2048];
    int len = snprintf(line, sizeof line, "%s\r\n", text);
    if (w->ssl)
        SSL_write(w->ssl, line, len);
    else if (send(w->fd, line, (size_t)len, MSG_NOSIGNAL) != len)
        return;
}

static bool wire_tls(struct wire *w)
{
    const char *sni;
    w->ssl = SSL_new(w->host->ctx);
    SSL_set_fd(w->ssl, w->fd);
    if (SSL_accept(w->ssl) != 1)
        return false;
    sni = SSL_get_servername(w->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(w->host->sni, sizeof w->host->sni, "%s", sni ? sni : "");
    return true;
}

/* ---- AUTH ---- */

/* Decoded, NUL behind it; the length, or 0. */
static size_t decode(const char *text, char *out, size_t room)
{
    struct buf b;
    buf_init(&b, room - 1, 0);
    int err = b64_decode(&b, sv_of(text));
    size_t len = err == 0 ? buf_len(&b) : 0;
    memcpy(out, len ? buf_view(&b).ptr : "", len);
    out[len] = '\0';
    buf_deinit(&b);
    return len;
}

static bool challenge(struct wire *w, const char *text, char *answer, size_t room)
{
    struct buf b;
    char line[2048];
    buf_init(&b, 2000, 0);
    REQUIRE(buf_printf(&b, "334 ") == 0 && b64_encode(&b, sv_of(text)) == 0 &&
            buf_append(&b, "", 1) == 0);
    wire_say(w, buf_view(&b).ptr);
    buf_deinit(&b);
    if (!wire_line(w, line, sizeof line))
        return false;
    decode(line, answer, room);
    return true;
}

static bool auth_plain(const char *initial)
{
    char text[256];
    return decode(initial, text, sizeof text) == 9 && memcmp(text, "\0u\0secret", 9) == 0;
}

static bool auth_login(struct wire *w)
{
    char user[256], password[256];
    return challenge(w, "Username:", user, sizeof user) &&
           challenge(w, "Password:", password, sizeof password) && strcmp(user, "u") == 0 &&
           strcmp(password, "secret") == 0;
}

static void sign(const uint8_t key[32], const char *text, uint8_t out[32])
{
    unsigned len;
    HMAC(EVP_sha256(), key, 32, (const uint8_t *)text, strlen(text), out, &len);
}

static void encode(const void *bytes, size_t len, char *out, size_t room)
{
    struct buf b;
    buf_init(&b, room - 1, 0);
    REQUIRE(b64_encode(&b, (struct sv){bytes, len}) == 0);
    memcpy(out, buf_view(&b).ptr, buf_len(&b));
    out[buf_len(&b)] = '\0';
    buf_deinit(&b);
}

/* RFC 5802 3, seen from the server. */
static bool auth_scram(struct wire *w, const char *initial)
{
    char first[512], said[600], last[1024], all[2200], text[128], empty[8];
    uint8_t proof[64], signature[32], stored[32];
    struct auth_scram v = {.iterations = 4096, .salt_len = 4, .salt = "salt"};
    auth_scram_derive(&v, SV("secret"));
    decode(initial, first, sizeof first);
    if (strncmp(first, "n,,n=u,r=", 9) != 0)
        return false;
    snprintf(said, sizeof said, "r=%smore,s=c2FsdA==,i=4096", first + 9);
    if (w->host->proof == PROOF_NONE)
        return true; /* no secret is needed to say 235 */
    if (!challenge(w, said, last, sizeof last) || !strstr(last, ",p="))
        return false;
    decode(strstr(last, ",p=") + 3, (char *)proof, sizeof proof);
    *strstr(last, ",p=") = '\0';
    snprintf(all, sizeof all, "%s,%s,%s", first + 3, said, last);
    sign(v.stored_key, all, signature);
    for (size_t i = 0; i < 32; i++)
        proof[i] ^= signature[i];
    SHA256(proof, 32, stored);
    if (memcmp(stored, v.stored_key, 32) != 0)
        return false;
    sign(v.server_key, all, signature);
    signature[0] ^= w->host->proof == PROOF_FALSE;
    encode(signature, 32, text, sizeof text);
    snprintf(said, sizeof said, "v=%s", text);
    return challenge(w, said, empty, sizeof empty) && !*empty;
}

static void auth(struct wire *w, char *args)
{
    char *initial = strchr(args, ' ');
    if (initial)
        *initial++ = '\0';
    snprintf(w->host->mechanism, sizeof w->host->mechanism, "%.63s", args);
    bool good = false;
    if (strcmp(args, "PLAIN") == 0)
        good = initial && auth_plain(initial);
    else if (strcmp(args, "LOGIN") == 0)
        good = auth_login(w);
    else
        good = initial && auth_scram(w, initial);
    atomic_fetch_add(&w->host->logins, good);
    wire_say(w, good ? "235 2.7.0 welcome" : "535 5.7.8 wrong");
}

/* ---- the session ---- */

static void greet(struct wire *w)
{
    char line[128];
    wire_say(w, "250-smarthost.test");
    if (!w->ssl && !w->host->no_starttls)
        wire_say(w, "250-STARTTLS");
    if (w->host->mechanisms) {
        snprintf(line, sizeof line, "250-AUTH %s", w->host->mechanisms);
        wire_say(w, line);
    }
    if (w->ssl && w->host->requiretls)
        wire_say(w, "250-REQUIRETLS");
    wire_say(w, "250 8BITMIME");
}

static bool take_content(struct wire *w, char *line, size_t room)
{
    wire_say(w, "354 go");
    do {
        if (!wire_line(w, line, room))
            return false;
    } while (strcmp(line, ".") != 0);
    atomic_fetch_add(&w->host->messages_in_clear, !w->ssl);
    atomic_fetch_add(&w->host->messages, 1);
    wire_say(w, "250 2.0.0 taken");
    return true;
}

static bool obey(struct wire *w, char *line, size_t room)
{
    if (strncmp(line, "EHLO", 4) == 0) {
        greet(w);
    } else if (strcmp(line, "STARTTLS") == 0 && w->host->to_starttls) {
        wire_say(w, w->host->to_starttls);
    } else if (strcmp(line, "STARTTLS") == 0) {
        wire_say(w, w->host->injects ? "220 go\r\n250-smarthost.test\r\n250 AUTH PLAIN" : "220 go");
        return !w->host->breaks_tls && wire_tls(w);
    } else if (strncmp(line, "AUTH ", 5) == 0) {
        auth(w, line + 5);
    } else if (strcmp(line, "DATA") == 0) {
        return take_content(w, line, room);
    } else if (strcmp(line, "QUIT") == 0) {
        wire_say(w, "221 2.0.0 bye");
        return false;
    } else {
        bool is_mail = strncmp(line, "MAIL", 4) == 0;
        atomic_fetch_add(&w->host->mails, is_mail);
        wire_say(w, is_mail && w->host->to_mail ? w->host->to_mail : "250 2.0.0 ok");
    }
    return true;
}

static void *smarthost_serve(void *arg)
{
    struct smarthost *h = arg;
    struct wire w = {.host = h};
    char line[2048];
    while ((w.fd = accept(h->fd, NULL, NULL)) >= 0) {
        atomic_fetch_add(&h->connections, 1);
        w.ssl = NULL;
        if (!h->implicit_tls || wire_tls(&w)) {
            wire_say(&w, "220 smarthost.test");
            while (wire_line(&w, line, sizeof line) && obey(&w, line, sizeof line))
                continue;
        }
        SSL_free(w.ssl);
        close(w.fd);
    }
    return NULL;
}

static void smarthost_start(struct smarthost *h)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    h->ctx = SSL_CTX_new(TLS_server_method());
    REQUIRE(SSL_CTX_use_certificate(h->ctx, h->cert->x509) == 1 &&
            SSL_CTX_use_PrivateKey(h->ctx, h->cert->key) == 1);
    h->fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(bind(h->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(h->fd, 8) == 0 &&
            getsockname(h->fd, (struct sockaddr *)&at, &len) == 0);
    h->port = ntohs(at.sin_port);
    pthread_create(&h->thread, NULL, smarthost_serve, h);
}

static void smarthost_stop(struct smarthost *h)
{
    shutdown(h->fd, SHUT_RDWR);
    pthread_join(h->thread, NULL);
    close(h->fd);
    SSL_CTX_free(h->ctx);
}

#endif
