#include "msa/ctl/show.h"

#include "msa/ctl/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text_of(json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : "";
}

static long long number_of(json_t *line, const char *name)
{
    return json_integer_value(json_object_get(line, name));
}

static bool flag_of(json_t *line, const char *name)
{
    return json_is_true(json_object_get(line, name));
}

/* local time, as an operator reads it */
static const char *time_of(json_t *line, const char *name, char out[32])
{
    time_t s = (time_t)(number_of(line, name) / 1000);
    struct tm tm;
    if (!localtime_r(&s, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, 32, "-");
    return out;
}

/* What a remote said may hold anything: control characters must not reach a terminal. */
static void put(const char *text)
{
    plain_put(sv_of(text));
}

void show_json(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* Not among the lines: --site could not be answered for this one. */
static void warn_of_site(json_t *line)
{
    struct arena arena;
    arena_init(&arena);
    fprintf(stderr, "msactl: mail for %s is left alone, as its site is not known now: %s %s\n",
            plain_copy(&arena, text_of(line, "site_unknown")),
            plain_copy(&arena, text_of(line, "status")), plain_copy(&arena, text_of(line, "text")));
    arena_deinit(&arena);
}

void show_line(void *arg, json_t *line)
{
    struct show *s = arg;
    if (!s->json && json_object_get(line, "site_unknown")) {
        warn_of_site(line);
        return;
    }
    if (s->json)
        show_json(json_incref(line));
    else
        s->text(s, line);
    s->lines++;
}

/* Of a row that is due: what it waits for; "" for nothing. */
static const char *wait_of(json_t *line, char out[96])
{
    static const struct {
        const char *name, *words;
    } waits[] = {
        {"dns", "DNS"},
        {"pause", "the end of a pause (msactl resume)"},
        {"site", "its site, which is left alone"},
        {"pace", "the pace of its site (relay.sites)"},
        {"slot", "a free connection"},
    };
    const char *for_what = text_of(line, "waits_for"), *words = for_what;
    char at[32] = "", *end = out;
    if (!*for_what)
        return "";
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strcmp(for_what, waits[i].name) == 0)
            words = waits[i].words;
    end += snprintf(out, 56, "waits for %s", words);
    if (number_of(line, "waits_since_ms"))
        snprintf(end, 40, " since %s", time_of(line, "waits_since_ms", at));
    else if (number_of(line, "waits_until_ms"))
        snprintf(end, 40, " until %s", time_of(line, "waits_until_ms", at));
    return out;
}

void show_queue(struct show *s, json_t *line)
{
    char due[32], wait[96];
    if (s->lines == 0)
        printf("%-16s %-10s %-19s %8s  %s\n", "ID", "STATE", "NEXT ATTEMPT", "BYTES",
               "FROM -> TO (LAST RESULT)");
    printf("%-16s %-10s %-19s %8lld  ", text_of(line, "id"), text_of(line, "state"),
           time_of(line, "due_ms", due), number_of(line, "size"));
    put(*text_of(line, "from") ? text_of(line, "from") : "<>");
    printf(" -> ");
    put(text_of(line, "to"));
    if (*text_of(line, "text")) {
        printf(" (%s%s", text_of(line, "status"), *text_of(line, "status") ? " " : "");
        put(text_of(line, "text"));
        putchar(')');
    }
    if (flag_of(line, "v4_only"))
        printf(" [over IPv4 only]");
    if (*wait_of(line, wait))
        printf(" [%s]", wait);
    putchar('\n');
}

void show_queue_detail(struct show *s, json_t *line)
{
    char at[32], wait[96];
    if (s->lines == 0) {
        printf("id        %s\nfrom      ", text_of(line, "id"));
        put(*text_of(line, "from") ? text_of(line, "from") : "<>");
        printf("\nlogin     ");
        put(text_of(line, "login"));
        printf("\nreceived  %s\nbytes     %lld\n", time_of(line, "received_ms", at),
               number_of(line, "size"));
    }
    printf("to        ");
    put(text_of(line, "to"));
    printf("\n  state   %s, %lld attempts, next %s\n", text_of(line, "state"),
           number_of(line, "attempts"), time_of(line, "due_ms", at));
    if (*wait_of(line, wait))
        printf("          %s\n", wait);
    if (flag_of(line, "v4_only"))
        printf("  way     over IPv4 only, as a host of its domain has asked (MX6)\n");
    if (*text_of(line, "text")) {
        printf("  result  %s ", text_of(line, "status"));
        put(text_of(line, "text"));
        putchar('\n');
    }
}

void show_summary(struct show *s, json_t *line)
{
    char oldest[32], due[32];
    if (s->lines == 0)
        printf("%10s  %-19s  %-19s  %s\n", "RECIPIENTS", "OLDEST", "NEXT ATTEMPT", "DOMAIN");
    printf("%10lld  %-19s  %-19s  ", number_of(line, "recipients"),
           time_of(line, "oldest_ms", oldest), time_of(line, "due_ms", due));
    put(text_of(line, "domain"));
    putchar('\n');
}

void show_changed(struct show *s, json_t *line)
{
    if (json_object_get(line, "id")) { /* --dry-run: one of them */
        show_queue(s, line);
        return;
    }
    printf("%lld recipient%s%s\n", number_of(line, "recipients"),
           number_of(line, "recipients") == 1 ? "" : "s",
           flag_of(line, "dry_run") ? " would be changed (--dry-run)" : "");
}

void show_trace(struct show *s, json_t *line)
{
    char at[32];
    (void)s;
    printf("%s %-16s %-9s ", time_of(line, "time_ms", at), text_of(line, "id"),
           text_of(line, "event"));
    if (strcmp(text_of(line, "event"), "accepted") == 0) {
        printf("from=<");
        put(text_of(line, "from"));
        printf("> login=");
        put(text_of(line, "login"));
        printf(" client=%s size=%lld message-id=", text_of(line, "client"),
               number_of(line, "size"));
        put(text_of(line, "message_id"));
        printf(" to=");
        put(text_of(line, "to"));
        if (*text_of(line, "text"))
            printf(" forms=%s", text_of(line, "text"));
    } else if (strcmp(text_of(line, "event"), "refused") == 0) {
        printf("from=<");
        put(text_of(line, "from"));
        printf("> to=");
        put(text_of(line, "to"));
        printf(" login=");
        put(text_of(line, "login"));
        printf(" client=%s ", text_of(line, "client"));
        put(text_of(line, "text"));
    } else {
        printf("to=<");
        put(text_of(line, "to"));
        printf("> %s ", text_of(line, "status"));
        put(text_of(line, "text"));
        if (*text_of(line, "remote")) {
            printf(" [");
            put(text_of(line, "remote"));
            printf("]");
        }
    }
    putchar('\n');
}

static void show_step(json_t *line)
{
    const char *asked = text_of(line, "asked"), *dnssec = text_of(line, "dnssec");
    printf("%-15s ", text_of(line, "step"));
    put(asked);
    printf("%s", *asked ? ": " : "");
    put(text_of(line, "said"));
    if (*dnssec)
        printf(" (%s)", dnssec);
    if (*text_of(line, "why")) {
        printf(": ");
        put(text_of(line, "why"));
    }
}

static void show_attempt(json_t *line)
{
    const char *tls = text_of(line, "tls"), *rule = text_of(line, "rule");
    const char *via = text_of(line, "via"), *proxy = text_of(line, "proxy");
    const char *address = text_of(line, "address");
    bool implicit = flag_of(line, "implicit_tls");
    printf("%-15lld ", number_of(line, "attempt"));
    if (!*proxy) {
        put(text_of(line, "host"));
        putchar(' ');
    }
    put(address);
    if (*proxy)
        printf(" through the proxy %s", proxy);
    printf(", %s by %s, ", text_of(line, "protocol"),
           strcmp(via, "static") == 0 ? "static route" : via);
    if (strcmp(tls, "none") == 0 && !implicit)
        printf("clear text");
    else
        printf("TLS %s%s", implicit ? "from the first byte, " : "", tls);
    if (*rule)
        printf(" (%s)", rule);
    if (*text_of(line, "testing"))
        printf(", MTA-STS in testing: %s", text_of(line, "testing"));
    printf("%s%s", flag_of(line, "secure") ? ", the way is proven" : "",
           flag_of(line, "login") ? ", with login" : "");
    if (*text_of(line, "barred")) {
        printf(": ");
        put(text_of(line, "barred"));
    }
}

static void show_verdict(json_t *line)
{
    const char *status = text_of(line, "status"), *site = text_of(line, "site");
    printf("%-15s ", text_of(line, "verdict"));
    if (*status) {
        printf("%s ", status);
        put(text_of(line, "text"));
    } else {
        printf("site ");
        put(site);
    }
}

void show_route(struct show *s, json_t *line)
{
    (void)s;
    if (json_object_get(line, "step")) {
        show_step(line);
    } else if (json_object_get(line, "attempt")) {
        show_attempt(line);
    } else {
        show_verdict(line);
    }
    putchar('\n');
}

static void show_array(json_t *array)
{
    size_t i;
    json_t *value;
    if (json_array_size(array) == 0)
        putchar('-');
    json_array_foreach(array, i, value)
    {
        if (i)
            printf(", ");
        put(json_string_value(value) ? json_string_value(value) : "?");
    }
}

static void show_object(const char *prefix, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char full[128];
        snprintf(full, sizeof full, "%s%s", prefix, name);
        if (json_is_object(value)) {
            strncat(full, ".", sizeof full - strlen(full) - 1);
            show_object(full, value);
            continue;
        }
        printf("%-32s ", full);
        if (json_is_string(value))
            put(json_string_value(value));
        else if (json_is_array(value))
            show_array(value);
        else if (json_is_integer(value))
            printf("%lld", (long long)json_integer_value(value));
        else
            printf("%s", json_is_true(value) ? "yes" : "no");
        putchar('\n');
    }
}

