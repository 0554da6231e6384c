/*
 * cyrus.c - the process-wide side of Cyrus SASL.
 *
 * sasl_set_mutex() comes before everything else, else Cyrus shares its state without locks. The
 * auxprop plugin is added once, after sasl_server_init(): twice would make every look-up run twice.
 */
#include "auth/cyrus.h"

#include "auth/scram.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN     "msa"
#define NO_FOLDER  "/nonexistent"
#define NO_CHECKER "none" /* no such pwcheck_method: only our callback says yes */

static _Thread_local const struct auth_cyrus_source *serving;

void auth_cyrus_serve(const struct auth_cyrus_source *source)
{
    serving = source;
}

static void *lock_new(void)
{
    pthread_mutex_t *m = NEW(pthread_mutex_t);

    REQUIRE(pthread_mutex_init(m, NULL) == 0);
    return m;
}

static int lock_take(void *m)
{
    return pthread_mutex_lock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static int lock_give(void *m)
{
    return pthread_mutex_unlock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static void lock_free(void *m)
{
    pthread_mutex_destroy(m);
    free(m);
}

int auth_cyrus_getopt(void *context, const char *plugin, const char *option, const char **result,
                      unsigned *len)
{
    static const struct {
        const char *name, *value;
    } options[] = {
        {"auxprop_plugin", PLUGIN},
        {"pwcheck_method", NO_CHECKER},
        {"auto_transition", "no"},
        {"log_level", "1"}, /* SASL_LOG_FAIL is not wanted: we log logins ourselves */
    };

    (void)plugin;
    *result = NULL;
    if (context != NULL && strcmp(option, "mech_list") == 0)
        *result = context;
    for (size_t i = 0; *result == NULL && i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(option, options[i].name) == 0)
            *result = options[i].value;
    }
    if (*result == NULL)
        return SASL_FAIL;
    if (len != NULL)
        *len = (unsigned)strlen(*result);
    return SASL_OK;
}

static int on_log(void *context, int level, const char *text)
{
    (void)context;
    if (level <= SASL_LOG_WARN) /* higher ones may hold what is secret */
        log_event(LOG_DEBUG, "sasl", NULL, "%s", text);
    return SASL_OK;
}

/* Cyrus asks once for server and client each and frees nothing. */
static char no_folder[] = NO_FOLDER;

static int on_getconfpath(void *context, char **path)
{
    (void)context;
    *path = no_folder;
    return SASL_OK;
}

/* Asked before a file is loaded as a plugin. */
static int on_verifyfile(void *context, const char *file, sasl_verify_type_t type)
{
    static const char *const wanted[] = {"libplain.", "liblogin.", "libscram.", "libcrammd5.",
                                         "libgssapiv2."};
    const char *name = strrchr(file, '/');

    (void)context;
    if (type != SASL_VRFY_PLUGIN)
        return SASL_CONTINUE;
    name = name == NULL ? file : name + 1;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strncmp(name, wanted[i], strlen(wanted[i])) == 0)
            return SASL_OK;
    }
    return SASL_CONTINUE;
}

/* Cyrus asks for "*userPassword" and "*authPassword" of the authentication identity; it gets the
 * one that the mechanism needs. For PLAIN and LOGIN nobody serves: they need nothing. */
static int lookup(void *glob, sasl_server_params_t *params, unsigned flags, const char *user,
                  unsigned len)
{
    char value[AUTH_CYRUS_VALUE_MAX];
    int rc;

    (void)glob;
    if (serving == NULL || (flags & SASL_AUXPROP_AUTHZID))
        return SASL_OK;
    if (serving->serve(serving->arg, (struct sv){user, len}, value) < 0)
        return SASL_FAIL;
    rc = params->utils->prop_set(params->propctx, serving->property, value, -1);
    mem_wipe(value, sizeof(value));
    return rc;
}

static sasl_auxprop_plug_t plugin = {.auxprop_lookup = lookup, .name = (char *)(uintptr_t)PLUGIN};

static const sasl_utils_t *cyrus_utils;

const struct sasl_utils *auth_cyrus_utils(void)
{
    return cyrus_utils;
}

static int plugin_init(const sasl_utils_t *utils, int max_version, int *out_version,
                       sasl_auxprop_plug_t **plug, const char *name)
{
    (void)name;
    cyrus_utils = utils;
    if (max_version < SASL_AUXPROP_PLUG_VERSION)
        return SASL_BADVERS;
    *out_version = SASL_AUXPROP_PLUG_VERSION;
    *plug = &plugin;
    return SASL_OK;
}

typedef int callback(void);

int auth_cyrus_init(void)
{
    static const sasl_callback_t callbacks[] = {
        {SASL_CB_GETOPT, (callback *)(uintptr_t)auth_cyrus_getopt, NULL},
        {SASL_CB_LOG, (callback *)(uintptr_t)on_log, NULL},
        {SASL_CB_GETCONFPATH, (callback *)(uintptr_t)on_getconfpath, NULL},
        {SASL_CB_VERIFYFILE, (callback *)(uintptr_t)on_verifyfile, NULL},
        {SASL_CB_LIST_END, NULL, NULL},
    };

    sasl_set_mutex(lock_new, lock_take, lock_give, lock_free);
    if (sasl_server_init(callbacks, "msad") != SASL_OK)
        return ERR_NOT_FOUND;
    if (sasl_client_init(callbacks) != SASL_OK ||
        sasl_auxprop_add_plugin(PLUGIN, plugin_init) != SASL_OK) {
        auth_cyrus_done();
        return ERR_NOT_FOUND;
    }
    return 0;
}

void auth_cyrus_done(void)
{
    sasl_client_done();
    sasl_server_done();
    cyrus_utils = NULL;
}
