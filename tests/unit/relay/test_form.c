/*
 * Forms of content: made once, shared, and gone with the last who uses them; then as jobs use them,
 * towards a receiver on loopback that says what the test wants.
 */
#include "tests/unit/relay/relay_fixture.h"

#include "msa/base/utf8.h"
#include "relay/form.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EIGHT_BIT                                                                                  \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc" \
    "n, and more words\r\n"
#define SIGNED                                                                                \
    "Subject: x\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n" \
    "--b--\r\n"

static atomic_uint none;

static void open_no_host(void)
{
    open_relay(&(struct relay_setup){
        .url = "smtp://127.0.0.1:1", .tls = RELAY_ROUTE_TLS_NONE, .messages = &none});
}

static void close_no_host(void)
{
    stop_relay();
    close_stopped_relay();
    free_loop();
}

/* ---- asking ---- */

struct asked {
    struct relay_form *form;
    struct relay_form_answer answer;
    unsigned answers;
};
static unsigned wanted;

static void on_answer(void *arg, const struct relay_form_answer *a)
{
    struct asked *k = arg;
    k->answer = *a;
    k->answers++;
    if (--wanted == 0)
        loop_stop(t.loop);
}

static void ask(struct asked *k, struct queue_message *m, unsigned form)
{
    memset(k, 0, sizeof *k);
    k->form = relay_form_ask(t.worker, m, form, t.settings, on_answer, k);
}

static void run_for(unsigned answers)
{
    wanted = answers;
    loop_run(t.loop);
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

/* What has been posted is done, also on the disk pool. */
static void settle(void)
{
    struct timer timer;
    timer_init(&timer, t.loop, on_time, t.loop);
    timer_start(&timer, 100);
    loop_run(t.loop);
    timer_stop(&timer);
}

static unsigned count_spooled(void)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/spool", t.dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void wait_until_none_is_spooled(void)
{
    settle();
    for (int i = 0; i < 100 && count_spooled(); i++)
        settle();
    assert_int_equal(count_spooled(), 0);
}

static struct queue_message *make(const char *head, const char *line, size_t lines)
{
    struct queue_message *m = queue_message_new();
    struct buf text;
    buf_init(&text, SIZE_MAX, 0);
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    assert_int_equal(buf_put(&text, sv_of(head)), 0);
    for (size_t i = 0; i < lines; i++)
        assert_int_equal(buf_put(&text, sv_of(line)), 0);
    m->size = buf_len(&text);
    m->content = block_from_buf(&text);
    m->eight_bit = true;
    return m;
}

static void one_form_for_all_who_ask(void **state)
{
    (void)state;
    struct asked k[3], other;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "", 0);
    m->prefix = "DKIM-Signature: of the message, not of its form\r\n";
    for (int i = 0; i < 3; i++)
        ask(&k[i], m, REWRITE_FORM_7BIT);
    ask(&other, m, REWRITE_FORM_LINES);
    run_for(4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(k[i].answer.err, 0);
        assert_int_equal(k[i].answer.unfit, REWRITE_UNFIT_NONE);
        assert_ptr_equal(k[i].answer.content, k[0].answer.content);
    }
    struct queue_message *made = k[0].answer.content;
    struct sv text = block_view(made->content);
    assert_ptr_not_equal(made, m);
    assert_true(utf8_is_ascii(text) && !made->eight_bit && made->size == text.len);
    assert_non_null(memmem(text.ptr, text.len, "Gr=C3=BCn", 9));
    assert_string_equal(made->prefix, "");
    /* nothing has to change for that one: the message itself, with its prefix */
    assert_ptr_equal(other.answer.content, m);
    relay_form_end(other.form);
    for (int i = 0; i < 2; i++)
        relay_form_end(k[i].form);
    settle();
    assert_int_equal(made->content != NULL, true); /* the third still has it */
    relay_form_end(k[2].form);
    queue_message_drop(m);
    close_no_host();
}

