/* The SMTP client core behind the table of core.h. */
#include "relay/core.h"

static void *make(const struct relay_core_config *config, uint64_t now_ms)
{
    return smtp_client_new(&config->session, now_ms);
}

static void end(void *core)
{
    smtp_client_free(core);
}

static bool next(void *core, struct smtp_client_action *out)
{
    return smtp_client_next(core, out);
}

static size_t feed(void *core, struct sv bytes, uint64_t now_ms)
{
    return smtp_client_feed(core, bytes, now_ms);
}

static void timeout(void *core, bool moves, uint64_t now_ms)
{
    (void)moves; /* RFC 5321 4.5.3.2.5: of a block, however it goes */
    smtp_client_timeout(core, now_ms);
}

static void lost(void *core, int err, uint64_t now_ms)
{
    smtp_client_lost(core, err, now_ms);
}

static void send_mail(void *core, const struct smtp_client_mail *mail, uint64_t now_ms)
{
    smtp_client_send(core, mail, now_ms);
}

static void body(void *core, struct sv bytes, bool is_last, uint64_t now_ms)
{
    smtp_client_body(core, bytes, is_last, now_ms);
}

static void body_fail(void *core, int err, uint64_t now_ms)
{
    smtp_client_body_fail(core, err, now_ms);
}

static void quit(void *core, uint64_t now_ms)
{
    smtp_client_quit(core, now_ms);
}

static void flushed(void *core, uint64_t now_ms)
{
    smtp_client_flushed(core, now_ms);
}

static void tls_done(void *core, int err, uint64_t now_ms)
{
    smtp_client_tls_done(core, err, now_ms);
}

static void auth(void *core, struct sv mechanism, struct sv response, uint64_t now_ms)
{
    smtp_client_auth(core, mechanism, response, now_ms);
}

static void auth_fail(void *core, int err, uint64_t now_ms)
{
    smtp_client_auth_fail(core, err, now_ms);
}

static const char *greeting(const void *core)
{
    return smtp_client_greeting(core);
}

static uint32_t exts(const void *core)
{
    return smtp_client_peer(core)->exts;
}

static uint32_t takes(const void *core, struct sv domain)
{
    return smtp_client_takes(core, domain);
}

static unsigned converts(const void *core, const struct smtp_client_mail *mail)
{
    return smtp_client_converts(core, mail);
}

const struct relay_core_type relay_core_smtp = {
    .connect_ms = 30000,
    .make = make,
    .free = end,
    .next = next,
    .feed = feed,
    .timeout = timeout,
    .lost = lost,
    .send = send_mail,
    .body = body,
    .body_fail = body_fail,
    .quit = quit,
    .flushed = flushed,
    .tls_done = tls_done,
    .auth = auth,
    .auth_fail = auth_fail,
    .greeting = greeting,
    .exts = exts,
    .takes = takes,
    .converts = converts,
};
