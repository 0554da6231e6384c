/*
 * msactl's command line against a daemon that writes down what it is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define main msactl_main
#include "msa/ctl/main.c"
#undef main

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test_msactl.XXXXXX";
static char config[128], socket_path[64], asked_path[128], out_path[128];

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(config, sizeof config, "%s/c", dir);
    snprintf(socket_path, sizeof socket_path, "%s/s", dir);
    snprintf(asked_path, sizeof asked_path, "%s/asked", dir);
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    FILE *f = fopen(config, "we");
    assert_non_null(f);
    fprintf(f,
            "hostname = \"mail.example.net\"; domains = [ \"example.net\" ]; state = \"%s\"; "
            "listen = { tls = \"none\"; };\n"
            "auth = { require_tls = false; }; dns = { dnssec = \"off\"; };\n"
            "admin = { socket = \"%s\"; };\n",
            dir, socket_path);
    fclose(f);
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* Answers one request, in a process of its own; the request is kept. */
static pid_t daemon_start(const char *answer)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(socket_path);
    unlink(asked_path);
    strcpy(a.sun_path, socket_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10); /* in case nobody asks and the test has failed */
        char request[4096];
        int asker = accept(fd, NULL, NULL);
        ssize_t n = read(asker, request, sizeof request);
        int to = open(asked_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (n <= 0 || write(to, request, (size_t)n) != n ||
            write(asker, answer, strlen(answer)) != (ssize_t)strlen(answer))
            _exit(1);
        _exit(0);
    }
    close(fd);
    return pid;
}

static void daemon_end(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static const char *file_text(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return text;
}

/* The words, split at spaces, with -c; standard output goes to a file. */
static int msactl(const char *words)
{
    char copy[512], name[] = "msactl", option[] = "-c", *argv[32] = {name, option, config};
    int argc = 3;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    int old = dup(STDOUT_FILENO), to = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(to, STDOUT_FILENO);
    int code = msactl_main(argc, argv);
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    close(to);
    return code;
}

static const struct asking {
    const char *words, *request; /* members in any order */
} askings[] = {
    {"status", "{\"command\":\"status\",\"dry_run\":false}"},
    {"--json status", "{\"command\":\"status\",\"dry_run\":false}"},
    {"reload", "{\"command\":\"reload\",\"dry_run\":false}"},
    {"queue list", "{\"command\":\"queue-list\",\"dry_run\":false}"},
    {"queue list 0abc", "{\"command\":\"queue-list\",\"dry_run\":false,\"id\":\"0abc\"}"},
    {"queue delete --user u --older 2h --dry-run",
     "{\"command\":\"queue-delete\",\"dry_run\":true,\"user\":\"u\",\"older\":7200}"},
    {"queue delete --yes --site S",
     "{\"command\":\"queue-delete\",\"dry_run\":false,\"site\":\"S\"}"},
    {"queue hold --from a --to b --domain c --error d",
     "{\"command\":\"queue-hold\",\"dry_run\":false,\"from\":\"a\",\"to\":\"b\",\"domain\":\"c\","
     "\"error\":\"d\"}"},
    {"trace --message-id <m> --since 1d",
     "{\"command\":\"trace\",\"dry_run\":false,\"message_id\":\"<m>\",\"since\":86400}"},
    {"trace 0mx0dko39uxulis8 --diff", "{\"command\":\"trace\",\"dry_run\":false,\"diff\":true,"
                                      "\"id\":\"0mx0dko39uxulis8\"}"},
    {"route a@example.org",
     "{\"command\":\"route\",\"dry_run\":false,\"address\":\"a@example.org\"}"},
};

static void what_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof askings / sizeof *askings; i++) {
        pid_t pid = daemon_start("{\"end\":true,\"code\":0}\n");
        assert_int_equal(msactl(askings[i].words), CTL_DONE);
        daemon_end(pid);
        json_t *got = json_loads(file_text(asked_path), 0, NULL);
        json_t *wanted = json_loads(askings[i].request, 0, NULL);
        assert_non_null(wanted);
        if (!json_equal(got, wanted))
            print_error("%s: %s\n", askings[i].words, file_text(asked_path));
        assert_true(json_equal(got, wanted));
        json_decref(got);
        json_decref(wanted);
    }
}

