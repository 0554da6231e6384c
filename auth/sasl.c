/*
 * sasl.c - AUTH exchanges, server side.
 *
 * EXTERNAL, OAUTHBEARER and XOAUTH2 are done here without Cyrus: they are one message each, and a
 * plug-in would only be a detour to the same functions.
 * Cyrus' verdict alone does not count. For PLAIN and LOGIN our callback has the last word (Cyrus
 * goes on to pwcheck_method after a callback's no), for the others what was served must be a
 * user's; then the name must be the one that was looked up, and auth_check_admit() must agree. So
 * all ways to fail end in the one AUTH_DENIED.
 */
#include "auth/sasl.h"

#include "auth/bearer.h"
#include "auth/bound.h"
#include "auth/certificate.h"
#include "auth/cyrus.h"
#include "msa/base/arena.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <sasl/sasl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct auth_sasl {
    atomic_uint refs;
    struct arena arena;
    struct auth_options options;
    const char *hostname;
    struct conf_strings accepted; /* the mechanisms offered, and each SCRAM's -PLUS form */
    char *mech_list;              /* as Cyrus is told: without -PLUS, which it adds itself */
    struct auth_check *check;
    struct auth_sources sources;
    struct auth_oauth *oauth; /* NULL: no tokens */
};

typedef int callback(void);
enum { CALLBACK_COUNT = 3 };

struct auth_exchange {
    struct auth_sasl *sasl;
    sasl_conn_t *conn;
    sasl_callback_t callbacks[CALLBACK_COUNT];
    struct auth_cyrus_source source;
    const char *mechanism;
    bool tls, is_scram, has_begun;
    bool is_external, is_bearer;    /* without Cyrus */
    bool is_refused;                /* the client has been told why, and has to answer */
    struct auth_channel channel;    /* without the certificate */
    struct buf certificate;         /* for EXTERNAL */
    struct buf refusal;             /* of a token */
    sasl_channel_binding_t binding; /* Cyrus keeps the pointer */
    enum auth_scram_hash hash;      /* of SCRAM */
    bool refuses_empty; /* LOGIN: an empty response is nobody's, and Cyrus leaks memory over it */
    bool known;         /* password right, or what was served is a user's */
    bool is_judged;     /* auth_check_admit() was asked */
    unsigned messages;  /* of the client, that Cyrus has seen */
    int trouble;        /* negative: why the databases could not be asked */
    uint64_t began;     /* auth_check_now() */
    struct auth_found found;
    char tried[AUTH_NAME_MAX + 1]; /* name that was claimed, cut, for the log */
};

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

static void remember(struct auth_exchange *x, struct sv user)
{
    struct sv cut = sv_first(user, AUTH_NAME_MAX);

    memcpy(x->tried, cut.ptr, cut.len);
    x->tried[cut.len] = '\0';
}

/* SASL_CB_SERVER_USERDB_CHECKPASS, for PLAIN and LOGIN. */
static int on_checkpass(sasl_conn_t *conn, void *context, const char *user, const char *pass,
                        unsigned passlen, struct propctx *props)
{
    struct auth_exchange *x = context;
    int right = auth_check_password(x->sasl->check, &x->sasl->sources, sv_of(user),
                                    (struct sv){pass, passlen}, &x->found);

    (void)conn;
    (void)props;
    remember(x, sv_of(user));
    x->is_judged = true;
    x->known = right == 1;
    x->trouble = right < 0 ? right : 0;
    return right == 1 ? SASL_OK : right == 0 ? SASL_BADAUTH : SASL_FAIL;
}

static int serve_verifier(void *arg, struct sv user, char out[AUTH_CYRUS_VALUE_MAX])
{
    struct auth_exchange *x = arg;
    struct auth_scram verifier;

    remember(x, user);
    x->trouble = auth_check_verifier(x->sasl->check, &x->sasl->sources, user, x->hash, &verifier,
                                     &x->found, &x->known);
    if (x->trouble < 0)
        return x->trouble;
    auth_scram_write(&verifier, out);
    mem_wipe(&verifier, sizeof(verifier));
    return 0;
}

