/*
 * Jobs and what next hops can and cannot do: two receivers on loopback (threads with blocking
 * sockets), each with its own EHLO reply, as targets of one route.
 */
#include "tests/unit/relay/relay_fixture.h"

#include "msa/base/log.h"
#include "msa/smtp/ext.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define RRVS " RRVS=2026-01-01T00:00:00Z"

/* ---- receivers ---- */

static struct host {
    int fd;
    uint16_t port;
    pthread_t thread;
    const char *ehlo;          /* last line of the reply, "250 " before it; NULL: nobody listens */
    const char *refuse, *with; /* a verb, "220" the greeting or "." the end of data; the reply,
                                  NULL: it breaks off, "...": none */
    unsigned rcpt_most;    /* of a transaction; those behind it get 452 4.5.3; 0: all are taken */
    unsigned refuse_chunk; /* this chunk of a session gets 452; counted from 1 */
    char seen[20000];      /* commands, " " between them */
    size_t seen_len, bytes, chunks;
    unsigned connections, recipients;
} hosts[2];
static atomic_uint messages;

static void note(struct host *h, const char *text)
{
    h->seen_len +=
        (size_t)snprintf(h->seen + h->seen_len, sizeof h->seen - h->seen_len, "%s ", text);
    assert_true(h->seen_len < sizeof h->seen);
}

static bool get_line(FILE *in, char *line, size_t room)
{
    if (!fgets(line, (int)room, in))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static void put(FILE *f, const char *text)
{
    fprintf(f, "%s\r\n", text);
    fflush(f);
}

static void get_chunk(struct host *h, FILE *f, const char *line)
{
    static char piece[65536];
    size_t size = strtoul(line + 5, NULL, 10);
    h->chunks++;
    while (size) {
        size_t got = fread(piece, 1, size < sizeof piece ? size : sizeof piece, f);
        if (got == 0)
            return;
        h->bytes += got;
        size -= got;
    }
    if (h->chunks == h->refuse_chunk) {
        put(f, "452 4.3.1 no room");
        return;
    }
    put(f, "250 2.0.0 ok");
    if (strstr(line, "LAST"))
        atomic_fetch_add(&messages, 1);
}

static bool refuses(const struct host *h, FILE *f, const char *what)
{
    bool is_it = h->refuse && strcmp(h->refuse, what) == 0;
    if (is_it && h->with && strcmp(h->with, "...") != 0)
        put(f, h->with);
    else if (is_it && !h->with)
        shutdown(fileno(f), SHUT_RDWR);
    return is_it;
}

static void get_data(struct host *h, FILE *f)
{
    char line[2048];
    put(f, "354 go");
    while (fgets(line, sizeof line, f) && strcmp(line, ".\r\n") != 0)
        h->bytes += strlen(line);
    if (refuses(h, f, "."))
        return;
    put(f, "250 2.0.0 taken");
    atomic_fetch_add(&messages, 1);
}

static void converse(struct host *h, FILE *f)
{
    char line[2048], verb[8];
    bool refused = false;
    unsigned recipients = 0; /* of the transaction */
    if (refuses(h, f, "220"))
        return;
    put(f, "220 test");
    while (get_line(f, line, sizeof line)) {
        snprintf(verb, sizeof verb, "%.4s", line);
        note(h, verb);
        bool follows = strcmp(verb, "RCPT") == 0 || strcmp(verb, "DATA") == 0;
        recipients = strcmp(verb, "RCPT") != 0 ? 0 : recipients + 1;
        if (h->rcpt_most && recipients > h->rcpt_most) {
            put(f, "452 4.5.3 too many");
            continue;
        }
        refused = refuses(h, f, verb) || (refused && follows);
        if (refused) {
            if (follows && h->with && strcmp(verb, h->refuse) != 0 && strcmp(h->with, "...") != 0)
                put(f, "503 5.5.1 not now");
        } else if (strcmp(verb, "EHLO") == 0) {
            fprintf(f, "250-test\r\n250-PIPELINING\r\n250 %s\r\n", h->ehlo);
            fflush(f);
        } else if (strcmp(verb, "BDAT") == 0) {
            get_chunk(h, f, line);
        } else if (strcmp(verb, "DATA") == 0) {
            get_data(h, f);
        } else if (strcmp(verb, "QUIT") == 0) {
            put(f, "221 bye");
            return;
        } else {
            h->recipients += strcmp(verb, "RCPT") == 0;
            put(f, "250 2.0.0 ok");
        }
    }
}

static void *receive(void *arg)
{
    struct host *h = arg;
    int fd;
    while ((fd = accept(h->fd, NULL, NULL)) >= 0) {
        FILE *in = fdopen(fd, "r+");
        h->connections++;
        setvbuf(in, NULL, _IONBF, 0);
        converse(h, in);
        fclose(in);
    }
    return NULL;
}

static void host_start(struct host *h, const char *ehlo)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *h = (struct host){.ehlo = ehlo};
    h->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(h->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(h->fd, (struct sockaddr *)&at, &len), 0);
    h->port = ntohs(at.sin_port);
    if (!ehlo)
        return;
    assert_int_equal(listen(h->fd, 8), 0);
    pthread_create(&h->thread, NULL, receive, h);
}

