#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/options.h"
#include "rewrite/why.h"

#include <string.h>

static bool is_option(const char *setting)
{
    const char *key = setting + strlen("rewrite.");
    for (const struct conf_option *o = rewrite_options_rows; o->name; o++)
        if (strcmp(o->name, key) == 0)
            return true;
    return false;
}

/* Each reason says which section asks for it, and the option it names exists. */
static void reasons_are_whole(void **state)
{
    (void)state;
    for (unsigned why = 0; why < REWRITE_WHY_COUNT; why++) {
        const struct rewrite_why_row *row = rewrite_why_row(why);
        assert_true(*row->section && *row->words);
        if (strncmp(row->setting, "rewrite.", 8) == 0 && !is_option(row->setting))
            fail_msg("%s: no such option", row->setting);
        for (unsigned other = 0; other < why; other++)
            assert_string_not_equal(row->words, rewrite_why_row(other)->words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reasons_are_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
