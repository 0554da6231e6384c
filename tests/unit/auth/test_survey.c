/* The whole user database: when it is looked through, and that nobody waits for whoever does. */
#include "auth/check.h"
#include "auth/survey.h"
#include "tests/unit/auth/database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static const char *path;
static struct auth_survey *survey;

static int set_up(void **state)
{
    (void)state;
    path = database_new();
    survey = auth_survey_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_survey_free(survey);
    database_drop(path);
    return 0;
}

static struct auth_users_survey get(void)
{
    struct auth_users_survey all;

    assert_int_equal(auth_survey_get(survey, path, &all), 0);
    return all;
}

/* At once only the first time, then once a second; what may be wrong meanwhile only costs. */
static void once_a_second(void **state)
{
    struct auth_users_survey all = get();

    (void)state;
    assert_false(all.any_cleartext); /* there is no file */
    assert_int_equal(all.count, 0);
    database_add(path, "alice", "secret");
    all = get();
    assert_true(all.any_cleartext);
    assert_int_equal(all.count, 0);
    usleep(1100000);
    all = get();
    assert_false(all.any_cleartext);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.at[0].users, 1);
    usleep(1100000);
    database_saslpasswd2(path, "bob", "example.net", "secret");
    assert_true(get().any_cleartext);
    assert_true(get().any_cleartext); /* this was looked for */
    usleep(1100000);
    database_garbage(path);
    assert_int_equal(auth_survey_get(survey, path, &all), ERR_CORRUPT);
    assert_true(all.any_cleartext);
    assert_int_equal(all.count, 1); /* as it was */
}

/* --- a database that takes long to read: a pipe that nobody writes --- */

static void make_slow(void)
{
    assert_true(unlink(path) == 0 || errno == ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
}

/* Ends the reading, each time that it begins. */
static void join(pthread_t thread)
{
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0)
            close(fd);
        usleep(1000);
    }
}

static void *look(void *arg)
{
    struct auth_users_survey all;

    (void)arg;
    assert_int_not_equal(auth_survey_get(survey, path, &all), 0);
    return NULL;
}

static void *check_somebody(void *arg)
{
    struct auth_options o = database_options(path);
    struct auth_sources s = {&o, auth_accounts_new(o.accounts_path, 100)};
    struct auth_found found;
    struct auth_scram verifier;
    bool known;

    assert_true(auth_check_verifier(arg, &s, SV("alice"), AUTH_SCRAM_SHA256, &verifier, &found,
                                    &known) < 0);
    auth_accounts_free(s.accounts);
    return NULL;
}

static void one_looks_and_nobody_waits(void **state)
{
    struct auth_check *check = auth_check_new();
    pthread_t thread;

    (void)state;
    database_add(path, "alice", "secret");
    assert_int_equal(get().count, 1);
    usleep(1100000);
    make_slow();
    alarm(20); /* who waits waits for ever */
    assert_int_equal(pthread_create(&thread, NULL, look, NULL), 0);
    usleep(200000);
    assert_true(get().any_cleartext);
    assert_int_equal(get().count, 1);
    join(thread);
    /* nor does the keeper's loop, which asks for changes */
    assert_int_equal(pthread_create(&thread, NULL, check_somebody, check), 0);
    usleep(200000);
    assert_int_equal(auth_check_now(check), 0);
    join(thread);
    alarm(0);
    auth_check_free(check);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(once_a_second), T(one_looks_and_nobody_waits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
