/*
 * A child that puts with many outstanding is killed at random instants: each message it saw
 * acknowledged is in the queue exactly once, with its content.
 */
#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define OUTSTANDING 64
#define KILLS       20

static struct fixture child;
static unsigned child_next;
static int child_out;

static void child_put(void);

static void on_child_put(struct store_put *p, int err)
{
    uint32_t n = (uint32_t)(uintptr_t)p->arg;
    free(p);
    if (err != 0 || write(child_out, &n, sizeof n) != sizeof n)
        _exit(3);
    child_put();
}

static void make_id(char id[QUEUE_ID_LEN + 1], unsigned n)
{
    queue_id_make(id, 1000, n);
}

static void child_put(void)
{
    char id[QUEUE_ID_LEN + 1];
    unsigned n = child_next++;
    make_id(id, n);
    struct store_put *p = NEW(struct store_put);
    p->message = fixture_message(id, id);
    p->rows = fixture_rows(p->message, n % 2 ? "b@a.example" : "b@a.example c@c.example");
    p->reply = child.mailbox;
    p->done = on_child_put;
    p->arg = (void *)(uintptr_t)n;
    store_put(child.store, p);
}

static void child_due(void *arg)
{
    (void)arg;
}

static void child_main(const char *dir, unsigned first, int out)
{
    child = (struct fixture){.memory_bytes = 0};
    strcpy(child.dir, dir);
    child_next = first;
    child_out = out;
    fixture_open(&child);
    timer_init(&child.guard, child.loop, child_due, NULL);
    for (unsigned i = 0; i < OUTSTANDING; i++)
        child_put();
    loop_run(child.loop);
    _exit(4);
}

/* Runs a child until it is killed; marks what it saw acknowledged. Returns the next number. */
static unsigned run_child(const char *dir, unsigned first, unsigned char *acknowledged, size_t max)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_main(dir, first, fds[1]);
    }
    close(fds[1]);
    unsigned last = first;
    uint32_t n, wanted = (uint32_t)(random_u64() % 400);
    for (uint32_t got = 0; read(fds[0], &n, sizeof n) == sizeof n; got++) {
        assert_true(n < max);
        acknowledged[n] = 1;
        last = n > last ? n : last;
        if (got == wanted) {
            usleep((useconds_t)(random_u64() % 3000));
            kill(pid, SIGKILL);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fds[0]);
    return last + 2 * OUTSTANDING;
}

static void check(const char *dir, const unsigned char *acknowledged, unsigned count)
{
    struct fixture f = {0};
    unsigned char *rows = mem_new(count, 1);
    strcpy(f.dir, dir);
    fixture_open(&f);
    struct store_admin *a = fixture_admin(&f, STORE_LIST);
    a->max = 1000000;
    assert_int_equal(ask_admin(&f, a), 0);
    assert_int_equal(a->nlisted, fixture_stats(&f).rows);
    char id[QUEUE_ID_LEN + 1];
    for (unsigned n = 0, at = 0; n < count; n++) {
        make_id(id, n);
        for (; at < a->nlisted && strcmp(a->listed[at].id, id) == 0; at++)
            rows[n]++;
        unsigned whole = n % 2 ? 1 : 2;
        if (rows[n] != whole && (acknowledged[n] || rows[n] != 0))
            fail_msg("message %u has %u rows", n, rows[n]);
    }
    store_admin_free(a);
    free(rows);
    fixture_close(&f);
}

static void killed_at_random_instants(void **state)
{
    (void)state;
    char dir[] = "/tmp/msa-kill-XXXXXX";
    size_t max = 200000;
    unsigned char *acknowledged = mem_new(max, 1);
    unsigned next = 0;
    assert_non_null(mkdtemp(dir));
    for (unsigned i = 0; i < KILLS; i++) {
        next = run_child(dir, next, acknowledged, max);
        check(dir, acknowledged, next);
    }
    struct fixture f = {0};
    strcpy(f.dir, dir);
    fixture_remove(&f);
    free(acknowledged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_random_instants)};
    log_setup("test", LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
