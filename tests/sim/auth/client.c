/*
 * client.c - the asking side of a keeper that is a script.
 *
 * An exchange is a name and the step it is at. Its result is decided when the request is made and
 * told when its timer fires, so that a change of the script in between changes nothing.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/auth/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct request {
    struct auth_client *client;
    uint64_t id;
    struct timer timer;
    auth_on_answer *done;
    void *arg;
    enum { AT_USER, AT_PASSWORD, AT_MESSAGE, AT_OUR_USER, AT_OUR_PASSWORD } at;
    bool is_waiting;
    uint64_t epoch; /* of the keeper that holds the exchange */
    char user[AUTH_WIRE_NAME_MAX + 1];
    enum auth_verdict verdict;
    struct buf data, login;
    bool has_data;
    struct request *prev, *next;
};

struct auth_client {
    struct loop *loop;
    struct auth_client_ops ops;
    void *arg;
    uint64_t last_id;
    struct request *requests;
    struct auth_client *prev, *next;
};

static struct {
    struct {
        char login[AUTH_WIRE_NAME_MAX], password[256];
    } users[SIM_AUTH_USERS_MAX];
    size_t count;
    char realm[256], blocked[AUTH_WIRE_NAME_MAX];
    bool down;
    uint64_t epoch, delay_ms;
    enum auth_verdict (*sign)(struct sv key, enum auth_sign form, struct sv bytes, struct buf *out);
    enum auth_verdict (*find)(struct sv address, struct buf *out);
} script;
static struct auth_client *clients;

void sim_auth_reset(void)
{
    memset(&script, 0, sizeof(script));
    sim_auth_realm("example.net");
}

void sim_auth_realm(const char *realm)
{
    snprintf(script.realm, sizeof(script.realm), "%s", realm);
}

void sim_auth_user(const char *login, const char *password)
{
    REQUIRE(script.count < SIM_AUTH_USERS_MAX);
    snprintf(script.users[script.count].login, sizeof(script.users[0].login), "%s", login);
    snprintf(script.users[script.count].password, sizeof(script.users[0].password), "%s", password);
    script.count++;
}

void sim_auth_block(const char *login)
{
    snprintf(script.blocked, sizeof(script.blocked), "%s", login);
}

void sim_auth_down(bool down)
{
    struct auth_client *c;

    if (down && !script.down) {
        script.epoch++;
        DL_FOREACH(clients, c)
        {
            if (c->ops.on_lost != NULL)
                c->ops.on_lost(c->arg);
        }
    }
    script.down = down;
}

void sim_auth_delay(uint64_t delay_ms)
{
    script.delay_ms = delay_ms;
}

void sim_auth_signer(enum auth_verdict (*sign)(struct sv key, enum auth_sign form, struct sv bytes,
                                               struct buf *out))
{
    script.sign = sign;
}

void sim_auth_change(const char *login)
{
    struct auth_client *c;

    DL_FOREACH(clients, c)
    {
        if (c->ops.on_user_changed != NULL)
            c->ops.on_user_changed(c->arg, sv_of(login), SV_NONE);
    }
}

struct auth_client *auth_client_new(struct loop *l, int fd, const struct auth_client_ops *ops,
                                    void *arg)
{
    struct auth_client *c = NEW(struct auth_client);

    (void)fd;
    c->loop = l;
    c->arg = arg;
    if (ops != NULL)
        c->ops = *ops;
    DL_APPEND(clients, c);
    return c;
}

void auth_client_attach(struct auth_client *c, int fd)
{
    (void)c;
    (void)fd;
    sim_auth_down(false);
}

static void forget(struct request *r)
{
    timer_stop(&r->timer);
    DL_DELETE(r->client->requests, r);
    buf_deinit(&r->data);
    buf_deinit(&r->login);
    free(r);
}

void auth_client_free(struct auth_client *c)
{
    while (c->requests != NULL)
        forget(c->requests);
    DL_DELETE(clients, c);
    free(c);
}

