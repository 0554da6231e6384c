#include "options_run.h"

#include "msa/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void three_lines_suffice(void **state)
{
    struct run r;
    (void)state;
    run_start(&r,
              "hostname = \"Mail.Example.NET\";\n"
              "domains = \"Example.net\";\n"
              "tls = { certificate = \"/c.pem\"; key = \"/k.pem\"; };\n",
              "");
    assert_string_equal(r.printed, "");
    assert_true(r.ok);
    assert_string_equal(r.o.hostname, "mail.example.net");
    assert_string_equal(r.o.domains.items[0], "example.net");
    assert_string_equal(r.o.postmaster, "postmaster@example.net");
    assert_int_equal(r.o.tls.count, 1);
    assert_string_equal(CONF_ITEM(r.o.tls, 0, struct msa_tls_options)->key, "/k.pem");
    run_stop(&r);
}

static void defaults_are_as_designed(void **state)
{
    static const int64_t retry[] = {300, 600, 1200, 2400, 3600, 7200, 14400};
    struct run r;
    (void)state;
    run_start(&r, "domains = [ \"example.net\", \"example.org\" ];", "host.example.net");
    assert_string_equal(r.printed, "");
    const struct msa_options *o = &r.o;
    assert_string_equal(o->hostname, "host.example.net");
    assert_string_equal(o->state, "/var/lib/msa");
    assert_string_equal(o->user, "msa");
    assert_string_equal(o->auth_user, "msa-auth");
    assert_int_equal(o->workers, 0);
    assert_int_equal(o->shutdown_grace_s, 30);
    assert_int_equal(o->listen.count, 2);
    const struct msa_listen_options *l = CONF_ITEM(o->listen, 0, struct msa_listen_options);
    assert_string_equal(l[0].address, "*");
    assert_int_equal(l[0].port, 587);
    assert_int_equal(l[0].tls, MSA_LISTEN_STARTTLS);
    assert_int_equal(l[0].bare_newlines, MSA_BARE_NEWLINES_NORMALIZE);
    assert_int_equal(l[1].port, 465);
    assert_int_equal(l[1].tls, MSA_LISTEN_IMPLICIT);
    assert_int_equal(o->tls_minimum, MSA_TLS_MINIMUM_1_2);
    assert_int_equal(o->tls.count, 1);
    assert_string_equal(CONF_ITEM(o->tls, 0, struct msa_tls_options)->certificate,
                        "/etc/msa/cert.pem");
    assert_int_equal(o->auth.realms.count, 2);
    assert_string_equal(o->auth.realms.items[1], "example.org");
    assert_int_equal(o->auth.mechanisms.count, 3);
    assert_string_equal(o->auth.mechanisms.items[0], "SCRAM-SHA-256");
    assert_string_equal(o->auth.path, "/var/lib/msa/auth/sasldb2");
    assert_true(o->auth.require_tls);
    assert_int_equal(o->auth.max_failures, 5);
    assert_int_equal(o->limits.message_size_bytes, 50 << 20);
    assert_int_equal(o->limits.recipients, 1000);
    assert_int_equal(o->limits.connections, 10000);
    assert_int_equal(o->limits.connections_per_client, 50);
    assert_int_equal(o->limits.messages_per_session, 1000);
    assert_int_equal(o->limits.command_timeout_s, 300);
    assert_int_equal(o->limits.data_timeout_s, 180);
    assert_int_equal(o->limits.header_size_bytes, 256 << 10);
    assert_int_equal(o->limits.received_hops, 100);
    assert_int_equal(o->limits.memory, -25);
    assert_true(o->rewrite.add_date && o->rewrite.add_message_id && o->rewrite.hide_client);
    assert_int_equal(o->rewrite.header_errors, REWRITE_ERRORS_REFUSE);
    assert_false(o->rewrite.complete_domains);
    assert_int_equal(o->queue.lifetime_s, 5 * 86400);
    assert_int_equal(o->queue.delay_warning_s, 4 * 3600);
    assert_int_equal(o->queue.retry.count, 7);
    assert_memory_equal(o->queue.retry.items, retry, sizeof retry);
    assert_int_equal(o->queue.history_s, 14 * 86400);
    assert_int_equal(o->queue.history_size_bytes, INT64_C(10) << 30);
    assert_int_equal(o->queue.bounce_body_bytes, 50 << 10);
    assert_true(o->relay.ipv6);
    assert_false(o->relay.allow_loopback);
    assert_int_equal(o->relay.per_site, 20);
    assert_int_equal(o->relay.site_backoff_codes.count, 1);
    assert_string_equal(o->relay.site_backoff_codes.items[0], "4.7.28");
    assert_int_equal(o->relay.sites.count, 6);
    assert_int_equal(o->relay.routes.count, 0);
    assert_string_equal(o->relay.capture, "");
    assert_int_equal(o->policy.milters.count, 0);
    assert_string_equal(o->policy.service, "");
    assert_int_equal(o->policy.service_timeout_s, 30);
    assert_int_equal(o->policy.service_on_error, POLICY_ON_ERROR_TEMPFAIL);
    assert_int_equal(policy_options_stages(&o->policy), 1 << POLICY_STAGE_RCPT);
    assert_int_equal(o->dns.servers.count, 0);
    assert_int_equal(o->dns.dnssec, DNS_DNSSEC_AUTO);
    assert_string_equal(o->dns.trust_anchor, "/usr/share/dns/root.key");
    assert_int_equal(o->dns.timeout_s, 8);
    assert_string_equal(o->admin.socket, "/var/lib/msa/control.sock");
    assert_int_equal(o->log.level, LOG_INFO);
    assert_int_equal(o->log.format, LOG_TEXT);
    assert_int_equal(o->log.per_client_per_minute, 60);
    run_stop(&r);
}

