/*
 * relay_traffic - how fast does msad pass mail on? Submits messages to a listener that trusts this
 * client, plays every receiver on port 25 of all addresses, and tells rates, connections, delays
 * (from the 250 for a message to its last octet at a receiver) and the CPU that msad has used.
 * Runs in a network namespace that tests/bench/relay makes, which also says what the hosts' names
 * are:
 *
 *     relay_traffic LISTENER-PORT PID COUNT SITES SIZE PER-SECOND SECONDS DEAD [CERTIFICATE KEY]
 *
 * PID is that of msad. Message n goes to rN@dK.sites.test, K = n % SITES. PER-SECOND 0: as fast as
 * it goes. SECONDS is the longest that all may take. Before, one message goes to each of the DEAD
 * domains dK.dead.test. With a certificate the receivers do STARTTLS.
 * Only what a benchmark needs of SMTP is here: one recipient a message, DATA, and no bad input.
 */
#include "tests/bench/bench_clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
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
#include <time.h>
#include <unistd.h>

#define SUBMITTERS   16
#define BUFFER_BYTES 65536
#define STACK_BYTES  (512 * 1024)
#define SETTLE_S     5

static struct {
    uint16_t port;
    int msad;
    size_t count, sites, size, dead;
    const char *word;    /* of the domains that messages go to now */
    size_t domains, end; /* how many domains; of the messages that are submitted now */
    double per_second, seconds, began_s;
    SSL_CTX *tls;
    double *accepted_s, *delivered_s; /* by message; 0: not yet */
    atomic_size_t next, submitters, accepted, delivered, duplicates, connections, failed;
} b;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- one connection, either way; all false on any fault ---- */

struct wire {
    int fd;
    SSL *ssl;
    size_t have, at;
    char in[BUFFER_BYTES];
};

static bool fill(struct wire *w)
{
    w->have = w->at = 0;
    ssize_t n =
        w->ssl ? SSL_read(w->ssl, w->in, sizeof w->in) : recv(w->fd, w->in, sizeof w->in, 0);
    if (n <= 0)
        return false;
    w->have = (size_t)n;
    return true;
}

static bool put(struct wire *w, const char *text, size_t len)
{
    if (w->ssl)
        return SSL_write(w->ssl, text, (int)len) == (int)len;
    return send(w->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The next line without its end, cut to `size`. */
static bool get_line(struct wire *w, char *line, size_t size)
{
    size_t len = 0;
    for (;;) {
        if (w->at == w->have && !fill(w))
            return false;
        char c = w->in[w->at++];
        if (c == '\n') {
            line[len > 0 && line[len - 1] == '\r' ? len - 1 : len] = '\0';
            return true;
        }
        if (len < size - 1)
            line[len++] = c;
    }
}

static bool expect(struct wire *w, char first)
{
    char line[1000];
    do {
        if (!get_line(w, line, sizeof line))
            return false;
    } while (strlen(line) > 3 && line[3] == '-');
    if (line[0] == first)
        return true;
    fprintf(stderr, "refused: %s\n", line);
    return false;
}

/* ---- the receivers ---- */

static bool receive_content(struct wire *w)
{
    char line[2000];
    size_t number = SIZE_MAX;
    for (;;) {
        if (!get_line(w, line, sizeof line))
            return false;
        if (strcmp(line, ".") == 0)
            break;
        if (number == SIZE_MAX && strncmp(line, "Subject: ", 9) == 0)
            number = strtoul(line + 9, NULL, 10);
    }
    if (number >= b.count)
        return put(w, "250 2.0.0 of no message of ours\r\n", 33);
    if (b.delivered_s[number] > 0)
        b.duplicates++;
    else
        b.delivered++;
    b.delivered_s[number] = now_s();
    return put(w, "250 2.0.0 ok\r\n", 14);
}

static bool answer(struct wire *w, const char *line)
{
    char text[300];
    if (strncmp(line, "EHLO", 4) == 0) {
        int len = snprintf(text, sizeof text,
                           "250-sites.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n%s"
                           "250 ENHANCEDSTATUSCODES\r\n",
                           b.tls && !w->ssl ? "250-STARTTLS\r\n" : "");
        return put(w, text, (size_t)len);
    }
    if (strncmp(line, "STARTTLS", 8) == 0) {
        if (!put(w, "220 go\r\n", 8))
            return false;
        w->ssl = SSL_new(b.tls);
        SSL_set_fd(w->ssl, w->fd);
        return SSL_accept(w->ssl) == 1;
    }
    if (strncmp(line, "DATA", 4) == 0)
        return put(w, "354 go\r\n", 8) && receive_content(w);
    if (strncmp(line, "QUIT", 4) == 0) {
        put(w, "221 bye\r\n", 9);
        return false;
    }
    return put(w, "250 2.0.0 ok\r\n", 14);
}

static void *receive(void *arg)
{
    struct wire *w = arg;
    char line[2000];
    if (put(w, "220 sites.test\r\n", 16))
        while (get_line(w, line, sizeof line) && answer(w, line))
            ;
    SSL_free(w->ssl);
    close(w->fd);
    free(w);
    return NULL;
}

static void start_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, run, arg) != 0)
        die("thread");
    pthread_attr_destroy(&attr);
}

