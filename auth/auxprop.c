/*
 * auxprop.c - a plugin for a database of users, without Cyrus between it and us.
 *
 * What a plugin gets of Cyrus are functions (sasl_utils_t) and the context of properties; both are
 * ours, or Cyrus' own functions as its plugins always get them. sql logs every query before it
 * runs it, and "no result found" after one that gave no row: if there are fewer of the second, the
 * query failed. ldapdb tells little; what the directory answered to it is in ldap_answer.h.
 */
#include "auth/auxprop.h"

#include "auth/cyrus.h"
#include "auth/ldap_answer.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct auth_auxprop {
    void *library;
    sasl_utils_t utils;
    sasl_auxprop_plug_t *plug;
    void *context; /* of the plugin */
    struct auth_auxprop_setting *settings;
    size_t count;
};

/* --- what the plugin tells while it is asked, on this thread --- */

static _Thread_local struct {
    unsigned queries, without_row;
    bool no_host;
    char why[AUTH_AUXPROP_WHY_MAX];
} said;

static void complain(const char *format, va_list values) PRINTF_LIKE(1, 0);

/* The last thing it complains of, on one line. */
static void complain(const char *format, va_list values)
{
    vsnprintf(said.why, sizeof(said.why), format, values);
    said.why[strcspn(said.why, "\n")] = '\0';
    for (size_t n = strlen(said.why); n > 0 && said.why[n - 1] == ' '; n--)
        said.why[n - 1] = '\0';
}

static bool is(const char *format, const char *text)
{
    return strncmp(format, text, strlen(text)) == 0;
}

static void on_log(sasl_conn_t *conn, int level, const char *format, ...) PRINTF_LIKE(3, 4);

static void on_log(sasl_conn_t *conn, int level, const char *format, ...)
{
    va_list values;

    (void)conn;
    if (is(format, "sql plugin doing query")) {
        said.queries++;
    } else if (is(format, "sql plugin: no result found")) {
        said.without_row++;
    } else if (is(format, "sql plugin couldn't connect to any host")) {
        said.no_host = true;
    } else if ((level > SASL_LOG_NONE && level <= SASL_LOG_WARN &&
                !(is(format, "sql plugin could not connect") && said.why[0] != '\0')) ||
               is(format, "sql plugin: ")) {
        va_start(values, format);
        complain(format, values);
        va_end(values);
    }
}

/* --- loading --- */

/* A file of Cyrus' folder for plugins, or of those in SASL_PATH. */
static bool find_file(const char *plugin, char out[PATH_MAX])
{
    const char *path = getenv("SASL_PATH");
    char folder[PATH_MAX];
    struct sv rest;
    Dl_info where;

    if (path == NULL || *path == '\0') {
        if (dladdr((void *)(uintptr_t)sasl_server_init, &where) == 0 || where.dli_fname == NULL)
            return false;
        snprintf(folder, sizeof(folder), "%.*s/sasl2", (int)sv_rfind(sv_of(where.dli_fname), '/'),
                 where.dli_fname);
        path = folder;
    }
    for (rest = sv_of(path); rest.len > 0;) {
        struct sv one = sv_split(&rest, ':');

        if (snprintf(out, PATH_MAX, "%.*s/lib%s.so", SV_ARG(one), plugin) < PATH_MAX &&
            access(out, R_OK) == 0)
            return true;
    }
    return false;
}

bool auth_auxprop_installed(const char *plugin)
{
    char file[PATH_MAX];

    return find_file(plugin, file);
}

static int on_getopt(void *context, const char *plugin, const char *option, const char **result,
                     unsigned *len)
{
    const struct auth_auxprop *a = context;

    (void)plugin;
    *result = NULL;
    if (len != NULL)
        *len = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(option, a->settings[i].name) == 0)
            *result = a->settings[i].value;
    }
    if (*result == NULL)
        return SASL_FAIL;
    if (len != NULL)
        *len = (unsigned)strlen(*result);
    return SASL_OK;
}

static void keep_settings(struct auth_auxprop *a, const struct auth_auxprop_setting *settings,
                          size_t count)
{
    a->settings = mem_new(count + 1, sizeof(*a->settings));
    a->count = count;
    for (size_t i = 0; i < count; i++) {
        a->settings[i].name = settings[i].name;
        if (settings[i].value != NULL && *settings[i].value != '\0')
            a->settings[i].value = mem_str(settings[i].value);
    }
}