void show_status(struct show *s, json_t *line)
{
    char prefix[40];
    (void)s;
    snprintf(prefix, sizeof prefix, "%.30s.", text_of(line, "process"));
    json_object_del(line, "process");
    show_object(prefix, line);
}

static void show_misfit(struct show *s, json_t *line)
{
    char at[32];
    const char *kind;
    json_t *counts;
    if (s->lines == 1)
        printf("\n%-24s %8s %9s  %-19s  %s\n", "CLIENT WITH TROUBLE", "TODAY", "YESTERDAY", "LAST",
               "LOGIN");
    printf("%-24s %8lld %9lld  %-19s  ", text_of(line, "client"), number_of(line, "today"),
           number_of(line, "yesterday"), time_of(line, "last_ms", at));
    put(*text_of(line, "login") ? text_of(line, "login") : "-");
    putchar('\n');
    json_object_foreach(json_object_get(line, "kinds"), kind, counts)
    {
        printf("  %-22s %8lld %9lld  ", kind, number_of(counts, "today"),
               number_of(counts, "yesterday"));
        put(text_of(counts, "example"));
        putchar('\n');
    }
}

static void show_filters(json_t *filters)
{
    size_t i;
    json_t *f;
    if (json_array_size(filters) > 0)
        printf("\n%-36s %9s %9s %9s %8s %8s\n", "FILTER", "ASKED", "REFUSED", "FAILED", "MEAN",
               "SLOWEST");
    json_array_foreach(filters, i, f)
    {
        printf("%-36s %9lld %9lld %9lld %5lld ms %5lld ms\n", text_of(f, "filter"),
               number_of(f, "asked"), number_of(f, "refused"), number_of(f, "failed"),
               number_of(f, "mean_ms"), number_of(f, "slowest_ms"));
    }
}

