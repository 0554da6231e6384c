#include "relay/queue/destinations.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What one login sends to one domain has a way of its own. */
static char *rule(const void *arg, const char *domain, const char *sender, const char *login)
{
    assert_string_equal(arg, "rules");
    return strcmp(domain, "a.test") == 0 && strcmp(login, "u") == 0 && !*sender
               ? mem_str("a.test@3")
               : NULL;
}

static void names_and_members(void **state)
{
    (void)state;
    struct destinations *d = destinations_new(rule, "rules");
    char *name = destinations_name(d, "a.test", "", "u");
    assert_string_equal(name, "a.test@3");
    free(name);
    name = destinations_name(d, "a.test", "", "v");
    assert_string_equal(name, "a.test");
    free(name);
    assert_false(destinations_hold(d, "a.test", "", "u"));
    destinations_add(d, "a.test@3");
    destinations_add(d, "a.test@3");
    destinations_add(d, "smtp://b.test:25");
    assert_true(destinations_hold(d, "a.test", "", "u"));
    assert_false(destinations_hold(d, "a.test", "s@x.test", "u"));
    assert_false(destinations_hold(d, "a.test", "", "v"));
    assert_true(destinations_hold(d, "smtp://b.test:25", "", "u"));
    assert_false(destinations_hold(d, "smtp://b.test:2", "", "u"));
    destinations_free(d);
    destinations_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_members)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
