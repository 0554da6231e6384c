/*
 * Design: whatever a peer or an author said goes through dsn_put_clean() or dsn_put_wrapped(),
 * which let printable ASCII through, or dsn_put_utf8(), which lets printable UTF-8 through, and
 * nothing else, so that no text can end a line, a field or a part. The boundary holds the queue id,
 * which nobody outside knew when the content was written.
 */
#include "relay/dsn_internal.h"
#include "relay/notice.h"

#include "msa/base/utf8.h"

#define WRAP_AT     72   /* column behind which text is broken at a space */
#define QP_LINE_MAX 76   /* characters of a quoted-printable line, RFC 2045 6.7 */
#define TOLD_BYTES  1000 /* of what a server said, so that many such replies fit */
#define TOLD_LINES  20

void dsn_put(struct dsn_writer *w, struct sv text)
{
    if (!w->err)
        w->err = buf_put(w->out, text);
}

void dsn_put_str(struct dsn_writer *w, const char *text)
{
    dsn_put(w, sv_of(text));
}

void dsn_put_clean(struct dsn_writer *w, struct sv text)
{
    if (!w->err)
        w->err = relay_notice_put(w->out, text);
}

void dsn_put_utf8(struct dsn_writer *w, struct sv text)
{
    if (utf8_is_printable(text))
        dsn_put(w, text);
    else
        dsn_put_clean(w, text);
}

/* Bytes of the front of line that fit one line of output. */
static size_t wrap(struct sv line)
{
    if (line.len <= WRAP_AT)
        return line.len;
    size_t space = sv_rfind(sv_first(line, WRAP_AT), ' ');
    if (space == 0 || space == WRAP_AT) /* a long word: behind it, if it ends soon enough */
        space = WRAP_AT + sv_find(sv_skip(line, WRAP_AT), ' ');
    return space < DSN_BREAK_AT ? space : line.len < DSN_BREAK_AT ? line.len : DSN_BREAK_AT;
}

void dsn_put_wrapped(struct dsn_writer *w, struct sv text, struct sv indent)
{
    bool is_first = true;
    while (text.len) {
        struct sv line = sv_trim(sv_split(&text, '\n'));
        while (line.len) {
            size_t n = wrap(line);
            if (!is_first) {
                dsn_put(w, SV("\r\n"));
                dsn_put(w, indent);
            }
            dsn_put_clean(w, sv_first(line, n));
            line = sv_trim(sv_skip(line, n));
            is_first = false;
        }
    }
    dsn_put(w, SV("\r\n"));
}

struct sv dsn_told(struct sv text)
{
    struct sv first = sv_first(text, TOLD_BYTES), rest = first;
    for (unsigned line = 0; line < TOLD_LINES; line++)
        sv_split(&rest, '\n');
    return sv_first(first, first.len - rest.len);
}

/* Text in lines with CRLF, no byte of which then is above 126. */
static void put_quoted_printable(struct dsn_writer *w, struct sv text)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len && !w->err; i++) {
        char c = text.ptr[i];
        bool ends = i + 1 == text.len || text.ptr[i + 1] == '\r';
        if (c == '\r' || c == '\n') {
            dsn_put(w, (struct sv){&c, 1});
            column = 0;
            continue;
        }
        bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !ends);
        size_t width = plain ? 1 : 3;
        if (column + width > QP_LINE_MAX - 1) {
            dsn_put(w, SV("=\r\n"));
            column = 0;
        }
        if (plain)
            dsn_put(w, (struct sv){&c, 1});
        else if (!w->err)
            w->err = buf_printf(w->out, "=%02X", (unsigned char)c);
        column += width;
    }
}

void dsn_put_encoded(struct dsn_writer *w, struct sv text)
{
    if (utf8_is_ascii(text)) {
        dsn_put(w, SV("\r\n"));
        dsn_put(w, text);
    } else if (w->utf8) {
        dsn_put(w, SV("Content-Transfer-Encoding: 8bit\r\n\r\n"));
        dsn_put(w, text);
    } else {
        dsn_put(w, SV("Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
        put_quoted_printable(w, text);
    }
}

void dsn_put_boundary(struct dsn_writer *w, const char *end)
{
    dsn_put(w, SV("\r\n--=_"));
    dsn_put_clean(w, w->d->id);
    dsn_put_str(w, end);
    dsn_put(w, SV("\r\n"));
}

void dsn_make_apart(struct dsn_writer *w, struct buf *text, void (*write)(struct dsn_writer *w))
{
    struct buf *out = w->out;
    buf_init(text, out->max, 0);
    w->out = text;
    write(w);
    w->out = out;
}