/* Keys of the design that do nothing yet must be refused, not ignored. */
static void keys_without_effect_are_unknown(void **state)
{
    static const char *const keys[] = {
        "admin = { http = \"\"; }",
    };
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct run r;
        char text[300] = "domains = \"example.net\";\n";
        run_start(&r, strcat(text, keys[i]), "host.example.net");
        assert_int_equal(r.faults.errors, 1);
        assert_int_equal(r.faults.first->line, 2);
        assert_string_equal(r.faults.first->wrong, "unknown key");
        run_stop(&r);
    }
}

static void derived_values(void **state)
{
    struct run r;
    (void)state;
    run_start(&r,
              "domains = \"example.net\"; state = \"/srv/msa//\";\n"
              "auth = { mechanisms = [ \"plain\" ]; realms = \"Users\"; };\n"
              "relay = { capture = \"<state>/captured\"; routes = (\n"
              " { domain = \"A.example\"; to = \"smtp://b.example\"; },\n"
              " { to = \"smtp://b.example\"; user = \"u\"; password_file = \"/p\"; } ); };\n"
              "queue = { lifetime = \"1h\"; retry = \"1m\"; };",
              "host.example.net");
    assert_string_equal(r.printed, "");
    assert_string_equal(r.o.state, "/srv/msa");
    assert_string_equal(r.o.relay.capture, "/srv/msa/captured");
    assert_string_equal(r.o.auth.mechanisms.items[0], "PLAIN");
    assert_string_equal(r.o.auth.realms.items[0], "users");
    const struct relay_route_options *routes = r.o.relay.routes.items;
    assert_string_equal(routes[0].domain, "a.example");
    assert_int_equal(routes[0].tls, RELAY_ROUTE_TLS_OPPORTUNISTIC);
    assert_string_equal(routes[1].domain, "*");
    assert_int_equal(routes[1].tls, RELAY_ROUTE_TLS_VERIFY);
    run_stop(&r);
}

static void certificates_are_not_needed_without_tls(void **state)
{
    struct run r;
    (void)state;
    run_start(&r,
              "domains = \"example.net\"; auth = { require_tls = false; };\n"
              "listen = { address = \"127.0.0.1\"; port = 2587; tls = \"none\"; };",
              "host.example.net");
    assert_true(r.ok);
    assert_int_equal(r.o.tls.count, 0);
    run_stop(&r);
}

/* What "config show" prints is itself a configuration with the same meaning. */
static void written_options_read_back(void **state)
{
    struct run r, again;
    struct buf out;
    (void)state;
    run_start(&r,
              "hostname = \"h.example.net\"; domains = [ \"example.net\" ];\n"
              "limits = { memory = \"64M\"; };\n"
              "relay = { routes = { to = [ \"smtps://a.example\" ]; user = \"u\";"
              " password_file = \"/p\"; }; };\n",
              "");
    assert_true(r.ok);
    for (unsigned show = 0; show <= CONF_SHOW_ALL; show += CONF_SHOW_ALL) {
        buf_init(&out, 1 << 20, 0);
        assert_int_equal(conf_write(msa_options_rows, &r.o, show, &out), 0);
        char *text = buf_take(&out, NULL);
        run_start(&again, text, "");
        assert_string_equal(again.printed, "");
        buf_init(&out, 1 << 20, 0);
        assert_int_equal(conf_write(msa_options_rows, &again.o, show, &out), 0);
        char *twice = buf_take(&out, NULL);
        assert_string_equal(text, twice);
        free(text);
        free(twice);
        run_stop(&again);
    }
    run_stop(&r);
}