static int serve_password(void *arg, struct sv user, char out[AUTH_CYRUS_VALUE_MAX])
{
    struct auth_exchange *x = arg;

    remember(x, user);
    x->trouble =
        auth_check_cleartext(x->sasl->check, &x->sasl->sources, user, out, &x->found, &x->known);
    return x->trouble;
}

static int open_conn(struct auth_exchange *x, bool tls)
{
    static const sasl_security_properties_t props = {.security_flags = SASL_SEC_NOANONYMOUS};
    sasl_ssf_t ssf = tls ? 256 : 0;

    x->callbacks[0] = (sasl_callback_t){SASL_CB_GETOPT, (callback *)(uintptr_t)auth_cyrus_getopt,
                                        x->sasl->mech_list};
    x->callbacks[1] =
        (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS, (callback *)(uintptr_t)on_checkpass, x};
    x->callbacks[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    if (sasl_server_new("smtp", x->sasl->hostname, x->sasl->options.realms.items[0], NULL, NULL,
                        x->callbacks, 0, &x->conn) != SASL_OK)
        return ERR_NOT_FOUND;
    if (sasl_setprop(x->conn, SASL_SEC_PROPS, &props) != SASL_OK ||
        sasl_setprop(x->conn, SASL_SSF_EXTERNAL, &ssf) != SASL_OK)
        return ERR_NOT_FOUND;
    return 0;
}

/* Who Cyrus says it is must be who we found. */
static bool is_found(struct auth_exchange *x)
{
    const void *user = NULL;
    struct auth_name name;

    return x->known && sasl_getprop(x->conn, SASL_USERNAME, &user) == SASL_OK && user != NULL &&
           auth_database_name(&x->sasl->options, sv_of(user), &name) == AUTH_NAME_OK &&
           sv_eq(auth_name_view(&name), auth_name_view(&x->found.claimed));
}

/* Once it is decided, whatever it is; the question costs the same for a failure. */
static bool is_admitted(struct auth_exchange *x, bool success)
{
    int admitted;

    if (x->is_judged)
        return success;
    x->is_judged = true;
    admitted = auth_check_admit(x->sasl->check, &x->sasl->sources, success ? &x->found : NULL);
    if (admitted < 0)
        x->trouble = admitted;
    return success && admitted == 1;
}

static bool is_kerberos(const struct auth_exchange *x)
{
    return strcmp(x->mechanism, "GSSAPI") == 0;
}

/* A ticket proves a principal; he must be a user, too. */
static bool find_principal(struct auth_exchange *x)
{
    const void *user = NULL;
    struct auth_name login;
    int known;

    if (sasl_getprop(x->conn, SASL_USERNAME, &user) != SASL_OK || user == NULL)
        return false;
    remember(x, sv_of(user));
    if (auth_database_proven(&x->sasl->options, sv_of(user), &login) != AUTH_NAME_OK)
        return false;
    known = auth_check_user(x->sasl->check, &x->sasl->sources, &login, &x->found);
    x->trouble = known < 0 ? known : 0;
    return known == 1;
}

static void conclude(struct auth_exchange *x, int rc, const char *data, unsigned len,
                     struct auth_sasl_result *out)
{
    bool goes_on = rc == SASL_CONTINUE, admitted = true;

    /* SCRAM's answer to the second message tells the client already that his proof was right */
    if (x->trouble == 0 && goes_on && x->is_scram && x->messages == 2)
        admitted = is_admitted(x, x->known);
    else if (x->trouble == 0 && !goes_on)
        admitted =
            is_admitted(x, rc == SASL_OK && (is_kerberos(x) ? find_principal(x) : is_found(x)));
    *out = (struct auth_sasl_result){.verdict = AUTH_DENIED};
    if (x->trouble < 0) {
        out->verdict = AUTH_TEMPORARY;
    } else if (goes_on && admitted) {
        out->verdict = AUTH_CONTINUE;
        out->data = (struct sv){data ? data : "", len};
    } else if (admitted) {
        out->verdict = AUTH_OK;
        out->login = auth_name_view(&x->found.login);
    } else if (rc == SASL_NOMEM || rc == SASL_UNAVAIL) {
        out->verdict = AUTH_TEMPORARY;
    }
}

/* The end of an exchange without Cyrus. */
static void finish(struct auth_exchange *x, bool success, struct auth_sasl_result *out)
{
    bool admitted = x->trouble == 0 && is_admitted(x, success);

    *out = (struct auth_sasl_result){.verdict = x->trouble < 0 ? AUTH_TEMPORARY : AUTH_DENIED};
    if (x->trouble == 0 && admitted) {
        out->verdict = AUTH_OK;
        out->login = auth_name_view(&x->found.login);
    }
}

/* The name as the list writes it; NULL if it is not there. */
static const char *listed(const struct conf_strings *list, struct sv mechanism)
{
    for (size_t i = 0; i < list->count; i++) {
        if (sv_ieq(sv_of(list->items[i]), mechanism))
            return list->items[i];
    }
    return NULL;
}

static bool offers_plus(const struct auth_exchange *x)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "%s-PLUS", x->mechanism);

    return x->tls && listed(&x->sasl->options.mechanisms, (struct sv){name, (size_t)len}) != NULL;
}

