/* Cyrus' plugins, hosted: those that are there, that are not, that do not take their settings,
 * nobody at the other end, and what a directory may answer. */
#include "auth/auxprop.h"

#include "auth/cyrus.h"
#include "auth/ldap_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const properties[] = {"*userPassword", NULL};
static char why[AUTH_AUXPROP_WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(auth_cyrus_init(), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_cyrus_done();
    return 0;
}

static void none(void *arg, struct sv value)
{
    (void)arg;
    (void)value;
    fail();
}

static void what_is_missing(void **state)
{
    struct auth_auxprop *a = NULL;

    (void)state;
    assert_true(auth_auxprop_installed("sql"));
    assert_true(auth_auxprop_installed("ldapdb"));
    assert_false(auth_auxprop_installed("magic"));
    assert_int_equal(auth_auxprop_open("magic", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_string_equal(why, "Cyrus' plugin magic is not installed");
    /* a plugin of another kind, and one without its settings */
    assert_int_equal(auth_auxprop_open("plain", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "plain_auxprop_plug_init"));
    assert_int_equal(auth_auxprop_open("ldapdb", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "does not take its settings"));
}

static void nobody_answers(void **state)
{
    static const struct auth_auxprop_setting ldap[] = {
        {"ldapdb_uri", "ldap://127.0.0.1:1"}, {"ldapdb_id", "x"},        {"ldapdb_pw", "x"},
        {"ldapdb_mech", "SCRAM-SHA-256"},     {"ldapdb_starttls", NULL},
    };
    struct auth_auxprop *a = NULL;

    (void)state;
    for (unsigned n = 0; n < 2; n++) { /* ldapdb keeps its settings in static memory */
        assert_int_equal(auth_auxprop_open("ldapdb", ldap, 5, why, &a), 0);
        assert_int_equal(auth_auxprop_ask(a, "alice@x", properties, none, NULL, why), -EHOSTDOWN);
        assert_non_null(strstr(why, "cannot be reached"));
        assert_non_null(auth_auxprop_function(a, "ldap_initialize"));
        assert_null(auth_auxprop_function(a, "no_such_function"));
        auth_auxprop_close(a);
    }
    auth_auxprop_close(NULL);
}

/* --- a directory with the answers of a row --- */

enum { BIND = 0x60, UNBIND = 0x42, SEARCH = 0x63, EXTENDED = 0x77 }; /* RFC 4511 4.2 to 4.12 */

struct answers {
    uint8_t bind, whoami, search; /* results */
    bool has_entry;
};

static struct {
    int socket;
    char uri[64];
    pthread_t thread;
    struct answers answers;
    unsigned binds;
} directory;

/* One message: its number, the operation, and in it a result and `more`. */
static void answer(int fd, uint8_t number, uint8_t operation, uint8_t result, const char *more)
{
    uint8_t n = (uint8_t)strlen(more), out[128] = {0x30,
                                                   (uint8_t)(n + 12),
                                                   0x02,
                                                   0x01,
                                                   number,
                                                   operation,
                                                   (uint8_t)(n + 7),
                                                   0x0a,
                                                   0x01,
                                                   result,
                                                   0x04,
                                                   0x00,
                                                   0x04,
                                                   0x00};

    memcpy(out + 14, more, n);
    assert_int_equal(write(fd, out, n + 14u), n + 14);
}

static bool serve(int fd)
{
    static const uint8_t entry[] = {0x64, 0x08, 0x04, 0x04, 'c', 'n', '=', 'x', 0x30, 0x00};
    const struct answers *a = &directory.answers;
    uint8_t in[512], number;
    ssize_t n = read(fd, in, sizeof(in));
    size_t head = n > 2 && (in[1] & 0x80) ? 2u + (in[1] & 0x0f) : 2u;

    if (n < (ssize_t)head + 4)
        return false;
    number = in[head + 2];
    switch (in[head + 3]) {
    case BIND: /* CRAM-MD5: the second one has the response; 14 is saslBindInProgress */
        if (++directory.binds % 2 == 1)
            answer(fd, number, 0x61, 14, "\x87\x05<1@x>");
        else
            answer(fd, number, 0x61, a->bind, "");
        return true;
    case EXTENDED:
        answer(fd, number, 0x78, a->whoami,
               a->whoami ? ""
                         : "\x8b\x07"
                           "dn:cn=x");
        return true;
    case SEARCH:
        if (a->has_entry) {
            uint8_t out[5 + sizeof(entry)] = {0x30, 3 + sizeof(entry), 0x02, 0x01, number};

            memcpy(out + 5, entry, sizeof(entry));
            assert_int_equal(write(fd, out, sizeof(out)), sizeof(out));
        }
        answer(fd, number, 0x65, a->search, "");
        return true;
    default:
        assert_int_equal(in[head + 3], UNBIND);
        return false;
    }
}

static void *serve_all(void *arg)
{
    int fd;

    while ((fd = accept(directory.socket, NULL, NULL)) >= 0) {
        directory.binds = 0;
        while (serve(fd))
            ;
        close(fd);
    }
    return arg;
}

static void start_directory(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(where);

    directory.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(directory.socket, (struct sockaddr *)&where, len), 0);
    assert_int_equal(getsockname(directory.socket, (struct sockaddr *)&where, &len), 0);
    assert_int_equal(listen(directory.socket, 8), 0);
    snprintf(directory.uri, sizeof(directory.uri), "ldap://127.0.0.1:%d", ntohs(where.sin_port));
    assert_int_equal(pthread_create(&directory.thread, NULL, serve_all, NULL), 0);
}

static void stop_directory(void)
{
    shutdown(directory.socket, SHUT_RDWR);
    pthread_join(directory.thread, NULL);
    close(directory.socket);
}

/* Only a refusal of just this user is told from other faults. */
static void what_a_directory_answers(void **state)
{
    static const struct {
        struct answers answers;
        int result;
        bool came;
        const char *why;
    } rows[] = {
        {{0, 0, 0, true}, 1, true, ""},
        {{0, 0, 0, false}, 0, true, ""},
        {{0, 0, 32, false}, 0, true, ""}, /* noSuchObject */
        {{0, 32, 0, false}, 0, true, ""},
        {{0, 123, 0, true}, -EACCES, true, "(LDAP result 123)"}, /* authorizationDenied */
        {{0, 47, 0, true}, -EACCES, true, "(LDAP result 47)"},
        {{0, 48, 0, true}, -EACCES, true, "(LDAP result 48)"},
        {{0, 49, 0, true}, -EACCES, true, "it answers: Invalid credentials (LDAP result 49)"},
        {{0, 0, 50, false}, -EACCES, true, "it answers: Insufficient access (LDAP result 50)"},
        {{0, 1, 0, true}, ERR_DB, true, "it answers: Operations error (LDAP result 1)"},
        {{0, 0, 1, false}, ERR_DB, true, "(LDAP result 1)"},
        {{0, 0, 3, false}, ERR_DB, true, "(LDAP result 3)"},
        {{0, 0, 10, false}, ERR_DB, true, "(LDAP result 10)"},
        {{0, 11, 0, true}, ERR_DB, true, "(LDAP result 11)"},
        {{0, 0, 11, false}, ERR_DB, true, "(LDAP result 11)"},
        {{0, 53, 0, true}, ERR_DB, true, "(LDAP result 53)"},
        {{0, 0, 53, false}, ERR_DB, true, "(LDAP result 53)"},
        {{0, 80, 0, true}, ERR_DB, true, "(LDAP result 80)"},
        {{0, 51, 0, true}, -EHOSTDOWN, true, "it answers: Server is busy (LDAP result 51)"},
        {{0, 0, 51, false}, -EHOSTDOWN, true, "(LDAP result 51)"},
        {{0, 52, 0, true}, -EHOSTDOWN, true, "(LDAP result 52)"},
        /* not let in: that is nothing about the user */
        {{49, 0, 0, true}, ERR_DB, false, "authentication failure"},
        {{50, 0, 0, true}, ERR_DB, false, "authentication failure"},
        {{123, 0, 0, true}, ERR_DB, false, "generic failure"},
        {{53, 0, 0, true}, ERR_DB, false, "generic failure"},
    };
    struct auth_auxprop_setting ldap[] = {
        {"ldapdb_uri", directory.uri}, {"ldapdb_id", "x"},        {"ldapdb_pw", "x"},
        {"ldapdb_mech", "CRAM-MD5"},   {"ldapdb_starttls", NULL},
    };
    struct auth_auxprop *a = NULL;

    (void)state;
    start_directory();
    assert_int_equal(auth_auxprop_open("ldapdb", ldap, 5, why, &a), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        directory.answers = rows[i].answers;
        if (auth_auxprop_ask(a, "alice@x", properties, none, NULL, why) != rows[i].result ||
            auth_ldap_answer_came() != rows[i].came || strstr(why, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, why);
    }
    auth_auxprop_close(a);
    stop_directory();
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(what_is_missing), T(nobody_answers),
                                       T(what_a_directory_answers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