static void listeners_have_addresses(void **state)
{
    struct ip_port at[2];
    char text[IP_TEXT_MAX];
    (void)state;
    assert_int_equal(
        options_listen_addresses(&(struct msa_listen_options){.address = "*", .port = 587}, at), 2);
    assert_string_equal(ip_port_text(&at[0], text), "[::]:587");
    assert_string_equal(ip_port_text(&at[1], text), "0.0.0.0:587");
    assert_int_equal(
        options_listen_addresses(&(struct msa_listen_options){.address = "::1", .port = 1}, at), 1);
    assert_string_equal(ip_port_text(&at[0], text), "[::1]:1");
}

static void memory_follows_the_machine(void **state)
{
    (void)state;
    struct msa_limits_options l = {.memory = -25};
    assert_int_equal(options_memory_bytes(&l, 4000), 1000);
    assert_int_equal(options_memory_bytes(&l, INT64_MAX), INT64_MAX / 100 * 25);
    l.memory = 12345;
    assert_int_equal(options_memory_bytes(&l, 4000), 12345);
}

static void resolvers_are_parsed(void **state)
{
    static const struct {
        const char *text, *address;
    } cases[] = {
        {"192.0.2.53", "192.0.2.53:53"}, {"127.0.0.1@5353", "127.0.0.1:5353"},
        {"::1@54", "[::1]:54"},          {"2001:db8::1", "[2001:db8::1]:53"},
        {"dns.example", NULL},           {"127.0.0.1@", NULL},
        {"127.0.0.1@0", NULL},           {"127.0.0.1@65536", NULL},
        {"127.0.0.1:53", NULL},          {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip_port at;
        char text[IP_TEXT_MAX];
        assert_int_equal(dns_options_server(sv_of(cases[i].text), &at), cases[i].address != NULL);
        if (cases[i].address)
            assert_string_equal(ip_port_text(&at, text), cases[i].address);
    }
}

static void dkim_times_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_s; /* -1: refused */
    } cases[] = {
        {"", INT64_MIN},
        {"1970-01-01", 0},
        {"2026-01-31", 1769817600},
        {"2026-01-31T12:00:01Z", 1769860801},
        {"2024-02-29", 1709164800},
        {"2023-02-29", -1},
        {"2026-04-31", -1},
        {"2026-13-01", -1},
        {"2026-00-10", -1},
        {"2026-01-00", -1},
        {"2026-1-1", -1},
        {"26-01-01", -1},
        {"2026-01-31T12:00:01", -1},
        {"2026-01-31T24:00:01Z", -1},
        {"2026-01-31T12:60:00Z", -1},
        {"2026-01-31T12:00:60Z", -1},
        {"2026-01-31T12:00:01Zx", -1},
        {"2026-01-31 ", -1},
        {"2026-01-3 ", -1},
        {"2026/01/31", -1},
        {"+026-01-31", -1},
        {"tomorrow", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t wall_s;
        bool good = rewrite_dkim_options_time(sv_of(cases[i].text), &wall_s);
        if (good != (cases[i].wall_s != -1) || (good && wall_s != cases[i].wall_s))
            fail_msg("%s: %lld", cases[i].text, (long long)wall_s);
    }
}

