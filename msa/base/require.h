/*
 * require.h - broken contracts end the process.
 *
 * REQUIRE(cond) is always compiled in. It states what the caller promised; it is never
 * reachable from bytes that a peer sent, from a file or from a full disk.
 */
#ifndef MSA_BASE_REQUIRE_H
#define MSA_BASE_REQUIRE_H

#define REQUIRE(cond)                                  \
    do {                                               \
        if (__builtin_expect(!(cond), 0))              \
            require_failed(#cond, __FILE__, __LINE__); \
    } while (0)

/* Says which contract was broken on standard error, then aborts. */
__attribute__((noreturn, cold)) void require_failed(const char *cond, const char *file, int line);

#endif
