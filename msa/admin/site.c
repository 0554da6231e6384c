/*
 * The filter --site of the queue: where the mail that the other filters select goes by the routes
 * of today. The queue says which destinations there are, scheduler and DNS which site each has; the
 * set of those that match is a filter of the store then. Where DNS does not tell, it is said, and
 * nothing is done to that mail.
 */
#include "msa/admin/request.h"
#include "relay/site_query.h"

#include <stdio.h>

#define DESTINATIONS_MAX 100000

static void on_unknown(void *arg, const char *destination, const char *status, const char *text)
{
    request_line(arg, json_pack("{s:o, s:o, s:o}", "site_unknown", request_string(destination),
                                "status", request_string(status), "text", request_string(text)));
}

static void on_found(void *arg)
{
    struct request *r = arg;
    site_query_each_unknown(r->site, on_unknown, r);
    r->site_known(r);
}

static void on_destinations(struct store_admin *a)
{
    struct request *r = a->arg;
    char error[128];
    if (a->err < 0) {
        request_end(r, ADMIN_REFUSED, err_text(a->err));
    } else if (a->more) {
        snprintf(error, sizeof error,
                 "mail for more than %d destinations matches: select less of it with --site",
                 DESTINATIONS_MAX);
        request_end(r, ADMIN_REFUSED, error);
    } else {
        for (size_t i = 0; i < a->nlisted; i++)
            site_query_add(r->site, a->listed[i].domain);
        site_query_start(r->site, on_found, r);
    }
    store_admin_free(a);
}

void admin_find_site(struct request *r, struct store_admin *a, void (*go)(struct request *r))
{
    struct server *s = r->admin->server;
    if (!server_relay(s)) {
        request_end(r, ADMIN_UNREACHABLE, "the server is starting or stopping");
        store_admin_free(a);
        return;
    }
    r->site = relay_site_query(server_relay(s), request_text(r, "site"));
    r->site_known = go;
    a->sum_by = site_query_found(r->site);
    a->max = DESTINATIONS_MAX;
    a->done = on_destinations;
    store_admin(server_store(s), a);
}
