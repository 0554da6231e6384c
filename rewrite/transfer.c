#include "rewrite/transfer.h"

#include "msa/base/b64.h"
#include "msa/base/require.h"

#include <string.h>

#define SHORT_LINE 76  /* bytes of an encoded line, RFC 2045 6.7, 6.8 */
#define LONG_LINE  998 /* bytes of any line, RFC 5322 2.1.1 */

void rewrite_transfer_init(struct rewrite_transfer *t, enum rewrite_transfer_form form)
{
    *t = (struct rewrite_transfer){.form = form};
}

/* Room for the whole call was made before: REWRITE_TRANSFER_GROWTH. */
static void put(struct rewrite_transfer *t, struct sv text)
{
    memcpy(t->to, text.ptr, text.len);
    t->to += text.len;
}

static void end_line(struct rewrite_transfer *t)
{
    put(t, SV("\r\n"));
    t->column = 0;
    t->before = '\0';
    t->is_dashed = false;
    t->open = 0;
}

static void put_byte(struct rewrite_transfer *t, char c)
{
    put(t, (struct sv){&c, 1});
    t->is_dashed = t->is_dashed || (t->column == 1 && c == '-' && t->before == '-');
    t->column++;
    t->before = c;
}

static void put_hex(struct rewrite_transfer *t, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char u = (unsigned char)c;
    put(t, (struct sv){(char[]){'=', hex[u >> 4], hex[u & 15]}, 3});
    t->column += 3;
    t->before = '\0';
}

/* ---- quoted-printable ---- */

static void qp_break(struct rewrite_transfer *t, size_t need, size_t line)
{
    if (t->column + need + 1 <= line)
        return;
    put(t, SV("="));
    end_line(t);
}

static void qp_hex(struct rewrite_transfer *t, char c)
{
    qp_break(t, 3, SHORT_LINE);
    put_hex(t, c);
}

/* A line's second "-" is written in hex: the line is no delimiter. */
static void qp_plain(struct rewrite_transfer *t, char c)
{
    qp_break(t, 1, SHORT_LINE);
    if (c == '-' && t->column == 1 && t->before == '-')
        qp_hex(t, c);
    else
        put_byte(t, c);
}

static bool is_held(const struct rewrite_transfer *t, char c)
{
    return t->nheld && t->held[t->nheld - 1] == c;
}

/* What was held is not at the end of a line. */
static void qp_release(struct rewrite_transfer *t)
{
    for (size_t i = 0; i < t->nheld; i++) {
        if (t->held[i] == '\r')
            qp_hex(t, '\r');
        else
            qp_plain(t, t->held[i]);
    }
    t->nheld = 0;
}

/* What was held ends a line: space there would be lost (RFC 2045 6.7 rule 3).
 */
static void qp_line_end(struct rewrite_transfer *t)
{
    for (size_t i = 0; i < t->nheld; i++)
        if (t->held[i] != '\r')
            qp_hex(t, t->held[i]);
    t->nheld = 0;
    end_line(t);
}

static void feed_qp(struct rewrite_transfer *t, struct sv bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        if (c == '\n' && is_held(t, '\r')) {
            qp_line_end(t);
            continue;
        }
        if (c != '\r' || is_held(t, '\r'))
            qp_release(t);
        if (c == '\r' || c == ' ' || c == '\t')
            t->held[t->nheld++] = c; /* at most a space and a CR */
        else if (c > 32 && c < 127 && c != '=')
            qp_plain(t, c);
        else
            qp_hex(t, c);
    }
}

static void end_qp(struct rewrite_transfer *t, bool is_last)
{
    for (size_t i = 0; i < t->nheld; i++)
        qp_hex(t, t->held[i]);
    t->nheld = 0;
    if (is_last && t->column) { /* the end of the message brings a line end: it is
                                   taken back */
        put(t, SV("="));
        end_line(t);
    }
}

/* ---- quoted-printable, again ---- */

static void again_hex(struct rewrite_transfer *t, char c)
{
    t->open = 0;
    qp_break(t, 3, LONG_LINE);
    put_hex(t, c);
}

static bool is_hex(char c)
{
    return ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static void feed_qp_again(struct rewrite_transfer *t, struct sv bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool cr = is_held(t, '\r');
        t->nheld = 0;
        if (c == '\n' && (cr || t->open == 1)) { /* a line end, or "=" LF */
            end_line(t);
            continue;
        }
        if (cr)
            again_hex(t, '\r');
        if (c == '\r') {
            t->held[t->nheld++] = c;
            continue;
        }
        if (c == '\n') { /* the decoder is to give LF alone */
            again_hex(t, c);
            put(t, SV("="));
            end_line(t);
            continue;
        }
        if ((unsigned char)c > 127 || c == '\0' ||
            (c == '-' && t->column == 1 && t->before == '-')) {
            again_hex(t, c);
            continue;
        }
        bool goes_on = t->open > 0 && is_hex(c); /* of "=XX", which is not cut */
        if (!goes_on)
            qp_break(t, c == '=' ? 3 : 1, LONG_LINE);
        unsigned open = c == '=' ? 1 : goes_on && t->open == 1 ? 2 : 0;
        put_byte(t, c);
        t->open = open;
    }
}

