/*
 * logins - do many logins delay a session that is already logged in? A probe sends NOOP every 5 ms
 * and submits a small message every 100 ms, on one session, while nobody else logs in (5 s), while
 * 2,000 clients a second log in with PLAIN, each over a connection of its own (10 s), and while
 * 200 a second do with SCRAM-SHA-256 (10 s; the client keeps its salted password: RFC 5802 5.1).
 * Logins begin at their times whatever the earlier ones do, as far as there are threads. Everything
 * runs on one machine: what the generator burns is not there for the server. One command makes the
 * configuration, runs msad and this program, and removes all:
 *
 *     tests/bench/logins
 *
 * The program itself: logins PORT PID REALM PASSWORD, PID that of msad; the logins are alice@REALM
 * and, for the probe, probe@REALM.
 */
#include "tests/bench/bench_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define THREADS       32
#define NOOP_MS       5
#define MESSAGE_MS    100
#define SAMPLES_MAX   10000
#define LINE_MAX_SIZE 2000
#define KEY_BYTES     32

static struct {
    uint16_t port;
    int msad;
    const char *realm, *password;
    char plain[LINE_MAX_SIZE]; /* the AUTH line of every login with PLAIN */
} b;

/* ---- one connection; all false or negative on any fault ---- */

struct wire {
    int fd;
    size_t have;
    char in[LINE_MAX_SIZE], text[LINE_MAX_SIZE]; /* text: the last reply line behind its code */
};

static bool send_text(struct wire *w, const char *text)
{
    size_t len = strlen(text);
    return send(w->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The code of the next whole reply. */
static int reply(struct wire *w)
{
    for (;;) {
        char *end = memchr(w->in, '\n', w->have);
        if (!end) {
            ssize_t n = recv(w->fd, w->in + w->have, sizeof w->in - w->have, 0);
            if (n <= 0)
                return -1;
            w->have += (size_t)n;
            continue;
        }
        size_t line = (size_t)(end - w->in) + 1;
        bool last = line >= 5 && w->in[3] != '-';
        int code = atoi(w->in);
        snprintf(w->text, sizeof w->text, "%.*s", line > 6 ? (int)line - 6 : 0, w->in + 4);
        memmove(w->in, w->in + line, w->have - line);
        w->have -= line;
        if (last)
            return code;
    }
}

static bool ask(struct wire *w, const char *line, int code)
{
    return send_text(w, line) && reply(w) == code;
}

/* who: part of the client's address, so that no address runs out of ports (TIME-WAIT). */
static bool wire_open(struct wire *w, unsigned who)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101 + who)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(b.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    w->have = 0;
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return false;
    setsockopt(w->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return bind(w->fd, (struct sockaddr *)&from, sizeof from) == 0 &&
           connect(w->fd, (struct sockaddr *)&to, sizeof to) == 0 && reply(w) == 220 &&
           ask(w, "EHLO bench.test\r\n", 250);
}

static void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
}

/* ---- mechanisms ---- */

static void base64(char *out, const char *bytes, size_t len)
{
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes, (int)len);
}

static bool from_base64(char *out, const char *text)
{
    int len = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)strlen(text));
    if (len < 0)
        return false;
    for (const char *p = text + strlen(text); p > text && p[-1] == '='; p--)
        len--;
    out[len] = 0;
    return true;
}

static void make_plain(char *line, size_t size, const char *user)
{
    char raw[400], text[600];
    int len = snprintf(raw, sizeof raw, "%c%s@%s%c%s", 0, user, b.realm, 0, b.password);
    base64(text, raw, (size_t)len);
    snprintf(line, size, "AUTH PLAIN %s\r\n", text);
}

static bool login_plain(struct wire *w)
{
    return ask(w, b.plain, 235);
}

