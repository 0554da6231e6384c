/*
 * Site policy in a session (filter.h): MAIL and RCPT as the last step of CHECK_PATH, DATA when the
 * message is opened.
 *
 * A transaction that is resumed (RFC 1845) has its recipients from the record: no RCPT was asked
 * about. They are told one after the other before DATA, and one that is refused refuses the
 * message.
 */
#include "msa/base/require.h"
#include "msa/server/conn_internal.h"

#define STORE_MS (CONN_OPERATION_MS - FILTER_BUDGET_MS) /* left for whatever comes after */

bool conn_policy_is_wanted(const struct conn *c)
{
    return !c->unfiltered && filter_is_wanted(c->service);
}

/* An operation that has waited for names already has less time left. */
static uint64_t budget_ms(struct conn *c, uint32_t op)
{
    if (c->op_watched != op)
        conn_watch(c, op);
    uint64_t now = loop_now_ms(c->worker->loop);
    uint64_t left = c->deadline_ms > now ? c->deadline_ms - now : 0;
    return left > STORE_MS + 1000 ? left - STORE_MS : 1000;
}

static struct filter_who who_of(struct conn *c)
{
    static const struct sv protocols[] = {SV("SMTP"), SV("ESMTP")};
    struct smtp_server_info info = smtp_server_info(c->smtp);
    struct tls_stream_info tls = {0};
    struct ip_port peer = stream_peer(c->stream);
    const struct msa_options *o = &c->service->generation->options;
    if (c->tls)
        tls_stream_info(c->tls, &tls);
    return (struct filter_who){
        .session = sv_of(c->session),
        .login = sv_of(c->login),
        .mechanism = sv_of(c->login ? c->mechanism : ""),
        .helo = info.helo,
        .protocol = protocols[info.esmtp],
        .tls_version = sv_of(tls.version),
        .tls_cipher = sv_of(tls.cipher),
        /* a proxy has told the address alone to us */
        .client = {c->client, ip_eq(&peer.ip, &c->client) ? peer.port : 0},
        .client_text = sv_of(c->client_text),
        .transaction = ++c->transactions,
        .port = CONF_ITEM(o->listen, c->listen, struct msa_listen_options)->port,
    };
}

struct sv conn_policy_args(const struct smtp_action *a, struct arena *arena)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2, 0);
    int err =
        a->use == SMTP_PATH_REVERSE
            ? smtp_envelope_write_mail(a->envelope, &text)
            : smtp_envelope_write_rcpt(&a->envelope->recipients[a->envelope->count - 1], &text);
    REQUIRE(err == 0);
    /* what stands behind "<path>" */
    struct sv args = sv_trim(sv_skip(buf_view(&text), a->path->text.len + 2));
    args = arena_sv(arena, args);
    buf_deinit(&text);
    return args;
}

void conn_policy_path(struct conn *c, enum smtp_path_use use, struct sv path, struct sv args,
                      uint64_t size, filter_done *done, void *arg)
{
    uint64_t budget = budget_ms(c, c->op_path);
    if (use == SMTP_PATH_FORWARD) {
        c->told_rcpts = true;
        filter_rcpt(c->filter, path, args, budget, done, arg);
        return;
    }
    struct filter_who who = who_of(c);
    c->told_rcpts = false;
    if (!c->filter)
        c->filter = filter_new(c->worker, c->service);
    filter_mail(c->filter, &who, path, args, size, budget, done, arg);
}

/* ---- DATA ---- */

static void refuse(struct conn *c, const struct smtp_reply *refusal)
{
    uint32_t op = c->op_open;
    c->op_open = 0;
    conn_give_up_submission(c);
    conn_answer(c, op, SMTP_FAILED, refusal);
    conn_pump(c, SV_NONE);
}

static void on_data(void *arg, const struct smtp_reply *refusal)
{
    struct conn *c = arg;
    uint32_t op = c->op_open;
    if (refusal) {
        refuse(c, refusal);
        return;
    }
    c->op_open = 0;
    conn_open_rest(c, op, c->opening);
    conn_pump(c, SV_NONE);
}

static void on_rcpt(void *arg, const struct smtp_reply *refusal);

static void tell_next(struct conn *c)
{
    const struct smtp_envelope *e = c->opening;
    uint64_t budget = budget_ms(c, c->op_open);
    if (c->told_rcpts || c->told == e->count) {
        filter_data(c->filter, sv_of(submission_id(c->submission)), e->count, budget, on_data, c);
        return;
    }
    const struct smtp_path *path = &e->recipients[c->told++].path;
    filter_rcpt(c->filter, path->text, SV_NONE, budget, on_rcpt, c);
}

static void on_rcpt(void *arg, const struct smtp_reply *refusal)
{
    if (refusal)
        refuse(arg, refusal);
    else
        tell_next(arg);
}

void conn_policy_open(struct conn *c, uint32_t op, const struct smtp_envelope *e)
{
    c->op_open = op;
    c->opening = e;
    c->told = 0;
    tell_next(c);
}

void conn_policy_cancel(struct conn *c)
{
    c->op_open = 0;
    if (c->filter)
        filter_cancel(c->filter);
}

void conn_policy_drop(struct conn *c)
{
    filter_free(c->filter);
    c->filter = NULL;
}
