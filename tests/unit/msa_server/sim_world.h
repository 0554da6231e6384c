/*
 * sim_world.h - a whole server in the simulated world, and clients that write what a test says.
 *
 * One worker, three listeners (STARTTLS, implicit TLS, none), the user u@example.net with the
 * password p, relaying to nobody (the names of the world do not exist). Log lines are kept.
 */
#ifndef TESTS_UNIT_MSA_SERVER_SIM_WORLD_H
#define TESTS_UNIT_MSA_SERVER_SIM_WORLD_H

#include "msa/base/log.h"
#include "msa/loop/file.h"
#include "msa/loop/stream.h"
#include "msa/server/server.h"
#include "tests/sim/auth/script.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/loop/sim.h"
#include "tests/sim/vfs.h"
#include "tests/unit/auth_tls/fixture.h"

#include <sqlite3.h>

enum { LISTEN_STARTTLS, LISTEN_TLS, LISTEN_PLAIN, LISTENERS };

#define CLEAR_AUTH "AUTH PLAIN AHVAZXhhbXBsZS5uZXQAcA==\r\n" /* NUL u@example.net NUL p */

struct sim_world {
    struct loop *loop;
    struct server *server;
    struct ip_port address[LISTENERS];
    struct buf log;
    bool serving, stopped;
};

struct sim_client {
    struct stream *stream;
    struct tls_stream *tls;
    struct buf said, plain, out;
    bool connected, ended, closed;
};

static struct sim_world world;
static const char *world_listen = ""; /* more keys of each listener */
static const char *world_auth = "require_tls = false;";
static const char *world_dkim;                    /* GENERATION_DKIM_KEYS, or NULL */
static void (*world_files)(struct generation *g); /* adds further files; NULL: none */
static struct cert world_cert;

UNUSED static void on_log(void *arg, const char *line, size_t len)
{
    struct sim_world *w = arg;
    if (buf_append(&w->log, line, len) < 0)
        abort();
}

UNUSED static void on_serving(void *arg)
{
    ((struct sim_world *)arg)->serving = true;
}

UNUSED static void on_stopped(void *arg)
{
    ((struct sim_world *)arg)->stopped = true;
}

UNUSED static enum auth_verdict sign(struct sv key, enum auth_sign form, struct sv bytes,
                                     struct buf *out)
{
    struct tls_sign_request r = {.key = key, .form = form, .bytes = bytes};
    uint8_t signature[1024];
    size_t len;
    if (sign_with(world_cert.key, &r, signature, &len) < 0)
        return AUTH_DENIED;
    return buf_append(out, signature, len) < 0 ? AUTH_DENIED : AUTH_OK;
}

UNUSED static bool flag(void *arg)
{
    return *(bool *)arg;
}

/* A generation with the fixed part of the configuration and these lines. */
UNUSED static struct generation *world_generation(uint32_t number, const char *lines)
{
    struct generation *g = generation_new(number);
    struct conf_faults faults;
    char text[16384];
    snprintf(text, sizeof text,
             "hostname = \"mail.example.net\"; domains = [ \"example.net\" ]; state = \"/s\";\n"
             "auth = { mechanisms = [ \"PLAIN\", \"LOGIN\" ]; %s };\n"
             "dns = { dnssec = \"off\"; };\n"
             "tls = ( { certificate = \"/c\"; key = \"/k\"; } );\n"
             "listen = ( { port = 587; tls = \"starttls\"; %s }, { port = 465; tls = \"implicit\"; "
             "%s },\n"
             "           { port = 25; tls = \"none\"; %s } );\n%s",
             world_auth, world_listen, world_listen, world_listen, lines);
    conf_faults_init(&faults, &g->arena);
    if (!options_read("c", sv_of(text), "", &g->arena, &g->options, &faults, NULL)) {
        struct buf out;
        buf_init(&out, 65536, 0);
        conf_faults_print(&faults, &out);
        print_error("%.*s", SV_ARG(buf_view(&out)));
        fail();
    }
    generation_add_file(g, "tls[0].certificate", "/c", sv_of(world_cert.pem), false);
    if (world_dkim)
        generation_add_file(g, GENERATION_DKIM_KEYS, "", sv_of(world_dkim), false);
    if (world_files)
        world_files(g);
    return g;
}

UNUSED static void world_reload(uint32_t number, const char *lines)
{
    struct buf why;
    buf_init(&why, 4096, 0);
    bool good = server_prepare(world.server, world_generation(number, lines), &why);
    if (!good)
        print_error("%.*s\n", SV_ARG(buf_view(&why)));
    assert_true(good);
    buf_deinit(&why);
    server_commit(world.server, number);
}

UNUSED static void world_start(const char *lines)
{
    static const struct server_ops ops = {.on_serving = on_serving, .on_stopped = on_stopped};
    static bool registered;
    if (!registered) {
        sim_vfs_register();
        sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1);
        world_cert = ec_cert("DNS:mail.example.net", NULL);
        registered = true;
    }
    sim_start(1);
    sim_dns_reset();
    sim_auth_reset();
    sim_auth_user("u@example.net", "p");
    sim_auth_signer(sign);
    world = (struct sim_world){.loop = loop_new()};
    buf_init(&world.log, 64u << 20, 0);
    log_set_sink(on_log, &world);
    assert_int_equal(file_mkdir("/s"), 0);
    world.server = server_new(world.loop, 1, &ops, &world);
    world_reload(1, lines);
    for (uint32_t i = 0; i < LISTENERS; i++) {
        struct ip_port at = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};
        int fd = sim_listen(&at);
        world.address[i] = sim_listen_address(fd);
        server_listen(world.server, fd, i, 0);
    }
    assert_true(sim_run_while_not(flag, &world.serving, 10000));
    sim_run_for(100);
}

