/* The work of an asker's requests, on a pool's thread or, where it takes microseconds, on the loop.
 */
#include "auth/asker_inside.h"
#include "auth/lockout.h"
#include "msa/base/log.h"

#define UNKNOWN_SECRET "the login is of a configuration that is no longer, or not yet, in use"

static void run_server(struct job *j)
{
    struct auth_sasl_result r;

    if (j->type == AUTH_WIRE_SASL_START) {
        j->talk->server = auth_exchange_new(
            j->now->sasl,
            &(struct auth_sasl_start){.mechanism = j->name,
                                      .initial = j->data,
                                      .has_initial = (j->code & AUTH_START_INITIAL) != 0,
                                      .tls = (j->code & AUTH_START_TLS) != 0,
                                      .channel = &j->channel},
            &r);
    } else {
        auth_exchange_step(j->talk->server, j->data, &r);
    }
    j->verdict = r.verdict;
    j->answer_name = r.login;
    j->answer_data = r.data;
    if (r.verdict == AUTH_OK)
        j->answer_extra = sv_of(auth_exchange_app(j->talk->server)->label);
}

static void start_login(struct job *j, const struct auth_route_secret *secret,
                        struct auth_login_result *r)
{
    struct auth_login_start start = {.mechanisms = j->data,
                                     .host = j->extra,
                                     .user = secret->user,
                                     .password = secret->password,
                                     .tls = (j->code & AUTH_START_TLS) != 0};
    bool again = (j->code & AUTH_START_AGAIN) != 0;
    struct buf token;
    int err = 0;

    buf_init(&token, AUTH_TOKEN_ACCESS_MAX, BUF_SECRET);
    if (secret->grant != NULL) {
        err = auth_grant_take(secret->grant, again, &token, &j->signature);
        start.is_token = true;
        start.password = buf_view(&token);
    }
    if (err == 0)
        j->talk->login = auth_login_new(&start, r);
    else
        *r = (struct auth_login_result){.verdict = AUTH_TEMPORARY, .data = buf_view(&j->signature)};
    buf_deinit(&token);
}

static void step_login(struct job *j, struct auth_login_result *r)
{
    auth_login_step(j->talk->login, j->data, r);
    if (*auth_login_refusal(j->talk->login) != '\0')
        log_event(LOG_WARNING, "token-refused", NULL, "a smarthost did not take our token: %s",
                  auth_login_refusal(j->talk->login));
}

const struct auth_route_secret *asker_secret(const struct job *j)
{
    const struct auth_route_secret *s = auth_generation_secret(j->now, j->name);

    for (size_t i = 0; s == NULL && i < AUTH_EARLIER_MAX && j->earlier[i] != NULL; i++)
        s = auth_generation_secret(j->earlier[i], j->name);
    return s;
}

static void run_login(struct job *j)
{
    struct auth_login_result r = {.verdict = AUTH_TEMPORARY, .data = SV(UNKNOWN_SECRET)};
    const struct auth_route_secret *secret;

    if (j->type == AUTH_WIRE_LOGIN_STEP)
        step_login(j, &r);
    else if ((secret = asker_secret(j)) != NULL)
        start_login(j, secret, &r);
    j->verdict = r.verdict;
    j->answer_name = r.mechanism;
    j->answer_data = r.data;
}

static void run_sign(struct job *j)
{
    enum auth_sign form = (enum auth_sign)j->code;

    const struct auth_generation *g = j->now;

    for (size_t i = 0; g != NULL; i++) {
        if (auth_keys_sign(g->keys, j->name, form, j->data, &j->signature, &j->verdict) == 0)
            break;
        j->verdict = AUTH_DENIED;
        g = i < AUTH_EARLIER_MAX ? j->earlier[i] : NULL;
    }
    j->answer_data = buf_view(&j->signature);
}

static void run_lock(struct job *j)
{
    j->verdict = auth_lockout(auth_sasl_options(j->now->sasl), j->name, j->data);
    j->answer_name = j->answer_data = SV_NONE;
}

static void run_find(struct job *j)
{
    int found = 0;

    if (j->now->directory != NULL)
        found = auth_directory_find(j->now->directory, j->name, &j->signature);
    j->verdict = found > 0 ? AUTH_OK : found == 0 ? AUTH_DENIED : AUTH_TEMPORARY;
    j->answer_data = found > 0 ? buf_view(&j->signature) : SV_NONE;
}

void asker_run(struct auth_work_job *work)
{
    struct job *j = (struct job *)work;

    if (j->type == AUTH_WIRE_SIGN)
        run_sign(j);
    else if (j->type == AUTH_WIRE_LOCK)
        run_lock(j);
    else if (j->type == AUTH_WIRE_FIND)
        run_find(j);
    else if (j->talk->is_login)
        run_login(j);
    else
        run_server(j);
    if (j->answer_data.len > AUTH_WIRE_DATA_MAX || j->answer_name.len > AUTH_WIRE_NAME_MAX) {
        j->verdict = AUTH_DENIED;
        j->answer_data = j->answer_name = SV_NONE;
    }
}
