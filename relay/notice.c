#include "relay/notice.h"

#include "msa/base/mem.h"
#include "msa/base/utf8.h"
#include "msa/loop/clock.h"
#include "relay/signing.h"
#include "rewrite/date.h"

#include <stdlib.h>
#include <string.h>

#define SIGN_MS 3000u

int relay_notice_put(struct buf *out, struct sv text)
{
    char *at;
    int err = buf_reserve(out, text.len, &at);
    if (err < 0)
        return err;
    for (size_t i = 0; i < text.len; i++)
        at[i] = text.ptr[i] >= 32 && text.ptr[i] <= 126 ? text.ptr[i] : '?';
    buf_added(out, text.len);
    return 0;
}

int relay_notice_header(struct buf *out, const struct relay_notice *n)
{
    char date[REWRITE_DATE_MAX];
    const struct {
        const char *before;
        struct sv text;
        bool utf8; /* allowed */
    } parts[] = {
        {"From: Mail server <", n->postmaster, false},
        {">\r\nTo: <", n->to, utf8_is_printable(n->to)},
        {">\r\nSubject: ", n->subject, false},
        {"\r\nDate: ", sv_of(rewrite_date_write(date, n->now_s)), false},
        {"\r\nMessage-ID: <", n->id, false},
        {"@", n->hostname, false},
        {">\r\nAuto-Submitted: ", n->submitted, false},
        {"\r\nMIME-Version: 1.0\r\n", SV_NONE, false},
    };
    int err = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && err == 0; i++) {
        err = buf_put(out, sv_of(parts[i].before));
        if (err == 0)
            err =
                parts[i].utf8 ? buf_put(out, parts[i].text) : relay_notice_put(out, parts[i].text);
    }
    return err;
}

struct queue_message *relay_notice_message(struct buf *text, const char *id, struct sv to,
                                           struct queue_batch **rows_out)
{
    struct queue_message *m = queue_message_new();
    memcpy(m->id, id, sizeof m->id);
    m->received_ms = clock_wall_ms();
    m->smtputf8 = m->eight_bit = !utf8_is_ascii(buf_view(text));
    m->mail_params = "<>";
    m->message_id = "";
    m->size = buf_len(text);
    m->content = block_from_buf(text);
    struct queue_batch *rows = queue_batch_new(m, 1);
    char *domain = arena_str(&rows->arena, sv_skip(to, sv_rfind(to, '@') + 1));
    for (char *c = domain; *c; c++)
        *c = ascii_lower(*c);
    rows->rows[0].address = arena_str(&rows->arena, to);
    rows->rows[0].domain = domain;
    rows->rows[0].rcpt_params = arena_printf(&rows->arena, "<%.*s>", SV_ARG(to));
    rows->rows[0].due_ms = m->received_ms;
    *rows_out = rows;
    return m;
}

/* ---- signatures ---- */

struct signing {
    struct rewrite_dkim dkim;
    struct queue_message *message;
    void (*done)(void *arg);
    void *arg;
};

static void on_signed(void *arg)
{
    struct signing *g = arg;
    struct queue_message *m = g->message;
    struct buf fields;
    void (*done)(void *arg) = g->done;
    void *done_arg = g->arg;
    buf_init(&fields, REWRITE_DKIM_FIELDS_MAX, 0);
    (void)relay_signing_judge(&g->dkim, &(struct log_ctx){.queue = sv_of(m->id)});
    rewrite_dkim_fields(&g->dkim, &fields);
    if (buf_len(&fields))
        m->prefix = arena_str(&m->arena, buf_view(&fields));
    buf_deinit(&fields);
    rewrite_dkim_deinit(&g->dkim);
    queue_message_drop(m);
    free(g);
    done(done_arg);
}

void relay_notice_sign(struct relay_notice_signer by, struct queue_message *m,
                       void (*done)(void *arg), void *arg)
{
    if (!by.signer || !by.keys) {
        done(arg);
        return;
    }
    struct signing *g = NEW(struct signing);
    struct sv content = block_view(m->content);
    g->message = queue_message_keep(m);
    g->done = done;
    g->arg = arg;
    rewrite_dkim_init(&g->dkim, by.keys, content.len, m->received_ms / 1000);
    rewrite_dkim_feed(&g->dkim, content);
    rewrite_dkim_end(&g->dkim);
    if (!relay_signing_start(by.signer, &g->dkim, SIGN_MS, on_signed, g))
        on_signed(g);
}
