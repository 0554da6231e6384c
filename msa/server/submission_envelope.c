/*
 * The envelope of a message on its way in, as the queue keeps it.
 */
#include "msa/base/mem.h"
#include "msa/server/submission_private.h"

#include <stdlib.h>
#include <uthash.h>

struct sv submission_protocol(const struct submission_from *f)
{
    if (smtp_envelope_has(f->envelope, SMTP_MAIL_SMTPUTF8)) {
        if (f->tls_cipher.len)
            return f->login.len ? SV("UTF8SMTPSA") : SV("UTF8SMTPS");
        return f->login.len ? SV("UTF8SMTPA") : SV("UTF8SMTP");
    }
    if (!f->esmtp)
        return SV("SMTP");
    if (f->tls_cipher.len)
        return f->login.len ? SV("ESMTPSA") : SV("ESMTPS");
    return f->login.len ? SV("ESMTPA") : SV("ESMTP");
}

static const char *text_form(struct arena *a, struct buf *b)
{
    const char *text = arena_str(a, buf_view(b));
    buf_reset(b);
    return text;
}

struct seen {
    struct sv address;
    UT_hash_handle hh;
};

/* Rows for the recipients; who is named twice gets one copy (the first one's parameters count). */
static void fill_rows(struct submission *s, const struct smtp_envelope *e, struct buf *b)
{
    struct queue_batch *rows = queue_batch_new(s->message, e->count);
    struct seen *list = mem_new(e->count, sizeof *list), *all = NULL, *twin;
    int64_t release_ms =
        smtp_envelope_hold_until_s(e, (s->message->received_ms + 999) / 1000) * 1000;
    if (release_ms && release_ms < s->message->received_ms)
        release_ms = s->message->received_ms;
    rows->nrows = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const struct smtp_recipient *r = &e->recipients[i];
        HASH_FIND(hh, all, r->path.text.ptr, r->path.text.len, twin);
        if (twin)
            continue;
        list[i].address = r->path.text;
        HASH_ADD_KEYPTR(hh, all, list[i].address.ptr, list[i].address.len, &list[i]);
        struct queue_row *row = &rows->rows[rows->nrows++];
        row->address = arena_str(&rows->arena, r->path.text);
        row->domain = arena_str(&rows->arena, smtp_path_domain(&r->path));
        if (smtp_envelope_write_rcpt(r, b) == 0)
            row->rcpt_params = text_form(&rows->arena, b);
        row->due_ms = release_ms ? release_ms : s->message->received_ms;
        row->held_ms = row->due_ms - s->message->received_ms;
    }
    HASH_CLEAR(hh, all);
    free(list);
    s->rows = rows;
}

void submission_fill_envelope(struct submission *s, const struct submission_from *f)
{
    struct queue_message *m = s->message;
    const struct smtp_envelope *e = f->envelope;
    struct buf b;
    buf_init(&b, 8192, 0);
    m->reverse_path = arena_str(&m->arena, e->reverse.text);
    s->reverse_path =
        e->original_reverse.len ? arena_sv(&m->arena, e->original_reverse) : sv_of(m->reverse_path);
    if (smtp_envelope_write_mail(e, &b) == 0)
        m->mail_params = text_form(&m->arena, &b);
    m->priority = (int8_t)smtp_envelope_priority(e);
    m->smtputf8 = smtp_envelope_has(e, SMTP_MAIL_SMTPUTF8); /* until the header is known */
    s->solicit = arena_sv(&m->arena, e->values[SMTP_MAIL_SOLICIT].text);
    s->requires_tls = smtp_envelope_has(e, SMTP_MAIL_REQUIRETLS);
    m->login = arena_str(&m->arena, f->owner);
    m->client = arena_str(&m->arena, f->client);
    s->session = arena_sv(&m->arena, f->session);
    fill_rows(s, e, &b);
    buf_deinit(&b);
}
