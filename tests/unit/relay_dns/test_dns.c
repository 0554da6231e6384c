/*
 * The resolver against a small authoritative server of our own: a thread with a UDP socket on
 * loopback, in a network namespace of its own where the test may make one.
 */
#include "relay/dns/dns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- server ---- */

static int server_fd;
static uint16_t server_port;
static atomic_uint asked_for_ok;

struct reply {
    const char *name; /* first label, before ".test" */
    int type;
    uint8_t rcode;
    struct sv answers; /* wire of the answer section, owner 0xc00c */
    uint8_t count;
    bool silent;
};

#define LIT(s)              \
    {                       \
        "" s, sizeof(s) - 1 \
    }
#define OWNER   "\xc0\x0c"
#define TTL     "\0\0\1\x2c"
#define A_RR    OWNER "\0\1\0\1" TTL "\0\4"
#define MX_RR   OWNER "\0\x0f\0\1" TTL
#define SRV_RR  OWNER "\0\x21\0\1" TTL
#define TLSA_RR OWNER "\0\x34\0\1" TTL
static const struct reply replies[] = {
    {"ok", DNS_A, 0, LIT(A_RR "\xc0\0\2\1" A_RR "\xc0\0\2\2"), 2, false},
    {"ok", DNS_AAAA, 0, LIT(""), 0, false},
    {"mail", DNS_MX, 0, LIT(MX_RR "\0\x0c\0\x0a\3Two\4test\0" MX_RR "\0\x0c\0\5\3one\4test\0"), 2,
     false},
    {"null", DNS_MX, 0, LIT(MX_RR "\0\3\0\0\0"), 1, false},
    {"evil", DNS_MX, 0, LIT(MX_RR "\0\x0c\0\5\3o\nx\4test\0"), 1, false},
    {"fail", DNS_MX, 2, LIT(""), 0, false},
    /* the root's keys without their signatures: a resolver that strips DNSSEC */
    {"", DNS_DNSKEY, 0,
     LIT(OWNER "\0\x30\0\1" TTL "\0\x08\1\1\3\x08"
               "abcd"),
     1, false},
    {"silent", DNS_MX, 0, LIT(""), 0, true},
    {"srv", DNS_SRV, 0, LIT(SRV_RR "\0\x10\0\5\0\1\0\x19\3Mx6\4test\0"), 1, false},
    {"tlsa", DNS_TLSA, 0, LIT(TLSA_RR "\0\5\3\1\1ab" TLSA_RR "\0\3\3\1\1"), 2, false},
    {"alias", DNS_CNAME, 0, LIT(OWNER "\0\5\0\1" TTL "\0\x09\2OK\4test\0"), 1, false},
    {"alias", DNS_A, 0,
     LIT(OWNER "\0\5\0\1" TTL "\0\x09\2ok\4test\0"
               "\2ok\4test\0"
               "\0\1\0\1" TTL "\0\4\xc0\0\2\1"),
     2, false},
};
static const struct sv soa =
    LIT("\4test\0\0\6\0\1" TTL "\0\x16\0\0\0\0\0\1\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\x3c");

static size_t answer(uint8_t *p, size_t len)
{
    if (len < 17)
        return 0;
    size_t label = p[12], end = 12;
    while (end < len && p[end])
        end += (size_t)p[end] + 1;
    int type = p[end + 1] << 8 | p[end + 2];
    const struct reply *r = NULL;
    bool known = false;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        if (strlen(replies[i].name) != label || strncasecmp(replies[i].name, (char *)p + 13, label))
            continue;
        known = true;
        if (replies[i].type == type)
            r = &replies[i];
    }
    if (label == 2 && type == DNS_A && r)
        atomic_fetch_add(&asked_for_ok, 1);
    if (r && r->silent)
        return 0;
    uint8_t rcode = r ? r->rcode : known ? 0 : 3;
    uint8_t count = r ? r->count : 0;
    p[2] = 0x84;
    p[3] = (uint8_t)(0x80 | rcode);
    memset(p + 6, 0, 6);
    p[7] = count;
    p[9] = count == 0;
    size_t at = end + 5;
    struct sv body = count ? r->answers : soa;
    memcpy(p + at, body.ptr, body.len);
    return at + body.len;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        uint8_t packet[2048];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(server_fd, packet, 1024, 0, (struct sockaddr *)&from, &from_len);
        if (n <= 0)
            return NULL;
        if (n == 1)
            return NULL; /* the test ends */
        size_t len = answer(packet, (size_t)n);
        if (len)
            sendto(server_fd, packet, len, 0, (struct sockaddr *)&from, from_len);
    }
}

