#include "auth/gate.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_WINDOW_MS 60000
#define LOG_LINES_MAX 60 /* in a window */

struct auth_gate {
    struct guard *guard;
    uint64_t log_ms; /* when the window began */
    unsigned lines, kept_back;
};

struct auth_gate *auth_gate_new(void)
{
    struct auth_gate *g = NEW(struct auth_gate);

    g->guard = guard_new(random_u64());
    return g;
}

void auth_gate_free(struct auth_gate *g)
{
    if (g == NULL)
        return;
    guard_free(g->guard);
    free(g);
}

static void on_owner(void *arg, struct sv login, const struct ip *client, int64_t last_ms)
{
    struct auth_gate *g = arg;

    guard_remember(g->guard, login, client, last_ms / 1000);
}

void auth_gate_load(struct auth_gate *g, struct auth_accounts *accounts)
{
    int err = auth_accounts_each_network(accounts, clock_wall_ms() - GUARD_OWNER_S * (int64_t)1000,
                                         on_owner, g);

    if (err < 0)
        log_event(LOG_WARNING, "users.db", NULL,
                  "%s; until they log in again, blocks also count for owners", err_text(err));
}

/* "alice" and "alice/phone@example.net" are counted as alice@example.net: a user's names for
 * several secrets are one user. What can be nobody's name is no name: whoever makes such up fills
 * no room with them, and his address counts. */
static struct sv name_of(const struct auth_generation *generation, struct sv tried,
                         struct auth_name *name)
{
    const struct auth_options *o = auth_sasl_options(generation->sasl);
    size_t label;

    if (auth_database_name(o, tried, name) != AUTH_NAME_OK)
        return SV_NONE;
    label = sv_find(auth_name_user(name), '/');
    if (label > 0 && label < name->user_len)
        memmove(name->text + label, name->text + name->user_len,
                strlen(name->text + name->user_len) + 1);
    return sv_of(name->text);
}

static struct guard_try try_of(const struct auth_gate_try *t, struct auth_name *name)
{
    return (struct guard_try){.client = t->client,
                              .name = name_of(t->generation, t->name, name),
                              .now_ms = clock_mono_ms(),
                              .wall_s = clock_wall_s()};
}

bool auth_gate_admits(struct auth_gate *g, const struct auth_gate_try *t)
{
    struct auth_name name;
    struct guard_try try = try_of(t, &name);

    return guard_admits(g->guard, &t->generation->guard_rules, &try);
}

static void log_blocks(const struct auth_gate_try *t, const struct guard_try *try,
                       const struct guard_end *end)
{
    const struct guard_rules *r = &t->generation->guard_rules;
    char client[IP_TEXT_MAX], window[CONF_UNIT_TEXT_MAX], time[CONF_UNIT_TEXT_MAX];

    ip_text(&t->client, client);
    conf_time_text((int64_t)(r->window_ms / 1000), window);
    conf_time_text((int64_t)(r->time_ms / 1000), time);
    if (end->blocks_address)
        log_event(LOG_WARNING, "address-blocked", &(struct log_ctx){.client = sv_of(client)},
                  "%" PRIu32 " failed logins within %s; no login from there for %s (auth.block)",
                  r->failures, window, time);
    if (end->blocks_name)
        log_event(LOG_WARNING, "name-blocked", &(struct log_ctx){.login = try->name},
                  "%" PRIu32 " failed logins within %s, the last from %s; no login for %s but from "
                  "addresses where it has logged in (auth.block)",
                  r->failures, window, client, time);
}

struct guard_end auth_gate_conclude(struct auth_gate *g, const struct auth_gate_try *t, bool right)
{
    struct auth_name name;
    struct guard_try try = try_of(t, &name);
    struct guard_end end = guard_conclude(g->guard, &t->generation->guard_rules, &try, right);

    log_blocks(t, &try, &end);
    return end;
}

bool auth_gate_may_log(struct auth_gate *g)
{
    uint64_t now = clock_mono_ms();

    if (g->log_ms == 0 || now - g->log_ms >= LOG_WINDOW_MS) {
        if (g->kept_back > 0)
            log_event(LOG_INFO, "log-limited", NULL, "%u refusals were not logged", g->kept_back);
        g->log_ms = now;
        g->lines = g->kept_back = 0;
    }
    if (g->lines < LOG_LINES_MAX) {
        g->lines++;
        return true;
    }
    g->kept_back++;
    return false;
}

static void add_entry(void *arg, const struct guard_block *block)
{
    struct auth_blocks *answer = arg;
    char what[AUTH_NAME_MAX + 1];

    if (block->name.len > 0) {
        memcpy(what, block->name.ptr, block->name.len); /* can be a user's, so it is text */
        what[block->name.len] = '\0';
    } else {
        ip_text(&block->client, what);
        if (block->client.family == IP_V6)
            memcpy(what + strlen(what), "/64", sizeof("/64"));
    }
    if (!auth_blocks_add(answer, block->name.len == 0, what, block->left_ms))
        answer->text = "there are more";
}

void auth_gate_forgive(struct auth_gate *g, const struct auth_generation *generation,
                       struct sv login)
{
    struct auth_name name;
    struct sv whole = name_of(generation, login, &name);

    if (guard_clear_name(g->guard, whole, clock_mono_ms()))
        log_event(LOG_INFO, "block-removed", NULL, "%.*s: unlocked", SV_ARG(whole));
}

void auth_gate_serve(struct auth_gate *g, const struct auth_generation *generation,
                     const struct auth_blocks_request *request, struct auth_blocks *answer)
{
    struct sv prefix = request->what, address = sv_split(&prefix, '/');
    uint64_t now = clock_mono_ms();
    struct auth_name name;
    struct ip ip;
    bool was;

    if (!request->removes) {
        guard_list(g->guard, now, add_entry, answer);
        return;
    }
    if (request->what.len == 0) {
        answer->err = ERR_SYNTAX;
        answer->text = "an address or a login is needed";
        return;
    }
    if (ip_parse(address, &ip) &&
        (prefix.len == 0 || (ip.family == IP_V6 && sv_eq(prefix, SV("64")))))
        was = guard_clear_address(g->guard, &ip, now);
    else
        was = guard_clear_name(g->guard, name_of(generation, request->what, &name), now);
    answer->err = was ? 0 : ERR_NOT_FOUND;
    answer->text = arena_printf(&answer->mem, "%.*s: %s", SV_ARG(sv_first(request->what, 300)),
                                was ? "block removed" : "is not blocked");
    if (was)
        log_event(LOG_INFO, "block-removed", NULL, "%s", answer->text);
}
