/*
 * Design: the report is written front to back into one buffer: its header, the part for people,
 * and those of dsn_status.c and dsn_content.c; how text is made harmless stands in dsn_text.c.
 * Parts that may hold UTF-8 are made apart, to see whether they do, and how they must go.
 */
#include "relay/dsn_internal.h"
#include "relay/notice.h"
#include "relay/reason.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/envelope.h"
#include "msa/smtp/xtext.h"
#include "rewrite/date.h"

static const struct {
    const char *subject, *sentence;
} actions[] = {
#define ACTION_ROW(name, value, subject, words) [RELAY_DSN_##name] = {subject, words},
    RELAY_DSN_ACTIONS(ACTION_ROW)
#undef ACTION_ROW
};
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

bool relay_dsn_wanted(enum relay_dsn_action action, uint32_t notify, bool null_reverse_path,
                      bool hop_has_dsn)
{
    if (null_reverse_path || (notify & SMTP_NOTIFY_NEVER))
        return false;
    switch (action) {
    case RELAY_DSN_FAILED:
        return (notify & SMTP_NOTIFY_FAILURE) != 0;
    case RELAY_DSN_DELAYED:
        return (notify & SMTP_NOTIFY_DELAY) != 0;
    case RELAY_DSN_RELAYED:
        return (notify & SMTP_NOTIFY_SUCCESS) && !hop_has_dsn;
    case RELAY_DSN_DELIVERED:
        return (notify & SMTP_NOTIFY_SUCCESS) != 0;
    }
    return false;
}

bool relay_dsn_wanted_anyway(uint32_t notify, bool null_reverse_path)
{
    return !null_reverse_path && !(notify & SMTP_NOTIFY_NEVER);
}

/* ---- header ---- */

bool dsn_is_utf8(const struct relay_dsn *d)
{
    return !utf8_is_ascii(d->to);
}

enum relay_dsn_action dsn_main_action(const struct relay_dsn *d)
{
    enum relay_dsn_action found = RELAY_DSN_DELIVERED;
    for (size_t i = 0; i < d->count; i++)
        if (d->recipients[i].action < found)
            found = d->recipients[i].action;
    return found;
}

static void put_header(struct dsn_writer *w)
{
    const struct relay_dsn *d = w->d;
    struct relay_notice head = {
        .id = d->id,
        .hostname = d->reporting_mta,
        .postmaster = d->postmaster,
        .to = d->to,
        .subject = sv_of(actions[dsn_main_action(d)].subject),
        .submitted = SV("auto-replied"),
        .now_s = d->now_s,
    };
    if (!w->err)
        w->err = relay_notice_header(w->out, &head);
    if (w->utf8)
        dsn_put(w, SV("Content-Transfer-Encoding: 8bit\r\n"));
    dsn_put(w, SV("Content-Type: multipart/report; report-type="));
    dsn_put(w, dsn_status_type(w));
    dsn_put(w, SV(";\r\n\tboundary=\"=_"));
    dsn_put_clean(w, d->id);
    dsn_put(w, SV("\"\r\n\r\nThis is a delivery report in MIME format.\r\n"));
}

/* ---- for people ---- */

/* In plain words, before what the server said. That this server itself does not want to deliver is
 * no rule of the receiver's. */
static void put_reason(struct dsn_writer *w, const struct relay_dsn_recipient *r)
{
    struct smtp_status status;
    const char *words = smtp_status_parse(r->status, &status, NULL) ? relay_reason(status) : NULL;
    if (words && !r->remote.len && status.subject == 7 && status.detail == 1)
        words = NULL;
    if (!words || (r->action != RELAY_DSN_FAILED && r->action != RELAY_DSN_DELAYED))
        return;
    dsn_put(w, SV("        "));
    dsn_put_wrapped(w, sv_of(words), SV("        "));
}