static void a_large_form_is_a_file_until_its_last_use(void **state)
{
    (void)state;
    struct asked k[2];
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k[0], m, REWRITE_FORM_7BIT);
    run_for(1);
    ask(&k[1], m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_ptr_equal(k[0].answer.content, k[1].answer.content);
    assert_true(k[0].answer.content->spooled && k[0].answer.content->size > 500000);
    assert_int_equal(count_spooled(), 1);
    relay_form_end(k[0].form);
    settle();
    assert_int_equal(count_spooled(), 1);
    relay_form_end(k[1].form);
    wait_until_none_is_spooled();
    queue_message_drop(m);
    close_no_host();
}

static void what_cannot_be_says_why(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(SIGNED, "", 0);
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, 0);
    assert_int_equal(k.answer.unfit, REWRITE_UNFIT_SIGNED);
    assert_null(k.answer.content);
    relay_form_end(k.form);
    queue_message_drop(m);
    close_no_host();
}

static void a_failure_is_not_kept(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "", 0);
    struct block *content = m->content;
    m->content = NULL; /* the store does not know it */
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, ERR_NOT_FOUND);
    assert_null(k.answer.content);
    m->content = content;
    struct relay_form *first = k.form;
    ask(&k, m, REWRITE_FORM_7BIT);
    run_for(1);
    assert_int_equal(k.answer.err, 0);
    relay_form_end(first);
    relay_form_end(k.form);
    queue_message_drop(m);
    close_no_host();
}

static void who_has_ended_is_not_answered(void **state)
{
    (void)state;
    struct asked k, late;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_form_end(k.form);
    wait_until_none_is_spooled();
    assert_int_equal(k.answers, 0);
    ask(&late, m, REWRITE_FORM_7BIT); /* while another one's is in the making */
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_form_end(late.form);
    run_for(1);
    assert_int_equal(late.answers, 0);
    assert_int_equal(k.answer.err, 0);
    relay_form_end(k.form);
    wait_until_none_is_spooled();
    queue_message_drop(m);
    close_no_host();
}

static void a_stop_ends_what_is_in_the_making(void **state)
{
    (void)state;
    struct asked k;
    open_no_host();
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    ask(&k, m, REWRITE_FORM_7BIT);
    relay_worker_stop(t.worker);
    run_for(1);
    assert_int_equal(k.answer.err, ERR_CANCELED);
    relay_form_end(k.form);
    wait_until_none_is_spooled();
    queue_message_drop(m);
    close_no_host();
}

/* ---- jobs ---- */

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

static void close_host(void)
{
    close_no_host();
    shutdown(host.fd, SHUT_RDWR);
    pthread_join(host.thread, NULL);
    close(host.fd);
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

/* The connection goes while the form is made: it serves the next one. */
static void a_connection_that_is_lost_meanwhile(void **state)
{
    (void)state;
    open_host("SIZE");
    host.drops = true;
    struct queue_message *m = make(EIGHT_BIT, "Gr\xc3\xbcn\r\n", 60000);
    put_message(m, "", to, 1);
    run_until(1, 0); /* this host's turn is over; it is tried again later */
    wait_until_none_is_spooled();
    close_host();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_form_for_all_who_ask),
        cmocka_unit_test(a_large_form_is_a_file_until_its_last_use),
        cmocka_unit_test(what_cannot_be_says_why),
        cmocka_unit_test(a_failure_is_not_kept),
        cmocka_unit_test(who_has_ended_is_not_answered),
        cmocka_unit_test(a_stop_ends_what_is_in_the_making),
        cmocka_unit_test(ascii_is_sent_as_it_is),
        cmocka_unit_test(each_hop_gets_the_form_it_can_take),
        cmocka_unit_test(destinations_share_a_form),
        cmocka_unit_test(a_form_that_cannot_be_written),
        cmocka_unit_test(a_connection_that_is_lost_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