static void *accept_all(void *arg)
{
    int fd = *(int *)arg, one = 1;
    for (;;) {
        struct wire *w = malloc(sizeof *w);
        if (!w)
            die("memory");
        *w = (struct wire){.fd = accept(fd, NULL, NULL)};
        if (w->fd < 0)
            die("accept");
        setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        b.connections++;
        start_thread(receive, w);
    }
    return NULL;
}

static void start_receivers(void)
{
    static int fd;
    int one = 1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(25)};
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 4096) < 0)
        die("port 25");
    start_thread(accept_all, &fd);
}

/* ---- the client ---- */

static bool submit(struct wire *w, char *content, size_t n)
{
    char text[500];
    int len = snprintf(text, sizeof text,
                       "MAIL FROM:<alice@our.test>\r\nRCPT TO:<r%zu@d%zu.%s.test>\r\nDATA\r\n", n,
                       n % b.domains, b.word);
    if (!put(w, text, (size_t)len) || !expect(w, '2') || !expect(w, '2') || !expect(w, '3'))
        return false;
    len = snprintf(content, 200,
                   "From: <alice@our.test>\r\nTo: <r@sites.test>\r\nSubject: %zu\r\n\r\n", n);
    memset(content + len, 'x', b.size);
    for (size_t i = 70; i < b.size; i += 72)
        memcpy(content + len + i, "\r\n", i + 1 < b.size ? 2 : 0);
    memcpy(content + len + b.size, "\r\n.\r\n", 5);
    if (!put(w, content, (size_t)len + b.size + 5) || !expect(w, '2'))
        return false;
    if (b.accepted_s) {
        b.accepted_s[n] = now_s();
        b.accepted++;
    }
    return true;
}