static int load(struct auth_auxprop *a, const char *plugin, char why[AUTH_AUXPROP_WHY_MAX])
{
    sasl_auxprop_init_t *init;
    char file[PATH_MAX], symbol[64];
    int version = 0;

    if (!find_file(plugin, file)) {
        snprintf(why, AUTH_AUXPROP_WHY_MAX, "Cyrus' plugin %s is not installed", plugin);
        return ERR_NOT_FOUND;
    }
    a->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (a->library != NULL)
        auth_ldap_answer_follow(a->library);
    snprintf(symbol, sizeof(symbol), "%s_auxprop_plug_init", plugin);
    init = a->library == NULL ? NULL : (sasl_auxprop_init_t *)(uintptr_t)dlsym(a->library, symbol);
    if (init == NULL) {
        snprintf(why, AUTH_AUXPROP_WHY_MAX, "%s", dlerror());
        return ERR_NOT_FOUND;
    }
    if (init(&a->utils, SASL_AUXPROP_PLUG_VERSION, &version, &a->plug, plugin) != SASL_OK ||
        a->plug == NULL || a->plug->auxprop_lookup == NULL) {
        snprintf(why, AUTH_AUXPROP_WHY_MAX, "%.200s does not take its settings%s%.200s", file,
                 said.why[0] ? ": " : "", said.why);
        return ERR_NOT_FOUND;
    }
    a->context = a->plug->glob_context;
    return 0;
}

int auth_auxprop_open(const char *plugin, const struct auth_auxprop_setting *settings, size_t count,
                      char why_out[AUTH_AUXPROP_WHY_MAX], struct auth_auxprop **out)
{
    struct auth_auxprop *a = NEW(struct auth_auxprop);
    int err;

    REQUIRE(auth_cyrus_utils() != NULL);
    memset(&said, 0, sizeof(said));
    keep_settings(a, settings, count);
    a->utils = *auth_cyrus_utils();
    a->utils.getopt = on_getopt;
    a->utils.getopt_context = a;
    a->utils.log = on_log;
    err = load(a, plugin, why_out);
    if (err < 0)
        auth_auxprop_close(a);
    else
        *out = a;
    return err;
}

void auth_auxprop_close(struct auth_auxprop *a)
{
    if (a == NULL)
        return;
    if (a->plug != NULL && a->plug->auxprop_free != NULL)
        a->plug->auxprop_free(a->context, &a->utils);
    auth_ldap_answer_leave();
    if (a->library != NULL)
        dlclose(a->library);
    for (size_t i = 0; i < a->count; i++) {
        char *value = (char *)(uintptr_t)a->settings[i].value;

        mem_wipe(value, value != NULL ? strlen(value) : 0);
        free(value);
    }
    free(a->settings);
    free(a);
}

void *auth_auxprop_function(struct auth_auxprop *a, const char *name)
{
    return dlsym(a->library, name);
}

/* --- asking --- */

static int result_of(int rc, char why[AUTH_AUXPROP_WHY_MAX])
{
    char answer[AUTH_LDAP_ANSWER_MAX];

    snprintf(why, AUTH_AUXPROP_WHY_MAX, "%s", said.why);
    if (rc == SASL_OK)
        return 1;
    if (rc == SASL_NOUSER && said.queries == said.without_row)
        return 0;
    if (said.why[0] == '\0' && auth_ldap_answer_text(answer))
        snprintf(why, AUTH_AUXPROP_WHY_MAX, "it answers: %s", answer);
    else if (said.why[0] == '\0')
        snprintf(why, AUTH_AUXPROP_WHY_MAX, "%s",
                 rc == SASL_NOUSER    ? "the query failed"
                 : rc == SASL_UNAVAIL ? "it cannot be reached, or its certificate does not hold"
                                      : sasl_errstring(rc, NULL, NULL));
    if (rc == SASL_UNAVAIL || said.no_host)
        return -EHOSTDOWN;
    return auth_ldap_answer_refuses() ? -EACCES : ERR_DB;
}

static void give(struct propctx *props, void (*each)(void *arg, struct sv value), void *arg)
{
    for (const struct propval *p = prop_get(props); p != NULL && p->name != NULL; p++) {
        for (const char **v = p->values; v != NULL && *v != NULL; v++)
            each(arg, sv_of(*v));
        prop_erase(props, p->name); /* with zeros */
    }
}

int auth_auxprop_ask(struct auth_auxprop *a, const char *user, const char *const *properties,
                     void (*each)(void *arg, struct sv value), void *arg,
                     char why_out[AUTH_AUXPROP_WHY_MAX])
{
    struct propctx *props = prop_new(0);
    sasl_server_params_t params = {.service = "smtp",
                                   .serverFQDN = "localhost",
                                   .user_realm = "localhost", /* a user always brings his own */
                                   .utils = &a->utils,
                                   .propctx = props};
    int rc;

    REQUIRE(props != NULL && prop_request(props, (const char **)(uintptr_t)properties) == SASL_OK);
    memset(&said, 0, sizeof(said));
    auth_ldap_answer_forget();
    rc = a->plug->auxprop_lookup(a->context, &params, 0, user, (unsigned)strlen(user));
    rc = result_of(rc, why_out);
    if (rc == 1)
        give(props, each, arg);
    prop_dispose(&props);
    return rc;
}