static void host_stop(struct host *h)
{
    if (h->ehlo) {
        shutdown(h->fd, SHUT_RDWR);
        pthread_join(h->thread, NULL);
    }
    close(h->fd);
}

/* ---- both ---- */

static void open_hosts(const char *first, const char *second, uint32_t exts_off)
{
    static char urls[2][64];
    host_start(&hosts[0], first);
    host_start(&hosts[1], second);
    for (int i = 0; i < 2; i++)
        snprintf(urls[i], sizeof urls[i], "smtp://127.0.0.1:%u", hosts[i].port);
    atomic_store(&messages, 0);
    options.per_site = 1;
    open_relay(&(struct relay_setup){.url = urls[0],
                                     .other_url = urls[1],
                                     .exts_off = exts_off,
                                     .tls = RELAY_ROUTE_TLS_NONE,
                                     .messages = &messages});
}

static void close_hosts(void)
{
    stop_relay();
    close_stopped_relay();
    free_loop();
    host_stop(&hosts[0]);
    host_stop(&hosts[1]);
    rcpt_params = "";
}

#define CONTENT "Subject: x\r\n\r\nbody\r\n.dot\r\n"

/* ---- what backs the whole site off ---- */

static const struct {
    const char *refuse, *with;  /* by both hosts */
    unsigned connections[2];    /* of two messages */
    size_t down_by_one, by_two; /* sites, after one message and after two */
} backing_off[] = {
    {"220", "421 4.3.2 later", {1, 1}, 1, 1},
    {"220", "554 5.7.1 not you", {1, 1}, 1, 1},
    {"EHLO", "450 4.3.2 later", {1, 1}, 1, 1},
    {"MAIL", "451 4.3.0 later", {1, 1}, 1, 1},
    {"MAIL", "421 4.3.2 later", {1, 1}, 1, 1},
    {"RCPT", "450 4.2.1 later", {1, 0}, 0, 0},
    {"RCPT", "450 4.7.28 slowly", {1, 0}, 1, 1},
    {".", "451 4.3.0 later", {1, 0}, 0, 0},
    {".", "451 4.7.28 slowly", {1, 0}, 1, 1},
    {".", "421 4.7.28 slowly", {1, 0}, 1, 1},
    {"MAIL", "421 4.7.28 slowly", {1, 0}, 1, 1},
    {"MAIL", NULL, {2, 2}, 0, 1},
    {"RCPT", NULL, {2, 2}, 0, 1},
    {"DATA", NULL, {2, 2}, 0, 0},
    {".", NULL, {2, 0}, 0, 0},
};

static size_t sites_down(void)
{
    struct sched_stats st;
    relay_get_stats(t.relay, &st);
    return st.sites_down;
}

