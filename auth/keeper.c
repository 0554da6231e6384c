/*
 * keeper.c - generations, askers, pools.
 */
#include "auth/keeper.h"

#include "auth/admin.h"
#include "auth/asker.h"
#include "auth/database.h"
#include "auth/fetch.h"
#include "auth/gate.h"
#include "auth/kerberos.h"
#include "auth/uses.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/thread.h"

#include <stdlib.h>
#include <string.h>

#define SASL_THREADS  2 /* a step is about a millisecond of CPU when it derives a key */
#define SIGN_THREADS  2
#define ASK_THREADS   8 /* they may wait for a foreign database of users, and before nobody else */
#define FIND_THREADS  4 /* they wait for directories */
#define GRANT_THREADS 4 /* they wait for issuers of the tokens by which we log in */
#define SASL_LANE_MAX 256 /* requests of one asker that wait */
#define SIGN_LANE_MAX 1024
#define WAIT_MAX_MS   10000 /* less than AUTH_REQUEST_MAX_MS */
#define SWEEP_MS      10000

struct listed {
    struct auth_asker *asker;
    struct listed *next;
};

struct keeper {
    struct loop *loop;
    struct mailbox *mailbox;
    struct auth_work *sasl, *sign, *oauth, *foreign, *directory, *grant;
    struct auth_check *check;
    struct auth_gate *gate;
    struct auth_grants *grants;
    struct auth_uses *uses; /* NULL before the first commit */
    struct auth_generation *prepared, *current, *earlier[AUTH_EARLIER_MAX];
    struct listed *askers;
    struct auth_admin *admin;
    struct timer sweep;
};

static void on_sweep(void *arg)
{
    struct keeper *k = arg;

    for (struct listed *l = k->askers; l != NULL; l = l->next)
        auth_asker_sweep(l->asker);
    timer_start(&k->sweep, SWEEP_MS);
}

struct keeper *keeper_new(struct loop *l)
{
    struct keeper *k = NEW(struct keeper);

    if (auth_fetch_init() < 0 || auth_sasl_init() < 0) {
        free(k);
        return NULL;
    }
    k->loop = l;
    k->mailbox = mailbox_new(l);
    k->check = auth_check_new();
    k->gate = auth_gate_new();
    k->sasl = auth_work_new(l, k->mailbox, "sasl", SASL_THREADS, SASL_LANE_MAX, WAIT_MAX_MS);
    k->oauth =
        auth_work_new(l, k->mailbox, "oauth", AUTH_OAUTH_THREADS, SASL_LANE_MAX, WAIT_MAX_MS);
    k->foreign = auth_work_new(l, k->mailbox, "users", ASK_THREADS, SASL_LANE_MAX, WAIT_MAX_MS);
    k->directory =
        auth_work_new(l, k->mailbox, "directory", FIND_THREADS, SASL_LANE_MAX, WAIT_MAX_MS);
    k->grant = auth_work_new(l, k->mailbox, "token", GRANT_THREADS, SASL_LANE_MAX, WAIT_MAX_MS);
    k->grants = auth_grants_new();
    k->sign = auth_work_new(l, k->mailbox, "sign", SIGN_THREADS, SIGN_LANE_MAX, WAIT_MAX_MS);
    timer_init(&k->sweep, l, on_sweep, k);
    timer_start(&k->sweep, SWEEP_MS);
    return k;
}

int keeper_prepare(struct keeper *k, const struct keeper_material *m, struct buf *why)
{
    auth_generation_unref(k->prepared);
    k->prepared = NULL;
    return auth_generation_new(m, k->check, k->grants, why, &k->prepared);
}

/* The state folder is the same for the whole run. */
static void open_accounts(struct keeper *k)
{
    const char *path = auth_sasl_options(k->current->sasl)->accounts_path;
    char why[1024];
    int err;

    if (k->uses != NULL)
        return;
    err = auth_accounts_make(path);
    if (err < 0) /* logins find the same fault, and say so */
        log_event(LOG_ERROR, "users.db", NULL, "%s", auth_accounts_fault(path, err, why));
    auth_kerberos_start(path);
    k->uses = auth_uses_start(path);
    auth_gate_load(k->gate, auth_sasl_sources(k->current->sasl)->accounts);
}

static void follow_keytab(struct keeper *k)
{
    const char *path = auth_sasl_options(k->current->sasl)->accounts_path;
    int err = auth_kerberos_follow(path, k->current->keytab);

    if (err < 0)
        log_event(LOG_ERROR, "auth-keytab", NULL, "the copy beside %s cannot be written: %s", path,
                  err_text(err));
}

