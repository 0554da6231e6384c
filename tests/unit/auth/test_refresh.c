/* Refresh tokens that come in place of others: who shares them, and what outlives us. */
#include "auth/refresh.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct auth_token_issuer first = {.url = SV("https://i.test"),
                                               .client_id = SV("msad"),
                                               .scope = SV("mail"),
                                               .refresh_token = SV("configured")};
static struct auth_refresh *all;
static char folder[32], accounts[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/auth-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(accounts, sizeof(accounts), "%s/users.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    assert_null(all);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static struct auth_refresh *get(const struct auth_token_issuer *issuer)
{
    return auth_refresh_get(&all, accounts, SV("u"), issuer);
}

static void ask(struct auth_refresh *r, const char *by, const char *came)
{
    struct sv token = auth_refresh_begin(r);

    if (!sv_eq(token, sv_of(by)))
        fail_msg("%.*s in place of %s", SV_ARG(token), by);
    auth_refresh_end(r, sv_of(came));
}

/* Another scope or secret is no other token; another user, or configured token, is. */
static void one_for_all_grants(void **state)
{
    struct auth_token_issuer scope = first, token = first, url = first;
    struct auth_refresh *r[5];

    (void)state;
    scope.scope = SV("mail send");
    scope.client_secret = SV("s");
    token.refresh_token = SV("anew");
    url.url = SV("https://j.test");
    r[0] = get(&first);
    r[1] = get(&scope);
    r[2] = get(&token);
    r[3] = get(&url);
    r[4] = auth_refresh_get(&all, accounts, SV("v"), &first);
    assert_ptr_equal(r[0], r[1]);
    ask(r[0], "configured", "second");
    ask(r[1], "second", "third");
    ask(r[0], "third", "");
    ask(r[2], "anew", "");
    ask(r[3], "configured", "");
    ask(r[4], "configured", "");
    auth_refresh_drop(&all, r[0]);
    ask(r[1], "third", "third");
    for (int i = 1; i < 5; i++)
        auth_refresh_drop(&all, r[i]);
}

static void kept_as_long_as_the_configured_one_is(void **state)
{
    struct auth_token_issuer anew = first;
    struct auth_refresh *r = get(&first);

    (void)state;
    ask(r, "configured", "second");
    auth_refresh_drop(&all, r);
    r = get(&first);
    ask(r, "second", "");
    auth_refresh_drop(&all, r);
    anew.refresh_token = SV("anew");
    r = get(&anew);
    ask(r, "anew", "");
    auth_refresh_drop(&all, r);
}

static atomic_int asking;

static void *many(void *arg)
{
    for (int i = 0; i < 200; i++) {
        char next[32];
        struct sv token = auth_refresh_begin(arg);
        uint64_t number = 0;

        assert_int_equal(atomic_fetch_add(&asking, 1), 0);
        assert_true(sv_u64(sv_skip(token, 1), 1000, &number));
        snprintf(next, sizeof(next), "t%u", (unsigned)number + 1);
        atomic_fetch_sub(&asking, 1);
        auth_refresh_end(arg, sv_of(next));
    }
    return NULL;
}

/* A token is asked by once, whoever asks. */
static void in_turns(void **state)
{
    struct auth_token_issuer zero = first;
    struct auth_refresh *r;
    pthread_t threads[4];

    (void)state;
    zero.refresh_token = SV("t0");
    r = get(&zero);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many, r), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ask(r, "t800", "");
    auth_refresh_drop(&all, r);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(one_for_all_grants),
                                       CASE(kept_as_long_as_the_configured_one_is), CASE(in_turns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
