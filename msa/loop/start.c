#include "msa/loop/start.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct first_steps {
    char name[16];
    void *(*run)(void *arg);
    void *arg;
};

/* A thread names itself: to name another one takes a file of /proc, which a sandbox hides. */
static void *thread_main(void *arg)
{
    struct first_steps first = *(struct first_steps *)arg;
    free(arg);
    pthread_setname_np(pthread_self(), first.name);
    return first.run(first.arg);
}

pthread_t thread_new(const char *name, void *(*run)(void *arg), void *arg)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    struct first_steps *first = NEW(struct first_steps);
    sigset_t blocked, before;
    pthread_t id;

    snprintf(first->name, sizeof first->name, "%s", name);
    first->run = run;
    first->arg = arg;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int err = pthread_create(&id, NULL, thread_main, first);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    REQUIRE(err == 0);
    return id;
}