/* What the client keeps of its password for the salt and iterations that it saw last. */
static struct {
    pthread_mutex_t lock;
    char salt[200];
    unsigned iterations;
    uint8_t client[KEY_BYTES], stored[KEY_BYTES], server[KEY_BYTES];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hmac(const uint8_t key[KEY_BYTES], const char *text, uint8_t out[KEY_BYTES])
{
    HMAC(EVP_sha256(), key, KEY_BYTES, (const uint8_t *)text, strlen(text), out, NULL);
}

static bool keep_keys(const char *salt, unsigned iterations)
{
    bool good = true;
    pthread_mutex_lock(&kept.lock);
    if (strcmp(kept.salt, salt) != 0 || kept.iterations != iterations) {
        char raw[200] = "";
        uint8_t salted[KEY_BYTES];
        int len = EVP_DecodeBlock((uint8_t *)raw, (const uint8_t *)salt, (int)strlen(salt));
        for (size_t n = strlen(salt); n > 0 && salt[n - 1] == '='; n--)
            len--;
        good = len > 0 && PKCS5_PBKDF2_HMAC(b.password, -1, (uint8_t *)raw, len, (int)iterations,
                                            EVP_sha256(), KEY_BYTES, salted) == 1;
        if (good) {
            hmac(salted, "Client Key", kept.client);
            hmac(salted, "Server Key", kept.server);
            EVP_Digest(kept.client, KEY_BYTES, kept.stored, NULL, EVP_sha256(), NULL);
            snprintf(kept.salt, sizeof kept.salt, "%s", salt);
            kept.iterations = iterations;
        }
    }
    pthread_mutex_unlock(&kept.lock);
    return good;
}

static bool login_scram(struct wire *w)
{
    uint8_t random[18], mac[KEY_BYTES];
    char nonce[25], bare[200], line[1500], text[1200], first[700], all[200], salt[200];
    char without[300], signed_text[1300], final[400], want[100], proof[50];
    unsigned iterations = 0;
    RAND_bytes(random, sizeof random);
    base64(nonce, (const char *)random, sizeof random);
    snprintf(bare, sizeof bare, "n=alice@%s,r=%s", b.realm, nonce);
    snprintf(final, sizeof final, "n,,%s", bare);
    base64(text, final, strlen(final));
    snprintf(line, sizeof line, "AUTH SCRAM-SHA-256 %s\r\n", text);
    if (!ask(w, line, 334) || strlen(w->text) > 600 || !from_base64(first, w->text) ||
        sscanf(first, "r=%199[^,],s=%199[^,],i=%u", all, salt, &iterations) != 3 ||
        strncmp(all, nonce, strlen(nonce)) != 0 || strlen(salt) > 180 ||
        !keep_keys(salt, iterations))
        return false;
    snprintf(without, sizeof without, "c=biws,r=%s", all);
    snprintf(signed_text, sizeof signed_text, "%s,%s,%s", bare, first, without);
    hmac(kept.stored, signed_text, mac);
    for (size_t i = 0; i < KEY_BYTES; i++)
        mac[i] ^= kept.client[i];
    base64(proof, (const char *)mac, KEY_BYTES);
    snprintf(final, sizeof final, "%s,p=%s", without, proof);
    base64(text, final, strlen(final));
    snprintf(line, sizeof line, "%s\r\n", text);
    if (!ask(w, line, 334) || strlen(w->text) > 600 || !from_base64(first, w->text))
        return false;
    hmac(kept.server, signed_text, mac);
    base64(proof, (const char *)mac, KEY_BYTES);
    snprintf(want, sizeof want, "v=%s", proof);
    return strcmp(first, want) == 0 && ask(w, "\r\n", 235);
}

/* ---- the generator ---- */

struct load {
    bool (*login)(struct wire *w); /* NULL: nobody logs in */
    double start_s, end_s, rate;
    atomic_uint next, who, good, failed;
};

static void *generate(void *arg)
{
    struct load *l = arg;
    unsigned who = atomic_fetch_add(&l->who, 1);
    for (;;) {
        double at_s = l->start_s + atomic_fetch_add(&l->next, 1) / l->rate;
        if (at_s >= l->end_s || now_s() >= l->end_s)
            return NULL;
        sleep_until(at_s);
        struct wire w;
        bool good = wire_open(&w, who) && l->login(&w);
        atomic_fetch_add(good ? &l->good : &l->failed, 1);
        wire_close(&w);
    }
}

/* ---- the probe ---- */

struct samples {
    size_t count;
    double ms[SAMPLES_MAX];
};

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, c = *(const double *)y;
    return a < c ? -1 : a > c;
}

static void print_samples(const char *what, struct samples *s)
{
    if (s->count == 0) {
        printf("  %-7s none\n", what);
        return;
    }
    qsort(s->ms, s->count, sizeof s->ms[0], by_size);
    printf("  %-7s p50 %7.2f ms  p99 %7.2f ms  max %7.2f ms  (%zu)\n", what, s->ms[s->count / 2],
           s->ms[(s->count - 1) * 99 / 100], s->ms[s->count - 1], s->count);
}

