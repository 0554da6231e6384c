/* What a listener offers under a configuration; the table as a whole is in test_main.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/ctl/extensions.h"
#include "tests/unit/msa_server/options_run.h"

#define COMMON "domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; };"

static const struct row {
    const char *lines;
    enum smtp_ext_id id;
    enum extension_state states[3]; /* by listener */
} rows[] = {
    {"", SMTP_EXT_STARTTLS, {EXTENSION_ON, EXTENSION_IDLE}},
    {"", SMTP_EXT_AUTH, {EXTENSION_ON, EXTENSION_ON}},
    {"", SMTP_EXT_REQUIRETLS, {EXTENSION_ON, EXTENSION_ON}},
    {"", SMTP_EXT_CHUNKING, {EXTENSION_ON, EXTENSION_ON}},
    {"extensions = { off = \"CHUNKING\"; };", SMTP_EXT_CHUNKING, {EXTENSION_OFF, EXTENSION_OFF}},
    {"extensions = { off = \"chunking\"; };",
     SMTP_EXT_BINARYMIME,
     {EXTENSION_NEEDS, EXTENSION_NEEDS}},
    {"extensions = { off = \"CHUNKING\"; };", SMTP_EXT_DSN, {EXTENSION_ON, EXTENSION_ON}},
    {"extensions = { off = [ \"STARTTLS\" ]; };",
     SMTP_EXT_REQUIRETLS,
     {EXTENSION_IDLE, EXTENSION_ON}},
    {"extensions = { off = [ \"STARTTLS\" ]; };", SMTP_EXT_AUTH, {EXTENSION_IDLE, EXTENSION_ON}},
    {"listen = ( { tls = \"none\"; port = 587; }, { port = 25; } ); auth = { require_tls = false; "
     "};",
     SMTP_EXT_AUTH,
     {EXTENSION_ON, EXTENSION_ON}},
    {"listen = ( { tls = \"none\"; port = 587; }, { port = 25; } ); auth = { require_tls = false; "
     "};",
     SMTP_EXT_REQUIRETLS,
     {EXTENSION_IDLE, EXTENSION_ON}},
    {"listen = ( { port = 587; }, { port = 25; } );",
     SMTP_EXT_FUTURERELEASE,
     {EXTENSION_ON, EXTENSION_IDLE}},
    {"", SMTP_EXT_LIMITS, {EXTENSION_ON, EXTENSION_ON}},
};

static void states(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run;
        char text[1024];
        snprintf(text, sizeof text, "%s%s", COMMON, rows[i].lines);
        run_start(&run, text, "mail.example.net");
        if (!run.ok)
            fail_msg("%s", run.printed);
        for (size_t k = 0; k < run.o.listen.count; k++) {
            const struct msa_listen_options *l =
                CONF_ITEM(run.o.listen, k, const struct msa_listen_options);
            enum extension_state got = extension_state(&run.o, l, smtp_exts[rows[i].id]);
            if (got != rows[i].states[k])
                fail_msg("row %zu, listener %zu: %d", i, k, got);
        }
        run_stop(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(states)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