/* ---- client ---- */

static struct loop *loop;
static struct dns *dns;
static size_t left;

struct want {
    const char *name;
    enum dns_type type;
    enum dns_status status;
    size_t nrecords;
    const char *first; /* name or address */
};

static void on_answer(void *arg, const struct dns_answer *a)
{
    const struct want *w = arg;
    char text[IP_TEXT_MAX];
    if (a->status != w->status || a->nrecords != w->nrecords)
        fail_msg("%s %s: status %d, %zu records, %s", w->name, dns_type_text(w->type), a->status,
                 a->nrecords, a->text ? a->text : "");
    assert_false(a->secure);
    bool address = w->type == DNS_A || w->type == DNS_AAAA;
    if (w->first)
        assert_string_equal(address ? ip_text(&a->records[0].ip, text) : a->records[0].name,
                            w->first);
    if (strcmp(w->name, "alias.test") == 0 && w->type == DNS_A)
        assert_string_equal(a->canonical, "ok.test");
    if (--left == 0)
        loop_stop(loop);
}

static int open_dns(void **state)
{
    const char *why = "";
    struct ip_port server = {{.family = IP_V4, .bytes = {127, 0, 0, 1}}, server_port};
    (void)state;
    loop = loop_new();
    if (dns_new(&(struct dns_config){.loop = loop, .servers = &server, .nservers = 1}, &dns, &why) <
        0)
        fail_msg("%s", why);
    return 0;
}

static int close_dns(void **state)
{
    (void)state;
    dns_free(dns);
    loop_stop(loop);
    loop_run(loop); /* what was closed ends */
    loop_free(loop);
    return 0;
}

static void on_stop(void *arg)
{
    loop_stop(arg);
}

static void answers(void **state)
{
    static struct want wants[] = {
        {"ok.test", DNS_A, DNS_OK, 2, NULL},
        {"ok.test", DNS_AAAA, DNS_NODATA, 0, NULL},
        {"nowhere.test", DNS_MX, DNS_NXDOMAIN, 0, NULL},
        {"mail.test", DNS_MX, DNS_OK, 2, NULL},
        {"null.test", DNS_MX, DNS_OK, 1, ""},
        {"evil.test", DNS_MX, DNS_TEMPFAIL, 0, NULL}, /* a name that must not reach a log */
        {"fail.test", DNS_MX, DNS_TEMPFAIL, 0, NULL},
        {"alias.test", DNS_A, DNS_OK, 2, NULL},
        {"alias.test", DNS_CNAME, DNS_OK, 1, "ok.test"},
        {"srv.test", DNS_SRV, DNS_OK, 1, "mx6.test"},
        {"srv.test", DNS_TLSA, DNS_NODATA, 0, NULL},
        {"tlsa.test", DNS_TLSA, DNS_OK, 1, NULL}, /* and one that is malformed */
        {"bad..name", DNS_MX, DNS_NXDOMAIN, 0, NULL},
        {"sp ace.test", DNS_MX, DNS_NXDOMAIN, 0, NULL},
    };
    (void)state;
    left = sizeof wants / sizeof *wants;
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        dns_query(dns, wants[i].name, wants[i].type, 20000, on_answer, &wants[i]);
    loop_run(loop);
    assert_int_equal(left, 0);
}

static void equal_questions_are_asked_once(void **state)
{
    static struct want want = {"ok.test", DNS_A, DNS_OK, 2, NULL};
    struct dns_stats st;
    (void)state;
    unsigned before = atomic_load(&asked_for_ok);
    left = 50;
    for (size_t i = 0; i < 50; i++)
        dns_query(dns, "ok.test", DNS_A, 20000, on_answer, &want);
    struct dns_query *canceled = dns_query(dns, "ok.test", DNS_A, 20000, NULL, NULL);
    dns_cancel(canceled);
    dns_get_stats(dns, &st);
    assert_int_equal(st.in_flight, 1);
    assert_int_equal(st.merged, 50);
    loop_run(loop);
    assert_int_equal(atomic_load(&asked_for_ok) - before, 1);
    dns_get_stats(dns, &st);
    assert_int_equal(st.in_flight, 0);
}

static void a_deadline_ends_a_silent_server(void **state)
{
    static struct want want = {"silent.test", DNS_MX, DNS_TEMPFAIL, 0, NULL};
    struct dns_stats st;
    (void)state;
    left = 1;
    uint64_t began = loop_now_ms(loop);
    dns_query(dns, "silent.test", DNS_MX, 300, on_answer, &want);
    loop_run(loop);
    assert_in_range(loop_now_ms(loop) - began, 250, 2000);
    dns_get_stats(dns, &st);
    assert_int_equal(st.timeouts, 1);
    assert_int_equal(st.in_flight, 0);
}

