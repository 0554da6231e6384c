/*
 * Design: the report is written front to back into one buffer. Whatever a peer or an author said
 * goes through put_clean() or put_wrapped(), which let printable ASCII through and nothing else,
 * so that no text can end a line, a field or a part. The boundary holds the queue id, which nobody
 * outside knew when the content was written.
 */
#include "relay/dsn.h"

#include "msa/base/require.h"
#include "msa/smtp/dot.h"
#include "msa/smtp/envelope.h"
#include "msa/smtp/xtext.h"
#include "rewrite/date.h"

#include <string.h>

#define WRAP_AT     72          /* column behind which text is broken at a space */
#define BREAK_AT    900         /* column where it is broken anywhere */
#define HEADERS_MAX (64u << 10) /* of returned headers, bytes */

static const struct {
    const char *value, *subject, *sentence;
} actions[] = {
#define ACTION_ROW(name, value, subject, words) [RELAY_DSN_##name] = {value, subject, words},
    RELAY_DSN_ACTIONS(ACTION_ROW)
#undef ACTION_ROW
};
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* The writer's state: the first error sticks, so that the writing reads as a list of lines. */
struct writer {
    struct buf *out;
    const struct relay_dsn *d;
    int err;
};

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

size_t relay_dsn_content_max(size_t bounce_body)
{
    return bounce_body > HEADERS_MAX ? bounce_body : HEADERS_MAX;
}

/* ---- pieces of text ---- */

static void put(struct writer *w, struct sv text)
{
    if (!w->err)
        w->err = buf_put(w->out, text);
}

static void put_str(struct writer *w, const char *text)
{
    put(w, sv_of(text));
}

static char clean(char c)
{
    return c >= 32 && c <= 126 ? c : '?';
}

static void put_clean(struct writer *w, struct sv text)
{
    char *at;
    if (w->err || (w->err = buf_reserve(w->out, text.len, &at)) < 0)
        return;
    for (size_t i = 0; i < text.len; i++)
        at[i] = clean(text.ptr[i]);
    buf_added(w->out, text.len);
}

/* Bytes of the front of line that fit one line of output. */
static size_t wrap(struct sv line)
{
    if (line.len <= WRAP_AT)
        return line.len;
    size_t space = sv_rfind(sv_first(line, WRAP_AT), ' ');
    if (space == 0 || space == WRAP_AT) /* a long word: behind it, if it ends soon enough */
        space = WRAP_AT + sv_find(sv_skip(line, WRAP_AT), ' ');
    return space < BREAK_AT ? space : line.len < BREAK_AT ? line.len : BREAK_AT;
}

/* Text of several lines, each continued with indent; empty lines are left out, because a folded
 * field cannot have them. */
static void put_wrapped(struct writer *w, struct sv text, struct sv indent)
{
    bool is_first = true;
    while (text.len) {
        struct sv line = sv_trim(sv_split(&text, '\n'));
        while (line.len) {
            size_t n = wrap(line);
            if (!is_first) {
                put(w, SV("\r\n"));
                put(w, indent);
            }
            put_clean(w, sv_first(line, n));
            line = sv_trim(sv_skip(line, n));
            is_first = false;
        }
    }
    put(w, SV("\r\n"));
}

static void put_field(struct writer *w, const char *name, struct sv value)
{
    put_str(w, name);
    put(w, SV(": "));
    put_wrapped(w, value, SV(" "));
}

static void put_date(struct writer *w, const char *name, int64_t wall_s)
{
    char date[REWRITE_DATE_MAX];
    put_field(w, name, sv_of(rewrite_date_write(date, wall_s)));
}

/* An xtext value, decoded (RFC 3464 2.2.1, 2.3.1), behind "type;" where there is one. A value that
 * is no xtext gives no field. */
