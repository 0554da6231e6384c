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

static char said[4096];  /* on standard output */
static const char *word; /* of the next command */

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
    int code = users_run(
        &options,
        &(struct users_command){
            .verb = verb, .name = name, .word = word, .password_stdin = true, .json = json});
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
    assert_string_equal(
        said,
        "{\"login\":\"u@example.net\",\"state\":\"enabled\",\"roles\":[],\"cleartext\":false}\n"
        "{\"login\":\"v@example.net\",\"state\":\"enabled\",\"roles\":[],\"cleartext\":false}\n");
    assert_int_equal(run(AUTH_ADMIN_PASSWD, "u", "secret-3\n", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_DELETE, "u", "", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_DELETE, "u", "", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "v@example.net\n");
}

static int run_word(enum auth_admin_verb verb, const char *name, const char *w, bool json)
{
    word = w;
    int code = run(verb, name, "", json);
    word = NULL;
    return code;
}

/* States, roles and app passwords, and how they are told. */
static void state_and_roles(void **state)
{
    (void)state;
    assert_int_equal(run(AUTH_ADMIN_DISABLE, "nobody", "", false), CTL_REFUSED);
    assert_int_equal(run_word(AUTH_ADMIN_DISABLE, "v", "on leave", false), CTL_DONE);
    assert_string_equal(said, "v@example.net: disabled\n");
    assert_int_equal(run_word(AUTH_ADMIN_DISABLE, "v", "a\nb", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_UNLOCK, "v", "", false), CTL_REFUSED);
    assert_int_equal(run_word(AUTH_ADMIN_ROLE, "v", "admin", false), CTL_DONE);
    assert_int_equal(run_word(AUTH_ADMIN_ROLE, "v", "king", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "v@example.net  disabled  admin\n");
    assert_int_equal(run(AUTH_ADMIN_SHOW, "v", "", false), CTL_DONE);
    assert_non_null(strstr(said, "login         v@example.net\n"));
    assert_non_null(strstr(said, "state         disabled since "));
    assert_non_null(strstr(said, ": on leave\n"));
    assert_non_null(strstr(said, "roles         admin\n"));
    assert_non_null(strstr(said, "mechanisms    SCRAM-SHA-256 PLAIN LOGIN\n"));
    assert_null(strstr(said, "not usable"));
    assert_int_equal(run(AUTH_ADMIN_ENABLE, "v", "", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_ENABLE, "v", "", false), CTL_DONE);
    assert_int_equal(run_word(AUTH_ADMIN_ROLE, "v", "none", false), CTL_DONE);
    assert_int_equal(run(AUTH_ADMIN_LIST, NULL, "", false), CTL_DONE);
    assert_string_equal(said, "v@example.net\n");
    assert_int_equal(run(AUTH_ADMIN_SHOW, "nobody", "", true), CTL_REFUSED);
}

static void app_passwords(void **state)
{
    char secret[24];
    (void)state;
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "v", "my phone", false), CTL_REFUSED);
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "nobody", "phone", false), CTL_REFUSED);
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "v", "phone", false), CTL_DONE);
    assert_int_equal(strncmp(said, "v@example.net: app password phone added\n", 40), 0);
    memcpy(secret, said + 40, 23);
    secret[23] = '\0';
    assert_int_equal(strlen(said), 40 + 24);
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "v", "phone", false), CTL_REFUSED);
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "v", "tablet", true), CTL_DONE);
    assert_non_null(strstr(said, "\"secret\":\""));
    assert_int_equal(run(AUTH_ADMIN_APP_LIST, "v", "", false), CTL_DONE);
    assert_int_equal(strncmp(said, "phone            made ", 22), 0);
    assert_non_null(strstr(said, ", never used\ntablet           made "));
    assert_null(strstr(said, secret));
    assert_int_equal(run_word(AUTH_ADMIN_APP_REVOKE, "v", "phone", false), CTL_DONE);
    assert_int_equal(run_word(AUTH_ADMIN_APP_REVOKE, "v", "phone", false), CTL_REFUSED);
    assert_int_equal(run(AUTH_ADMIN_SHOW, "v", "", true), CTL_DONE);
    assert_non_null(strstr(said, "\"apps\":[{\"label\":\"phone\","));
    assert_non_null(strstr(said, "\"revoked_ms\":0}],\"logins\":[]}\n"));
    assert_int_equal(run(AUTH_ADMIN_ADD, "v/x", "secret-1\n", false), CTL_REFUSED);
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

static void only_the_daemon_can_ask(void **state)
{
    (void)state;
    options.auth.database = AUTH_DATABASE_SQL;
    assert_int_equal(run(AUTH_ADMIN_SHOW, "u", "", false), CTL_UNREACHABLE);
    assert_int_equal(run(AUTH_ADMIN_SHOW, "u", "", true), CTL_UNREACHABLE);
    assert_non_null(strstr(said, "{\"refused\":true,\"text\":\"auth.database = "));
    assert_int_equal(run_word(AUTH_ADMIN_APP_ADD, "u", "phone", false), CTL_UNREACHABLE);
    assert_int_equal(run(AUTH_ADMIN_PASSWD, "u", "secret-1\n", false), CTL_REFUSED);
    options.auth.database = AUTH_DATABASE_SASLDB;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(state_and_roles),
        cmocka_unit_test(app_passwords),
        cmocka_unit_test(no_password),
        cmocka_unit_test(only_the_daemon_can_ask),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
