#include "relay/notice.h"

#include "msa/base/utf8.h"
#include "msa/loop/clock.h"
#include "rewrite/date.h"

#include <string.h>

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