static void put_xtext(struct writer *w, const char *name, struct sv type, struct sv xtext)
{
    struct buf text;
    buf_init(&text, 2048, 0);
    if (smtp_xtext_decode(&text, xtext) == 0 && buf_len(&text)) {
        put_str(w, name);
        put(w, SV(": "));
        put_clean(w, type);
        if (type.len)
            put(w, SV(";"));
        put_clean(w, sv_first(buf_view(&text), BREAK_AT));
        put(w, SV("\r\n"));
    }
    buf_deinit(&text);
}

static void put_boundary(struct writer *w, const char *end)
{
    put(w, SV("\r\n--=_"));
    put_clean(w, w->d->id);
    put_str(w, end);
    put(w, SV("\r\n"));
}

/* ---- header ---- */

/* The action that the subject names: the first in the table that occurs. */
static enum relay_dsn_action main_action(const struct relay_dsn *d)
{
    enum relay_dsn_action found = RELAY_DSN_DELIVERED;
    for (size_t i = 0; i < d->count; i++)
        if (d->recipients[i].action < found)
            found = d->recipients[i].action;
    return found;
}

static void put_header(struct writer *w)
{
    const struct relay_dsn *d = w->d;
    put(w, SV("From: Mail server <"));
    put_clean(w, d->postmaster);
    put(w, SV(">\r\nTo: <"));
    put_clean(w, d->to);
    put(w, SV(">\r\n"));
    put_field(w, "Subject", sv_of(actions[main_action(d)].subject));
    put_date(w, "Date", d->now_s);
    put(w, SV("Message-ID: <"));
    put_clean(w, d->id);
    put(w, SV("@"));
    put_clean(w, d->reporting_mta);
    put(w, SV(">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
              "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_"));
    put_clean(w, d->id);
    put(w, SV("\"\r\n\r\nThis is a delivery report in MIME format.\r\n"));
}

/* ---- for people ---- */

static void put_told(struct writer *w, const struct relay_dsn_recipient *r)
{
    put(w, SV("\r\n    <"));
    put_clean(w, r->address);
    put(w, SV(">\r\n"));
    if (!r->text.len)
        return;
    put(w, SV("        "));
    if (r->remote.len) {
        put_clean(w, r->remote);
        put(w, SV(" said:\r\n        "));
    }
    put_wrapped(w, r->text, SV("        "));
    if (r->action == RELAY_DSN_DELAYED && r->retry_until_s) {
        char date[REWRITE_DATE_MAX];
        put(w, SV("        Tried again until "));
        put_str(w, rewrite_date_write(date, r->retry_until_s));
        put(w, SV("\r\n"));
    }
}

static void put_sentence(struct writer *w, const char *sentence)
{
    struct sv rest = sv_of(sentence);
    put(w, SV("\r\n"));
    while (rest.len) {
        put(w, sv_split(&rest, '\n'));
        put(w, SV("\r\n"));
    }
}

static void put_text_part(struct writer *w)
{
    put_boundary(w, "");
    put(w, SV("Content-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail server at "));
    put_clean(w, w->d->reporting_mta);
    put(w, SV(".\r\n"));
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
    put(w, SV("\r\nThe message had the queue id "));
    put_clean(w, w->d->original_id);
    put(w, SV(". For help write to <"));
    put_clean(w, w->d->postmaster);
    put(w, SV(">.\r\n"));
}

/* ---- for programs: RFC 3464 ---- */

/* Three digits of a reply code: what was said came from a server. */
static bool is_reply(struct sv text)
{
    return text.len >= 3 && ascii_digit(text.ptr[0]) && ascii_digit(text.ptr[1]) &&
           ascii_digit(text.ptr[2]) && (text.len == 3 || text.ptr[3] == ' ');
}

