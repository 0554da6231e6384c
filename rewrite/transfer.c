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

static void put(struct buf *out, struct sv text)
{
    int err = text.len ? buf_put(out, text) : 0;
    REQUIRE(!err); /* REWRITE_TRANSFER_GROWTH is enough */
}

static void end_line(struct rewrite_transfer *t, struct buf *out)
{
    put(out, SV("\r\n"));
    t->column = 0;
    t->before = '\0';
    t->is_dashed = false;
    t->open = 0;
}

static void put_byte(struct rewrite_transfer *t, char c, struct buf *out)
{
    put(out, (struct sv){&c, 1});
    t->is_dashed = t->is_dashed || (t->column == 1 && c == '-' && t->before == '-');
    t->column++;
    t->before = c;
}

static void put_hex(struct rewrite_transfer *t, char c, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char u = (unsigned char)c;
    put(out, (struct sv){(char[]){'=', hex[u >> 4], hex[u & 15]}, 3});
    t->column += 3;
    t->before = '\0';
}

/* ---- quoted-printable ---- */

static void qp_break(struct rewrite_transfer *t, size_t need, size_t line, struct buf *out)
{
    if (t->column + need + 1 <= line)
        return;
    put(out, SV("="));
    end_line(t, out);
}

static void qp_hex(struct rewrite_transfer *t, char c, struct buf *out)
{
    qp_break(t, 3, SHORT_LINE, out);
    put_hex(t, c, out);
}

/* A line's second "-" is written in hex: the line is no delimiter. */
static void qp_plain(struct rewrite_transfer *t, char c, struct buf *out)
{
    qp_break(t, 1, SHORT_LINE, out);
    if (c == '-' && t->column == 1 && t->before == '-')
        qp_hex(t, c, out);
    else
        put_byte(t, c, out);
}

static bool is_held(const struct rewrite_transfer *t, char c)
{
    return t->nheld && t->held[t->nheld - 1] == c;
}

/* What was held is not at the end of a line. */
static void qp_release(struct rewrite_transfer *t, struct buf *out)
{
    for (size_t i = 0; i < t->nheld; i++) {
        if (t->held[i] == '\r')
            qp_hex(t, '\r', out);
        else
            qp_plain(t, t->held[i], out);
    }
    t->nheld = 0;
}

/* What was held ends a line: space there would be lost (RFC 2045 6.7 rule 3). */
static void qp_line_end(struct rewrite_transfer *t, struct buf *out)
{
    for (size_t i = 0; i < t->nheld; i++)
        if (t->held[i] != '\r')
            qp_hex(t, t->held[i], out);
    t->nheld = 0;
    end_line(t, out);
}

static void feed_qp(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        if (c == '\n' && is_held(t, '\r')) {
            qp_line_end(t, out);
            continue;
        }
        if (c != '\r' || is_held(t, '\r'))
            qp_release(t, out);
        if (c == '\r' || c == ' ' || c == '\t')
            t->held[t->nheld++] = c; /* at most a space and a CR */
        else if (c > 32 && c < 127 && c != '=')
            qp_plain(t, c, out);
        else
            qp_hex(t, c, out);
    }
}

static void end_qp(struct rewrite_transfer *t, bool is_last, struct buf *out)
{
    for (size_t i = 0; i < t->nheld; i++)
        qp_hex(t, t->held[i], out);
    t->nheld = 0;
    if (is_last && t->column) { /* the end of the message brings a line end: it is taken back */
        put(out, SV("="));
        end_line(t, out);
    }
}

/* ---- quoted-printable, again ---- */

static void again_hex(struct rewrite_transfer *t, char c, struct buf *out)
{
    t->open = 0;
    qp_break(t, 3, LONG_LINE, out);
    put_hex(t, c, out);
}

