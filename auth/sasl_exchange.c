/*
 * AUTH exchanges, server side, by Cyrus.
 *
 * Cyrus' verdict alone does not count. For PLAIN and LOGIN our callback has the last word (Cyrus
 * goes on to pwcheck_method after a callback's no), for the others what was served must be a
 * user's; then the name must be the one that was looked up, and auth_check_admit() must agree. So
 * all ways to fail end in the one AUTH_DENIED.
 */
#include "auth/sasl_inside.h"

#include "auth/bearer.h"
#include "auth/bound.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int callback(void);

void auth_exchange_remember(struct auth_exchange *x, struct sv user)
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
    auth_exchange_remember(x, sv_of(user));
    x->is_judged = true;
    x->known = right == 1;
    x->trouble = right < 0 ? right : 0;
    return right == 1 ? SASL_OK : right == 0 ? SASL_BADAUTH : SASL_FAIL;
}

static int serve_verifier(void *arg, struct sv user, char out[AUTH_CYRUS_VALUE_MAX])
{
    struct auth_exchange *x = arg;
    struct auth_scram verifier;

    auth_exchange_remember(x, user);
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

    auth_exchange_remember(x, user);
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

bool auth_exchange_admit(struct auth_exchange *x, bool success)
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
    auth_exchange_remember(x, sv_of(user));
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
        admitted = auth_exchange_admit(x, x->known);
    else if (x->trouble == 0 && !goes_on)
        admitted = auth_exchange_admit(x, rc == SASL_OK &&
                                              (is_kerberos(x) ? find_principal(x) : is_found(x)));
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

/* With the client's first message, or without one. */
static void begin(struct auth_exchange *x, bool has_message, struct sv message,
                  struct auth_sasl_result *out)
{
    const char *data = NULL;
    unsigned len = 0;
    int rc;

    if (x->is_external) {
        auth_exchange_external(x, message, out);
        return;
    }
    if (x->is_bearer) {
        auth_exchange_bearer(x, message, out);
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
