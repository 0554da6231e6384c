#include "msa/ctl/users_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void users_print_line(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* local time, as an operator reads it */
static const char *time_text(int64_t ms, char out[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (!localtime_r(&s, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, 32, "-");
    return out;
}

static json_t *roles_json(const struct auth_admin_user *u)
{
    json_t *roles = json_array();
    if (u->admin)
        json_array_append_new(roles, json_string("admin"));
    return roles;
}

static json_t *user_json(const struct auth_admin_user *u)
{
    return json_pack("{s:s, s:s, s:o, s:b}", "login", u->login, "state", auth_state_text(u->state),
                     "roles", roles_json(u), "cleartext", u->cleartext);
}

static void print_user(const struct auth_admin_user *u)
{
    printf("%s%s%s%s\n", u->login, u->state == AUTH_STATE_ENABLED ? "" : "  ",
           u->state == AUTH_STATE_ENABLED ? "" : auth_state_text(u->state),
           u->admin ? "  admin" : "");
}

static void print_list(const struct auth_admin_answer *a, bool json)
{
    for (size_t i = 0; i < a->nusers; i++) {
        if (json)
            users_print_line(user_json(&a->users[i]));
        else
            print_user(&a->users[i]);
    }
}

static json_t *app_json(const struct auth_admin_app *app)
{
    return json_pack("{s:s, s:I, s:I, s:s, s:I}", "label", app->label, "created_ms",
                     (json_int_t)app->created_ms, "used_ms", (json_int_t)app->used_ms, "used_from",
                     app->used_from, "revoked_ms", (json_int_t)app->revoked_ms);
}

static void print_app(const char *head, const struct auth_admin_app *app)
{
    char at[32];
    printf("%s%-16s made %s", head, app->label, time_text(app->created_ms, at));
    if (app->used_ms)
        printf(", last used %s from %s", time_text(app->used_ms, at),
               *app->used_from ? app->used_from : "-");
    else
        printf(", never used");
    if (app->revoked_ms)
        printf(", revoked %s", time_text(app->revoked_ms, at));
    putchar('\n');
}

static void print_apps(const struct auth_admin_answer *a, bool json)
{
    for (size_t i = 0; i < a->napps; i++) {
        if (json)
            users_print_line(app_json(&a->apps[i]));
        else
            print_app("", &a->apps[i]);
    }
}

static void print_show_json(const struct auth_admin_answer *a, json_t *rights)
{
    json_t *line = user_json(a->users), *mechanisms = json_array(), *apps = json_array(),
           *logins = json_array();
    json_object_set_new(line, "since_ms", json_integer((json_int_t)a->users->since_ms));
    json_object_set_new(line, "reason", json_string(a->users->reason));
    for (size_t i = 0; i < a->nmechanisms; i++)
        json_array_append_new(mechanisms, json_pack("{s:s, s:b}", "name", a->mechanisms[i].name,
                                                    "usable", a->mechanisms[i].usable));
    for (size_t i = 0; i < a->napps; i++)
        json_array_append_new(apps, app_json(&a->apps[i]));
    for (size_t i = 0; i < a->nplaces; i++) {
        const struct auth_admin_place *p = &a->places[i];
        json_array_append_new(logins,
                              json_pack("{s:s, s:s, s:s, s:I, s:I}", "client", p->client,
                                        "mechanism", p->mechanism, "label", p->label, "last_ms",
                                        (json_int_t)p->last_ms, "count", (json_int_t)p->count));
    }
    json_object_set_new(line, "mechanisms", mechanisms);
    json_object_set(line, "rights", rights ? rights : json_null());
    json_object_set_new(line, "apps", apps);
    json_object_set_new(line, "logins", logins);
    users_print_line(line);
}

static void print_state(const struct auth_admin_user *u)
{
    char at[32];
    printf("state         %s", auth_state_text(u->state));
    if (u->since_ms)
        printf(" since %s", time_text(u->since_ms, at));
    printf("%s%s\n", *u->reason ? ": " : "", u->reason);
}

static void print_mechanisms(const struct auth_admin_answer *a)
{
    bool lacks = false;
    printf("mechanisms   ");
    for (size_t i = 0; i < a->nmechanisms; i++) {
        if (a->mechanisms[i].usable)
            printf(" %s", a->mechanisms[i].name);
        lacks |= !a->mechanisms[i].usable;
    }
    printf("%s", lacks ? "\nnot usable   " : "");
    for (size_t i = 0; i < a->nmechanisms; i++)
        if (!a->mechanisms[i].usable)
            printf(" %s", a->mechanisms[i].name);
    printf("%s\n", lacks ? "  (\"msactl user passwd\" ends that)" : "");
}

static void print_words(const char *head, json_t *rights, const char *key)
{
    json_t *list = json_object_get(rights, key), *word;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    printf("%s", head);
    json_array_foreach(list, i, word) printf("%s%s", i ? ", " : "", json_string_value(word));
    putchar('\n');
}

static void print_budget(const char *head, json_t *budget, const char *over)
{
    printf("%s%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " %s; then %s\n", head,
           json_integer_value(json_object_get(budget, "used")),
           json_integer_value(json_object_get(budget, "most")),
           json_string_value(json_object_get(budget, "words")), over);
}

static void print_rights(json_t *rights)
{
    json_t *budget, *budgets = json_object_get(rights, "budgets");
    const char *over = json_string_value(json_object_get(rights, "over_budget"));
    size_t i;
    printf("class         %s%s\n", json_string_value(json_object_get(rights, "class")),
           json_is_true(json_object_get(rights, "allow_resent")) ? ", may pass on mail of others"
                                                                 : "");
    print_words("may send as   ", rights, "may_send_as");
    print_words("on behalf of  ", rights, "may_send_on_behalf_of");
    print_words("may send to   ", rights, "may_send_to");
    json_array_foreach(budgets, i, budget)
        print_budget(i ? "              " : "budgets       ", budget,
                     strcmp(over, "hold") == 0 ? "held" : "refused");
}

static void print_show(const struct auth_admin_answer *a, json_t *rights)
{
    char at[32];
    printf("login         %s\n", a->users->login);
    print_state(a->users);
    printf("roles         %s\n", a->users->admin ? "admin" : "none");
    printf("stored        %s\n", a->users->cleartext
                                     ? "password in clear text (\"msactl user passwd\" ends "
                                       "that, unless auth.store_cleartext is true)"
                                     : "verifiers");
    print_mechanisms(a);
    if (rights)
        print_rights(rights);
    for (size_t i = 0; i < a->napps; i++)
        print_app(i == 0 ? "app passwords " : "              ", &a->apps[i]);
    for (size_t i = 0; i < a->nplaces; i++) {
        const struct auth_admin_place *p = &a->places[i];
        printf("%s%s  %-15s %-18s %s%s, %" PRId64 " times\n",
               i == 0 ? "last logins   " : "              ", time_text(p->last_ms, at), p->client,
               p->mechanism, *p->label ? "app password " : "main password", p->label, p->count);
    }
}

void users_print(enum auth_admin_verb verb, const struct auth_admin_answer *a, json_t *rights,
                 bool json)
{
    if (verb == AUTH_ADMIN_LIST)
        print_list(a, json);
    else if (verb == AUTH_ADMIN_APP_LIST)
        print_apps(a, json);
    else if (verb == AUTH_ADMIN_SHOW && a->nusers == 1 && json)
        print_show_json(a, rights);
    else if (verb == AUTH_ADMIN_SHOW && a->nusers == 1)
        print_show(a, rights);
}