/* ---- base64 ---- */

static void base64_line(struct rewrite_transfer *t, struct buf *out)
{
    int err = t->is_second ? buf_put(out, SV("\r\n")) : 0;
    if (err == 0)
        err = b64_encode(out, (struct sv){t->held, t->nheld});
    REQUIRE(!err); /* as above */
    t->is_second = true;
    t->nheld = 0;
}

static void feed_base64(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    while (bytes.len) {
        size_t n = sizeof t->held - t->nheld;
        n = n < bytes.len ? n : bytes.len;
        memcpy(t->held + t->nheld, bytes.ptr, n);
        t->nheld += n;
        bytes = sv_skip(bytes, n);
        if (t->nheld == sizeof t->held)
            base64_line(t, out);
    }
}

static void end_base64(struct rewrite_transfer *t, bool is_last, struct buf *out)
{
    if (t->nheld)
        base64_line(t, out);
    int err = is_last && t->is_second ? buf_put(out, SV("\r\n")) : 0;
    REQUIRE(!err);
}

/* ---- base64 again, and text between parts ---- */

/* In place of a byte. A line that begins as a delimiter gets one that no
 * boundary holds. */
static void put_blot(struct rewrite_transfer *t)
{
    put_byte(t, t->is_dashed ? '\x1a' : '?');
}

static void feed_lines(struct rewrite_transfer *t, struct sv bytes)
{
    bool base64 = t->form == REWRITE_TRANSFER_BASE64_AGAIN;
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool cr = is_held(t, '\r');
        t->nheld = 0;
        if (c == '\n') {
            end_line(t);
            continue;
        }
        if (cr && !base64)
            put_blot(t);
        if (c == '\r') {
            t->held[t->nheld++] = c;
            continue;
        }
        bool bad = c == '\0' || ((unsigned char)c > 127 && t->form != REWRITE_TRANSFER_PLAIN_8BIT);
        if (bad && base64)
            continue; /* no letter of the alphabet: decoders pass over it */
        if (t->column >= LONG_LINE) {
            end_line(t);
            if (!base64)
                put_byte(t, ' '); /* no delimiter begins here */
        }
        if (base64 && c == '-' && !t->column)
            continue; /* nor here */
        if (bad)
            put_blot(t);
        else
            put_byte(t, c);
    }
}

/* ---- interface ---- */

static void begin(struct rewrite_transfer *t, size_t fed, struct buf *out)
{
    int err = buf_reserve(out, REWRITE_TRANSFER_GROWTH(fed), &t->to);
    REQUIRE(!err);
    t->from = t->to;
}

static void end(struct rewrite_transfer *t, struct buf *out)
{
    buf_added(out, (size_t)(t->to - t->from));
}

void rewrite_transfer_feed(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    if (t->form == REWRITE_TRANSFER_BASE64) {
        feed_base64(t, bytes, out);
        return;
    }
    begin(t, bytes.len, out);
    switch (t->form) {
    case REWRITE_TRANSFER_KEEP:
    case REWRITE_TRANSFER_BASE64:
        put(t, bytes);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE:
        feed_qp(t, bytes);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN:
        feed_qp_again(t, bytes);
        break;
    case REWRITE_TRANSFER_BASE64_AGAIN:
    case REWRITE_TRANSFER_PLAIN:
    case REWRITE_TRANSFER_PLAIN_8BIT:
        feed_lines(t, bytes);
        break;
    }
    end(t, out);
}

void rewrite_transfer_end(struct rewrite_transfer *t, bool is_last, struct buf *out)
{
    if (t->form == REWRITE_TRANSFER_BASE64) {
        end_base64(t, is_last, out);
        return;
    }
    begin(t, 0, out);
    switch (t->form) {
    case REWRITE_TRANSFER_KEEP:
    case REWRITE_TRANSFER_BASE64:
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE:
        end_qp(t, is_last);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN:
        if (t->nheld)
            again_hex(t, '\r');
        break;
    case REWRITE_TRANSFER_BASE64_AGAIN:
        break;
    case REWRITE_TRANSFER_PLAIN:
    case REWRITE_TRANSFER_PLAIN_8BIT:
        if (t->nheld)
            put_blot(t);
        break;
    }
    t->nheld = 0;
    end(t, out);
}
