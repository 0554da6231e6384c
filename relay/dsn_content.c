/* The part with the message that is reported on, or with its header section. */
#include "relay/dsn_internal.h"

#include "msa/base/utf8.h"
#include "msa/smtp/dot.h"

#define HEADERS_MAX (64u << 10) /* of returned headers, bytes */

size_t relay_dsn_content_max(size_t bounce_body)
{
    return bounce_body > HEADERS_MAX ? bounce_body : HEADERS_MAX;
}

static char clean(char c)
{
    return c >= 32 && c <= 126 ? c : '?';
}

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

static bool wants_whole(const struct relay_dsn *d)
{
    return d->ret_full && d->content_complete && d->content.len <= d->bounce_body &&
           dsn_main_action(d) == RELAY_DSN_FAILED;
}

/* Whether the content can be returned without being brought into another form. */
static bool fits_as_it_is(const struct relay_dsn *d)
{
    return !d->binary && !has_long_line(d->content) &&
           (utf8_is_ascii(d->content) ||
            (dsn_is_utf8(d) && kind_of_header(d->content) != HEADER_OTHER));
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

static void put_headers(struct dsn_writer *w)
{
    struct sv rest = sv_first(w->d->content, HEADERS_MAX), line;
    bool is_utf8 = kind_of_header(w->d->content) == HEADER_UTF8;
    while (next_header_line(&rest, &line)) {
        for (size_t i = 0; i < line.len && i < SMTP_TEXT_LINE_MAX && !w->err; i++) {
            char c = line.ptr[i];
            if (c != '\t' && !is_utf8)
                c = clean(c);
            dsn_put(w, (struct sv){&c, 1});
        }
        dsn_put(w, SV("\r\n"));
    }
}

static void put_whole(struct dsn_writer *w)
{
    struct sv whole = whole_of(w->d);
    dsn_put(w, whole);
    if (whole.ptr[whole.len - 1] != '\n')
        dsn_put(w, SV("\r\n"));
}

/* RFC 6533 4.2, 4.3: a header section with UTF-8 has types of its own. */
void dsn_put_content_part(struct dsn_writer *w)
{
    struct sv whole = whole_of(w->d);
    bool is_whole = whole.len > 0;
    bool is_utf8 = kind_of_header(is_whole ? whole : w->d->content) == HEADER_UTF8;
    struct buf text;
    dsn_make_apart(w, &text, is_whole ? put_whole : put_headers);
    dsn_put_boundary(w, "");
    dsn_put(w, SV("Content-Type: "));
    dsn_put(w, is_whole  ? is_utf8 ? SV("message/global") : SV("message/rfc822")
                : is_utf8 ? SV("message/global-headers")
                         : SV("text/rfc822-headers"));
    dsn_put(w, SV("\r\n"));
    dsn_put_encoded(w, buf_view(&text));
    buf_deinit(&text);
}
