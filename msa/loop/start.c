#include "msa/loop/start.h"
#include "msa/base/require.h"

#include <signal.h>
#include <stdio.h>

pthread_t thread_new(const char *name, void *(*run)(void *arg), void *arg)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    sigset_t blocked, before;
    pthread_t id;
    char shown[16];

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int err = pthread_create(&id, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    REQUIRE(err == 0);
    snprintf(shown, sizeof shown, "%s", name);
    pthread_setname_np(id, shown);
    return id;
}