static void a_refusal_backs_off_what_it_is_about(void **state)
{
    static const char *const to[] = {"a@x.test"};
    static const char *codes[] = {"4.7.28"};
    (void)state;
    options.site_backoff_codes = (struct conf_strings){.items = codes, .count = 1};
    for (size_t i = 0; i < sizeof backing_off / sizeof backing_off[0]; i++) {
        print_message("%s to %s\n", backing_off[i].with ? backing_off[i].with : "breaks off",
                      backing_off[i].refuse);
        open_hosts("SIZE", "SIZE", 0);
        for (int k = 0; k < 2; k++) {
            hosts[k].with = backing_off[i].with;
            hosts[k].refuse = backing_off[i].refuse;
        }
        submit("", to, 1, CONTENT);
        run_until(1, 0);
        assert_int_equal(sites_down(), backing_off[i].down_by_one);
        submit("", to, 1, CONTENT);
        run_until(2, 0);
        assert_int_equal(sites_down(), backing_off[i].by_two);
        close_hosts();
        for (int k = 0; k < 2; k++)
            assert_int_equal(hosts[k].connections, backing_off[i].connections[k]);
    }
    options.site_backoff_codes = (struct conf_strings){.count = 0};
}

/* A message that cannot go to any host says nothing of the site, neither for it nor against it. */
static void what_asks_nobody_is_no_answer(void **state)
{
    static const char *const to[] = {"a@x.test"};
    (void)state;
    open_hosts(NULL, NULL, 0);
    submit("", to, 1, CONTENT);
    run_until(1, 0);
    assert_int_equal(sites_down(), 0);
    mail_params = " DAMAGED=1";
    submit("", to, 1, CONTENT);
    run_until(1, 0);
    mail_params = "";
    submit("", to, 1, CONTENT);
    run_until(2, 0);
    assert_int_equal(sites_down(), 1);
    close_hosts();
}

/* ---- a job that the scheduler gives up ---- */

static char said[400];

static void on_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (strstr(line, " deferred "))
        snprintf(said, sizeof said, "%.*s", (int)len, line);
}

static void on_late(void *arg)
{
    (void)arg;
    for (uint32_t slot = 1; slot < 4; slot++)
        relay_worker_give_up(t.worker, slot);
}

/* What is said of it is where it stood, and for how long. */
static void a_late_job_tells_its_phase(void **state)
{
    static const char *const to[] = {"a@x.test"};
    struct timer late;
    (void)state;
    open_hosts("SIZE", "SIZE", 0);
    hosts[0].refuse = "RCPT";
    hosts[0].with = "...";
    timer_init(&late, t.loop, on_late, NULL);
    timer_start(&late, 1500);
    log_set_sink(on_line, NULL);
    submit("", to, 1, CONTENT);
    run_until(1, 0);
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(said, "phase=RCPT"));
    assert_non_null(strstr(said, "timed out after 1 s, waiting for the reply to RCPT"));
    assert_int_equal(hosts[1].connections, 0);
    close_hosts();
}

/* ---- what a host lacks ---- */

static const struct {
    const char *label, *first, *second; /* EHLO keywords; NULL: nobody listens */
    unsigned rows, messages;            /* left; taken */
    unsigned recipients[2];             /* RCPT commands */
} lacking[] = {
    {"the first has it", "RRVS", "RRVS", 0, 1, {1, 0}},
    {"only the second has it", "SIZE", "RRVS", 0, 1, {0, 1}},
    {"none has it: failed, when both have been asked", "SIZE", "SIZE", 0, 0, {0, 0}},
    {"the first is away: it may have it", NULL, "SIZE", 1, 0, {0, 0}},
    {"the second is away", "SIZE", NULL, 1, 0, {0, 0}},
};

static void an_extension_is_looked_for_at_each_host(void **state)
{
    static const char *const to[] = {"a@x.test"};
    (void)state;
    for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
        print_message("%s\n", lacking[i].label);
        rcpt_params = RRVS;
        open_hosts(lacking[i].first, lacking[i].second, 0);
        submit("", to, 1, CONTENT);
        run_until(lacking[i].rows, lacking[i].messages);
        for (int k = 0; k < 2; k++)
            assert_int_equal(hosts[k].recipients, lacking[i].recipients[k]);
        close_hosts();
    }
}