void show_stats(struct show *s, json_t *line)
{
    char at[32];
    if (json_object_get(line, "client")) {
        show_misfit(s, line);
        return;
    }
    printf("%-32s %s\n", "since", time_of(line, "since_ms", at));
    json_t *filters = json_incref(json_object_get(line, "filters"));
    json_object_del(line, "since_ms");
    json_object_del(line, "filters");
    show_object("", line);
    show_filters(filters);
    json_decref(filters);
}

void show_pause(struct show *s, json_t *line)
{
    (void)s;
    put(text_of(line, "what"));
    printf("%s", flag_of(line, "paused") ? " is paused" : " goes on");
    printf("%s%s\n", *text_of(line, "note") ? ": " : "", text_of(line, "note"));
}

void show_site(struct show *s, json_t *line)
{
    char until[32];
    if (s->lines == 0)
        printf("%-8s %5s %7s %8s %12s  %-19s  %s\n", "STATE", "SLOTS", "ALLOWED", "FAILURES",
               "DESTINATIONS", "DOWN UNTIL", "SITE (LAST ERROR)");
    printf("%-8s %5lld %7lld %8lld %12lld  %-19s  ", text_of(line, "state"),
           number_of(line, "slots"), number_of(line, "allowed"), number_of(line, "failures"),
           number_of(line, "destinations"),
           number_of(line, "until_ms") ? time_of(line, "until_ms", until) : "-");
    put(text_of(line, "site"));
    if (*text_of(line, "text")) {
        printf(" (%s ", text_of(line, "status"));
        put(text_of(line, "text"));
        putchar(')');
    }
    putchar('\n');
}

void show_config(struct show *s, json_t *line)
{
    (void)s;
    printf("%s", text_of(line, "config"));
}