static void on_timer(void *arg)
{
    struct request *r = arg;
    struct buf data = r->data, login = r->login;
    struct auth_answer a = {.verdict = r->verdict,
                            .data = r->has_data ? buf_view(&data) : SV_NONE,
                            .login = buf_view(&login)};
    auth_on_answer *done = r->done;
    void *done_arg = r->arg;
    uint64_t id = r->id;

    r->is_waiting = false;
    buf_init(&r->data, AUTH_WIRE_DATA_MAX, 0);
    buf_init(&r->login, AUTH_WIRE_NAME_MAX, 0);
    if (a.verdict != AUTH_CONTINUE)
        forget(r);
    done(done_arg, id, &a);
    buf_deinit(&data);
    buf_deinit(&login);
}

static void tell(struct request *r, enum auth_verdict verdict, struct sv data, struct sv login)
{
    bool lost = script.down || r->epoch != script.epoch;

    r->verdict = lost ? AUTH_TEMPORARY : verdict;
    r->has_data = !lost && data.ptr != NULL;
    if (!lost)
        REQUIRE(buf_put(&r->data, data) == 0 && buf_put(&r->login, login) == 0);
    r->is_waiting = true;
    timer_start(&r->timer, script.delay_ms);
}

static struct request *request_new(struct auth_client *c, auth_on_answer *done, void *arg)
{
    struct request *r = NEW(struct request);

    r->client = c;
    r->id = ++c->last_id;
    r->done = done;
    r->arg = arg;
    r->epoch = script.epoch;
    timer_init(&r->timer, c->loop, on_timer, r);
    buf_init(&r->data, AUTH_WIRE_DATA_MAX, 0);
    buf_init(&r->login, AUTH_WIRE_NAME_MAX, 0);
    DL_APPEND(c->requests, r);
    return r;
}

static void tell_password(struct request *r, struct sv user, struct sv password)
{
    char login[AUTH_WIRE_NAME_MAX];

    snprintf(login, sizeof(login), "%.*s%s%s", SV_ARG(user),
             sv_find(user, '@') == user.len ? "@" : "",
             sv_find(user, '@') == user.len ? script.realm : "");
    if (strcmp(script.blocked, login) == 0) {
        tell(r, AUTH_BLOCKED, SV_NONE, user);
        return;
    }
    for (size_t i = 0; i < script.count; i++) {
        if (strcmp(script.users[i].login, login) == 0 &&
            sv_eq(sv_of(script.users[i].password), password)) {
            tell(r, AUTH_OK, SV_NONE, sv_of(login));
            return;
        }
    }
    tell(r, AUTH_DENIED, SV_NONE, user);
}

/* RFC 4616: authorization identity NUL name NUL password. */
static void tell_plain(struct request *r, struct sv message)
{
    struct sv user;

    (void)sv_split(&message, '\0');
    user = sv_split(&message, '\0');
    tell_password(r, user, message);
}

static void keep_user(struct request *r, struct sv user)
{
    snprintf(r->user, sizeof(r->user), "%.*s", SV_ARG(user));
    r->at = AT_PASSWORD;
    tell(r, AUTH_CONTINUE, SV("Password:"), SV_NONE);
}

uint64_t auth_client_start(struct auth_client *c, const struct auth_start *start,
                           auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);

    if (sv_ieq(start->mechanism, SV("PLAIN"))) {
        r->at = AT_MESSAGE;
        if (start->has_initial)
            tell_plain(r, start->initial);
        else
            tell(r, AUTH_CONTINUE, SV(""), SV_NONE);
    } else if (sv_ieq(start->mechanism, SV("LOGIN"))) {
        r->at = AT_USER;
        if (start->has_initial)
            keep_user(r, start->initial);
        else
            tell(r, AUTH_CONTINUE, SV("Username:"), SV_NONE);
    } else {
        tell(r, AUTH_NO_MECHANISM, SV_NONE, SV_NONE);
    }
    return r->id;
}

static bool has_word(struct sv words, struct sv word)
{
    while (words.len > 0) {
        if (sv_ieq(sv_split(&words, ' '), word))
            return true;
    }
    return false;
}

/* The route's secret is a user's login; his password is sent. */
static const char *secret_password(struct sv secret)
{
    for (size_t i = 0; i < script.count; i++) {
        if (sv_eq(sv_of(script.users[i].login), secret))
            return script.users[i].password;
    }
    return NULL;
}

