/*
 * The keeper's process: gives up root, and the network where no setting needs it, then joins the
 * keeper (auth/keeper.h) to the master's channel. It reads no byte of the network's strangers.
 */
#include "auth/keeper.h"
#include "msa/base/log.h"
#include "msa/base/pack.h"
#include "msa/daemon/privileges.h"
#include "msa/daemon/process_args.h"
#include "msa/daemon/sandbox.h"
#include "msa/daemon/wire.h"
#include "msa/loop/chan.h"
#include "msa/server/generation.h"
#include "relay/settings.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct keeper_proc {
    struct loop *loop;
    struct chan *chan;
    struct keeper *keeper;
    bool serving;
    bool is_confined; /* the sandbox has been entered */
    bool has_network; /* it was left out of the sandbox */
};

static void answer(struct keeper_proc *p, uint32_t type, struct buf *payload)
{
    int err = chan_send(p->chan, type, buf_view(payload), NULL, 0);
    if (err < 0)
        loop_stop(p->loop); /* the master is gone */
    buf_deinit(payload);
}

static void say_prepared(struct keeper_proc *p, uint32_t number, bool good, struct sv why)
{
    struct buf b;
    buf_init(&b, why.len + 64, 0);
    pack_u32(&b, number);
    pack_u8(&b, good);
    pack_sv(&b, why);
    answer(p, WIRE_PREPARED, &b);
}

