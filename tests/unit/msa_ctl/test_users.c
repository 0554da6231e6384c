/*
 * "msactl user ..." while no daemon runs: on the database itself. Through a keeper: e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/ctl/codes.h"
#include "msa/ctl/users.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test_ctl_users.XXXXXX";
static struct msa_options options;
static struct arena arena;

static int setup(void **state)
{
    char text[1024];
    struct conf_faults faults;
    (void)state;
    assert_non_null(mkdtemp(dir));
    arena_init(&arena);
    conf_faults_init(&faults, &arena);
    int n = snprintf(text, sizeof text,
                     "hostname = \"mail.example.net\"; domains = [ \"example.net\" ];\n"
                     "state = \"%s/state\"; user = \"daemon\"; auth_user = \"nobody\";\n"
                     "listen = { tls = \"none\"; }; auth = { require_tls = false; };\n"
                     "dns = { dnssec = \"off\"; };\n",
                     dir);
    assert_true(
        options_read("c", (struct sv){text, (size_t)n}, "", &arena, &options, &faults, NULL));
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    arena_deinit(&arena);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static char said[4096]; /* on standard output */

/* With this on standard input; the exit code. */
static int run(enum auth_admin_verb verb, const char *name, const char *input, bool json)
{
    char path[128];
    snprintf(path, sizeof path, "%s/io", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(input, f);
    fclose(f);
    assert_non_null(freopen(path, "re", stdin));
    fflush(stdout);
    snprintf(path, sizeof path, "%s/out", dir);
    int old = dup(STDOUT_FILENO), to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(to, STDOUT_FILENO);
    int code = users_run(&options, verb, name, true, json);
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    ssize_t n = pread(to, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(to);
    return code;
}

static void a_life(void **state)
{
    char path[128];
    struct stat st;
    (void)state;
    assert_int_equal(run(AUTH_ADMIN_PASSWD, "u", "secret-1\n", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_ADD, "u", "secret-1\n", false), CTL_DONE);
    assert_string_equal(said, "u@example.net: added\n");
    /* the folder is made as the daemon would make it */
    snprintf(path, sizeof path, "%s/state/auth", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    if (geteuid() == 0)
        assert_int_equal(st.st_uid, getpwnam("nobody")->pw_uid);
    assert_int_equal(run(AUTH_ADMIN_ADD, "u", "secret-1\n", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_ADD, "v", "secret-2\r\n", true), CTL_DONE);
    assert_string_equal(said, "{\"done\":true,\"text\":\"v@example.net: added\"}\n");
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "u@example.net\nv@example.net\n");
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", true), CTL_DONE);
    assert_string_equal(said, "{\"login\":\"u@example.net\",\"cleartext\":false}\n"
                              "{\"login\":\"v@example.net\",\"cleartext\":false}\n");
    assert_int_equal(run(AUTH_ADMIN_PASSWD, "u", "secret-3\n", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_DELETE, "u", "", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_DELETE, "u", "", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "v@example.net\n");
}

/* Neither the end of the input is a password, nor an empty line, nor one beyond the maximum. */
static void no_password(void **state)
{
    static char line[3000];
    (void)state;
    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    assert_int_equal(run(AUTH_ADMIN_ADD, "w", "", false), CTL_USAGE);
    assert_int_equal(run(AUTH_ADMIN_ADD, "w", "\n", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_ADD, "w", line, false), CTL_USAGE);
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "v@example.net\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(no_password),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