uint64_t auth_client_login(struct auth_client *c, const struct auth_login *login,
                           auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    const char *password = secret_password(login->secret);
    struct buf message;

    buf_init(&message, AUTH_WIRE_DATA_MAX, BUF_SECRET);
    snprintf(r->user, sizeof(r->user), "%.*s", SV_ARG(login->secret));
    r->at = AT_OUR_USER;
    if (password == NULL || !login->tls) {
        tell(r, AUTH_DENIED, SV_NONE, SV_NONE);
    } else if (has_word(login->mechanisms, SV("PLAIN"))) {
        REQUIRE(buf_printf(&message, "%c%s%c%s", 0, r->user, 0, password) == 0);
        tell(r, AUTH_OK, buf_view(&message), SV("PLAIN"));
    } else if (has_word(login->mechanisms, SV("LOGIN"))) {
        tell(r, AUTH_CONTINUE, SV_NONE, SV("LOGIN"));
    } else {
        tell(r, AUTH_DENIED, SV_NONE, SV_NONE);
    }
    buf_deinit(&message);
    return r->id;
}

static struct request *find(struct auth_client *c, uint64_t id)
{
    struct request *r;

    DL_FOREACH(c->requests, r)
    {
        if (r->id == id)
            return r;
    }
    return NULL;
}

void auth_client_step(struct auth_client *c, uint64_t id, struct sv bytes)
{
    struct request *r = find(c, id);
    const char *password;

    REQUIRE(r != NULL && !r->is_waiting);
    switch (r->at) {
    case AT_MESSAGE:
        tell_plain(r, bytes);
        break;
    case AT_USER:
        keep_user(r, bytes);
        break;
    case AT_PASSWORD:
        tell_password(r, sv_of(r->user), bytes);
        break;
    case AT_OUR_USER:
        r->at = AT_OUR_PASSWORD;
        tell(r, AUTH_CONTINUE, sv_of(r->user), SV_NONE);
        break;
    case AT_OUR_PASSWORD:
        password = secret_password(sv_of(r->user));
        tell(r, AUTH_OK, sv_of(password ? password : ""), SV_NONE);
        break;
    }
}

void auth_client_cancel(struct auth_client *c, uint64_t id)
{
    struct request *r = find(c, id);

    if (r != NULL)
        forget(r);
}

/* As if the password were another. */
uint64_t auth_client_lock(struct auth_client *c, struct sv login, struct sv why,
                          auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    char name[AUTH_WIRE_NAME_MAX + 1];
    enum auth_verdict verdict = AUTH_DENIED;

    (void)why;
    snprintf(name, sizeof(name), "%.*s", SV_ARG(login));
    for (size_t i = 0; i < script.count && !script.down; i++) {
        if (strcmp(script.users[i].login, name) != 0)
            continue;
        script.users[i].password[0] = '\0';
        sim_auth_change(name);
        verdict = AUTH_OK;
    }
    tell(r, script.down ? AUTH_TEMPORARY : verdict, SV_NONE, SV_NONE);
    return r->id;
}

uint64_t auth_client_sign(struct auth_client *c, struct sv key, enum auth_sign form,
                          struct sv bytes, auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    enum auth_verdict verdict = AUTH_DENIED;
    struct buf signature;

    buf_init(&signature, AUTH_WIRE_DATA_MAX, 0);
    if (script.sign != NULL)
        verdict = script.sign(key, form, bytes, &signature);
    tell(r, verdict, buf_view(&signature), SV_NONE);
    buf_deinit(&signature);
    return r->id;
}

void sim_auth_directory(enum auth_verdict (*ask)(struct sv address, struct buf *out))
{
    script.find = ask;
}

uint64_t auth_client_find(struct auth_client *c, struct sv address, auth_on_answer *done, void *arg)
{
    struct request *r = request_new(c, done, arg);
    enum auth_verdict verdict = AUTH_DENIED;
    struct buf found;

    buf_init(&found, AUTH_WIRE_DATA_MAX, 0);
    if (script.down)
        verdict = AUTH_TEMPORARY;
    else if (script.find != NULL)
        verdict = script.find(address, &found);
    tell(r, verdict, buf_view(&found), SV_NONE);
    buf_deinit(&found);
    return r->id;
}