static void *submit_all(void *arg)
{
    (void)arg;
    struct wire *w = calloc(1, sizeof *w);
    char *content = malloc(b.size + 300);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(b.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    if (!w || !content)
        die("memory");
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(w->fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("the listener");
    bool fine = expect(w, '2') && put(w, "EHLO client.test\r\n", 18) && expect(w, '2');
    for (size_t n = 0; fine && (n = b.next++) < b.end;) {
        if (b.per_second > 0 && b.accepted_s)
            sleep_until(b.began_s + (double)n / b.per_second);
        fine = submit(w, content, n);
    }
    if (!fine)
        b.failed++;
    b.submitters--;
    close(w->fd);
    free(content);
    free(w);
    return NULL;
}

/* ---- what the kernel says of msad: the process and all below it ---- */

struct usage {
    double cpu_s;
    size_t pss_kib;
};

static size_t pss_kib_of(int pid)
{
    char path[60], line[200];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %zu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static struct usage usage(void)
{
    struct usage u = {0};
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        int pid = atoi(e->d_name), parent;
        unsigned long user, system;
        char path[60], line[1000];
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *f = pid > 0 ? fopen(path, "r") : NULL;
        if (!f)
            continue;
        char *behind = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
        if (behind &&
            sscanf(behind + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent, &user,
                   &system) == 3 &&
            (pid == b.msad || parent == b.msad)) {
            u.cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
            u.pss_kib += pss_kib_of(pid);
        }
        fclose(f);
    }
    if (d)
        closedir(d);
    return u;
}

/* ---- the report ---- */

static int by_value(const void *one, const void *other)
{
    double x = *(const double *)one, y = *(const double *)other;
    return (x > y) - (x < y);
}

static int report(const struct usage *before)
{
    struct usage after = usage();
    size_t n = 0;
    double last_accepted = b.began_s, last_delivered = b.began_s;
    double *delays = calloc(b.count, sizeof *delays);
    if (!delays)
        die("memory");
    for (size_t i = 0; i < b.count; i++) {
        if (b.accepted_s[i] > last_accepted)
            last_accepted = b.accepted_s[i];
        if (b.delivered_s[i] > last_delivered)
            last_delivered = b.delivered_s[i];
        if (b.accepted_s[i] > 0 && b.delivered_s[i] > 0)
            delays[n++] =
                b.delivered_s[i] > b.accepted_s[i] ? b.delivered_s[i] - b.accepted_s[i] : 0;
    }
    qsort(delays, n, sizeof *delays, by_value);
    printf("%zu accepted (%.0f/s), %zu delivered (%.0f/s), %zu duplicates, %zu missing\n",
           (size_t)b.accepted, (double)b.accepted / (last_accepted - b.began_s),
           (size_t)b.delivered, (double)b.delivered / (last_delivered - b.began_s),
           (size_t)b.duplicates, (size_t)(b.accepted - b.delivered));
    if (n > 0)
        printf("per 1,000 messages: %.1f connections, %.2f CPU seconds; delay p50 %.1f, p99 %.1f, "
               "max %.1f ms; memory %zu MiB\n",
               (double)b.connections * 1000 / (double)n,
               (after.cpu_s - before->cpu_s) * 1000 / (double)n, delays[n / 2] * 1e3,
               delays[n * 99 / 100] * 1e3, delays[n - 1] * 1e3, after.pss_kib / 1024);
    free(delays);
    return b.failed == 0 && b.delivered == b.count ? 0 : 1;
}

/* Starts to submit: messages 0 to count - 1 to that many domains. */
static void begin(const char *word, size_t domains, size_t count)
{
    b.word = word;
    b.domains = domains;
    b.end = count;
    b.next = 0;
    b.submitters = SUBMITTERS;
    b.began_s = now_s();
    for (int i = 0; i < SUBMITTERS; i++)
        start_thread(submit_all, NULL);
}

static void queue_dead(void)
{
    begin("dead", b.dead, b.dead);
    while (b.submitters > 0)
        usleep(10000);
    printf("%zu messages for dead sites after %.1f s\n", b.dead, now_s() - b.began_s);
    sleep(SETTLE_S);
}

int main(int argc, char **argv)
{
    if (argc != 9 && argc != 11) {
        fprintf(stderr,
                "usage: relay_traffic LISTENER-PORT PID COUNT SITES SIZE PER-SECOND SECONDS "
                "DEAD [CERTIFICATE KEY]\n");
        return 2;
    }
    b.port = (uint16_t)atoi(argv[1]);
    b.msad = atoi(argv[2]);
    b.count = strtoul(argv[3], NULL, 10);
    b.sites = strtoul(argv[4], NULL, 10);
    b.size = strtoul(argv[5], NULL, 10);
    b.per_second = atof(argv[6]);
    b.seconds = atof(argv[7]);
    b.dead = strtoul(argv[8], NULL, 10);
    double *accepted_s = calloc(b.count, sizeof *accepted_s);
    b.delivered_s = calloc(b.count, sizeof *b.delivered_s);
    if (b.count == 0 || b.sites == 0 || !accepted_s || !b.delivered_s)
        return 2;
    if (argc == 11) {
        b.tls = SSL_CTX_new(TLS_server_method());
        if (!b.tls || SSL_CTX_use_certificate_chain_file(b.tls, argv[9]) != 1 ||
            SSL_CTX_use_PrivateKey_file(b.tls, argv[10], SSL_FILETYPE_PEM) != 1)
            die("the certificate");
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {1 << 18, 1 << 18};
    setrlimit(RLIMIT_NOFILE, &files);
    start_receivers();
    if (b.dead > 0)
        queue_dead();
    struct usage before = usage();
    b.accepted_s = accepted_s;
    begin("sites", b.sites, b.count);
    while (b.delivered < b.count && now_s() < b.began_s + b.seconds)
        usleep(10000);
    usleep(200000); /* the last results are being committed */
    return report(&before);
}
