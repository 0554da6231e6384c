#include "msa/smtp/envelope.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/ext.h"
#include "msa/smtp/xtext.h"

#include <string.h>

void smtp_envelope_init(struct smtp_envelope *e, struct arena *arena)
{
    *e = (struct smtp_envelope){.arena = arena};
}

int smtp_envelope_parse_mail(struct smtp_envelope *e, struct sv text)
{
    struct smtp_value values[SMTP_MAIL_SLOTS] = {0};
    struct smtp_path path;
    struct sv rest;
    if (smtp_path_parse(e->arena, text, SMTP_PATH_REVERSE, &path, &rest) != SMTP_PATH_OK ||
        smtp_ext_parse_mail(e->arena, rest, 0, values).code != 0)
        return ERR_SYNTAX;
    e->reverse = path;
    memcpy(e->values, values, sizeof values);
    return 0;
}

int smtp_envelope_parse_rcpt(struct smtp_envelope *e, struct sv text)
{
    struct smtp_value values[SMTP_RCPT_SLOTS] = {0};
    struct smtp_path path;
    struct sv rest;
    if (smtp_path_parse(e->arena, text, SMTP_PATH_FORWARD, &path, &rest) != SMTP_PATH_OK ||
        smtp_ext_parse_rcpt(e->arena, rest, 0, values).code != 0)
        return ERR_SYNTAX;
    struct smtp_recipient *r = smtp_envelope_add(e, &path);
    memcpy(r->values, values, sizeof values);
    return 0;
}

static int write_path(struct buf *out, const struct smtp_path *path)
{
    struct sv text = path->kind == SMTP_PATH_POSTMASTER ? SV("Postmaster") : path->text;
    return buf_printf(out, "<%.*s>", SV_ARG(text));
}

int smtp_envelope_write_mail(const struct smtp_envelope *e, struct buf *out)
{
    size_t before = buf_len(out);
    int err = write_path(out, &e->reverse);
    if (err == 0)
        err = smtp_ext_write_mail(e->values, out);
    if (err < 0)
        buf_truncate(out, before);
    return err;
}

int smtp_envelope_write_rcpt(const struct smtp_recipient *r, struct buf *out)
{
    size_t before = buf_len(out);
    int err = write_path(out, &r->path);
    if (err == 0)
        err = smtp_ext_write_rcpt(r->values, out);
    if (err < 0)
        buf_truncate(out, before);
    return err;
}

struct smtp_recipient *smtp_envelope_add(struct smtp_envelope *e, const struct smtp_path *path)
{
    if (e->count == e->cap) {
        uint32_t cap = e->cap ? e->cap * 2 : 4;
        struct smtp_recipient *more = arena_alloc(e->arena, cap * sizeof *more);
        if (e->count)
            memcpy(more, e->recipients, e->count * sizeof *more);
        e->recipients = more;
        e->cap = cap;
    }
    struct smtp_recipient *r = &e->recipients[e->count++];
    *r = (struct smtp_recipient){.path = *path};
    return r;
}

void smtp_envelope_drop_last(struct smtp_envelope *e)
{
    REQUIRE(e->count > 0);
    e->count--;
}

uint32_t smtp_envelope_notify(const struct smtp_recipient *r)
{
    const struct smtp_value *v = &r->values[SMTP_RCPT_NOTIFY];
    return v->text.ptr ? (uint32_t)v->number : SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;
}

bool smtp_envelope_deliver_by(const struct smtp_envelope *e, struct smtp_deliver_by *out)
{
    const struct smtp_value *v = &e->values[SMTP_MAIL_BY];
    if (!v->text.ptr)
        return false;
    struct sv mode = v->text;
    sv_split(&mode, ';');
    *out = (struct smtp_deliver_by){.seconds = (int64_t)v->number,
                                    .returns = sv_istarts(mode, SV("R")),
                                    .trace = mode.len == 2};
    return true;
}

int64_t smtp_envelope_hold_until_s(const struct smtp_envelope *e, int64_t received_s)
{
    if (smtp_envelope_has(e, SMTP_MAIL_HOLDUNTIL))
        return (int64_t)e->values[SMTP_MAIL_HOLDUNTIL].number;
    if (smtp_envelope_has(e, SMTP_MAIL_HOLDFOR))
        return received_s + (int64_t)e->values[SMTP_MAIL_HOLDFOR].number;
    return 0;
}

int smtp_envelope_priority(const struct smtp_envelope *e)
{
    return (int)(int64_t)e->values[SMTP_MAIL_MT_PRIORITY].number;
}

void smtp_envelope_keep_original(struct smtp_envelope *e, struct smtp_recipient *r,
                                 struct sv address)
{
    struct smtp_value *orcpt = &r->values[SMTP_RCPT_ORCPT];
    bool ascii = utf8_is_ascii(address);
    struct buf text;
    if (orcpt->text.ptr)
        return;
    buf_init(&text, 4096, 0);
    int err = buf_put(&text, ascii ? SV("rfc822;") : SV("utf-8;"));
    if (err == 0)
        err = ascii ? smtp_xtext_write(&text, address) : smtp_unitext_write(&text, address);
    REQUIRE(err == 0); /* an address is short, and printable */
    if (buf_len(&text) <= SMTP_ORCPT_MAX)
        orcpt->text = arena_sv(e->arena, buf_view(&text));
    buf_deinit(&text);
}
