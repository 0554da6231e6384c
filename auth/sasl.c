/* What one generation says about AUTH: mechanisms, realms, where users come from. */
#include "auth/sasl_inside.h"

#include "auth/bearer.h"
#include "auth/bound.h"
#include "auth/cyrus.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

int auth_sasl_init(void)
{
    return auth_cyrus_init();
}

void auth_sasl_done(void)
{
    auth_cyrus_done();
}

static struct conf_strings copy_strings(struct arena *a, const struct conf_strings *from)
{
    struct conf_strings to = {arena_alloc(a, from->count * sizeof(char *)), from->count};

    for (size_t i = 0; i < from->count; i++)
        to.items[i] = arena_str(a, sv_of(from->items[i]));
    return to;
}

static struct conf_list copy_clients(struct arena *a, const struct conf_list *from)
{
    struct auth_client_row *rows = arena_alloc(a, (from->count + 1) * sizeof(*rows));

    for (size_t i = 0; i < from->count; i++) {
        const struct auth_client_row *row = CONF_ITEM(*from, i, struct auth_client_row);

        rows[i] = (struct auth_client_row){arena_str(a, sv_of(row->fingerprint)),
                                           arena_str(a, sv_of(row->subject)),
                                           arena_str(a, sv_of(row->login))};
    }
    return (struct conf_list){rows, from->count};
}

/* Without "-PLUS". */
static struct sv base_of(struct sv mechanism)
{
    return auth_bound_is_plus(mechanism) ? sv_first(mechanism, mechanism.len - 5) : mechanism;
}

static char *join_bases(struct arena *a, const struct conf_strings *mechanisms)
{
    char *text = arena_str(a, SV(""));

    for (size_t i = 0; i < mechanisms->count; i++)
        text = arena_printf(a, "%s%s%.*s", text, i ? " " : "",
                            SV_ARG(base_of(sv_of(mechanisms->items[i]))));
    return text;
}

/* A client that is set to -PLUS gets it although EHLO does not show it: programs that cannot bind
 * take what is shown, and fail. */
static struct conf_strings with_plus(struct arena *a, const struct conf_strings *offered)
{
    struct conf_strings all = {arena_alloc(a, 2 * offered->count * sizeof(*all.items)), 0};

    for (size_t i = 0; i < offered->count; i++) {
        const char *name = offered->items[i];

        all.items[all.count++] = name;
        if (sv_starts(sv_of(name), SV("SCRAM-")) && !auth_bound_is_plus(sv_of(name)))
            all.items[all.count++] = arena_printf(a, "%s-PLUS", name);
    }
    return all;
}

struct auth_sasl *auth_sasl_new(const struct auth_options *options, struct sv hostname,
                                struct auth_check *check)
{
    struct auth_sasl *s = NEW(struct auth_sasl);

    REQUIRE(options->realms.count > 0 && options->mechanisms.count > 0);
    atomic_init(&s->refs, 1);
    arena_init(&s->arena);
    s->options = *options;
    s->options.realms = copy_strings(&s->arena, &options->realms);
    s->options.mechanisms = copy_strings(&s->arena, &options->mechanisms);
    s->options.client_table = copy_clients(&s->arena, &options->client_table);
    s->options.path = arena_str(&s->arena, sv_of(options->path));
    s->options.accounts_path = arena_str(&s->arena, sv_of(options->accounts_path));
    s->hostname = arena_str(&s->arena, hostname);
    s->accepted = with_plus(&s->arena, &s->options.mechanisms);
    s->mech_list = join_bases(&s->arena, &s->options.mechanisms);
    s->check = check;
    s->sources = (struct auth_sources){
        .options = &s->options,
        .accounts = auth_accounts_new(s->options.accounts_path, AUTH_LOGIN_WAIT_MS)};
    return s;
}

void auth_sasl_use_oauth(struct auth_sasl *s, struct auth_oauth *oauth)
{
    s->oauth = oauth;
}

struct auth_sasl *auth_sasl_ref(struct auth_sasl *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void auth_sasl_unref(struct auth_sasl *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    auth_oauth_free(s->oauth);
    auth_accounts_free(s->sources.accounts);
    arena_deinit(&s->arena);
    free(s);
}

const struct auth_options *auth_sasl_options(const struct auth_sasl *s)
{
    return &s->options;
}

const struct auth_sources *auth_sasl_sources(const struct auth_sasl *s)
{
    return &s->sources;
}

const char *auth_sasl_missing(const struct auth_sasl *s)
{
    const char **loaded = sasl_global_listmech();

    for (size_t i = 0; i < s->options.mechanisms.count; i++) {
        struct sv base = base_of(sv_of(s->options.mechanisms.items[i]));
        size_t n = 0;

        if (sv_eq(base, SV("EXTERNAL")) || auth_bearer_is(base))
            continue;
        while (loaded != NULL && loaded[n] != NULL && !sv_eq(sv_of(loaded[n]), base))
            n++;
        if (loaded == NULL || loaded[n] == NULL)
            return s->options.mechanisms.items[i];
    }
    return NULL;
}