void keeper_commit(struct keeper *k, uint64_t generation)
{
    const struct auth_options *o;

    REQUIRE(k->prepared != NULL && k->prepared->number == generation);
    auth_generation_unref(k->earlier[AUTH_EARLIER_MAX - 1]);
    memmove(&k->earlier[1], k->earlier, sizeof(k->earlier) - sizeof(k->earlier[0]));
    k->earlier[0] = k->current;
    k->current = k->prepared;
    k->prepared = NULL;
    o = auth_sasl_options(k->current->sasl);
    auth_check_follow(k->check, o->path, auth_options_iterations(o));
    auth_generation_commit(k->current);
    open_accounts(k);
    follow_keytab(k);
}

void keeper_abort(struct keeper *k, uint64_t generation)
{
    if (k->prepared == NULL || k->prepared->number != generation)
        return;
    auth_generation_unref(k->prepared);
    k->prepared = NULL;
}

static struct auth_generation *current_of(void *arg)
{
    return ((struct keeper *)arg)->current;
}

static struct auth_generation *const *earlier_of(void *arg)
{
    return ((struct keeper *)arg)->earlier;
}

static void on_login(void *arg, const struct auth_use *use)
{
    auth_uses_add(((struct keeper *)arg)->uses, use);
}

static void on_asker_end(void *arg, struct auth_asker *a)
{
    struct keeper *k = arg;

    for (struct listed **at = &k->askers; *at != NULL; at = &(*at)->next) {
        if ((*at)->asker == a) {
            struct listed *gone = *at;

            *at = gone->next;
            free(gone);
            break;
        }
    }
    auth_asker_close(a);
}

static void on_changed(void *arg, struct sv login, struct sv app)
{
    struct keeper *k = arg;

    auth_check_changed(k->check, login); /* before askers are told */
    for (struct listed *l = k->askers; l != NULL; l = l->next)
        auth_asker_tell_changed(l->asker, login, app);
}

static void on_locked(void *arg, struct sv login)
{
    on_changed(arg, login, SV_NONE);
}

void keeper_attach(struct keeper *k, int fd)
{
    struct auth_asker_host host = {.loop = k->loop,
                                   .sasl = k->sasl,
                                   .sign = k->sign,
                                   .oauth = k->oauth,
                                   .foreign = k->foreign,
                                   .directory = k->directory,
                                   .grant = k->grant,
                                   .gate = k->gate,
                                   .on_login = on_login,
                                   .on_locked = on_locked,
                                   .arg = k,
                                   .current = current_of,
                                   .earlier = earlier_of,
                                   .on_end = on_asker_end};
    struct listed *l = NEW(struct listed);

    l->asker = auth_asker_new(&host, fd);
    l->next = k->askers;
    k->askers = l;
}

static const struct auth_options *options_of(void *arg)
{
    struct keeper *k = arg;

    return k->current ? auth_sasl_options(k->current->sasl) : NULL;
}

static void on_unlocked(void *arg, struct sv login)
{
    struct keeper *k = arg;

    auth_gate_forgive(k->gate, k->current, login);
}

static void on_blocks(void *arg, const struct auth_blocks_request *request,
                      struct auth_blocks *answer)
{
    struct keeper *k = arg;

    auth_gate_serve(k->gate, k->current, request, answer);
}

static void on_tokens(void *arg, struct auth_tokens *answer)
{
    struct keeper *k = arg;

    auth_grants_tell(k->grants, answer);
}

int keeper_listen(struct keeper *k, int fd)
{
    static const struct auth_admin_ops ops = {options_of, on_changed, on_unlocked, on_blocks,
                                              on_tokens};

    REQUIRE(k->admin == NULL);
    return auth_admin_new(k->loop, fd, &ops, k, &k->admin);
}

bool keeper_can_free(struct keeper *k)
{
    if (!auth_work_is_busy(k->foreign) && !auth_work_is_busy(k->directory))
        return true;
    auth_grants_settle(k->grants);
    auth_uses_stop(k->uses);
    k->uses = NULL;
    return false;
}

void keeper_free(struct keeper *k)
{
    timer_stop(&k->sweep);
    if (k->admin != NULL)
        auth_admin_free(k->admin);
    while (k->askers != NULL)
        on_asker_end(k, k->askers->asker);
    auth_work_stop(k->sasl);
    auth_work_stop(k->sign);
    auth_work_stop(k->oauth);
    auth_work_stop(k->foreign);
    auth_work_stop(k->directory);
    auth_work_stop(k->grant);
    mailbox_close(k->mailbox); /* the last done() of each job */
    auth_work_free(k->sasl);
    auth_work_free(k->sign);
    auth_work_free(k->oauth);
    auth_work_free(k->foreign);
    auth_work_free(k->directory);
    auth_work_free(k->grant);
    auth_generation_unref(k->prepared);
    auth_generation_unref(k->current);
    for (size_t i = 0; i < AUTH_EARLIER_MAX; i++)
        auth_generation_unref(k->earlier[i]);
    auth_grants_free(k->grants);
    auth_uses_stop(k->uses);
    auth_gate_free(k->gate);
    auth_check_free(k->check);
    auth_foreign_stop();
    auth_sasl_done();
    free(k);
}