static bool is_hex(char c)
{
    return ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static void feed_qp_again(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool cr = is_held(t, '\r');
        t->nheld = 0;
        if (c == '\n' && (cr || t->open == 1)) { /* a line end, or "=" LF */
            end_line(t, out);
            continue;
        }
        if (cr)
            again_hex(t, '\r', out);
        if (c == '\r') {
            t->held[t->nheld++] = c;
            continue;
        }
        if (c == '\n') { /* the decoder is to give LF alone */
            again_hex(t, c, out);
            put(out, SV("="));
            end_line(t, out);
            continue;
        }
        if ((unsigned char)c > 127 || c == '\0' ||
            (c == '-' && t->column == 1 && t->before == '-')) {
            again_hex(t, c, out);
            continue;
        }
        bool goes_on = t->open > 0 && is_hex(c); /* of "=XX", which is not cut */
        if (!goes_on)
            qp_break(t, c == '=' ? 3 : 1, LONG_LINE, out);
        unsigned open = c == '=' ? 1 : goes_on && t->open == 1 ? 2 : 0;
        put_byte(t, c, out);
        t->open = open;
    }
}

/* ---- base64 ---- */

static void base64_line(struct rewrite_transfer *t, struct buf *out)
{
    if (t->is_second)
        put(out, SV("\r\n"));
    int err = b64_encode(out, (struct sv){t->held, t->nheld});
    REQUIRE(!err);
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
    if (is_last && t->is_second)
        put(out, SV("\r\n"));
}

/* ---- base64 again, and text between parts ---- */

/* In place of a byte. A line that begins as a delimiter gets one that no boundary holds. */
static void put_blot(struct rewrite_transfer *t, struct buf *out)
{
    put_byte(t, t->is_dashed ? '\x1a' : '?', out);
}

static void feed_lines(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    bool base64 = t->form == REWRITE_TRANSFER_BASE64_AGAIN;
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool cr = is_held(t, '\r');
        t->nheld = 0;
        if (c == '\n') {
            end_line(t, out);
            continue;
        }
        if (cr && !base64)
            put_blot(t, out);
        if (c == '\r') {
            t->held[t->nheld++] = c;
            continue;
        }
        bool bad = c == '\0' || ((unsigned char)c > 127 && t->form != REWRITE_TRANSFER_PLAIN_8BIT);
        if (bad && base64)
            continue; /* no letter of the alphabet: decoders pass over it */
        if (t->column >= LONG_LINE) {
            end_line(t, out);
            if (!base64)
                put_byte(t, ' ', out); /* no delimiter begins here */
        }
        if (base64 && c == '-' && !t->column)
            continue; /* nor here */
        if (bad)
            put_blot(t, out);
        else
            put_byte(t, c, out);
    }
}

/* ---- interface ---- */

void rewrite_transfer_feed(struct rewrite_transfer *t, struct sv bytes, struct buf *out)
{
    switch (t->form) {
    case REWRITE_TRANSFER_KEEP:
        put(out, bytes);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE:
        feed_qp(t, bytes, out);
        break;
    case REWRITE_TRANSFER_BASE64:
        feed_base64(t, bytes, out);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN:
        feed_qp_again(t, bytes, out);
        break;
    case REWRITE_TRANSFER_BASE64_AGAIN:
    case REWRITE_TRANSFER_PLAIN:
    case REWRITE_TRANSFER_PLAIN_8BIT:
        feed_lines(t, bytes, out);
        break;
    }
}

void rewrite_transfer_end(struct rewrite_transfer *t, bool is_last, struct buf *out)
{
    switch (t->form) {
    case REWRITE_TRANSFER_KEEP:
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE:
        end_qp(t, is_last, out);
        break;
    case REWRITE_TRANSFER_BASE64:
        end_base64(t, is_last, out);
        break;
    case REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN:
        if (t->nheld)
            again_hex(t, '\r', out);
        break;
    case REWRITE_TRANSFER_BASE64_AGAIN:
    case REWRITE_TRANSFER_PLAIN:
    case REWRITE_TRANSFER_PLAIN_8BIT:
        if (t->nheld && t->form != REWRITE_TRANSFER_BASE64_AGAIN)
            put_blot(t, out);
        break;
    }
    t->nheld = 0;
}