/* SCRAM's first message. False: it binds not what it ought to. */
static bool bind_channel(struct auth_exchange *x, struct sv message)
{
    enum auth_binding type;

    switch (auth_bound_judge(sv_of(x->mechanism), offers_plus(x), message, &x->channel, &type)) {
    case AUTH_BOUND_NOT:
        return true;
    case AUTH_BOUND_REFUSED:
        return false;
    case AUTH_BOUND_TYPE:
        break;
    }
    x->binding = (sasl_channel_binding_t){.name = auth_binding_name(type),
                                          .len = x->channel.bindings[type].len,
                                          .data = x->channel.bindings[type].bytes};
    return sasl_setprop(x->conn, SASL_CHANNEL_BINDING, &x->binding) == SASL_OK;
}

/* RFC 4422 appendix A: the message is the authorization identity, or empty. */
static void run_external(struct auth_exchange *x, struct sv authzid, struct auth_sasl_result *out)
{
    struct auth_name login;
    int known = 0;

    x->has_begun = true;
    remember(x, authzid.ptr != NULL ? authzid : SV(""));
    if (auth_certificate_login(&x->sasl->options, buf_view(&x->certificate), authzid, &login)) {
        remember(x, auth_name_view(&login));
        known = auth_check_user(x->sasl->check, &x->sasl->sources, &login, &x->found);
    }
    x->trouble = known < 0 ? known : 0;
    finish(x, known == 1, out);
}

/* Why a good token is refused. */
static void say_why(struct auth_exchange *x, const char *why)
{
    snprintf(x->found.why, sizeof(x->found.why), "%s", why);
}

/* Whose token it is, as far as the token goes: 1, 0 or a negative error. */
static int check_token(struct auth_exchange *x, const struct auth_bearer *b,
                       struct auth_name *login)
{
    const struct auth_options *o = &x->sasl->options;
    enum auth_token_fault fault;
    struct auth_name wanted;
    struct buf claim;
    int good;

    buf_init(&claim, AUTH_NAME_MAX, 0);
    good = auth_oauth_check(x->sasl->oauth, b->token, &claim, &fault);
    if (good == 1)
        remember(x, buf_view(&claim));
    if (good == 0) {
        say_why(x, auth_token_fault_text(fault));
    } else if (good == 1 && auth_database_proven(o, buf_view(&claim), login) != AUTH_NAME_OK) {
        say_why(x, "the token's login is none of ours (auth.oauth.login_claim, auth.realms)");
        good = 0;
    } else if (good == 1 && b->name[0] != '\0' &&
               (auth_database_name(o, sv_of(b->name), &wanted) != AUTH_NAME_OK ||
                !sv_eq(auth_name_view(&wanted), auth_name_view(login)))) {
        say_why(x, "the client gives another name than the token");
        good = 0;
    }
    buf_deinit(&claim);
    return good;
}