static void canceled_questions_stay_silent(void **state)
{
    struct timer stop;
    (void)state;
    dns_cancel(dns_query(dns, "ok.test", DNS_A, 5000, NULL, NULL));
    dns_cancel(dns_query(dns, "silent.test", DNS_MX, 100, NULL, NULL));
    dns_cancel(dns_query(dns, "bad..name", DNS_MX, 100, NULL, NULL));
    dns_query(dns, "silent.test", DNS_MX, 60000, NULL, NULL); /* ended by dns_free() */
    timer_init(&stop, loop, on_stop, loop);
    timer_start(&stop, 300);
    loop_run(loop);
}

static struct timer poll_timer;
static unsigned polls;

static void on_poll(void *arg)
{
    struct dns_stats st;
    (void)arg;
    dns_get_stats(dns, &st);
    if (!st.validating || ++polls > 1000)
        loop_stop(loop);
    else
        timer_start(&poll_timer, 10);
}

static unsigned changes;

static void on_validating(void *arg)
{
    assert_ptr_equal(arg, &changes);
    changes++;
}

/* Validation is given up where it would make every answer bogus, and mail goes on. */
static void a_resolver_without_dnssec_is_used_insecurely(void **state)
{
    static struct want want = {"mail.test", DNS_MX, DNS_OK, 2, NULL};
    const char *why = "";
    struct dns_stats st;
    struct ip_port server = {{.family = IP_V4, .bytes = {127, 0, 0, 1}}, server_port};
    struct dns_config config = {
        .servers = &server,
        .nservers = 1,
        .dnssec = true,
        .on_validating = on_validating,
        .arg = &changes,
        .trust_anchor = SV("; the root\n. 172800 IN DS 20326 8 2 "
                           "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\r\n")};
    (void)state;
    config.loop = loop = loop_new();
    assert_int_equal(dns_new(&config, &dns, &why), 0);
    dns_get_stats(dns, &st);
    assert_true(st.validating);
    assert_false(st.stripped);
    timer_init(&poll_timer, loop, on_poll, NULL);
    timer_start(&poll_timer, 10);
    loop_run(loop);
    dns_get_stats(dns, &st);
    assert_false(st.validating);
    assert_true(st.stripped);
    assert_in_range(st.stripped_ms, 0, 5000); /* not since 1970 */
    assert_non_null(strstr(st.server, "127.0.0.1:"));
    assert_int_equal(changes, 1);
    left = 1;
    dns_query(dns, "mail.test", DNS_MX, 20000, on_answer, &want);
    loop_run(loop);
    close_dns(NULL);
}

static void no_server_is_an_error(void **state)
{
    struct dns *none = NULL;
    const char *why = NULL;
    struct loop *l = loop_new();
    (void)state;
    struct dns_config config = {.loop = l,
                                .resolv_conf = SV("search test\n#nameserver 127.0.0.1\n")};
    assert_int_equal(dns_new(&config, &none, &why), ERR_DNS);
    assert_non_null(why);
    config.resolv_conf = SV("nameserver\t127.0.0.1\r\nnameserver ::1%lo\n");
    assert_int_equal(dns_new(&config, &none, &why), 0);
    dns_free(none);
    config.dnssec = true;
    config.trust_anchor = SV("this is no record\n");
    assert_int_equal(dns_new(&config, &none, &why), ERR_DNS);
    loop_stop(l);
    loop_run(l);
    loop_free(l);
}

static void only_loopback(void)
{
    struct ifreq lo = {.ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) < 0)
        return; /* not root: only loopback servers are named anyway */
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    strcpy(lo.ifr_name, "lo");
    ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    only_loopback();
    server_fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server_fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        getsockname(server_fd, (struct sockaddr *)&at, &len) < 0)
        return 1;
    server_port = ntohs(at.sin_port);
    pthread_create(&thread, NULL, serve, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, open_dns, close_dns),
        cmocka_unit_test_setup_teardown(equal_questions_are_asked_once, open_dns, close_dns),
        cmocka_unit_test_setup_teardown(a_deadline_ends_a_silent_server, open_dns, close_dns),
        cmocka_unit_test_setup_teardown(canceled_questions_stay_silent, open_dns, close_dns),
        cmocka_unit_test(a_resolver_without_dnssec_is_used_insecurely),
        cmocka_unit_test(no_server_is_an_error),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sendto(server_fd, "", 1, 0, (struct sockaddr *)&at, sizeof at);
    pthread_join(thread, NULL);
    close(server_fd);
    return failed;
}
