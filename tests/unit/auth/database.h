/*
 * database.h - a user database in a folder of its own, for the tests of the keeper.
 */
#ifndef TESTS_UNIT_AUTH_DATABASE_H
#define TESTS_UNIT_AUTH_DATABASE_H

#include "auth/options.h"
#include "auth/users.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *database_realms[] = {"example.net", "sales.example.net"};
static const struct conf_strings database_realm_list = {database_realms, 2};

static inline struct auth_options database_options(const char *path)
{
    static const char *names[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
    static char accounts[80];

    snprintf(accounts, sizeof(accounts), "%.*susers.db", (int)strlen(path) - 7, path);
    return (struct auth_options){.realms = database_realm_list,
                                 .mechanisms = {names, 3},
                                 .path = path,
                                 .accounts_path = accounts,
                                 .require_tls = true,
                                 .max_failures = 5};
}

/* Path of a database that is not there yet. */
static inline const char *database_new(void)
{
    static char path[64];
    char folder[] = "/tmp/auth-test-XXXXXX";

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/sasldb2", folder);
    return path;
}

static inline void database_drop(const char *path)
{
    static const char *const files[] = {"sasldb2",      "sasldb2.lock",  "sasldb2.new",
                                        "sasldb2.salt", "users.db",      "users.db-wal",
                                        "users.db-shm", "users.db.made", "users.db.lock"};
    char name[96];
    int folder = (int)strlen(path) - 7;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(name, sizeof(name), "%.*s%s", folder, path, files[i]);
        unlink(name);
    }
    snprintf(name, sizeof(name), "%.*s", folder, path);
    assert_int_equal(rmdir(name), 0);
}

static inline struct auth_name database_name(const char *text)
{
    struct auth_name name;

    assert_int_equal(auth_name_parse(&database_realm_list, sv_of(text), &name), AUTH_NAME_OK);
    return name;
}

static inline int database_put(const char *path, bool is_new, const struct auth_name *name,
                               const char *password)
{
    struct auth_scram v;

    auth_scram_new(&v, AUTH_SCRAM_SHA256, sv_of(password));
    return is_new ? auth_users_add(path, name, &v, SV_NONE)
                  : auth_users_passwd(path, name, &v, SV_NONE);
}

static inline void database_add(const char *path, const char *user, const char *password)
{
    struct auth_name name = database_name(user);

    assert_int_equal(database_put(path, true, &name, password), 0);
}

static inline void database_passwd(const char *path, const char *user, const char *password)
{
    struct auth_name name = database_name(user);

    assert_int_equal(database_put(path, false, &name, password), 0);
}

static inline void database_delete(const char *path, const char *user)
{
    struct auth_name name = database_name(user);

    assert_int_equal(auth_users_delete(path, &name), 0);
}

static inline void database_garbage(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "no database ", 12), 12);
    close(fd);
}

/* The real saslpasswd2 writes an entry with clear text, or deletes it where password is NULL. */
static inline void database_saslpasswd2(const char *path, const char *user, const char *realm,
                                        const char *password)
{
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[0], 0);
        execl("/usr/sbin/saslpasswd2", "saslpasswd2", "-p", password ? "-c" : "-d", "-f", path,
              "-u", realm, user, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    if (password != NULL)
        assert_int_equal(write(fds[1], password, strlen(password)), (ssize_t)strlen(password));
    close(fds[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
