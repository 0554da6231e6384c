/*
 * Design: the report is written front to back into one buffer. Whatever a peer or an author said
 * goes through put_clean() or put_wrapped(), which let printable ASCII through, or put_utf8(),
 * which lets printable UTF-8 through, and nothing else, so that no text can end a line, a field or
 * a part. The boundary holds the queue id, which nobody outside knew when the content was written.
 * Parts that may hold UTF-8 are made apart, to see whether they do, and how they must go.
 */
#include "relay/dsn.h"
#include "relay/notice.h"
#include "relay/reason.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/dot.h"
#include "msa/smtp/envelope.h"
#include "msa/smtp/xtext.h"
#include "rewrite/date.h"

#include <string.h>

#define WRAP_AT     72          /* column behind which text is broken at a space */
#define BREAK_AT    900         /* column where it is broken anywhere */
#define HEADERS_MAX (64u << 10) /* of returned headers, bytes */
#define QP_LINE_MAX 76          /* characters of a quoted-printable line, RFC 2045 6.7 */
#define TOLD_BYTES  1000        /* of what a server said, so that many such replies fit */
#define TOLD_LINES  20

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
    bool utf8; /* the report is an SMTPUTF8 message, and may hold bytes above 127 anywhere */
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
    if (!w->err)
        w->err = relay_notice_put(w->out, text);
}

/* An address; it is good UTF-8 already, or is made good. */
static void put_utf8(struct writer *w, struct sv text)
{
    if (utf8_is_printable(text))
        put(w, text);
    else
        put_clean(w, text);
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

/* The log has the rest. */
static struct sv told(struct sv text)
{
    struct sv first = sv_first(text, TOLD_BYTES), rest = first;
    for (unsigned line = 0; line < TOLD_LINES; line++)
        sv_split(&rest, '\n');
    return sv_first(first, first.len - rest.len);
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

/* A field with an address behind its type; one that does not fit a line is left out. */
static void put_typed(struct writer *w, const char *name, struct sv type, struct sv address)
{
    if (address.len == 0 || address.len > BREAK_AT)
        return;
    put_str(w, name);
    put(w, SV(": "));
    put_clean(w, type);
    put(w, SV(";"));
    (w->utf8 ? put_utf8 : put_clean)(w, address);
    put(w, SV("\r\n"));
}

/* An address with UTF-8 has a type of its own, and a 7-bit form for reports without (RFC 6533 3).
 */
static void put_address(struct writer *w, const char *name, struct sv address)
{
    struct buf text;
    if (utf8_is_ascii(address) || w->utf8) {
        put_typed(w, name, utf8_is_ascii(address) ? SV("rfc822") : SV("utf-8"), address);
        return;
    }
    buf_init(&text, 4096, 0);
    if (smtp_unitext_write(&text, address) == 0)
        put_typed(w, name, SV("utf-8"), buf_view(&text));
    buf_deinit(&text);
}

/* Original-Recipient from ORCPT: of type utf-8 in the form that the report permits, of the others
 * the xtext decoded (RFC 3464 2.3.1). What cannot be decoded gives no field. */
static void put_orcpt(struct writer *w, struct sv orcpt)
{
    struct sv type = sv_split(&orcpt, ';');
    bool utf8 = sv_ieq(type, SV("utf-8"));
    struct buf text, ascii;
    buf_init(&text, 2048, 0);
    buf_init(&ascii, 8192, 0);
    int err = utf8 ? smtp_unitext_decode(&text, orcpt) : smtp_xtext_decode(&text, orcpt);
    if (utf8 && !w->utf8 && err == 0)
        err = smtp_unitext_write(&ascii, buf_view(&text));
    if (err == 0)
        put_typed(w, "Original-Recipient", type,
                  utf8 && !w->utf8 ? buf_view(&ascii) : buf_view(&text));
    buf_deinit(&text);
    buf_deinit(&ascii);
}

/* ENVID, decoded (RFC 3464 2.2.1). */
static void put_envid(struct writer *w, struct sv envid)
{
    struct buf text;
    buf_init(&text, 2048, 0);
    if (smtp_xtext_decode(&text, envid) == 0 && buf_len(&text)) {
        put(w, SV("Original-Envelope-Id: "));
        put_clean(w, buf_view(&text));
        put(w, SV("\r\n"));
    }
    buf_deinit(&text);
}

/* Text in lines with CRLF, no byte of which then is above 126. */
static void put_quoted_printable(struct writer *w, struct sv text)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len && !w->err; i++) {
        char c = text.ptr[i];
        bool ends = i + 1 == text.len || text.ptr[i + 1] == '\r';
        if (c == '\r' || c == '\n') {
            put(w, (struct sv){&c, 1});
            column = 0;
            continue;
        }
        bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !ends);
        size_t width = plain ? 1 : 3;
        if (column + width > QP_LINE_MAX - 1) {
            put(w, SV("=\r\n"));
            column = 0;
        }
        if (plain)
            put(w, (struct sv){&c, 1});
        else if (!w->err)
            w->err = buf_printf(w->out, "=%02X", (unsigned char)c);
        column += width;
    }
}

