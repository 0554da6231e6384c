/* "msactl route": every step of the way an address would take. */
#include "msa/admin/request.h"

#include <stdio.h>

static const char *verdict_text(enum route_verdict v)
{
    switch (v) {
    case ROUTE_DELIVER:
        return "deliver";
    case ROUTE_FAILED:
        return "failed";
    default:
        return "deferred";
    }
}

/* What a proxy connects to has a name only: "host:port". */
static json_t *address_of(const struct route_attempt *t)
{
    char address[IP_TEXT_MAX];
    if (t->to.ip.family == IP_NONE)
        return json_sprintf("%s:%u", t->host, (unsigned)t->to.port);
    return json_string(ip_port_text(&t->to, address));
}

static json_t *attempt_line(const struct route_attempt *t, int number)
{
    static const char *const protocols[] = {"smtp", "lmtp", "qmtp"};
    static const char *const ways[] = {"static", "mx6", "mx"};
    static const char *const levels[] = {"none",   "opportunistic", "require",
                                         "verify", "dane",          "barred"};
    static const char *const rules[] = {"", "static", "dane", "mta-sts", "memory"};
    char address[IP_TEXT_MAX];
    json_t *line = json_pack("{s:i, s:o, s:o, s:s, s:s, s:s, s:s, s:b, s:b, s:b}", "attempt",
                             number, "host", request_string(t->host), "address", address_of(t),
                             "protocol", protocols[t->protocol], "via", ways[t->via], "tls",
                             levels[t->tls], "rule", rules[t->rule], "implicit_tls",
                             t->implicit_tls, "secure", t->secure, "login", t->credentials >= 0);
    if (t->proxy)
        json_object_set_new(line, "proxy", json_string(ip_port_text(&t->proxy->at, address)));
    if (t->barred)
        json_object_set_new(line, "barred", request_string(t->barred));
    if (t->testing)
        json_object_set_new(line, "testing",
                            json_string(t->unlisted ? "not in the policy" : "in the policy"));
    return line;
}

/* A plan whose attempts are all barred is as good as none to nearly all mail. */
static void on_plan(void *arg, const struct route_plan *plan)
{
    struct request *r = arg;
    bool barred = plan->verdict == ROUTE_DELIVER && plan->status;
    for (size_t i = 0; i < plan->nsteps; i++) {
        const struct route_step *s = &plan->steps[i];
        request_line(r, json_pack("{s:s, s:o, s:o, s:s, s:o}", "step", s->step, "asked",
                                  request_string(s->asked), "said", request_string(s->said),
                                  "dnssec", s->dnssec, "why", request_string(s->why)));
    }
    for (size_t i = 0; i < plan->nattempts; i++)
        request_line(r, attempt_line(&plan->attempts[i], (int)i + 1));
    request_line(r, json_pack("{s:s, s:o, s:o, s:o}", "verdict",
                              verdict_text(barred ? ROUTE_DEFERRED : plan->verdict), "status",
                              request_string(plan->status), "text", request_string(plan->text),
                              "site", request_string(plan->site)));
    request_end(r, ADMIN_DONE, NULL);
}

void admin_route(struct request *r)
{
    const char *address = request_text(r, "address");
    if (!address || !server_relay(r->admin->server)) {
        request_end(r, ADMIN_USAGE, "route needs an address");
        return;
    }
    const char *from = request_text(r, "from"), *user = request_text(r, "user"), *wrong;
    if (!relay_explain(server_relay(r->admin->server), address, from ? from : "", user ? user : "",
                       on_plan, r, &wrong)) {
        char error[400];
        snprintf(error, sizeof error, "nothing that mail can go to: %s", wrong);
        request_end(r, ADMIN_USAGE, error);
    }
}