/* Nothing of this may reach a daemon. */
static void wrong_usage(void **state)
{
    static const char *const rows[] = {
        "",
        "nonsense",
        "queue",
        "queue nonsense",
        "queue show",
        "queue list a b",
        "queue list --older",
        "queue list --older soon",
        "queue list --nonsense",
        "queue delete --since 2h",
        "queue delete --user u --since 2h",
        "queue delete --message-id m --user u",
        "queue list --dry-run",
        "queue show 1 --user u",
        "queue delete --user \xff",
        "queue retry \xff",
        "trace --domain d",
        "queue show a --diff",
        "explain letter",
        "explain --user u",
        "explain letter --user u --domain d",
        "sign letter --user u --milters",
        "--json sign letter --user u",
        "queue list --milters",
        "queue list --to a --to b",
        "trace --older 2h",
        "status --user u",
        "status more",
        "stop --dry-run",
        "route",
        "user add",
        "user app",
        "user app add u",
        "user app add u l x",
        "user app revoke u",
        "user app list",
        "user role u",
        "user enable u --reason x",
        "queue list --reason x",
        "user list --password-stdin",
        "status --password-stdin",
        "a b c d",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pid_t pid = daemon_start("{\"end\":true,\"code\":0}\n");
        int code = msactl(rows[i]);
        daemon_end(pid);
        if (code != CTL_USAGE)
            print_error("\"%s\": %d\n", rows[i], code);
        assert_int_equal(code, CTL_USAGE);
        assert_string_equal(file_text(asked_path), "");
    }
}

static const struct answer {
    const char *answer;
    int code;
    const char *out;
} answers[] = {
    {"{\"recipients\":3,\"dry_run\":false}\n{\"end\":true,\"code\":0}\n", 0, "3 recipients\n"},
    {"{\"recipients\":3,\"dry_run\":true}\n{\"end\":true,\"code\":0}\n", 0,
     "3 recipients would be changed (--dry-run)\n"},
    {"{\"end\":true,\"code\":1,\"error\":\"no\"}\n", 1, ""},
    {"{\"end\":true,\"code\":2}\n", 2, ""},
    {"{\"end\":true,\"code\":3}\n", 3, ""},
    {"{\"recipients\":3}\n", 3, "3 recipients\n"}, /* ended without an end */
    {"not json\n{\"end\":true,\"code\":0}\n", 0, ""},
    {"", 3, ""},
};

static void what_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        pid_t pid = daemon_start(answers[i].answer);
        int code = msactl("queue retry");
        daemon_end(pid);
        if (code != answers[i].code)
            print_error("answer %zu: %d\n", i, code);
        assert_int_equal(code, answers[i].code);
        assert_string_equal(file_text(out_path), answers[i].out);
    }
}

static void refusals_are_shown(void **state)
{
    (void)state;
    pid_t pid = daemon_start(
        "{\"event\":\"refused\",\"id\":\"k3f9a2bcde\",\"time_ms\":0,\"from\":\"a@b\","
        "\"to\":\"c@d\\ne@f\",\"login\":\"u\",\"client\":\"192.0.2.7\",\"status\":\"5.7.1\","
        "\"text\":\"550 5.7.1 No [k3f9a2bcde]\"}\n{\"end\":true,\"code\":0}\n");
    assert_int_equal(msactl("trace k3f9a2bcde"), CTL_DONE);
    daemon_end(pid);
    assert_non_null(strstr(file_text(out_path),
                           " k3f9a2bcde       refused   from=<a@b> to=c@d e@f login=u "
                           "client=192.0.2.7 550 5.7.1 No [k3f9a2bcde]\n"));
}

static void stats_are_shown(void **state)
{
    (void)state;
    pid_t pid = daemon_start(
        "{\"since_ms\":0,\"accepted_messages\":7,\"refused_replies\":{\"5.7\":3},\"filters\":["
        "{\"filter\":\"inet:8891@127.0.0.1\",\"asked\":40,\"refused\":3,\"failed\":2,"
        "\"mean_ms\":15,\"slowest_ms\":900}]}\n"
        "{\"client\":\"192.0.2.7\",\"login\":\"\",\"last_ms\":0,\"today\":2,\"yesterday\":1,"
        "\"kinds\":{\"syntax\":{\"today\":2,\"yesterday\":1,\"example\":\"500 No\\u001b [id]\"}}}\n"
        "{\"end\":true,\"code\":0}\n");
    assert_int_equal(msactl("stats"), CTL_DONE);
    daemon_end(pid);
    const char *out = file_text(out_path);
    assert_non_null(strstr(out, "accepted_messages                7\n"));
    assert_non_null(strstr(out, "refused_replies.5.7              3\n"));
    assert_non_null(strstr(out, "\nFILTER  "));
    assert_non_null(strstr(out,
                           "\ninet:8891@127.0.0.1                         40         3         2 "
                           "   15 ms   900 ms\n"));
    assert_non_null(strstr(out, "\nCLIENT WITH TROUBLE "));
    assert_non_null(strstr(out, "\n192.0.2.7                       2         1  "));
    assert_non_null(strstr(out, "\n  syntax                        2         1  500 No? [id]\n"));
}