/* RFC 7628 3.2: a refusal is first a challenge with the reason, which the client answers. */
static void run_bearer(struct auth_exchange *x, struct sv message, struct auth_sasl_result *out)
{
    const struct auth_oauth_options *o = auth_oauth_options(x->sasl->oauth);
    struct sv mechanism = sv_of(x->mechanism);
    struct auth_bearer b;
    struct auth_name login;
    bool well_formed = auth_bearer_read(mechanism, message, &b);
    int good = 0;

    x->has_begun = true;
    if (well_formed) {
        remember(x, sv_of(b.name));
        good = check_token(x, &b, &login);
    }
    if (good == 1) {
        good = auth_check_user(x->sasl->check, &x->sasl->sources, &login, &x->found);
        if (good == 0 && x->found.why[0] == '\0')
            say_why(x, "the token's login is no user");
    }
    x->trouble = good < 0 ? good : 0;
    finish(x, good == 1, out);
    if (out->verdict != AUTH_DENIED)
        return;
    auth_bearer_refusal(mechanism, !well_formed, o->scope, o->discovery_url, &x->refusal);
    x->is_refused = true;
    *out = (struct auth_sasl_result){.verdict = AUTH_CONTINUE, .data = buf_view(&x->refusal)};
}

/* With the client's first message, or without one. */
static void begin(struct auth_exchange *x, bool has_message, struct sv message,
                  struct auth_sasl_result *out)
{
    const char *data = NULL;
    unsigned len = 0;
    int rc;

    if (x->is_external) {
        run_external(x, message, out);
        return;
    }
    if (x->is_bearer) {
        run_bearer(x, message, out);
        return;
    }
    x->has_begun = true;
    if (x->refuses_empty && has_message && message.len == 0) {
        *out = (struct auth_sasl_result){.verdict = AUTH_DENIED};
        return;
    }
    if (x->is_scram && !bind_channel(x, message)) {
        *out = (struct auth_sasl_result){.verdict = AUTH_DENIED};
        return;
    }
    x->messages += has_message;
    auth_cyrus_serve(x->source.serve ? &x->source : NULL);
    rc = sasl_server_start(x->conn, x->mechanism,
                           has_message ? (message.ptr ? message.ptr : "") : NULL,
                           (unsigned)message.len, &data, &len);
    auth_cyrus_serve(NULL);
    conclude(x, rc, data, len, out);
}

static void open_exchange(struct auth_exchange *x, const struct auth_sasl_start *start,
                          struct auth_sasl_result *out)
{
    x->tls = start->tls;
    if (start->channel != NULL)
        x->channel = *start->channel;
    x->is_external = strcmp(x->mechanism, "EXTERNAL") == 0;
    if (x->is_external && buf_put(&x->certificate, x->channel.certificate) < 0)
        buf_reset(&x->certificate);
    x->channel.certificate = SV_NONE; /* a view of the caller's */
    x->is_bearer = auth_bearer_is(sv_of(x->mechanism));
    if (!x->is_external && !x->is_bearer && open_conn(x, start->tls) < 0) {
        *out = (struct auth_sasl_result){.verdict = AUTH_TEMPORARY};
        return;
    }
    x->is_scram = auth_scram_hash_of(sv_of(x->mechanism), &x->hash);
    x->refuses_empty = strcmp(x->mechanism, "LOGIN") == 0;
    if (x->is_scram)
        x->source = (struct auth_cyrus_source){"*authPassword", serve_verifier, x};
    else if (strcmp(x->mechanism, "CRAM-MD5") == 0)
        x->source = (struct auth_cyrus_source){"*userPassword", serve_password, x};
    /* Cyrus has to know the binding at its start, and that stands in the first message */
    if ((x->is_scram || x->is_external || x->is_bearer) && !start->has_initial)
        *out = (struct auth_sasl_result){.verdict = AUTH_CONTINUE, .data = SV("")};
    else
        begin(x, start->has_initial, start->initial, out);
}