/* The others of the message do not wait for the second host. */
static void one_recipient_goes_to_the_host_that_has_it(void **state)
{
    static const char *const to[] = {"a@x.test", "b@x.test"};
    (void)state;
    open_hosts("SIZE", "RRVS", 0);
    second_rcpt_params = RRVS;
    submit("", to, 2, CONTENT);
    second_rcpt_params = NULL;
    run_until(0, 2);
    assert_int_equal(hosts[0].recipients, 1);
    assert_int_equal(hosts[1].recipients, 1);
    assert_string_equal(hosts[0].seen, "EHLO MAIL RCPT DATA QUIT ");
    close_hosts();
}

/* The open connection is one to the second host: what it lacks the first one may have. */
static void a_kept_connection_is_not_the_last_word(void **state)
{
    static const char *const to[] = {"a@x.test"};
    (void)state;
    open_hosts("SIZE", "RRVS", 0);
    rcpt_params = RRVS;
    submit("", to, 1, CONTENT);
    run_until(0, 1);
    assert_int_equal(hosts[1].recipients, 1);
    rcpt_params = "";
    mail_params = " BY=1000;R";
    hosts[0].ehlo = "DELIVERBY"; /* read anew by each session */
    submit("", to, 1, CONTENT);
    run_until(0, 2);
    assert_int_equal(hosts[0].recipients, 1);
    assert_int_equal(hosts[1].connections, 1);
    /* and where nobody has it, the one with the open connection is not asked twice */
    rcpt_params = RRVS;
    submit("", to, 1, CONTENT);
    run_until(0, 2);
    mail_params = "";
    close_hosts();
}

/* ---- LIMITS ---- */

static void limits_are_kept_to(void **state)
{
    static const struct {
        const char *label, *ehlo;
        uint32_t exts_off;
        unsigned connections, messages;
        const char *seen;
    } rows[] = {
        {"recipients", "LIMITS RCPTMAX=2", 0, 1, 3,
         "EHLO MAIL RCPT RCPT DATA MAIL RCPT RCPT DATA MAIL RCPT DATA "},
        {"transactions", "LIMITS MAILMAX=2 RCPTMAX=2", 0, 2, 3,
         "EHLO MAIL RCPT RCPT DATA MAIL RCPT RCPT DATA QUIT EHLO MAIL RCPT DATA "},
        {"one a session", "LIMITS MAILMAX=1", 0, 1, 1,
         "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA QUIT "},
        {"what is switched off says nothing", "LIMITS RCPTMAX=1", SMTP_EXT_BIT(SMTP_EXT_LIMITS), 1,
         1, "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA "},
    };
    static const char *const to[] = {"a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].label);
        open_hosts(rows[i].ehlo, NULL, rows[i].exts_off);
        submit("", to, 5, CONTENT);
        run_until(0, rows[i].messages);
        stop_relay();
        assert_int_equal(hosts[0].connections, rows[i].connections);
        assert_memory_equal(hosts[0].seen, rows[i].seen, strlen(rows[i].seen));
        close_stopped_relay();
        free_loop();
        host_stop(&hosts[0]);
        host_stop(&hosts[1]);
    }
}

/* What is too many for one transaction follows at once in others, over the same connection; unless
 * nobody is taken at all, or what was taken is put off. */
static void too_many_go_in_further_transactions(void **state)
{
    static const struct {
        const char *label;
        unsigned most;
        const char *refuse, *with;
        unsigned rows, messages;
        const char *seen;
    } rows[] = {
        {"taken", 2, NULL, NULL, 0, 3,
         "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA MAIL RCPT RCPT DATA MAIL RCPT DATA "},
        {"for good", 2, ".", "550 5.7.1 no", 0, 0,
         "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA MAIL RCPT RCPT DATA MAIL RCPT DATA "},
        {"for now", 2, ".", "451 4.3.0 later", 5, 0, "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA "},
        {"broken off", 2, ".", NULL, 5, 0, "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA "},
        {"none", 0, "RCPT", "452 4.5.3 too many", 5, 0, "EHLO MAIL RCPT RCPT RCPT RCPT RCPT DATA "},
    };
    static const char *const to[] = {"a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].label);
        open_hosts("SIZE", NULL, 0);
        hosts[0].rcpt_most = rows[i].most;
        hosts[0].refuse = rows[i].refuse;
        hosts[0].with = rows[i].with;
        submit("", to, 5, CONTENT);
        run_until(rows[i].rows, rows[i].messages);
        assert_int_equal(hosts[0].connections, 1);
        assert_string_equal(hosts[0].seen, rows[i].seen);
        close_hosts();
    }
}