static struct sv first_line(struct sv text)
{
    text = sv_first(text, sv_find(text, '\n'));
    if (text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

static struct auth_token_issuer collect_issuer(const struct generation *g, size_t i,
                                               const struct relay_oauth_options *o)
{
    struct auth_token_issuer issuer = {
        .url = sv_of(o->token_url), .client_id = sv_of(o->client_id), .scope = sv_of(o->scope)};
    generation_file_at(g, &issuer.client_secret, "relay.routes[%zu].oauth.client_secret_file", i);
    generation_file_at(g, &issuer.refresh_token, "relay.routes[%zu].oauth.refresh_token_file", i);
    generation_file_at(g, &issuer.ca_pem, "relay.routes[%zu].oauth.ca", i);
    issuer.client_secret = first_line(issuer.client_secret);
    issuer.refresh_token = first_line(issuer.refresh_token);
    return issuer;
}

/* The secrets of routes, under the names by which the relay asks for them. */
static size_t collect_secrets(const struct generation *g, struct arena *a,
                              struct keeper_secret **out)
{
    const struct relay_route_options *r = g->options.relay.routes.items;
    size_t n = 0, count = g->options.relay.routes.count;
    struct keeper_secret *list = arena_alloc(a, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        struct sv password = SV_NONE;
        if (!*r[i].user ||
            (!*r[i].oauth.token_url &&
             !generation_file_at(g, &password, "relay.routes[%zu].password_file", i)))
            continue;
        password = first_line(password);
        list[n++] = (struct keeper_secret){
            .name = sv_of(arena_printf(a, RELAY_SECRET_NAME, (int)i, g->number)),
            .user = sv_of(r[i].user),
            .password = password,
            .issuer = collect_issuer(g, i, &r[i].oauth)};
    }
    *out = list;
    return n;
}

static size_t collect_keys(const struct generation *g, struct arena *a, struct keeper_key **out)
{
    const struct msa_tls_options *t = g->options.tls.items;
    const struct rewrite_dkim_options *d = g->options.rewrite.dkim.items;
    const struct rewrite_smime_options *p = g->options.rewrite.smime.items;
    size_t n = 0, count = g->options.tls.count, signers = g->options.rewrite.dkim.count;
    size_t people = g->options.rewrite.smime.count;
    struct keeper_key *list = arena_alloc(a, (count + signers + people + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        struct sv pem;
        if (generation_file_at(g, &pem, "tls[%zu].key", i))
            list[n++] =
                (struct keeper_key){.purpose = KEEPER_TLS, .name = sv_of(t[i].key), .pem = pem};
    }
    for (size_t i = 0; i < signers; i++) {
        struct sv pem;
        if (generation_file_at(g, &pem, "rewrite.dkim[%zu].key", i))
            list[n++] =
                (struct keeper_key){.purpose = KEEPER_DKIM, .name = sv_of(d[i].key), .pem = pem};
    }
    for (size_t i = 0; i < people; i++) {
        struct sv pem, certificate;
        if (generation_file_at(g, &pem, "rewrite.smime[%zu].key", i) &&
            generation_file_at(g, &certificate, "rewrite.smime[%zu].certificate", i))
            list[n++] = (struct keeper_key){.purpose = KEEPER_SMIME,
                                            .name = sv_of(p[i].key),
                                            .pem = pem,
                                            .certificate = certificate};
    }
    *out = list;
    return n;
}

static bool has_directory(const struct rewrite_options *o)
{
    for (size_t i = 0; i < o->certificates.count; i++)
        if (auth_directory_is(sv_of(o->certificates.items[i])))
            return true;
    return false;
}

/* The directories of recipients' certificates. */
static struct auth_directory_config collect_directories(const struct generation *g, struct arena *a)
{
    const struct rewrite_options *o = &g->options.rewrite;
    const char **urls = arena_alloc(a, (o->certificates.count + 1) * sizeof *urls);
    struct auth_directory_config c = {.urls = urls, .user = o->directory.user};
    for (size_t i = 0; i < o->certificates.count; i++)
        if (auth_directory_is(sv_of(o->certificates.items[i])))
            urls[c.count++] = o->certificates.items[i];
    if (generation_file(g, "rewrite.directory.password_file", &c.password))
        c.password = first_line(c.password);
    return c;
}

/* The first generation decides; the sandbox cannot be widened. */
static bool confine(struct keeper_proc *p, const struct msa_options *o, struct buf *why)
{
    bool wanted = auth_options_network(&o->auth) || has_directory(&o->rewrite) ||
                  relay_options_network(&o->relay);
    int err = 0, cut = 0;
    if (!p->is_confined) {
        p->is_confined = true;
        p->has_network = wanted;
        err = sandbox_keeper(wanted);
        if (err < 0)
            cut = buf_printf(why, "cannot enter the sandbox: %s", err_text(err));
    } else if (wanted && !p->has_network) {
        err = -EAFNOSUPPORT;
        cut = buf_printf(why, "the first server that the keeper has to reach (auth: oauth, sql, "
                              "ldapdb, keytab; rewrite.certificates: a directory; relay.routes: "
                              "oauth) counts at the "
                              "next start of msad, not at a reload: "
                              "the keeper is confined without a network");
    }
    (void)cut;
    return err == 0;
}

static void prepare(struct keeper_proc *p, uint32_t number, struct sv record)
{
    struct arena scratch;
    struct buf why;
    arena_init(&scratch);
    buf_init(&why, 65536, 0);
    bool good = false;
    struct generation *g = generation_unpack(record, &why);
    if (g && confine(p, &g->options, &why)) {
        struct keeper_key *keys;
        struct keeper_secret *secrets;
        struct keeper_material m = {.generation = number,
                                    .options = &g->options.auth,
                                    .hostname = sv_of(g->options.hostname),
                                    .nkeys = collect_keys(g, &scratch, &keys),
                                    .nsecrets = collect_secrets(g, &scratch, &secrets),
                                    .directory = collect_directories(g, &scratch)};
        generation_file(g, "auth.keytab", &m.keytab);
        generation_file_at(g, &m.database_password, "auth.%s.password_file",
                           auth_options_database(m.options));
        generation_file_at(g, &m.database_ca, "auth.%s.ca", auth_options_database(m.options));
        generation_file(g, "auth.oauth.keys", &m.oauth.keys);
        generation_file(g, "rewrite.directory.ca", &m.directory_ca);
        generation_file(g, "auth.oauth.ca", &m.oauth.ca);
        generation_file(g, "auth.oauth.client_secret_file", &m.oauth.secret);
        m.keys = keys;
        m.secrets = secrets;
        log_setup("keeper", (enum log_format)g->options.log.format,
                  (enum log_level)g->options.log.level);
        good = keeper_prepare(p->keeper, &m, &why) == 0;
    }
    say_prepared(p, number, good, buf_view(&why));
    generation_drop(g);
    buf_deinit(&why);
    arena_deinit(&scratch);
}

static void commit(struct keeper_proc *p, uint32_t number)
{
    struct buf none;
    keeper_commit(p->keeper, number);
    if (p->serving)
        return;
    p->serving = true;
    buf_init(&none, 0, 0);
    answer(p, WIRE_SERVING, &none);
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct keeper_proc *p = arg;
    struct unpack u = unpack_start(payload);
    if (type == WIRE_ATTACH) {
        for (size_t i = 0; i < nfds; i++)
            keeper_attach(p->keeper, fds[i]);
        return;
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    uint32_t number = unpack_u32(&u);
    switch (type) {
    case WIRE_PREPARE:
        prepare(p, number, unpack_sv(&u));
        break;
    case WIRE_COMMIT:
        commit(p, number);
        break;
    case WIRE_ABORT:
        keeper_abort(p->keeper, number);
        break;
    case WIRE_STOP:
        loop_stop(p->loop);
        break;
    default:
        break;
    }
}

static void on_end(void *arg, int err)
{
    struct keeper_proc *p = arg;
    (void)err;
    loop_stop(p->loop); /* the master is gone, so are we */
}

int keeper_process(const struct process_args *args)
{
    static const struct chan_ops ops = {.on_message = on_message, .on_end = on_end};
    struct keeper_proc p = {0};
    log_setup("keeper", LOG_TEXT, LOG_INFO);
    int err = priv_become(args->uid, args->gid, args->change, true, args->parent);
    if (err < 0) {
        log_event(LOG_ERROR, "start-failed", NULL, "cannot give up root: %s", err_text(err));
        return 1;
    }
    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    priv_leave_signals_to_master();
    p.loop = loop_new();
    p.keeper = keeper_new(p.loop);
    p.chan = chan_new(p.loop, WIRE_FD_MASTER, &ops, &p);
    err = keeper_listen(p.keeper, WIRE_FD_EXTRA);
    if (err < 0)
        log_event(LOG_ERROR, "keeper.sock", NULL, "user commands will not work: %s", err_text(err));
    close(WIRE_FD_EXTRA);
    loop_run(p.loop);
    if (!keeper_can_free(p.keeper))
        _exit(0);
    chan_close(p.chan);
    keeper_free(p.keeper);
    loop_free(p.loop);
    return 0;
}