static void route_urls_are_parsed(void **state)
{
    static const struct {
        const char *url, *host; /* host NULL: refused */
        int scheme, family, port;
    } cases[] = {
        {"smtp://a.example", "a.example", RELAY_URL_SMTP, IP_NONE, 25},
        {"SMTP://a.example:587/", "a.example", RELAY_URL_SMTP, IP_NONE, 587},
        {"smtps://a.example", "a.example", RELAY_URL_SMTPS, IP_NONE, 465},
        {"smtp://localhost:2525", "localhost", RELAY_URL_SMTP, IP_NONE, 2525},
        {"smtp://127.0.0.1:2525", "127.0.0.1", RELAY_URL_SMTP, IP_V4, 2525},
        {"smtps://[2001:db8::1]", "2001:db8::1", RELAY_URL_SMTPS, IP_V6, 465},
        {"smtp://[::1]:25", "::1", RELAY_URL_SMTP, IP_V6, 25},
        {"qmtp://a.example", "a.example", RELAY_URL_QMTP, IP_NONE, 209},
        {"qmtp://127.0.0.1:2209", "127.0.0.1", RELAY_URL_QMTP, IP_V4, 2209},
        {"QMTPS://[2001:db8::1]/", "2001:db8::1", RELAY_URL_QMTPS, IP_V6, 6209},
        {"lmtp://a.example", "a.example", RELAY_URL_LMTP, IP_NONE, 24},
        {.url = "http://a.example"},
        {.url = "qmtp://"},
        {.url = "a.example:25"},
        {.url = "smtp://"},
        {.url = "smtp://:25"},
        {.url = "smtp://a.example:"},
        {.url = "smtp://a.example:0"},
        {.url = "smtp://a.example:65536"},
        {.url = "smtp://a.example:25x"},
        {.url = "smtp://a.example/path"},
        {.url = "smtp://u@a.example"},
        {.url = "smtp://a..example"},
        {.url = "smtp://a.example."},
        {.url = "smtp://-a.example"},
        {.url = "smtp://[127.0.0.1]"},
        {.url = "smtp://[::1"},
        {.url = "smtp://::1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct relay_url url;
        const char *wrong = NULL;
        assert_int_equal(relay_options_url(sv_of(cases[i].url), &url, &wrong),
                         cases[i].host != NULL);
        if (!cases[i].host) {
            assert_non_null(wrong);
            continue;
        }
        assert_true(sv_eq(url.host, sv_of(cases[i].host)));
        assert_int_equal(url.scheme, cases[i].scheme);
        assert_int_equal(url.ip.family, cases[i].family);
        assert_int_equal(url.port, cases[i].port);
    }
}

static void routes_match_domains(void **state)
{
    static const struct {
        const char *pattern, *domain;
        bool match;
    } cases[] = {
        {"*", "a.example", true},
        {"*", "[192.0.2.1]", true},
        {"a.example", "A.Example", true},
        {"a.example", "b.a.example", false},
        {"*.a.example", "b.a.example", true},
        {"*.a.example", "c.b.a.example", true},
        {"*.a.example", "a.example", false},
        {"*.a.example", "ba.example", false},
        {"[192.0.2.1]", "[192.0.2.1]", true},
        {"[192.0.2.1]", "[192.0.2.2]", false},
        {"[IPv6:2001:DB8:0::1]", "[ipv6:2001:db8::1]", true},
        {"[IPv6:2001:db8::1]", "[ipv6:2001:db8::2]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(relay_options_match(sv_of(cases[i].pattern), sv_of(cases[i].domain)),
                         cases[i].match);
}

static void proxies_are_parsed(void **state)
{
    static const struct {
        const char *url, *at, *user, *password; /* at NULL: refused */
    } cases[] = {
        {"socks5://127.0.0.1:9050", "127.0.0.1:9050", "", ""},
        {"SOCKS5://127.0.0.1", "127.0.0.1:1080", "", ""},
        {"socks5://[::1]:9050/", "[::1]:9050", "", ""},
        {"socks5://u:p@192.0.2.1", "192.0.2.1:1080", "u", "p"},
        {"socks5://u@192.0.2.1", "192.0.2.1:1080", "u", ""},
        {"socks5://u:p:q@r@192.0.2.1:1", "192.0.2.1:1", "u", "p:q@r"},
        {.url = "socks5://localhost:9050"},
        {.url = "socks5://"},
        {.url = "socks5://:p@127.0.0.1"},
        {.url = "socks5://127.0.0.1:0"},
        {.url = "socks4://127.0.0.1"},
        {.url = "127.0.0.1:9050"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct relay_proxy_url url;
        const char *wrong = NULL;
        char at[IP_TEXT_MAX];
        assert_int_equal(relay_options_proxy(sv_of(cases[i].url), &url, &wrong),
                         cases[i].at != NULL);
        if (!cases[i].at) {
            assert_non_null(wrong);
            continue;
        }
        assert_string_equal(ip_port_text(&url.at, at), cases[i].at);
        assert_true(sv_eq(url.user, sv_of(cases[i].user)));
        assert_true(sv_eq(url.password, sv_of(cases[i].password)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lines_suffice),
        cmocka_unit_test(defaults_are_as_designed),
        cmocka_unit_test(keys_without_effect_are_unknown),
        cmocka_unit_test(derived_values),
        cmocka_unit_test(certificates_are_not_needed_without_tls),
        cmocka_unit_test(written_options_read_back),
        cmocka_unit_test(listeners_have_addresses),
        cmocka_unit_test(memory_follows_the_machine),
        cmocka_unit_test(resolvers_are_parsed),
        cmocka_unit_test(route_urls_are_parsed),
        cmocka_unit_test(proxies_are_parsed),
        cmocka_unit_test(dkim_times_are_parsed),
        cmocka_unit_test(routes_match_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
