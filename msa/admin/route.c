/* "msactl route": every step of the way an address would take. */
#include "msa/admin/request.h"

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

static void on_plan(void *arg, const struct route_plan *plan)
{
    static const char *const tls[] = {"none", "opportunistic", "require", "verify"};
    struct request *r = arg;
    for (size_t i = 0; i < plan->nsteps; i++)
        request_line(r, json_pack("{s:s, s:o, s:o}", "step", plan->steps[i].step, "said",
                                  request_string(plan->steps[i].said), "why",
                                  request_string(plan->steps[i].why)));
    for (size_t i = 0; i < plan->nattempts; i++) {
        const struct route_attempt *t = &plan->attempts[i];
        char address[IP_TEXT_MAX];
        request_line(r, json_pack("{s:i, s:o, s:s, s:s, s:b}", "attempt", (int)i + 1, "host",
                                  request_string(t->host), "address", ip_port_text(&t->to, address),
                                  "tls", t->implicit_tls ? "implicit" : tls[t->tls], "login",
                                  t->credentials >= 0));
    }
    request_line(r, json_pack("{s:s, s:o, s:o, s:o}", "verdict", verdict_text(plan->verdict),
                              "status", request_string(plan->status), "text",
                              request_string(plan->text), "site", request_string(plan->site)));
    request_end(r, ADMIN_DONE, NULL);
}

void admin_route(struct request *r)
{
    const char *address = request_text(r, "address");
    if (!address || !server_relay(r->admin->server)) {
        request_end(r, ADMIN_USAGE, "route needs an address");
        return;
    }
    relay_explain(server_relay(r->admin->server), address, on_plan, r);
}