/* Text that is UTF-8, behind the line Content-Type, in the encoding that it needs. */
static void put_encoded(struct writer *w, struct sv text)
{
    if (utf8_is_ascii(text)) {
        put(w, SV("\r\n"));
        put(w, text);
    } else if (w->utf8) {
        put(w, SV("Content-Transfer-Encoding: 8bit\r\n\r\n"));
        put(w, text);
    } else {
        put(w, SV("Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
        put_quoted_printable(w, text);
    }
}

static void put_boundary(struct writer *w, const char *end)
{
    put(w, SV("\r\n--=_"));
    put_clean(w, w->d->id);
    put_str(w, end);
    put(w, SV("\r\n"));
}

/* ---- header ---- */

/* RFC 6522 3: the report's type is the subtype of its second part. */
static struct sv status_type(const struct writer *w)
{
    return w->utf8 ? SV("global-delivery-status") : SV("delivery-status");
}

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
    struct relay_notice head = {
        .id = d->id,
        .hostname = d->reporting_mta,
        .postmaster = d->postmaster,
        .to = d->to,
        .subject = sv_of(actions[main_action(d)].subject),
        .submitted = SV("auto-replied"),
        .now_s = d->now_s,
    };
    if (!w->err)
        w->err = relay_notice_header(w->out, &head);
    if (w->utf8)
        put(w, SV("Content-Transfer-Encoding: 8bit\r\n"));
    put(w, SV("Content-Type: multipart/report; report-type="));
    put(w, status_type(w));
    put(w, SV(";\r\n\tboundary=\"=_"));
    put_clean(w, d->id);
    put(w, SV("\"\r\n\r\nThis is a delivery report in MIME format.\r\n"));
}

/* ---- for people ---- */

/* In plain words, before what the server said. */
static void put_reason(struct writer *w, const struct relay_dsn_recipient *r)
{
    struct smtp_status status;
    const char *words = smtp_status_parse(r->status, &status, NULL) ? relay_reason(status) : NULL;
    if (!words || (r->action != RELAY_DSN_FAILED && r->action != RELAY_DSN_DELAYED))
        return;
    put(w, SV("        "));
    put_wrapped(w, sv_of(words), SV("        "));
}

static void put_told(struct writer *w, const struct relay_dsn_recipient *r)
{
    put(w, SV("\r\n    <"));
    put_utf8(w, r->address);
    put(w, SV(">\r\n"));
    put_reason(w, r);
    if (!r->text.len)
        return;
    put(w, SV("        "));
    if (r->remote.len) {
        put_clean(w, r->remote);
        put(w, SV(" said:\r\n        "));
    }
    put_wrapped(w, told(r->text), SV("        "));
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

static void put_words(struct writer *w)
{
    put(w, SV("This is the mail server at "));
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

/* What write makes of the report, apart from it. */
static void make_apart(struct writer *w, struct buf *text, void (*write)(struct writer *w))
{
    struct buf *out = w->out;
    buf_init(text, out->max, 0);
    w->out = text;
    write(w);
    w->out = out;
}

static void put_text_part(struct writer *w)
{
    struct buf text;
    make_apart(w, &text, put_words);
    put_boundary(w, "");
    put(w, utf8_is_ascii(buf_view(&text)) ? SV("Content-Type: text/plain; charset=us-ascii\r\n")
                                          : SV("Content-Type: text/plain; charset=utf-8\r\n"));
    put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}

/* ---- for programs: RFC 3464 ---- */

/* Three digits of a reply code: what was said came from a server. */
static bool is_reply(struct sv text)
{
    return text.len >= 3 && ascii_digit(text.ptr[0]) && ascii_digit(text.ptr[1]) &&
           ascii_digit(text.ptr[2]) && (text.len == 3 || text.ptr[3] == ' ');
}

/* What the remote said, with the name of how it said that (RFC 3464 2.3.6), or our own words. */
static void put_diagnostic(struct writer *w, struct sv text)
{
    struct sv qmtp = SV("QMTP: ");
    bool by_qmtp = sv_starts(text, qmtp);
    put_str(w, by_qmtp          ? "Diagnostic-Code: x-qmtp; "
               : is_reply(text) ? "Diagnostic-Code: smtp; "
                                : "Diagnostic-Code: x-local; ");
    put_wrapped(w, told(by_qmtp ? sv_skip(text, qmtp.len) : text), SV(" "));
}

static void put_recipient(struct writer *w, const struct relay_dsn_recipient *r)
{
    put(w, SV("\r\n"));
    if (r->orcpt.len)
        put_orcpt(w, r->orcpt);
    put_address(w, "Final-Recipient", r->address);
    put_field(w, "Action", sv_of(actions[r->action].value));
    put_field(w, "Status", r->status);
    if (r->remote.len) {
        struct sv rest = r->remote;
        put(w, SV("Remote-MTA: dns;"));
        put_clean(w, sv_split(&rest, ' '));
        put(w, SV("\r\n"));
    }
    if (r->text.len)
        put_diagnostic(w, r->text);
    if (r->last_attempt_s)
        put_date(w, "Last-Attempt-Date", r->last_attempt_s);
    if (r->action == RELAY_DSN_DELAYED && r->retry_until_s)
        put_date(w, "Will-Retry-Until", r->retry_until_s);
}

static void put_fields(struct writer *w)
{
    const struct relay_dsn *d = w->d;
    if (d->envid.len)
        put_envid(w, d->envid);
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

static void put_status_part(struct writer *w)
{
    struct buf text;
    make_apart(w, &text, put_fields);
    put_boundary(w, "");
    put(w, SV("Content-Type: message/"));
    put(w, status_type(w));
    put(w, SV("\r\n"));
    put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}

/* ---- the message itself ---- */

/* The next line of the header section; false: there is none, or it was cut off. */
static bool next_header_line(struct sv *rest, struct sv *line_out)
{
    if (sv_find(*rest, '\n') == rest->len)
        return false;
    *line_out = sv_split(rest, '\n');
    if (line_out->len && line_out->ptr[line_out->len - 1] == '\r')
        line_out->len--;
    return line_out->len > 0;
}

enum header_kind { HEADER_ASCII, HEADER_UTF8, HEADER_OTHER };

/* UTF8: beyond ASCII, and of lines that can be returned as they are. */
static enum header_kind kind_of_header(struct sv content)
{
    struct sv rest = sv_first(content, HEADERS_MAX), line;
    bool is_ascii = true, is_utf8 = true;
    while (next_header_line(&rest, &line)) {
        is_ascii = is_ascii && utf8_is_ascii(line);
        is_utf8 = is_utf8 && line.len <= SMTP_TEXT_LINE_MAX;
        while (line.len)
            is_utf8 = utf8_is_printable(sv_split(&line, '\t')) && is_utf8;
    }
    return is_ascii ? HEADER_ASCII : is_utf8 ? HEADER_UTF8 : HEADER_OTHER;
}

static bool has_long_line(struct sv content)
{
    while (content.len)
        if (sv_split(&content, '\n').len > SMTP_TEXT_LINE_MAX + 1) /* with its CR */
            return true;
    return false;
}

static bool is_utf8_report(const struct relay_dsn *d)
{
    return !utf8_is_ascii(d->to);
}

static bool wants_whole(const struct relay_dsn *d)
{
    return d->ret_full && d->content_complete && d->content.len <= d->bounce_body &&
           main_action(d) == RELAY_DSN_FAILED;
}

/* Whether the content can be returned without being brought into another form. */
static bool fits_as_it_is(const struct relay_dsn *d)
{
    return !d->binary && !has_long_line(d->content) &&
           (utf8_is_ascii(d->content) ||
            (is_utf8_report(d) && kind_of_header(d->content) != HEADER_OTHER));
}

bool relay_dsn_needs_form(const struct relay_dsn *d)
{
    return wants_whole(d) && !fits_as_it_is(d);
}

/* What is returned whole; empty: nothing is. */
static struct sv whole_of(const struct relay_dsn *d)
{
    if (!wants_whole(d))
        return SV_NONE;
    if (fits_as_it_is(d))
        return d->content;
    return d->form.len <= d->bounce_body ? d->form : SV_NONE;
}

static void put_headers(struct writer *w)
{
    struct sv rest = sv_first(w->d->content, HEADERS_MAX), line;
    bool is_utf8 = kind_of_header(w->d->content) == HEADER_UTF8;
    while (next_header_line(&rest, &line)) {
        for (size_t i = 0; i < line.len && i < SMTP_TEXT_LINE_MAX && !w->err; i++) {
            char c = line.ptr[i];
            if (c != '\t' && !is_utf8)
                c = clean(c);
            put(w, (struct sv){&c, 1});
        }
        put(w, SV("\r\n"));
    }
}

static void put_whole(struct writer *w)
{
    struct sv whole = whole_of(w->d);
    put(w, whole);
    if (whole.ptr[whole.len - 1] != '\n')
        put(w, SV("\r\n"));
}

/* RFC 6533 4.2, 4.3: a header section with UTF-8 has types of its own. */
static void put_content_part(struct writer *w)
{
    struct sv whole = whole_of(w->d);
    bool is_whole = whole.len > 0;
    bool is_utf8 = kind_of_header(is_whole ? whole : w->d->content) == HEADER_UTF8;
    struct buf text;
    make_apart(w, &text, is_whole ? put_whole : put_headers);
    put_boundary(w, "");
    put(w, SV("Content-Type: "));
    put(w, is_whole  ? is_utf8 ? SV("message/global") : SV("message/rfc822")
            : is_utf8 ? SV("message/global-headers")
                     : SV("text/rfc822-headers"));
    put(w, SV("\r\n"));
    put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}

int relay_dsn_write(struct buf *out, const struct relay_dsn *d)
{
    REQUIRE(d->count && d->to.len);
    struct writer w = {.out = out, .d = d, .utf8 = is_utf8_report(d)};
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
