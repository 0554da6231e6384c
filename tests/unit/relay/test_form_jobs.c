/*
 * Forms of content as jobs use them, towards a receiver on loopback that says what the test wants.
 */
#include "tests/unit/relay/form_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int fd;
    uint16_t port;
    pthread_t thread;
    const char *ehlo;      /* its last line */
    bool drops;            /* closes after EHLO, once */
    char mail[4096];       /* the last MAIL */
    char content[2 << 20]; /* the last message */
    size_t len;
    atomic_uint connections;
} host;
static atomic_uint messages;

static void take_data(FILE *f)
{
    char line[4096];
    host.len = 0;
    while (fgets(line, sizeof line, f) && strcmp(line, ".\r\n") != 0) {
        size_t n = strlen(line);
        memcpy(host.content + host.len, line, n);
        host.len += n;
    }
    host.content[host.len] = '\0';
}

static void say(FILE *f, const char *text)
{
    fprintf(f, "%s\r\n", text);
    fflush(f);
}

static void converse(FILE *f)
{
    char line[4096];
    say(f, "220 test");
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "EHLO", 4) == 0) {
            fprintf(f, "250-test\r\n250 %s\r\n", host.ehlo);
            fflush(f);
            if (host.drops) {
                host.drops = false;
                return;
            }
        } else if (strncmp(line, "DATA", 4) == 0) {
            say(f, "354 go");
            take_data(f);
            atomic_fetch_add(&messages, 1);
            say(f, "250 2.0.0 taken");
        } else {
            if (strncmp(line, "MAIL", 4) == 0)
                snprintf(host.mail, sizeof host.mail, "%s", line);
            say(f, "250 2.0.0 ok");
        }
    }
}

static void *receive(void *arg)
{
    int fd;
    (void)arg;
    while ((fd = accept(host.fd, NULL, NULL)) >= 0) {
        FILE *f = fdopen(fd, "r+");
        atomic_fetch_add(&host.connections, 1);
        setvbuf(f, NULL, _IONBF, 0);
        converse(f);
        fclose(f);
    }
    return NULL;
}

static void open_host(const char *ehlo)
{
    static char url[40];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    memset(&host, 0, sizeof host);
    host.ehlo = ehlo;
    host.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(host.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(host.fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(host.fd, 8), 0);
    pthread_create(&host.thread, NULL, receive, NULL);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", ntohs(at.sin_port));
    atomic_store(&messages, 0);
    open_relay(
        &(struct relay_setup){.url = url, .tls = RELAY_ROUTE_TLS_NONE, .messages = &messages});
}

static void shut_host(void)
{
    shutdown(host.fd, SHUT_RDWR);
    pthread_join(host.thread, NULL);
    close(host.fd);
}

static void close_host(void)
{
    close_no_host();
    shut_host();
}

static const char *const to[] = {"a@x.test", "b@y.test", "c@z.test"};

/* What needs nothing goes as it is. */
static void ascii_is_sent_as_it_is(void **state)
{
    (void)state;
    open_host("SIZE");
    submit("", to, 1, "Subject: x\r\n\r\nplain\r\n");
    run_until(0, 1);
    assert_string_equal(host.content, "Subject: x\r\n\r\nplain\r\n");
    close_host();
}

static void each_hop_gets_the_form_it_can_take(void **state)
{
    (void)state;
    static const struct {
        const char *ehlo, *content;
        bool eight_bit, long_lines, smtputf8;
        const char *mail, *has; /* NULL: no MAIL was said, the message failed */
    } rows[] = {
        {"SIZE", EIGHT_BIT, true, false, false, "MAIL FROM:<> SIZE=146\r\n", "Gr=C3=BCn"},
        {"8BITMIME", EIGHT_BIT, true, false, false, "MAIL FROM:<> BODY=8BITMIME\r\n",
         "Gr\xc3\xbcn"},
        {"SIZE", SIGNED, true, false, false, "", NULL},
        {"8BITMIME", SIGNED, true, false, false, "MAIL FROM:<> BODY=8BITMIME\r\n", "\xc3\xbc"},
        {"8BITMIME", "Subject: \xc3\xbc\r\n\r\nx\xc3\xbc\r\n", true, false, true,
         "MAIL FROM:<> BODY=8BITMIME\r\n", "Subject: =?utf-8?B?w7w=?=\r\n\r\nx\xc3\xbc\r\n"},
        {"SIZE", "Subject: \xc3\xbc\r\n\r\nx\r\n", true, false, true, "MAIL FROM:<> SIZE=32\r\n",
         "Subject: =?utf-8?B?w7w=?=\r\n\r\nx\r\n"},
        {"SIZE 20", EIGHT_BIT, true, false, false, "", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s: %zu\n", rows[i].ehlo, i);
        open_host(rows[i].ehlo);
        struct queue_message *m = make(rows[i].content, "", 0);
        m->eight_bit = rows[i].eight_bit;
        m->long_lines = rows[i].long_lines;
        m->smtputf8 = rows[i].smtputf8;
        put_message(m, "", to, 1);
        run_until(0, rows[i].has ? 1 : 0);
        assert_string_equal(host.mail, rows[i].mail);
        if (rows[i].has)
            assert_non_null(strstr(host.content, rows[i].has));
        wait_until_none_is_spooled();
        close_host();
    }
}

/* Three destinations and a large message: one form, and nothing of it is left. */
static void destinations_share_a_form(void **state)
{
    (void)state;
    open_host("SIZE");
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 20000);
    put_message(m, "", to, 3);
    run_until(0, 3);
    assert_true(host.len > 150000);
    assert_true(utf8_is_ascii((struct sv){host.content, host.len}));
    wait_until_none_is_spooled();
    close_host();
}

/* A disk that takes nothing puts the message off, and nothing more. */
static void a_form_that_cannot_be_written(void **state)
{
    (void)state;
    char path[128];
    open_host("SIZE");
    snprintf(path, sizeof path, "%s/spool", t.dir);
    assert_int_equal(rmdir(path), 0);
    /* small enough for the database, its form is not */
    put_message(make("Subject: x\r\n\r\n", "\xfc\xfc\xfc\xfc\r\n", 10000), "", to, 1);
    run_until(1, 0);
    assert_string_equal(host.mail, "");
    assert_int_equal(mkdir(path, 0700), 0);
    close_host();
}

/* The connection goes while the form is made: another one is opened with it. */
static void a_connection_that_is_lost_meanwhile(void **state)
{
    (void)state;
    open_host("SIZE");
    host.drops = true;
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    put_message(m, "", to, 1);
    run_until(0, 1);
    assert_int_equal(atomic_load(&host.connections), 2);
    wait_until_none_is_spooled();
    close_host();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_is_sent_as_it_is),
        cmocka_unit_test(each_hop_gets_the_form_it_can_take),
        cmocka_unit_test(destinations_share_a_form),
        cmocka_unit_test(a_form_that_cannot_be_written),
        cmocka_unit_test(a_connection_that_is_lost_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
