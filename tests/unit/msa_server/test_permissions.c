#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/options_run.h"

#include <stdio.h>
#include <string.h>

#define COMMON                                                                                  \
    "domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; }; listen = { tls = \"none\"; };" \
    "auth = { require_tls = false; realms = [ \"example.net\", \"example.org\" ]; };\n"

/* lines behind the first; what is said of them, "" if they are good */
static const struct row {
    const char *lines, *said;
} rows[] = {
    {"permissions = { login = \"alice\"; };", ""},
    {"permissions = ( { login = \"alice\"; }, { login = \"*\"; }, { login = \"@trusted\"; } );",
     ""},
    {"permissions = ( );", ""},
    {"permissions = { login = \"alice\"; may_send_as = [ ]; };", ""},
    {"permissions = ( { login = \"alice@example.net\"; }, { login = \"alice@example.org\"; } );",
     ""},
    {"permissions = { may_send_as = \"*\"; };",
     "m:2: permissions[0].login: is missing; login = \"alice@example.net\";\n"},
    {"permissions = (\n{ login = \"alice\"; },\n{ login = \"Alice@EXAMPLE.net\"; } );",
     "m:4: permissions[1].login: \"alice@example.net\" has a row already: m:3; one row for each "
     "login\n"},
    {"permissions = ( { login = \"*\"; },\n{ login = \"*\"; } );",
     "m:3: permissions[1].login: \"*\" has a row already: m:2; one row for each login\n"},
    {"permissions = { login = \"alice@else.test\"; };",
     "m:2: permissions[0].login: \"alice@else.test\" is nobody's login: the realm behind the @ "
     "is none of auth.realms; one of auth.realms\n"},
    {"permissions = { login = \"alice@exаmple.net\"; };",
     "m:2: permissions[0].login: \"alice@exаmple.net\" is nobody's login: the realm behind the @ "
     "is none of auth.realms; one of auth.realms\n"},
    {"permissions = { login = \"аlice\"; };",
     "m:2: permissions[0].login: \"аlice@example.net\" mixes scripts: it looks like a name that it "
     "is not; the name written in one script\n"},
    {"permissions = { login = \"al ice\"; };",
     "m:2: permissions[0].login: \"al ice@example.net\" can be no login; \"alice@example.net\", "
     "\"*\" or \"@trusted\"\n"},
    {"permissions = { login = \"@example.net\"; };",
     "m:2: permissions[0].login: \"@example.net\" can be no login; \"alice@example.net\", \"*\" or "
     "\"@trusted\"\n"},
    {"permissions = { login = \"*@example.net\"; };",
     "m:2: permissions[0].login: \"*@example.net\" can be no login; \"alice@example.net\", \"*\" "
     "or "
     "\"@trusted\"\n"},
    {"permissions = { login = \"alice\";\nmay_send_as = [ \"%u\",\n\"*@example.net\" ]; };",
     "m:4: permissions[0].may_send_as[1]: \"*@example.net\" is no pattern; \"@example.net\" for a "
     "domain, \"@*.example.net\" for those below it\n"},
    {"permissions = { login = \"alice\"; may_send_to = \"bob\"; };",
     "m:2: permissions[0].may_send_to: \"bob\" is no pattern and no address; \"bob@example.net\", "
     "\"bob+*@example.net\", \"@example.net\", \"@*.example.net\", \"%u\", \"%u+*\", \"*\" or "
     "\"file:/path\"\n"},
    {"permissions = { login = \"alice\"; may_send_as = \"@аpple.example\"; };",
     "m:2: permissions[0].may_send_as: \"@аpple.example\" has a domain that mixes scripts: it "
     "looks "
     "like what it is not; the domain written in one script\n"},
    {"permissions = { login = \"a\"; lock_auth = true; };",
     "m:2: permissions[0].lock_auth: there is no budget in this row that could be broken; a "
     "budget, for example messages_per_hour = 100\n"},
    {"permissions = { login = \"@trusted\"; recipients_per_day = 5; };",
     "m:2: permissions[0].recipients_per_day: clients without a login have no budget; "
     "limits.connections_per_client and limits.messages_per_session bound them; a row for a "
     "login\n"},
    {"permissions = { login = \"@trusted\"; may_send_as = [ \"printer@example.net\", \"%u\" ]; };",
     "m:2: permissions[0].may_send_as[1]: \"%u\" speaks of a login, which trusted clients have "
     "none "
     "of; addresses, or \"*\" for all of them\n"},
    {"permissions = { login = \"@trusted\"; may_send_to = \"file:/aliases\"; };",
     "m:2: permissions[0].may_send_to[0]: \"file:/aliases\" speaks of a login, which trusted "
     "clients have none of; addresses, or \"*\" for all of them\n"},
    {"permissions = { login = \"alice\"; class = \"gateway\"; allow_resent = true; };",
     "m:2: permissions[0].allow_resent: a gateway's header is not judged; leave it out, or class = "
     "\"user\"\n"},
    {"permissions = { login = \"alice\"; class = \"gateway\"; may_send_on_behalf_of = \"*\"; };",
     "m:2: permissions[0].may_send_on_behalf_of: a gateway's header is not judged; leave it out, "
     "or "
     "class = \"user\"\n"},
    {"permissions = { login = \"alice\"; class = \"users\"; };",
     "m:2: permissions[0].class: \"users\" is not known; \"user\" or \"gateway\"\n"},
    {"permissions = { include = \"permissions.d\"; };", ""},
    {"permissions = { include = \"permissions.d\"; class = \"user\"; };",
     "m:2: permissions[0].class: it stands beside include; in a row of its own\n"},
    {"permissions = { login = \"alice\"; may_send = \"*\"; };",
     "m:2: permissions[0].may_send: unknown key; the nearest known key is "
     "permissions[0].may_send_as\n"},
};

static void faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run;
        char text[1024];
        snprintf(text, sizeof text, "%s%s", COMMON, rows[i].lines);
        run_start(&run, text, "mail.example.net");
        const char *hit = strstr(run.printed, "permissions");
        const char *said = run.printed;
        while (hit && said < hit) { /* without the warning of the common lines */
            const char *end = strchr(said, '\n');
            if (!end || end > hit)
                break;
            said = end + 1;
        }
        assert_string_equal(hit ? said : "", rows[i].said);
        assert_int_equal(run.ok, *rows[i].said == '\0');
        run_stop(&run);
    }
}

static void derived(void **state)
{
    (void)state;
    struct run run;
    run_start(&run,
              COMMON "permissions = ( { login = \"alice\"; }, { login = \"Bob@EXAMPLE.org\"; }, "
                     "{ login = \"@trusted\"; }, { login = \"*\"; may_send_as = [ ]; } );",
              "mail.example.net");
    if (!run.ok)
        fail_msg("%s", run.printed);
    const struct permission_options *o = run.o.permissions.items;
    assert_int_equal(run.o.permissions.count, 4);
    assert_string_equal(o[0].login, "alice@example.net");
    assert_string_equal(o[0].may_send_as.items[0], "%u");
    assert_string_equal(o[0].may_send_to.items[0], "*");
    assert_string_equal(o[1].login, "bob@example.org");
    assert_string_equal(o[2].login, "@trusted");
    assert_string_equal(o[2].may_send_as.items[0], "*");
    assert_int_equal(o[3].may_send_as.count, 0);
    run_stop(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults), cmocka_unit_test(derived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