/* The connection is the site's: another domain needs a new one where only one is allowed. */
static void domains_of_a_connection_are_counted(void **state)
{
    static const char *const x[] = {"a@x.test"}, *const y[] = {"a@y.test"};
    (void)state;
    for (int limited = 0; limited < 2; limited++) {
        open_hosts(limited ? "LIMITS RCPTDOMAINMAX=1" : "LIMITS RCPTDOMAINMAX=2", NULL, 0);
        submit("", x, 1, CONTENT);
        run_until(0, 1);
        submit("", x, 1, CONTENT);
        run_until(0, 2);
        assert_int_equal(hosts[0].connections, 1);
        submit("", y, 1, CONTENT);
        run_until(0, 3);
        assert_int_equal(hosts[0].connections, limited ? 2 : 1);
        close_hosts();
    }
}

/* ---- CHUNKING ---- */

static void on_finished(void *arg, int err)
{
    assert_int_equal(err, 0);
    loop_stop(arg);
}

static void on_room(void *arg)
{
    (void)arg;
}

static void submit_large(size_t lines)
{
    static const struct content_writer_ops ops = {on_room, on_finished};
    static const char *const to[] = {"a@x.test"};
    static const char line[] =
        "..a line of a large message, with dots to double in front of it\r\n";
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    struct content_writer *w = content_begin(t.store, m->id, t.mailbox, &ops, t.loop);
    for (size_t i = 0; i < lines; i++)
        assert_int_equal(content_append(w, (struct sv){line, sizeof line - 1}), 0);
    content_finish(w);
    loop_run(t.loop);
    content_take(w, m);
    content_free(w);
    assert_true(m->spooled);
    put_message(m, "", to, 1);
}

static void large_content_goes_in_chunks(void **state)
{
    (void)state;
    open_hosts("CHUNKING", NULL, 0);
    submit_large(50000);
    run_until(0, 1);
    assert_int_equal(hosts[0].bytes, 50000 * 65); /* no dot more */
    assert_true(hosts[0].chunks > 20);
    close_hosts();
}

static void chunking_can_be_switched_off(void **state)
{
    static const char *const to[] = {"a@x.test"};
    (void)state;
    open_hosts("CHUNKING", NULL, SMTP_EXT_BIT(SMTP_EXT_CHUNKING));
    submit("", to, 1, CONTENT);
    run_until(0, 1);
    assert_string_equal(hosts[0].seen, "EHLO MAIL RCPT DATA ");
    close_hosts();
}

/* The rest is not sent, the row is put off, and the connection serves the next message. */
static void a_refused_chunk_ends_the_transaction_only(void **state)
{
    static const char *const to[] = {"b@x.test"};
    (void)state;
    open_hosts("CHUNKING", NULL, 0);
    hosts[0].refuse_chunk = 2;
    submit_large(200000);
    run_until(1, 0);
    assert_true(hosts[0].bytes < 200000 * 65 / 2);
    assert_null(strstr(hosts[0].seen, "RSET"));
    submit("", to, 1, CONTENT);
    run_until(1, 1);
    assert_int_equal(hosts[0].connections, 1);
    assert_non_null(strstr(hosts[0].seen, "BDAT RSET MAIL RCPT BDAT "));
    close_hosts();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_backs_off_what_it_is_about),
        cmocka_unit_test(what_asks_nobody_is_no_answer),
        cmocka_unit_test(a_late_job_tells_its_phase),
        cmocka_unit_test(an_extension_is_looked_for_at_each_host),
        cmocka_unit_test(one_recipient_goes_to_the_host_that_has_it),
        cmocka_unit_test(a_kept_connection_is_not_the_last_word),
        cmocka_unit_test(limits_are_kept_to),
        cmocka_unit_test(too_many_go_in_further_transactions),
        cmocka_unit_test(domains_of_a_connection_are_counted),
        cmocka_unit_test(large_content_goes_in_chunks),
        cmocka_unit_test(chunking_can_be_switched_off),
        cmocka_unit_test(a_refused_chunk_ends_the_transaction_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
