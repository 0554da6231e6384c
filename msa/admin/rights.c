/* What a login may do under the present generation, and what of its budgets it has used. */
#include "msa/admin/request.h"
#include "msa/server/rights.h"
#include "msa/server/spending.h"

static json_t *texts(const struct conf_strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, request_string(list->items[i]));
    return array;
}

static json_t *budgets(struct server *s, const struct rights_holder *h)
{
    const struct budget_limits *l = rights_budget(h);
    uint64_t used[BUDGET_COUNT];
    json_t *array = json_array();
    spending_used(server_spending(s), h->login, used);
    for (size_t k = 0; k < BUDGET_COUNT; k++)
        if (l->most[k])
            json_array_append_new(
                array, json_pack("{s:s, s:s, s:I, s:I}", "budget", budget_key((enum budget_kind)k),
                                 "words", budget_words((enum budget_kind)k), "used",
                                 (json_int_t)used[k], "most", (json_int_t)l->most[k]));
    return array;
}

void admin_rights(struct request *r)
{
    struct server *s = r->admin->server;
    const char *login = request_text(r, "login");
    const struct rights *rights = server_rights(s);
    if (!login || !rights) {
        request_end(r, ADMIN_USAGE, "the request names no login");
        return;
    }
    struct rights_holder h = rights_of_login(rights, sv_of(login));
    struct rights_written w = rights_written(&h);
    request_line(r,
                 json_pack("{s:s, s:o, s:o, s:o, s:b, s:s, s:o}", "class",
                           w.gateway ? "gateway" : "user", "may_send_as", texts(w.may_send_as),
                           "may_send_on_behalf_of", texts(w.may_send_on_behalf_of), "may_send_to",
                           texts(w.may_send_to), "allow_resent", w.allow_resent, "over_budget",
                           rights_budget(&h)->hold ? "hold" : "refuse", "budgets", budgets(s, &h)));
    request_end(r, ADMIN_DONE, NULL);
}