static void put_recipient(struct writer *w, const struct relay_dsn_recipient *r)
{
    put(w, SV("\r\n"));
    if (r->orcpt.len) {
        struct sv rest = r->orcpt, type = sv_split(&rest, ';');
        put_xtext(w, "Original-Recipient", type, rest);
    }
    put(w, SV("Final-Recipient: rfc822;"));
    put_clean(w, r->address);
    put(w, SV("\r\n"));
    put_field(w, "Action", sv_of(actions[r->action].value));
    put_field(w, "Status", r->status);
    if (r->remote.len) {
        struct sv rest = r->remote;
        put(w, SV("Remote-MTA: dns;"));
        put_clean(w, sv_split(&rest, ' '));
        put(w, SV("\r\n"));
    }
    if (r->text.len) {
        put_str(w, is_reply(r->text) ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-local; ");
        put_wrapped(w, r->text, SV(" "));
    }
    if (r->last_attempt_s)
        put_date(w, "Last-Attempt-Date", r->last_attempt_s);
    if (r->action == RELAY_DSN_DELAYED && r->retry_until_s)
        put_date(w, "Will-Retry-Until", r->retry_until_s);
}

static void put_status_part(struct writer *w)
{
    const struct relay_dsn *d = w->d;
    put_boundary(w, "");
    put(w, SV("Content-Type: message/delivery-status\r\n\r\n"));
    if (d->envid.len)
        put_xtext(w, "Original-Envelope-Id", SV_NONE, d->envid);
    put(w, SV("Reporting-MTA: dns;"));
    put_clean(w, d->reporting_mta);
    put(w, SV("\r\n"));
    put_date(w, "Arrival-Date", d->arrival_s);
    if (d->deliver_by_s)
        put_date(w, "Deliver-By-Date", d->deliver_by_s);
    put(w, d->fields);
    for (size_t i = 0; i < d->count; i++)
        put_recipient(w, &d->recipients[i]);
}

/* ---- the message itself ---- */

static bool has_eight_bit(struct sv bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] & 0x80)
            return true;
    return false;
}

static bool has_long_line(struct sv content)
{
    while (content.len)
        if (sv_split(&content, '\n').len > SMTP_TEXT_LINE_MAX + 1) /* with its CR */
            return true;
    return false;
}

static bool returns_whole(const struct relay_dsn *d)
{
    return d->ret_full && d->content_complete && d->content.len <= d->bounce_body &&
           main_action(d) == RELAY_DSN_FAILED && !has_long_line(d->content) &&
           !has_eight_bit(d->content);
}

static void put_headers(struct writer *w)
{
    struct sv rest = sv_first(w->d->content, HEADERS_MAX);
    while (rest.len && sv_find(rest, '\n') < rest.len) { /* a line that was cut off is left out */
        struct sv line = sv_split(&rest, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!line.len)
            return;
        for (size_t i = 0; i < line.len && i < SMTP_TEXT_LINE_MAX && !w->err; i++) {
            char c = line.ptr[i] == '\t' ? '\t' : clean(line.ptr[i]);
            put(w, (struct sv){&c, 1});
        }
        put(w, SV("\r\n"));
    }
}

static void put_content_part(struct writer *w)
{
    struct sv content = w->d->content;
    put_boundary(w, "");
    if (!returns_whole(w->d)) {
        put(w, SV("Content-Type: text/rfc822-headers\r\n\r\n"));
        put_headers(w);
        return;
    }
    put(w, SV("Content-Type: message/rfc822\r\n\r\n"));
    put(w, content);
    if (content.len && content.ptr[content.len - 1] != '\n')
        put(w, SV("\r\n"));
}

int relay_dsn_write(struct buf *out, const struct relay_dsn *d)
{
    REQUIRE(d->count && d->to.len);
    struct writer w = {.out = out, .d = d};
    size_t before = buf_len(out);
    put_header(&w);
    put_text_part(&w);
    put_status_part(&w);
    put_content_part(&w);
    put_boundary(&w, "--");
    if (w.err < 0) {
        buf_truncate(out, before);
        return w.err;
    }
    return 0;
}