struct auth_exchange *auth_exchange_new(struct auth_sasl *s, const struct auth_sasl_start *start,
                                        struct auth_sasl_result *out)
{
    struct auth_exchange *x = NEW(struct auth_exchange);

    REQUIRE(start->initial.len <= AUTH_WIRE_DATA_MAX);
    buf_init(&x->certificate, AUTH_CERTIFICATE_MAX, 0);
    buf_init(&x->refusal, AUTH_WIRE_DATA_MAX, 0);
    x->sasl = auth_sasl_ref(s);
    x->began = auth_check_now(s->check);
    x->mechanism = listed(&s->accepted, start->mechanism);
    if (x->mechanism == NULL || (s->oauth == NULL && auth_bearer_is(start->mechanism)) ||
        (!start->tls && auth_bound_is_plus(start->mechanism)))
        *out = (struct auth_sasl_result){.verdict = AUTH_NO_MECHANISM};
    else if (s->options.require_tls && !start->tls)
        *out = (struct auth_sasl_result){.verdict = AUTH_NEEDS_TLS};
    else
        open_exchange(x, start, out);
    return x;
}

/* RFC 4616 2: authzid NUL authcid NUL passwd. */
bool auth_exchange_is_quick(struct auth_sasl *s, const struct auth_sasl_start *start)
{
    struct sv password = start->initial;
    struct sv user;

    if (!start->has_initial || !sv_ieq(start->mechanism, SV("PLAIN")))
        return false;
    sv_split(&password, '\0');
    user = sv_split(&password, '\0');
    return user.len > 0 && auth_check_is_proven(s->check, &s->sources, user, password);
}

void auth_exchange_step(struct auth_exchange *x, struct sv bytes, struct auth_sasl_result *out)
{
    const char *data = NULL;
    unsigned len = 0;
    int rc;

    REQUIRE((x->conn != NULL || x->is_external || x->is_bearer) && bytes.len <= AUTH_WIRE_DATA_MAX);
    if (x->is_refused) {
        *out = (struct auth_sasl_result){.verdict = AUTH_DENIED};
        return;
    }
    if (!x->has_begun) {
        begin(x, true, bytes, out);
        return;
    }
    if (bytes.len == 0 && x->refuses_empty) {
        *out = (struct auth_sasl_result){.verdict = AUTH_DENIED};
        return;
    }
    x->messages++;
    auth_cyrus_serve(x->source.serve ? &x->source : NULL);
    rc = sasl_server_step(x->conn, bytes.ptr ? bytes.ptr : "", (unsigned)bytes.len, &data, &len);
    auth_cyrus_serve(NULL);
    conclude(x, rc, data, len, out);
}

struct sv auth_exchange_tried(const struct auth_exchange *x)
{
    return sv_of(x->tried);
}

const struct auth_app *auth_exchange_app(const struct auth_exchange *x)
{
    return &x->found.app;
}

const char *auth_exchange_why(const struct auth_exchange *x)
{
    return x->found.why;
}

bool auth_exchange_is_outdated(const struct auth_exchange *x)
{
    return auth_check_changed_since(x->sasl->check, auth_name_view(&x->found.login), x->began);
}

void auth_exchange_free(struct auth_exchange *x)
{
    if (x == NULL)
        return;
    if (x->conn != NULL)
        sasl_dispose(&x->conn);
    buf_deinit(&x->certificate);
    buf_deinit(&x->refusal);
    auth_sasl_unref(x->sasl);
    free(x);
}