UNUSED static struct server_stats world_stats(void)
{
    struct server_stats s;
    server_get_stats(world.server, &s);
    return s;
}

UNUSED static bool world_logged(const char *words)
{
    struct sv log = buf_view(&world.log);
    return memmem(log.ptr, log.len, words, strlen(words)) != NULL;
}

UNUSED static size_t world_log_count(const char *words)
{
    struct sv log = buf_view(&world.log);
    size_t n = 0;
    for (const char *at; (at = memmem(log.ptr, log.len, words, strlen(words))) != NULL; n++)
        log = sv_skip(log, (size_t)(at - log.ptr) + 1);
    return n;
}

/* Nothing is left of any session: connections, memory, quota. */
UNUSED static void world_assert_idle(void)
{
    struct server_stats s = world_stats();
    assert_int_equal(s.sessions, 0);
    assert_int_equal(s.connections, 0);
    assert_int_equal(s.memory_used_bytes, 0);
}

UNUSED static void world_stop(uint64_t grace_ms)
{
    if (!world.stopped)
        server_stop(world.server, grace_ms);
    assert_true(sim_run_while_not(flag, &world.stopped, grace_ms + 120000));
    server_free(world.server);
    loop_free(world.loop);
    log_set_sink(NULL, NULL);
    buf_deinit(&world.log);
    sim_stop();
}

/* ---- clients ---- */

UNUSED static void client_flush(struct sim_client *c)
{
    if (!c->closed && stream_write(c->stream, buf_view(&c->out)) < 0)
        c->ended = true;
    buf_reset(&c->out);
}

UNUSED static void client_on_connect(void *arg, int err)
{
    struct sim_client *c = arg;
    c->connected = err == 0;
    c->ended = err < 0;
    stream_read_start(c->stream);
}

UNUSED static void client_on_read(void *arg, struct sv bytes)
{
    struct sim_client *c = arg;
    if (!c->tls) {
        assert_int_equal(buf_put(&c->said, bytes), 0);
        return;
    }
    while (bytes.len) {
        size_t n = tls_stream_feed(c->tls, bytes, &c->said);
        client_flush(c);
        if (n == 0)
            break;
        bytes = sv_skip(bytes, n);
    }
}

UNUSED static void client_on_end(void *arg, int err)
{
    (void)err;
    ((struct sim_client *)arg)->ended = true;
}

UNUSED static void client_on_closed(void *arg)
{
    ((struct sim_client *)arg)->closed = true;
}

UNUSED static struct sim_client *client_from(unsigned host, int listen)
{
    static const struct stream_ops ops = {.on_connect = client_on_connect,
                                          .on_read = client_on_read,
                                          .on_end = client_on_end,
                                          .on_closed = client_on_closed};
    struct sim_client *c = NEW(struct sim_client);
    struct ip ip = {.family = IP_V4, .bytes = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}};
    buf_init(&c->said, 1u << 20, 0);
    buf_init(&c->out, 1u << 20, 0);
    c->stream = stream_connect(world.loop, &world.address[listen], &ip, &ops, c);
    assert_true(sim_run_while_not(flag, &c->connected, 10000));
    return c;
}

UNUSED static struct sim_client *client_new(int listen)
{
    return client_from(1, listen);
}

UNUSED static void client_tls(struct sim_client *c, struct tls_ctx *ctx)
{
    static const struct tls_stream_peer peer = {.name = SV("mail.example.net")};
    c->tls = tls_stream_client(ctx, &peer, &c->out);
    client_flush(c);
    sim_run_for(1000);
    assert_string_equal(tls_stream_fault(c->tls), "");
}

UNUSED static void client_put(struct sim_client *c, struct sv bytes)
{
    if (c->tls) {
        assert_int_equal(tls_stream_write(c->tls, bytes), bytes.len);
        client_flush(c);
    } else if (stream_write(c->stream, bytes) < 0) {
        c->ended = true;
    }
}

/* Writes and lets the world go on for a second. */
UNUSED static void client_say(struct sim_client *c, const char *text)
{
    client_put(c, sv_of(text));
    sim_run_for(1000);
}

UNUSED static bool client_heard(const struct sim_client *c, const char *words)
{
    struct sv said = buf_view(&c->said);
    return memmem(said.ptr, said.len, words, strlen(words)) != NULL;
}

UNUSED static void client_expect(struct sim_client *c, const char *words)
{
    if (!client_heard(c, words)) {
        print_error("not heard: %s\nsaid so far:\n%.*s\n", words, SV_ARG(buf_view(&c->said)));
        fail();
    }
    buf_reset(&c->said);
}

/* Greeted and logged in, without TLS. */
UNUSED static struct sim_client *client_ready(void)
{
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO client.example\r\n" CLEAR_AUTH);
    client_expect(c, "235 ");
    return c;
}

UNUSED static void client_free(struct sim_client *c)
{
    if (!c->closed)
        stream_close(c->stream);
    assert_true(sim_run_while_not(flag, &c->closed, 10000));
    tls_stream_free(c->tls);
    buf_deinit(&c->said);
    buf_deinit(&c->out);
    free(c);
}

#endif
