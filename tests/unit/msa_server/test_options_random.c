/*
 * Whole lines and pieces of a full configuration, mixed at random: derived defaults and cross
 * checks must stand whatever was refused before them, and what is accepted must write and read
 * back to the same.
 */
#include "options_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define RUNS 3000

static const char *const pieces[] = {
    "domains = \"example.net\";",
    "domains = [ \"A.example\", \"b.example\" ];",
    "domains = [ ];",
    "hostname = \"mail.example.net\";",
    "hostname = mail;",
    "postmaster = \"p@example.net\";",
    "state = \"/srv/x\";",
    "state = \"x\";",
    "listen = ( { port = 25; }, { address = \"::1\"; tls = \"none\"; }, { } );",
    "listen = { address = 5; port = 99999999999; };",
    "listen = ( 5, \"a\" );",
    "tls = ( { names = [ \"*.a.example\" ]; key = \"<state>/k\"; } );",
    "tls = [ ];",
    "auth = { realms = [ \"R\" ]; mechanisms = [ \"login\" ]; require_tls = false; };",
    "auth = { realms = [ 1 ]; path = \"\"; };",
    "limits = { memory = \"30%\"; connections = 5; header_size = \"1M\"; };",
    "limits = ( );",
    "queue = { retry = [ ]; lifetime = \"1d\"; delay_warning = 5; };",
    "queue = { retry = \"3m\"; history_size = \"1G\"; };",
    "relay = { routes = ( { to = \"smtp://a.example\"; user = \"u\"; }, { }, 7 ); };",
    "relay = { routes = { domain = \"*.X.example\"; to = [ \"smtps://[::1]:1\", \"x\" ]; }; };",
    "relay = { capture = \"<state>/c\"; per_site = 3; };",
    "dns = { servers = [ \"::1@53\", \"x\" ]; dnssec = \"off\"; };",
    "log = { level = \"debug\"; format = json; };",
    "admin = { socket = \"/run/x\"; };",
    "{",
    "}",
    "\"",
    "(",
    ")",
    "5m",
    "= ;",
    "@include \"/dev/zero\"",
};
#define PIECES (sizeof pieces / sizeof pieces[0])

static uint64_t rng = 0x9e3779b97f4a7c15u;

static size_t pick(size_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (size_t)(rng % n);
}

static char *write_all(const struct msa_options *o)
{
    struct buf out;
    buf_init(&out, 1 << 20, 0);
    assert_int_equal(conf_write(msa_options_rows, o, CONF_SHOW_ALL, &out), 0);
    return buf_take(&out, NULL);
}

static void reads_back(const struct run *r)
{
    struct run again;
    char *text = write_all(&r->o);
    run_start(&again, text, "");
    if (!again.ok)
        fail_msg("%s\n%s", text, again.printed);
    char *twice = write_all(&again.o);
    assert_string_equal(text, twice);
    free(text);
    free(twice);
    run_stop(&again);
}

static void any_mixture_is_judged(void **state)
{
    size_t accepted = 0;
    (void)state;
    for (int i = 0; i < RUNS; i++) {
        struct run r;
        char text[2000] = "";
        /* the odd pieces at the end are rare, else nothing is ever accepted */
        for (size_t n = 1 + pick(5); n; n--)
            strcat(strcat(text, pieces[pick(pick(4) ? 25 : PIECES)]), "\n");
        run_start(&r, text, pick(2) ? "host.example.net" : "");
        assert_int_equal(r.ok, r.faults.errors == 0);
        assert_true(r.o.listen.count > 0 || !r.ok);
        assert_true(r.o.auth.mechanisms.count > 0);
        assert_non_null(r.o.relay.capture);
        if (r.ok) {
            accepted++;
            reads_back(&r);
        }
        run_stop(&r);
    }
    assert_true(accepted > RUNS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_mixture_is_judged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
