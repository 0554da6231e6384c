/*
 * accounts_use.c - when and from where logins were used, and the lists for people.
 */
#include "auth/accounts_private.h"

#include "msa/base/require.h"

#include <stdio.h>

#define DAY_MS (24 * 3600 * (int64_t)1000)

void auth_accounts_network(struct sv client, char out[AUTH_NETWORK_MAX])
{
    char text[IP_TEXT_MAX];
    struct ip ip;

    out[0] = '\0';
    if (!ip_parse(client, &ip))
        return;
    ip = ip_client(&ip);
    snprintf(out, AUTH_NETWORK_MAX, "%s%s", ip_text(&ip, text), ip.family == IP_V6 ? "/64" : "");
}

static int put_place(struct auth_accounts *a, const struct auth_use *u)
{
    sqlite3_stmt *st = accounts_of(a, ACCOUNTS_USE_PLACE, sv_of(u->login));
    int err;

    sql_text(st, 2, u->client);
    sql_text(st, 3, u->mechanism);
    sql_text(st, 4, u->app.label);
    sql_int(st, 5, u->last_ms);
    sql_int(st, 6, u->count);
    err = sql_run(&a->db, st);
    if (err < 0)
        return err;
    st = accounts_of(a, ACCOUNTS_TRIM_PLACES, sv_of(u->login));
    sql_int(st, 2, AUTH_PLACES_MAX);
    return sql_run(&a->db, st);
}

static int put_app(struct auth_accounts *a, const struct auth_use *u)
{
    sqlite3_stmt *st;

    if (u->app.id == 0)
        return 0;
    st = sql_use(&a->db, ACCOUNTS_USE_APP);
    sql_int(st, 1, u->app.id);
    sql_int(st, 2, u->last_ms);
    sql_text(st, 3, u->client);
    return sql_run(&a->db, st);
}

static int put_network(struct auth_accounts *a, const struct auth_use *u)
{
    char network[AUTH_NETWORK_MAX];
    sqlite3_stmt *st;

    auth_accounts_network(sv_of(u->client), network);
    if (network[0] == '\0')
        return 0;
    st = accounts_of(a, ACCOUNTS_USE_NETWORK, sv_of(u->login));
    sql_text(st, 2, network);
    sql_int(st, 3, u->last_ms);
    return sql_run(&a->db, st);
}

int auth_accounts_used(struct auth_accounts *a, const struct auth_use *list, size_t count)
{
    int err = accounts_begin(a);

    for (size_t i = 0; err == 0 && i < count; i++) {
        err = put_place(a, &list[i]);
        if (err == 0)
            err = put_app(a, &list[i]);
        if (err == 0)
            err = put_network(a, &list[i]);
    }
    return accounts_end(a, err, false);
}

int auth_accounts_prune(struct auth_accounts *a, int64_t now_ms)
{
    int err = accounts_begin(a);
    sqlite3_stmt *st;

    if (err == 0) {
        st = sql_use(&a->db, ACCOUNTS_DROP_NETWORKS);
        sql_int(st, 1, now_ms - AUTH_NETWORK_DAYS * DAY_MS);
        err = sql_run(&a->db, st);
    }
    if (err == 0) {
        st = sql_use(&a->db, ACCOUNTS_TRIM_NETWORKS);
        sql_int(st, 1, AUTH_NETWORKS_MAX);
        err = sql_run(&a->db, st);
    }
    return accounts_end(a, err, false);
}

int auth_accounts_seen(struct auth_accounts *a, struct sv login, struct sv client, int64_t since_ms,
                       bool *out)
{
    char network[AUTH_NETWORK_MAX];
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    *out = false;
    auth_accounts_network(client, network);
    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = accounts_of(a, ACCOUNTS_SEEN, login);
    sql_text(st, 2, network);
    sql_int(st, 3, since_ms);
    err = accounts_row(a, st);
    if (err == 1)
        sqlite3_reset(st);
    *out = err == 1;
    return accounts_leave(a, err == 1 ? 0 : err);
}

static struct sv column(sqlite3_stmt *st, int at)
{
    return sv_of(sql_column(st, at));
}

int auth_accounts_each(struct auth_accounts *a,
                       void (*each)(void *arg, const struct auth_account_row *row), void *arg)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = sql_use(&a->db, ACCOUNTS_EACH);
    while ((err = accounts_row(a, st)) == 1) {
        int state = sqlite3_column_int(st, 1);

        /* what cannot be is nothing that would let anybody in */
        each(arg, &(struct auth_account_row){.login = column(st, 0),
                                             .state = state < 0 || state >= AUTH_STATES
                                                          ? AUTH_STATE_DISABLED
                                                          : (enum auth_state)state,
                                             .admin = sqlite3_column_int(st, 2) != 0});
    }
    return accounts_leave(a, err);
}

int auth_accounts_each_app(struct auth_accounts *a, struct sv login,
                           void (*each)(void *arg, const struct auth_app_row *row), void *arg)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = accounts_of(a, ACCOUNTS_EACH_APP, login);
    while ((err = accounts_row(a, st)) == 1)
        each(arg, &(struct auth_app_row){.label = column(st, 0),
                                         .used_from = column(st, 1),
                                         .created_ms = sqlite3_column_int64(st, 2),
                                         .used_ms = sqlite3_column_int64(st, 3),
                                         .revoked_ms = sqlite3_column_int64(st, 4)});
    return accounts_leave(a, err);
}

int auth_accounts_each_network(struct auth_accounts *a, int64_t since_ms,
                               void (*each)(void *arg, struct sv login, const struct ip *client,
                                            int64_t last_ms),
                               void *arg)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = sql_use(&a->db, ACCOUNTS_EACH_NETWORK);
    sql_int(st, 1, since_ms);
    while ((err = accounts_row(a, st)) == 1) {
        struct sv network = column(st, 1);
        struct ip client;

        if (ip_parse(sv_split(&network, '/'), &client))
            each(arg, column(st, 0), &client, sqlite3_column_int64(st, 2));
    }
    return accounts_leave(a, err);
}

int auth_accounts_each_place(struct auth_accounts *a, struct sv login,
                             void (*each)(void *arg, const struct auth_place_row *row), void *arg)
{
    int err = accounts_enter(a);
    sqlite3_stmt *st;

    if (err != 0)
        return accounts_leave(a, err == ACCOUNTS_NONE ? 0 : err);
    st = accounts_of(a, ACCOUNTS_EACH_PLACE, login);
    while ((err = accounts_row(a, st)) == 1)
        each(arg, &(struct auth_place_row){.client = column(st, 0),
                                           .mechanism = column(st, 1),
                                           .label = column(st, 2),
                                           .last_ms = sqlite3_column_int64(st, 3),
                                           .count = sqlite3_column_int64(st, 4)});
    return accounts_leave(a, err);
}