/* From the sending of text to its reply. */
static bool timed(struct wire *w, const char *text, struct samples *s)
{
    double began_s = now_s();
    if (!ask(w, text, 250))
        return false;
    if (s->count < SAMPLES_MAX)
        s->ms[s->count++] = (now_s() - began_s) * 1e3;
    return true;
}

static bool submit(struct wire *w, struct samples *s)
{
    char line[600];
    snprintf(line, sizeof line, "MAIL FROM:<probe@%s>\r\n", b.realm);
    if (!ask(w, line, 250) || !ask(w, "RCPT TO:<someone@else.test>\r\n", 250) ||
        !ask(w, "DATA\r\n", 354))
        return false;
    snprintf(line, sizeof line,
             "From: <probe@%s>\r\nTo: someone@else.test\r\nSubject: probe\r\n\r\nHello.\r\n.\r\n",
             b.realm);
    return timed(w, line, s);
}

static bool probe(struct wire *w, double end_s, struct samples *noops, struct samples *ends)
{
    double noop_s = now_s(), message_s = noop_s;
    while (now_s() < end_s) {
        if (now_s() >= message_s) {
            if (!submit(w, ends))
                return false;
            message_s += MESSAGE_MS / 1e3;
        }
        if (!timed(w, "NOOP\r\n", noops))
            return false;
        noop_s += NOOP_MS / 1e3;
        if (noop_s < now_s()) /* no burst after a delay: its samples would hide it */
            noop_s = now_s();
        sleep_until(noop_s);
    }
    return true;
}

/* ---- CPU of msad's processes ---- */

static double cpu_s(int pid)
{
    char path[64], line[1000];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    char *rest = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (rest)
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    if (f)
        fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The child of msad that was started with --child=name; 0: none. */
static int child_pid(const char *name)
{
    char path[64], line[300], want[64];
    int pid, found = 0;
    snprintf(want, sizeof want, "--child=%s", name);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", b.msad, b.msad);
    FILE *children = fopen(path, "r");
    while (children && !found && fscanf(children, "%d", &pid) == 1) {
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        FILE *f = fopen(path, "r");
        size_t len = f ? fread(line, 1, sizeof line, f) : 0;
        if (memmem(line, len, want, strlen(want)))
            found = pid;
        if (f)
            fclose(f);
    }
    if (children)
        fclose(children);
    return found;
}

static double own_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static bool phase(const char *name, struct wire *session, bool (*login)(struct wire *w),
                  double seconds, double rate)
{
    static struct samples noops, ends;
    noops.count = ends.count = 0;
    struct load l = {.login = login, .rate = rate, .start_s = now_s()};
    l.end_s = l.start_s + seconds;
    pthread_t threads[THREADS];
    int server = child_pid("server"), keeper = child_pid("keeper");
    double server_s = cpu_s(server), keeper_s = cpu_s(keeper), own_s = own_cpu_s();
    size_t count = 0;
    while (login && count < THREADS && pthread_create(&threads[count], NULL, generate, &l) == 0)
        count++;
    bool good = probe(session, l.end_s, &noops, &ends);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%s: %.0f logins a second, %u failed\n", name, l.good / (now_s() - l.start_s), l.failed);
    print_samples("NOOP", &noops);
    print_samples("message", &ends);
    printf("  CPU     server %.2f s, keeper %.2f s, generator and probe %.2f s\n",
           cpu_s(server) - server_s, cpu_s(keeper) - keeper_s, own_cpu_s() - own_s);
    if (!good)
        printf("  the probe's session failed: %s\n", session->text);
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: logins PORT PID REALM PASSWORD\n");
        return 2;
    }
    b.port = (uint16_t)atoi(argv[1]);
    b.msad = atoi(argv[2]);
    b.realm = argv[3];
    b.password = argv[4];
    char line[LINE_MAX_SIZE];
    struct wire session;
    make_plain(line, sizeof line, "probe");
    make_plain(b.plain, sizeof b.plain, "alice");
    if (!wire_open(&session, THREADS) || !ask(&session, line, 235)) {
        fprintf(stderr, "the probe cannot log in: %s\n",
                session.fd < 0 ? "no socket" : session.text);
        return 1;
    }
    bool good = phase("idle", &session, NULL, 5, 1) &&
                phase("PLAIN", &session, login_plain, 10, 2000) &&
                phase("SCRAM-SHA-256", &session, login_scram, 10, 200);
    wire_close(&session);
    return good ? 0 : 1;
}
