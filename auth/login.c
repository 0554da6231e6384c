/*
 * login.c - client side of SASL. We choose the mechanism ourselves, by our own order, and give
 * Cyrus that one name: its own choice depends on what plugins are installed.
 */
#include "auth/login.h"

#include "auth/login_token.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>

typedef int callback(void);
enum { CALLBACK_COUNT = 4 };

struct auth_login_exchange {
    sasl_conn_t *conn;
    sasl_callback_t callbacks[CALLBACK_COUNT];
    char *host, *user;
    sasl_secret_t *secret;
    size_t secret_bytes;
    bool is_token;
    struct auth_login_token token; /* of is_token; then nothing of the above */
};

/* Strongest first. */
static const struct {
    const char *name;
    bool clear_text;
} known[] = {{"SCRAM-SHA-256", false}, {"PLAIN", true}, {"LOGIN", true}};

static bool has_word(struct sv words, struct sv word)
{
    while (words.len > 0) {
        if (sv_ieq(sv_split(&words, ' '), word))
            return true;
    }
    return false;
}

static const char *choose(struct sv offered, bool tls)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((tls || !known[i].clear_text) && has_word(offered, sv_of(known[i].name)))
            return known[i].name;
    }
    return NULL;
}

/* No authorization identity: the other server derives it (RFC 4422 2). */
static int on_name(void *context, int id, const char **result, unsigned *len)
{
    struct auth_login_exchange *x = context;

    *result = id == SASL_CB_AUTHNAME ? x->user : "";
    if (len != NULL)
        *len = (unsigned)strlen(*result);
    return SASL_OK;
}

static int on_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    struct auth_login_exchange *x = context;

    (void)conn;
    (void)id;
    *secret = x->secret;
    return SASL_OK;
}

static sasl_secret_t *secret_new(struct sv password, size_t *bytes_out)
{
    sasl_secret_t *secret;

    *bytes_out = sizeof(*secret) + password.len + 1;
    secret = mem_new(1, *bytes_out);
    secret->len = password.len;
    if (password.len > 0)
        memcpy(secret->data, password.ptr, password.len);
    return secret;
}

static bool open_conn(struct auth_login_exchange *x)
{
    static const sasl_security_properties_t props = {.security_flags = SASL_SEC_NOANONYMOUS};

    x->callbacks[0] = (sasl_callback_t){SASL_CB_USER, (callback *)(uintptr_t)on_name, x};
    x->callbacks[1] = (sasl_callback_t){SASL_CB_AUTHNAME, (callback *)(uintptr_t)on_name, x};
    x->callbacks[2] = (sasl_callback_t){SASL_CB_PASS, (callback *)(uintptr_t)on_secret, x};
    x->callbacks[3] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    return sasl_client_new("smtp", x->host, NULL, NULL, x->callbacks, 0, &x->conn) == SASL_OK &&
           sasl_setprop(x->conn, SASL_SEC_PROPS, &props) == SASL_OK;
}

static void conclude(int rc, const char *data, unsigned len, struct auth_login_result *out)
{
    *out = (struct auth_login_result){.verdict = AUTH_DENIED};
    if (rc == SASL_OK)
        out->verdict = AUTH_OK;
    else if (rc == SASL_CONTINUE)
        out->verdict = AUTH_CONTINUE;
    else if (rc == SASL_NOMEM)
        out->verdict = AUTH_TEMPORARY;
    if (rc == SASL_OK || rc == SASL_CONTINUE)
        out->data = (struct sv){data, data ? len : 0};
}

struct auth_login_exchange *auth_login_new(const struct auth_login_start *start,
                                           struct auth_login_result *out)
{
    struct auth_login_exchange *x = NEW(struct auth_login_exchange);
    const char *mechanism = choose(start->mechanisms, start->tls);
    const char *data = NULL;
    unsigned len = 0;

    x->is_token = start->is_token;
    if (x->is_token) {
        auth_login_token_init(&x->token, start, out);
        return x;
    }
    x->host = sv_dup(start->host);
    x->user = sv_dup(start->user);
    x->secret = secret_new(start->password, &x->secret_bytes);
    if (mechanism == NULL) {
        *out = (struct auth_login_result){.verdict = AUTH_DENIED};
    } else if (!open_conn(x)) {
        *out = (struct auth_login_result){.verdict = AUTH_TEMPORARY};
    } else {
        int rc = sasl_client_start(x->conn, mechanism, NULL, &data, &len, NULL);

        conclude(rc, data, len, out);
        out->mechanism = sv_of(mechanism);
    }
    return x;
}

void auth_login_step(struct auth_login_exchange *x, struct sv bytes, struct auth_login_result *out)
{
    const char *data = NULL;
    unsigned len = 0;
    int rc;

    if (x->is_token) {
        auth_login_token_step(&x->token, bytes, out);
        return;
    }
    REQUIRE(x->conn != NULL && bytes.len <= AUTH_WIRE_DATA_MAX);
    rc = sasl_client_step(x->conn, bytes.ptr ? bytes.ptr : "", (unsigned)bytes.len, NULL, &data,
                          &len);
    conclude(rc, data, len, out);
    if (out->data.ptr == NULL)
        out->data.ptr = "";
}

const char *auth_login_refusal(const struct auth_login_exchange *x)
{
    return x->is_token ? x->token.status : "";
}

void auth_login_free(struct auth_login_exchange *x)
{
    if (x == NULL)
        return;
    if (x->conn != NULL)
        sasl_dispose(&x->conn);
    if (x->is_token)
        auth_login_token_deinit(&x->token);
    mem_wipe(x->secret, x->secret_bytes);
    free(x->secret);
    free(x->user);
    free(x->host);
    free(x);
}
