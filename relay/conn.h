/*
 * conn.h - one outbound connection: a protocol core over a channel, and AUTH, on a worker's loop.
 *
 * RFC 5321 4.5.3.2 (time-outs), 3207, 8314 (implicit TLS). Translates between channel,
 * keeper and core; decides nothing about a message.
 *
 * Order: relay_conn_open(); on_ready; relay_conn_send(), then on_need_body (each answered by
 * relay_conn_body() or _body_fail(), at once or later), on_recipient, on_message, and on_ready
 * again; any number of times. on_closed comes once, as the last, and may come at any time; the
 * connection frees itself then. relay_conn_quit() ends an idle one politely, relay_conn_drop() any
 * at once, both without another callback.
 * While a message is under way its queue id stands in the crash ring as the connection's events
 * run. Callbacks come from the loop or from inside a call here; every call here is legal in them.
 */
#ifndef RELAY_CONN_H
#define RELAY_CONN_H

#include "auth/client/client.h"
#include "msa/smtp/client.h"
#include "relay/channel.h"
#include "relay/qmtp_memory.h"

struct relay_conn;

struct relay_conn_ops {
    void (*on_ready)(void *arg);
    void (*on_need_body)(void *arg);
    void (*on_recipient)(void *arg, uint32_t index, const struct smtp_client_result *result);
    void (*on_message)(void *arg, const struct smtp_client_result *result);
    void (*on_closed)(void *arg, const struct smtp_client_result *why);
};

struct relay_conn_config {
    struct loop *loop;
    struct relay_conn **all;  /* the worker's list, in which it stands while it lives */
    struct tls_ctx *tls;      /* a reference is taken; NULL: no TLS can be had */
    struct auth_client *auth; /* may be NULL */
    struct sv hostname;       /* for EHLO; copied */
    /* One, or several that differ in nothing but the address and are raced (dial.h); copied. */
    const struct route_attempt *attempts;
    size_t nattempts;
    enum route_tls level;            /* theirs, or what the message makes of it; never BARRED */
    bool must_verify;                /* under DANE: whatever TLSA records there are */
    struct relay_families *families; /* the worker's; may be NULL */
    const struct conf_list *bind;    /* of struct relay_bind_options; NULL: none; used before
                                        on_ready only */
    struct sv secret;                /* of the keeper, for attempt->credentials; copied */
    uint32_t exts_off;               /* SMTP_EXT_BIT()s that are not used */
    bool clear_text;      /* no STARTTLS although the attempt allows it: it failed before */
    const char *queue_id; /* of the message that it is opened for; copied */
    /* QMTP: of the worker, told what becomes of connections; most recipients of a package */
    struct relay_qmtp_memory *qmtp_memory;
    uint32_t qmtp_recipients;
};

struct relay_conn *relay_conn_open(const struct relay_conn_config *config,
                                   const struct relay_conn_ops *ops, void *arg);
/* Who is told from here on: the next job of the slot. queue_id: of its message, copied; "": idle.
 */
void relay_conn_set_ops(struct relay_conn *c, const struct relay_conn_ops *ops, void *arg,
                        const char *queue_id);
void relay_conn_send(struct relay_conn *c, const struct smtp_client_mail *mail);
void relay_conn_body(struct relay_conn *c, struct sv bytes, bool is_last);
void relay_conn_body_fail(struct relay_conn *c, int err);
/* Past the beginning: the core has it. */
bool relay_conn_is_ready(const struct relay_conn *c);
/* As if the time of the phase under way were over; false: there is none, it connects or is idle. */
bool relay_conn_time_out(struct relay_conn *c);
void relay_conn_quit(struct relay_conn *c);
void relay_conn_drop(struct relay_conn *c);
/* At the worker's end: also those that nobody else knows any more, as their QUIT is not answered
 * yet. */
void relay_conn_drop_all(struct relay_conn **all);
/* What the next hop offers and may be used: SMTP_EXT_BIT()s. */
uint32_t relay_conn_exts(const struct relay_conn *c);
/* By what the next hop said of its limits: how many recipients of this domain the next transaction
 * may have; 0: it needs another connection. */
uint32_t relay_conn_takes(const struct relay_conn *c, struct sv domain);
/* "host [address]:port" for logs and reports; lives as long as the connection. */
const char *relay_conn_remote(const struct relay_conn *c);
/* What the content needs before relay_conn_send() (smtp_ext_convert_mail()); when ready. */
unsigned relay_conn_converts(const struct relay_conn *c, const struct smtp_client_mail *mail);
/* The attempt that is in use or failed last, and which of those it is. */
size_t relay_conn_index(const struct relay_conn *c);
/* Those that could not be connected to before it, a bit each. */
uint32_t relay_conn_failed(const struct relay_conn *c);
const struct route_attempt *relay_conn_attempt(const struct relay_conn *c);
/* The server's name in its greeting; "": not known. Lives as long as the connection. */
const char *relay_conn_greeting(const struct relay_conn *c);
/* Whether it is what this attempt at this level would have opened: what was checked of the host is
 * what it asks. must_verify: and it was checked. */
bool relay_conn_serves(const struct relay_conn *c, const struct route_attempt *a,
                       enum route_tls level, bool must_verify);
bool relay_conn_is_tls(const struct relay_conn *c);
/* Legal up to the end of on_closed; failure also tells that STARTTLS was asked for in vain. */
void relay_conn_get_tls(const struct relay_conn *c, struct relay_channel_tls *out);

#endif
