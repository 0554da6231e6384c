/* The part for programs: RFC 3464, and RFC 6533 for what has UTF-8. */
#include "relay/dsn_internal.h"

#include "msa/base/utf8.h"
#include "msa/smtp/xtext.h"
#include "rewrite/date.h"

static const char *const values[] = {
#define ACTION_VALUE(name, value, subject, words) [RELAY_DSN_##name] = value,
    RELAY_DSN_ACTIONS(ACTION_VALUE)
#undef ACTION_VALUE
};

struct sv dsn_status_type(const struct dsn_writer *w)
{
    return w->utf8 ? SV("global-delivery-status") : SV("delivery-status");
}

static void put_field(struct dsn_writer *w, const char *name, struct sv value)
{
    dsn_put_str(w, name);
    dsn_put(w, SV(": "));
    dsn_put_wrapped(w, value, SV(" "));
}

static void put_date(struct dsn_writer *w, const char *name, int64_t wall_s)
{
    char date[REWRITE_DATE_MAX];
    put_field(w, name, sv_of(rewrite_date_write(date, wall_s)));
}

/* A field with an address behind its type; one that does not fit a line is left out. */
static void put_typed(struct dsn_writer *w, const char *name, struct sv type, struct sv address)
{
    if (address.len == 0 || address.len > DSN_BREAK_AT)
        return;
    dsn_put_str(w, name);
    dsn_put(w, SV(": "));
    dsn_put_clean(w, type);
    dsn_put(w, SV(";"));
    (w->utf8 ? dsn_put_utf8 : dsn_put_clean)(w, address);
    dsn_put(w, SV("\r\n"));
}

/* An address with UTF-8 has a type of its own, and a 7-bit form for reports without (RFC 6533 3).
 */
static void put_address(struct dsn_writer *w, const char *name, struct sv address)
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
static void put_orcpt(struct dsn_writer *w, struct sv orcpt)
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
static void put_envid(struct dsn_writer *w, struct sv envid)
{
    struct buf text;
    buf_init(&text, 2048, 0);
    if (smtp_xtext_decode(&text, envid) == 0 && buf_len(&text)) {
        dsn_put(w, SV("Original-Envelope-Id: "));
        dsn_put_clean(w, buf_view(&text));
        dsn_put(w, SV("\r\n"));
    }
    buf_deinit(&text);
}

/* By the three digits of a reply code. */
static bool is_smtp_reply(struct sv text)
{
    return text.len >= 3 && ascii_digit(text.ptr[0]) && ascii_digit(text.ptr[1]) &&
           ascii_digit(text.ptr[2]) && (text.len == 3 || text.ptr[3] == ' ');
}

bool dsn_is_reply(struct sv text)
{
    return is_smtp_reply(text) || sv_starts(text, SV("QMTP: "));
}

/* What the remote said, with the name of how it said that (RFC 3464 2.3.6), or our own words. */
static void put_diagnostic(struct dsn_writer *w, struct sv text)
{
    struct sv qmtp = SV("QMTP: ");
    bool by_qmtp = sv_starts(text, qmtp);
    dsn_put_str(w, by_qmtp               ? "Diagnostic-Code: x-qmtp; "
                   : is_smtp_reply(text) ? "Diagnostic-Code: smtp; "
                                         : "Diagnostic-Code: x-local; ");
    dsn_put_wrapped(w, dsn_told(by_qmtp ? sv_skip(text, qmtp.len) : text), SV(" "));
}

static void put_recipient(struct dsn_writer *w, const struct relay_dsn_recipient *r)
{
    dsn_put(w, SV("\r\n"));
    if (r->orcpt.len)
        put_orcpt(w, r->orcpt);
    put_address(w, "Final-Recipient", r->address);
    put_field(w, "Action", sv_of(values[r->action]));
    put_field(w, "Status", r->status);
    if (r->remote.len) {
        struct sv rest = r->remote;
        dsn_put(w, SV("Remote-MTA: dns;"));
        dsn_put_clean(w, sv_split(&rest, ' '));
        dsn_put(w, SV("\r\n"));
    }
    if (r->text.len)
        put_diagnostic(w, r->text);
    if (r->last_attempt_s)
        put_date(w, "Last-Attempt-Date", r->last_attempt_s);
    if (r->action == RELAY_DSN_DELAYED && r->retry_until_s)
        put_date(w, "Will-Retry-Until", r->retry_until_s);
}

static void put_fields(struct dsn_writer *w)
{
    const struct relay_dsn *d = w->d;
    if (d->envid.len)
        put_envid(w, d->envid);
    dsn_put(w, SV("Reporting-MTA: dns;"));
    dsn_put_clean(w, d->reporting_mta);
    dsn_put(w, SV("\r\n"));
    put_date(w, "Arrival-Date", d->arrival_s);
    if (d->deliver_by_s)
        put_date(w, "Deliver-By-Date", d->deliver_by_s);
    dsn_put(w, d->fields);
    for (size_t i = 0; i < d->count; i++)
        put_recipient(w, &d->recipients[i]);
}

void dsn_put_status_part(struct dsn_writer *w)
{
    struct buf text;
    dsn_make_apart(w, &text, put_fields);
    dsn_put_boundary(w, "");
    dsn_put(w, SV("Content-Type: message/"));
    dsn_put(w, dsn_status_type(w));
    dsn_put(w, SV("\r\n"));
    dsn_put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}
