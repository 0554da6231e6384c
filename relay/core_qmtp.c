/* The QMTP client core behind the table of core.h. */
#include "relay/core.h"
#include "relay/qmtp/client.h"

static void *make(const struct relay_core_config *config, uint64_t now_ms)
{
    struct qmtp_client_config own = {.recipients = config->qmtp_recipients,
                                     .tls = config->session.tls_active};
    return qmtp_client_new(&own, now_ms);
}

static void end(void *core)
{
    qmtp_client_free(core);
}

static bool next(void *core, struct smtp_client_action *out)
{
    return qmtp_client_next(core, out);
}

static size_t feed(void *core, struct sv bytes, uint64_t now_ms)
{
    return qmtp_client_feed(core, bytes, now_ms);
}

static void timeout(void *core, bool moves, uint64_t now_ms)
{
    qmtp_client_timeout(core, moves, now_ms);
}

static void lost(void *core, int err, uint64_t now_ms)
{
    qmtp_client_lost(core, err, now_ms);
}

static void send_mail(void *core, const struct smtp_client_mail *mail, uint64_t now_ms)
{
    qmtp_client_send(core, mail, now_ms);
}

static void body(void *core, struct sv bytes, bool is_last, uint64_t now_ms)
{
    qmtp_client_body(core, bytes, is_last, now_ms);
}

static void body_fail(void *core, int err, uint64_t now_ms)
{
    qmtp_client_body_fail(core, err, now_ms);
}

static void quit(void *core, uint64_t now_ms)
{
    qmtp_client_quit(core, now_ms);
}

static void flushed(void *core, uint64_t now_ms)
{
    qmtp_client_flushed(core, now_ms);
}

static uint32_t exts(const void *core)
{
    (void)core;
    return qmtp_client_peer()->exts;
}

static uint32_t takes(const void *core, struct sv domain)
{
    (void)domain;
    return qmtp_client_takes(core);
}

static unsigned converts(const void *core, const struct smtp_client_mail *mail)
{
    return qmtp_client_converts(core, mail);
}

static bool is_short(const void *core)
{
    return qmtp_client_is_short(core);
}

const struct relay_core_type relay_core_qmtp = {
    .connect_ms = 5000,
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
    .exts = exts,
    .takes = takes,
    .converts = converts,
    .is_short = is_short,
};