/* The address that the author knows, where ours is another (redirected, or named by ORCPT). */
static void put_original(struct dsn_writer *w, const struct relay_dsn_recipient *r)
{
    struct sv orcpt = r->orcpt, type = sv_split(&orcpt, ';');
    struct buf text;
    buf_init(&text, 2048, 0);
    int err = sv_ieq(type, SV("utf-8")) ? smtp_unitext_decode(&text, orcpt)
                                        : smtp_xtext_decode(&text, orcpt);
    if (err == 0 && buf_len(&text) && !sv_ieq(buf_view(&text), r->address)) {
        dsn_put(w, SV(", in place of <"));
        dsn_put_utf8(w, buf_view(&text));
        dsn_put(w, SV(">"));
    }
    buf_deinit(&text);
}

static void put_told(struct dsn_writer *w, const struct relay_dsn_recipient *r)
{
    dsn_put(w, SV("\r\n    <"));
    dsn_put_utf8(w, r->address);
    dsn_put(w, SV(">"));
    if (r->orcpt.len)
        put_original(w, r);
    dsn_put(w, SV("\r\n"));
    put_reason(w, r);
    if (!r->text.len)
        return;
    dsn_put(w, SV("        "));
    if (r->remote.len) {
        dsn_put_clean(w, r->remote);
        dsn_put(w, dsn_is_reply(r->text) ? SV(" said:\r\n        ") : SV(":\r\n        "));
    }
    dsn_put_wrapped(w, dsn_told(r->text), SV("        "));
    if (r->action == RELAY_DSN_DELAYED && r->retry_until_s) {
        char date[REWRITE_DATE_MAX];
        dsn_put(w, SV("        Tried again until "));
        dsn_put_str(w, rewrite_date_write(date, r->retry_until_s));
        dsn_put(w, SV("\r\n"));
    }
}

static void put_sentence(struct dsn_writer *w, const char *sentence)
{
    struct sv rest = sv_of(sentence);
    dsn_put(w, SV("\r\n"));
    while (rest.len) {
        dsn_put(w, sv_split(&rest, '\n'));
        dsn_put(w, SV("\r\n"));
    }
}

static void put_words(struct dsn_writer *w)
{
    dsn_put(w, SV("This is the mail server at "));
    dsn_put_clean(w, w->d->reporting_mta);
    dsn_put(w, SV(".\r\n"));
    for (size_t k = 0; k < ACTIONS; k++) {
        bool is_said = false;
        for (size_t i = 0; i < w->d->count; i++) {
            if (w->d->recipients[i].action != k)
                continue;
            if (!is_said)
                put_sentence(w, actions[k].sentence);
            is_said = true;
            put_told(w, &w->d->recipients[i]);
        }
    }
    dsn_put(w, SV("\r\nThe message had the queue id "));
    dsn_put_clean(w, w->d->original_id);
    dsn_put(w, SV(". For help write to <"));
    dsn_put_clean(w, w->d->postmaster);
    dsn_put(w, SV(">.\r\n"));
}

static void put_text_part(struct dsn_writer *w)
{
    struct buf text;
    dsn_make_apart(w, &text, put_words);
    dsn_put_boundary(w, "");
    dsn_put(w, utf8_is_ascii(buf_view(&text)) ? SV("Content-Type: text/plain; charset=us-ascii\r\n")
                                              : SV("Content-Type: text/plain; charset=utf-8\r\n"));
    dsn_put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}

int relay_dsn_write(struct buf *out, const struct relay_dsn *d)
{
    REQUIRE(d->count && d->to.len);
    struct dsn_writer w = {.out = out, .d = d, .utf8 = dsn_is_utf8(d)};
    size_t before = buf_len(out);
    put_header(&w);
    put_text_part(&w);
    dsn_put_status_part(&w);
    dsn_put_content_part(&w);
    dsn_put_boundary(&w, "--");
    if (w.err < 0) {
        buf_truncate(out, before);
        return w.err;
    }
    return 0;
}
