/*
 * ldap_answer.c - libldap's functions that ask about a user, with a memory of the answer.
 *
 * The plugin is bound to what the program exports before it is bound to libldap (CMakeLists.txt
 * names the two for the linker). libldap's headers are not needed: all is handed on as it comes.
 */
#include "auth/ldap_answer.h"

#include "msa/base/require.h"

#include <dlfcn.h>
#include <stdio.h>

/* Results, by RFC 4511 A.1, and RFC 4370 with its draft's number */
enum {
    SUCCESS = 0,
    NO_SUCH_OBJECT = 32,
    DRAFT_AUTHORIZATION_DENIED = 47,
    INAPPROPRIATE_AUTHENTICATION = 48,
    INVALID_CREDENTIALS = 49,
    INSUFFICIENT_ACCESS_RIGHTS = 50,
    AUTHORIZATION_DENIED = 123,
};

typedef int whoami_function(void *ld, void **authzid, void **sctrls, void **cctrls);
typedef int search_function(void *ld, const char *base, int scope, const char *filter, char **attrs,
                            int attrsonly, void **sctrls, void **cctrls, void *timeout,
                            int sizelimit, void **res);

/* By libldap's names. */
whoami_function ldap_whoami_s;
search_function ldap_search_ext_s;

static struct {
    whoami_function *whoami;
    search_function *search;
    int (*free)(void *res);
    char *(*text)(int result);
} real;

static _Thread_local struct {
    bool came;
    int result; /* below 0: of libldap's own */
} answer;

void auth_ldap_answer_follow(void *library)
{
    real.whoami = (whoami_function *)(uintptr_t)dlsym(library, "ldap_whoami_s");
    real.search = (search_function *)(uintptr_t)dlsym(library, "ldap_search_ext_s");
    real.free = (int (*)(void *))(uintptr_t)dlsym(library, "ldap_msgfree");
    real.text = (char *(*)(int))(uintptr_t)dlsym(library, "ldap_err2string");
}

void auth_ldap_answer_leave(void)
{
    real.whoami = NULL;
    real.search = NULL;
    real.free = NULL;
    real.text = NULL;
}

void auth_ldap_answer_forget(void)
{
    answer.came = false;
    answer.result = SUCCESS;
}

bool auth_ldap_answer_came(void)
{
    return answer.came;
}

bool auth_ldap_answer_refuses(void)
{
    switch (answer.result) {
    case NO_SUCH_OBJECT:
    case DRAFT_AUTHORIZATION_DENIED:
    case INAPPROPRIATE_AUTHENTICATION:
    case INVALID_CREDENTIALS:
    case INSUFFICIENT_ACCESS_RIGHTS:
    case AUTHORIZATION_DENIED:
        return true;
    default:
        return false;
    }
}

bool auth_ldap_answer_text(char out[AUTH_LDAP_ANSWER_MAX])
{
    if (answer.result == SUCCESS || real.text == NULL)
        return false;
    snprintf(out, AUTH_LDAP_ANSWER_MAX, "%.120s (LDAP result %d)", real.text(answer.result),
             answer.result);
    return true;
}

static int keep(int result)
{
    answer.came = true;
    answer.result = result;
    return result;
}

int ldap_whoami_s(void *ld, void **authzid, void **sctrls, void **cctrls)
{
    REQUIRE(real.whoami != NULL);
    return keep(real.whoami(ld, authzid, sctrls, cctrls));
}

int ldap_search_ext_s(void *ld, const char *base, int scope, const char *filter, char **attrs,
                      int attrsonly, void **sctrls, void **cctrls, void *timeout, int sizelimit,
                      void **res)
{
    int result;

    REQUIRE(real.search != NULL && real.free != NULL);
    *res = NULL;
    result = keep(real.search(ld, base, scope, filter, attrs, attrsonly, sctrls, cctrls, timeout,
                              sizelimit, res));
    if (result != SUCCESS && *res != NULL) { /* the plugin would lose it */
        real.free(*res);
        *res = NULL;
    }
    return result;
}