/* Every extension is a line, whether the daemon runs or not. */
static void extensions_are_listed(void **state)
{
    size_t lines = 0, on = 0, never = 0;
    (void)state;
    unlink(socket_path);
    assert_int_equal(msactl("extensions --json"), CTL_DONE);
    for (const char *at = file_text(out_path); *at; at = strchr(at, '\n') + 1, lines++) {
        json_t *line = json_loadb(at, (size_t)(strchr(at, '\n') - at), 0, NULL);
        assert_non_null(line);
        const char *here = json_string_value(json_object_get(line, "here"));
        const char *why = json_string_value(json_object_get(line, "why"));
        bool is_on = strcmp(here, "on") == 0;
        assert_int_equal(json_array_size(json_object_get(line, "ports")), is_on);
        assert_int_equal(strlen(why) > 0, !is_on);
        assert_true(strlen(json_string_value(json_object_get(line, "without"))) > 0);
        on += is_on;
        never += strcmp(here, "never") == 0;
        json_decref(line);
    }
    assert_int_equal(lines, SMTP_EXT_COUNT + never);
    assert_int_equal(on, SMTP_EXT_COUNT - 2); /* STARTTLS and REQUIRETLS need a listener with TLS */
    assert_true(never >= 3);

    assert_int_equal(msactl("extensions"), CTL_DONE);
    const char *out = file_text(out_path);
    assert_non_null(strstr(out, "PIPELINING           RFC 2920  "));
    assert_non_null(strstr(out, "(off: only where listen[].tls is \"starttls\")"));
    assert_non_null(strstr(out, "ETRN                 RFC 1985  MUST NOT never"));
    assert_int_equal(msactl("extensions now"), CTL_USAGE);
}

static void nobody_answers(void **state)
{
    (void)state;
    unlink(socket_path);
    assert_int_equal(msactl("status"), CTL_UNREACHABLE);
}

/* What a remote said must not reach the terminal as it is. */
static void control_characters_are_not_shown(void **state)
{
    (void)state;
    pid_t pid = daemon_start(
        "{\"id\":\"0abc\",\"from\":\"a\\u001b[2J@b\",\"to\":\"c\",\"text\":\"x\\r\\n\\u0007y\","
        "\"status\":\"4.0.0\",\"size\":1}\n{\"end\":true,\"code\":0}\n");
    assert_int_equal(msactl("queue list"), CTL_DONE);
    daemon_end(pid);
    const char *out = file_text(out_path);
    assert_null(strchr(out, '\x1b'));
    assert_null(strchr(out, '\r'));
    assert_null(strchr(out, '\a'));
    assert_non_null(strstr(out, "a?[2J@b -> c (4.0.0 x  ?y)"));
}

/* Who hangs up while a large message is on its way to him. */
static void a_daemon_that_goes_away(void **state)
{
    char letter[160], words[200];
    (void)state;
    snprintf(letter, sizeof letter, "%s/letter", dir);
    FILE *f = fopen(letter, "we");
    fprintf(f, "From: u@example.net\nTo: b@example.org\n\n");
    for (int i = 0; i < 100000; i++)
        fprintf(f, "a line of an ordinary message\n");
    fclose(f);
    snprintf(words, sizeof words, "sign %s --user u", letter);
    pid_t pid = daemon_start("220 x\r\n250-x\r\n250-CHUNKING\r\n250 XRETURN\r\n250 2.1.0 ok\r\n"
                             "250 2.1.5 ok\r\n");
    assert_int_equal(msactl(words), CTL_UNREACHABLE);
    daemon_end(pid);
}

static void check_reports(void **state)
{
    (void)state;
    assert_int_equal(msactl("check"), CTL_DONE);
    FILE *f = fopen(config, "ae");
    fprintf(f, "workers = 100000;\nnonsense = 1;\n");
    fclose(f);
    assert_int_equal(msactl("check"), CTL_REFUSED);
    const char *out = file_text(out_path);
    assert_non_null(strstr(out, ":4: workers: "));
    assert_non_null(strstr(out, ":5: nonsense: "));
    unlink(config);
    assert_int_equal(msactl("status"), CTL_REFUSED);
    assert_int_equal(msactl("check"), CTL_REFUSED);
}

int main(void)
{
    /* the last leaves no configuration behind */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(what_is_answered),
        cmocka_unit_test(control_characters_are_not_shown),
        cmocka_unit_test(refusals_are_shown),
        cmocka_unit_test(stats_are_shown),
        cmocka_unit_test(extensions_are_listed),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(a_daemon_that_goes_away),
        cmocka_unit_test(check_reports),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
