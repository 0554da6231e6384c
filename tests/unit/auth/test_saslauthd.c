/* saslauthd's answers, and one that hangs up, lies or says nothing. */
#include "auth/saslauthd.h"

#include "msa/loop/clock.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void answers(void **state)
{
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"OK", 1},
        {"OK remote authentication successful", 1},
        {"NO", 0},
        {"NO Incorrect password", 0},
        {"NO PAM auth error", 0},
        {"NO [ALERT] saslauthd internal error", ERR_DB},
        {"NO internal mechanism failure", ERR_DB},
        {"NO PAM start error", ERR_DB},
        {"", ERR_DB},
        {"yes", ERR_DB},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(auth_saslauthd_read(sv_of(rows[i].text)), rows[i].result);
    assert_int_equal(auth_saslauthd_read(SV("NO\0OK")), 0);
}

/* --- a daemon that answers one question with given bytes --- */

static char folder[64], path[96];

struct daemon {
    int listening;
    struct sv answer;
    bool hangs_up;
    char question[2048];
    size_t len;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct daemon *d = arg;
    int fd = accept(d->listening, NULL, NULL);
    ssize_t n;

    assert_true(fd >= 0);
    if (!d->hangs_up) {
        /* the question is one write */
        n = read(fd, d->question, sizeof(d->question));
        assert_true(n > 0);
        d->len = (size_t)n;
        /* in two pieces */
        if (d->answer.len > 1) {
            assert_int_equal(write(fd, d->answer.ptr, 1), 1);
            usleep(10000);
            assert_int_equal(write(fd, d->answer.ptr + 1, d->answer.len - 1),
                             (ssize_t)d->answer.len - 1);
        }
    }
    close(fd);
    return NULL;
}

static int ask(struct daemon *d, struct sv password, char why[512])
{
    struct auth_saslauthd_question q = {SV("alice"), password, SV("smtp"), SV("our.test")};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int result;

    strcpy(folder, "/tmp/auth-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/mux", folder);
    strcpy(at.sun_path, path);
    d->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(d->listening, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(d->listening, 1), 0);
    assert_int_equal(pthread_create(&d->thread, NULL, serve, d), 0);
    result = auth_saslauthd_ask(path, &q, why, 512);
    pthread_join(d->thread, NULL);
    close(d->listening);
    unlink(path);
    rmdir(folder);
    return result;
}

static void a_question(void **state)
{
    struct daemon d = {.answer = SV("\0\3OK")};
    char why[512];

    (void)state;
    d.answer = (struct sv){"\0\2OK", 4};
    assert_int_equal(ask(&d, SV("secret"), why), 1);
    assert_int_equal(d.len, 2 + 5 + 2 + 6 + 2 + 4 + 2 + 8);
    assert_memory_equal(d.question, "\0\5alice\0\6secret\0\4smtp\0\10our.test", d.len);
    d = (struct daemon){.answer = {"\0\2NO", 4}};
    assert_int_equal(ask(&d, SV("secret"), why), 0);
    d = (struct daemon){.answer = {"\0\34NO [ALERT] saslauthd internal", 30}};
    assert_int_equal(ask(&d, SV("secret"), why), ERR_DB);
    assert_non_null(strstr(why, "saslauthd says NO [ALERT]"));
}

static void no_answer(void **state)
{
    struct auth_saslauthd_question q = {SV("alice"), SV("x"), SV("smtp"), SV("our.test")};
    struct daemon d = {.hangs_up = true};
    char why[512];

    (void)state;
    assert_int_equal(ask(&d, SV("secret"), why), -EHOSTDOWN);
    d = (struct daemon){.answer = {"\0\10OK", 4}}; /* less than it promises */
    assert_int_equal(ask(&d, SV("secret"), why), -EHOSTDOWN);
    d = (struct daemon){.answer = {"\377\377OK", 4}};
    assert_int_equal(ask(&d, SV("secret"), why), -EHOSTDOWN);
    assert_int_equal(auth_saslauthd_ask("/nonexistent/mux", &q, why, sizeof(why)), -EHOSTDOWN);
    assert_non_null(strstr(why, "/nonexistent/mux: No such file"));
}

/* It would hang up on these. */
static void too_long(void **state)
{
    char text[300];
    struct sv bytes = {text, 256};
    struct auth_saslauthd_question q = {SV("alice"), bytes, SV("smtp"), SV("our.test")};
    char why[512];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(auth_saslauthd_ask("/nonexistent/mux", &q, why, sizeof(why)), 0);
    assert_false(auth_saslauthd_takes(&q));
    q.password.len = 255;
    assert_true(auth_saslauthd_takes(&q));
    q.password = SV("sec\0ret");
    assert_int_equal(auth_saslauthd_ask("/nonexistent/mux", &q, why, sizeof(why)), 0);
}

static void a_deadline(void **state)
{
    struct auth_saslauthd_question q = {SV("alice"), SV("x"), SV("smtp"), SV("our.test")};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    uint64_t began = clock_mono_ms();
    char why[512];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    strcpy(folder, "/tmp/auth-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/mux", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(auth_saslauthd_ask(at.sun_path, &q, why, sizeof(why)), -EHOSTDOWN);
    assert_non_null(strstr(why, "timed out"));
    assert_in_range(clock_mono_ms() - began, AUTH_SASLAUTHD_WAIT_MS, AUTH_SASLAUTHD_WAIT_MS + 3000);
    close(fd);
    unlink(at.sun_path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),  cmocka_unit_test(a_question), cmocka_unit_test(no_answer),
        cmocka_unit_test(too_long), cmocka_unit_test(a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
